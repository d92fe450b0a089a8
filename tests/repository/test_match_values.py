"""Tokens of matching: no kind shares one, and what is near is always found."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import assume, example, given, settings
from hypothesis import strategies as some

from repository.matching.values import (
    AFTER,
    EXACT,
    HOURS,
    KINDS,
    MOST_BITS,
    RADIUS_KM,
    Value,
    alike,
    asked,
    bits_apart,
    kept,
    kilometres,
    picture,
    place_and_time,
    seconds_apart,
)

KEY, OTHER_KEY = bytes(32), b"k" * 32
hashes = some.binary(min_size=32, max_size=32)
moments = some.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1))
latitudes = some.floats(-84.9, 84.9)
longitudes = some.floats(-180, 180)


def turned(data: bytes, bits: set[int]) -> bytes:
    return (int.from_bytes(data) ^ sum(1 << bit for bit in bits)).to_bytes(32)


def meet(one: Value, other: Value) -> bool:
    """Say whether asking for one value finds the other where it is kept."""
    return bool(set(asked(KEY, one)) & set(kept(KEY, other)))


@settings(max_examples=25)  # each asks 272 tokens of both
@given(hashes, some.sets(some.integers(0, 255), max_size=MOST_BITS))
def test_every_picture_that_differs_in_at_most_31_bits_is_found(data, bits):
    one, other = Value("picture", data.hex()), Value("picture", turned(data, bits).hex())
    assert bits_apart(one, other) == len(bits)
    assert meet(one, other)
    assert meet(other, one)
    assert alike(one, other)


@settings(max_examples=25)
@given(hashes, some.sets(some.integers(0, 255), min_size=MOST_BITS + 1, max_size=200))
def test_a_picture_that_differs_in_more_is_no_match_whatever_bands_say(data, bits):
    one, other = Value("picture", data.hex()), Value("picture", turned(data, bits).hex())
    assert not alike(one, other)


def test_31_bits_spread_as_evenly_as_can_be_are_found_and_32_need_not_be():
    data = bytes(32)
    worst = {16 * band + n for band in range(16) for n in range(2)}  # two in every band
    assert not meet(Value("picture", data.hex()), Value("picture", turned(data, worst).hex()))
    worst.pop()
    assert meet(Value("picture", data.hex()), Value("picture", turned(data, worst).hex()))


@given(
    latitudes, longitudes, moments, some.floats(0, 360), some.floats(0, 0.999), some.floats(-1, 1)
)
@example(0.0, 180.0, datetime(2024, 5, 1), 90.0, 0.9, 0.0)
@example(84.9, -180.0, datetime(2024, 5, 1, 6), 270.0, 0.999, 1.0)
def test_every_place_within_a_kilometre_and_three_hours_is_found(
    latitude, longitude, moment, bearing, far, late
):
    moment = moment.replace(tzinfo=UTC)
    one = place_and_time(latitude, longitude, moment)
    lat, lon = _moved(latitude, longitude, bearing, far * RADIUS_KM)
    assume(abs(lat) < 84.99)
    other = place_and_time(lat, lon, moment + timedelta(hours=HOURS) * late)
    assume(kilometres(one, other) <= RADIUS_KM and seconds_apart(one, other) <= HOURS * 3600)
    assert alike(one, other)
    assert meet(one, other)
    assert meet(other, one)


def _moved(latitude: float, longitude: float, bearing: float, km: float) -> tuple[float, float]:
    from math import asin, atan2, cos, degrees, radians, sin

    up, turn, arc = radians(latitude), radians(bearing), km / 6371.0
    lat = asin(sin(up) * cos(arc) + cos(up) * sin(arc) * cos(turn))
    lon = radians(longitude) + atan2(sin(turn) * sin(arc) * cos(up), cos(arc) - sin(up) * sin(lat))
    return degrees(lat), (degrees(lon) + 540) % 360 - 180


@given(latitudes, longitudes, moments, some.integers(-12 * 60, 14 * 60))
def test_a_time_without_a_zone_is_found_in_every_zone_that_it_may_be_of(
    latitude, longitude, moment, minutes
):
    unknown = place_and_time(latitude, longitude, moment)
    meant = (moment - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    known = place_and_time(latitude, longitude, meant)
    assert alike(known, unknown)
    assert meet(known, unknown)
    assert meet(unknown, known)
    outside = place_and_time(
        latitude, longitude, moment.replace(tzinfo=UTC) + AFTER + timedelta(hours=HOURS, seconds=2)
    )
    assert not alike(outside, unknown)


@given(some.sampled_from(EXACT), some.sampled_from(EXACT), some.text(max_size=40))
def test_one_text_of_two_kinds_has_two_tokens_and_one_of_another_key_too(kind, other, text):
    one = Value(kind, text)
    assert kept(KEY, one) == kept(KEY, Value(kind, text))
    assert len(kept(KEY, one)[0]) == 16
    assert kept(KEY, one) != kept(OTHER_KEY, one)
    if kind != other:
        assert not set(kept(KEY, one)) & set(kept(KEY, Value(other, text)))


@given(some.sampled_from(EXACT), some.text(max_size=30), some.text(max_size=30))
def test_exact_values_meet_only_where_they_are_equal(kind, text, other):
    assert meet(Value(kind, text), Value(kind, other)) == (text == other)


def test_a_file_is_found_inside_what_holds_it_and_not_the_other_way_round():
    digest = "sha256:" + "a" * 64
    assert meet(Value("file", digest), Value("member", digest))
    assert not meet(Value("member", digest), Value("file", digest))


@given(some.sampled_from(KINDS), some.text(max_size=60))
def test_what_is_sealed_is_read_back(kind, text):
    value = Value(kind, text)
    assert Value.of_bytes(value.to_bytes()) == value


def test_hashes_of_other_lengths_are_none():
    assert picture("pdq:" + "0" * 64) == Value("picture", "0" * 64)
    assert picture("0" * 63) is None
    assert picture("g" * 64) is None


def test_bands_find_few_strangers():
    """Of random pairs, about 272 of 65,536 share a probe; verification is what decides."""
    draw = random.Random(7)
    probes = set(asked(KEY, Value("picture", draw.randbytes(32).hex())))
    met = sum(
        bool(probes & set(kept(KEY, Value("picture", draw.randbytes(32).hex()))))
        for _ in range(500)
    )
    assert met < 25  # 16 bands of 17 probes among 65,536: 0.4 in a hundred
