"""Exports over HTTP: asked for, made by a worker, fetched; decided and recorded each time."""

import io
import json
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from http.client import HTTPConnection

import pytest

from api.app import create_app
from ingest.duties import duties
from repository.approvals import mark
from repository.bundle import Bundle
from repository.conditions import Marking
from repository.errors import AccessDenied, IntegrityError, StoreUnavailable
from repository.exports import bundles
from repository.exports.archive import parts_of
from repository.people import end_person, grant, new_person
from tests.api.test_sessions import OURS, Clock, signed_in, token
from tests.house import CODE, login
from tests.service import serving

PURPOSE = {"Evidence-Purpose": "court: the marker purpose", "Evidence-Authority": "warrant 7"}
LARGE = bytes(range(256)) * 4096 * 20  # 20 chunks


@pytest.fixture
def clock(house):
    found = Clock(house)
    house.repo = replace(house.repo, clock=found)
    return found


@pytest.fixture
def numbers(house, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in (("a.txt", b"the marker bytes"), ("empty", b""), ("large", LARGE)):
        (folder / name).write_bytes(data)
    said = house.evidence("ingest", folder, "--case", CODE, "--no-extract")
    assert said.code == 0, said.err
    found = {line["path"]: line["exhibit"] for line in said.lines if "exhibit" in line}
    return [found[name] for name in sorted(found)]


@pytest.fixture
def asking(house):
    """Return a client's way to ask as somebody, with a token."""
    client = create_app(house.repo).test_client()
    tokens = {}

    def ask(method, path, name="prosecutor", **more):
        if name not in tokens:
            tokens[name] = token(house, name)[1]
        headers = {**tokens[name], **more.pop("headers", {})}
        return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    return ask


def make(house):
    """Do what a worker does about exports."""
    duty = next(one for one in duties(house.repo, None, print) if one.name == "export")
    waits = [one.id for one in duty.find(10)]
    assert duty.do(waits) == {}
    return waits


@pytest.fixture
def made(house, numbers, asking):
    """Return an export that can be fetched."""
    name = ask_for(asking)
    assert make(house) == [name]
    assert make(house) == []
    return name


def ask_for(asking, *numbers, **headers):
    body = {"recipient": "the court", **({"exhibits": numbers} if numbers else {})}
    where, said = f"/cases/{CODE}/exports", {**PURPOSE, **headers}
    answer = asking("POST", where, json=body, headers=said)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/api/v1/exports/{answer.json['export']}"
    return answer.json["export"]


def told(house, since):
    """Return what was recorded since, shortly."""
    return [
        (e.fields["type"], e.fields["outcome"], e.fields.get("reason"))
        for e in house.repo.ledger.entries(since)
    ]


def test_an_export_is_asked_for_made_fetched_and_verified(house, numbers, asking, tmp_path):
    name = ask_for(asking)
    asked = house.last("consultation")
    assert (asked["reason"], asked["count"]) == ("export-asked", 3)
    shown = asking("GET", f"/exports/{name}").json
    assert (shown["state"], shown["exhibits"], shown["size"]) == ("asked", numbers, None)
    early = asking("GET", f"/exports/{name}/bundle")
    assert early.json["type"].endswith("/export-not-ready")
    assert early.headers["Retry-After"] == "5"
    make(house)
    shown = asking("GET", f"/exports/{name}").json
    assert shown["state"] == "ready"
    assert house.last("report_generated")["outputs"] == [shown["manifest"]]
    before = house.repo.ledger.size()
    answer = asking("GET", f"/exports/{name}/bundle")
    assert answer.status_code == 200
    assert len(answer.data) == shown["size"] == int(answer.headers["Content-Length"])
    each = [("dissemination", "started", "download")] * 3
    ends = [("dissemination", "done", "download")] * 3
    assert told(house, before) == [
        *each, ("consultation", "started", "export-download"),
        *ends, ("consultation", "done", "export-download"),
    ]  # fmt: skip
    assert house.last("consultation")["outputs"] == [shown["manifest"]]
    with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    bundle = tmp_path / "out" / name
    assert (bundle / "data" / f"{numbers[2]}.bin").read_bytes() == LARGE
    done = subprocess.run(
        [sys.executable, "-I", str(bundle / "verify.py"), str(bundle)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_what_is_said_of_exhibits_goes_where_it_was_chosen(house, numbers, asking, tmp_path):
    [tag] = house.evidence("tag", numbers[0], "the bridge", person="analyst").lines
    where, said = f"/cases/{CODE}/exports", {"exhibits": numbers[:1], "annotations": ["note"]}
    assert (
        asking("POST", where, json=said | {"annotations": ["x"]}, headers=PURPOSE).status_code
        == 400
    )
    for chosen, expected in (("note", []), (tag["annotation"], [tag["annotation"]])):
        answer = asking("POST", where, json=said | {"annotations": [chosen]}, headers=PURPOSE)
        name = answer.json["export"]
        make(house)
        got = asking("GET", f"/exports/{name}/bundle")
        with tarfile.open(fileobj=io.BytesIO(got.data)) as archive:
            file = archive.extractfile(f"{name}/annotations.json")
            assert file is not None
            told = json.loads(file.read())["annotations"]
        assert [one["annotation"] for one in told] == expected


def test_nothing_of_a_bundle_lies_open_anywhere(house, made):
    kept = [file for file in (house.data / "store" / "staging").rglob("*") if file.is_file()]
    assert kept
    for file in house.data.rglob("*"):
        if file.is_file() and "evidence.db" not in file.name:
            found = file.read_bytes()
            assert b"the marker" not in found, file


def test_ranges_give_the_same_bytes_as_the_whole(house, asking, made):
    path = f"/exports/{made}/bundle"
    whole = asking("GET", path)
    size = len(whole.data)
    got = b""
    while len(got) < size:
        step = 3_000_017
        answer = asking("GET", path, headers={"Range": f"bytes={len(got)}-{len(got) + step - 1}"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"].endswith(f"/{size}")
        got += answer.data
    assert got == whole.data
    tag = whole.headers["ETag"]
    assert asking("GET", path, headers={"Range": "bytes=-3", "If-Range": tag}).status_code == 206
    other = {"Range": "bytes=-3", "If-Range": '"other"'}
    assert asking("GET", path, headers=other).status_code == 200
    assert asking("GET", path, headers={"If-None-Match": tag}).status_code == 304
    assert house.last("consultation")["reason"] == "export-headers"
    head = asking("HEAD", path)
    assert (head.headers["Content-Length"], head.data) == (str(size), b"")
    before = house.repo.ledger.size()
    assert asking("GET", path, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert told(house, before) == [("access_denied", "refused", "range-not-satisfiable")]
    # A range within the bundle's own files is about no exhibit.
    assert asking("GET", path, headers={"Range": "bytes=0-99"}).data == whole.data[:100]
    assert [kind for kind, *_ in told(house, before)[1:]] == ["consultation"] * 2
    assert house.last("consultation")["ranges"] == [[0, 99]]


def test_a_changed_bit_does_not_leave_and_is_recorded(house, numbers, asking, made):
    house.flip(numbers[2], 12 << 20)
    answer = asking("GET", f"/exports/{made}/bundle", buffered=False)
    got = []
    with pytest.raises(IntegrityError):
        got.extend(answer.response)
    assert sum(map(len, got)) < 13 << 20
    failure = house.last("integrity_failure")
    assert failure["exhibit"]["number"] == numbers[2]
    ends = [e.fields for e in house.entries() if e.fields["type"] == "dissemination"][-3:]
    assert [(e["outcome"], e["reason"]) for e in ends] == [
        ("done", "download"), ("done", "download"), ("aborted", "integrity-error"),
    ]  # fmt: skip


def test_a_changed_file_of_the_bundle_itself_does_not_leave(house, asking, made):
    for file in (house.data / "store" / "staging").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            data = bytearray(file.read_bytes())
            data[-1] ^= 1
            file.write_bytes(data)
    answer = asking("GET", f"/exports/{made}/bundle")
    assert (answer.status_code, answer.json["type"][-15:]) == (500, "integrity-error")
    assert house.last("consultation")["reason"] == "integrity-error"


def test_it_is_its_askers_alone_and_decided_anew_each_time(house, numbers, asking, made):
    path = f"/exports/{made}"
    second = new_person(house.repo, house.custodian, name="second", role="prosecutor")
    grant(house.repo, house.custodian, case=house.case, person=second, role="prosecutor")
    for name in ("second", "stranger", login()):
        for more in ("", "/bundle"):
            assert asking("GET", path + more, name).json["type"].endswith("/unknown-export")
            assert house.last("access_denied")["reasons"] == ["unknown-export"]
    assert asking("GET", "/exports/EXP-1/bundle").status_code == 404
    mark(house.repo, house.caller(login()), numbers[0], Marking(sealed=True), motive="m")
    assert asking("GET", f"{path}/bundle").json["type"].endswith("/unknown-exhibit")
    assert house.last("access_denied")["reasons"] == ["sealed"]


def test_who_may_not_export_asks_in_vain_and_it_is_recorded(house, numbers, asking):
    where = f"/cases/{CODE}/exports"
    body = {"exhibits": numbers}
    for name, status in (("analyst", 403), ("investigator", 403), ("stranger", 404)):
        answer = asking("POST", where, name, json=body, headers=PURPOSE)
        assert answer.status_code == status
        assert house.last("access_denied")["attempted"] == "report_generated"
    assert asking("POST", where, json=body).json["type"].endswith("/purpose-required")
    wrong = asking("POST", where, json={"exhibits": ["KRN-999999"]}, headers=PURPOSE)
    assert wrong.json["type"].endswith("/unknown-exhibit")
    assert house.last("access_denied")["reasons"] == ["unknown-exhibit"]
    for wrong in ("x" * 501, "", " \t"):
        said = {"exhibits": numbers, "recipient": wrong}
        assert asking("POST", where, json=said, headers=PURPOSE).status_code == 400
    empty = asking("POST", "/cases/OTHER/exports", login(), json={}, headers=PURPOSE)
    assert empty.json["type"].endswith("/export-blocked")


def test_a_person_removed_in_the_middle_gets_no_more(house, asking, made):
    answer = asking("GET", f"/exports/{made}/bundle", buffered=False)
    blocks = iter(answer.response)
    next(blocks)
    end_person(house.repo, house.custodian, house.caller("prosecutor").person, motive="left")
    with pytest.raises(AccessDenied):
        list(blocks)
    assert house.last("consultation")["reason"] == "access-ended"


def test_a_line_that_breaks_is_recorded(house, asking, made):
    answer = asking("GET", f"/exports/{made}/bundle", buffered=False)
    next(iter(answer.response))
    answer.close()
    ends = house.last("consultation")
    assert (ends["outcome"], ends["reason"]) == ("aborted", "connection-closed")


def test_export_and_download_need_a_recent_sign_in(house, clock, numbers):
    app = create_app(house.repo)
    client = signed_in(house, app, "prosecutor")
    path, headers = f"/api/v1/cases/{CODE}/exports", {**PURPOSE, **OURS}
    clock.move(minutes=11)
    answer = client.post(path, json={}, headers=headers)
    assert answer.json["type"].endswith("/step-up-required")
    assert house.last("access_denied")["reasons"] == ["step-up-required"]
    client.post("/api/v1/session", headers=token(house, "prosecutor")[1])
    name = client.post(path, json={}, headers=headers).json["export"]
    clock.move(minutes=11)
    make(house)  # a worker asks nobody
    assert client.get(f"/api/v1/exports/{name}").json["state"] == "ready"
    answer = client.get(f"/api/v1/exports/{name}/bundle")
    assert answer.json["type"].endswith("/step-up-required")
    client.post("/api/v1/session", headers=token(house, "prosecutor")[1])
    answer = client.get(f"/api/v1/exports/{name}/bundle", buffered=False)
    blocks = iter(answer.response)
    next(blocks)
    clock.move(minutes=11)  # it was recent when it began
    assert sum(len(block) for block in blocks) > len(LARGE)


def test_the_same_request_twice_is_one_export(house, numbers, asking):
    key = {"Idempotency-Key": "k1"}
    assert ask_for(asking, **key) == ask_for(asking, **key)
    other = asking(
        "POST", f"/cases/{CODE}/exports", json={"exhibits": numbers[:1]}, headers={**PURPOSE, **key}
    )
    assert other.json["type"].endswith("/idempotency-key-reused")
    assert len(make(house)) == 1


def test_what_is_sealed_meanwhile_is_not_exported(house, numbers, asking):
    name = ask_for(asking)
    mark(house.repo, house.caller(login()), numbers[0], Marking(sealed=True), motive="m")
    make(house)
    shown = asking("GET", f"/exports/{name}").json
    assert (shown["state"], shown["reason"]) == ("failed", "unknown-exhibit")
    assert house.last("access_denied")["reasons"] == ["sealed"]
    answer = asking("GET", f"/exports/{name}/bundle")
    assert answer.status_code == 404  # whoever may not know of it is not told why


def test_what_was_erased_meanwhile_does_not_leave(house, numbers, asking, made):
    new_person(house.repo, house.custodian, name="second", role="custodian")
    words = "--order", house.data / "config.toml", "--motive", "m"
    name = house.evidence("erase", "request", numbers[0], *words).lines[0]["erasure"]
    house.evidence("erase", "approve", name, "--motive", "m", person="second")
    answer = asking("GET", f"/exports/{made}/bundle")
    assert (answer.status_code, answer.json["type"][-14:]) == (410, "exhibit-erased")


def test_after_some_days_it_has_ended_and_nothing_of_it_is_left(house, clock, asking, numbers):
    name = ask_for(asking)
    make(house)
    clock.move(days=8, hours=2)
    bundles.expire(house.repo)
    assert asking("GET", f"/exports/{name}").json["state"] == "ended"
    assert asking("GET", f"/exports/{name}/bundle").json["type"].endswith("/export-ended")
    assert [f for f in (house.data / "store" / "staging").rglob("*") if f.is_file()] == []
    with house.repo.database.reading() as session:
        assert session.get_one(Bundle, name).wrapped is None


def test_a_worker_that_died_is_on_record_and_another_one_makes_it(house, numbers, asking):
    name = ask_for(asking)
    with house.repo.database.writing() as session:
        row = session.get_one(Bundle, name)
        row.state, row.report_id = "making", "01a1f000-0000-7000-8000-000000000001"
    before = house.repo.ledger.size()
    make(house)
    died = [("dissemination", "aborted", "interrupted")] * 3
    assert told(house, before)[:4] == [*died, ("report_generated", "aborted", "interrupted")]
    assert asking("GET", f"/exports/{name}").json["state"] == "ready"


def test_while_the_store_is_away_it_waits_and_is_given_up_on_record(house, numbers, asking):
    name = ask_for(asking)
    put = house.repo.store.put
    house.repo.store.put = lambda *_, **__: (_ for _ in ()).throw(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        make(house)
    house.repo.store.put = put
    assert house.last("report_generated")["outcome"] == "aborted"
    assert asking("GET", f"/exports/{name}").json["state"] == "asked"
    duty = next(one for one in duties(house.repo, None, print) if one.name == "export")
    with house.repo.database.writing() as session:
        duty.give_up(session, name, "why")
    assert house.last("report_generated")["reason"] == "not-made"
    assert asking("GET", f"/exports/{name}").json["reason"] == "not-made"


def test_the_service_and_its_own_worker_make_it(house, numbers, tmp_path):
    headers = {**token(house, "prosecutor")[1], **PURPOSE, "Content-Type": "application/json"}
    house.repo.close()

    def ask(service, method, path, body=None):
        line = HTTPConnection(service.host, service.port, timeout=60)
        try:
            line.request(method, f"/api/v1{path}", body, headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    with serving(house.data) as service:
        status, said = ask(service, "POST", f"/cases/{CODE}/exports", json.dumps({}))
        assert status == 202
        path = f"/exports/{json.loads(said)['export']}"
        end = time.monotonic() + 60
        while json.loads(ask(service, "GET", path)[1])["state"] != "ready":
            assert time.monotonic() < end
            time.sleep(0.1)
        status, data = ask(service, "GET", f"{path}/bundle")
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert sum(one.name.startswith(f"{path[9:]}/data/") for one in archive) == 3


def test_the_archive_holds_exhibits_of_more_than_eight_gibibytes():
    size = (9 << 30) + 1
    layout = {"folder": "EXP-1", "at": 1_800_000_000, "pieces": [],
              "exhibits": [["id", 1, "data/KRN-000001.bin", size]]}  # fmt: skip
    header, bytes_, pad, end = parts_of(layout)
    assert bytes_.start == header.length
    assert (bytes_.length, pad.length) == (size, 511)
    assert (end.start + end.length) % 10_240 == 0
    with tarfile.open(fileobj=io.BytesIO(header.data)) as archive:
        found = archive.next()
    assert (found.size, found.name, found.offset_data) == (
        size, "EXP-1/data/KRN-000001.bin", bytes_.start,
    )  # fmt: skip
