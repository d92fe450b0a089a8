"""Who takes part in a case, and what institutions are known for, over HTTP; lists have pages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.app import create_app
from api.commands.context import login
from custody.entry import Act
from repository.approvals import request
from repository.associations import associate
from repository.people import new_organisation, new_person
from tests.house import CODE, House
from tests.one_house import one_house, signed_in

V1 = "/api/v1"
OURS = {"Origin": "http://localhost"}
ORDER = f"sha256:{'a' * 64}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        repo, first = found.house.repo, found.house.custodian
        new_organisation(repo, first, name="Alfa", kind="other")
        for name, role, organisation in (
            ("guest", "analyst", "Unit"), ("second", "custodian", None),
            ("governor", "custodian", "Alfa"), ("owner", "submitter", "Alfa"),
        ):  # fmt: skip
            new_person(repo, first, name=name, role=role, organisation=organisation)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


@pytest.fixture
def ask(house):
    client = create_app(house.repo).test_client()

    def asking(name: str):
        headers = signed_in(house, name)

        def send(method, path, want=200, **more):
            answer = client.open(f"{V1}{path}", method=method, headers=headers, **more)
            assert answer.status_code == want, answer.text
            return answer.json

        return send

    return asking


def pages(send, path: str, limit: int) -> list[list[dict]]:
    """Return every page of a list; all but the last have `limit` items."""
    found, cursor = [], ""
    mark = "&" if "?" in path else "?"
    while cursor is not None:
        answer = send("GET", f"{path}{mark}limit={limit}{cursor and f'&cursor={cursor}'}")
        found.append(answer["items"])
        cursor = answer["next"]
        assert len(found[-1]) == limit or cursor is None
    return found


def take_in(house: House, count: int, code: str = CODE) -> list[str]:
    found = []
    for _ in range(count):
        name = house.repo.random(8).hex()
        file = house.data.parent / name
        file.write_text(name)
        said = house.evidence("ingest", file, "--case", code, "--no-extract")
        assert said.code == 0, said.err
        found.append(said.lines[0]["exhibit"])
    return found


def test_a_custodian_lets_somebody_in_and_out_and_each_is_an_entry(house, ask):
    send, guest = ask("second"), ask("guest")
    guest("GET", f"/cases/{CODE}", 404)
    role = {"person": "guest", "role": "analyst"}
    assert send("POST", f"/cases/{CODE}/grants", json=role)["until"] is None
    guest("GET", f"/cases/{CODE}", 200)
    at = "2031-01-02T03:04:05.000Z"
    assert send("POST", f"/cases/{CODE}/grants", json={**role, "until": at})["until"] == at
    entry = house.last("access_grant")
    opened = house.repo.ledger.opened(house.entries()[-1])
    assert (opened["case"], opened["detail"]["until"], entry["actor"]["role"]) == (
        CODE, at, "custodian",
    )  # fmt: skip
    listed = [one for page in pages(send, f"/cases/{CODE}/grants", 2) for one in page]
    names = sorted(one["name"] for one in listed)
    assert names == sorted(["analyst", "guest", "investigator", "prosecutor", login()])
    shown = house.evidence("case", "grants", CODE).lines
    assert shown == listed
    assert send("POST", f"/cases/{CODE}/grants/end", json=role)["revoked"] is True
    guest("GET", f"/cases/{CODE}", 404)
    size = house.repo.ledger.size()
    send("POST", f"/cases/{CODE}/grants/end", json=role)  # what is not there is no error
    assert [e.fields["type"] for e in house.repo.ledger.entries(size)] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"person": "nobody at all", "role": "analyst"}, 404),
        ({"person": "guest", "role": "administrator"}, 400),
        ({"person": "guest", "role": "counsel"}, 400),  # for no party
        ({"person": "guest", "role": "analyst", "party": "defence"}, 400),
        ({"person": "guest", "role": "analyst", "until": "soon"}, 400),
        ({"person": "guest"}, 400),
    ],
)
def test_what_cannot_be_granted_is_refused_and_changes_nothing(ask, body, status):
    send = ask("second")
    before = send("GET", f"/cases/{CODE}/grants")
    send("POST", f"/cases/{CODE}/grants", status, json=body)
    assert send("GET", f"/cases/{CODE}/grants") == before


def test_a_session_lets_somebody_in_after_a_recent_sign_in_and_out_at_any_time(house):
    ahead = timedelta()
    repo = replace(house.repo, clock=lambda: house.repo.clock() + ahead)
    client = create_app(repo).test_client()
    client.post(f"{V1}/session", headers=signed_in(house, "second"))
    ahead = timedelta(minutes=11)
    grant = {"person": "guest", "role": "analyst"}
    uses = {"organisation": "Alfa", "uses": ["death-penalty"], "motive": "its code of 2024"}
    asked = (f"/cases/{CODE}/grants", grant), ("/organisations/uses", uses)
    for path, body in asked:
        answer = client.post(f"{V1}{path}", json=body, headers=OURS)
        assert answer.json["type"].endswith("/step-up-required"), path
        assert house.last("access_denied")["reasons"] == ["step-up-required"]
    assert client.post(f"{V1}{asked[0][0]}/end", json=grant, headers=OURS).status_code == 200
    client.post(f"{V1}/session", headers=signed_in(house, "second"))
    for path, body in asked:
        assert client.post(f"{V1}{path}", json=body, headers=OURS).status_code == 200
    assert client.post(f"{V1}{asked[0][0]}/end", json=grant, headers=OURS).status_code == 200


def test_uses_of_a_jurisdiction_are_put_on_record_by_custodians_of_the_house_alone(house, ask):
    send, governor = ask("second"), ask("governor")
    body = {"organisation": "Alfa", "uses": ["death-penalty"], "motive": "its code of 2024"}
    answer = send("POST", "/organisations/uses", json=body)
    assert answer == {"organisation": "Alfa", "uses": ["death-penalty"]}
    assert house.last("configuration_change")["reason"] == "organisation-uses"
    governor("POST", "/organisations/uses", 403, json=body)
    assert house.last("access_denied")["reasons"] == ["other-institution"]
    for wrong in ({"uses": ["tea"]}, {"organisation": "Nobody"}, {"motive": " "}):
        send("POST", "/organisations/uses", 400, json={**body, **wrong})
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    assert send("POST", "/organisations/uses", json={**body, "uses": []})["uses"] == []


def test_what_waits_for_a_second_person_comes_in_pages(house, ask):
    send, first = ask("second"), house.caller(house.custodian.name or "")
    numbers = take_in(house, 5)
    for number in numbers:
        request(house.repo, first, Act.UNSEALING, number, motive="m", hours=1)
        order = {"exhibit": number, "order": ORDER, "motive": "art. 5"}
        send("POST", "/erasures", 201, json=order)
    for path, name in (("/approvals", "subject"), ("/erasures", "exhibit")):
        found = pages(send, path, 2)
        assert [one[name] for page in found for one in page] == numbers
        assert [len(page) for page in found] == [2, 2, 1]
        [whole] = pages(send, path, 5)
        assert whole == [one for page in found for one in page]
        cursor = send("GET", f"{path}?limit=2")["next"]
        other = {"/approvals": "/erasures", "/erasures": "/approvals"}[path]
        send("GET", f"{other}?cursor={cursor}", 400)


def test_what_owners_are_asked_comes_in_pages_newest_first(house, ask):
    send, owner = ask("second"), ask("owner")
    numbers = take_in(house, 5)
    marking = {"handling": "H2", "owner": "Alfa", "motive": "as agreed"}
    made = []
    for number in numbers:
        send("PUT", f"/exhibits/{number}/marking", json=marking)
        asked = {"subjects": [number], "recipient": "Unit", "motive": "joint work"}
        made += send("POST", "/consents", 201, json=asked)["items"]
    for ids, who, path in ((made, owner, "/consents?state=requested"), (made, send,
                           f"/cases/{CODE}/consents")):  # fmt: skip
        found = [one["consent"] for page in pages(who, path, 2) for one in page]
        assert found == sorted(ids, reverse=True)
    for consent in made:
        owner("POST", f"/consents/{consent}/answer", json={"give": True, "motive": "for this"})
    analyst = ask("analyst")
    found = pages(analyst, "/consents/received", 2)
    assert [one["consent"] for page in found for one in page] == sorted(made, reverse=True)
    assert [len(page) for page in found] == [2, 2, 1]
    shown = house.evidence("consent", "list", "--case", CODE).lines
    assert [one["consent"] for one in shown] == sorted(made, reverse=True)


def test_the_register_comes_in_pages_with_a_row_for_every_number(house, ask):
    send, first = ask("second"), house.caller(house.custodian.name or "")
    numbers, others = take_in(house, 3), take_in(house, 3, "OTHER")
    for number in numbers[:2]:
        associate(house.repo, first, number, "OTHER", motive="the same events")
    whole = send("GET", "/cases/OTHER/register?limit=500")
    assert [one["exhibit"] for one in whole["items"]] == [*others, *numbers[:2]]
    assert (whole["next"], whole["count"], whole["counts"]["all"]) == (None, 5, 5)
    for limit in (1, 2, 3, 5):
        found = pages(send, "/cases/OTHER/register", limit)
        assert [one for page in found for one in page] == whole["items"]
        assert len(found) == -(-5 // limit)
    start = house.repo.ledger.size()
    page = send("GET", "/cases/OTHER/register?limit=2")
    assert page["count"] == 2
    [entry] = [e.fields for e in house.repo.ledger.entries(start)]
    assert (entry["reason"], entry["count"], entry["outputs"]) == (
        "disclosure-register", 2, [page["digest"]],
    )  # fmt: skip
