"""Facets: what is counted and narrowed by, for whom, and that nothing hidden moves a count."""

import json
from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from api.app import create_app
from repository import annotations
from repository.annotations import Assessment
from repository.cases import find_case
from repository.errors import BadQuery
from repository.models import Exhibit
from repository.people import grant, new_person
from repository.search import facets, find, grammar, index, live, sources
from repository.search.ask import search
from repository.search.expression import OF_THE_TEAM
from repository.search.scope import Scope
from repository.search.sightings import Place, Time
from repository.search.tables import SearchExhibit
from tests.house import House
from tests.one_house import one_house, signed_in

SEALED_FILE = [{"kind": "c2pa", "verdict": "valid"}]


def fact(kind: str | None, value: str, name: str = "Test:Fact", suspect=None) -> dict:
    return {
        "kind": kind, "value": value, "raw": value, "name": name, "suspect": suspect,
        "source": "test", "tz": None, "locator": None,
    }  # fmt: skip


def record(*said: dict, seals=()) -> dict:
    return {"facts": list(said), "seals": list(seals)}


RECORDS = {
    "phone.txt": record(
        fact("device", "imei:490154203237518"), fact("account", "telegram:name:somebody"),
        fact("telephone", "+380441234567"), fact("device", "serial:0000", suspect="a placeholder"),
        fact("place", "48.212345 37.912345"), fact("time", "2022-03-01T10:00:00Z", "A:B"),
    ),
    "photo.txt": record(
        fact("device", "imei:490154203237518"), fact("place", "48.512345 37.112345"),
        fact(None, "NIKON", "IFD0:Make"),
        fact("time", "2022-03-31T23:00:00", "Composite:DateTimeOriginal"), seals=SEALED_FILE,
    ),
    "odd.txt": record(
        fact("place", "0 0"), fact("time", "2022-03-01T10:00:00Z", "File:ModifyDate"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role, party in (
            ("counsel", "counsel", "defence of A"), ("partner", "partner", None),
            ("giver", "submitter", None),
        ):  # fmt: skip
            person = new_person(house.repo, house.custodian, name=name, role=role)
            grant(house.repo, house.custodian, case=house.case, person=person, role=role,
                  party=party)  # fmt: skip
        take_in(house, tmp_path_factory.mktemp("files"), RECORDS)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def take_in(house: House, folder, every: dict, *, case: str = "KRN") -> list[str]:
    """Take files in as if they had been looked at and these records had come of it."""
    for name in every:
        (folder / name).write_text(f"{case} {name} river")
    person = "investigator" if case == "KRN" else None
    told = house.evidence(
        "ingest", *[folder / name for name in every], "--case", case, "--no-extract", person=person
    )
    assert told.code == 0, told.err
    numbers = [str(line["exhibit"]) for line in told.lines]
    index_as(house, numbers, every)
    return numbers


def index_as(house: House, numbers: list[str], every: dict) -> None:
    def about(repo, session, exhibit):
        said = every.get(exhibit.path.decode().rpartition("/")[2])
        return sources.About(repo, session, exhibit, plain(repo, session, exhibit).case, None, said)

    plain = index.about
    with house.repo.database.writing() as session:
        found = session.scalars(select(Exhibit).where(Exhibit.number.in_(numbers))).all()
        for exhibit in found:
            exhibit.processed_at = exhibit.registered_at
        index.expect(session, [one.id for one in found])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "about", about)
        for source in ("members", "texts"):
            patch.setattr(sources, "SOURCES", tuple(
                one for one in sources.SOURCES if one.__name__ != source
            ))  # fmt: skip
        assert index.make_all(house.repo)[1] == {}


def told(house: House, person: str = "analyst", **asked) -> dict[str, dict[str, int]]:
    found = search(house.repo, house.caller(person), "txt", facets=True, **asked).facets
    assert found is not None
    assert list(found) == list(facets.TOLD)
    return {
        name: {one["value"]: one["count"] for one in values}
        for name, values in found.items()
        if values
    }


def names(house: House, person: str = "analyst", query: str = "", **filters) -> set[str]:
    asked = {name: [one] if isinstance(one, str) else one for name, one in filters.items()}
    found = search(house.repo, house.caller(person), query, filters=asked).found
    return {one.described.exhibit.path.decode().rpartition("/")[2] for one in found}


# --- values


@pytest.mark.parametrize(
    ("latitude", "longitude", "radius", "found"),
    [
        (48.5, 37.5, 10, {"N48E037"}),
        (-0.5, -0.5, 10, {"S01W001"}),
        (49.0, 38.0, 10, {"N48E037", "N48E038", "N49E037", "N49E038"}),
        (10.5, 180.0, 10, {"N10E179", "N10W180"}),
        (90.0, 0.0, 10, set()),
        (48.5, 37.5, 200_000, set()),
    ],
)
def test_a_place_is_in_the_squares_in_which_it_may_lie(latitude, longitude, radius, found):
    place = Place(latitude, longitude, radius, "", "", "")
    assert set(facets.squares(place)) == found


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (0, 1, ["1970-01"]),
        (-3600, 3600, ["1969-12", "1970-01"]),
        (0, 2_678_400, ["1970-01"]),  # its last second is not of it
        (0, 2_678_401, ["1970-01", "1970-02"]),
        (0, 400 * 86_400, []),
    ],
)
def test_a_time_is_in_the_months_in_which_it_may_lie(first, last, found):
    assert list(facets.months(Time(first, last, "", "", ""))) == found
    assert list(facets.months(Time(first, last, "", "", "", taken=False))) == []
    assert list(facets.months(Time(first, last, "", "", "", suspect="odd"))) == []


def test_of_very_many_values_some_are_kept_and_the_exhibit_says_so():
    said = record(*(fact("telephone", f"+38044{n:07d}") for n in range(facets.MOST_KEPT + 1)))
    kept = facets.of(said, [])
    assert kept.more
    assert len(kept.facts["account"]) == facets.MOST_KEPT


# --- counted and narrowed


def test_what_is_found_is_counted_by_times_places_devices_accounts_and_signatures(house):
    found = told(house)
    assert found["case"] == {"KRN": 3}
    assert found["year"] == {"2022": 2}
    # A time without an offset may lie in two months; one of the file alone is in none.
    assert found["month"] == {"2022-03": 2, "2022-04": 1}
    assert found["place"] == {"N48E037": 2}  # exactly 0,0 is doubted, and in no square
    assert found["device"] == {"imei:490154203237518": 2}
    assert names(house, query="device:nikon") == {"photo.txt"}  # a make is searched, not counted
    assert found["account"] == {"telegram:name:somebody": 1, "+380441234567": 1}
    assert found["signature"] == {"c2pa: valid": 1}
    assert found["seal"] == {"no": 3}
    assert found["state"] == {"kept": 3}


def test_every_value_that_is_told_finds_as_many_as_it_says(house):
    compared = 0
    for person in ("analyst", "partner"):
        for name, values in told(house, person).items():
            for value, count in values.items():
                if value is not None:
                    assert len(names(house, person, "txt", **{name: value})) == count, (name, value)
                    compared += 1
    assert compared > 12


def test_of_one_facet_any_value_of_several_each(house):
    assert names(house, month=["2022-04", "2022-03"]) == {"phone.txt", "photo.txt"}
    assert names(house, month="2022-03", signature="c2pa: valid") == {"photo.txt"}
    assert names(house, account="+380441234567", signature="c2pa: valid") == set()
    assert names(house, query="NOT phone", device="imei:490154203237518") == {"photo.txt"}


def test_whoever_may_not_see_facts_is_counted_none_and_finds_none_by_them(house):
    said = house.evidence("disclose", "KRN-000002", "--to", "defence of A")
    assert said.code == 0, said.err
    assert told(house, "counsel")["device"] == {"imei:490154203237518": 1}
    marked = house.evidence("mark", "KRN-000002", "--withdrawn", "--motive", "m")
    assert marked.code == 0, marked.err
    found = told(house)
    assert found["marking"] == {"consent-withdrawn": 1}
    assert found["device"] == {"imei:490154203237518": 1}
    assert "photo.txt" not in names(house, device="imei:490154203237518")
    assert names(house, marking="consent-withdrawn") == {"photo.txt"}
    house.evidence("mark", "KRN-000002", "--motive", "again agreed")  # as it was, once approved


def test_states_of_custody_are_told_to_the_case_team_alone(house):
    for words in (
        ("hold", "place", "KRN-000001", "--matter", "the trial", "--motive", "m"),
        ("copies", "made", "KRN-000001", "--count", "2", "--holder", "the lab", "--purpose",
         "analysis"),
    ):  # fmt: skip
        said = house.evidence(*words)
        assert said.code == 0, said.err
    found = told(house)["state"]
    assert (found["hold"], found["copies-out"], found["kept"]) == (1, 1, 3)
    assert names(house, state="hold") == {"phone.txt"} == names(house, query="state:copies-out")
    for person in ("partner", "giver", "counsel"):
        assert set(told(house, person).get("state", {})) <= {"kept"}
        assert names(house, person, state="hold") == set()
        assert names(house, person, query="txt NOT state:hold") == names(house, person, "txt")


def test_a_disclosure_in_a_case_that_is_not_the_asker_s_is_none_to_them(house):
    with house.repo.database.reading() as session:
        other = find_case(session, "OTHER")
    assert other is not None
    grant(house.repo, house.custodian, case=other, person=house.caller("stranger").person,
          role="analyst")  # fmt: skip
    added = house.evidence("associate", "add", "KRN-000003", "OTHER", "--motive", "m")
    assert added.code == 0, added.err
    said = house.evidence("disclose", "KRN-000003", "--to", "defence of A")
    assert said.code == 0, said.err
    assert told(house)["state"]["disclosed"] >= 1
    assert told(house, "stranger")["state"] == {"kept": 1}
    assert names(house, "stranger", state="disclosed") == set()


def test_what_an_assessment_says_is_counted_for_the_case_team_alone(house):
    said = Assessment(position="50.45,30.52", begins="2021-07-01", ends="2021-07-02", method="sun")
    annotations.annotate(house.repo, house.caller("analyst"), "KRN-000003", "assessment", said)
    index_as(house, ["KRN-000003"], RECORDS)
    assert told(house)["place"]["N50E030"] == 1
    assert names(house, month="2021-07") == {"odd.txt"}
    assert "N50E030" not in told(house, "partner")["place"]
    assert names(house, "partner", month="2021-07") == set()
    assert names(house, "partner", year="2021") == set()


def test_every_value_of_a_state_or_marking_has_its_condition(house):
    with house.repo.database.reading() as session:
        scope = Scope.of(session, house.caller("analyst"), house.repo.clock())
    assert set(live.states(scope)) == set(grammar.VALUES["state"])
    assert {*live._MARKINGS, *()} == {*grammar.VALUES["marking"], live.SEALED}
    assert set(grammar.VALUES["state"]) > OF_THE_TEAM


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"colour": ["red"]}, "no facet"),
        ({"month": ["2022-13"]}, "2022-02"),
        ({"year": ["22"]}, "four digits"),
        ({"place": ["Kyiv"]}, "N48E037"),
        ({"state": ["lost"]}, "is one of"),
        ({"device": []}, "name a value"),
        ({"device": [""]}, "1 to 300"),
        ({"device": ["x" * 301]}, "1 to 300"),
        ({"case": ["!"]}, "is no case"),
        ({"device": ["x"] * 51}, "at most 50"),
    ],
)
def test_what_is_no_facet_is_refused_and_nothing_recorded(house, filters, why):
    before = len(house.entries())
    with pytest.raises(BadQuery, match=why):
        search(house.repo, house.caller("analyst"), "", filters=filters)
    assert len(house.entries()) == before


def test_what_was_asked_of_facets_is_withheld_in_the_entry(house):
    before = len(house.entries())
    names(house, device="imei:490154203237518")
    entry = house.entries()[before].fields
    assert "4901542" not in json.dumps(entry)
    [opened] = house.repo.ledger.openings([before]).values()
    assert "device=imei:490154203237518" in repr(opened)


def test_no_value_stands_in_the_database_and_nothing_of_it_after_an_erasure(house, tmp_path):
    [number] = take_in(house, tmp_path, {"gone.txt": record(fact("device", "serial:UNIQUE77"))})
    assert names(house, device="serial:UNIQUE77") == {"gone.txt"}
    with house.repo.database.writing() as session:
        row = session.scalars(
            select(SearchExhibit).join(Exhibit, Exhibit.id == SearchExhibit.exhibit_id)
            .where(Exhibit.number == number)
        ).one()  # fmt: skip
        assert row.facets is not None
        assert b"UNIQUE77" not in row.facets
        index.forget(session, row.exhibit_id)
        assert row.facets is None
    assert names(house, device="serial:UNIQUE77") == set()
    index_as(house, [number], {})


# --- what is hidden


VALUES = st.tuples(
    st.sampled_from(["imei:490154203237518", "serial:HIDDEN1"]),
    st.sampled_from(["48.212345 37.912345", "10.5 10.5"]),
    st.sampled_from(["2022-03-01T10:00:00Z", "2019-01-01T00:00:00Z"]),
)


def test_no_facet_differs_because_of_what_the_asker_may_not_know(house, tmp_path):
    """Generated: exhibits of another case, held, marked and disclosed there, change no count."""
    seen = Counter(name for name in told(house) for _ in told(house)[name])
    assert seen.total() >= 10
    filters = [{}, {"device": ["imei:490154203237518"]}, {"place": ["N48E037"], "year": ["2022"]},
               {"state": ["kept", "hold"]}, {"marking": ["tlp-red"]}, {"seal": ["no"]},
               {"device": ["serial:HIDDEN1"]}, {"month": ["2019-01"]}]  # fmt: skip

    def answers():
        found = []
        for person in ("analyst", "partner", "counsel"):
            for asked in filters:
                one = search(house.repo, house.caller(person), "river OR txt", facets=True,
                             filters=asked)  # fmt: skip
                numbers = [hit.described.exhibit.number for hit in one.found]
                found.append((numbers, one.facets, one.count, one.more, one.unread, one.digest))
        return found

    before = answers()
    rounds = iter(range(100))

    @settings(max_examples=3, deadline=None, phases=[Phase.generate])
    @given(st.lists(VALUES, min_size=1, max_size=3))
    def unchanged(hidden):
        every = {
            f"hidden river {next(rounds)}.txt": record(
                fact("device", device), fact("place", place), fact("time", time, "A:B"),
                fact("account", "telegram:name:somebody"), seals=SEALED_FILE,
            )
            for device, place, time in hidden
        }  # fmt: skip
        number, *_ = take_in(house, tmp_path, every, case="OTHER")
        for words in (
            ("hold", "place", number, "--matter", "m", "--motive", "m"),
            ("disclose", number, "--to", "defence of B"),
            ("mark", number, "--tlp", "RED", "--sealed", "--motive", "m"),
        ):
            said = house.evidence(*words)
            assert said.code == 0, said.err
        assert answers() == before

    unchanged()


# --- over HTTP, on the command line


def test_over_http_and_on_the_command_line(house):
    client = create_app(house.repo).test_client()
    headers = signed_in(house, "analyst")
    body = {"query": "", "facets": True, "filters": {"account": ["telegram:name:somebody"]}}
    found = client.post("/api/v1/search", json=body, headers=headers)
    assert found.status_code == 200, found.json
    assert found.json["facets"]["month"][0] == {"value": "2022-03", "count": 1}
    assert {one["found"] for one in found.json["items"]} == {"where"}
    body["filters"] = {"colour": ["red"]}
    refused = client.post("/api/v1/search", json=body, headers=headers)
    assert (refused.status_code, refused.json["type"].rpartition("/")[2]) == (400, "bad-query")
    said = house.evidence(
        "search", "--where", "account=telegram:name:somebody", "--where", "year=2022", "--facets",
        person="analyst",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.lines[-1]["count"] == 1
    assert {"facet": "year", "values": [{"value": "2022", "count": 1}]} in said.lines
    assert house.evidence("search", "--where", "device", person="analyst").code == 2


def test_what_is_so_of_few_is_found_as_what_is_so_of_many(house, monkeypatch):
    """Looked up one by one, or among the newest: the same, with and without words beside it."""
    for words in (
        ("hold", "place", "KRN-000001", "--matter", "the trial", "--motive", "m"),
        ("mark", "KRN-000002", "--tlp", "AMBER", "--motive", "m"),
        ("mark", "KRN-000003", "--sealed", "--named", "prosecutor", "--motive", "m"),
        ("disclose", "KRN-000001", "--to", "defence of A"),
    ):
        said = house.evidence(*words)
        assert said.code == 0, said.err
    asked = [f"{field}:{value}" for field, values in grammar.VALUES.items() for value in values]
    asked += [
        "state:hold seal:no", "state:hold OR marking:tlp-amber", "NOT seal:yes", "state:hold txt",
        "txt (state:hold OR seal:yes)", "marking:tlp-amber NOT zebra", "state:hold NOT phone",
        "case:KRN state:hold", "case:OTHER state:hold", "state:hold NOT state:disclosed",
        "case:KRN txt NOT odd marking:tlp-amber", "state:erased OR phone",
    ]  # fmt: skip
    some = 0
    for person in ("analyst", "counsel", house.custodian.name):
        for query in asked:
            found = []
            for few in (20_000, 0):
                monkeypatch.setattr(find, "_FEW", few)
                found.append(names(house, person, query=query))
            assert found[0] == found[1], (person, query)
            some += bool(found[0])
    assert some > 20
    assert names(house, query="state:hold OR marking:tlp-amber") >= {"phone.txt", "photo.txt"}
