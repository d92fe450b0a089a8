"""IPTC-IIM of pictures: caption, places, author, dates; whether Photoshop's digest of it holds.

Text whose character set the record does not declare is read as UTF-8 where it is UTF-8, else as
Windows-1252, and marked.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.readers import iptc, pictures
from ingest.readers.iptc import Broken, DataSet

NAME = "iptc"
VERSION = "iptc reader 1"
FORMATS = frozenset(
    {"image/jpeg", "image/tiff", "image/png", "image/jp2", "image/vnd.adobe.photoshop"}
)
_CAPTION = b"\x1c\x01\x5a\0\x03\x1b%G\x1c\x02\x78\0\x06Bridge\x1c\x02\x37\0\x0820200105"
_IRB = b"8BIM\x04\x04\0\0" + len(_CAPTION).to_bytes(4, "big") + _CAPTION
# A JPEG of our own without a picture: a caption and a date.
SAMPLE = (
    b"\xff\xd8\xff\xed"
    + (2 + 14 + len(_IRB)).to_bytes(2, "big")
    + b"Photoshop 3.0\0"
    + _IRB
    + b"\xff\xd9"
)
_RECORD = {
    0: "ApplicationRecordVersion", 3: "ObjectTypeReference", 4: "ObjectAttributeReference",
    5: "ObjectName", 7: "EditStatus", 8: "EditorialUpdate", 10: "Urgency",
    12: "SubjectReference", 15: "Category", 20: "SupplementalCategories",
    22: "FixtureIdentifier", 25: "Keywords", 26: "ContentLocationCode",
    27: "ContentLocationName", 30: "ReleaseDate", 35: "ReleaseTime", 37: "ExpirationDate",
    38: "ExpirationTime", 40: "SpecialInstructions", 42: "ActionAdvised",
    45: "ReferenceService", 47: "ReferenceDate", 50: "ReferenceNumber", 55: "DateCreated",
    60: "TimeCreated", 62: "DigitalCreationDate", 63: "DigitalCreationTime",
    65: "OriginatingProgram", 70: "ProgramVersion", 75: "ObjectCycle", 80: "By-line",
    85: "By-lineTitle", 90: "City", 92: "Sub-location", 95: "Province-State",
    100: "Country-PrimaryLocationCode", 101: "Country-PrimaryLocationName",
    103: "OriginalTransmissionReference", 105: "Headline", 110: "Credit", 115: "Source",
    116: "CopyrightNotice", 118: "Contact", 120: "Caption-Abstract", 121: "LocalCaption",
    122: "Writer-Editor", 130: "ImageType", 131: "ImageOrientation", 135: "LanguageIdentifier",
    150: "AudioType", 184: "JobID", 185: "MasterDocumentID", 186: "ShortDocumentID",
    187: "UniqueDocumentID", 188: "OwnerID", 221: "Prefs", 230: "DocumentNotes",
    231: "DocumentHistory",
}  # fmt: skip
_NUMBERS = frozenset({0})
_IPTC, _DIGEST = 0x0404, 0x0425  # Photoshop image resources
_SHOWN = 2000
_ESCAPES = {b"\x1b%G": "utf-8", b"\x1b%/G": "utf-8", b"\x1b-A": "latin-1", b"\x1b.A": "latin-1"}
_UNDECLARED = "its character set is not declared: read as "


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the facts of every IPTC record in the picture."""
    for block in pictures.blocks(file):
        if isinstance(block, Problem):
            continue  # "picture" says what is wrong with the container
        if block.kind == "iptc":
            yield from _record(block.data, block.where)
        elif block.kind == "photoshop":
            yield from _resources(block.data, block.where)


def _resources(data: bytes, where: str) -> Iterator[Item]:
    record, digest = b"", b""
    try:
        for number, value in iptc.resources(data):
            if number == _IPTC:
                record = value
            elif number == _DIGEST:
                digest = value
    except Broken:
        pass  # "picture" reads all resources, and says so
    if record:
        yield from _record(record, f"{where} image resource")
    if len(digest) == 16:
        doubt = None
        if record and hashlib.md5(record, usedforsecurity=False).digest() != digest:
            doubt = "the IPTC record was changed after this digest was written"
        yield Fact(
            "Photoshop:IPTCDigest", digest.hex(), digest.hex(), f"{VERSION} {where}", None, doubt
        )


def _record(data: bytes, where: str) -> Iterator[Item]:
    charset, facts = "", []
    problem = None
    try:
        for one in iptc.data_sets(data):
            if (one.record, one.number) == (1, 90):
                charset = _ESCAPES.get(one.value.rstrip(b"\0"), "")
            elif one.record == 2 and one.number in _RECORD:
                facts.append(_fact(one, charset, where))
    except Broken as error:
        problem = Problem(f"IPTC in {where}: {error}")
    yield from facts
    yield from _moments(facts)
    if problem is not None:
        yield problem


def _fact(one: DataSet, charset: str, where: str) -> Fact:
    name = _RECORD[one.number]
    source = f"{VERSION} {where} 2:{one.number:02}"
    if one.number in _NUMBERS:
        number = str(int.from_bytes(one.value, "big"))
        return Fact(f"IPTC:{name}", number, one.value.hex(), source)
    text, doubt = _decoded(one.value, charset)
    value = text.rstrip(" \0")
    raw = text if doubt is None else one.value.hex()
    if re.fullmatch(r"[0-9]{8}", value) and name.endswith("Date") | name.endswith("DateCreated"):
        value = f"{value[:4]}-{value[4:6]}-{value[6:]}"
    part = re.fullmatch(r"([0-9]{2})([0-9]{2})([0-9]{2})(?:([+-][0-9]{2})([0-9]{2}))?", value)
    if part and name.endswith("Time") | name.endswith("TimeCreated"):
        value = f"{part[1]}:{part[2]}:{part[3]}" + (f"{part[4]}:{part[5]}" if part[4] else "")
    return Fact(f"IPTC:{name}", _cut(value), _cut(raw), source, None, doubt)


def _decoded(data: bytes, charset: str) -> tuple[str, str | None]:
    if data.isascii():
        return data.decode("ascii"), None
    if charset:
        try:
            return data.decode(charset), None
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace"), f"not {charset}, as the record says"
    try:
        return data.decode("utf-8"), f"{_UNDECLARED}UTF-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), f"{_UNDECLARED}Windows-1252"


def _moments(facts: list[Fact]) -> Iterator[Fact]:
    """Yield the times that a date and its own time of day make, with the zone it states."""
    named = {one.name: one for one in reversed(facts)}
    for date, clock, composite in (
        ("IPTC:DateCreated", "IPTC:TimeCreated", "DateTimeCreated"),
        ("IPTC:DigitalCreationDate", "IPTC:DigitalCreationTime", "DigitalCreationDateTime"),
    ):
        if date not in named or clock not in named:
            continue
        raw = f"{named[date].raw} {named[clock].raw}"
        normal = times.iso(f"{named[date].value}T{named[clock].value}")
        if normal is not None:
            yield fact(f"Composite:{composite}", raw, f"from {date} and {clock}", normal)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…[cut: {len(text)}]"
