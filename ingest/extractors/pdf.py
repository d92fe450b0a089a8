"""PDF: who made it with what and when, XMP, attachments, scripts, encryption, later revisions.

Pages are not drawn and their text is not read here. A password that only restricts printing or
copying keeps nothing from being read; one that is asked for on opening is an inhibitor. Signatures
have an extractor of their own.
"""

import logging
import re
from collections.abc import Iterator
from hashlib import md5, sha256
from itertools import islice
from typing import Any, BinaryIO

import pypdf
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from ingest.extraction import Fact, Found, Inhibitor, Item, Member, Problem, Seal
from ingest.normalise import fact, identifiers, times
from ingest.readers import xmp_facts
from ingest.readers.blocks import read_at, size_of

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
_MOST_ATTACHMENTS = 1_000
_MOST_ATTACHED = 64 << 20  # bytes read out of attachments
_MOST_PAGES = 500  # looked through for scripts and attachments
_MOST_NODES = 5_000  # of a tree of names
_SHOWN = 2000
_BLOCK = 1 << 20

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # hostile text stays out of logs


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
    encryption = _plain(reader.trailer.get("/Encrypt"))
    if isinstance(encryption, DictionaryObject):
        handler, version, revision, bits = (
            _plain(encryption.get(key, default))
            for key, default in (("/Filter", ""), ("/V", 0), ("/R", 0), ("/Length", 40))
        )
        bits = 256 if version == 5 else bits
        name = f"{str(handler).lstrip('/')} V{version}.{revision} ({bits}-bit)"
        yield _text("PDF:Encryption", name, "Encrypt")
        rights = _plain(encryption.get("/P"))
        if isinstance(rights, int):
            yield _text("PDF:UserAccess", rights & 0x0F3C, "Encrypt")
    if not reader.decrypt(""):
        raise _Locked


def _information(reader: PdfReader) -> Iterator[Item]:
    information = _plain(reader.trailer.get("/Info"))
    if not isinstance(information, DictionaryObject):
        return
    for key, raw in islice(information.items(), _MOST_KEYS):
        value = _plain(raw)
        text = _decoded(value)
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
    root = _root(reader)
    pages = _plain(root.get("/Pages"))
    count = _plain(pages.get("/Count")) if isinstance(pages, DictionaryObject) else None
    if isinstance(count, int):
        yield _text("PDF:PageCount", count, "Pages")
    for key, tag in (
        ("/Lang", "Language"),
        ("/PageLayout", "PageLayout"),
        ("/PageMode", "PageMode"),
    ):
        value = _plain(root.get(key))
        if value is not None:
            yield _text(f"PDF:{tag}", _decoded(value).lstrip("/"), "Root")
    marks = _plain(root.get("/MarkInfo"))
    if isinstance(marks, DictionaryObject):
        yield _text("PDF:TaggedPDF", "Yes" if _plain(marks.get("/Marked")) else "No", "Root")
    identity = _plain(reader.trailer.get("/ID"))
    if isinstance(identity, ArrayObject) and len(identity) == 2:
        first, second = (_bytes(_plain(one)).hex() for one in identity)
        yield _text("PDF:FileID", first, "trailer ID")
        if first != second:
            yield _text("PDF:ChangedFileID", second, "trailer ID")


def _metadata(reader: PdfReader) -> Iterator[Item]:
    stream = _plain(_root(reader).get("/Metadata"))
    if isinstance(stream, StreamObject):
        yield from xmp_facts.facts(stream.get_data(), "PDF Metadata")


def _attachments(reader: PdfReader) -> Iterator[Item]:
    """Yield the files attached: to the document, and to places on its first pages."""
    names = _plain(_root(reader).get("/Names"))
    tree = _plain(names.get("/EmbeddedFiles")) if isinstance(names, DictionaryObject) else None
    described = [value for _, value in _leaves(tree)]
    described += [
        _plain(one.get("/FS"))
        for one in _annotations(reader)
        if one.get("/Subtype") == "/FileAttachment"
    ]
    left = _MOST_ATTACHED
    for number, one in enumerate(described):
        if number >= _MOST_ATTACHMENTS:
            yield Problem(f"more than {_MOST_ATTACHMENTS} attachments")
            return
        if isinstance(one, DictionaryObject):
            for item in _attachment(one, left):
                if isinstance(item, Member):
                    left -= item.size
                yield item


def _attachment(described: DictionaryObject, left: int) -> Iterator[Item]:
    name = _decoded(_plain(described.get("/UF") or described.get("/F") or "")) or "unnamed"
    files = _plain(described.get("/EF"))
    stream = (
        _plain(files.get("/F") or files.get("/UF")) if isinstance(files, DictionaryObject) else None
    )
    if not isinstance(stream, StreamObject):
        return
    params = _plain(stream.get("/Params"))
    params = params if isinstance(params, DictionaryObject) else DictionaryObject()
    modified = times.pdf(_decoded(_plain(params.get("/ModDate") or "")))
    at = modified.value if modified else None
    declared = _plain(params.get("/Size"))
    if left <= 0:
        yield Member(
            name[:_SHOWN], declared if isinstance(declared, int) else 0, at, None, ("unread",)
        )
        return
    data = stream.get_data()
    flags = ("other-size",) if isinstance(declared, int) and declared != len(data) else ()
    yield Member(name[:_SHOWN], len(data), at, f"sha256:{sha256(data).hexdigest()}", flags)
    checksum = _bytes(_plain(params.get("/CheckSum")))
    if len(checksum) == 16:
        holds = md5(data, usedforsecurity=False).digest() == checksum
        detail = f"the MD5 that the document states of its attachment {name[:80]!r}"
        word = "holds" if holds else "does not match: the attachment is not the one it was made of"
        yield Seal("pdf-attachment", "valid" if holds else "broken", f"{detail} {word}")


def _scripts(reader: PdfReader) -> Iterator[Item]:
    """Yield what acts by itself: scripts, programs started, places gone to on opening."""
    root = _root(reader)
    seen: dict[str, int] = {}
    names = _plain(root.get("/Names"))
    if isinstance(names, DictionaryObject):
        for _ in _leaves(_plain(names.get("/JavaScript"))):
            seen["named JavaScript"] = seen.get("named JavaScript", 0) + 1
    holders: list[tuple[str, Any]] = [("the document", root)]
    holders += [("a page", page) for page in _pages(reader)]
    holders += [("an annotation", annotation) for annotation in _annotations(reader)]
    for where, holder in holders:
        actions = [_plain(holder.get("/OpenAction")), _plain(holder.get("/A"))]
        more = _plain(holder.get("/AA"))
        if isinstance(more, DictionaryObject):
            actions += [_plain(one) for one in islice(more.values(), 20)]
        for action in actions:
            kind = _plain(action.get("/S")) if isinstance(action, DictionaryObject) else None
            if kind in {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR"}:
                word = f"{str(kind).lstrip('/')} of {where}"
                seen[word] = seen.get(word, 0) + 1
            elif kind == "/URI":
                yield from _link(action)
    for word, count in sorted(seen.items()):
        tag = "JavaScript" if "JavaScript" in word else "Action"
        yield _text(f"PDF:{tag}", f"{word} ({count})", "actions")


def _link(action: DictionaryObject) -> Iterator[Fact]:
    text = _decoded(_plain(action.get("/URI")))[:_SHOWN]
    if text:
        yield fact("PDF:LinkURL", text, f"{VERSION} URI", identifiers.url(text))


def _pages(reader: PdfReader) -> Iterator[DictionaryObject]:
    """Yield the first pages: the tree walked by hand, so that a loop in it ends."""
    waiting = [_root(reader).get("/Pages")]
    seen: set[int] = set()
    count = 0
    while waiting and count < _MOST_PAGES and len(seen) < _MOST_NODES:
        reference = waiting.pop(0)
        if isinstance(reference, IndirectObject):
            if reference.idnum in seen:
                continue
            seen.add(reference.idnum)
        node = _plain(reference)
        if not isinstance(node, DictionaryObject):
            continue
        kids = _plain(node.get("/Kids"))
        if isinstance(kids, ArrayObject):
            waiting[:0] = list(kids)[:_MOST_NODES]
        else:
            count += 1
            yield node


def _annotations(reader: PdfReader) -> Iterator[DictionaryObject]:
    for page in _pages(reader):
        annotations = _plain(page.get("/Annots"))
        if isinstance(annotations, ArrayObject):
            for one in islice(annotations, _MOST_ATTACHMENTS):
                annotation = _plain(one)
                if isinstance(annotation, DictionaryObject):
                    yield annotation


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a tree of names; a loop in it ends."""
    waiting, seen = [tree], 0
    while waiting and seen < _MOST_NODES:
        node = _plain(waiting.pop(0))
        seen += 1
        if not isinstance(node, DictionaryObject):
            continue
        kids, names = _plain(node.get("/Kids")), _plain(node.get("/Names"))
        if isinstance(kids, ArrayObject):
            waiting += list(kids)[:_MOST_NODES]
        if isinstance(names, ArrayObject):
            for n in range(0, min(len(names), 2 * _MOST_ATTACHMENTS) - 1, 2):
                yield _decoded(_plain(names[n])), _plain(names[n + 1])


def _root(reader: PdfReader) -> DictionaryObject:
    root = _plain(reader.trailer.get("/Root"))
    return root if isinstance(root, DictionaryObject) else DictionaryObject()


def _plain(value: Any) -> Any:
    """Return what a reference points to; pypdf's own null is None."""
    if isinstance(value, IndirectObject):
        value = value.get_object()
    return None if type(value).__name__ == "NullObject" else value


def _decoded(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return "" if value is None else str(value)


def _bytes(value: Any) -> bytes:
    original = getattr(value, "original_bytes", None)
    if isinstance(original, bytes):
        return original
    return value if isinstance(value, bytes) else b""
