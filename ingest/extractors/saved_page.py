"""Pages a browser saved: MHTML, SingleFile and "saved from" HTML: address, time, tool, parts."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, times
from ingest.normalise.identifiers import url
from ingest.readers import mhtmls
from ingest.readers.listing import digested
from ingest.readers.members import Budget, Exhausted, Unreadable

NAME = "saved_page"
VERSION = "saved page reader 2"
FORMATS = frozenset({"mhtml", "saved-html"})
MOST_HEAD = 65_536
_MARK = re.compile(rb"<!--\s*(?:Page saved with SingleFile|saved from url=\(\d{1,6}\))")
_SINGLE = re.compile(
    rb"<!--\s*Page saved with SingleFile\s*(?:\r?\n\s*)?url:\s*(\S+)\s*"
    rb"saved date:\s*([^\r\n]{1,200}?)\s*(?:\r?\n(.*?))?-->", re.S,
)  # fmt: skip
_FROM = re.compile(rb"<!--\s*saved from url=\(\d{1,6}\)(\S{1,2000})\s*-->")
_TITLE = re.compile(rb"<title[^>]*>(.{0,2000}?)</title>", re.S | re.I)
_SCRIPT_DATE = re.compile(r"(\w{3} \w{3} \d{2} \d{4} \d{2}:\d{2}:\d{2}) GMT([+-]\d{4})")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


CONTAINERS = {
    "mhtml": lambda peek: mhtmls.begins(peek.head),
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
    headers = mhtmls.fields(head)
    names = {
        "snapshot-content-location": "URL", "subject": "Title", "date": "Saved", "from": "Tool",
        "x-mimeole": "Tool", "content-location": "URL",
    }  # fmt: skip
    for key, name in names.items():
        value = headers.get(key, "")
        if value:
            normal = {"URL": url, "Saved": times.mail}.get(name, lambda _: None)(value)
            yield fact(f"SavedPage:{name}", value[:2000], f"{VERSION} {key}", normal)
    mark = mhtmls.boundary(headers)
    if mark is None:
        yield Problem("no boundary between the parts")
        return
    budget = Budget()
    frames: list[str] = []
    count = 0
    try:
        for part in mhtmls.parts(file, mark, budget):
            count += 1
            if part.headers.get("content-type", "").startswith("text/html"):
                frames.append(part.headers.get("content-location", ""))
            yield from digested(mhtmls.member(file, part), budget)
    except (Exhausted, Unreadable) as error:
        yield Problem(f"not all parts were read: {error}")
    yield Fact("SavedPage:Parts", str(count), str(count), VERSION)
    for page in frames[1:200]:
        if page:
            yield fact("SavedPage:Frame", page[:2000], f"{VERSION} Content-Location", url(page))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
