"""Submissions over HTTP: announced and acknowledged at once, told apart, ended in one receipt."""

import base64
import io
import json
from hashlib import sha256

import pytest

from api.app import create_app
from custody.receipt import Receipt, SubmissionReceipt
from repository.people import find_person, new_token
from tests.house import CODE
from tests.shared import shared

ROOT = "/api/v1/submissions"
FILES = [(b"a/1.jpg", b"one" * 1_000), (b"a/2.jpg", b""), (b"\xff.bin", b"three")]
LINES = "application/x-ndjson"
TUS = {"Tus-Resumable": "1.0.0"}


def line(n, path, data, **more):
    try:
        name = path.decode()
    except UnicodeDecodeError:
        name = {"base64": base64.b64encode(path).decode()}
    found = {"n": n, "path": name, "size": len(data)}
    return {**found, "digests": {"sha256": sha256(data).hexdigest()}, **more}


def text(files):
    return b"".join(
        json.dumps(line(n, path, data)).encode() + b"\n" for n, (path, data) in enumerate(files, 1)
    )


class Desk:
    """Somebody who speaks HTTP with a token."""

    def __init__(self, house, name):
        self.house = house
        self.client = create_app(house.repo).test_client()
        with house.repo.database.reading() as session:
            person = find_person(session, name)
        _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method, path, **more):
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, buffered=True, **more)

    def begin(self, **said):
        return self.ask("POST", ROOT, json={"case": CODE, **said})

    def announce(self, name, data, **headers):
        return self.ask(
            "PUT", f"{ROOT}/{name}/list", data=data, headers={"Content-Type": LINES, **headers}
        )

    def upload(self, name, which, data):
        told = f"submission {_b64(name)},{which[0]} {_b64(which[1])}"
        headers = {
            **TUS, "Upload-Length": str(len(data)), "Upload-Metadata": told,
            "Content-Type": "application/offset+octet-stream",
        }  # fmt: skip
        return self.ask("POST", "/api/v1/uploads", data=data, headers=headers)

    def receipt(self, name, stage):
        answer = self.ask("GET", f"{ROOT}/{name}/receipt?stage={stage}")
        assert answer.status_code == 200, answer.text
        return checked(self.house, answer.data)


def _b64(value):
    return base64.b64encode(str(value).encode()).decode()


def checked(house, data):
    """Return a receipt and its files, everything checked with the ledger's key."""
    file = io.BytesIO(data)
    found = SubmissionReceipt.parse(file.readline())
    house.repo.ledger.check_receipt(found)
    return found, list(found.check_list(file))


@pytest.fixture
def desk(house):
    return Desk(house, "investigator")


@pytest.fixture
def name(desk):
    return desk.begin().json["submission"]


def test_a_whole_submission(desk, house):
    begun = desk.begin(purpose="investigation: the bridge", collected_by="A. Field")
    assert begun.status_code == 201
    name = begun.json["submission"]
    assert begun.headers["Location"] == f"{ROOT}/{name}"
    assert begun.json["list"] is None
    announced = desk.announce(name, text(FILES))
    assert announced.status_code == 201
    assert announced.headers["Location"] == f"{ROOT}/{name}/receipt?stage=announced"
    receipt, files = checked(house, announced.data)
    assert (receipt.stage, len(files)) == ("announced", 3)

    seen = desk.ask("GET", f"{ROOT}/{name}").json
    assert (seen["files"], seen["announced"], seen["registered"]) == (3, 3, 0)
    assert (seen["bytes"], seen["arrived"]) == (3_005, 0)
    assert seen["list"] == receipt.sha256

    assert desk.upload(name, ("file", 1), FILES[0][1]).status_code == 201
    waiting = desk.ask("GET", f"{ROOT}/{name}/files?state=announced").json["items"]
    assert [one["n"] for one in waiting] == [2, 3]
    early = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert (early.status_code, early.json["type"].rpartition("/")[2]) == (
        409, "submission-incomplete",
    )  # fmt: skip
    assert (early.json["announced"], early.json["registered"]) == (2, 1)

    assert desk.upload(name, ("files", "2-3"), b"" + FILES[2][1]).status_code == 201
    ended = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert ended.status_code == 201
    final, files = checked(house, ended.data)
    assert [one["status"] for one in files] == ["registered"] * 3
    assert [one["path"] for one in files] == ["a/1.jpg", "a/2.jpg", {"base64": "/y5iaW4="}]
    again = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert again.status_code == 200
    assert checked(house, again.data)[0].index == final.index
    assert desk.receipt(name, "complete")[0].index == final.index
    assert desk.receipt(name, "announced")[0].index == receipt.index

    seen = desk.ask("GET", f"{ROOT}/{name}").json
    assert (seen["registered"], seen["receipt"]) == (3, final.sha256)
    assert seen["completed_at"] is not None
    assert seen["expires_at"] is None
    one_more = desk.upload(name, ("file", 1), FILES[0][1])
    assert one_more.status_code == 409


def test_every_receipt_comes_with_the_numbers_of_its_files(desk, house, name):
    desk.announce(name, text(FILES))
    desk.upload(name, ("files", "1-3"), b"".join(data for _, data in FILES))
    path = f"/api/v1/exhibits?case={CODE}&submission={name}"
    extra = desk.ask("POST", path, data=b"beside", headers={"Evidence-Path": "beside"})
    assert extra.status_code == 201
    got, after = [], -1
    while True:
        answer = desk.ask("GET", f"{ROOT}/{name}/receipts?limit=2&after={after}")
        assert answer.mimetype == LINES
        lines = [json.loads(one) for one in answer.data.splitlines()]
        if not lines:
            break
        got += lines
        after = lines[-1]["receipt"]["index"]
    assert [one["files"] for one in got] == [[1], [2], [3], []]
    for one, (_, data) in zip(got, [*FILES, (b"", b"beside")], strict=True):
        receipt = Receipt.parse(json.dumps(one["receipt"]).encode())
        house.repo.ledger.check_receipt(receipt)
        assert receipt.sha256 == f"sha256:{sha256(data).hexdigest()}"


def test_pages_go_on_where_they_ended_beyond_the_list_too(desk, name):
    desk.announce(name, text(FILES[:1]))
    for n in range(4):
        path = f"/api/v1/exhibits?case={CODE}&submission={name}"
        desk.ask("POST", path, data=b"x", headers={"Evidence-Path": f"more/{n}"})
    items, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        answer = desk.ask("GET", f"{ROOT}/{name}/files?limit=2{more}").json
        assert len(answer["items"]) <= 2
        items += answer["items"]
        cursor = answer["next"]
    assert [one["n"] for one in items] == [1, 2, 3, 4, 5]
    assert [one["path"] for one in items[1:]] == [f"more/{n}" for n in range(4)]
    assert [one["further"] for one in items] == [False] + [True] * 4
    kept = desk.ask("GET", f"{ROOT}/{name}/files?state=registered").json["items"]
    assert [one["n"] for one in kept] == [2, 3, 4, 5]


def test_an_id_of_ones_own_is_begun_once(desk, house):
    chosen = "SUB-01a1f000-0000-7000-8000-000000000001"
    first = desk.begin(id=chosen, place="Mosul")
    assert (first.status_code, first.json["submission"]) == (201, chosen)
    assert desk.begin(id=chosen, place="Mosul").status_code == 200
    assert desk.begin(id=chosen, place="Kherson").status_code == 409
    stranger = Desk(house, "analyst")
    assert stranger.begin(id=chosen, place="Mosul").status_code == 403  # may hand in nothing
    assert desk.begin(case="OTHER", id=chosen).status_code == 404  # no part in that case


@pytest.mark.parametrize(
    "said",
    [
        {"case": 7}, {"id": "x"}, {"id": 7}, {"family": "x"}, {"collected_at": "soon"},
        {"what": 1}, {"place": ""}, {"purpose": ""}, {"place": "x" * 2_001}, {"place": "\ud800"},
        {"purpose": "x" * 3_000},
    ],
)  # fmt: skip
def test_what_cannot_be_begun_is_refused(desk, said):
    data = json.dumps({"case": CODE, **said})  # a lone surrogate goes escaped
    before = desk.house.repo.ledger.size()
    assert desk.ask("POST", ROOT, data=data).status_code == 400
    assert desk.house.repo.ledger.size() == before


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"", None), (b"{}\n", 1), (b'{"n":1,"path":"x","size":-1}\n', 1),
        (b'{"n":1,"path":"x","size":9007199254740992}\n', 1),
        (b'{"n":1,"path":"x","size":1}\n{"n":1,"path":"x","size":1}\n', 2),
        (b'{"n":1,"path":"x","size":1}\n\xff\n', 2),
    ],
)  # fmt: skip
def test_a_bad_list_names_its_line(desk, name, data, number):
    answer = desk.announce(name, data)
    assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (400, "bad-list")
    assert answer.json.get("line") == number
    assert desk.ask("GET", f"{ROOT}/{name}").json["files"] == 0


def test_a_list_is_of_its_media_type_and_of_the_digest_it_is_said_to_have(desk, name):
    assert desk.ask("PUT", f"{ROOT}/{name}/list", data=text(FILES)).status_code == 415
    right = base64.b64encode(sha256(text(FILES)).digest()).decode()
    wrong = base64.b64encode(bytes(32)).decode()
    for told, status in ((wrong, 400), (right, 201), (right, 200)):
        answer = desk.announce(name, text(FILES), **{"Repr-Digest": f"sha-256=:{told}:"})
        assert answer.status_code == status
    assert desk.announce(name, text(FILES[:2])).status_code == 409


def test_what_does_not_agree_with_the_list_is_refused_or_kept_apart(desk, name):
    desk.announce(name, text(FILES))
    assert desk.upload(name, ("file", 1), b"short").status_code == 400
    assert desk.upload(name, ("file", 4), b"").status_code == 400
    assert desk.upload(name, ("files", "2-4"), b"three").status_code == 400
    desk.upload(name, ("file", 3), b"eerht")  # of the size announced, but not of the digest
    [kept] = desk.ask("GET", f"{ROOT}/{name}/files?state=quarantined").json["items"]
    assert (kept["n"], kept["exhibit"]) == (3, None)
    assert kept["quarantine"].startswith("QUA-")
    ended = desk.ask(
        "POST", f"{ROOT}/{name}/complete", json={"without_missing": True, "motive": "lost"}
    )
    _, files = checked(desk.house, ended.data)
    assert [one["status"] for one in files] == ["not-arrived", "not-arrived", "quarantined"]


def test_a_part_without_the_others_is_kept_and_said(desk, name, house):
    files = [(b"d.E01", b"1"), (b"d.E02", b"2"), (b"d.E03", b"3")]
    lines = [line(n, path, data, thing=1, part=n) for n, (path, data) in enumerate(files, 1)]
    desk.announce(name, b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    for n in (1, 3):
        assert desk.upload(name, ("file", n), files[n - 1][1]).status_code == 201
    states = [one["state"] for one in desk.ask("GET", f"{ROOT}/{name}/files").json["items"]]
    assert states == ["stored", "announced", "stored"]
    said = {"without_missing": True, "motive": "the disk broke"}
    ended = desk.ask("POST", f"{ROOT}/{name}/complete", json=said)
    receipt, found = checked(house, ended.data)
    assert [one["status"] for one in found] == ["incomplete", "not-arrived", "incomplete"]
    assert found[2]["sha256"] == f"sha256:{sha256(b'3').hexdigest()}"
    given_up = [e.fields for e in house.entries() if e.fields.get("reason") == "thing-incomplete"]
    assert [one["outputs"] for one in given_up] == [[found[0]["sha256"]], [found[2]["sha256"]]]
    again = desk.receipt(name, "complete")
    assert again == (receipt, found)
    states = [one["state"] for one in desk.ask("GET", f"{ROOT}/{name}/files").json["items"]]
    assert states == ["incomplete", "announced", "incomplete"]


def test_a_thing_that_came_whole_is_one_exhibit_of_parts(desk, name, house):
    files = [(b"d.E01", b"1"), (b"photo", b"p"), (b"d.E02", b"2")]
    lines = [line(n, path, data) for n, (path, data) in enumerate(files, 1)]
    lines[2] |= {"thing": 1, "part": 2}
    desk.announce(name, b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    for n in (3, 1, 2):
        desk.upload(name, ("file", n), files[n - 1][1])
    ended = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert ended.status_code == 201, ended.text
    _, found = checked(house, ended.data)
    assert [one.get("part") for one in found] == [1, None, 2]
    assert found[0]["exhibit"] == found[2]["exhibit"] != found[1]["exhibit"]
    assert found[2]["sha256"] == f"sha256:{sha256(b'2').hexdigest()}"


def test_an_upload_whose_client_never_learned_of_it_keeps_no_submission_open(desk, name):
    """The line was cut before the answer: the client began another upload for the same file."""
    desk.announce(name, text([(b"a", b"abc")]))
    told = f"submission {_b64(name)},file {_b64(1)}"
    headers = {**TUS, "Upload-Length": "3", "Upload-Metadata": told}
    lost = desk.ask("POST", "/api/v1/uploads", headers=headers)
    assert lost.status_code == 201
    assert desk.upload(name, ("file", 1), b"abc").status_code == 201
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json={}).status_code == 201
    assert desk.ask("GET", lost.headers["Location"]).json["reason"] == "submission-completed"


def test_an_open_upload_ends_with_its_submission(desk, name):
    desk.announce(name, text(FILES[:1]))
    told = f"submission {_b64(name)},file {_b64(1)}"
    headers = {**TUS, "Upload-Length": "3000", "Upload-Metadata": told}
    place = desk.ask("POST", "/api/v1/uploads", headers=headers).headers["Location"]
    patch = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert desk.ask("PATCH", place, data=b"x" * 10, headers=patch).status_code == 204
    seen = desk.ask("GET", f"{ROOT}/{name}").json
    assert (seen["open"], seen["announced"]) == (1, 1)
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json={}).json["open"] == 1
    said = {"without_missing": True, "motive": "the line"}
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json=said).status_code == 201
    late = desk.ask("PATCH", place, data=b"y", headers={**patch, "Upload-Offset": "10"})
    assert late.status_code == 410
    assert desk.house.last("upload_abandoned")["reason"] == "submission-completed"


# --- Who may look --------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["analyst", "prosecutor"])
def test_who_takes_part_in_the_case_may_look_and_each_look_is_an_entry(desk, house, name, person):
    desk.announce(name, text(FILES))
    other = Desk(house, person)
    for path, reason in (
        (f"/{name}", "submission"),
        (f"/{name}/files", "submission-files"),
        (f"/{name}/receipt?stage=announced", "submission-receipt"),
        (f"/{name}/receipts", "submission-receipts"),
        (f"?case={CODE}", "submission-list"),
    ):
        before = house.repo.ledger.size()
        assert other.ask("GET", ROOT + path).status_code == 200
        entry = house.last("consultation")
        assert (entry["reason"], entry["actor"]["role"]) == (reason, person)
        assert house.repo.ledger.size() == before + 1
    for method, path, more in (
        ("PUT", "list", {"data": text(FILES), "headers": {"Content-Type": LINES}}),
        ("POST", "complete", {"json": {}}),
    ):
        answer = other.ask(method, f"{ROOT}/{name}/{path}", **more)
        assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (
            404, "unknown-submission",
        )  # fmt: skip
        assert house.last("access_denied")["attempted"] == "submission"


def test_the_submitters_own_progress_is_no_entry(desk, house, name):
    desk.announce(name, text(FILES))
    before = house.repo.ledger.size()
    for path in ("", "/files", "/receipt?stage=announced", "/receipts"):
        assert desk.ask("GET", f"{ROOT}/{name}{path}").status_code == 200
    assert house.repo.ledger.size() == before


@pytest.mark.parametrize("person", ["stranger"])
def test_to_a_stranger_it_looks_like_an_unknown_one(desk, house, name, person):
    other = Desk(house, person)
    unknown = "SUB-01a1f000-0000-7000-8000-00000000dead"
    for path in ("", "/files", "/receipt", "/receipts"):
        said = []
        for one in (name, unknown):
            answer = other.ask("GET", f"{ROOT}/{one}{path}")
            assert answer.status_code == 404
            said.append(answer.text.replace(one, ""))
            assert house.last("access_denied")["attempted"] == "consultation"
        assert said[0] == said[1]


def test_what_is_asked_for_oddly_is_refused(desk, name):
    for path, status in (
        (f"/{name}/files?limit=0", 400), (f"/{name}/files?limit=501", 400),
        (f"/{name}/files?cursor=x", 400), (f"/{name}/files?cursor=MS4y", 400),
        (f"/{name}/files?state=gone", 400), (f"/{name}/receipts?after=-2", 400),
        (f"/{name}/receipts?after=x", 400), (f"/{name}/receipt?stage=x", 400),
        (f"/{name}/receipt", 404), (f"/{name}/receipt?stage=announced", 404),
        ("?case=", 400), ("", 400), ("?case=NONE", 404), ("/SUB-x", 404), ("/%00", 404),
        ("/" + "x" * 5_000, 404),
    ):  # fmt: skip
        answer = desk.ask("GET", ROOT + path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.mimetype == "application/problem+json"
    for said in ({"motive": 1}, {"without_missing": "yes"}, {"more": 1}):
        assert desk.ask("POST", f"{ROOT}/{name}/complete", json=said).status_code == 400
    empty = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert empty.status_code == 409


def test_hostile_names_go_through_http_to_the_byte(desk, name, house):
    found = json.loads(shared("hostile", "strings", "blns.json").read_text())
    files = [(one.encode(), b"") for one in found if one]
    files += [(b"x" * 10_240, b""), (bytes(range(1, 256)), b""), (b"\x00", b"")]
    assert desk.announce(name, text(files)).status_code == 201
    _, listed = desk.receipt(name, "announced")
    from repository.naming import of_recorded

    assert [of_recorded(one["path"]) for one in listed] == [path for path, _ in files]
    assert desk.upload(name, ("files", f"1-{len(files)}"), b"").status_code == 201
    ended = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert ended.status_code == 201, ended.text
    _, listed = checked(house, ended.data)
    assert [of_recorded(one["path"]) for one in listed] == [path for path, _ in files]
    shown = desk.ask("GET", f"{ROOT}/{name}/files?limit=500").json["items"]
    assert [of_recorded(one["path"]) for one in shown] == [path for path, _ in files][:500]


def test_an_upload_that_nobody_needs_any_more_holds_nothing_up(desk, name):
    """A client that forgot an upload sent the file with another one."""
    desk.announce(name, text(FILES[:1]))
    told = f"submission {_b64(name)},file {_b64(1)}"
    headers = {**TUS, "Upload-Length": "3000", "Upload-Metadata": told}
    forgotten = desk.ask("POST", "/api/v1/uploads", headers=headers).headers["Location"]
    desk.upload(name, ("file", 1), FILES[0][1])
    ended = desk.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert ended.status_code == 201
    assert desk.ask("HEAD", forgotten, headers=TUS).status_code == 410


def test_an_upload_beside_the_list_is_not_dropped_in_silence(desk, name, house):
    desk.announce(name, text(FILES[:1]))
    desk.upload(name, ("file", 1), FILES[0][1])
    told = f"submission {_b64(name)},filename {_b64('more')}"
    headers = {**TUS, "Upload-Length": "3000", "Upload-Metadata": told}
    desk.ask("POST", "/api/v1/uploads", headers=headers)
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json={}).status_code == 409
    said = {"without_missing": True}
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json=said).status_code == 400
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    said["motive"] = "sent by mistake"
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json=said).status_code == 201


def test_a_whole_file_does_not_come_into_anothers_submission_or_a_complete_one(desk, house, name):
    from repository.people import grant, new_person

    path = f"/api/v1/exhibits?case={CODE}&submission={name}"
    assert desk.ask("POST", path, data=b"x").status_code == 201
    assert desk.ask("POST", f"{path}&place=Erbil", data=b"y").status_code == 409  # not dropped
    other = new_person(house.repo, house.custodian, name="second", role="investigator")
    grant(house.repo, house.custodian, case=house.case, person=other, role="investigator")
    assert Desk(house, "second").ask("POST", path, data=b"y").status_code == 404
    assert house.last("access_denied")["reason"] == "not-own"
    assert desk.ask("POST", f"{ROOT}/{name}/complete", json={}).status_code == 201
    late = desk.ask("POST", path, data=b"z")
    assert (late.status_code, late.json["type"].rpartition("/")[2]) == (409, "submission-completed")
    chosen = "SUB-01a1f000-0000-7000-8000-0000000000ff"  # one that is begun by this
    path = f"/api/v1/exhibits?case={CODE}&submission={chosen}"
    assert desk.ask("POST", path, data=b"x").status_code == 201


def test_bytes_that_come_without_an_upload_count_as_the_last_ones_too(desk, house, name):
    before = desk.ask("GET", f"{ROOT}/{name}").json["touched_at"]
    desk.ask("POST", f"/api/v1/exhibits?case={CODE}&submission={name}", data=b"x")
    assert desk.ask("GET", f"{ROOT}/{name}").json["touched_at"] > before


def test_of_many_requests_that_begin_one_submission_one_begins_it(desk):
    from concurrent.futures import ThreadPoolExecutor

    chosen = "SUB-01a1f000-0000-7000-8000-000000000001"
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(desk.begin, id=chosen) for _ in range(8)]
        found = sorted(job.result().status_code for job in jobs)
    assert found == [200] * 7 + [201]


def test_whoever_was_second_to_commit_goes_on_with_the_first(desk, monkeypatch):
    from sqlalchemy.exc import IntegrityError

    from ingest import announce

    real = announce.open_submission

    def second(*given, **more):
        real(*given, **more)  # the other request, between our look and our insert
        raise IntegrityError("INSERT", {}, Exception("the id is taken"))

    monkeypatch.setattr(announce, "open_submission", second)
    chosen = "SUB-01a1f000-0000-7000-8000-000000000001"
    assert desk.begin(id=chosen).status_code == 200


def test_the_receipt_comes_as_pages_for_people_too(desk, name):
    desk.announce(name, text(FILES))
    answer = desk.ask("GET", f"{ROOT}/{name}/receipt?stage=announced&format=pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF")
