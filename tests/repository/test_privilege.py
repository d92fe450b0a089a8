"""What may be privileged: closed at a word, to the whole case team, until somebody independent."""

import json
import zipfile

import pytest
from sqlalchemy import select

from api.app import create_app
from repository.exhibits import find_exhibit
from repository.matching.index import holdings
from repository.models import Exhibit
from repository.people import grant, new_person
from repository.search import tokens
from repository.search.scope import Scope
from repository.search.tokens import FACTS, OPEN
from tests.house import CODE, House
from tests.one_house import one_house, signed_in
from tests.repository.test_register import take_in

TEAM = ("investigator", "analyst", "prosecutor")
SECRET = b"advice of counsel, in confidence"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        repo, custodian = house.repo, house.custodian
        for name, role in (("taint", "reviewer"), ("both", "analyst"), ("counsel of A", "counsel")):
            new_person(repo, custodian, name=name, role=role)
        for name, role, party in (
            ("taint", "reviewer", None), ("both", "reviewer", None), ("both", "analyst", None),
            ("counsel of A", "counsel", "defence of A"),
        ):  # fmt: skip
            person = house.caller(name).person
            grant(repo, custodian, case=house.case, person=person, role=role, party=party)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def claim(house: House, number: str, *words: str, person: str = "analyst"):
    return house.evidence("privilege", "claim", number, "--motive", "m", *words, person=person)


def judge(house: House, what: str, number: str, *words: str, person: str = "taint"):
    return house.evidence("privilege", what, number, "--motive", "m", *words, person=person)


def read(house: House, number: str, folder, person: str):
    out = folder / house.repo.random(4).hex()
    words = ("--out", out, "--purpose", "analysis")
    return house.evidence("retrieve", number, *words, person=person)


def test_it_is_closed_at_once_and_opened_by_a_reviewer_alone(house, tmp_path):
    number = take_in(house, tmp_path)
    assert read(house, number, tmp_path, "taint").code == 2  # not for review: unknown
    assert read(house, number, tmp_path, "analyst").code == 0
    [found] = claim(house, number).lines
    assert (found["state"], found["member"]) == ("possible", None)
    entry = house.last("handling_change")
    assert (entry["reason"], entry["handling"]) == ("privilege-claimed", {"privilege": "possible"})
    size = house.repo.ledger.size()
    assert (claim(house, number).code, house.repo.ledger.size()) == (0, size)
    for person in ("analyst", None):  # the custodian of the house too
        assert read(house, number, tmp_path, person).code == 4
        assert house.last("access_denied")["reasons"] == ["privileged"]
    assert house.evidence("show", number, "--facts", person="investigator").code == 4
    words = ("--out", tmp_path / "bundle", "--purpose", "court")
    assert house.evidence("export", number, "--case", CODE, *words, person="prosecutor").code == 4
    given = ("disclose", number, "--to", "defence of A")
    assert house.evidence(*given, person="prosecutor").code == 4
    [shown] = house.evidence("show", number, person="analyst").lines
    assert shown["privilege"] == [{"member": None, "state": "possible"}]
    for person in (*TEAM, "both", None):
        assert judge(house, "release", number, person=person).code == 4
    assert house.last("access_denied")["attempted"] == "handling_change"
    assert read(house, number, tmp_path, "taint").code == 0
    assert judge(house, "confirm", number).lines[0]["state"] == "confirmed"
    assert read(house, number, tmp_path, "analyst").code == 4
    assert judge(house, "release", number).lines[0]["state"] == "released"
    assert house.last("handling_change")["reason"] == "privilege-released"
    assert read(house, number, tmp_path, "analyst").code == 0
    assert judge(house, "release", number).code == 2  # not for review any more
    [shown] = house.evidence("show", number, person="analyst").lines
    assert shown["privilege"] == [{"member": None, "state": "released"}]
    assert claim(house, number).lines[0]["state"] == "possible"  # it can be named anew


def test_a_member_is_closed_wherever_it_is_and_its_container_keeps_its_bytes(house, tmp_path):
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("advice.txt", SECRET)
        file.writestr("other.txt", b"nothing")
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as file:
        file.write(inner, "inner.zip")
        file.writestr("letters/to counsel.txt", b"dear")
        file.writestr("plain.txt", b"plain")
    [row] = house.ingest(outer, extract=True)
    number = row["exhibit"]
    taken = house.evidence("derive", number, "--member", "inner.zip", person="analyst")
    assert taken.code == 0, taken.err
    child = taken.lines[0]["exhibit"]
    path = "inner.zip!/advice.txt"
    # Of another name, or a folder, a claim would close nothing of what is meant.
    assert claim(house, number, "--member", "inner.zip!/advise.txt").code == 2
    folder = claim(house, number, "--member", "letters/")
    assert (folder.code, "is a folder" in folder.err) == (2, True)
    assert "privilege" not in house.evidence("show", number).lines[0]
    [found] = claim(house, number, "--member", path).lines
    assert (found["member"], found["state"]) == (path, "possible")
    for one in (number, child):
        assert read(house, one, tmp_path, "analyst").code == 4
    assert house.evidence("members", number, person="analyst").code == 0
    for asked, name in ((number, path), (child, "advice.txt")):
        assert house.evidence("derive", asked, "--member", name, person="analyst").code == 4, name
    assert house.evidence("derive", child, "--member", "other.txt", person="analyst").code == 0
    assert house.evidence("derive", number, "--member", "plain.txt", person="analyst").code == 0
    by_reviewer = house.evidence("derive", child, "--member", "advice.txt", person="taint")
    assert by_reviewer.code == 0, by_reviewer.err
    advice = by_reviewer.lines[0]["exhibit"]
    assert read(house, advice, tmp_path, "taint").code == 0
    assert read(house, advice, tmp_path, "analyst").code == 4
    assert judge(house, "release", number).code == 2  # it was named by its path
    assert judge(house, "release", number, "--member", path).code == 0
    for one in (number, child, advice):
        assert read(house, one, tmp_path, "analyst").code == 0
    # Named as an exhibit of its own, it closes what holds it.
    assert claim(house, advice).code == 0
    assert [read(house, one, tmp_path, "analyst").code for one in (advice, child, number)] == [
        4
    ] * 3
    assert house.evidence("derive", number, "--member", path, person="analyst").code == 4
    assert judge(house, "release", advice).code == 0
    assert read(house, number, tmp_path, "analyst").code == 0


def test_what_is_closed_answers_no_match(house, tmp_path):
    number = take_in(house, tmp_path)
    with house.repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
        [before] = holdings(session, [exhibit.id])
    assert claim(house, number).code == 0
    with house.repo.database.reading() as session:
        [after] = holdings(session, [exhibit.id])
    assert (before.privileged, after.privileged) == (False, True)


def test_search_finds_nothing_of_what_is_read_in_it(house, tmp_path):
    plain, number = take_in(house, tmp_path), take_in(house, tmp_path)
    repo = house.repo
    with repo.database.reading() as session:
        ids = {one: find_exhibit(session, one).id for one in (plain, number)}

    def levels(person: str) -> list[str | None]:
        caller = house.caller(person)
        with repo.database.reading() as session:
            scope = Scope.of(session, caller, repo.clock())
            special = scope.special(Exhibit.id, Exhibit.submission_id)
            asked = set(session.scalars(select(Exhibit.number).where(special)))
            decided = scope.levels(session, list(ids.values()))
            at_once = scope.plain[house.case.id]  # of what nothing was said of
        return [decided[ids[one]] if one in asked else at_once for one in (plain, number)]

    assert levels("analyst") == [tokens.TEAM, tokens.TEAM]
    assert levels("taint") == [None, None]
    assert claim(house, number).code == 0
    assert levels("analyst") == [tokens.TEAM, OPEN]
    assert levels("taint") == [None, FACTS]
    assert judge(house, "release", number).code == 0
    assert levels("analyst") == [tokens.TEAM, tokens.TEAM]


def test_who_claimed_it_does_not_decide_even_when_made_a_reviewer_later(house, tmp_path):
    repo, custodian = house.repo, house.custodian
    number = take_in(house, tmp_path)
    name = repo.random(4).hex()
    person = new_person(repo, custodian, name=name, role="analyst")
    grant(repo, custodian, case=house.case, person=person, role="analyst")
    assert claim(house, number, person=name).code == 0
    house.evidence("case", "revoke", CODE, name, "analyst")
    grant(repo, custodian, case=house.case, person=person, role="reviewer")
    assert judge(house, "release", number, person=name).code == 4
    assert house.last("access_denied")["reasons"] == ["same-person"]
    [found] = house.evidence("show", number, person="analyst").lines
    assert found["privilege"] == [{"member": None, "state": "possible"}]


def test_the_api_says_the_same_and_lists_what_one_may_know_of(house, tmp_path):
    number, hidden = take_in(house, tmp_path), take_in(house, tmp_path)
    client = create_app(house.repo).test_client()
    analyst, taint = signed_in(house, "analyst"), signed_in(house, "taint")
    url = f"/api/v1/exhibits/{number}/privilege"
    assert client.post(url, json={"motive": " "}, headers=analyst).status_code == 400
    assert client.post(url, json={"motive": "m"}, headers=analyst).json["state"] == "possible"
    assert claim(house, hidden).code == 0
    assert house.evidence("mark", hidden, "--sealed", "--motive", "m").code == 0
    for asking in (analyst, taint):
        listed = client.get(f"/api/v1/cases/{CODE}/privileges", headers=asking).json["items"]
        assert number in json.dumps(listed)
        assert hidden not in json.dumps(listed)
    body = {"decision": "release", "motive": "m"}
    assert client.post(f"{url}/decision", json=body, headers=analyst).status_code == 403
    assert client.post(f"{url}/decision", json=body, headers=taint).json["state"] == "released"
    assert client.post(f"{url}/decision", json=body, headers=taint).status_code == 404
    bad = {"member": "x" * 5000, "motive": "m"}
    assert client.post(url, json=bad, headers=analyst).status_code == 400
