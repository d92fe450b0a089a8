"""Exif of still pictures, by exifread without maker notes: names, times and places made regular.

Every fact is a claim of the file. A value keeps the text it was read from beside it; what cannot
be right is marked `suspect` and never becomes a time or a place of ours. Not read: maker notes,
XMP, IPTC, UserComment (exifread skips it with the maker notes), C2PA.
"""

import base64
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, BinaryIO

import exifread

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.normalise.places import decimal, position, signed

NAME = "image"
VERSION = f"exifread {exifread.__version__}"
FORMATS = frozenset(
    {
        "image/jpeg", "image/tiff", "image/png", "image/apng", "image/webp", "image/avif",
        "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/jxl",
        "image/x-adobe-dng", "image/x-canon-cr2", "image/x-nikon-nef", "image/x-sony-arw",
    }
)  # fmt: skip
# A TIFF of our own without pixels: camera, time with zone, place (tests/contract makes it).
SAMPLE = base64.b64decode(
    "SUkqAAgAAAAFAA8BAgAFAAAASgAAABIBAwABAAAAAQAAABoBBQABAAAAUAAAAGmHBAABAAAAWAAAACWIBAABAAAAngAA"
    "AAAAAABXYXJtAABIAAAAAQAAAAMAA5ACABQAAACCAAAAEZACAAcAAACWAAAAkZICAAMAAAAyNAAAAAAAADIwMDg6MTA6"
    "MjIgMTY6Mjg6MzkAKzAyOjAwAAAIAAEAAgACAAAATgAAAAIABQADAAAABAEAAAMAAgACAAAARQAAAAQABQADAAAAHAEA"
    "AAUAAwABAAAAAAAAAAYABQABAAAANAEAAAcABQADAAAAPAEAAB0AAgALAAAAVAEAAAAAAAArAAAAAQAAABwAAAABAAAA"
    "GQEAAGQAAAALAAAAAQAAADUAAAABAAAAhQIAAGQAAABUAQAAAQAAAA4AAAABAAAAGwAAAAEAAADUAgAAZAAAADIwMDg6"
    "MTA6MjMAAA=="
)

# exifread's words for the directories, and ExifTool's.
GROUPS = {
    "Image": "IFD0", "Thumbnail": "IFD1", "EXIF": "ExifIFD", "GPS": "GPS",
    "Interoperability": "InteropIFD",
}  # fmt: skip
# Tags that ExifTool calls otherwise (compared with its output over the samples).
NAMES = {
    "BodySerialNumber": "SerialNumber",
    "CameraOwnerName": "OwnerName",
    "CVAPattern": "CFAPattern",
    "DateTime": "ModifyDate",
    "DateTimeDigitized": "CreateDate",
    "ExifImageLength": "ExifImageHeight",
    "ExposureBiasValue": "ExposureCompensation",
    "FlashPixVersion": "FlashpixVersion",
    "FocalLengthIn35mmFilm": "FocalLengthIn35mmFormat",
    "GPSDate": "GPSDateStamp",
    "ISOSpeedRatings": "ISO",
    "ImageLength": "ImageHeight",
    "InteroperabilityIndex": "InteropIndex",
    "InteroperabilityVersion": "InteropVersion",
    # Not JPEGInterchangeFormat: ExifTool's ThumbnailOffset counts from the start of the file.
    "JPEGInterchangeFormatLength": "ThumbnailLength",
    "LensSpecification": "LensInfo",
    "RelatedImageLength": "RelatedImageHeight",
    "Tag 0x001F": "GPSHPositioningError",
    "Tag 0xA460": "CompositeImage",
}
POINTERS = frozenset({"ExifOffset", "GPSInfo", "InteroperabilityOffset", "SubIFDs"})  # no content
# A time, and the tags that hold its fraction of a second and its distance from UTC.
TIMES = {
    "ExifIFD:DateTimeOriginal": ("ExifIFD:SubSecTimeOriginal", "ExifIFD:OffsetTimeOriginal"),
    "ExifIFD:CreateDate": ("ExifIFD:SubSecTimeDigitized", "ExifIFD:OffsetTimeDigitized"),
    "IFD0:ModifyDate": ("ExifIFD:SubSecTime", "ExifIFD:OffsetTime"),
}
NO_EXIF = "no Exif data found, or none that can be read"

_SHOWN_TEXT = 2000  # characters of one value; longer ones are cut and marked
_UNDEFINED = 7  # the TIFF field type of bytes without a meaning

logging.getLogger("exifread").setLevel(logging.CRITICAL + 1)  # hostile text stays out of logs


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the Exif facts of a picture, then the times and the place we made of them."""
    try:
        # details=True never ends on a crafted maker note (ianare/exif-py issue 182).
        tags = exifread.process_file(file, details=False, extract_thumbnail=False)
    except Exception as error:  # noqa: BLE001  (3 % of pictures raise what is undeclared)
        yield Problem(f"exifread: {type(error).__name__}: {error}"[:200])
        return
    if not tags:
        yield Problem(NO_EXIF, incomplete=False)
        return
    facts: dict[str, Fact] = {}
    for key, tag in tags.items():
        one = _fact(key, tag)
        if one is not None:
            facts[one.name] = one
    for name in TIMES:
        if name in facts:
            facts.update(_with_zone(name, facts))
    place = _place(tags)
    for name in ("GPS:GPSLatitude", "GPS:GPSLongitude"):
        if name in facts and place is not None and place.suspect:
            facts[name] = _doubted(facts[name], place.suspect)
    yield from facts.values()
    for composite in (place, _altitude(tags), _satellite_time(facts)):
        if composite is not None and composite.value:
            yield composite


def _fact(key: str, tag: Any) -> Fact | None:
    name = _name(key)
    if name is None or not hasattr(tag, "values"):
        return None
    value, raw, suspect = _read(tag)
    # 0000:… times and the like stay as they stand; only the composite is ours.
    return Fact(name, _cut(value), _cut(raw), f"{VERSION} {key[:100]}", None, suspect)


def _name(key: str) -> str | None:
    directory, _, tag = key.partition(" ")
    if directory == "IFD":  # "IFD 2 ImageWidth": further pages of a TIFF
        number, _, tag = tag.partition(" ")
        group = f"IFD{number}"
    elif directory in GROUPS:
        group = GROUPS[directory]
    else:
        return None
    if tag in POINTERS:
        return None
    if tag.startswith("Tag 0x001F") and group != "GPS":  # its name depends on the directory
        return f"{group}:Tag0x001F"
    name = NAMES.get(tag, tag)
    return f"{group}:{re.sub('[^A-Za-z0-9_-]+', '', name.replace('/', '-'))}"


def _read(tag: Any) -> tuple[str, str, str | None]:
    """Return value, raw and suspicion of one exifread tag, whose `values` may be anything."""
    values = tag.values
    if isinstance(values, bytes):
        return values.decode("utf-8", "backslashreplace").strip(), values.hex(), "text not in UTF-8"
    if isinstance(values, str):
        return values.strip(), values, None
    items = list(values)
    if not items and tag.field_length:
        return "", "", f"not read: {tag.field_length} bytes"
    ratios = [_parts(item) for item in items]
    if items and all(part is not None for part in ratios):
        return _read_ratios([part for part in ratios if part is not None])
    raw = " ".join(map(_plain, items))
    if tag.prefer_printable:
        return str(tag.printable).strip(), raw, None
    if tag.field_type == _UNDEFINED and items and all(0x20 <= item < 0x7F for item in items):
        return bytes(items).decode("ascii").strip(), raw, None  # "0100": text all the same
    return raw, raw, None


def _read_ratios(parts: list[tuple[int, int]]) -> tuple[str, str, str | None]:
    raw = " ".join(f"{above}/{below}" for above, below in parts)
    if any(below == 0 for _, below in parts):
        return raw, raw, "a division by zero"
    return " ".join(decimal(Fraction(*part)) for part in parts), raw, None


def _plain(item: Any) -> str:
    # A float arrives in a tuple of one; repr keeps every digit it has.
    return " ".join(map(repr, item)) if isinstance(item, tuple) else str(item)


def _parts(item: Any) -> tuple[int, int] | None:
    # Ratio is a Fraction that also carries 0/0; float() of it raises, num and den do not.
    return (int(item.num), int(item.den)) if hasattr(item, "den") else None


def _ratios(tags: Mapping[str, Any], key: str) -> list[tuple[int, int]]:
    items = getattr(tags.get(key), "values", ())
    if isinstance(items, str | bytes):
        return []
    return [part for part in map(_parts, items) if part is not None]


def _text(tags: Mapping[str, Any], key: str) -> str:
    found = getattr(tags.get(key), "values", "")
    return found.strip(" \0") if isinstance(found, str) else ""


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…[cut: {len(text)}]"


def _doubted(one: Fact, why: str) -> Fact:
    return replace(one, suspect=one.suspect or why)


def _with_zone(name: str, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return a time with its zone, and beside it the time in ISO 8601, if it is one."""
    one = facts[name]
    fraction, offset = (facts[tag].value if tag in facts else "" for tag in TIMES[name])
    normal = times.exif(one.value, fraction=fraction, offset=offset)
    if normal is None:
        why = one.suspect or "not a time"
        return {name: replace(one, tz=times.UNKNOWN_ZONE, suspect=why)}
    raw = " ".join(filter(None, (one.raw, fraction, offset)))
    composite = f"Composite:{name.partition(':')[2]}"
    return {
        name: replace(one, tz=normal.tz),
        composite: fact(composite, raw, f"from {name}", normal, suspect=one.suspect),
    }


def _place(tags: Mapping[str, Any]) -> Fact | None:
    """Return the position; its value is empty where there is none, with the reason."""
    if "GPS GPSLatitude" not in tags and "GPS GPSLongitude" not in tags:
        return None
    latitude, north_south = _ratios(tags, "GPS GPSLatitude"), _text(tags, "GPS GPSLatitudeRef")
    longitude, east_west = _ratios(tags, "GPS GPSLongitude"), _text(tags, "GPS GPSLongitudeRef")
    value, why = position(
        latitude, north_south, longitude, east_west, status=_text(tags, "GPS GPSStatus")
    )
    numbers = [" ".join(f"{a}/{b}" for a, b in parts) for parts in (latitude, longitude)]
    raw = f"{numbers[0]} {north_south} {numbers[1]} {east_west}"
    source = "from GPS:GPSLatitude …"
    return Fact("Composite:GPSPosition", value, _cut(raw), source, None, why, "place")


def _altitude(tags: Mapping[str, Any]) -> Fact | None:
    parts = _ratios(tags, "GPS GPSAltitude")
    reference = list(getattr(tags.get("GPS GPSAltitudeRef"), "values", []))
    if len(parts) != 1 or parts[0][1] == 0 or reference not in ([0], [1]):
        return None
    above = decimal(Fraction(*parts[0]))
    value = signed(above, negative=reference == [1])
    raw = f"{parts[0][0]}/{parts[0][1]} {reference[0]}"
    return Fact("Composite:GPSAltitude", value, raw, "from GPS:GPSAltitude …")


def _satellite_time(facts: Mapping[str, Fact]) -> Fact | None:
    date, time = facts.get("GPS:GPSDateStamp"), facts.get("GPS:GPSTimeStamp")
    if date is None or time is None or time.suspect:
        return None
    number = "([0-9]{1,2})"
    clock = re.fullmatch(rf"{number} {number} {number}(?:\.([0-9]{{1,9}}))?", time.value)
    if not clock:
        return None
    hour, minute, second, fraction = clock.groups(default="")
    text = f"{date.value} {hour:0>2}:{minute:0>2}:{second:0>2}"
    normal = times.exif(text, fraction=fraction, offset="Z")
    if normal is None:
        return None
    raw = f"{date.raw} {time.raw}"
    return fact("Composite:GPSDateTime", raw, "from GPS:GPSDateStamp …", normal)
