"""Text for the index: of plain text, HTML, mail and office documents; words alone, no layout.

What is encoded in another way than it declares is not guessed at: it stays out, and that is said.
"""

import codecs
import re
from collections.abc import Iterator
from email import message_from_binary_file, policy
from html.parser import HTMLParser
from typing import BinaryIO

from ingest.extraction import Derivative, Found, Item, Limits, Problem
from ingest.readers import xmls, zips
from ingest.readers.members import Budget, Exhausted, Unreadable

NAME = "text"
VERSION = "text reader 2"
_PLAIN = frozenset({"text/plain", "text/csv", "application/json", "application/x-ndjson"})
_MARKED = frozenset({"text/html", "application/xhtml+xml"})
_MAIL = frozenset({"message/rfc822"})
_OFFICE = frozenset({"office-archive"})
FORMATS = _PLAIN | _MARKED | _MAIL | _OFFICE
LIMITS = Limits()  # in a process of its own: what it reads may be long
SAMPLE = "Bridge 47, східний берег, الضفة الشرقية\n".encode()

MOST = 4 << 20  # bytes of text kept of one file
_PARTS = re.compile(
    r"word/(document|header[0-9]*|footer[0-9]*|footnotes|endnotes|comments)\.xml"
    r"|xl/sharedStrings\.xml|ppt/(slides|notesSlides)/[A-Za-z]+[0-9]+\.xml|content\.xml"
)
_UNSEEN = frozenset({"script", "style", "noscript", "template"})
_BLOCKS = frozenset(
    {"p", "br", "div", "li", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "title"}
)
_STATED = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w-]{1,40})""", re.I
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the text as one derivative, and what of it was left out."""
    names = found.format.names
    kept = _Kept()
    try:
        if not _OFFICE.isdisjoint(names):
            _office(file, kept)
        elif not _MAIL.isdisjoint(names):
            _mail(file, kept)
        elif not _MARKED.isdisjoint(names):
            page = file.read(MOST + 1)
            stated = _STATED.search(page, 0, 1024)  # where browsers look for it
            _marked(kept.decoded(page, stated[1].decode() if stated else "utf-8"), kept)
        else:
            kept.add(kept.decoded(file.read(MOST + 1)))
    except (Unreadable, Exhausted) as error:
        yield Problem(f"text: {error}")
    text = re.sub(r"[ \t\r\f\v]+", " ", re.sub(r"\s*\n\s*", "\n", "".join(kept.texts))).strip()
    data = text.encode("utf-8", "replace")
    if data:
        yield Derivative.of("text", "text/plain", data[:MOST])
    if len(data) > MOST or kept.full:
        yield Problem(f"text: only the first {MOST} bytes are for the index", incomplete=False)
    if kept.undecoded:
        yield Problem("text: not in the encoding it declares, or none; letters were left out")


class _Kept:
    """Texts as they are found, up to the bound."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.full = False
        self.undecoded = False
        self._length = 0

    def add(self, text: str) -> None:
        """Keep a text, as far as there is room."""
        room = MOST - self._length
        self.full = self.full or len(text) > room
        self.texts.append(text[:room])
        self._length += len(text)

    def decoded(self, data: bytes, charset: str = "utf-8") -> str:
        """Return bytes as text; what does not decode is left out, and noted."""
        for mark, encoding in _BOMS:
            if data.startswith(mark):
                charset = encoding
        if len(data) > MOST:  # a letter may be cut in two
            self.full = True
            data = data[: MOST - 4]
        try:
            b"-".decode(charset, "ignore")  # refuses what Python has beside encodings of text: zlib
            decoder = codecs.getincrementaldecoder(charset)("strict")
            return decoder.decode(data)
        except (ValueError, LookupError):
            self.undecoded = True
            return data.decode("ascii", "ignore")


class _Words(HTMLParser):
    """Takes the words out of HTML."""

    def __init__(self, kept: _Kept) -> None:
        super().__init__(convert_charrefs=True)
        self._kept = kept
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note what hides or ends a line."""
        self._hidden += tag in _UNSEEN
        if tag in _BLOCKS:
            self._kept.add("\n")

    def handle_endtag(self, tag: str) -> None:
        """Note what no longer hides."""
        if tag in _UNSEEN:
            self._hidden = max(0, self._hidden - 1)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over `<![…`, as browsers do: what is no section of SGML ends the parser."""
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else len(self.rawdata)

    def handle_data(self, data: str) -> None:
        """Keep words that are seen."""
        if not self._hidden:
            self._kept.add(data)


def _marked(text: str, kept: _Kept) -> None:
    words = _Words(kept)
    words.feed(text)
    words.close()


def _mail(file: BinaryIO, kept: _Kept) -> None:
    message = message_from_binary_file(file, policy=policy.compat32)
    for part in message.walk():
        kind = part.get_content_type()
        if kind not in {"text/plain", "text/html"} or part.get_filename():
            continue
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            continue
        text = kept.decoded(data, str(part.get_content_charset() or "utf-8"))
        kept.add("\n")
        if kind == "text/html":
            _marked(text, kept)
        else:
            kept.add(text)


def _office(file: BinaryIO, kept: _Kept) -> None:
    budget = Budget()
    for entry in zips.read_zip(file, budget).entries:
        if not _PARTS.fullmatch(entry.path) or entry.read is None or kept.full:
            continue
        for node in xmls.nodes(entry.read(), budget):
            if node.text:
                kept.add(node.text)
            if node.text is not None and node.name in {"p", "h", "si", "tr"}:
                kept.add("\n")
