"""The pages of exhibits: what they show is listed in one entry first, and no original is shown."""

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from api.app import create_app
from api.place import SESSION
from ingest import program
from ingest.extractors import playable
from repository.approvals import mark
from repository.conditions import Marking
from repository.privilege import claim
from repository.proceedings import Privilege
from tests.one_house import one_house
from tests.web import sign_in, text

HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.svg"
PICTURE, NAMED = "KRN-000001", "KRN-000002"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a house with a picture that was looked at, and a file with a hostile name."""
    with one_house(tmp_path_factory) as one:
        yield one


@pytest.fixture(scope="module")
def filled(made, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        house = made.enter(patch)
        folder = tmp_path_factory.mktemp("in")
        file = io.BytesIO()
        Image.linear_gradient("L").save(file, "JPEG")
        (folder / "a.png").write_bytes(file.getvalue())
        seen = {"place": "50.45 30.52", "collected_at": "2022-03-14T10:00:00Z"}
        house.ingest(folder / "a.png", extract=True, **seen)
        (folder / HOSTILE).write_bytes(b"<svg onload=alert(1) xmlns='http://www.w3.org/2000/svg'/>")
        house.ingest(folder / HOSTILE)
        assert house.evidence("reindex").code == 0
    return house


@pytest.fixture
def client(filled, made, monkeypatch):
    made.enter(monkeypatch)
    found = create_app(filled.repo).test_client()
    sign_in(found, filled, "analyst")
    return found


def released(house):
    """Let the other tests of this module find what they expect again."""
    with house.repo.database.writing() as session:
        for row in session.query(Privilege):
            row.state = "released"
        session.flush()


def addresses(page):
    return re.findall(r'src="(/shown/[^"]+)"', page.text)


def test_a_page_is_one_entry_that_lists_every_picture_it_shows(client, filled):
    size = filled.repo.ledger.size()
    shown = client.get(f"/exhibits/{PICTURE}")
    assert shown.status_code == 200
    assert filled.repo.ledger.size() == size + 1
    entry = filled.last("consultation")
    assert entry["reason"] == "exhibit-page"
    assert entry["exhibit"]["number"] == PICTURE
    assert entry["count"] == len(addresses(shown)) == 1
    assert len(entry["outputs"]) == 2  # the record that facts are read from, and the picture
    derived = filled.last("derivative_creation")
    assert entry["outputs"][1] in derived["outputs"]
    picture = client.get(addresses(shown)[0])
    assert (picture.status_code, picture.mimetype) == (200, "image/jpeg")
    assert picture.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert Image.open(io.BytesIO(picture.data)).size == (256, 256)
    assert filled.repo.ledger.size() == size + 1


def test_sound_is_played_from_a_small_copy_that_was_asked_for(client, filled, tmp_path):
    if program.find("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    (tmp_path / "voice.wav").write_bytes(playable.SAMPLE)
    number = filled.ingest(tmp_path / "voice.wav", extract=True)[0]["exhibit"]
    where = f"/exhibits/{number}"
    assert "There is no copy to play here" in text(client.get(where).text)
    said = filled.evidence("extract", "--again", number, "--with", "playable")
    assert said.code == 0, said.err
    shown = client.get(where)
    [address] = re.findall(r'<audio src="(/shown/[^"]+)" controls preload="none"', shown.text)
    entry = filled.last("consultation")
    assert (entry["reason"], entry["count"]) == ("exhibit-page", 1)
    played = client.get(address)
    assert (played.status_code, played.mimetype, played.data[:4]) == (200, "audio/ogg", b"OggS")
    assert addresses(client.get("/cases/KRN/gallery")) != []  # a sound is no picture of it


def test_an_address_of_a_picture_is_good_for_one_session_and_some_minutes(client, filled):
    [address] = addresses(client.get(f"/exhibits/{PICTURE}"))
    other = create_app(filled.repo).test_client()
    sign_in(other, filled, "analyst")
    cut = address[:-2] + ("AA" if not address.endswith("AA") else "BB")
    for asking, asked in ((other, address), (client, cut), (client, "/shown/x")):
        refused = asking.get(asked)
        assert refused.status_code == 403
        assert filled.last("access_denied")["reason"] == "picture-foreign"
    now = filled.repo.clock()
    late = create_app(replace(filled.repo, clock=lambda: now + timedelta(minutes=10)))
    later = late.test_client()
    later.set_cookie(SESSION, client.get_cookie(SESSION).value)
    later.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    assert later.get(address).status_code == 403
    assert filled.last("access_denied")["reason"] == "picture-expired"


def test_a_picture_is_not_given_out_once_its_exhibit_is_closed(client, filled):
    shown = client.get(f"/exhibits/{PICTURE}")
    claim(filled.repo, filled.caller("investigator"), PICTURE, motive="a letter to counsel")
    try:
        assert client.get(addresses(shown)[0]).status_code == 403
        assert filled.last("access_denied")["reason"] == "access-ended"
        closed = client.get(f"/exhibits/{PICTURE}")
        assert addresses(closed) == []
        assert "possibly privileged" in text(closed.text)
        assert "What it says of itself" not in text(closed.text)
        assert addresses(client.get("/cases/KRN/gallery")) == []
    finally:
        released(filled)


def test_a_hostile_name_is_text_and_its_file_is_never_a_picture(client):
    shown = client.get(f"/exhibits/{NAMED}")
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown.text
    assert "U+202E" in text(shown.text)
    assert "\u202e" not in shown.text
    assert addresses(shown) == []
    assert "A worker will" not in shown.text
    assert "Nobody has looked at it yet" in text(shown.text)
    custody = client.get(f"/exhibits/{NAMED}/custody")
    assert "Registration" in text(custody.text)
    assert not re.search(r"<(img|svg)\b", custody.text)


def test_pictures_are_veiled_until_asked_for_or_until_said_otherwise_in_bulk(client, filled):
    for path in (f"/exhibits/{PICTURE}", "/cases/KRN/gallery"):
        assert 'class="veiled"' in client.get(path).text
        assert 'class="veiled"' not in client.get(f"{path}?reveal=1").text
    asked = {"exhibit": [PICTURE, NAMED], "sensitive": "no"}
    answer = client.post("/cases/KRN/sensitivity", data=asked, follow_redirects=True)
    assert "2 exhibits were changed" in text(answer.text)
    assert 'class="veiled"' not in answer.text
    assert 'class="veiled"' not in client.get(f"/exhibits/{PICTURE}").text
    assert filled.last("annotation")["reason"] == "tag"
    back = {**asked, "sensitive": "yes"}
    assert client.post("/cases/KRN/sensitivity", data=back).status_code == 400
    client.post("/cases/KRN/sensitivity", data={**back, "motive": "a body is seen"})
    assert 'class="veiled"' in client.get(f"/exhibits/{PICTURE}").text


def test_a_gallery_is_one_entry_that_lists_its_pictures(client, filled):
    size = filled.repo.ledger.size()
    shown = client.get("/cases/KRN/gallery")
    assert filled.repo.ledger.size() == size + 1
    entry = filled.last("consultation")
    assert (entry["reason"], entry["count"]) == ("gallery", 1)
    assert client.get(addresses(shown)[0]).status_code == 200


def test_what_is_said_is_recorded_and_what_is_refused_stays_typed(client, filled):
    said = {"kind": "note", "text": "</textarea><script>alert(1)</script>"}
    answer = client.post(f"/exhibits/{NAMED}/annotations", data=said, follow_redirects=True)
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)" in answer.text
    assert filled.last("annotation")["reason"] == "note"
    asked = {"kind": "assessment", "position": "1,2", "place": "<b>the bridge"}
    refused = client.post(f"/exhibits/{NAMED}/annotations", data=asked)
    assert refused.status_code == 400
    assert 'value="&lt;b&gt;the bridge"' in refused.text
    assert "Say by which method" in text(refused.text)
    [named] = re.findall(r'<li id="(ANN-[^"]+)"', answer.text)[-1:]
    own = client.post(
        f"/exhibits/{NAMED}/annotations/{named}/withdraw",
        data={"motive": "wrong exhibit"}, follow_redirects=True,
    )  # fmt: skip
    assert "It is withdrawn" in text(own.text)


def test_verify_now_reads_all_again_and_shows_both_digests(client, filled):
    good = client.post(f"/exhibits/{PICTURE}/verify")
    assert "Every byte is what was recorded" in text(good.text)
    entry = filled.last("fixity_check")
    assert (entry["outcome"], entry["actor"]["role"]) == ("pass", "analyst")
    digest = entry["exhibit"]["sha256"].removeprefix("sha256:")
    assert text(good.text).count(digest) == 2  # recorded, and computed
    piece = client.post(f"/exhibits/{PICTURE}/verify", headers={"HX-Request": "true"})
    assert "<html" not in piece.text
    filled.flip(NAMED, 60)
    try:
        bad = client.post(f"/exhibits/{NAMED}/verify")
    finally:
        filled.flip(NAMED, 60)
    assert "Stored bytes are not what was recorded" in text(bad.text)
    assert 'class="notice bad"' in bad.text
    assert "What happens next" in text(bad.text)
    assert filled.last("fixity_check")["outcome"] == "fail"
    assert filled.last("integrity_failure")["exhibit"]["number"] == NAMED


def test_whoever_has_no_part_sees_no_page_of_an_exhibit(filled, made, monkeypatch):
    made.enter(monkeypatch)
    client = create_app(filled.repo).test_client()
    sign_in(client, filled, "stranger")
    for end in ("", "/custody", "/related"):
        there, none = client.get(f"/exhibits/{PICTURE}{end}"), client.get(f"/exhibits/KRN-9{end}")
        assert there.status_code == none.status_code == 404
    assert client.post(f"/exhibits/{PICTURE}/verify").status_code == 404
    assert filled.last("access_denied")["attempted"] == "fixity_check"


def stated(page):
    return re.search(r'name="seen" value="([0-9a-f]{64})"', page.text)[1]


def test_retrieval_shows_what_will_be_recorded_and_then_records_just_that(client, filled):
    where = f"/exhibits/{PICTURE}/retrieve"
    assert client.get(where).status_code == 200
    none = client.post(where, data={"words": "to <b>see"})
    assert none.status_code == 400
    assert 'value="to &lt;b&gt;see"' in none.text
    asked = {"code": "analysis", "words": "the inscription", "authority": "art. 54"}
    told = client.post(where, data=asked)
    assert "This will be recorded" in text(told.text)
    assert "analysis: the inscription" in text(told.text)
    assert not any(kind.startswith("retrieval") for kind in filled.types())  # nothing left yet
    sent = client.post(where, data={**asked, "seen": stated(told)})
    assert sent.headers["Content-Disposition"] == f'attachment; filename="{PICTURE}.bin"'
    assert sent.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert sent.data[:2] == b"\xff\xd8"
    begun, done = [e for e in filled.entries() if e.fields["type"] == "retrieval"]
    assert (begun.fields["outcome"], done.fields["outcome"]) == ("started", "done")
    opened = filled.repo.ledger.opened(begun)
    assert opened["purpose"] == {"code": "analysis", "text": "the inscription"}
    assert (opened["authority"], opened["actor_name"]) == ("art. 54", "analyst")
    assert opened["case"] == "KRN"


def test_whoever_may_not_retrieve_is_told_so_on_a_page(filled, made, monkeypatch):
    made.enter(monkeypatch)
    client = create_app(filled.repo).test_client()
    sign_in(client, filled, "investigator")
    where = f"/exhibits/{PICTURE}/retrieve"
    assert where not in client.get(f"/exhibits/{PICTURE}").text
    told = client.post(where, data={"code": "analysis"})
    refused = client.post(where, data={"code": "analysis", "seen": stated(told)})
    assert refused.status_code == 403
    assert "You may not do this" in text(refused.text)
    assert filled.last("access_denied")["attempted"] == "retrieval"


def test_a_search_leaves_no_word_in_an_address_and_can_be_paged_and_narrowed(client, filled):
    asked = client.post("/search", data={"q": "gradient OR png"})
    assert asked.status_code == 303
    where = asked.headers["Location"]
    assert "png" not in where
    size = filled.repo.ledger.size()
    found = client.get(where)
    assert "1 exhibit found" in text(found.text)
    assert f'href="/exhibits/{PICTURE}"' in found.text
    assert filled.repo.ledger.size() == size + 1
    assert filled.last("consultation")["reason"] == "search"
    narrowed = client.post("/search", data={"q": "png", "add": "family=other"})
    again = client.get(narrowed.headers["Location"])
    assert 'name="drop" value="family=other"' in again.text
    none = client.post("/search", data={"q": "png", "add": "family=mobile"}, follow_redirects=True)
    assert "0 exhibits found" in text(none.text)
    shown = client.post("/search", data={"q": "png", "view": "gallery"}, follow_redirects=True)
    assert len(addresses(shown)) == 1
    other = create_app(filled.repo).test_client()
    sign_in(other, filled, "analyst")
    assert other.get(where).status_code == 404


def test_what_was_found_is_quoted_and_marked_as_text(client, filled):
    said = {"kind": "note", "text": "<i>before the Zeppelin hangar & after"}
    client.post(f"/exhibits/{NAMED}/annotations", data=said)
    assert filled.evidence("reindex").code == 0
    found = client.post("/search", data={"q": "zeppelin"}, follow_redirects=True)
    assert "<mark><bdi>Zeppelin</bdi></mark>" in found.text
    assert "<i>" not in found.text
    assert "&lt;i&gt;before the" in found.text


def test_what_was_found_by_a_number_says_which_and_where(client, filled):
    asked = ("--prefix", "OTP-", "--digits", "6", "--motive", "as ordered")
    assert filled.evidence("number", "scheme", "KRN", *asked, person="prosecutor").code == 0
    assert filled.evidence("number", "assign", "KRN", PICTURE, person="prosecutor").code == 0
    found = client.post("/search", data={"q": "number:OTP-000001"}, follow_redirects=True)
    assert f'href="/exhibits/{PICTURE}"' in found.text
    assert "OTP-000001 to OTP-000001 in KRN" in text(found.text)


def test_a_query_that_cannot_be_read_stays_typed(client):
    refused = client.post("/search", data={"q": '"><script>alert(1)</script> NOT ('})
    assert refused.status_code == 303
    told = client.get(refused.headers["Location"])
    assert told.status_code == 400
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt; NOT ("' in told.text
    assert client.post("/search", data={}).status_code == 400


def test_searches_are_saved_in_a_case_shared_and_run(client, filled, made):
    asked = {"title": "<b>Pictures", "q": "png", "shared_with": "prosecutor\n"}
    saved = client.post("/cases/KRN/searches", data=asked, follow_redirects=True)
    assert "&lt;b&gt;Pictures" in saved.text
    other = create_app(filled.repo).test_client()
    sign_in(other, filled, "prosecutor")
    assert "png" in text(other.get("/cases/KRN/searches").text)
    sign_in(other, filled, "investigator")
    assert "png" not in text(other.get("/cases/KRN/searches").text)
    assert client.post("/cases/KRN/searches", data={"q": "("}).status_code == 400


def test_a_saved_search_keeps_all_that_is_asked_and_how_it_is_shown(client):
    asked = {
        "title": "There and then", "after": "2022", "near": "50.45,30.52", "within": "5km",
        "certain": "yes", "view": "gallery", "filter": ["family=other", "month=2022-03"],
    }  # fmt: skip
    listed = client.post("/cases/KRN/searches", data=asked, follow_redirects=True).text
    mine = listed.partition("There and then")[2].partition("</li>")[0]
    assert "Family: other" in text(mine)
    sent = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', mine)
    kept = [(name, value) for name, value in sent if name not in ("case", "filter")]
    assert dict(kept) == {n: v for n, v in asked.items() if n not in ("title", "filter")}
    assert [value for name, value in sent if name == "filter"] == asked["filter"]
    again = {name: [v for n, v in sent if n == name] for name, _ in sent}
    found = client.post("/search", data=again, follow_redirects=True)
    assert "1 exhibit found" in text(found.text)
    refused = client.post("/cases/KRN/searches", data={**asked, "title": ""})
    assert refused.status_code == 400
    for name, value in sent[1:]:
        assert name == "case" or f'name="{name}" value="{value}"' in refused.text


def test_timeline_and_map_say_when_and_where_and_who_says_so(client, filled, made):
    size = filled.repo.ledger.size()
    line = text(client.get("/cases/KRN/timeline").text)
    assert "2022-03-14 10:00:00 UTC" in line
    assert "declared by the submitter" in line
    assert "a.png" in line
    entry = filled.last("consultation")
    assert (entry["reason"], entry["count"]) == ("timeline", 1)
    shown = client.get("/cases/KRN/map")
    assert 'data-latitude="50.45" data-longitude="30.52"' in shown.text
    assert (filled.last("consultation")["reason"], filled.repo.ledger.size()) == ("map", size + 2)
    claim(filled.repo, filled.caller("investigator"), PICTURE, motive="a letter to counsel")
    try:
        for path in ("timeline", "map"):
            assert PICTURE not in client.get(f"/cases/KRN/{path}").text  # facts are not for them
    finally:
        released(filled)


def test_what_restricts_an_exhibit_stands_on_its_page(client, filled):
    marking = Marking(handling="H1", conditions="<i>ask first")
    mark(filled.repo, filled.caller_of_login(), PICTURE, marking, motive="the provider said so")
    shown = client.get(f"/exhibits/{PICTURE}")
    assert "handling: H1" in text(shown.text)
    assert "&lt;i&gt;ask first" in shown.text
    where = f"/exhibits/{PICTURE}/retrieve"
    told = client.post(where, data={"code": "analysis"})
    assert "&lt;i&gt;ask first" in told.text
    asked = {"code": "analysis", "seen": stated(told)}
    unread = client.post(where, data=asked)
    assert unread.status_code == 400  # the conditions were not acknowledged
    assert client.post(where, data={**asked, "agreed": "yes"}).status_code == 200
    assert client.post(where, data={**asked, "agreed": "yes", "seen": "0" * 64}).status_code == 400
