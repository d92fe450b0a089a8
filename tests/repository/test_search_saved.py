"""What the case team says is found by the case team alone; searches are kept, shared and run."""

import json

import pytest
from sqlalchemy import select

from api.app import create_app
from repository.models import Exhibit
from repository.people import grant, new_person
from repository.search import index
from repository.search.ask import search
from tests.house import CODE, House
from tests.one_house import one_house, signed_in


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role, party in (
            ("counsel of A", "counsel", "defence of A"), ("a partner", "partner", None),
        ):  # fmt: skip
            person = new_person(house.repo, house.custodian, name=name, role=role)
            grant(house.repo, house.custodian, case=house.case, person=person, role=role,
                  party=party)  # fmt: skip
        folder = tmp_path_factory.mktemp("files")
        for name in ("river one.txt", "river two.txt"):
            (folder / name).write_text(name)
            house.ingest(folder / name)
        said = house.evidence("disclose", "KRN-000001", "--to", "defence of A")
        assert said.code == 0, said.err
        with house.repo.database.writing() as session:
            index.expect(session, list(session.scalars(select(Exhibit.id))))
        index.make_all(house.repo)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def numbers(house: House, query: str, person: str = "analyst") -> list[str]:
    found = search(house.repo, house.caller(person), query)
    return [one.described.exhibit.number for one in found.found]


def withheld(house: House, kind: str) -> dict:
    """Return what the newest entry of a type withholds."""
    index = max(one.index for one in house.entries() if one.fields["type"] == kind)
    return {name: one.value for name, one in house.repo.ledger.openings([index])[index].items()}


def test_notes_are_found_by_the_case_team_and_by_nobody_else(house):
    said = house.evidence("note", "KRN-000001", "the Zelenchuk crossing", person="analyst")
    assert said.code == 0, said.err
    note = said.lines[0]["annotation"]
    house.evidence("tag", "KRN-000002", "crossing", person="analyst")
    index.make_all(house.repo)
    assert numbers(house, "crossing", "investigator") == ["KRN-000002", "KRN-000001"]
    assert numbers(house, "Зеленчук") == ["KRN-000001"]
    assert numbers(house, '"zelenchuk crossing" one') == ["KRN-000001"]  # a note and a name
    assert numbers(house, "river NOT zelenchuk") == ["KRN-000002"]
    for person in ("counsel of A", "a partner", "stranger"):
        assert numbers(house, "crossing", person) == []
    assert numbers(house, "river NOT zelenchuk", "counsel of A") == ["KRN-000001"]
    house.evidence("annotation", "withdraw", note, "--motive", "a mistake", person="analyst")
    index.make_all(house.repo)
    assert numbers(house, "zelenchuk") == []


def test_a_saved_search_is_run_with_the_eyes_of_whoever_runs_it(house):
    said = house.evidence(
        "saved", "set", CODE, "river", "--title", "The river", "--share", "prosecutor",
        person="analyst",
    )  # fmt: skip
    assert said.code == 0, said.err
    name = said.lines[0]["search"]
    entry = house.last("annotation")
    assert entry["reason"] == "search"
    assert "river" not in json.dumps(entry).casefold()
    run = ("saved", "run", name)
    house.evidence("mark", "KRN-000002", "--sealed", "--named", "analyst", "--motive", "m")
    found = house.evidence(*run, person="analyst").lines
    assert [one["exhibit"]["exhibit"] for one in found[:-1]] == ["KRN-000002", "KRN-000001"]
    assert house.last("consultation")["reason"] == "search"
    found = house.evidence(*run, person="prosecutor").lines
    assert [one["exhibit"]["exhibit"] for one in found[:-1]] == ["KRN-000001"]
    assert found[-1]["count"] == 1
    assert house.evidence(*run, person="investigator").code == 2  # not named
    assert house.evidence("saved", "list", CODE, person="investigator").lines == []
    again = ("saved", "set", CODE, "river one", "--title", "One", "--again", name)
    assert house.evidence(*again, person="prosecutor").code == 2  # not its author
    assert house.evidence(*again, person="analyst").lines[0]["version"] == 2
    assert house.evidence(*run, person="prosecutor").code == 2  # shared no more
    for words in (("(a", "--title", "t"), ("a", "--title", ""), ("a", "--title", "t\n")):
        assert house.evidence("saved", "set", CODE, *words, person="analyst").code == 2
    assert house.evidence("saved", "run", "SRC-none", person="analyst").code == 2


def test_places_times_and_facets_are_kept_and_asked_again(house, tmp_path):
    narrow = ("--where", "family=other", "--where", "year=2022")
    where = ("--near", "50.45,30.52", "--within", "5km", "--after", "2022", "--certain")
    said = house.evidence("saved", "set", CODE, "--title", "W", *narrow, *where, person="analyst")
    assert said.code == 0, said.err
    kept = said.lines[0]
    assert (kept["near"], kept["after"], kept["certain"]) == ("50.45,30.52,5km", "2022", True)
    assert kept["filters"] == {"family": ["other"], "year": ["2022"]}
    [line] = house.evidence("saved", "run", kept["search"], person="analyst").lines
    assert line["count"] == 0
    asked = withheld(house, "consultation")["asked"]
    assert asked.startswith("within 5000 m of 50.45,30.52; after 2022")
    assert asked.endswith("certainly; family=other; year=2022")
    of_words = house.evidence("saved", "set", CODE, "river", "--title", "w", person="analyst")
    stored = withheld(house, "annotation")["detail"]
    assert set(stored) == {"annotation", "version", "query", "shared_with"}  # as the first ones
    ran = house.evidence("saved", "run", of_words.lines[0]["search"], person="analyst")
    assert ran.lines[-1]["count"]


def test_saved_searches_over_http(house):
    client = create_app(house.repo).test_client()
    headers = signed_in(house, "analyst")
    of = f"/api/v1/cases/{CODE}/searches"
    kept = client.post(of, json={"title": "T", "query": "name:one"}, headers=headers)
    assert kept.status_code == 201, kept.json
    name = kept.json["search"]
    assert name in [one["search"] for one in client.get(of, headers=headers).json["items"]]
    ran = client.post(f"/api/v1/searches/{name}/run", json={"facets": True}, headers=headers).json
    assert [one["exhibit"]["exhibit"] for one in ran["items"]] == ["KRN-000001"]
    assert ran["facets"]["case"] == [{"value": CODE, "count": 1}]
    drawn = {"polygon": "1,1\n1,2\n2,2", "between": "2020..2021", "certain": True}
    asked = {"filters": {"family": ["other"]}, "view": "gallery", **drawn}
    whole = client.post(of, json={"title": "W", **asked}, headers=headers).json
    assert {name: whole[name] for name in asked} == asked
    run = f"/api/v1/searches/{whole['search']}/run"
    assert client.post(run, json={}, headers=headers).json["items"] == []
    for wrong in ({}, {"box": "1,1,2,2", "polygon": "1,1"}, {"filters": {"no": ["x"]}}):
        assert client.post(of, json={"title": "T", **wrong}, headers=headers).status_code == 400
    refused = client.post(of, json={"title": "T", "query": "(a"}, headers=headers)
    assert (refused.status_code, refused.json["type"].rpartition("/")[2]) == (400, "bad-query")
    other = signed_in(house, "prosecutor")
    hidden = client.post(f"/api/v1/searches/{name}/run", json={}, headers=other)
    assert (hidden.status_code, hidden.json["type"].rpartition("/")[2]) == (404, "unknown-search")
