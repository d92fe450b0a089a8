"""Office documents that are archives: OOXML, ODF, EPUB: who, when, with what, macros, links.

Text and formulas are not read. Signatures of these formats (XML-DSig) are named and not checked.
Macros are said to be there and never looked into.
"""

import base64
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from ingest.extraction import Fact, Found, Inhibitor, Item, Member, Problem, Seal
from ingest.normalise import fact, identifiers, times
from ingest.readers import xmls, zips
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable

NAME = "office"
VERSION = "office reader 1"
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_OFFICE = "office-archive"
FORMATS = frozenset(
    {
        _OFFICE, "application/epub+zip",
        *(f"{_OOXML}{kind}" for kind in (
            "wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation",
        )),
        *(f"{_ODF}{kind}" for kind in (
            "text", "spreadsheet", "presentation", "graphics", "text-master", "text-template",
        )),
    }
)  # fmt: skip
# libmagic calls a document whose parts stand in an unusual order a plain zip.
CONTAINERS = {
    _OFFICE: lambda peek: (
        peek.has("[Content_Types].xml") or peek.has("META-INF/manifest.xml", "content.xml")
    )
}
# A document of our own: an author and a time.
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIQDmuHRrXAAAAGIAAAATAAAAW0NvbnRlbnRfVHlwZXNdLnhtbBXMTQqAIBBA4auE+xxr0SJKL9EF"
    "RKYfylGcIer22fLxwZvcE6/mxsJHoll12ihnp+XNyE0V4lntInkE4LBj9KxTRqqyphK91CwbZB9OvyH0xgwQEgmStPI/"
    "FNgPUEsDBBQAAAAIAAAAIQA13cuDSwAAAFUAAAALAAAAX3JlbHMvLnJlbHOzCUrNSSzJzM8rzsgsKFaoyM3JK7ZVyigp"
    "KbDS1y9OzkjNTSzWyy9IzQPKpOUX5SaWALlF6foFicnZiemp+kYGBmb6RchmKOnbAQBQSwMEFAAAAAgAAAAhAAGacRuq"
    "AAAAJwEAABEAAABkb2NQcm9wcy9jb3JlLnhtbG2QSw7CMAxEr4K6b+1WwCIKPQMSrNhFjvmIpokcI3F8WqgKCJaeefMW"
    "tpQMReGtxMSiF86Le+j6bChtirNqMgCZzhxcrgaiH8pjlOB0OOUEydHVnRgaxDUEVuedOhiFZZqNxaT0NCvTTbqnwBNw"
    "x4F7zVBXNbxZZQn57+DZQNFaT4aEnUZpdzFw7NnCR2YnyStg3zbYYIl1iat9vTK4NIiHcfFNWfj5SfsAUEsBAhQDFAAA"
    "AAgAAAAhAOa4dGtcAAAAYgAAABMAAAAAAAAAAAAAAIABAAAAAFtDb250ZW50X1R5cGVzXS54bWxQSwECFAMUAAAACAAA"
    "ACEANd3Lg0sAAABVAAAACwAAAAAAAAAAAAAAgAGNAAAAX3JlbHMvLnJlbHNQSwECFAMUAAAACAAAACEAAZpxG6oAAAAn"
    "AQAAEQAAAAAAAAAAAAAAgAEBAQAAZG9jUHJvcHMvY29yZS54bWxQSwUGAAAAAAMAAwC5AAAA2gEAAAAA"
)

# What core.xml and app.xml hold, by the local name of the element.
_CORE = {
    "creator": "XMP-dc:Creator", "title": "XMP-dc:Title", "subject": "XMP-dc:Subject",
    "description": "XMP-dc:Description", "language": "XMP-dc:Language",
    "identifier": "XMP-dc:Identifier", "keywords": "XML:Keywords", "category": "XML:Category",
    "lastModifiedBy": "XML:LastModifiedBy", "revision": "XML:RevisionNumber",
    "created": "XML:CreateDate", "modified": "XML:ModifyDate", "lastPrinted": "XML:LastPrinted",
    "contentStatus": "XML:ContentStatus", "version": "XML:Version",
}  # fmt: skip
_APP = {
    "Template": "Template", "TotalTime": "TotalEditTime", "Pages": "Pages", "Words": "Words",
    "Characters": "Characters", "Application": "Application", "DocSecurity": "DocSecurity",
    "Company": "Company", "Manager": "Manager", "AppVersion": "AppVersion", "Lines": "Lines",
    "Paragraphs": "Paragraphs", "Slides": "Slides", "Notes": "Notes", "HyperlinkBase":
    "HyperlinkBase", "CharactersWithSpaces": "CharactersWithSpaces", "PresentationFormat":
    "PresentationFormat", "SharedDoc": "SharedDoc",
}  # fmt: skip
_META = {
    "creator": "XMP-dc:Creator", "date": "XMP-dc:Date", "title": "XMP-dc:Title",
    "subject": "XMP-dc:Subject", "description": "XMP-dc:Description", "language":
    "XMP-dc:Language", "generator": "XMP-meta:Generator", "initial-creator":
    "XMP-meta:Initial-creator", "creation-date": "XMP-meta:Creation-date", "printed-by":
    "XMP-meta:Printed-by", "print-date": "XMP-meta:Print-date", "editing-cycles":
    "XMP-meta:Editing-cycles", "editing-duration": "XMP-meta:Editing-duration", "keyword":
    "XMP-meta:Keyword",
}  # fmt: skip
_TIMES = frozenset(
    {"XML:CreateDate", "XML:ModifyDate", "XML:LastPrinted", "XMP-dc:Date", "XML-dc:Date",
     "XMP-meta:Creation-date", "XMP-meta:Print-date"}
)  # fmt: skip
_PARTS = re.compile(
    r"docProps/(?:core|app|custom)\.xml|meta\.xml|META-INF/manifest\.xml|.*\.opf|.*\.rels|"
    r"(?:word|xl|ppt)/(?:comments|people|persons/person|commentAuthors)[^/]*\.xml"
)
_CARRIED = re.compile(r"(?:word|xl|ppt)/(?:media|embeddings)/.*|Pictures/.*|Object [0-9]+.*")
_MOST_PART = 8 << 20  # bytes of one part of XML
_MOST_CARRIED = 500  # pictures and embedded files
_MOST_LINKS = 500
_SHOWN = 2000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the document says of itself, then what it carries and where it points."""
    budget = Budget()
    document = _Document(budget)
    try:
        archive = zips.read_zip(file, budget)
        for problem in archive.problems:
            yield Problem(f"archive: {problem}")
        for entry in archive.entries:
            yield from document.entry(entry)
    except Exhausted as error:
        yield Problem(f"office document: {error}")
    yield from document.end()


class _Document:
    """What has been seen of one document."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._carried = self._links = 0
        self._encrypted = False

    def entry(self, entry: Entry) -> Iterator[Item]:
        path = entry.path
        if entry.encrypted and not self._encrypted:
            self._encrypted = True
            yield Inhibitor("encrypted")
        if path.endswith(("vbaProject.bin", "Basic/script-lc.xml")):
            yield _text("XML:Macros", path, path)
        if path.startswith("_xmlsignatures/sig") or path == "META-INF/documentsignatures.xml":
            yield Seal("xml-signature", "not-checked", f"{path}: signatures of this form are not")
        if _PARTS.fullmatch(path):
            try:
                yield from self._part(path, self._nodes(entry))
            except Unreadable as error:
                yield Problem(f"{path}: {error}"[:200])
        elif _CARRIED.fullmatch(path) and entry.kind == "file":
            yield from self._carry(entry)

    def end(self) -> Iterator[Item]:
        if self._carried > _MOST_CARRIED:
            yield Problem(f"more than {_MOST_CARRIED} pictures and embedded files")
        if self._links > _MOST_LINKS:
            yield Problem(f"more than {_MOST_LINKS} links")

    def _nodes(self, entry: Entry) -> Iterator[xmls.Node]:
        if entry.read is None:
            raise Unreadable("cannot be read")
        return xmls.nodes(self._bounded(entry), self._budget)

    def _bounded(self, entry: Entry) -> Iterator[bytes]:
        assert entry.read is not None
        left = _MOST_PART
        for block in entry.read():
            left -= len(block)
            if left < 0:
                raise Unreadable(f"more than {_MOST_PART} bytes")
            yield block

    def _carry(self, entry: Entry) -> Iterator[Item]:
        self._carried += 1
        if self._carried > _MOST_CARRIED:
            return
        digest, size = None, entry.size
        flags = entry.flags
        if entry.read is not None:
            try:
                hasher, size = sha256(), 0
                for block in entry.read():
                    hasher.update(block)
                    size += len(block)
                    self._budget.spend(len(block))
                digest = f"sha256:{hasher.hexdigest()}"
            except Unreadable as error:
                yield Problem(f"{entry.path}: {error}"[:200])
                flags = (*flags, "unread")
        yield Member(entry.path, size, entry.modified_at, digest, flags)

    def _part(self, path: str, nodes: Iterator[xmls.Node]) -> Iterator[Item]:
        if path.endswith(".rels"):
            yield from self._relations(path, nodes)
        elif path == "META-INF/manifest.xml":
            yield from self._manifest(nodes)
        elif path == "docProps/custom.xml":
            yield from _custom(nodes)
        elif path.endswith(("core.xml", "meta.xml", ".opf", "app.xml")):
            yield from _properties(path, nodes)
        else:
            yield from _people(path, nodes)

    def _relations(self, path: str, nodes: Iterator[xmls.Node]) -> Iterator[Item]:
        """Yield where a part points outside: links, pictures and templates that are fetched."""
        for node in nodes:
            if node.text is not None or node.attributes.get("TargetMode") != "External":
                continue
            self._links += 1
            if self._links > _MOST_LINKS:
                return
            target = node.attributes.get("Target", "")[:_SHOWN]
            kind = node.attributes.get("Type", "").rpartition("/")[2]
            tag = "LinkURL" if kind == "hyperlink" else "ExternalTarget"
            source = f"{VERSION} {path} {kind}"[:200]
            yield fact(f"XML:{tag}", target, source, identifiers.url(target))

    def _manifest(self, nodes: Iterator[xmls.Node]) -> Iterator[Item]:
        for node in nodes:
            if node.name == "encryption-data" and not self._encrypted:
                self._encrypted = True
                yield Inhibitor("encrypted")


def _properties(path: str, nodes: Iterator[xmls.Node]) -> Iterator[Fact]:
    names = _CORE if path.endswith("core.xml") else _META
    epub = path.endswith(".opf")
    for node in nodes:
        if node.text is None:
            if node.name == "document-statistic":
                for key, value in node.attributes.items():
                    tag = key.rpartition(" ")[2].capitalize()
                    yield _text(f"XMP-meta:Document-statistic{tag}"[:80], value, path)
            continue
        text = node.text.strip()
        if not text or (epub and "metadata" not in node.path):
            continue
        if path.endswith("app.xml"):
            if node.name in _APP:
                yield _text(f"XML:{_APP[node.name]}", text, path)
        elif epub:
            tag = re.sub("[^A-Za-z0-9_-]", "", node.name[:1].upper() + node.name[1:])[:60]
            if tag and node.name != "meta":
                yield _said(f"XML-dc:{tag}", text, path)
        elif node.name == "user-defined":
            key = node.attributes.get("urn:oasis:names:tc:opendocument:xmlns:meta:1.0 name", "")
            yield _text("XMP-meta:User-defined", f"{key}: {text}", path)
        elif node.name in names:
            yield _said(names[node.name], text, path)


def _custom(nodes: Iterator[xmls.Node]) -> Iterator[Fact]:
    """Yield the properties that a person or a program added: name and value."""
    name = ""
    for node in nodes:
        if node.name == "property" and node.text is None:
            name = node.attributes.get("name", "")
        elif node.text is not None and node.text.strip() and "property" in node.path[:-1]:
            tag = re.sub("[^A-Za-z0-9_-]+", "", name.title())[:80] or "Unnamed"
            yield _text(f"XML:{tag}", node.text.strip(), f"docProps/custom.xml {name[:80]}")


def _people(path: str, nodes: Iterator[xmls.Node]) -> Iterator[Fact]:
    """Yield who wrote comments, and when: names once, the first and the last time."""
    seen: dict[str, list[str]] = {}
    for node in nodes:
        if node.text is not None:
            continue
        plain = {key.rpartition(" ")[2]: value for key, value in node.attributes.items()}
        who = plain.get("author") or plain.get("displayName") or plain.get("name") or ""
        if node.name in {"comment", "person", "cmAuthor"} and who and len(seen) < 200:
            moments = seen.setdefault(who[:200], [])
            if plain.get("date"):
                moments[1:] = [plain["date"][:40]] if moments else []
                moments[:0] = [] if moments else [plain["date"][:40]]
    for who, moments in seen.items():
        yield fact("XML:CommentAuthor", who, f"{VERSION} {path}", identifiers.person(who))
        for moment in moments:
            source = f"{VERSION} {path} by {who}"[:200]
            yield fact("XML:CommentDate", moment, source, times.iso(moment))


def _said(name: str, text: str, path: str) -> Fact:
    if name in _TIMES:
        return fact(name, text[:_SHOWN], f"{VERSION} {path}", times.iso(text))
    return _text(name, text, path)


def _text(name: str, text: str, where: str) -> Fact:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…[cut: {len(text)}]"
    return Fact(name, shown, shown, f"{VERSION} {where}"[:200])
