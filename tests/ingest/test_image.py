"""What the image extractor says of real, crafted and broken pictures."""

import io
import json
import re
import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.extraction import Fact, Problem
from ingest.extractors import image
from ingest.normalise import times
from ingest.normalise.places import decimal, degrees, position
from tests.ingest.containers import jpeg
from tests.ingest.pictures import ASCII, RATIONAL, SHORT, placed, taken, tiff
from tests.shared import shared

ROME = ((41, 1), (53, 1), (2412, 100)), ((12, 1), (29, 1), (3240, 100))
NOWHERE = ((0, 0), (0, 0), (0, 0))
numbers = st.integers(0, 2**32 - 1)
ratios = st.lists(st.tuples(numbers, numbers), max_size=5)


def facts(picture):
    return {x.name: x for x in image.extract(io.BytesIO(picture), None) if isinstance(x, Fact)}


# --- time ---


def test_a_time_without_an_offset_has_an_unknown_zone_and_never_utc():
    found = facts(taken(b"2008:10:22 16:28:39\0"))
    assert found["ExifIFD:DateTimeOriginal"].tz == "unknown"
    assert found["Composite:DateTimeOriginal"].value == "2008-10-22T16:28:39"
    assert found["Composite:DateTimeOriginal"].tz == "unknown"


def test_a_time_with_an_offset_keeps_it():
    found = facts(taken(b"2008:10:22 16:28:39\0", (0x9011, ASCII, b"+03:30\0")))
    composite = found["Composite:DateTimeOriginal"]
    assert (composite.value, composite.tz) == ("2008-10-22T16:28:39+03:30", "+03:30")


def test_the_offset_of_another_time_is_not_borrowed():
    found = facts(taken(b"2008:10:22 16:28:39\0", (0x9010, ASCII, b"+03:30\0")))  # OffsetTime
    assert found["Composite:DateTimeOriginal"].tz == "unknown"


@pytest.mark.parametrize(
    "text",
    [b"0000:00:00 00:00:00\0", b"    :  :     :  :  \0", b"2008:13:01 00:00:00\0", b"\xff\xfe x\0",
     b"2008:10:22 16:28:61\0", b"yesterday\0"],
)  # fmt: skip
def test_what_is_no_time_stays_as_it_stands_and_is_suspect(text):
    found = facts(taken(text))
    assert found["ExifIFD:DateTimeOriginal"].suspect
    assert "Composite:DateTimeOriginal" not in found


@given(st.datetimes().map(lambda when: when.replace(microsecond=0, fold=0)))
def test_every_time_of_the_calendar_is_read(when):
    text = when.isoformat(" ").replace("-", ":")
    assert times.exif(text)[1:3] == (when.isoformat(), "unknown")


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_time_never_raises_and_never_invents_a_zone(text, fraction, offset):
    found = times.exif(text, fraction=fraction, offset=offset)
    assert found is None or found.tz in {"unknown", "UTC", offset.strip(" \0")}


# --- place ---


def test_a_position_is_signed_decimal_degrees():
    found = facts(placed(*ROME, north=b"S\0", east=b"W\0"))["Composite:GPSPosition"]
    assert (found.value, found.suspect) == ("-41.89003333333 -12.49233333333", None)
    assert found.raw == "41/1 53/1 603/25 S 12/1 29/1 162/5 W"


def test_zero_over_zero_is_no_coordinate():
    found = facts(placed(NOWHERE, NOWHERE))
    assert "Composite:GPSPosition" not in found
    assert found["GPS:GPSLatitude"].suspect
    assert found["GPS:GPSLatitude"].raw == "0/0 0/0 0/0"


def test_exactly_zero_zero_is_suspect():
    zero = ((0, 1), (0, 1), (0, 1))
    found = facts(placed(zero, zero))
    assert found["Composite:GPSPosition"].value == "0 0"
    assert "0,0" in found["Composite:GPSPosition"].suspect
    assert found["GPS:GPSLatitude"].suspect


@pytest.mark.parametrize("north", [None, b"\0", b"X\0", b"n\0"])
def test_without_a_reference_letter_there_is_no_coordinate(north):
    found = facts(placed(*ROME, north=north))
    assert "Composite:GPSPosition" not in found
    assert "reference letter" in found["GPS:GPSLatitude"].suspect


@pytest.mark.parametrize(
    ("latitude", "longitude", "status"),
    [
        (((91, 1), (0, 1), (0, 1)), ROME[1], None),
        (ROME[0], ((181, 1), (0, 1), (0, 1)), None),
        (((41, 1), (60, 1), (0, 1)), ROME[1], None),
        (*ROME, b"V\0"),
    ],
)
def test_an_impossible_or_void_position_is_suspect(latitude, longitude, status):
    assert facts(placed(latitude, longitude, status=status))["Composite:GPSPosition"].suspect


def test_an_altitude_below_the_sea_is_negative():
    gps = [(5, SHORT, (1,)), (6, RATIONAL, ((4205, 10),))]
    assert facts(tiff(gps=gps))["Composite:GPSAltitude"].value == "-420.5"


@given(ratios, st.sampled_from(["N", "S", "", "X"]), ratios, st.sampled_from(["E", "W", "e"]))
def test_a_position_without_suspicion_is_on_earth(latitude, north, longitude, east):
    value, why = position(latitude, north, longitude, east)
    if value and why is None:
        lat, lon = map(Decimal, value.split())
        assert abs(lat) <= 90
        assert abs(lon) <= 180
        assert (lat, lon) != (0, 0)
    assert value or why  # no coordinate without a reason


@given(st.integers(0, 89), st.integers(0, 59), st.integers(0, 59_999))
def test_degrees_are_right_to_a_millimetre(whole, minutes, thousandths):
    text, why = degrees([(whole, 1), (minutes, 1), (thousandths, 1000)], most=90)
    exact = whole + Fraction(minutes, 60) + Fraction(thousandths, 3_600_000)
    assert why is None
    assert abs(Fraction(text) - exact) < Fraction(1, 10**8)


@given(st.integers(-(2**31), 2**32 - 1), st.integers(1, 2**32 - 1))
def test_a_ratio_becomes_a_plain_decimal(above, below):
    text = decimal(Fraction(above, below))
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", text)
    assert abs(Fraction(text) - Fraction(above, below)) <= abs(Fraction(above, below)) / 10**11


# --- values and names ---


def test_a_division_by_zero_keeps_its_raw_text():
    found = facts(tiff(ifd0=[(0x11A, RATIONAL, ((300, 0),))]))["IFD0:XResolution"]
    assert (found.raw, found.suspect) == ("300/0", "a division by zero")


def test_text_that_is_not_utf8_keeps_its_bytes():
    found = facts(tiff(ifd0=[(0x10F, ASCII, b"\xc4\xe3\0")]))["IFD0:Make"]
    assert (found.value, found.raw) == ("\\xc4\\xe3", "c4e3")
    assert found.suspect == "text not in UTF-8"


def test_an_array_that_exifread_drops_is_said_to_be_unread():
    found = facts(tiff(ifd0=[(0x10F, ASCII, b"A\0"), (0x111, SHORT, (1,) * 1200)]))
    assert found["IFD0:StripOffsets"].suspect == "not read: 2400 bytes"


def test_an_endless_text_is_cut_and_the_cut_is_marked():
    found = facts(tiff(ifd0=[(0x10E, ASCII, b"x" * 60_000 + b"\0")]))["IFD0:ImageDescription"]
    assert found.value.endswith("…[cut: 60000]")
    assert len(found.value) < 2100


def test_no_exif_is_told_apart_from_a_failure():
    assert list(image.extract(io.BytesIO(b"\xff\xd8\xff\xd9"), None)) == [
        Problem(image.NO_EXIF, incomplete=False)
    ]


@given(st.binary(max_size=400), st.integers(0, 340))
def test_any_change_to_a_picture_gives_items_and_never_an_exception(patch, at):
    changed = image.SAMPLE[:at] + patch + image.SAMPLE[at + len(patch) :]
    for item in image.extract(io.BytesIO(changed), None):
        json.dumps(item.to_json())
        assert not any(isinstance(value, float) for value in item.to_json().values())


def test_reading_twice_gives_the_same_facts_in_the_same_order():
    first = list(image.extract(io.BytesIO(image.SAMPLE), None))
    assert first == list(image.extract(io.BytesIO(image.SAMPLE), None))


# --- against ExifTool over the samples ---


def pictures():
    """Yield (file, ExifTool's tags) for every sample picture that our extractor read."""
    for oracle in sorted(shared("samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            if tags.get("File:MIMEType", "").startswith("image/"):
                yield oracle.parents[1] / name, tags


@pytest.fixture(scope="module")
def read():
    found = []
    for file, tags in pictures():
        with file.open("rb") as picture:
            items = {x.name: x for x in image.extract(picture, None) if isinstance(x, Fact)}
        if items:
            found.append((file, items, tags))
    return found


@pytest.mark.parametrize(
    ("tag", "least"),
    [("IFD0:Make", 60), ("IFD0:Model", 60), ("ExifIFD:DateTimeOriginal", 60)],
)
def test_maker_model_and_time_equal_exiftool(read, tag, least):
    """04 section 8: Make, Model, DateTimeOriginal equal the expected text."""
    compared = 0
    for file, ours, tags in read:
        if tag in ours and tag in tags:
            assert ours[tag].value == str(tags[tag]).strip(), file
            compared += 1
    assert compared >= least


def test_positions_equal_exiftool(read):
    compared = 0
    for file, ours, tags in read:
        place = ours.get("Composite:GPSPosition")
        if place is not None and place.suspect is None and "Composite:GPSPosition" in tags:
            theirs = str(tags["Composite:GPSPosition"]).split()
            for mine, other in zip(place.value.split(), theirs, strict=True):
                assert abs(Decimal(mine) - Decimal(other)) < Decimal("0.0000001"), file
            compared += 1
    assert compared >= 8


def test_tag_names_are_those_of_exiftool(read):
    """Every standard tag that ExifTool also names has its name; the rest is a short list."""
    unknown = set()
    for _, ours, tags in read:
        groups = ("IFD0:", "ExifIFD:", "GPS:", "InteropIFD:")
        unknown |= {name for name in ours if name.startswith(groups) and name not in tags}
    named = {name for name in unknown if ":Tag0x" not in name}
    assert named <= {
        "IFD0:PrintIM", "IFD0:InterColorProfile", "IFD0:StripOffsets", "IFD0:StripByteCounts",
        "IFD0:JPEGInterchangeFormat", "IFD0:IPTC-NAA", "IFD0:ThumbnailLength",
    }  # fmt: skip


# --- bounds, and what exifread leaves out ---


def test_a_directory_that_claims_sixty_thousand_entries_is_read_as_far_as_it_goes():
    import time

    whole = bytearray(image.SAMPLE)
    whole[8:10] = b"\xff\xff"
    started = time.process_time()
    found = facts(bytes(whole))
    assert time.process_time() - started < 0.5
    assert found["IFD0:Make"].value == "Warm"


def test_a_user_s_comment_is_read_in_its_own_characters():
    for code, text in ((b"ASCII\0\0\0", b"bridge"), (b"UNICODE\0", "міст".encode("utf-16-le"))):
        found = facts(tiff(exif=[(0x9286, ASCII, code + text)]))
        assert found["ExifIFD:UserComment"].value == text.decode(
            "ascii" if code.startswith(b"A") else "utf-16-le"
        )


def test_a_serial_number_is_a_device():
    found = facts(tiff(exif=[(0xA431, ASCII, b"12345\0")]))["ExifIFD:SerialNumber"]
    assert (found.value, found.kind, found.raw) == ("serial:12345", "device", "12345")


def test_texts_of_a_bigtiff_are_read():
    entry = struct.pack("<HHQQ", 0x10F, 2, 12, 52) + struct.pack("<Q", 0)
    whole = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1) + entry
    found = facts(whole + b"A long maker")
    assert found["IFD0:Make"].value == "A long maker"


def test_of_two_exif_blocks_the_first_counts_and_there_are_said_to_be_two():
    one, two = (tiff(ifd0=[(0x10F, ASCII, name)]) for name in (b"First\0", b"Second\0"))
    whole = jpeg((0xE1, b"Exif\0\0" + one), (0xE1, b"Exif\0\0" + two))
    assert facts(whole)["IFD0:Make"].value == "First"
    assert any(
        "2 Exif blocks" in one.reason
        for one in image.extract(io.BytesIO(whole), None)
        if isinstance(one, Problem)
    )
