"""The trees of a PDF walked by hand, so that a loop in one ends; what is attached to it.

For the extractor, and for whoever takes an attachment out. pypdf resolves references and unpacks.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from ingest.readers.members import Entry, Unreadable

MOST_ATTACHMENTS = 1_000
_MOST_NAME = 2000
_MOST_PAGES = 500  # looked through for scripts and attachments
_MOST_NODES = 5_000  # of a tree of names

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # hostile text stays out of logs


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached file: its name, and the stream that holds it with what it says of itself."""

    name: str
    stream: StreamObject

    def says(self, key: str) -> Any:
        """Return what the stream's own parameters say: /ModDate, /Size, /CheckSum."""
        params = plain(self.stream.get("/Params"))
        return plain(params.get(key)) if isinstance(params, DictionaryObject) else None


def attachments(reader: PdfReader) -> Iterator[Attachment]:
    """Yield the files attached: to the document, and to places on its first pages.

    One more than `MOST_ATTACHMENTS` at most. May raise whatever pypdf raises on broken files.
    """
    names = plain(catalogue(reader).get("/Names"))
    tree = plain(names.get("/EmbeddedFiles")) if isinstance(names, DictionaryObject) else None
    described = [value for _, value in leaves_of(tree)]
    described += [
        plain(one.get("/FS"))
        for one in annotations_of(reader)
        if one.get("/Subtype") == "/FileAttachment"
    ]
    for one in described[: MOST_ATTACHMENTS + 1]:
        files = plain(one.get("/EF")) if isinstance(one, DictionaryObject) else None
        if not isinstance(files, DictionaryObject):
            continue
        stream = plain(files.get("/F") or files.get("/UF"))
        if isinstance(stream, StreamObject):
            name = decoded(plain(one.get("/UF") or one.get("/F") or "")) or "unnamed"
            yield Attachment(name[:_MOST_NAME], stream)


def members(file: BinaryIO) -> Iterator[Entry]:
    """Yield what is attached as members.

    Raises:
        Unreadable: the document cannot be opened, asks for a password, or breaks off here.
    """
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("the document asks for a password")
        for one in attachments(reader):
            yield Entry(one.name, 0, read=partial(_content, one))
    except Unreadable:
        raise
    except Exception as error:  # (pypdf raises many kinds on broken files)
        raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from error


def _content(one: Attachment) -> Iterator[bytes]:
    try:
        yield one.stream.get_data()
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from error


def pages_of(reader: PdfReader) -> Iterator[DictionaryObject]:
    """Yield the first pages: the tree walked by hand, so that a loop in it ends."""
    waiting = [catalogue(reader).get("/Pages")]
    seen: set[int] = set()
    count = 0
    while waiting and count < _MOST_PAGES and len(seen) < _MOST_NODES:
        reference = waiting.pop(0)
        if isinstance(reference, IndirectObject):
            if reference.idnum in seen:
                continue
            seen.add(reference.idnum)
        node = plain(reference)
        if not isinstance(node, DictionaryObject):
            continue
        kids = plain(node.get("/Kids"))
        if isinstance(kids, ArrayObject):
            waiting[:0] = list(kids)[:_MOST_NODES]
        else:
            count += 1
            yield node


def annotations_of(reader: PdfReader) -> Iterator[DictionaryObject]:
    """Yield what lies on the first pages: links, marks, attached files."""
    for page in pages_of(reader):
        found = plain(page.get("/Annots"))
        if isinstance(found, ArrayObject):
            for one in islice(found, MOST_ATTACHMENTS):
                annotation = plain(one)
                if isinstance(annotation, DictionaryObject):
                    yield annotation


def leaves_of(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a tree of names; a loop in it ends."""
    waiting, seen = [tree], 0
    while waiting and seen < _MOST_NODES:
        node = plain(waiting.pop(0))
        seen += 1
        if not isinstance(node, DictionaryObject):
            continue
        kids, names = plain(node.get("/Kids")), plain(node.get("/Names"))
        if isinstance(kids, ArrayObject):
            waiting += list(kids)[:_MOST_NODES]
        if isinstance(names, ArrayObject):
            for n in range(0, min(len(names), 2 * MOST_ATTACHMENTS) - 1, 2):
                yield decoded(plain(names[n])), plain(names[n + 1])


def catalogue(reader: PdfReader) -> DictionaryObject:
    """Return the document's own entry, which everything hangs on; an empty one if it has none."""
    root = plain(reader.trailer.get("/Root"))
    return root if isinstance(root, DictionaryObject) else DictionaryObject()


def plain(value: Any) -> Any:
    """Return what a reference points to; pypdf's own null is None."""
    if isinstance(value, IndirectObject):
        value = value.get_object()
    return None if type(value).__name__ == "NullObject" else value


def decoded(value: Any) -> str:
    """Return a text as text, in whichever way it is written."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return "" if value is None else str(value)


def bytes_of(value: Any) -> bytes:
    """Return a text's bytes as they stand."""
    original = getattr(value, "original_bytes", None)
    if isinstance(original, bytes):
        return original
    return value if isinstance(value, bytes) else b""
