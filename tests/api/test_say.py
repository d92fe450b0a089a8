"""Reports without a name: no account, no address, no time finer than a day; nothing is lost."""

import hashlib
import io
import json
import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from api import logs
from api.app import create_app
from api.web import words
from custody.errors import EvidenceError
from ingest import letters
from repository.codewords import BITS, LANGUAGES, draw, normal
from repository.codewords import words as known_words
from repository.mailboxes import find_mailbox, letters_of
from tests.house import House
from tests.web import text

SEEN = "I saw the trucks at the bridge. <script>alert(1)</script> \u202e"
WHERE = "203.0.113.77"


@pytest.fixture
def taking(house):
    """Return a house that takes reports."""
    settings = house.repo.settings.model_copy(update={"intake_case": "KRN"})
    return House(type(house.repo)(**{**vars_of(house.repo), "settings": settings}), house.data)


def vars_of(repo):
    return {name: getattr(repo, name) for name in repo.__dataclass_fields__}


@pytest.fixture
def client(taking):
    found = create_app(taking.repo).test_client()
    found.environ_base["REMOTE_ADDR"] = WHERE
    return found


def code_of(answer):
    return re.search(r'<p class="code" dir="auto"><bdi>(.*?)</bdi>', answer.text)[1]


def later(taking, **by):
    now = taking.repo.clock() + timedelta(**by)
    repo = type(taking.repo)(**{**vars_of(taking.repo), "clock": lambda: now})
    return House(repo, taking.data)


def report(client, **more):
    answer = client.post("/say?lang=en", data={"words": SEEN, "heard": "no", **more})
    assert answer.status_code == 200
    return code_of(answer)


def test_a_house_that_takes_no_reports_has_no_such_page(taking):
    settings = taking.repo.settings.model_copy(update={"intake_case": None})
    repo = type(taking.repo)(**{**vars_of(taking.repo), "settings": settings})
    assert create_app(repo).test_client().get("/say").status_code == 404


def test_words_alone_are_a_report_and_become_evidence_when_the_day_is_over(
    client, taking, tmp_path
):
    before = taking.repo.ledger.size()
    code = report(client)
    assert taking.repo.ledger.size() == before  # an entry would tell the time
    assert letters.post(taking.repo, print) == 0
    tomorrow = later(taking, days=1)
    assert letters.post(tomorrow.repo, print) == 1
    assert letters.post(tomorrow.repo, print) == 0
    made = tomorrow.last("registration")
    [letter] = letters_of(tomorrow.repo, find_mailbox(tomorrow.repo, code))
    assert (letter.state, letter.exhibit_id) == ("registered", made["exhibit"]["id"])
    assert made["actor"]["assurance"] == "code-name"
    number = made["exhibit"]["number"]
    out = tmp_path / "words.txt"
    asked = ("retrieve", number, "--out", out, "--purpose", "analysis")
    assert taking.evidence(*asked, person="analyst").code == 0
    assert out.read_text("utf-8") == SEEN.strip()
    shown = client.post("/say/box?lang=en", data={"key": code})
    assert "kept as evidence" in text(shown.text)


def test_no_table_log_or_object_name_holds_an_address_a_code_name_or_a_time(
    client, taking, tmp_path
):
    logged = io.StringIO()
    logs.install(logged)
    code = report(client)
    client.post("/say/box", data={"key": code})
    client.post("/say/box", data={"key": "never given out"})
    assert "/say" not in logged.getvalue()
    assert logged.getvalue().count("\n") == 0
    now = taking.repo.clock()
    for row in rows(taking, "mailbox") + rows(taking, "letter") + rows(taking, "letter_piece"):
        said = json.dumps(row, default=lambda raw: raw.decode("latin-1"))
        assert WHERE not in said
        assert code not in said
        assert not re.search(rf"{now:%Y-%m-%d}[T ]\d|{now:%H:%M}", said), said
        assert f"u/{now:%Y%m%d}" not in said or f"u/{now:%Y%m%d}00/" in said
    everything = b"".join(one.read_bytes() for one in taking.data.rglob("*") if one.is_file())
    assert WHERE.encode() not in everything
    assert code.encode() not in everything
    assert SEEN.encode() not in everything  # it waits sealed


def rows(taking, table):
    with taking.repo.database.reading() as session:
        found = session.connection().exec_driver_sql(f"SELECT * FROM {table}")
        return [tuple(one) for one in found]


def test_nothing_is_saved_on_the_device_and_nothing_says_what_the_page_is(client):
    code = report(client)
    answers = [
        client.get("/say?lang=en"), client.post("/say/box", data={"key": code}),
        client.post("/say/box", data={"key": "wrong"}),
    ]  # fmt: skip
    for answer in answers:
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        [title] = re.findall("<title>(.*?)</title>", answer.text)
        names = " ".join([title, *re.findall(r'(?:src|href)="([^"]+)"', answer.text)])
        assert not re.search("evidence|crime|report|witness|investigat", names, re.I), names
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", answer.text)
    assert "<script>alert" not in answers[1].text


def test_consent_is_asked_for_each_kind_of_recipient_and_is_what_the_rules_obey(client, taking):
    code = report(client, consent=["court"])
    tomorrow = later(taking, days=1)
    letters.post(tomorrow.repo, print)
    assert tomorrow.last("consent_recorded")["actor"]["assurance"] == "code-name"
    number = tomorrow.last("registration")["exhibit"]["number"]
    out = tomorrow.data.parent / "bundle"
    words_ = ("export", number, "--case", "KRN", "--out", out)
    refused = tomorrow.evidence(*words_, "--purpose", "sharing: asked", person="prosecutor")
    assert refused.code == 4, refused.err
    given = tomorrow.evidence(*words_, "--purpose", "court", person="prosecutor")
    assert given.code == 0, given.err
    client.post("/say/wishes", data={"key": code, "withdrawn": "yes"})
    second = ("export", number, "--case", "KRN", "--out", f"{out}2", "--purpose", "court")
    again = tomorrow.evidence(*second, person="prosecutor")
    assert again.code == 4
    assert tomorrow.last("consent_withdrawn")["actor"]["assurance"] == "code-name"


def test_consent_is_narrowed_and_never_widened_by_whoever_has_the_code_name(client, taking):
    code = report(client, consent=["court", "partners"])
    assert client.post("/say/wishes", data={"key": code, "consent": "court"}).status_code == 200
    assert find_mailbox(taking.repo, code).consent == ["court"]
    wider = client.post("/say/wishes", data={"key": code, "consent": ["court", "defence"]})
    assert wider.status_code == 400
    assert find_mailbox(taking.repo, code).consent == ["court"]


def test_files_come_by_a_plain_form_and_what_arrived_of_a_broken_line_is_said(client, taking):
    code = report(client)
    whole, part = b"w" * 70_000, b"p" * 50_000
    sent = client.post(
        "/say/files?lang=en",
        data={"key": code, "file": [(io.BytesIO(whole), "evidence\u202egpj.exe"),
                                    (io.BytesIO(b""), "empty.bin")]},
    )  # fmt: skip
    assert "70000 bytes arrived" in text(sent.text)
    assert "U+202E" in sent.text
    boundary = "x" * 20
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="key"\r\n\r\n{code}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    ).encode() + part
    broken = client.post(
        "/say/files?lang=en", input_stream=io.BytesIO(body), content_length=len(body) + 1_000_000,
        content_type=f"multipart/form-data; boundary={boundary}",
    )  # fmt: skip
    assert broken.status_code == 200
    shown = text(client.post("/say/box?lang=en", data={"key": code}).text)
    found = {one.name: one for one in letters_of(taking.repo, find_mailbox(taking.repo, code))}
    film = found[b"film.mp4"]
    assert film.state == "arriving"
    # The end of a form's file is known with the line after it: a few bytes may wait for it.
    assert len(part) - 100 <= film.offset <= len(part)
    assert f"film.mp4 – {film.offset} bytes arrived incomplete" in shown
    assert found["evidence\u202egpj.exe".encode()].state == "waiting"
    assert found[b"empty.bin"].state == "waiting"
    posted = later(taking, days=9)
    assert letters.post(posted.repo, print) == 4
    last = {e.fields["exhibit"]["sha256"] for e in posted.entries()
            if e.fields["type"] == "registration"}  # fmt: skip
    for data in (whole, b"", part[: film.offset]):
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" in last


def test_a_script_sends_the_rest_of_a_file_after_a_break_and_after_a_reload(client, taking):
    code, data = report(client), bytes(range(256)) * 1_000
    head = f"sha256:{hashlib.sha256(data[:65536]).hexdigest()}"
    asked = {"key": code, "name": "voice.ogg", "size": len(data), "head": head}
    begun = client.post("/say/letter", json=asked).json
    headers = {"Say-Key": quote(code), "Say-Letter": begun["letter"]}

    def piece(start, end):
        return client.post("/say/piece", data=data[start:end],
                           headers={**headers, "Upload-Offset": str(start)})  # fmt: skip

    assert piece(0, 100_000).json == {"offset": 100_000}
    assert client.post("/say/letter", json=asked).json == {**begun, "offset": 100_000}
    assert piece(0, 10).status_code == 409
    other = {**asked, "head": "sha256:" + "0" * 64}
    assert client.post("/say/letter", json=other).json["offset"] == 0
    assert piece(100_000, len(data)).json == {"offset": len(data)}
    stranger = report(client)
    taken = client.post("/say/piece", data=b"x", headers={
        **headers, "Say-Key": quote(stranger), "Upload-Offset": "0"})  # fmt: skip
    assert taken.status_code == 400
    tomorrow = later(taking, days=1)
    letters.post(tomorrow.repo, print)
    made = {e.fields["exhibit"]["sha256"] for e in tomorrow.entries()
            if e.fields["type"] == "registration"}  # fmt: skip
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" in made


def test_registering_goes_on_where_a_crash_ended_it(client, taking, monkeypatch):
    report(client)
    tomorrow = later(taking, days=1)
    monkeypatch.setattr(letters, "_discard", lambda *_: (_ for _ in ()).throw(EvidenceError("x")))
    assert letters.post(tomorrow.repo, lambda _: None) == 0
    monkeypatch.undo()
    assert letters.post(tomorrow.repo, print) == 1
    made = [e for e in tomorrow.entries() if e.fields["type"] == "registration"]
    people = [e for e in tomorrow.entries() if e.fields["type"] == "person_registered"
              and e.fields["actor"]["assurance"] == "code-name"]  # fmt: skip
    assert (len(made), len(people)) == (1, 1)


@pytest.mark.parametrize("data", [
    {}, {"key": ""}, {"key": "x" * 10_000}, {"key": "\u202e"}, {"key": "lion'; DROP TABLE mailbox"},
])  # fmt: skip
def test_a_wrong_code_name_opens_nothing_and_what_was_typed_stays(client, data):
    answer = client.post("/say/words?lang=en", data={**data, "words": "kept <b>"})
    assert answer.status_code in (400, 404)
    assert "kept &lt;b&gt;" in answer.text


def test_forms_that_are_none_are_refused_and_nothing_breaks(client):
    for body, kind in (
        (b"", "multipart/form-data; boundary=x"), (b"\0" * 100, "multipart/form-data; boundary=x"),
        (b"--x\r\nno header\r\n", "multipart/form-data; boundary=x"), (b"key=x", "text/plain"),
        (b"--x\r\n" * 5_000, "multipart/form-data; boundary=x"),
    ):  # fmt: skip
        answer = client.post("/say/files", data=body, content_type=kind)
        assert answer.status_code in (400, 404), (body[:20], answer.status_code)
        assert answer.mimetype == "text/html"


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_code_name_has_enough_chance_in_every_language_and_is_read_as_people_type(code, taking):
    known = known_words(code)
    assert len(set(map(normal, known))) == len(known)
    assert len(known) & (len(known) - 1) == 0
    drawn = draw(taking.repo.random, code)
    count = len(drawn.split(" "))
    assert count * (len(known).bit_length() - 1) >= BITS
    assert normal(f"  {drawn.upper()} ".replace(" ", " , ")) == normal(drawn)
    assert all(normal(one) == one and " " not in one for one in known)


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - set(words.LANGUAGES)))
def test_the_page_speaks_languages_that_no_other_page_does(client, code):
    english, other = words.language("en"), words.language(code)
    assert set(other.words["intake"]) == set(english.words["intake"])
    for name, said in english.words["intake"].items():
        assert set(re.findall(r"{\w+}", said)) == set(
            re.findall(r"{\w+}", other.words["intake"][name])
        )
    answer = client.get(f"/say?lang={code}")
    assert f'<html lang="{code}" dir="{other.direction}">' in answer.text
    assert other.say("shell.unreviewed") in answer.text
    made = client.post(f"/say?lang={code}", data={"words": "…", "heard": "unknown"})
    assert set(code_of(made).split(" ")) <= set(known_words(code))
