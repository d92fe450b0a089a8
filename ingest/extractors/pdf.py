"""PDF: who made it with what and when, XMP, attachments, scripts, encryption, later revisions.

Pages are not drawn and their text is not read here. A password that only restricts printing or
copying keeps nothing from being read; one that is asked for on opening is an inhibitor. Signatures
have an extractor of their own.
"""

import re
from collections.abc import Iterator
from hashlib import md5, sha256
from itertools import islice
from typing import Any, BinaryIO

import pypdf
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

from ingest.extraction import Fact, Found, Inhibitor, Item, Member, Problem, Seal
from ingest.normalise import fact, identifiers, times
from ingest.readers import pdfs, xmp_facts
from ingest.readers.blocks import read_at, size_of
from ingest.readers.pdfs import (
    Attachment,
    annotations_of,
    bytes_of,
    catalogue,
    decoded,
    leaves_of,
    pages_of,
    plain,
)

NAME = "pdf"
VERSION = f"pypdf {pypdf.__version__}"
FORMATS = frozenset({"application/pdf"})


def _sample() -> bytes:
    """Return a PDF of our own: one empty page, a title and a time."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]>>",
        b"<</Title(Bridge)/CreationDate(D:20200105150400+02'00')>>",
    ]
    whole, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(whole))
        whole += b"%d 0 obj%sendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(whole)
    whole += b"xref\n0 5\n0000000000 65535 f \n" + table
    return whole + b"trailer<</Size 5/Root 1 0 R/Info 4 0 R>>\nstartxref\n%d\n%%%%EOF" % start


SAMPLE = _sample()

_NAMES = {"CreationDate": "CreateDate", "ModDate": "ModifyDate", "AAPL:Keywords": "AppleKeywords"}
_MOST_KEYS = 200
_MOST_ATTACHED = 64 << 20  # bytes read out of attachments
_SHOWN = 2000
_BLOCK = 1 << 20


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the document says of itself, then what it carries, then what is broken."""
    yield from _head(file)
    try:
        reader = PdfReader(file, strict=False)
    except Exception as error:  # noqa: BLE001  (pypdf raises many kinds on broken files)
        yield _problem("the document cannot be opened", error)
        return
    for part in (_encryption, _information, _catalogue, _metadata, _attachments, _scripts):
        try:
            yield from part(reader)
        except _Locked:
            yield Inhibitor("encrypted")
            return
        except Exception as error:  # noqa: BLE001  (one broken part costs no other)
            yield _problem(part.__name__.strip("_"), error)


class _Locked(Exception):
    """The document asks for a password on opening."""


def _problem(what: str, error: Exception) -> Problem:
    return Problem(f"PDF, {what}: {type(error).__name__}: {error}"[:200])


def _text(name: str, value: object, where: str) -> Fact:
    text = str(value)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…[cut: {len(text)}]"
    return Fact(name, shown, shown, f"{VERSION} {where}")


def _head(file: BinaryIO) -> Iterator[Item]:
    """Yield version, and how often the document was written on: each time ends in startxref."""
    head = read_at(file, 0, 1024)
    version = re.search(rb"%PDF-([0-9]\.[0-9])", head)
    if version:
        yield _text("PDF:PDFVersion", version[1].decode(), "header")
        if version.start():
            yield Problem(f"{version.start()} bytes stand before the document", incomplete=False)
    size = size_of(file)
    linearized = b"/Linearized" in head
    length = re.search(rb"/L\s+([0-9]{1,12})", head)
    still = linearized and length is not None and int(length[1]) == size
    yield _text("PDF:Linearized", "Yes" if still else "No", "header")
    count, last, at, tail = 0, -1, 0, b""
    while at < size:
        block = read_at(file, at, _BLOCK)
        window = tail + block
        for match in re.finditer(rb"%%EOF", window):
            place = at - len(tail) + match.end()
            if place > last:
                count, last = count + 1, place
        tail = window[-5:]
        at += len(block)
    revisions = max(0, count - linearized)
    yield _text("PDF:RevisionCount", revisions, "%%EOF")
    if last >= 0 and size - last > 64:
        yield Problem(f"{size - last} bytes stand behind the end of the document", incomplete=False)
    if count == 0:
        yield Problem("no end of document (%%EOF): cut off, or not a whole PDF")


def _encryption(reader: PdfReader) -> Iterator[Item]:
    if not reader.is_encrypted:
        return
    encryption = plain(reader.trailer.get("/Encrypt"))
    if isinstance(encryption, DictionaryObject):
        handler, version, revision, bits = (
            plain(encryption.get(key, default))
            for key, default in (("/Filter", ""), ("/V", 0), ("/R", 0), ("/Length", 40))
        )
        bits = 256 if version == 5 else bits
        name = f"{str(handler).lstrip('/')} V{version}.{revision} ({bits}-bit)"
        yield _text("PDF:Encryption", name, "Encrypt")
        rights = plain(encryption.get("/P"))
        if isinstance(rights, int):
            yield _text("PDF:UserAccess", rights & 0x0F3C, "Encrypt")
    if not reader.decrypt(""):
        raise _Locked


def _information(reader: PdfReader) -> Iterator[Item]:
    information = plain(reader.trailer.get("/Info"))
    if not isinstance(information, DictionaryObject):
        return
    for key, raw in islice(information.items(), _MOST_KEYS):
        value = plain(raw)
        text = decoded(value)
        name = key.lstrip("/")
        tag = _NAMES.get(name) or re.sub(r"[^A-Za-z0-9_-]+", "", name[:1].upper() + name[1:])[:80]
        if not tag or not text.strip("\0 "):
            continue
        source = f"{VERSION} Info {name}"[:200]
        normal = times.pdf(text)
        if normal is not None and (tag.endswith("Date") or text.startswith("D:")):
            yield fact(f"PDF:{tag}", text[:_SHOWN], source, normal)
        else:
            doubt = "not a time" if tag in {"CreateDate", "ModifyDate"} else None
            shown = text[:_SHOWN]
            yield Fact(f"PDF:{tag}", shown.strip("\0 "), shown, source, None, doubt)


def _catalogue(reader: PdfReader) -> Iterator[Item]:
    root = catalogue(reader)
    pages = plain(root.get("/Pages"))
    count = plain(pages.get("/Count")) if isinstance(pages, DictionaryObject) else None
    if isinstance(count, int):
        yield _text("PDF:PageCount", count, "Pages")
    for key, tag in (
        ("/Lang", "Language"),
        ("/PageLayout", "PageLayout"),
        ("/PageMode", "PageMode"),
    ):
        value = plain(root.get(key))
        if value is not None:
            yield _text(f"PDF:{tag}", decoded(value).lstrip("/"), "Root")
    marks = plain(root.get("/MarkInfo"))
    if isinstance(marks, DictionaryObject):
        yield _text("PDF:TaggedPDF", "Yes" if plain(marks.get("/Marked")) else "No", "Root")
    identity = plain(reader.trailer.get("/ID"))
    if isinstance(identity, ArrayObject) and len(identity) == 2:
        first, second = (bytes_of(plain(one)).hex() for one in identity)
        yield _text("PDF:FileID", first, "trailer ID")
        if first != second:
            yield _text("PDF:ChangedFileID", second, "trailer ID")


def _metadata(reader: PdfReader) -> Iterator[Item]:
    stream = plain(catalogue(reader).get("/Metadata"))
    if isinstance(stream, StreamObject):
        yield from xmp_facts.facts(stream.get_data(), "PDF Metadata")


def _attachments(reader: PdfReader) -> Iterator[Item]:
    """Yield the files attached, with what the document states of them."""
    left = _MOST_ATTACHED
    for number, one in enumerate(pdfs.attachments(reader)):
        if number >= pdfs.MOST_ATTACHMENTS:
            yield Problem(f"more than {pdfs.MOST_ATTACHMENTS} attachments")
            return
        for item in _attachment(one, left):
            if isinstance(item, Member):
                left -= item.size
            yield item


def _attachment(one: Attachment, left: int) -> Iterator[Item]:
    modified = times.pdf(decoded(one.says("/ModDate") or ""))
    at = modified.value if modified else None
    declared = one.says("/Size")
    if left <= 0:
        yield Member(one.name, declared if isinstance(declared, int) else 0, at, None, ("unread",))
        return
    data = one.stream.get_data()
    flags = ("other-size",) if isinstance(declared, int) and declared != len(data) else ()
    yield Member(one.name, len(data), at, f"sha256:{sha256(data).hexdigest()}", flags)
    checksum = bytes_of(one.says("/CheckSum"))
    if len(checksum) == 16:
        holds = md5(data, usedforsecurity=False).digest() == checksum
        detail = f"the MD5 that the document states of its attachment {one.name[:80]!r}"
        word = "holds" if holds else "does not match: the attachment is not the one it was made of"
        yield Seal("pdf-attachment", "valid" if holds else "broken", f"{detail} {word}")


def _scripts(reader: PdfReader) -> Iterator[Item]:
    """Yield what acts by itself: scripts, programs started, places gone to on opening."""
    root = catalogue(reader)
    seen: dict[str, int] = {}
    names = plain(root.get("/Names"))
    if isinstance(names, DictionaryObject):
        for _ in leaves_of(plain(names.get("/JavaScript"))):
            seen["named JavaScript"] = seen.get("named JavaScript", 0) + 1
    holders: list[tuple[str, Any]] = [("the document", root)]
    holders += [("a page", page) for page in pages_of(reader)]
    holders += [("an annotation", annotation) for annotation in annotations_of(reader)]
    for where, holder in holders:
        actions = [plain(holder.get("/OpenAction")), plain(holder.get("/A"))]
        more = plain(holder.get("/AA"))
        if isinstance(more, DictionaryObject):
            actions += [plain(one) for one in islice(more.values(), 20)]
        for action in actions:
            kind = plain(action.get("/S")) if isinstance(action, DictionaryObject) else None
            if kind in {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR"}:
                word = f"{str(kind).lstrip('/')} of {where}"
                seen[word] = seen.get(word, 0) + 1
            elif kind == "/URI":
                yield from _link(action)
    for word, count in sorted(seen.items()):
        tag = "JavaScript" if "JavaScript" in word else "Action"
        yield _text(f"PDF:{tag}", f"{word} ({count})", "actions")


def _link(action: DictionaryObject) -> Iterator[Fact]:
    text = decoded(plain(action.get("/URI")))[:_SHOWN]
    if text:
        yield fact("PDF:LinkURL", text, f"{VERSION} URI", identifiers.url(text))
