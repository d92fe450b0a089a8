"""Times, places and identifiers: one form each, never a guess, doubts marked."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.normalise import fact, identifiers, places, times


@pytest.mark.parametrize(
    ("read", "text", "value", "tz"),
    [
        (times.iso, "2024-05-01T07:30:00Z", "2024-05-01T07:30:00Z", "UTC"),
        (times.iso, "2024-05-01 07:30", "2024-05-01T07:30:00", "unknown"),
        (times.iso, "2024-05-01 07:30:00,5 +0330", "2024-05-01T07:30:00.5+03:30", "+03:30"),
        (times.iso, "2024-05-01T07:30:00+02", "2024-05-01T07:30:00+02:00", "+02:00"),
        (times.pdf, "D:20240501073000+03'00'", "2024-05-01T07:30:00+03:00", "+03:00"),
        (times.pdf, "D:20240501073000Z00'00'", "2024-05-01T07:30:00Z", "UTC"),
        (times.pdf, "D:20240501", "2024-05-01T00:00:00", "unknown"),
        (times.mail, "Wed, 1 May 2024 07:30:00 +0300", "2024-05-01T07:30:00+03:00", "+03:00"),
        (times.mail, "Wed, 1 May 2024 07:30:00 -0000", "2024-05-01T07:30:00", "unknown"),
        (times.mail, "Wed, 1 May 2024 07:30:00", "2024-05-01T07:30:00", "unknown"),
        (times.exif, "2024:05:01 07:30:00", "2024-05-01T07:30:00", "unknown"),
        (times.exif, "2024:05:01 07:30:00.25+02:00", "2024-05-01T07:30:00.25+02:00", "+02:00"),
    ],
)
def test_a_time_has_the_zone_it_states_or_none(read, text, value, tz):
    assert read(text)[1:3] == (value, tz)


@pytest.mark.parametrize("read", [times.iso, times.pdf, times.mail, times.exif])
@given(text=st.text(max_size=40))
def test_any_text_is_a_time_or_none(read, text):
    found = read(text)
    assert found is None or (found.kind, found.value[10:11]) == ("time", "T")


@pytest.mark.parametrize(
    ("epoch", "number", "unit", "value"),
    [
        ("unix", 1_700_000_000, 1, "2023-11-14T22:13:20Z"),
        ("apple", 721_692_800, 1, "2023-11-14T22:13:20Z"),
        ("quicktime", 3_782_844_800, 1, "2023-11-14T22:13:20Z"),
        ("windows", 133_444_736_000_000_000, 10_000_000, "2023-11-14T22:13:20.0000000Z"),
        ("windows", 13_344_473_600_000_000, 1_000_000, "2023-11-14T22:13:20.000000Z"),
    ],
)
def test_a_count_since_an_epoch_is_utc(epoch, number, unit, value):
    found = times.since(epoch, number, per_second=unit)
    assert (found.value, found.tz, found.suspect) == (value, "UTC", None)


def test_a_count_that_cannot_be_is_doubted_or_no_time():
    assert times.since("unix", 0) is None
    assert times.since("unix", 2**63) is None
    assert times.since("unix", 1).suspect == "the year 1970"
    assert times.since("unix", -(10**10)).value == "1653-02-10T06:13:20Z"


def test_a_time_of_a_library_keeps_its_zone():
    plain = datetime(2024, 5, 1, 7, 30)
    assert times.local(plain).tz == "unknown"
    assert times.local(plain.replace(tzinfo=UTC)).value == "2024-05-01T07:30:00Z"
    assert times.local(plain.replace(tzinfo=timezone(timedelta(hours=3)))).tz == "+03:00"


def test_the_zero_date_of_a_zip_is_no_time():
    assert times.dos((1980, 1, 1, 0, 0, 0)) is None
    assert times.dos((1980, 0, 0, 0, 0, 0)) is None
    assert times.dos((2024, 5, 1, 7, 30, 2)) == "2024-05-01T07:30:02"


@pytest.mark.parametrize(
    ("latitude", "longitude", "value", "doubted"),
    [
        ("50.4501", "30.5234", "50.4501 30.5234", False),
        ("-1.50", "+007.0", "-1.5 7", False),
        ("0", "0.000", "0 0", True),
        ("91", "0", "91 0", True),
        ("1", "181", "1 181", True),
    ],
)
def test_a_place_is_two_signed_decimals(latitude, longitude, value, doubted):
    found = places.decimals(latitude, longitude)
    assert (found.value, bool(found.suspect)) == (value, doubted)


def test_the_place_of_a_video_is_read_and_what_is_none_is_none():
    assert places.iso6709("+50.4501+030.5234+110.000/").value == "50.4501 30.5234"
    assert places.iso6709("-34.6037-058.3816/").value == "-34.6037 -58.3816"
    assert places.iso6709("+5027+03031/") is None
    assert places.decimals("50°27'", "30°31'") is None


@pytest.mark.parametrize(
    ("read", "text", "value", "doubted"),
    [
        (identifiers.imei, "490154203237518", "imei:490154203237518", False),
        (identifiers.imei, "490154203237519", "imei:490154203237519", True),
        (identifiers.imei, "4901542032375180", "imeisv:4901542032375180", False),
        (identifiers.imei, "000000000000000", "imei:000000000000000", True),
        (identifiers.iccid, "8944500102198304826F", "iccid:8944500102198304826", False),
        (identifiers.iccid, "1944500102198304826", "iccid:1944500102198304826", True),
        (identifiers.imsi, "255015555512345", "imsi:255015555512345", False),
        (identifiers.mac, "AC-DE-48-00-11-22", "mac:ac:de:48:00:11:22", False),
        (identifiers.mac, "02:00:00:00:00:00", "mac:02:00:00:00:00:00", True),
        (identifiers.telephone, "00380 44 123 45 67", "tel:+380441234567", False),
        (identifiers.telephone, "044-1234567", "tel:0441234567", True),
        (identifiers.address, "Anna.K@Example.ORG", "Anna.K@example.org", False),
        (identifiers.url, "HTTP://Example.org:80", "http://example.org/", False),
        (identifiers.url, "https://u@[2001:DB8::1]:444/x", "https://u@[2001:db8::1]:444/x", False),
    ],
)
def test_an_identifier_has_one_form(read, text, value, doubted):
    found = read(text)
    assert (found.value, bool(found.suspect)) == (value, doubted)


@pytest.mark.parametrize(
    "read",
    [identifiers.imei, identifiers.iccid, identifiers.imsi, identifiers.mac, identifiers.telephone,
     identifiers.address, identifiers.url, identifiers.digest, identifiers.person],
)  # fmt: skip
@given(text=st.text(max_size=60))
def test_any_text_is_an_identifier_or_none(read, text):
    found = read(text)
    assert found is None or found.value


def test_accounts_of_a_service_compare_by_name_without_case_and_by_number_exactly():
    assert identifiers.account("x", "@SomeOne").value == "x:name:someone"
    assert identifiers.account("telegram", "12345", kind="id").value == "telegram:id:12345"
    assert identifiers.device("serial", "000000").suspect
    assert identifiers.device("serial", "F2LXK0ABHG7").value == "serial:F2LXK0ABHG7"


def test_what_is_not_read_stays_a_fact_as_it_stands():
    one = fact("A:B", "yesterday", "test 1", times.iso("yesterday"), suspect="not a time")
    assert (one.value, one.kind, one.suspect) == ("yesterday", None, "not a time")
