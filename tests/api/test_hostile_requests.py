"""What is wrong with a request is refused and recorded; what is only odd comes back as it was."""

import base64
import json
from urllib.parse import quote, quote_from_bytes

import pytest

from api.app import create_app
from repository.flows import close_ended
from repository.models import Grant
from repository.people import find_person
from tests.house import CODE, make_house
from tests.shared import shared

DATA = bytes(range(256)) * 64


@pytest.fixture
def client(house):
    return create_app(house.repo).test_client()


def bearer(house, name):
    return {"Authorization": f"Bearer {house.evidence('token', 'new', name).lines[0]['token']}"}


@pytest.fixture
def hands_in(house):
    return bearer(house, "investigator")


@pytest.fixture
def number(client, hands_in):
    made = client.post(f"/api/v1/exhibits?case={CODE}", data=DATA, headers=hands_in)
    return made.json["exhibit"]


def content(client, number, headers, **more):
    said = {"Evidence-Purpose": "analysis", **headers, **more}
    return client.get(f"/api/v1/exhibits/{number}/content", headers=said)


def test_a_token_of_another_house_opens_nothing_and_is_recorded(
    house, client, tmp_path, monkeypatch
):
    monkeypatch.delenv("EVIDENCE_DATABASE_URL", raising=False)
    other = make_house(tmp_path / "other")
    foreign = bearer(other, "investigator")
    other.repo.close()
    answer = client.get("/api/v1/cases", headers=foreign)
    assert answer.status_code == 401
    assert house.last("sign_in") | {"outcome": "refused", "reason": "token-unknown"} == house.last(
        "sign_in"
    )


@pytest.mark.parametrize(
    ("stated", "code"),
    [("", "purpose-required"), ("analysis:%20" + "x" * 10_240, "purpose-too-long"),
     ("%D8%A7" * 1_001, "purpose-too-long")],
)  # fmt: skip
def test_a_purpose_that_is_none_or_a_book_is_refused_and_recorded(
    house, client, number, stated, code
):
    headers = {**bearer(house, "analyst"), "Evidence-Purpose": stated}
    answer = client.get(f"/api/v1/exhibits/{number}/content", headers=headers)
    assert answer.status_code == 400
    assert answer.json["type"].endswith(f"/{code}")
    assert house.last("access_denied")["reason"] == code


@pytest.mark.parametrize("code", ["КРН", "ＫＲＮ", "كرن", "K\u202eRN", "krn", "KRN ", "\u200bKRN"])
def test_a_case_code_in_another_alphabet_is_no_case_and_recorded(house, client, hands_in, code):
    """Letters that look like those of a case must not find it, nor open one beside it."""
    for path in (
        f"/api/v1/cases/{quote(code)}",
        f"/api/v1/exhibits?case={quote(code)}",
        f"/api/v1/submissions?case={quote(code)}",
        f"/api/v1/exhibits/{quote(code)}-000001",
    ):
        before = house.repo.ledger.size()
        answer = client.get(path, headers=hands_in)
        assert answer.status_code == 404
        assert house.repo.ledger.size() == before + 1
        assert house.last("access_denied")["reason"] in ("unknown-case", "unknown-exhibit")
    sent = client.post(f"/api/v1/exhibits?case={quote(code)}", data=b"x", headers=hands_in)
    assert sent.status_code == 404
    made = client.post("/api/v1/cases", json={"code": code, "title": "t"}, headers=hands_in)
    assert made.status_code == 400
    assert made.json["detail"].startswith("code: ")


@pytest.mark.parametrize("how", ["token", "case"])
def test_who_is_removed_in_the_middle_of_a_download_gets_no_further_range(
    house, client, number, how
):
    reads = bearer(house, "analyst")
    assert content(client, number, reads, Range="bytes=0-99").data == DATA[:100]
    if how == "token":
        token = reads["Authorization"].split()[1].partition(".")[0]
        assert house.evidence("token", "revoke", token).code == 0
    else:
        with house.repo.database.writing() as session:
            person = find_person(session, "analyst")
            session.delete(session.get_one(Grant, (house.case.id, person.id, "analyst")))
    answer = content(client, number, reads, Range="bytes=100-199")
    assert (answer.status_code, answer.mimetype) == (
        401 if how == "token" else 404, "application/problem+json",
    )  # fmt: skip
    if how == "token":
        assert house.last("sign_in")["reason"] == "token-revoked"
    else:
        assert house.last("access_denied")["reason"] == "no-grant"
    from dataclasses import replace
    from datetime import timedelta

    later = replace(house.repo, clock=lambda: house.repo.clock() + timedelta(minutes=16))
    assert close_ended(later) == 1
    assert house.last("retrieval")["ranges"] == [[0, 99]]


def test_the_json_test_suite_through_every_body(house, client, hands_in):
    begun = client.post("/api/v1/submissions", json={"case": CODE}, headers=hands_in)
    place = begun.headers["Location"]
    sent = client.post(f"/api/v1/exhibits?case={CODE}", data=DATA, headers=hands_in)
    bodies = (
        ("POST", "/api/v1/cases", "application/json"),
        ("POST", "/api/v1/submissions", "application/json"),
        ("POST", f"{place}/complete", "application/json"),
        ("POST", f"/api/v1/exhibits/{sent.json['exhibit']}/members", "application/json"),
        ("PUT", f"{place}/list", "application/x-ndjson"),
    )
    files = sorted(shared("hostile", "json").glob("*.json"))
    assert len(files) == 318
    kinds: dict[str, set[str]] = {}
    for n, (method, path, kind) in enumerate(bodies):
        for file in files[n :: len(bodies)]:  # each text once; all of them: attacks/hostile_fields
            if path.endswith("complete") and file.name == "y_object_empty.json":
                continue  # this is what ends a submission
            headers = {**hands_in, "Content-Type": kind}
            answer = client.open(path, method=method, data=file.read_bytes(), headers=headers)
            assert answer.status_code == 400, (path, file.name, answer.text)
            said = answer.json["type"].rpartition("/")[2]
            kinds.setdefault(file.name[0], set()).add(said)
            if file.name.startswith("n_") and kind == "application/json":
                assert said == "malformed-json", (path, file.name)
    assert "bad-request" in kinds["y"]  # read, and then not what was asked for


def test_naughty_strings_through_every_text_field_come_back_byte_for_byte(house, client, hands_in):
    strings = json.loads(shared("hostile", "strings", "blns.json").read_text())
    assert len(strings) == 515
    reads = bearer(house, "prosecutor")
    naughty = [text for text in strings if text.strip()]
    assert len(naughty) > 500
    fields = ("collected_by", "place", "method", "authority", "source", "conditions")
    for start in range(0, len(naughty), len(fields)):
        lot = naughty[start : start + len(fields)]
        said = dict(zip(fields, lot, strict=False))
        purpose = f"other: {lot[0]}"
        path = "/".join(lot).encode()
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in said.items())
        headers = {
            **hands_in, "Evidence-Path": quote_from_bytes(path, safe=""),
            "Evidence-Purpose": quote(purpose, safe=""),
        }  # fmt: skip
        sent = client.post(f"/api/v1/exhibits?case={CODE}&{query}", data=DATA, headers=headers)
        assert sent.status_code == 201, (lot, sent.text)
        found = client.get(sent.headers["Location"], headers=reads).json
        assert found["path"].encode() == path
        assert content(client, found["exhibit"], reads, **{"Evidence-Purpose": quote(purpose)}).data
        entries = client.get(f"{sent.headers['Location']}/custody", headers=reads).json["items"]
        assert "source" not in entries[0]["opened"]  # who it is takes two persons
        opened = house.repo.ledger.opened(house.repo.ledger.entry(entries[0]["index"]))
        for name, value in said.items():
            where = opened["detail"] if name == "conditions" else opened
            assert where[name] == value, (name, value)
        [stated] = {
            one["opened"]["purpose"]["text"] for one in entries if "purpose" in one["opened"]
        }
        assert stated == lot[0].strip()


def test_naughty_strings_as_anything_else_are_answered_and_never_a_5xx(house, client, hands_in):
    strings = json.loads(shared("hostile", "strings", "blns.json").read_text())
    begun = client.post("/api/v1/submissions", json={"case": CODE}, headers=hands_in).headers
    for n, text in enumerate(strings):
        quoted = quote(text, safe="")
        encoded = base64.b64encode(text.encode()).decode()
        tus = {
            **hands_in, "Tus-Resumable": "1.0.0", "Upload-Length": "5",
            "Upload-Metadata": f"filename {encoded},case {base64.b64encode(b'KRN').decode()}",
        }  # fmt: skip
        line = json.dumps({"path": text, "size": 1, "sha256": f"sha256:{n:064x}"}) + "\n"
        asked = (
            ("GET", f"/api/v1/cases/{quoted}", None, hands_in),
            ("GET", f"/api/v1/exhibits/{quoted}", None, hands_in),
            ("GET", f"/api/v1/exhibits?case={CODE}&cursor={quoted}&limit={quoted}", None, hands_in),
            ("GET", f"{begun['Location']}/files?state={quoted}", None, hands_in),
            ("POST", "/api/v1/uploads", None, tus),
            ("PUT", f"{begun['Location']}/list", line.encode(),
             {**hands_in, "Content-Type": "application/x-ndjson"}),
        )  # fmt: skip
        for method, path, body, headers in asked[n % 6 :: 6]:
            answer = client.open(path, method=method, data=body, headers=headers)
            assert answer.status_code < 500, (path, text, answer.text)
            if path == "/api/v1/uploads" and answer.status_code == 201:
                assert answer.headers["Upload-Metadata"] == tus["Upload-Metadata"]
                shown = client.get(answer.headers["Location"], headers=hands_in).json
                assert shown["path"] == (text or "upload")
