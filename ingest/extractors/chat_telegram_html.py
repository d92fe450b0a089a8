"""Telegram's exports as pages: messages.html and those that follow it, alone or in an archive.

Telegram Desktop writes these unless it is asked for JSON. Messages are counted, senders given by
the names that are shown (the pages have no ids), times with the zone where the page states one.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import identifiers as ids
from ingest.normalise import times
from ingest.readers.containers import open_container
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.tallies import Tally

NAME = "chat_telegram_html"
VERSION = "Telegram page reader 1"
LIMITS = LONG
FORMATS = frozenset({"telegram-html", "telegram-html-zip"})
MOST_TITLES = 3000
_MOST_LINE = 65_536
_PAGE = re.compile(r"(?:^|/)messages[0-9]*\.html$")
_MESSAGE = re.compile(r'<div class="message (default|service)([^"]*)" id="message-?[0-9]+"')
_DATE = re.compile(
    r'class="pull_right date details" title="'
    r"(([0-9]{2})\.([0-9]{2})\.([0-9]{4}) ([0-9:]{8})(?: UTC([+-][0-9]{2}:[0-9]{2}))?)"
)
_NOT_INCLUDED = "Not included, change data exporting settings"


def _is_page(peek: Peek) -> bool:
    """Return whether a page has the title and the frame of Telegram's exports."""
    head = peek.head[:16_384]
    return b"<title>Exported Data</title>" in head and b'class="page_wrap' in head


CONTAINERS = {
    "telegram-html": _is_page,
    "telegram-html-zip": lambda peek: peek.has("messages.html"),
}
SAMPLE = b"""<!DOCTYPE html>
<html><head><meta charset="utf-8"/><title>Exported Data</title></head><body>
<div class="page_wrap"><div class="page_header"><div class="content">
<div class="text bold">
Krynytsia
</div></div></div>
<div class="message service" id="message-1"><div class="body details">1 May 2024</div></div>
<div class="message default clearfix" id="message1">
<div class="pull_right date details" title="01.05.2024 10:30:00 UTC+03:00">10:30</div>
<div class="from_name">
Oksana &amp; Ivan
</div><div class="text">hello</div></div>
<div class="message default clearfix joined" id="message2">
<div class="pull_right date details" title="01.05.2024 10:46:40 UTC+03:00">10:46</div>
<div class="media_wrap clearfix">
<div class="status details">Not included, change data exporting settings to download.</div>
</div></div></div></body></html>
"""


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the pages come to, all of an archive's together."""
    budget = Budget(14.0, 24.0)
    pages = _Pages()
    problem = ""
    try:
        if "telegram-html" in found.format.containers:
            pages.take("", read_blocks(file, 0, size_of(file)), budget)
        else:
            container = open_container(file, budget)
            for entry in container.entries if container else ():
                if _PAGE.search(entry.path) and entry.read is not None:
                    pages.take(entry.path.rpartition("/")[0], entry.read(), budget)
    except (Unreadable, Exhausted) as error:
        problem = str(error)
    for title in dict.fromkeys(pages.titles.values()):
        yield Fact("Telegram:ChatName", title, title, f"{VERSION} page header")
    pages.tally.conversations = len(pages.titles)
    yield from pages.tally.facts("Telegram (export)", VERSION)
    if problem:
        yield Problem(f"the export was not read to its end: {problem}")


class _Pages:
    """What was read so far, line by line: a page has a tag or a text on each."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.titles: dict[str, str] = {}  # of a chat, by the folder that it lies in

    def take(self, folder: str, blocks: Iterator[bytes], budget: Budget) -> None:
        """Read one page."""
        wanted = ""  # what the next text is
        inside = own = media = missing = False  # of a message; its sender, not a forwarded one's
        for line in _lines(blocks, budget):
            shown = line
            message = _MESSAGE.search(line)
            if message:
                inside, own = message[1] == "default", message[1] == "default"
                media = missing = False
                self.tally.count += inside
            if not inside:
                if '<div class="text bold">' in line and folder not in self.titles:
                    wanted, shown = "title", line.partition('<div class="text bold">')[2]
            else:
                date = _DATE.search(line)
                if date and own:
                    raw, day, month, year, clock, zone = date.groups()
                    normal = times.iso(f"{year}-{month}-{day}T{clock}{zone or ''}")
                    self.tally.moment(raw, normal)
                if 'class="forwarded body"' in line:
                    own = False  # what follows was said by another, elsewhere
                if 'class="media_wrap' in line and not media:
                    media, self.tally.media = True, self.tally.media + 1
                if _NOT_INCLUDED in line and not missing:
                    missing, self.tally.missing = True, self.tally.missing + 1
                if '<div class="from_name">' in line and own:
                    wanted, shown = "sender", line.partition('<div class="from_name">')[2]
            text = unescape(shown.partition("<")[0]).strip()[:300]
            if not wanted or not text:
                continue
            if wanted == "sender":
                self.tally.participant(text, ids.person(text))
            elif len(self.titles) < MOST_TITLES:
                self.titles.setdefault(folder, text)
            wanted = ""


def _lines(blocks: Iterator[bytes], budget: Budget) -> Iterator[str]:
    """Yield the lines of a page; of a longer one, which Telegram does not write, the beginning."""
    rest = b""
    for block in blocks:
        budget.spend(len(block))
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line[:_MOST_LINE].decode("utf-8", "backslashreplace")
        rest = rest[:_MOST_LINE]
    yield rest.decode("utf-8", "backslashreplace")
