"""Older office documents (OLE: doc, xls, ppt): properties, last author, revisions, macros.

Times in property sets are UTC by the specification, which Office keeps. Text is not read; macros
are said to be there and never looked into.
"""

import base64
import contextlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import olefile

from ingest.extraction import Fact, Found, Inhibitor, Item, Problem
from ingest.normalise import fact, times

NAME = "ole"
VERSION = f"olefile {olefile.__version__}"
FORMATS = frozenset(
    {
        "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
        "application/vnd.ms-office", "application/x-ole-storage", "application/cdfv2",
        "application/CDFV2", "application/encrypted", "application/vnd.visio",
        "application/vnd.ms-project", "application/vnd.ms-publisher",
    }
)  # fmt: skip
# A document of our own without text: an author and a time.
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNrt1L9Kw1AYBfCTxFjr/y4OHaRjR0dBEIc6uLaDi0vRCA5NoNTBx3HwAXwGH0AXBzcFR1/BXs+9foGgInFRKucX"
        "DjfcS+4Xctvv7rb1eHndfsIHu0gwdU3MV+YiS7AOrjvnb8vRczJTXhl/fgnPbo5JGX/mDWaBadr5LnFcZlaYVWbt"
        "/SeAlq3LbOqj4DVBB/vIOY5xgZ/YQBqVe0U1n6n2ixQDnGPEaxhqH/AtTvlG4zAzwRnv82/26iIO9WPrPXXqx9a/"
        "vMNQ6wQ9jsfhTbLwHepqW/1SnWcWK/X/2tT5/3v8af6rs9xiekxi6x3rGV3rDdu29szJTesfg2KUFXmGvbDBztHD"
        "zX0EEREREREREflVL1f6BiIiIiIiIiL/3Ru7a8EK"
    )
)

_SUMMARY, _DOCUMENT = "\x05SummaryInformation", "\x05DocumentSummaryInformation"
_SUMMARY_NAMES = {
    2: "Title", 3: "Subject", 4: "Author", 5: "Keywords", 6: "Comments", 7: "Template",
    8: "LastModifiedBy", 9: "RevisionNumber", 10: "TotalEditTime", 11: "LastPrinted",
    12: "CreateDate", 13: "ModifyDate", 14: "Pages", 15: "Words", 16: "Characters",
    18: "Software", 19: "Security",
}  # fmt: skip
_DOCUMENT_NAMES = {
    2: "Category", 3: "PresentationTarget", 4: "Bytes", 5: "Lines", 6: "Paragraphs", 7: "Slides",
    8: "Notes", 9: "HiddenSlides", 10: "MMClips", 14: "Manager", 15: "Company",
    17: "CharCountWithSpaces", 23: "AppVersion", 26: "ContentType", 27: "ContentStatus",
    28: "Language", 29: "DocVersion",
}  # fmt: skip
_TIMES = frozenset({11, 12, 13})
_MACROS = ("VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros")
_MOST_ENTRIES = 5_000
_MOST_STREAM = 1 << 20
_SHOWN = 2000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the properties of a document, then what it carries, then what is broken."""
    try:
        document = olefile.OleFileIO(file)
    except Exception as error:  # noqa: BLE001  (olefile raises many kinds on broken files)
        yield Problem(f"OLE: {type(error).__name__}: {error}"[:200])
        return
    with contextlib.closing(document):
        for part in (_protection, _summary, _company, _carried):
            try:
                yield from part(document)
            except Exception as error:  # noqa: BLE001  (one broken part costs no other)
                reason = f"OLE, {part.__name__.strip('_')}: {type(error).__name__}: {error}"
                yield Problem(reason[:200])


def _protection(document: Any) -> Iterator[Item]:
    """Yield whether a password is asked for: a packed document, or Word's own flag."""
    locked = document.exists("EncryptedPackage") or document.exists("EncryptionInfo")
    if document.exists("WordDocument"):
        flags = struct.unpack("<H", document.openstream("WordDocument").read(12)[10:12])[0]
        locked = locked or bool(flags & 0x0100)
    if document.exists("Workbook"):
        # FilePass is the record behind the first one (BOF).
        head = document.openstream("Workbook").read(64)
        length = struct.unpack("<H", head[2:4])[0]
        locked = locked or head[4 + length : 6 + length] == b"\x2f\x00"
    if locked:
        yield Inhibitor("encrypted")


def _summary(document: Any) -> Iterator[Item]:
    yield from _properties(document, _SUMMARY, _SUMMARY_NAMES)


def _company(document: Any) -> Iterator[Item]:
    yield from _properties(document, _DOCUMENT, _DOCUMENT_NAMES)


def _properties(document: Any, stream: str, names: dict[int, str]) -> Iterator[Item]:
    if not document.exists(stream):
        return
    if document.get_size(stream) > _MOST_STREAM:
        yield Problem(f"OLE, {stream[1:]}: more than {_MOST_STREAM} bytes")
        return
    values = document.getproperties(stream, convert_time=False)
    page = values.get(1)
    coding = f"cp{page & 0xFFFF}" if isinstance(page, int) and page & 0xFFFF != 65001 else "utf-8"
    for number, name in names.items():
        value = values.get(number)
        where = f"{stream[1:]} {number}"
        if value is None or value == b"":
            continue
        if stream == _SUMMARY and number in _TIMES:
            yield from _moment(f"FlashPix:{name}", value, where)
        elif name == "AppVersion" and isinstance(value, int):
            shown = f"{value >> 16 & 0xFFFF}.{value & 0xFFFF:04}"
            yield Fact(f"FlashPix:{name}", shown, str(value), f"{VERSION} {where}")
        else:
            text = _decoded(value, coding)
            if text:
                yield _text(f"FlashPix:{name}", text, where)


def _moment(name: str, value: Any, where: str) -> Iterator[Fact]:
    """Yield a time; olefile gives it in whole seconds since 1601."""
    normal = times.since("windows", value) if isinstance(value, int) else None
    if normal is not None:
        yield fact(name, str(value), f"{VERSION} {where}", normal)


def _carried(document: Any) -> Iterator[Item]:
    """Yield what stands in the document beside its text: macros, objects, other programs' data."""
    entries = document.listdir(streams=True, storages=True)
    macros = sorted({entry[0] for entry in entries if any(p in _MACROS for p in entry)})
    for name in macros[:20]:
        yield _text("FlashPix:Macros", name, "directory")
    objects = {entry[1] for entry in entries if entry[0] == "ObjectPool" and len(entry) > 1}
    if objects:
        yield _text("FlashPix:EmbeddedObjects", len(objects), "ObjectPool")
    if len(entries) > _MOST_ENTRIES:
        yield Problem(f"more than {_MOST_ENTRIES} entries", incomplete=False)
    if document.exists("\x01CompObj"):
        data = document.openstream("\x01CompObj").read(4096)
        length = int.from_bytes(data[28:32], "little")
        text = data[32 : 32 + min(length, 200)].split(b"\0")[0].decode("latin-1")
        if text:
            yield _text("FlashPix:CompObjUserType", text, "CompObj")


def _decoded(value: Any, coding: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.split(b"\0")[0].decode(coding).strip()
        except (LookupError, UnicodeDecodeError):
            return value.split(b"\0")[0].decode("latin-1").strip()
    return str(value).strip("\0 ") if isinstance(value, int | str) else ""


def _text(name: str, value: object, where: str) -> Fact:
    text = str(value)[:_SHOWN]
    return Fact(name, text, text, f"{VERSION} {where}")
