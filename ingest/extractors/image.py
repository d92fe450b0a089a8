"""Exif of still pictures, by exifread without maker notes: names, times and places made regular.

Every fact is a claim of the file. A value keeps the text it was read from beside it; what cannot
be right is marked `suspect` and never becomes a time or a place of ours.

`ingest.readers` finds the Exif in its container and the entries in its directories; exifread reads
one entry at a time, for its own readers of containers raise on 3 % of real pictures. Not read:
maker notes (only ExifTool reads them), and BigTIFF beyond its plain texts and numbers.
"""

import base64
import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, BinaryIO

import exifread
from exifread.core.exif_header import ExifHeader
from exifread.tags.exif import EXIF_TAGS, GPS_TAGS, INTEROP_TAGS

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, identifiers, times
from ingest.normalise.places import decimal, degrees, position, signed
from ingest.readers import pictures
from ingest.readers.apex import apex
from ingest.readers.blocks import MOST_BLOCK, MOST_TOTAL, Block, read_at
from ingest.readers.tiff import Entry, Tiff

NAME = "image"
VERSION = f"exifread {exifread.__version__}"
FORMATS = frozenset(
    {
        "image/jpeg", "image/tiff", "image/png", "image/apng", "image/webp", "image/avif",
        "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/jxl",
        "image/x-adobe-dng", "image/x-canon-cr2", "image/x-canon-cr3", "image/x-nikon-nef",
        "image/x-sony-arw", "image/x-fuji-raf", "image/x-olympus-orf", "image/x-panasonic-rw2",
        "image/x-pentax-pef", "image/jp2", "image/vnd.adobe.photoshop",
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
_SERIALS = {"ExifIFD:SerialNumber": "serial", "ExifIFD:LensSerialNumber": "lens-serial"}
_DIRECTORY_KEYS = {"IFD0": "Image", "IFD1": "Thumbnail", "ExifIFD": "EXIF", "GPS": "GPS"}
_ANGLES = {"GPS:GPSLatitude": 90, "GPS:GPSLongitude": 180, "GPS:GPSDestLatitude": 90,
           "GPS:GPSDestLongitude": 180}  # fmt: skip
LEFT_OUT = frozenset(
    {
        "ExifOffset", "GPSInfo", "InteroperabilityOffset", "SubIFDs",  # lead to directories
        "Padding", "CVAPattern", "SpatialFrequencyResponse", "DeviceSettingDescription",  # binary
    }
)  # fmt: skip
# A time, and the tags that hold its fraction of a second and its distance from UTC.
TIMES = {
    "ExifIFD:DateTimeOriginal": ("ExifIFD:SubSecTimeOriginal", "ExifIFD:OffsetTimeOriginal"),
    "ExifIFD:CreateDate": ("ExifIFD:SubSecTimeDigitized", "ExifIFD:OffsetTimeDigitized"),
    "IFD0:ModifyDate": ("ExifIFD:SubSecTime", "ExifIFD:OffsetTime"),
}
NO_EXIF = "no Exif data found, or none that can be read"

_ONE = frozenset({"ExifIFD:FileSource", "ExifIFD:SceneType"})  # some write more than one value
# exifread's dictionaries; further directories are walked to by ingest.readers.tiff, not by it.
_EXIF_TAGS: dict[int, Any] = {
    tag: (known[0], None) if isinstance(known[1], tuple) else known
    for tag, known in EXIF_TAGS.items()
}
_KNOWN: dict[str, dict[int, Any]] = {"GPS": GPS_TAGS, "Interoperability": INTEROP_TAGS}
_UNREAD = frozenset({0x02BC, 0x927C, 0x9286})  # XMP, maker notes, the user's comment
_MOST_PROBLEMS = 50
_COMMENTS = {b"ASCII": "latin-1", b"UNICODE": "utf-16", b"JIS": "iso2022_jp"}
_SHOWN_TEXT = 2000  # characters of one value; longer ones are cut and marked
_UNDEFINED = 7  # the TIFF field type of bytes without a meaning

logging.getLogger("exifread").setLevel(logging.CRITICAL + 1)  # hostile text stays out of logs


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the Exif facts of a picture, then the times and the place we made of them."""
    tags: dict[str, Any] = {}
    facts: dict[str, Fact] = {}
    streams = 0
    for stream, kind in _streams(file):
        streams += kind == "exif"
        read, problems = _tags(stream, kind)
        yield from problems
        tags = {**read, **tags}  # the first stream counts
        for one in _apart(stream):
            facts.setdefault(one.name, one)
    for key, tag in tags.items():
        said = _fact(key, tag)
        if said is not None:
            facts[said.name] = said
    if not facts:
        yield Problem(NO_EXIF, incomplete=False)
        return
    if streams > 1:
        yield Problem(
            f"{streams} Exif blocks; where they differ the first counts", incomplete=False
        )
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


def _streams(file: BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """Yield the TIFF streams that hold Exif, and their kinds (ingest.readers.blocks)."""
    if pictures.is_tiff(read_at(file, 0, 4)):
        yield file, "exif"
        return
    for block in pictures.blocks(file):  # "picture" says what is wrong with the container
        if isinstance(block, Block) and block.kind in {"exif", "exif-part", "gps-part"}:
            yield io.BytesIO(block.data), block.kind


def _tags(stream: BinaryIO, kind: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return exifread's tags of a TIFF stream, and what it raised at which entry.

    It is given one entry at a time: its own walk believes every count, and loses all tags of a
    picture with the first that makes it raise.
    """
    tiff = Tiff(stream)
    if not tiff.order or tiff.big:
        return {}, []
    # detailed=True never ends on a crafted maker note (ianare/exif-py issue 182).
    header = ExifHeader(stream, "I" if tiff.order == "<" else "M", 0, 0, False, detailed=False)
    problems: list[Problem] = []
    left = MOST_TOTAL
    for entry in tiff.entries():
        directory = _directory(entry.directory, kind)
        if directory is None or entry.tag in _UNREAD:
            continue
        left -= entry.size if entry.size < MOST_BLOCK else 0
        if left < 0 or len(problems) > _MOST_PROBLEMS:
            problems.append(Problem("Exif: too much in its entries; the rest was not read"))
            break
        known: Any = _KNOWN.get(directory, _EXIF_TAGS).get(entry.tag)
        name = known[0] if known else f"Tag 0x{entry.tag:04X}"
        try:
            if entry.size < MOST_BLOCK:
                header._process_tag(  # noqa: SLF001  (what its own walk does for each entry)
                    0, directory, known, entry.at, entry.tag, name, False, "UNDEF"
                )
        except Exception as error:  # noqa: BLE001  (it raises what it does not declare)
            reason = f"exifread, {directory} {name}: {type(error).__name__}: {error}"
            problems.append(Problem(reason[:200]))
    return dict(header.tags), problems


def _directory(name: str, kind: str) -> str | None:
    """Return exifread's name of a directory; None: not a part of this stream."""
    if kind != "exif":  # Canon's raw files keep each directory in a stream of its own
        first = {"exif-part": "EXIF", "gps-part": "GPS"}[kind]
        return first if name == "IFD0" else None
    number = name.removeprefix("IFD")
    if number.isdigit():
        return ("Image", "Thumbnail")[int(number)] if int(number) < 2 else f"IFD {number}"
    return {"ExifIFD": "EXIF", "InteropIFD": "Interoperability"}.get(name, name)


def _apart(stream: BinaryIO) -> Iterator[Fact]:
    """Yield what exifread leaves out: the user's comment, and the tags of a BigTIFF."""
    tiff = Tiff(stream)
    for entry in tiff.entries():
        if entry.tag == 0x9286 and entry.directory == "ExifIFD":
            data = tiff.bytes(entry, 8 + 2 * _SHOWN_TEXT)
            yield from _comment(data, tiff.order)
        elif tiff.big and entry.tag in EXIF_TAGS:
            name = _name(
                f"{_DIRECTORY_KEYS.get(entry.directory, 'Image')} {EXIF_TAGS[entry.tag][0]}"
            )
            raw = _plain_value(tiff, entry)
            if name is not None and raw:
                yield Fact(name, _cut(raw.strip()), _cut(raw), f"BigTIFF reader {entry.tag}")


def _plain_value(tiff: Tiff, entry: Entry) -> str:
    if entry.kind == 2:
        return tiff.bytes(entry, _SHOWN_TEXT).split(b"\0")[0].decode("utf-8", "backslashreplace")
    return " ".join(map(str, tiff.numbers(entry, 64)))


def _comment(data: bytes, order: str) -> Iterator[Fact]:
    """Yield a user's comment: eight bytes say in which characters it is written."""
    coding = _COMMENTS.get(data[:8].rstrip(b"\0 "), "latin-1")
    if coding == "utf-16":
        coding = "utf-16-le" if order == "<" else "utf-16-be"
    text = data[8:].decode(coding, "backslashreplace").split("\0")[0].strip()
    if text:
        yield Fact("ExifIFD:UserComment", _cut(text), _cut(text), "UserComment reader")


def _fact(key: str, tag: Any) -> Fact | None:
    name = _name(key)
    if name is None or not hasattr(tag, "values"):
        return None
    value, raw, suspect = _read(tag, name)
    if suspect is None and name in _ANGLES:
        value, suspect = degrees([p for p in map(_parts, tag.values) if p], most=_ANGLES[name])
    elif suspect is None and name == "GPS:GPSTimeStamp":
        value = _clock(value)
    source = f"{VERSION} {key[:100]}"
    if name in _SERIALS and suspect is None:
        return fact(name, raw, source, identifiers.device(_SERIALS[name], value))
    # 0000:… times and the like stay as they stand; only the composite is ours.
    return Fact(name, _cut(value), _cut(raw), source, None, suspect)


def _clock(value: str) -> str:
    """Return `14:33:35.62` of the three numbers of a time of day; other values as they stand."""
    found = re.fullmatch(r"([0-9]{1,2}) ([0-9]{1,2}) ([0-9]{1,2})((?:\.[0-9]+)?)", value)
    return f"{found[1]:0>2}:{found[2]:0>2}:{found[3]:0>2}{found[4]}" if found else value


def _name(key: str) -> str | None:
    directory, _, tag = key.partition(" ")
    if directory.startswith("SubIFD"):
        group = directory
    elif directory == "IFD":  # "IFD 2 ImageWidth": further pages of a TIFF
        number, _, tag = tag.partition(" ")
        group = f"IFD{number}"
    elif directory in GROUPS:
        group = GROUPS[directory]
    else:
        return None
    if tag in LEFT_OUT:
        return None
    if tag.startswith("Tag 0x001F") and group != "GPS":  # its name depends on the directory
        return f"{group}:Tag0x001F"
    name = NAMES.get(tag, tag)
    return f"{group}:{re.sub('[^A-Za-z0-9_-]+', '', name.replace('/', '-'))}"


def _read(tag: Any, name: str) -> tuple[str, str, str | None]:
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
        return _read_ratios([part for part in ratios if part is not None], name)
    if name.startswith("IFD0:XP") and all(isinstance(i, int) and 0 <= i < 256 for i in items):
        text = bytes(items).decode("utf-16-le", "backslashreplace").rstrip("\0")
        return text.strip(), text, None  # of Windows
    raw = " ".join(map(_plain, items))
    if tag.prefer_printable and (len(items) == 1 or name not in _ONE):
        return str(tag.printable).strip(), raw, None
    if tag.field_type == _UNDEFINED and items and all(0x20 <= item < 0x7F for item in items):
        return bytes(items).decode("ascii").strip(), raw, None  # "0100": text all the same
    return raw, raw, None


def _read_ratios(parts: list[tuple[int, int]], name: str) -> tuple[str, str, str | None]:
    raw = " ".join(f"{above}/{below}" for above, below in parts)
    if all(below == 0 for _, below in parts):
        return raw, raw, "a division by zero"
    shown = [decimal(apex(name, Fraction(*part))) if part[1] else "undef" for part in parts]
    doubt = "a division by zero" if "undef" in shown and not name.endswith("LensInfo") else None
    return " ".join(shown) if doubt is None else raw, raw, doubt


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
    normal = times.exif(f"{date.value} {time.value[:18]}Z")
    if normal is None:
        return None
    raw = f"{date.raw} {time.raw}"
    return fact("Composite:GPSDateTime", raw, "from GPS:GPSDateStamp …", normal)
