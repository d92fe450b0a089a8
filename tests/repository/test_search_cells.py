"""Cells, areas and ranges: what is asked for meets whatever is kept there and then, and reads."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.errors import BadQuery
from repository.search import cells, places
from repository.search.cells import FIRST, LAST
from repository.search.times import Range, stated, written
from repository.search.whereabouts import Whereabouts

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def found(area, latitude: float, longitude: float, radius: float) -> bool:
    """Say whether cells of an area find a place."""
    kept = cells.kept("place", cells.around(latitude, longitude, radius))
    return not kept.isdisjoint(cells.asked("place", area.cells()))


def away(latitude: float, longitude: float, metres: float, bearing: float) -> tuple[float, float]:
    """Return a place some metres away, on a sphere: by another way than the code under test."""
    angle, turn = metres / 6_371_000, math.radians(bearing)
    up = math.radians(latitude)
    there = math.asin(
        math.sin(up) * math.cos(angle) + math.cos(up) * math.sin(angle) * math.cos(turn)
    )
    across = math.atan2(
        math.sin(turn) * math.sin(angle) * math.cos(up),
        math.cos(angle) - math.sin(up) * math.sin(there),
    )
    east = (longitude + math.degrees(across) + 540) % 360 - 180
    return math.degrees(there), east


@settings(max_examples=40, deadline=None)
@given(
    LATITUDES, LONGITUDES, st.floats(1, 2_000_000), st.floats(0, 360), st.floats(0, 2),
    st.floats(0, 100_000),
)  # fmt: skip
def test_whatever_may_be_within_a_radius_is_found_by_its_cells(
    latitude, longitude, within, bearing, share, radius
):
    area = places.near_by(latitude, longitude, within)
    there = away(latitude, longitude, within * share, bearing)
    said = area.holds(*there, radius)
    if said is not None:
        assert found(area, *there, radius)
    if share < 0.99:
        assert said is not None
        assert said or radius > 0
    elif share > 1.01 and radius < within * (share - 1.01):
        assert said is None


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(LATITUDES, LATITUDES).map(sorted), LONGITUDES, LONGITUDES, LATITUDES, LONGITUDES,
    st.floats(0, 100_000),
)  # fmt: skip
def test_whatever_may_be_in_a_box_is_found_by_its_cells(sides, west, east, lat, lon, radius):
    south, north = sides
    if south == north or west == east:
        return
    area = places.box_of(south, west, north, east)
    across = west <= lon <= east if west < east else lon >= west or lon <= east
    inside = south <= lat <= north and across
    assert (area.holds(lat, lon, 0) is True) == bool(inside or _at_an_end(area, lat, lon))
    if area.holds(lat, lon, radius) is not None:
        assert found(area, lat, lon, radius)
    if inside:
        assert area.holds(lat, lon, radius) is not None


def _at_an_end(area, latitude, longitude) -> bool:
    """Say whether a place has another longitude too: a pole, or the antimeridian."""
    return (abs(latitude) == 90 or abs(longitude) == 180) and area.holds(latitude, longitude, 0)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(FIRST, LAST - 2), st.integers(1, 10**10), st.integers(FIRST, LAST - 2),
    st.integers(1, 10**9),
)  # fmt: skip
def test_whatever_may_be_in_a_range_is_found_by_its_cells(begin, long, first, lasts):
    asked = Range(begin, min(LAST, begin + long))
    marks, _ = Whereabouts(when=asked).nodes()
    last = min(LAST, first + lasts)
    kept = cells.kept("time", cells.spanning(first, last - 1))
    if asked.holds(first, last) is not None:
        assert not kept.isdisjoint(marks.any_of)
    assert len(marks.any_of) < 150


def test_an_area_is_asked_for_with_few_tokens_and_a_place_kept_under_few():
    draw = random.Random(7)
    for _ in range(20):
        area = places.near_by(draw.uniform(-90, 90), draw.uniform(-180, 180), 5_000)
        assert len(cells.asked("place", area.cells())) < 120
    assert len(cells.kept("place", cells.around(50.45, 30.52, 5))) <= 40
    assert len(cells.kept("time", cells.spanning(0, 0))) <= 15


def test_distances_are_those_of_the_earth_and_not_of_degrees():
    """Kyiv to Lviv by road signs of the sky: 468 km; a degree of longitude at 60 is half of one."""
    kyiv = places.near_by(50.4501, 30.5234, 470_000)
    assert kyiv.metres(49.8397, 24.0297) == pytest.approx(468_900, rel=0.003)
    north = places.near_by(60, 0, 56_000)
    assert north.holds(60, 1, 0) is True
    assert north.holds(61, 0, 0) is None


def test_a_radius_goes_over_the_antimeridian_and_over_a_pole():
    fiji = places.near_by(-17, 179.99, 10_000)
    assert fiji.holds(-17, -179.98, 0) is True
    assert found(fiji, -17, -179.98, 0)
    pole = places.near_by(89.99, 0, 5_000)
    for longitude in (-180, -90, 0, 90, 180):
        assert pole.holds(89.99, longitude, 0) is True
        assert found(pole, 89.99, longitude, 0)


def test_a_box_and_a_polygon_go_over_the_antimeridian():
    for area in (
        places.box("-20,170,-10,-170"),
        places.polygon_text("-20,170\n-20,-170\n-10,-170\n-10,170"),
        places.polygon(geojson([[170, -20], [-170, -20], [-170, -10], [170, -10], [170, -20]])),
    ):
        for longitude, inside in ((175, True), (-175, True), (180, True), (-180, True),
                                  (165, None), (0, None), (-165, None)):  # fmt: skip
            assert area.holds(-15, longitude, 0) is inside
            assert found(area, -15, longitude, 0) is bool(inside)


def test_a_hole_is_no_part_of_a_polygon():
    outer = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    area = places.polygon({"type": "Polygon", "coordinates": [outer, hole]})
    assert area.holds(2, 2, 0) is True
    assert area.holds(5, 5, 0) is None
    assert area.holds(5, 5, 150_000) is False  # its radius reaches out of the hole


def test_a_place_with_a_radius_is_certainly_inside_only_where_all_of_it_is():
    for area in (
        places.near("50,30", "10km"),
        places.box("49.9,29.9,50.1,30.1"),
        places.polygon_text("49.9,29.9\n49.9,30.1\n50.1,30.1\n50.1,29.9"),
    ):
        assert area.holds(50, 30, 1_000) is True
        assert area.holds(50, 30, 100_000) is False
        assert area.holds(50.105, 30, 3_000) is (False)
        assert area.holds(52, 30, 1_000) is None


def geojson(ring):
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (lambda: places.near("91,0", "5km"), "a latitude is -90 to 90, not 91"),
        (lambda: places.near("0,181", "5km"), "a longitude is -180 to 180"),
        (lambda: places.near("fifty,30", "5km"), "LATITUDE,LONGITUDE"),
        (lambda: places.near("nan,30", "5km"), "LATITUDE,LONGITUDE"),
        (lambda: places.near_by(math.nan, 0, 5), "a latitude"),
        (lambda: places.near("50,30", "0"), "more than 0"),
        (lambda: places.near("50,30", "20015km"), "at most 2000 km"),
        (lambda: places.near("50,30", "-5km"), "no distance"),
        (lambda: places.near("50,30", "5 miles"), "no distance"),
        (lambda: places.near_by(50, 30, math.inf), "at most 2000 km"),
        (lambda: places.box("1,2,3"), "SOUTH,WEST,NORTH,EAST"),
        (lambda: places.box("3,0,1,1"), "south below its north"),
        (lambda: places.box("1,1,3,1"), "width"),
        (lambda: places.polygon_text("0,0\n1,1\n0,1\n1,0"), "crosses or touches itself near 0.5"),
        (lambda: places.polygon_text("0,0\n1,1"), "three points"),
        (lambda: places.polygon_text("0,0\n1,1\n2,2"), "crosses|no area"),
        (lambda: places.polygon_text("0,0\n" * 10_000), "at most 1000 points, this one has 10000"),
        (lambda: places.polygon(geojson([[0, 0]] * 10_000)), "this one has 10000"),
        (lambda: places.polygon_text("80,0\n80,90\n80,179\n80,-90"), "around a pole"),
        (lambda: places.polygon(geojson([[0, 0], [0, 95], [1, 1]])), "latitude"),
        (lambda: places.polygon(geojson([[0, 0], ["a", 1], [1, 1]])), "longitude, latitude"),
        (lambda: places.polygon(geojson([[0, 0], [True, 1], [1, 1]])), "longitude, latitude"),
        (lambda: places.polygon(geojson([[0, 0], [1e400, 1], [1, 1]])), "longitude, latitude"),
        (lambda: places.polygon({"type": "Polygon"}), "RFC 7946"),
        (lambda: places.polygon({"type": "Polygon", "coordinates": 7}), "RFC 7946"),
        (lambda: places.polygon({"type": "Polygon", "coordinates": [[]]}), "three points"),
        (lambda: places.polygon({"type": "Polygon", "coordinates": []}), "no points"),
        (lambda: places.polygon({"type": "Point", "coordinates": [0, 0]}), "Polygon or Multi"),
        (lambda: places.polygon_text('{"type": '), "GeoJSON"),
        (lambda: places.polygon_text("{" + '"a":[' * 100_000), "GeoJSON"),
        (lambda: places.polygon_text(""), "no points|three points"),
        (lambda: Range.of(after="0"), "no year 0"),
        (lambda: Range.of(after="0000-01-01"), "no year 0"),
        (lambda: Range.of(before="10000"), "no year 10000"),
        (lambda: Range.of(before="10000-01-01"), "no year 10000"),
        (lambda: Range.of(after="987"), "four digits"),
        (lambda: Range.of(after="2022-02-24T05:00"), "no offset"),
        (lambda: Range.of(after="2022-02-30"), "no day"),
        (lambda: Range.of(after="2022-13"), "no day"),
        (lambda: Range.of(after="yesterday"), "no time"),
        (lambda: Range.of(after="2022-02-24T25:00Z"), "no day or time"),
        (lambda: Range.of(after="2022-02-24T05:00+99:00"), "no day or time"),
        (lambda: Range.of(after="2022-03", before="2022-02"), "ends before it begins"),
        (lambda: Range.of(after="2022", before="2022"), "ends before it begins"),
        (lambda: Range.of(between="2023..2022"), "ends before it begins"),
        (lambda: Range.of(between="2023"), "two times"),
        (lambda: Whereabouts.of(certain=True), "name one"),
    ],
)
def test_what_is_no_place_or_time_is_refused_in_one_line_that_says_what_to_write(read, why):
    with pytest.raises(BadQuery, match=why) as refused:
        read()
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_dates_are_as_long_as_they_are_written():
    assert Range.of(between="2022..2022").text == (
        "after 2022-01-01T00:00:00Z, before 2023-01-01T00:00:00Z"
    )
    assert Range.of(between="2024-02..2024-02").text == (
        "after 2024-02-01T00:00:00Z, before 2024-03-01T00:00:00Z"
    )
    assert (
        Range.of(after="2022-02-24T05:00+02:00").begin == Range.of(after="2022-02-24T03:00Z").begin
    )
    assert Range.of(between="9999-12..9999-12-31").end == LAST
    assert Range.of(after="0001").text == "at any time"


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("2022-02-24T05:00:00Z", "2022-02-24T05:00:00Z", "2022-02-24T05:00:01Z"),
        ("2022-02-24T05:00:00.25+02:00", "2022-02-24T03:00:00Z", "2022-02-24T03:00:01Z"),
        ("2022-02-24T05:00:00", "2022-02-23T15:00:00Z", "2022-02-24T17:00:01Z"),
        ("2022-02-24", "2022-02-23T10:00:00Z", "2022-02-25T12:00:00Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T12:00:01Z"),
    ],
)
def test_a_stated_time_is_all_that_it_may_mean(said, first, last):
    assert tuple(map(written, stated(said))) == (first, last)


def test_what_is_no_time_states_none():
    assert stated("") is None
    assert stated("0000:00:00 00:00:00") is None
    assert stated("2022-02-31") is None
