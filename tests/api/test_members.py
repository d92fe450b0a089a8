"""Members of containers over HTTP: listed a page at a time, and made exhibits."""

import io
import zipfile

import pytest

from api import members
from api.app import create_app
from repository.people import find_person, new_token
from tests.house import CODE


@pytest.fixture
def client(house):
    return create_app(house.repo).test_client()


@pytest.fixture
def headers(house):
    def make(name):
        with house.repo.database.reading() as session:
            person = find_person(session, name)
        _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def box(house, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for n in range(5):
            archive.writestr(f"{n}.txt", f"text {n}")
    (tmp_path / "box.zip").write_bytes(buffer.getvalue())
    return house.ingest(tmp_path / "box.zip", extract=True)[0]["exhibit"]


def test_members_are_listed_taken_out_and_named_by_both(client, headers, house, box):
    who = headers("investigator")
    place = f"/api/v1/exhibits/{box}/members"
    first = client.get(f"{place}?limit=3", headers=who).json
    rest = client.get(f"{place}?limit=3&cursor={first['next']}", headers=who).json
    assert [one["member"] for one in first["items"] + rest["items"]] == [
        f"{n}.txt" for n in range(5)
    ]
    assert rest["next"] is None
    asked = {"members": ["1.txt", "nowhere"]}
    answer = client.post(place, json=asked, headers={**who, "Evidence-Purpose": "analysis"})
    assert answer.status_code == 200
    done, refused = answer.json["items"]
    assert (done["status"], refused["status"]) == ("registered", "refused")
    assert refused["reason"] == "member-unknown"
    again = client.post(place, json=asked, headers=who).json["items"][0]
    assert (again["status"], again["exhibit"]) == ("known", done["exhibit"])
    shown = client.get(f"/api/v1/exhibits/{done['exhibit']}", headers=who).json
    assert shown["derived_from"]["exhibit"] == box
    listed = client.get(f"/api/v1/exhibits?case={CODE}", headers=who).json["items"]
    assert len(listed) == 2
    assert house.last("derivative_creation")["reason"] == "member-unknown"


def test_bad_requests_and_strangers_get_problems(client, headers, box):
    place = f"/api/v1/exhibits/{box}/members"
    for asked in ({}, {"members": []}, {"members": [1]}, {"members": ["a"], "x": 1}):
        assert client.post(place, json=asked, headers=headers("analyst")).status_code == 400
    for who, status in (("stranger", 404), ("prosecutor", 403)):
        answer = client.post(place, json={"members": ["1.txt"]}, headers=headers(who))
        assert answer.status_code == status
    assert client.get(f"{place}?cursor=x", headers=headers("analyst")).status_code == 400


def test_one_container_is_read_at_a_time(client, headers, box, monkeypatch):
    monkeypatch.setattr(members, "WAIT_SECONDS", 0.01)
    with members._TURN:
        answer = client.post(
            f"/api/v1/exhibits/{box}/members",
            json={"members": ["1.txt"]},
            headers=headers("analyst"),
        )
    assert answer.status_code == 503
    assert answer.json["type"].endswith("sandbox-busy")
    assert answer.headers["Retry-After"]
