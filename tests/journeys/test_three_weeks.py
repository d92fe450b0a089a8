"""Three weeks over a bad line: the service starts anew every day, and everything arrives."""

import base64
import os
from hashlib import sha256

import pytest

from api.app import create_app
from custody.receipt import SubmissionReceipt
from ingest import duties
from repository import open_repository
from repository.people import find_person, new_token
from tests.api.test_submissions import LINES, ROOT, checked, line
from tests.house import CODE, House
from tests.ingest.uploading import Time

DAILY = ("finish", "expire", "sweep", "reconcile", "trials", "lock")  # of the workers' duties
OCTETS = "application/offset+octet-stream"
FILES = [(f"extraction/part{n}.bin".encode(), os.urandom(40_000 + n)) for n in range(3)]
FILES += [(b"photo.jpg", b"a photograph"), (b"empty", b"")]


class Field:
    """An investigator somewhere, and a service that is started anew each day."""

    def __init__(self, house: House) -> None:
        self.clock = Time()
        self.settings = house.repo.settings
        self.house = house
        with house.repo.database.reading() as session:
            person = find_person(session, "investigator")
        _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
        house.repo.close()
        self.start()

    def start(self):
        """Open everything anew, as another process on another machine would."""
        self.house.repo = open_repository(self.settings, clock=self.clock)
        self.client = create_app(self.house.repo).test_client()

    def next_day(self, days=1):
        """Stop; time passes; start, and do what the workers do every day."""
        self.house.repo.close()
        self.clock.passes(days=days)
        self.start()
        said = []
        for duty in duties.duties(self.house.repo, None, said.append):
            if duty.name in DAILY and (waiting := duty.find(100)):
                assert duty.do([one.id for one in waiting]) == {}

    def ask(self, method, path, **more):
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, buffered=True, **more)

    def announce(self):
        name = self.ask("POST", ROOT, json={"case": CODE}).json["submission"]
        lines = [line(n, path, data) for n, (path, data) in enumerate(FILES, 1)]
        text = "".join(f"{_json(one)}\n" for one in lines)
        answer = self.ask("PUT", f"{ROOT}/{name}/list", data=text, headers={"Content-Type": LINES})
        assert answer.status_code == 201
        return name

    def upload(self, name, n):
        told = f"submission {_b64(name)},file {_b64(n)}"
        headers = {"Upload-Length": str(len(FILES[n - 1][1])), "Upload-Metadata": told}
        return self.ask("POST", "/api/v1/uploads", headers=headers).headers["Location"]

    def patch(self, place, data, most):
        """Send the next bytes of an upload, from where the service says it is."""
        offset = int(self.ask("HEAD", place).headers["Upload-Offset"])
        block = data[offset : offset + most]
        headers = {"Upload-Offset": str(offset), "Content-Type": OCTETS}
        return self.ask("PATCH", place, data=block, headers=headers)


def _json(found):
    import json

    return json.dumps(found)


def _b64(value):
    return base64.b64encode(str(value).encode()).decode()


@pytest.fixture
def field(house):
    found = Field(house)
    yield found
    found.house.repo.close()


def test_three_weeks_with_a_restart_every_day_complete(field):
    name = field.announce()
    places = {n: field.upload(name, n) for n in range(1, 6)}
    brought = field.patch(places[4], FILES[3][1], 100)
    assert brought.status_code == 204, brought.text
    for day in range(21):
        for n in (1, 2, 3):
            if day % 3 == n - 1:  # one file a day gets on, the others wait
                answer = field.patch(places[n], FILES[n - 1][1], 6_000)
                assert answer.status_code == 204, answer.text
        seen = field.ask("GET", f"{ROOT}/{name}").json
        assert seen["completed_at"] is None
        field.next_day()
    assert (seen["registered"], seen["announced"]) == (5, 0)
    ended = field.ask("POST", f"{ROOT}/{name}/complete", json={})
    assert ended.status_code == 201, ended.text
    receipt, files = checked(field.house, ended.data)
    assert [one["status"] for one in files] == ["registered"] * 5
    assert [one["sha256"] for one in files] == [
        f"sha256:{sha256(data).hexdigest()}" for _, data in FILES
    ]
    opened = field.house.repo.ledger.entry(receipt.index).fields["at"]
    assert opened.startswith("2026-11-22")
    assert field.house.evidence("verify").code in (0, 3)


def test_a_pause_that_is_too_long_ends_it_and_everybody_sees_that(field):
    name = field.announce()
    whole, part = field.upload(name, 4), field.upload(name, 1)
    field.patch(whole, FILES[3][1], 100)
    for _ in range(3):  # each day some bytes, so the pause counts from the last of them
        field.patch(part, FILES[0][1], 1_000)
        field.next_day()
    field.next_day(days=58)
    assert field.ask("GET", f"{ROOT}/{name}").json["completed_at"] is None
    assert field.patch(part, FILES[0][1], 1_000).status_code == 204
    field.next_day(days=61)
    assert field.ask("HEAD", part).status_code == 410
    seen = field.ask("GET", f"{ROOT}/{name}").json
    assert (seen["registered"], seen["announced"], seen["open"]) == (1, 4, 0)
    assert seen["completed_at"] is not None
    assert seen["receipt"] is not None
    answer = field.ask("GET", f"{ROOT}/{name}/receipt")
    receipt, files = checked(field.house, answer.data)
    assert isinstance(receipt, SubmissionReceipt)
    assert [one["status"] for one in files] == [
        "not-arrived", "not-arrived", "not-arrived", "registered", "not-arrived",
    ]  # fmt: skip
    reasons = [
        e.fields["reason"] for e in field.house.entries() if e.fields["type"] == "upload_abandoned"
    ]
    assert reasons == ["expired", "submission-expired"]
    again = field.ask(
        "POST", "/api/v1/uploads",
        headers={
            "Upload-Length": "40000", "Upload-Metadata": f"submission {_b64(name)},file {_b64(1)}",
        },
    )  # fmt: skip
    assert again.status_code == 409
    kept = field.ask("GET", f"/api/v1/exhibits/{files[3]['exhibit']}", headers={})
    assert kept.json["size"] == len(FILES[3][1])
