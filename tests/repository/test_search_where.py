"""Search by place and time: real photographs, what is doubted, who finds what, and the wire."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from api.app import create_app
from ingest.extraction import Fact
from ingest.extractors import image
from repository import annotations
from repository.annotations import Assessment
from repository.errors import BadQuery, IntegrityError
from repository.models import Exhibit
from repository.people import grant, new_person
from repository.search import index, places, sightings, whereabouts
from repository.search.ask import search
from repository.search.places import Area
from repository.search.tables import SearchExhibit
from repository.search.whereabouts import Whereabouts
from tests.house import House
from tests.one_house import one_house, signed_in
from tests.shared import shared

STALE = {"DSCN0012.jpg", "DSCN0025.jpg", "DSCN0042.jpg"}  # their cameras' clocks were a day off
NOWHERE = "Samsung GT-I9000 (Galaxy S).jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with one_house(tmp_path_factory) as found:
        house = found.house
        for name, role in (("partner", "partner"), ("reviewer", "reviewer")):
            person = new_person(house.repo, house.custodian, name=name, role=role)
            grant(house.repo, house.custodian, case=house.case, person=person, role=role)
        yield found


@pytest.fixture
def house(made, monkeypatch) -> House:
    return made.enter(monkeypatch)


def names(house: House, query: str = "", person: str = "analyst", **asked) -> set[str]:
    """Return the names of what is found, and of what only something doubted finds, with a `?`."""
    told = search(house.repo, house.caller(person), query, where=Whereabouts.of(**asked))
    found = {_name(one) for one in told.found}
    return found | {f"{_name(one)}?" for one in told.doubted or ()}


def _name(found) -> str:
    return _path(found.described.exhibit)


# --- what people are told


@pytest.mark.parametrize(("radius", "told"), [(0.0, 1), (0.4, 1), (1.2, 2), (787.1, 788)])
def test_no_place_is_told_as_a_point_nor_closer_than_it_is_known(radius, told):
    assert sightings.Place(50.45, 30.52, radius, "", "", "").metres == told


# --- photographs


def truth() -> dict[str, dict]:
    """Return what ExifTool read of each sample that has a position."""
    found = {}
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            if "Composite:GPSPosition" in tags and tags["File:MIMEType"].startswith("image/"):
                found[str(oracle.parents[1] / name)] = tags
    return found


@pytest.fixture(scope="module")
def photographs(made) -> dict[str, dict]:
    """Take all of them in: two as anybody would, of the others the extractor is asked here."""
    found = truth()
    assert len(found) >= 12
    house = made.house
    by_worker = [file for file in found if _last(file) in {"Apple.jpg", "Apple iPhone 4.jpg"}]
    house.ingest(*by_worker, extract=True)
    others = {file: _facts_of(file) for file in found if file not in by_worker}
    numbers = [line["exhibit"] for line in house.ingest(*others)]
    look_at(house, numbers, {_last(file): said for file, said in others.items()})
    assert index.make_all(house.repo)[1] == {}
    return {_last(file): tags for file, tags in found.items()}


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _facts_of(file: str) -> dict:
    with Path(file).open("rb") as picture:
        items = [one for one in image.extract(picture, None) if isinstance(one, Fact)]
    return {"facts": [one.to_json() for one in items], "seals": []}


def areas_around(latitude: float, longitude: float) -> list[Area]:
    south, west = latitude - 0.01, longitude - 0.01
    north, east = latitude + 0.01, longitude + 0.01
    return [
        places.near_by(latitude, longitude, 400),
        places.box_of(south, west, north, east),
        places.polygon_text(f"{south},{west}\n{south},{east}\n{north},{longitude}"),
    ]


def test_every_photograph_with_a_position_is_found_there_and_not_elsewhere(house, photographs):
    for n, (name, tags) in enumerate(photographs.items()):
        latitude, longitude = map(float, tags["Composite:GPSPosition"].split())
        doubted = name in STALE or name == NOWHERE
        for area in areas_around(latitude, longitude):
            assert (f"{name}?" if doubted else name) in names(house, area=area), (name, area.text)
        elsewhere = areas_around(latitude - 1, longitude + 1)[n % 3]
        assert not names(house, area=elsewhere) & {name, f"{name}?"}, (name, elsewhere.text)


def test_every_photograph_is_found_by_what_its_time_may_mean_and_not_outside(house, photographs):
    compared = 0
    for name, tags in photographs.items():
        if "ExifIFD:DateTimeOriginal" not in tags:
            continue
        taken = datetime.strptime(tags["ExifIFD:DateTimeOriginal"], "%Y:%m:%d %H:%M:%S")
        day = timedelta(days=1)
        asked = {"after": f"{taken - day:%Y-%m-%d}", "before": f"{taken + 2 * day:%Y-%m-%d}"}
        assert name in names(house, certain=True, **asked), name
        hour = f"{taken:%Y-%m-%dT%H:00Z}..{taken:%Y-%m-%dT%H:59Z}"
        assert name in names(house, between=hour)  # if the camera's clock was UTC
        assert name not in names(house, "name:jpg", between=hour, certain=True)
        assert name not in names(house, after=f"{taken.year - 2}", before=f"{taken.year - 1}")
        compared += 1
    assert compared >= 8


def test_place_and_time_are_asked_of_the_same_photograph(house, photographs):
    rome = places.near("41.853,12.4888", "1km")
    assert "Apple iPhone 4.jpg" in names(house, area=rome, between="2011-01..2011-01")
    assert names(house, area=rome, between="2008..2008") == set()


def test_a_word_and_a_place_are_asked_together(house, photographs):
    rome = places.near("41.853,12.4888", "1km")
    assert names(house, "apple", area=rome) == {"Apple iPhone 4.jpg"}
    assert names(house, "samsung", area=rome) == set()
    assert names(house, "apple near:41.853,12.4888,1km between:2011-01-12..2011-01-14") == {
        "Apple iPhone 4.jpg"
    }
    assert names(house, "name:apple box:41,12,42,13") == {"Apple iPhone 4.jpg"}


def test_an_answer_says_what_says_so_and_how_sure_that_is(house, photographs):
    asked = Whereabouts.of(area=places.near("41.853,12.4888", "1km"), between="2011-01..2011-01")
    [one] = search(house.repo, house.caller("analyst"), "apple", where=asked).found
    assert one.tier == "name"
    said = one.sightings[0].to_json()
    assert (said["certain"], said["origin"]) == (True, "file")
    assert said["place"]["fact"] == "Composite:GPSPosition"
    assert said["place"]["away_m"] < 10
    assert "DateTimeOriginal" in said["time"]["fact"]
    assert said["time"]["earliest"] == "2011-01-13T00:33:39Z"
    assert said["time"]["latest"] == "2011-01-14T02:33:40Z"


def test_what_the_device_stated_of_its_error_is_how_far_a_place_may_be_off(house, photographs):
    """Apple.jpg: GPSHPositioningError 165 m."""
    sheffield = "53.3828,-1.4566"
    assert "Apple.jpg" in names(house, area=places.near(sheffield, "500m"), certain=True)
    assert "Apple.jpg" in names(house, area=places.near(sheffield, "100m"))
    assert "Apple.jpg" not in names(house, area=places.near(sheffield, "100m"), certain=True)


# --- what is doubted, and where sightings come from


def record(*facts, seals=()):
    keys = ("name", "value", "kind", "suspect", "locator")
    made = [{**dict.fromkeys(keys), "source": "test", "raw": "", **one} for one in facts]
    return {"facts": made, "seals": list(seals)}


def place(value, **other):
    return {"name": "Composite:GPSPosition", "value": value, "kind": "place", **other}


def time(value, name="Composite:DateTimeOriginal", **other):
    return {"name": name, "value": value, "kind": "time", **other}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (record(place("0 0")), "0,0"),
        (record(place("50.4 30.5", suspect="GPSStatus V")), "GPSStatus V"),
        (
            record(place("50.4 30.5"), time("2022-02-24T05:00:00+02:00"),
                   time("2022-02-20T05:00:00Z", "Composite:GPSDateTime")),
            "93 hours apart",
        ),
        (
            record(place("50.4 30.5"),
                   seals=[{"kind": "c2pa", "verdict": "broken", "detail": ""}]),
            "own seal",
        ),
        (
            record(place("50.4 30.5"), {"name": "C2PA:Action", "value":
                   "c2pa.created source trainedAlgorithmicMedia"}),
            "trained model",
        ),
        (
            record(place("50.4501 30.5234", locator="message=1"),
                   time("2022-02-24T05:00:00Z", locator="message=1"),
                   place("-33.8688 151.2093", locator="message=2"),
                   time("2022-02-24T06:00:00Z", locator="message=2")),
            "faster than anybody",
        ),
    ],
)  # fmt: skip
def test_what_deserves_no_trust_is_marked_with_the_reason(said, why):
    found = sightings.of_record(said)
    assert found
    assert all(why in (one.suspect or "") for each in found for one in each.places)
    kinds = {kind for kind, _ in sightings.marks(found)}
    assert {"place? in", "place? of"} <= kinds
    assert not {"place in", "place of"} & kinds


def test_what_agrees_is_not_doubted():
    found = sightings.of_record(
        record(
            place("50.4501 30.5234"), time("2022-02-24T05:00:00"),
            time("2022-02-24T03:00:00Z", "Composite:GPSDateTime"),
            place("50.4501 30.5234", locator="message=1"),
            time("2022-02-24T05:00:00Z", locator="message=1"),
            place("49.8397 24.0297", locator="message=2"),
            time("2022-02-24T11:00:00Z", locator="message=2"),
            time("1998-02-09T06:49:00Z", "ICC_Profile:ProfileDateTime"),
        )
    )  # fmt: skip
    assert len(found) == 3
    assert not [one for each in found for one in (*each.places, *each.times) if one.suspect]
    assert len(found[0].times) == 2  # of a colour profile nothing was taken


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("50.45 30.52", 500, 1200), ("50 30.5", 5_000, 12_000), ("50.4501234 30.5", 0, 0.02)],
)
def test_a_place_is_as_precise_as_it_is_written(value, least, most):
    [found] = sightings.of_record(record(place(value)))
    assert least <= found.places[0].radius <= most


def test_what_was_packed_is_unpacked():
    found = sightings.of_record(record(place("50.45 30.52"), time("2022-02-24T05:00:00")))
    assert sightings.unpacked(sightings.packed(found)) == found


def take_in(house: House, folder, name: str, said=None, **declared: str) -> str:
    """Take a file in as if it had been looked at and these facts had been found; its number."""
    return take_all_in(house, folder, {name: said}, **declared)[0]


def take_all_in(house: House, folder, every, *, case: str = "KRN", **declared: str) -> list[str]:
    """Do the same with several files."""
    for name in every:
        (folder / name).write_text(f"{case} {name}")
    files = [folder / name for name in every]
    options = [word for key, value in declared.items() for word in (f"--{key}", value)]
    person = "investigator" if case == "KRN" else None
    told = house.evidence("ingest", *files, "--case", case, "--no-extract", *options, person=person)
    assert told.code == 0, told.err
    numbers = [str(line["exhibit"]) for line in told.lines]
    look_at(house, numbers, every)
    return numbers


def look_at(house: House, numbers, every) -> None:
    """Index exhibits as if they had been looked at, and these records had come of it, by name."""
    plain = index.sightings_of

    def given_to(it):
        said = every.get(_path(it.exhibit))
        return [*(sightings.of_record(said) if said else ()), *plain(it)]

    with house.repo.database.writing() as session:
        found = session.scalars(select(Exhibit).where(Exhibit.number.in_(numbers))).all()
        for exhibit in found:
            exhibit.processed_at = exhibit.registered_at
        index.expect(session, [exhibit.id for exhibit in found])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "sightings_of", given_to)
        assert index.make_all(house.repo)[1] == {}


def _path(exhibit) -> str:
    return _last(bytes(exhibit.path).decode())


ODESA = places.near("46.4825,30.7233", "5km")


def test_what_is_doubted_is_told_apart_and_not_again_where_something_sound_says_it(house, tmp_path):
    doubted = place("46.4825111 30.7233111", suspect="a reason")
    take_in(house, tmp_path, "odd.jpg", record(doubted))
    take_in(house, tmp_path, "both.jpg", record(doubted, place("46.4826111 30.7233111")))
    assert names(house, area=ODESA) == {"odd.jpg?", "both.jpg"}
    told = search(house.repo, house.caller("analyst"), "", where=Whereabouts(ODESA))
    assert told.count == 1
    assert told.doubted is not None
    assert told.doubted[0].sightings[0].to_json()["place"]["suspect"] == "a reason"


def test_of_a_telephone_s_whole_life_no_place_is_said_to_belong_to_a_time(house, tmp_path):
    many = [place(f"46.4{n}25111 31.7233111") for n in range(10)]
    take_in(house, tmp_path, "phone.db", record(*many, time("2022-02-24T05:00:00Z")))
    asked = {"area": places.near("46.45,31.7233", "20km"), "between": "2022-02-24..2022-02-24"}
    assert names(house, **asked) == {"phone.db"}
    assert names(house, **asked, certain=True) == set()


def test_what_the_submitter_declared_is_found_and_named_so(house, tmp_path):
    where = {"place": "47.8388, 35.1396", "collected-at": "2023-06-07"}
    take_in(house, tmp_path, "declared.txt", **where)
    found = search(
        house.repo, house.caller("analyst"), "",
        where=Whereabouts.of(area=places.near("47.84,35.14", "5km"), between="2023-06..2023-06"),
    ).found  # fmt: skip
    said = found[0].sightings[0].to_json()
    assert (said["origin"], said["place"]["source"]) == ("declared", "declared by the submitter")
    assert said["time"]["earliest"] == "2023-06-06T10:00:00Z"


def test_an_assessment_is_found_by_the_case_team_alone_until_it_is_withdrawn(house, tmp_path):
    number = take_in(house, tmp_path, "assessed.jpg")
    analyst = house.caller("analyst")
    what = Assessment(
        position="48.0159,37.8028", begins="2014-07-17T13:00Z", ends="2014-07-17T14:00Z",
        place="Horlivka", method="shadows and a chimney",
    )  # fmt: skip
    said = annotations.annotate(house.repo, analyst, number, "assessment", what)
    index.make_all(house.repo)
    asked = {"area": places.near("48.0159,37.8028", "1km"), "between": "2014-07-17..2014-07-17"}
    assert names(house, **asked) == {"assessed.jpg"}
    assert names(house, person="partner", **asked) == set()
    assert names(house, query="place:horlivka") == {"assessed.jpg"}
    assert names(house, person="partner", query="place:horlivka") == set()
    reviewer = house.caller("prosecutor")
    annotations.review(house.repo, reviewer, said.annotation, agrees=True, motive="seen")
    index.make_all(house.repo)
    assert names(house, query="place:horlivka chimney") == {"assessed.jpg"}  # its words stay
    told = search(house.repo, analyst, "", where=Whereabouts.of(**asked)).found
    assert "shadows" in told[0].sightings[0].to_json()["place"]["source"]
    moved = Assessment(position="-10.5,20.5", method="corrected")
    annotations.revise(house.repo, analyst, said.annotation, moved)
    index.make_all(house.repo)
    assert names(house, **asked) == set()
    there = places.near("-10.5,20.5", "20km")
    assert names(house, area=there) == {"assessed.jpg"}
    annotations.withdraw(house.repo, analyst, said.annotation, motive="wrong")
    index.make_all(house.repo)
    assert names(house, area=there) == set()


# --- what is kept


def test_no_coordinate_and_no_time_stands_in_the_database(house, tmp_path):
    number = take_in(
        house,
        tmp_path,
        "kept.jpg",
        record(place("12.3456789 45.6789012"), time("2001-02-03T04:05:06")),
    )
    with house.repo.database.reading() as session:
        row = session.execute(
            select(SearchExhibit)
            .join(Exhibit, Exhibit.id == SearchExhibit.exhibit_id)
            .where(Exhibit.number == number)
        ).scalar_one()
    assert row.sightings
    for text in (b"12.345", b"45.678", b"2001-02-03", b"GPSPosition"):
        assert text not in bytes(row.sightings)
    [found] = whereabouts.opened(house.repo, row.exhibit_id, row.sightings)
    assert found.places[0].said == "12.3456789 45.6789012"
    with pytest.raises(IntegrityError):
        whereabouts.opened(house.repo, "another exhibit", row.sightings)
    with pytest.raises(IntegrityError):
        whereabouts.opened(house.repo, row.exhibit_id, bytes(row.sightings[:-1]) + b"\0")


def test_what_is_erased_is_no_longer_anywhere(house, tmp_path):
    take_in(house, tmp_path, "gone.jpg", record(place("1.2345678 2.3456789")))
    area = places.near("1.2345678,2.3456789", "1km")
    assert names(house, area=area) == {"gone.jpg"}
    with house.repo.database.writing() as session:
        exhibit = session.scalars(select(Exhibit).order_by(Exhibit.registration.desc())).first()
        assert exhibit is not None
        index.forget(session, exhibit.id)
        exhibit.erased_at = house.repo.clock()
        row = session.get(SearchExhibit, exhibit.registration)
        assert row is not None
        assert row.sightings is None
    assert names(house, area=area) == set()
    index.make_all(house.repo)
    assert names(house, area=area) == set()


def test_what_was_asked_is_withheld_in_an_entry_before_the_answer(house):
    before = len(house.entries())
    search(house.repo, house.caller("analyst"), "", where=Whereabouts.of(area=ODESA, after="2022"))
    entry = house.entries()[before].fields
    assert (entry["type"], entry["reason"]) == ("consultation", "search")
    assert "46.48" not in json.dumps(entry)
    [opened] = house.repo.ledger.openings([before]).values()
    assert "within 5000 m of 46.4825,30.7233; after 2022-01-01T00:00:00Z" in repr(opened)


# --- who may know


POINTS = st.tuples(st.floats(-1, 1), st.floats(-1, 1))
HIDDEN = st.lists(st.tuples(POINTS, st.integers(2019, 2023), st.booleans()), min_size=1, max_size=4)
ASKED = [
    {"area": places.near("20.5,20.5", "30km")},
    {"area": places.box("20,20,21,21"), "certain": True},
    {"area": places.polygon_text("20,20\n20,21\n21,21"), "between": "2020..2022"},
    {"after": "2021"},
    {"before": "2021", "certain": True},
    {"area": places.box("19,19,22,22"), "after": "2019", "before": "2023"},
]


def test_no_answer_differs_because_of_what_the_asker_may_not_know(house, tmp_path):
    """Generated: exhibits of another case at the same places and times change nothing at all."""
    known = {
        f"known{n}.jpg": record(
            place(f"20.{n}234567 20.{n}654321", suspect="odd" if n == 5 else None),
            time(f"202{n % 4}-05-01T12:00:00"),
        )
        for n in range(6)
    }
    take_all_in(house, tmp_path, known)
    said = record(place("20.5 20.5"), time("2021-05-01T12:00:00"))
    sealed = take_in(house, tmp_path, "sealed.jpg", said)
    marked = house.evidence(
        "mark", sealed, "--sealed", "--named", "prosecutor", "--motive", "m", person="investigator"
    )
    assert marked.code == 0, marked.err

    def answers():
        found = []
        for asked in ASKED:
            where = Whereabouts.of(**asked)
            for query, after in (("", None), ("name:jpg", (0, 10**9))):
                one = search(house.repo, house.caller("analyst"), query, where=where, limit=3,
                             facets=True, after=after)  # fmt: skip
                told = [
                    [(hit.described.exhibit.number, hit.tier, hit.sightings) for hit in hits or ()]
                    for hits in (one.found, one.doubted)
                ]
                found.append((told, one.count, one.more, one.unread, one.facets, one.after,
                              one.digest, one.doubted_more))  # fmt: skip
        return found

    before = answers()
    assert any(one[1] for one in before)
    assert sealed not in repr(before)
    assert "sealed.jpg" in names(house, person="prosecutor", **ASKED[0])

    @settings(max_examples=3, deadline=None)
    @given(HIDDEN)
    def unchanged(hidden):
        every = {
            f"hidden{n} {lat} {lon}.jpg": record(
                place(f"{20.5 + lat:.6f} {20.5 + lon:.6f}", suspect="odd" if odd else None),
                time(f"{year}-05-01T12:00:00Z"),
            )
            for n, ((lat, lon), year, odd) in enumerate(hidden)
        }
        take_all_in(house, tmp_path, every, case="OTHER")
        assert answers() == before

    unchanged()


def test_pages_follow_each_other_also_where_most_of_what_cells_find_is_elsewhere(
    house, tmp_path, monkeypatch
):
    pages = {f"page{n}.jpg": record(place(f"-40.000{n}234 -40.0001234")) for n in range(6)}
    take_all_in(house, tmp_path, pages)
    monkeypatch.setattr(whereabouts, "_TOGETHER", 2)
    monkeypatch.setattr(whereabouts, "MOST_LOOKED", 2)
    where = Whereabouts(places.near("-40.0002234,-40.0001234", "12m"))
    found, place_, turns = [], None, 0
    while True:
        told = search(house.repo, house.caller("analyst"), "", where=where, after=place_, limit=2)
        found += [_name(one) for one in told.found]
        place_, turns = told.after, turns + 1
        if place_ is None:
            break
    assert found == ["page3.jpg", "page2.jpg", "page1.jpg"]
    assert turns > 2


# --- queries


@pytest.mark.parametrize(
    ("query", "asked", "why"),
    [
        ("NOT after:2022", {}, "beside the other words"),
        ("bridge OR near:1,1,5km", {}, "beside the other words"),
        ("(before:2022 bridge)", {}, None),  # parentheses around all of it say nothing
        ("bridge (river before:2022)", {}, "beside the other words"),
        ("after:2022 after:2023", {}, "stands twice"),
        ("after:2023", {"before": "2022"}, "nothing in common"),
        ("near:1,1,5km", {"area": ODESA}, "one place"),
        ("near:1,1", {}, "1,1 is no place and distance"),
        ("near:x", {}, "x is no place and distance"),
        ("box:1,2", {}, "SOUTH,WEST"),
        ("after:2022-02-24T05:00", {}, "no offset"),
        ("", {}, "at its end"),
    ],
)
def test_a_place_or_time_is_asked_of_the_whole_search_or_refused(house, query, asked, why):
    before = len(house.entries())
    if why is None:
        names(house, query, **asked)
        return
    with pytest.raises(BadQuery, match=why):
        names(house, query, **asked)
    assert len(house.entries()) == before


def test_over_http(house, tmp_path):
    take_in(house, tmp_path, "wire.jpg", record(place("60.1234567 10.1234567")))
    client = create_app(house.repo).test_client()
    headers = signed_in(house, "analyst")
    ring = [[10, 60], [10.3, 60], [10.3, 60.3], [10, 60.3], [10, 60]]
    for body in (
        {"near": {"latitude": 60.12, "longitude": 10.12, "within": 2000}},
        {"box": {"south": 60, "west": 10, "north": 60.2, "east": 10.2}, "query": "wire"},
        {"polygon": {"type": "Polygon", "coordinates": [ring]}, "certain": True},
    ):
        told = client.post("/api/v1/search", json=body, headers=headers)
        assert told.status_code == 200, told.json
        assert len(told.json["items"]) == 1
        assert told.json["items"][0]["sightings"][0]["certain"] is True
        assert told.json["doubted"] == []
    for body, why in (
        ({"near": {"latitude": 91, "longitude": 0, "within": 5}}, "latitude"),
        ({"box": {"south": 1, "west": 0, "north": 0, "east": 1}}, "south"),
        ({"polygon": {"type": "Polygon", "coordinates": [[[0, 0]] * 10_000]}}, "10000"),
        ({"after": "2022-02-24T05:00"}, "offset"),
        ({}, "at its end"),
    ):
        told = client.post("/api/v1/search", json=body, headers=headers)
        assert told.status_code == 400, told.json
        assert why in told.json["detail"]


def test_on_the_command_line(house, tmp_path):
    take_in(
        house,
        tmp_path,
        "line.jpg",
        record(place("61.1234567 11.1234567"), time("2020-01-02T03:04:05Z")),
    )
    shape = tmp_path / "area.txt"
    shape.write_text("61,11\n61,11.3\n61.3,11.3\n61.3,11\n")
    for words in (
        ("search", "--near", "61.12,11.12", "--within", "2km", "--after", "2020"),
        ("search", "line", "--box", "61,11,61.3,11.3", "--between", "2020-01-02..2020-01-02"),
        ("search", "--polygon", shape, "--certain"),
        ("search", "near:61.12,11.12,2km after:2020 before:2021"),
    ):
        said = house.evidence(*words, person="investigator")
        assert said.code == 0, said.err
        assert said.lines[0]["sightings"][0]["certain"] is True
        assert said.lines[-1]["count"] == 1
    for words in (
        ("search", "--near", "91,0", "--within", "5km"),
        ("search", "--near", "50,30"),
        ("search", "--near", "50,30", "--within", "1km", "--box", "1,1,2,2"),
        ("search", "--after", "10000"),
        ("search",),
    ):
        said = house.evidence(*words, person="investigator")
        assert said.code == 2
        assert said.err.count("\n") <= 2, said.err
