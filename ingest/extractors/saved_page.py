"""Pages a browser saved: MHTML, SingleFile and "saved from" HTML: address, time, tool, parts."""

import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, times
from ingest.normalise.identifiers import url
from ingest.readers.members import Budget, Exhausted, read_at, size_of
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks

NAME = "saved_page"
VERSION = "saved page reader 1"
FORMATS = frozenset({"mhtml", "saved-html"})
MOST_HEAD = 65_536
MOST_PARTS = 5000
_MARK = re.compile(rb"<!--\s*(?:Page saved with SingleFile|saved from url=\(\d{1,6}\))")
_SINGLE = re.compile(
    rb"<!--\s*Page saved with SingleFile\s*(?:\r?\n\s*)?url:\s*(\S+)\s*"
    rb"saved date:\s*([^\r\n]{1,200}?)\s*(?:\r?\n(.*?))?-->", re.S,
)  # fmt: skip
_FROM = re.compile(rb"<!--\s*saved from url=\(\d{1,6}\)(\S{1,2000})\s*-->")
_TITLE = re.compile(rb"<title[^>]*>(.{0,2000}?)</title>", re.S | re.I)
_SCRIPT_DATE = re.compile(r"(\w{3} \w{3} \d{2} \d{4} \d{2}:\d{2}:\d{2}) GMT([+-]\d{4})")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _is_mhtml(peek: Peek) -> bool:
    head = peek.head[:8192]
    if b"Snapshot-Content-Location:" in head:
        return True
    return b"multipart/related" in head[:4096].lower() and b"mime-version" in head[:4096].lower()


CONTAINERS = {
    "mhtml": _is_mhtml,
    "saved-html": lambda peek: (
        b"saved" in peek.head[:8192] and _MARK.search(peek.head[:8192]) is not None
    ),
}
SAMPLE = (
    b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/a\r\n"
    b"Subject: =?utf-8?Q?=D0=9A=D1=80=D0=B8=D0=BD=D0=B8=D1=86=D1=8F?=\r\n"
    b"Date: Wed, 1 May 2024 10:30:00 +0300\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="----X"\r\n\r\n'
    b"------X\r\nContent-Type: text/html\r\nContent-Location: https://example.org/a\r\n\r\n<p>a\r\n"
    b"------X\r\nContent-Type: image/png\r\nContent-Location: https://example.org/i.png\r\n\r\nx\r\n"
    b"------X--\r\n"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield address, time, title and tool."""
    file.seek(0)
    head = file.read(MOST_HEAD)
    if "saved-html" in found.format.containers:
        yield from _html(head)
    else:
        yield from _mhtml(file, head)


def _html(head: bytes) -> Iterator[Item]:
    single, saved = _SINGLE.search(head), _FROM.search(head)
    if single:
        yield Fact("SavedPage:Tool", "SingleFile", "SingleFile", VERSION)
        address, when = _text(single[1]), _text(single[2])
        yield fact("SavedPage:URL", address, f"{VERSION} SingleFile url", url(address))
        yield fact("SavedPage:Saved", when, f"{VERSION} SingleFile saved date", _script_date(when))
        for line in _text(single[3] or b"").splitlines()[:20]:
            if line.strip():
                yield Fact(
                    "SavedPage:Note", line.strip()[:500], line[:500], f"{VERSION} SingleFile"
                )
    elif saved:
        address = _text(saved[1])
        yield fact("SavedPage:URL", address, f"{VERSION} saved from url", url(address))
    title = _TITLE.search(head)
    if title:
        text = " ".join(_text(title[1]).split())
        yield Fact("SavedPage:Title", text[:1000], text[:1000], f"{VERSION} title")


def _script_date(text: str) -> Normal | None:
    """Read a date as browsers' scripts print it: Wed May 01 2024 10:30:00 GMT+0300 (…)."""
    found = _SCRIPT_DATE.match(text)
    if not found:
        return times.iso(text) or times.mail(text)
    _, month, day, year, clock = found[1].split(" ")
    if month not in _MONTHS:
        return None
    zone = f"{found[2][:3]}:{found[2][3:]}"
    return times.iso(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}{zone}")


def _mhtml(file: BinaryIO, head: bytes) -> Iterator[Item]:
    fields = _fields(head)
    names = {
        "snapshot-content-location": "URL", "subject": "Title", "date": "Saved", "from": "Tool",
        "x-mimeole": "Tool", "content-location": "URL",
    }  # fmt: skip
    for key, name in names.items():
        value = fields.get(key, "")
        if value:
            normal = {"URL": url, "Saved": times.mail}.get(name, lambda _: None)(value)
            yield fact(f"SavedPage:{name}", value[:2000], f"{VERSION} {key}", normal)
    boundary = re.search(r'boundary="?([^";\r\n]{1,200})"?', fields.get("content-type", ""))
    if not boundary:
        yield Problem("no boundary between the parts")
        return
    try:
        yield from _parts(file, b"\n--" + boundary[1].encode("utf-8", "backslashreplace"))
    except Exhausted as error:
        yield Problem(f"not all parts were counted: {error}")


def _parts(file: BinaryIO, mark: bytes) -> Iterator[Item]:
    """Count the parts, and name those that are pages."""
    budget = Budget()
    count, closed = 0, False
    pages: list[str] = []
    for place in _places(file, mark, budget):
        after = read_at(file, place + len(mark), 4096)
        if after[:2] == b"--":
            closed = True
        elif count < MOST_PARTS:
            count += 1
            inner = _fields(after.lstrip(b"\r\n"))
            if inner.get("content-type", "").startswith("text/html"):
                pages.append(inner.get("content-location", ""))
    yield Fact("SavedPage:Parts", str(count), str(count), VERSION)
    for page in pages[1:200]:
        if page:
            yield fact("SavedPage:Frame", page[:2000], f"{VERSION} Content-Location", url(page))
    if not closed:
        yield Problem("the last part is cut off")


def _places(file: BinaryIO, mark: bytes, budget: Budget) -> Iterator[int]:
    """Yield where a mark stands, over the edges of blocks too."""
    at, rest = 0, b""
    for block in read_blocks(file, 0, size_of(file)):
        budget.spend(len(block))
        data = rest + block
        place = data.find(mark)
        while place >= 0:
            yield at - len(rest) + place
            place = data.find(mark, place + len(mark))
        rest = data[-(len(mark) - 1) :]
        at += len(block)


def _fields(head: bytes) -> dict[str, str]:
    """Return the header fields, folded lines joined, words decoded."""
    found: dict[str, str] = {}
    last = ""
    for line in head.split(b"\n")[:200]:
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        if not text:
            break
        if text[:1] in {" ", "\t"} and last:
            found[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if colon:
            last = name.strip().lower()
            found.setdefault(last, value.strip())
    return {name: _decoded(value) for name, value in found.items()}


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value[:4000])))
    except (ValueError, LookupError, UnicodeError):
        return value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
