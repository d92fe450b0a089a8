"""Situations, exhibits of further cases, and holds: command line and HTTP."""

from dataclasses import replace

import pytest

from api.app import create_app
from repository import holds
from repository.cases import find_case, open_case
from repository.errors import OnHold, StoreUnavailable
from repository.models import Exhibit
from repository.people import grant, new_person, new_token
from repository.upkeep import chores
from tests.house import CODE, House


@pytest.fixture
def number(house, files):
    return house.ingest(files / "a.txt")[0]["exhibit"]


@pytest.fixture
def other(house):
    """A second custodian."""
    return new_person(house.repo, house.custodian, name="second", role="custodian").name


def on_other(house: House, name: str, role: str, party: str | None = None) -> str:
    """Register a person with a role on the case OTHER."""
    person = new_person(house.repo, house.custodian, name=name, role=role)
    with house.repo.database.reading() as session:
        case = find_case(session, "OTHER")
    grant(house.repo, house.custodian, case=case, person=person, role=role, party=party)
    return name


def associate(house: House, number: str, case: str = "OTHER", word: str = "add", **more):
    return house.evidence("associate", word, number, case, "--motive", "the same bridge", **more)


def read(house: House, number: str, person: str):
    out = house.data.parent / f"out-{house.repo.random(4).hex()}"
    words = ("retrieve", number, "--out", out, "--purpose", "analysis")
    return house.evidence(*words, person=person)


def headers(house: House, name: str) -> dict[str, str]:
    person = house.caller(name).person
    _, token = new_token(house.repo, house.custodian, person=person, expires_at=None)
    return {"Authorization": f"Bearer {token}"}


# --- situations


def test_a_case_belongs_to_a_situation_and_its_people_see_both(house):
    assert house.evidence("situation", "new", "ICC0112", "--title", "A region").code == 0
    assert house.last("case_opened")["reason"] == "situation"
    assert house.evidence("situation", "new", "ICC0112", "--title", "Again").code == 2
    words = ("situation", "put", CODE, "ICC0112", "--motive")
    assert house.evidence(*words, "").code == 2
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    assert house.evidence(*words, "same events", person="analyst").code == 4
    assert house.evidence(*words, "same events").code == 0
    assert house.last("association")["reason"] == "situation"
    [seen] = house.evidence("situation", "list", person="analyst").lines
    assert (seen["situation"], seen["cases"]) == ("ICC0112", [CODE])
    assert house.evidence("situation", "list", person="stranger").lines == []
    size = house.repo.ledger.size()
    assert house.evidence(*words, "same events").code == 0
    assert house.repo.ledger.size() == size  # said already


# --- further cases


def test_an_exhibit_of_a_further_case_keeps_its_number_and_is_read_there(house, number):
    analyst = on_other(house, "elsewhere", "analyst")
    assert read(house, number, analyst).code == 2
    assert associate(house, number, person="analyst").code == 4
    assert associate(house, number).code == 0
    entry = house.last("association")
    assert (entry["reason"], entry["exhibit"]["number"]) == ("added", number)
    assert read(house, number, analyst).code == 0
    [seen] = house.evidence("associate", "list", "--case", "OTHER", person=analyst).lines
    assert seen["exhibit"] == number
    assert house.evidence("associate", "list", number, person="investigator").lines == []
    assert house.evidence("associate", "list", number).lines == [
        {"exhibit": number, "case": "OTHER"}
    ]
    # A grant there reads; it rules nothing here.
    assert house.evidence("mark", number, "--tlp", "RED", "--motive", "m", person=analyst).code == 4
    assert house.evidence("list", "--case", CODE, person=analyst).code == 2
    assert associate(house, number, word="end").code == 0
    assert house.last("association")["reason"] == "removed"
    assert read(house, number, analyst).code == 2


def test_associating_takes_a_right_in_both_cases_and_a_motive(house, number):
    prosecutor = on_other(house, "their prosecutor", "prosecutor")
    assert associate(house, number, person=prosecutor).code == 2  # knows nothing of the exhibit
    assert associate(house, number, person="prosecutor").code == 2  # nothing of the other case
    assert house.evidence("associate", "add", number, "OTHER", "--motive", " ").code == 2
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    assert associate(house, number, case=CODE).code == 2
    assert "association" not in {e.fields["type"] for e in house.entries()}


def test_the_strictest_of_both_cases_applies_to_whoever_comes_by_the_further_one(house, number):
    analyst = on_other(house, "elsewhere", "analyst")
    assert associate(house, number).code == 0
    words = ("mark", "OTHER", "--withdrawn", "--motive", "m")
    assert house.evidence(*words).code == 0
    assert read(house, number, analyst).code == 4
    assert house.last("access_denied")["reasons"] == ["consent-withdrawn"]
    assert read(house, number, "analyst").code == 0


def test_sharing_with_another_institutions_case_is_leaving(house, number):
    new_person(house.repo, house.custodian, name="t", role="analyst", organisation="Tribunal")
    open_case(house.repo, house.custodian, code="TRIB", title="T", organisation="Tribunal")
    assert house.evidence("mark", number, "--handling", "H2", "--motive", "m").code == 0
    assert associate(house, number, case="TRIB").code == 4
    refused = house.last("access_denied")
    assert (refused["attempted"], refused["reasons"]) == ("association", ["handling-h2"])
    assert associate(house, number).code == 0  # within the house


def test_disclosed_in_one_case_is_not_disclosed_in_the_other(house, number):
    counsel = on_other(house, "for B", "counsel", "defence")
    assert associate(house, number).code == 0
    assert house.evidence("disclose", number, "--to", "defence").code == 0
    assert read(house, number, counsel).code == 2  # the defence of the other case
    assert house.evidence("disclose", number, "--to", "defence", "--case", "NONE").code == 2
    assert house.evidence("disclose", number, "--to", "defence", "--case", "OTHER").code == 0
    assert read(house, number, counsel).code == 0
    seen = house.evidence("show", number, "--custody", person=counsel).lines
    said = [one["opened"] for one in seen if '"type":"association"' in one["body"]]
    assert said == [{}]  # what else it belongs to is told to no party


# --- holds


def place(house: House, number: str, matter: str, **more):
    words = ("hold", "place", number, "--matter", matter, "--motive", "pending")
    return house.evidence(*words, **more)


def released(house: House, hold: str, other: str) -> None:
    asked = house.evidence("hold", "release", hold, "--motive", "over", person="prosecutor")
    words = ("approval", "give", asked.lines[0]["approval"], "--motive", "agreed")
    assert house.evidence(*words, person=other).code == 0


def in_store(house: House, number: str) -> bool:
    from repository.exhibits import find_exhibit
    from repository.retrieve import recorded_parts

    with house.repo.database.reading() as session:
        [part] = recorded_parts(house.repo, find_exhibit(session, number))
    return house.repo.store.stat(part.objects[0]).hold


def test_what_a_matter_holds_is_not_erased_before_every_hold_is_released(house, number, other):
    order = ("erase", "request", number, "--order", house.data / "config.toml", "--motive", "m")
    asked = house.evidence(*order).lines[0]["erasure"]
    first = place(house, number, "ICC-01/12").lines[0]["hold"]
    assert place(house, number, "ICC-01/12").lines[0]["hold"] == first
    second = place(house, number, "RFA 7", person="investigator").lines[0]["hold"]
    assert house.last("hold_placed")["count"] == 2
    assert place(house, number, "RFA 8", person="analyst").code == 4
    for _ in range(2):
        assert house.evidence(*order).code == 4
        assert house.last("access_denied")["reasons"] == ["on-hold"]
    approve = ("erase", "approve", asked, "--motive", "m")
    assert house.evidence(*approve, person=other).code == 4  # was asked before the holds
    assert house.last("access_denied")["attempted"] == "deletion_approved"
    released(house, first, other)
    assert (house.last("hold_released")["count"], in_store(house, number)) == (1, True)
    assert house.evidence(*approve, person=other).code == 4
    released(house, second, other)
    assert house.evidence("hold", "release", second, "--motive", "m").code == 2  # once
    listed = house.evidence("hold", "list", number, person="prosecutor").lines
    assert [bool(one["released_at"]) for one in listed] == [True, True]
    assert house.evidence(*approve, person=other).code == 0
    assert place(house, number, "late").code == 4  # nothing is left to keep


def test_who_asks_for_a_release_does_not_decide(house, number, other):
    hold = place(house, number, "ICC-01/12").lines[0]["hold"]
    asked = house.evidence("hold", "release", hold, "--motive", "m", person=other)
    give = ("approval", "give", asked.lines[0]["approval"], "--motive", "m")
    assert house.evidence(*give, person=other).code == 4
    assert house.evidence("hold", "release", hold, "--motive", "", person=other).code == 2
    assert house.last("access_denied")["reasons"] == ["motive-required"]
    assert house.evidence("hold", "release", "HLD-none", "--motive", "m").code == 2
    assert house.last("access_denied")["reasons"] == ["unknown-hold"]


def test_the_stores_hold_follows_and_is_caught_up_with(house, number, other, monkeypatch):
    settings = house.repo.settings.model_copy(update={"legal_hold": False})
    repo = replace(house.repo, settings=settings)
    released_once = place(house, number, "first").lines[0]["hold"]
    with repo.database.reading() as session:
        exhibit = session.query(Exhibit).one()
    holds.follow(repo, [exhibit.id])
    assert in_store(house, number)

    def away(*_, **__):
        raise StoreUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(type(repo.store), "stat", away)
        assert place(house, number, "second").lines[0]["in_stores"] is False
    assert holds.unfollowed(repo) == [exhibit.id]
    [chore] = [one for one in chores(repo) if one.name == "holds"]
    assert chore.wanted(repo)
    chore.do(repo, print)
    assert holds.unfollowed(repo) == []
    released(house, released_once, other)
    assert in_store(house, number)
    [_, second] = house.evidence("hold", "list", number).lines
    released(house, second["hold"], other)
    holds.follow(repo, [exhibit.id])
    assert not in_store(house, number)  # none is left, and the setting asks for none


def test_a_hold_and_an_erasure_at_once_are_one_after_the_other(house, number):
    with house.repo.database.reading() as session:
        exhibit = session.query(Exhibit).one()
    assert place(house, number, "m").code == 0
    with house.repo.database.reading() as session, pytest.raises(OnHold, match="kept for m"):
        holds.check_free(session, exhibit)


# --- over HTTP


def test_the_same_over_http(house, number, other):
    client = create_app(house.repo).test_client()
    as_, v1 = headers(house, other), "/api/v1"
    said = client.post(f"{v1}/situations", headers=as_, json={"code": "SIT1", "title": "Area"})
    assert (said.status_code, said.json["cases"]) == (201, [])
    body = {"situation": "SIT1", "motive": "m"}
    assert client.put(f"{v1}/cases/{CODE}/situation", headers=as_, json=body).status_code == 200
    [seen] = client.get(f"{v1}/situations", headers=as_).json["items"]
    assert seen["cases"] == [CODE]
    body = {"case": "OTHER", "motive": "m"}
    where = f"{v1}/exhibits/{number}/associations"
    assert client.post(where, headers=as_, json=body).status_code == 201
    assert client.get(where, headers=as_).json["items"] == [{"exhibit": number, "case": "OTHER"}]
    listed = client.get(f"{v1}/cases/OTHER/associations", headers=as_).json["items"]
    assert listed == [{"exhibit": number, "case": "OTHER"}]
    ended = client.post(f"{where}/OTHER/end", headers=as_, json={"motive": "m"})
    assert ended.status_code == 200
    assert client.get(where, headers=as_).json["items"] == []
    body = {"matter": "RFA 7", "motive": "m"}
    where = f"{v1}/exhibits/{number}/holds"
    hold = client.post(where, headers=as_, json=body)
    assert (hold.status_code, hold.json["in_stores"]) == (201, True)
    asked = client.post(
        f"{v1}/holds/{hold.json['hold']}/release", headers=as_, json={"motive": "m"}
    )
    assert asked.status_code == 202
    assert client.get(where, headers=as_).json["free"] is False
    empty = client.post(where, headers=as_, json={"matter": "x", "motive": ""})
    assert (empty.status_code, house.last("access_denied")["reasons"]) == (400, ["motive-required"])
