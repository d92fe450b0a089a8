"""The HTTP API: what it serves, what it refuses, and that both are entries."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from werkzeug.routing import Rule

from api.app import create_app
from api.commands.context import login
from api.openapi import OPERATIONS, PUBLIC, openapi
from api.problems import STATUSES
from custody.errors import EvidenceError
from custody.merkle import leaf_hash, root_of
from custody.receipt import Proof, Receipt
from custody.static_log import parse_bundle
from repository.flows import close_ended
from repository.people import new_token
from tests.house import CODE
from tests.shared import shared

DATA = bytes(range(256)) * 12_000  # three chunks
SHA = sha256(DATA)


@pytest.fixture
def client(house):
    return create_app(house.repo).test_client()


@pytest.fixture
def token(house):
    def make(name, expires_at=None):
        from repository.people import find_person

        with house.repo.database.reading() as session:
            person = find_person(session, name)
        custodian = house.custodian
        _, text = new_token(house.repo, custodian, person=person, expires_at=expires_at)
        return {"Authorization": f"Bearer {text}"}

    return make


@pytest.fixture
def number(client, token):
    answer = client.post(f"/api/v1/exhibits?case={CODE}", data=DATA, headers=token("investigator"))
    assert answer.status_code == 201, answer.text
    return answer.json["exhibit"]


def content(client, number, headers, **more):
    return client.get(
        f"/api/v1/exhibits/{number}/content",
        headers={**headers, "Evidence-Purpose": "analysis%3A%20%D8%A7", **more},
    )


def test_an_upload_is_acknowledged_with_a_receipt_that_verifies(client, token, house):
    digest = base64.b64encode(SHA.digest()).decode()
    answer = client.post(
        f"/api/v1/exhibits?case={CODE}&family=social&collected_by=A",
        data=DATA,
        headers={
            **token("investigator"),
            "Repr-Digest": f"sha-256=:{digest}:",
            "Evidence-Path": "%D9%86%D8%A7%D9%85.jpg",
        },
    )
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/exhibits/{answer.json['exhibit']}"
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    receipt = Receipt.parse(answer.data)
    assert receipt.verify([house.repo.ledger.key]).checkpoint.size
    assert receipt.sha256 == f"sha256:{SHA.hexdigest()}"
    listed = client.get(f"/api/v1/exhibits?case={CODE}", headers=token("analyst")).json
    assert listed["items"][0]["path"] == "نام.jpg"
    assert house.last("message_digest_calculation")["outcome"] == "pass"


def test_a_wrong_digest_is_quarantined_and_nothing_is_lost(client, token, house):
    wrong = base64.b64encode(b"\0" * 32).decode()
    answer = client.post(
        f"/api/v1/exhibits?case={CODE}",
        data=DATA,
        headers={**token("investigator"), "Repr-Digest": f"sha-256=:{wrong}:"},
    )
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"].endswith("digest-mismatch")
    entry = house.repo.ledger.entry(answer.json["index"])
    assert entry.fields["type"] == "quarantine"
    assert house.repo.ledger.entry(answer.json["index"] - 1).fields["outcome"] == "fail"
    released = house.evidence(
        "quarantine", "release", answer.json["quarantine"], "--motive", "typing error",

    )  # fmt: skip
    assert released.code == 0, released.err
    got = content(client, released.lines[0]["exhibit"], token("analyst"))
    assert got.data == DATA


def test_the_bytes_come_back_with_digest_and_strong_tag(client, token, number):
    answer = content(client, number, token("analyst"))
    assert answer.status_code == 200
    assert answer.data == DATA
    digest = base64.b64encode(SHA.digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["ETag"] == f'"sha256-{SHA.hexdigest()}"'
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{number}.bin"'


def test_the_opening_entry_is_committed_before_the_first_byte(client, token, number, house):
    answer = client.get(
        f"/api/v1/exhibits/{number}/content",
        headers={**token("analyst"), "Evidence-Purpose": "analysis"},
        buffered=False,
    )
    blocks = answer.iter_encoded()
    next(blocks)
    assert house.last("retrieval")["outcome"] == "started"
    answer.close()
    closing = house.last("retrieval")
    assert (closing["outcome"], closing["reason"]) == ("aborted", "connection-closed")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=1048570-1048580", (1048570, 1048580)),
        ("bytes=-5", (len(DATA) - 5, len(DATA) - 1)),
        ("bytes=3000000-", (3000000, len(DATA) - 1)),
        ("bytes=0-99999999", (0, len(DATA) - 1)),
    ],
)
def test_single_ranges_equal_the_slice(client, token, number, house, asked, expected):
    answer = content(client, number, token("analyst"), Range=asked)
    first, last = expected
    assert answer.status_code == 206
    assert answer.data == DATA[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    clock = lambda: datetime.now(UTC) + timedelta(minutes=16)  # noqa: E731
    assert close_ended(replace(house.repo, clock=clock)) == 1
    assert house.last("retrieval")["ranges"] == [[first, last]]


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5-2", "bytes=0-1,5-6", "bytes=-0"])
def test_other_ranges_are_refused_and_recorded(client, token, number, house, asked):
    answer = content(client, number, token("analyst"), Range=asked)
    assert answer.status_code == 416
    assert answer.json["type"].endswith("range-not-satisfiable")


def test_an_unchanged_copy_is_not_sent_again(client, token, number, house):
    headers = token("analyst")
    answer = content(client, number, headers, **{"If-None-Match": f'"sha256-{SHA.hexdigest()}"'})
    assert (answer.status_code, answer.data) == (304, b"")
    assert house.last("consultation")["exhibit"]["number"] == number
    changed = content(client, number, headers, Range="bytes=0-1", **{"If-Range": '"other"'})
    assert (changed.status_code, changed.data) == (200, DATA)


def test_head_sends_no_byte_and_is_a_consultation(client, token, number, house):
    answer = client.head(
        f"/api/v1/exhibits/{number}/content",
        headers={**token("analyst"), "Evidence-Purpose": "analysis"},
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(DATA))
    assert "retrieval" not in [e.fields["type"] for e in house.entries()]


def test_a_flipped_bit_in_the_first_chunk_serves_nothing(client, token, number, house):
    house.flip(number, 10)
    answer = content(client, number, token("analyst"))
    assert answer.status_code == 500
    assert answer.json["type"].endswith("integrity-error")
    assert house.last("integrity_failure")["exhibit"]["number"] == number


def test_a_flipped_bit_later_ends_the_answer_before_the_bad_chunk(client, token, number, house):
    house.flip(number, 2_500_000)
    from repository.errors import IntegrityError

    answer = client.get(
        f"/api/v1/exhibits/{number}/content",
        headers={**token("analyst"), "Evidence-Purpose": "analysis"},
        buffered=False,
    )
    got = []
    with pytest.raises(IntegrityError):
        got.extend(answer.iter_encoded())
    answer.close()
    assert b"".join(got) == DATA[: 1 << 20]  # the next chunk reaches into the damaged segment
    assert house.last("integrity_failure")["exhibit"]["number"] == number


def test_a_range_beside_the_damage_is_still_served(client, token, number, house):
    house.flip(number, 2_500_000)
    assert content(client, number, token("analyst"), Range="bytes=0-99").data == DATA[:100]
    assert (
        content(client, number, token("analyst"), Range="bytes=2500001-2500002").status_code == 500
    )


@pytest.mark.parametrize(
    ("purpose", "status", "code"),
    [
        (None, 400, "purpose-required"),
        ("", 400, "purpose-required"),
        ("%20", 400, "purpose-required"),
        ("x" * 2001, 400, "purpose-too-long"),
        ("%FF", 400, "bad-request"),
    ],
)
def test_no_usable_purpose_no_bytes(client, token, number, house, purpose, status, code):
    headers = token("analyst")
    if purpose is not None:
        headers["Evidence-Purpose"] = purpose
    answer = client.get(f"/api/v1/exhibits/{number}/content", headers=headers)
    assert answer.status_code == status
    assert answer.json["type"].endswith(code)
    if code != "bad-request":
        assert house.last("access_denied")["reason"] == code


def test_absent_and_forbidden_answer_alike(client, token, number, house):
    stranger = token("stranger")
    answers = [content(client, n, stranger) for n in (number, "KRN-999999")]
    seen = {
        (a.status_code, a.text.replace(number, "N").replace("KRN-999999", "N")) for a in answers
    }
    assert len(seen) == 1
    assert answers[0].status_code == 404
    reasons = [e.fields["reason"] for e in house.entries() if e.fields["type"] == "access_denied"]
    assert reasons == ["no-grant", "unknown-exhibit"]


def test_a_part_in_the_case_but_not_this_right_is_403(client, token, number):
    assert content(client, number, token("investigator")).status_code == 403
    answer = client.post(f"/api/v1/exhibits?case={CODE}", data=b"x", headers=token("analyst"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer a.b", "Basic YTpi", "Bearer " + "x" * 5000,
               "Bearer \u00e9.x"],
)  # fmt: skip
def test_a_bad_token_is_401_and_recorded(client, house, header):
    answer = client.get("/api/v1/cases", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"
    assert house.last("sign_in")["outcome"] == "refused"


def test_an_expired_or_revoked_token_is_refused(client, token, house):
    from datetime import timedelta

    soon = house.repo.clock() + timedelta(milliseconds=1)
    assert client.get("/api/v1/cases", headers=token("analyst", soon)).status_code == 401
    assert house.last("sign_in")["reason"] == "token-expired"
    headers = token("analyst")
    assert client.get("/api/v1/cases", headers=headers).status_code == 200
    token_id = headers["Authorization"].split()[1].partition(".")[0]
    assert house.evidence("token", "revoke", token_id).code == 0
    assert client.get("/api/v1/cases", headers=headers).status_code == 401
    assert house.last("sign_in")["reason"] == "token-revoked"


def test_cases_are_opened_listed_and_shown_only_to_who_takes_part(client, token):
    made = client.post(
        "/api/v1/cases", json={"code": "NEW", "title": "A new case"}, headers=token("investigator")
    )
    assert made.status_code == 201
    again = client.post(
        "/api/v1/cases", json={"code": "NEW", "title": "x"}, headers=token("investigator")
    )
    assert again.status_code == 409
    mine = client.get("/api/v1/cases", headers=token("investigator")).json["items"]
    assert [case["case"] for case in mine] == ["KRN", "NEW"]
    assert client.get("/api/v1/cases", headers=token("stranger")).json["items"] == []
    assert client.get("/api/v1/cases/NEW", headers=token("stranger")).status_code == 404
    refused = client.post(
        "/api/v1/cases", json={"code": "ZZ", "title": "x"}, headers=token("analyst")
    )
    assert refused.status_code == 403


def test_lists_come_in_pages(client, token):
    headers = token("investigator")
    for n in range(5):
        client.post(f"/api/v1/exhibits?case={CODE}", data=b"%d" % n, headers=headers)
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(
            f"/api/v1/exhibits?case={CODE}&limit=2{cursor and '&cursor=' + cursor}", headers=headers
        ).json
        seen += [one["exhibit"] for one in page["items"]]
        cursor = page["next"]
    assert seen == [f"KRN-{n:06d}" for n in range(1, 6)]
    for bad in ("cursor=x", "cursor=czE&limit=0", "limit=x", "limit=501"):
        assert client.get(f"/api/v1/exhibits?case={CODE}&{bad}", headers=headers).status_code == 400


def test_custody_comes_with_proofs_that_verify(client, token, number, house):
    answer = client.get(f"/api/v1/exhibits/{number}/custody", headers=token("prosecutor"))
    items = answer.json["items"]
    for item in items:
        signed = Proof.parse(item["proof"]).verify(item["body"].encode(), [house.repo.ledger.key])
        assert signed.checkpoint.size > item["index"]
    assert [json.loads(i["body"])["exhibit"]["seq"] for i in items] == list(
        range(1, len(items) + 1)
    )
    assert items[-1]["opened"]["case"] == CODE


def test_checkpoint_and_proof_are_public_and_show_no_content(client, number, house):
    before = house.repo.ledger.size()
    checkpoint = client.get("/api/v1/ledger/checkpoint")
    assert checkpoint.text == house.repo.ledger.checkpoint().note
    proof = client.get("/api/v1/ledger/proof/3")
    body = house.repo.ledger.entry(3).body
    assert Proof.parse(proof.text).verify(body, [house.repo.ledger.key])
    assert client.get("/api/v1/ledger/proof/99999").status_code == 404
    assert client.get("/api/v1/ledger/proof/-1").status_code == 400
    assert house.repo.ledger.size() == before


def test_hash_tiles_are_public_and_lead_from_an_entry_to_the_checkpoint(client, number, house):
    """What a tlog-tiles client does: checkpoint, tiles, and the root from them."""
    size = int(client.get("/api/v1/ledger/checkpoint").text.split("\n")[1])
    tile = client.get(f"/api/v1/ledger/tile/0/000.p/{size}")
    assert "immutable" in tile.headers["Cache-Control"]
    leaves = [tile.data[n : n + 32] for n in range(0, len(tile.data), 32)]
    root = base64.b64decode(client.get("/api/v1/ledger/checkpoint").text.split("\n")[2])
    assert root_of(leaves) == root
    assert leaf_hash(house.repo.ledger.entry(3).body) == leaves[3]
    for name in (
        f"0/000.p/{size + 1}",
        "0/001",
        "0/000.p/0",
        "9/000.p/1",
        "0/1",
        "0/x000/000",
        "..",
    ):
        assert client.get(f"/api/v1/ledger/tile/{name}").status_code == 404, name
    assert house.repo.ledger.size() == size


def test_entry_bundles_need_authority_and_reading_them_is_recorded(client, number, house, token):
    name = "/api/v1/ledger/tile/entries/000.p/5"
    assert client.get(name).status_code == 401
    assert client.get(name, headers=token("analyst")).status_code == 403
    custodian = token(login())
    found = client.get(name, headers=custodian)
    assert parse_bundle(found.data) == [entry.body for entry in house.repo.ledger.entries(0, 5)]
    assert house.last("consultation")["reason"] == "ledger-tiles"
    assert found.headers["Cache-Control"] == "no-store"


def test_errors_of_the_framework_are_problems_too(client):
    missing = client.get("/nothing")
    assert (missing.status_code, missing.content_type) == (404, "application/problem+json")
    wrong = client.delete("/api/v1/cases")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["Allow"]


def test_the_json_test_suite_gets_no_5xx(client, token):
    headers = {**token("investigator"), "Content-Type": "application/json"}
    for file in sorted(shared("hostile", "json").glob("*.json")):
        answer = client.post("/api/v1/cases", data=file.read_bytes(), headers=headers)
        assert answer.status_code == 400, (file.name, answer.status_code)


def test_naughty_strings_come_back_as_they_were(client, token):
    headers = token("investigator")
    strings = json.loads(shared("hostile", "strings", "blns.json").read_text())
    tried = [s for s in strings if s.strip() and len(s) <= 500]
    assert len(tried) > 400
    for n, text in enumerate(tried):
        code = f"N{n:05d}"
        made = client.post("/api/v1/cases", json={"code": code, "title": text}, headers=headers)
        assert made.status_code == 201, (text, made.text)
        assert client.get(f"/api/v1/cases/{code}", headers=headers).json["title"] == text


def test_every_answer_forbids_scripts_sniffing_and_caching(client):
    for path in ("/", "/healthz", "/api/v1/cases", "/nothing", "/check.html"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_the_document_names_every_route_and_no_other(house):
    app = create_app(house.repo)

    def path(rule: Rule) -> str:
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)

    routes = {
        (method.lower(), path(rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith("web_")
        and not rule.rule.startswith(("/static", "/sign-in", "/check"))
    }
    assert routes == {(method, path) for method, path, *_ in OPERATIONS}
    document = openapi()
    assert document["openapi"] == "3.1.0"
    assert json.loads(json.dumps(document)) == document


def test_every_route_but_the_public_ones_needs_a_token(client):
    for method, path, *_ in OPERATIONS:
        if (method, path) == ("get", "/api/v1/session"):
            continue  # tells nobody that nobody is signed in: tests/api/test_sessions.py
        filled = path.replace("{number}", "KRN-000001").replace("{code}", "KRN")
        filled = filled.replace("{index}", "0").replace("{name}", "entries/000.p/1")
        ours = {"Sec-Fetch-Site": "same-origin"}  # what a page of ours says
        status = client.open(filled, method=method.upper(), headers=ours).status_code
        assert (status == 401) == (path not in PUBLIC), (method, path, status)


def test_every_error_of_the_system_has_a_status():
    import api.errors  # noqa: F401
    import ingest.errors
    import repository.exports.pdf  # noqa: F401

    def below(kind):
        return [kind, *(one for sub in kind.__subclasses__() for one in below(sub))]

    assert ingest.errors
    missing = {k.code for k in below(EvidenceError) if not k.__module__.startswith("tests")}
    assert missing - set(STATUSES) == set()


def test_readiness_says_what_is_missing(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["witnesses"] == "unwitnessed"


@pytest.mark.sqlite_only("it takes the file away")
def test_no_ledger_no_bytes(client, token, number, house):
    import sqlite3

    headers = token("analyst")
    other = sqlite3.connect(house.data / "evidence.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        answer = content(client, number, headers)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert answer.status_code == 503
    assert answer.json["type"].endswith("ledger-unavailable")
    assert DATA[:100] not in answer.data
    assert content(client, number, headers).status_code == 200
