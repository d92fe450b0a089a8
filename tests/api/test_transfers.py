"""Custody passes on over HTTP, from signing in to the continuity that says so."""

import json

import pytest

from api.app import create_app
from repository.people import new_person, new_token
from tests.house import CODE, own_house


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with own_house(tmp_path_factory.mktemp("transfers")) as found:
        new_person(
            found.repo, found.custodian, name="clerk", role="partner", organisation="Tribunal"
        )
        yield found


def as_person(house, name):
    """Return a function that asks as somebody with a token; it gives status and JSON."""
    person = house.caller(name).person
    token = new_token(house.repo, house.custodian, person=person, expires_at=None)[1]
    client = create_app(house.repo).test_client()

    def ask(method, path, body=None, **headers):
        answer = client.open(
            f"/api/v1{path}", method=method,
            data=None if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", **headers},
        )  # fmt: skip
        return answer.status_code, answer.json

    return ask


def test_released_listed_received_and_stated(house, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    words = ["--case", CODE, "--no-extract", "--collected-by", "A. Field"]
    made = house.evidence("ingest", tmp_path / "a", tmp_path / "b", *words).lines
    numbers = [one["exhibit"] for one in made]
    ours, theirs = as_person(house, "prosecutor"), as_person(house, "clerk")
    purpose = {"Evidence-Purpose": "sharing"}
    asked = {"exhibits": numbers, "to": "Tribunal"}
    assert ours("POST", "/transfers", asked)[1]["type"].endswith("purpose-required")
    status, released = ours("POST", "/transfers", asked, **purpose)
    assert (status, [one["state"] for one in released["items"]]) == (201, ["released"] * 2)
    assert ours("POST", "/transfers", asked, **purpose)[1]["type"].endswith("transfer-open")
    status, first = theirs("GET", "/transfers?limit=1")
    assert [one["exhibit"] for one in first["items"]] == numbers[:1]
    status, rest = theirs("GET", f"/transfers?limit=1&cursor={first['next']}")
    assert ([one["exhibit"] for one in rest["items"]], rest["next"]) == (numbers[1:], None)
    answers = f"/transfers/{released['transfer']}/answer"
    status, took = theirs("POST", answers, {"answer": "receive", "exhibits": numbers[:1]})
    assert (status, took["items"][0]["state"]) == (200, "received")
    assert theirs("POST", answers, {"answer": "withdraw", "motive": "m"})[0] == 404
    assert ours("POST", answers, {"answer": "withdraw", "motive": "m"})[0] == 200
    assert theirs("POST", answers, {"answer": "receive"})[1]["type"].endswith("transfer-answered")
    status, told = ours("GET", f"/cases/{CODE}/continuity")
    assert [one["holder"] for one in told["items"]] == ["Tribunal", None]
    assert [gap["kind"] for one in told["items"] for gap in one["gaps"]] == ["before-undated"] * 2
    assert [one["transfers"][0]["state"] for one in told["items"]] == ["received", "withdrawn"]
    assert theirs("GET", f"/cases/{CODE}/continuity")[0] == 404
    assert theirs("GET", f"/exhibits/{numbers[0]}")[0] == 404
