"""Times: ISO 8601 with the zone that the file states, or `unknown`; never a guess.

Each function reads one way of writing times and returns None for what is no time. The value is
ISO 8601 with as many digits of a second as the file has, and ends in the stated offset, in `Z`
for UTC, or in nothing where the zone is unknown.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_tz

from ingest.normalise import Normal

UNKNOWN_ZONE = "unknown"
_EPOCHS = {
    "unix": datetime(1970, 1, 1, tzinfo=UTC),
    "apple": datetime(2001, 1, 1, tzinfo=UTC),  # Cocoa: iOS databases, some plists
    "quicktime": datetime(1904, 1, 1, tzinfo=UTC),  # MP4, MOV, HFS
    "windows": datetime(1601, 1, 1, tzinfo=UTC),  # FILETIME, WebKit
}
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):?([0-5][0-9])|Z|UTC", re.I)
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})"
    r"(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?\s*([+-][0-9]{2}(?::?[0-9]{2})?|Z|UTC)?",
    re.I,
)
_PDF = re.compile(
    r"(?:D:)?([0-9]{4})([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?"
    r"(?:(Z)'?(?:00'?00'?)?|([+-][0-9]{2})'?([0-9]{2})?'?)?"
)


def exif(text: str, *, fraction: str = "", offset: str = "") -> Normal | None:
    """Read `2008:10:22 16:28:39`, with the fraction and the offset of their own tags.

    >>> exif("2008:10:22 16:28:39").value, exif("2008:10:22 16:28:39").tz
    ('2008-10-22T16:28:39', 'unknown')
    """
    found = re.fullmatch(
        r"([0-9]{4}):([0-9]{2}):([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
        r"([+-][0-9]{2}:[0-9]{2}|Z)?",
        text.strip(" \0"),
    )
    if not found:
        return None
    digits = found[7] or (fraction.strip(" \0") if _digits(fraction) else "")
    return _normal(found.groups()[:6], digits, found[8] or offset.strip(" \0"))


def iso(text: str) -> Normal | None:
    """Read ISO 8601 and RFC 3339: date and time, with a zone or without.

    >>> iso("2024-05-01 07:30:00.250+0300").value
    '2024-05-01T07:30:00.250+03:00'
    """
    found = _ISO.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, digits, zone = found.groups()
    if zone and len(zone) == 3 and zone[0] in "+-":
        zone += ":00"
    return _normal((year, month, day, hour, minute, second or "00"), digits or "", zone or "")


def mail(text: str) -> Normal | None:
    """Read the date of a mail (RFC 5322); `-0000` is its way of saying that no zone is known."""
    try:
        parts = parsedate_tz(text.strip())
        moment = datetime(*parts[:6]) if parts else None  # noqa: DTZ001  (its zone is apart)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if parts is None or moment is None:
        return None
    seconds = parts[9] or 0
    if seconds == 0 and not re.search(r"\+0000\b|\b(?:GMT|UTC?|Z)\b", text, re.I):
        return Normal("time", moment.isoformat(), UNKNOWN_ZONE)
    if abs(seconds) > 14 * 3600:
        return Normal("time", moment.isoformat(), UNKNOWN_ZONE, "an offset that no zone has")
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    offset = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    return Normal("time", moment.isoformat() + offset, offset)


def pdf(text: str) -> Normal | None:
    """Read a PDF date: `D:20240501073000+03'00'`."""
    found = _PDF.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, utc, hours, minutes = found.groups()
    if day is None:  # a month or a year is no moment
        return None
    zone = "Z" if utc else f"{hours}:{minutes or '00'}" if hours else ""
    return _normal((year, month, day, hour or "00", minute or "00", second or "00"), "", zone)


def since(epoch: str, number: int, *, per_second: int = 1) -> Normal | None:
    """Read a count since an epoch (`unix`, `apple`, `quicktime`, `windows`), which is UTC.

    Args:
        epoch: which one.
        number: the count as stored; 0 is how programs write "no time".
        per_second: how many units make a second: 1000, 1_000_000, 10_000_000 (FILETIME).

    >>> since("unix", 1700000000500, per_second=1000).value
    '2023-11-14T22:13:20.500Z'
    """
    if number == 0:
        return None
    whole, rest = divmod(number, per_second)
    try:
        moment = _EPOCHS[epoch] + timedelta(seconds=whole)
    except OverflowError:
        return None
    width = len(str(per_second)) - 1
    digits = f".{rest:0{width}}" if width else ""
    doubt = None if 1980 <= moment.year <= 2100 else f"the year {moment.year}"
    return Normal("time", f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + digits + "Z", "UTC", doubt)


def local(moment: datetime) -> Normal:
    """Return a time that a library read, with its zone if it carries one.

    >>> local(datetime(2024, 5, 1, 7, 30)).tz
    'unknown'
    """
    zone: tzinfo | None = moment.tzinfo
    if zone is None:
        return Normal("time", moment.isoformat(), UNKNOWN_ZONE)
    text = moment.isoformat()
    if moment.utcoffset() == timedelta(0):
        return Normal("time", text.removesuffix("+00:00") + "Z", "UTC")
    return Normal("time", text, text[-6:])


def dos(stamp: tuple[int, int, int, int, int, int]) -> str | None:
    """Return the time of a member of a zip archive, whose zone is never known; None if none."""
    try:
        moment = datetime(*stamp)  # noqa: DTZ001  (there is no zone to give)
    except ValueError:
        return None
    return None if moment == datetime(1980, 1, 1) else moment.isoformat()  # noqa: DTZ001


def _digits(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,9}", text.strip(" \0")))


def _normal(parts: tuple[str, ...], digits: str, zone: str) -> Normal | None:
    year, month, day, hour, minute, second = parts
    value = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    value += f".{digits}" if digits else ""
    found = _OFFSET.fullmatch(zone)
    if not found:
        return Normal("time", value, UNKNOWN_ZONE)
    if found[1] is None:
        return Normal("time", f"{value}Z", "UTC")
    offset = f"{found[1]}{found[2]}:{found[3]}"
    return Normal("time", value + offset, offset)
