"""Text reports that XRY writes: what kind, how many entries, the device, the time span.

Written after the public reader of these files in Autopsy (sleuthkit): UTF-16 with a byte order
mark, a head of five lines that begins with "XRY Export" and names the kind in its third, then
entries between empty lines, each a title and `Key: value`. A report of the device pairs `Attribute`
with `Data`. What messages, calls and contacts say is no fact. The .xry container is not read.
"""

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, cast

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact
from ingest.normalise.written import AMBIGUOUS, order, written
from ingest.readers.members import Budget, Exhausted
from ingest.readers.named import named
from ingest.readers.peek import Peek

NAME = "xry_report"
VERSION = "XRY report reader 1"
FORMATS = frozenset({"xry-report"})
_HEAD_LINES = 5
_MOST_LINE = 65_536  # signs
_MOST_FACTS = 1_000
_MOST_TIMES = 200_000
_MARK = re.compile(r"^xry export", re.I)
_DEVICE = "device/general information"
SAMPLE = (
    "XRY Export\r\nXRY\r\nDevice/General Information\r\n\r\n\r\n"
    "Device #\t1\r\nData:\tNokia XYZ\r\nAttribute:\tDevice Name\r\n\r\n"
).encode("utf-16")


def _is_xry(peek: Peek) -> bool:
    """Return whether a text in UTF-16 has the head of XRY's reports."""
    if peek.head[:2] != b"\xff\xfe":
        return False
    lines = peek.head[:4096].decode("utf-16", "replace").splitlines()[:10]
    return any(_MARK.match(line.strip()) for line in lines)


CONTAINERS = {"xry-report": _is_xry}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the head, the device's attributes, the number of entries, first and last time."""
    text = io.TextIOWrapper(cast("io.BufferedReader", file), "utf-16", "backslashreplace")
    try:
        yield from _report(text)
    finally:
        text.detach()


def _report(text: io.TextIOWrapper) -> Iterator[Item]:
    head = _head(text)
    if len(head) < _HEAD_LINES:
        yield Problem("the head of the report is cut off")
        return
    kind = head[2]
    yield Fact("XRY:Header", " | ".join(filter(None, head)), " | ".join(head), f"{VERSION} head")
    yield Fact("XRY:ReportType", kind, kind, f"{VERSION} line 3 of the head")
    device = kind.lower() == _DEVICE
    entries, given, times = 0, 0, list[str]()
    try:
        for entry in _entries(text, Budget()):
            entries += 1
            pairs = [_pair(line) for line in entry[1:]]
            if device:
                for item in _attributes(pairs):
                    given += 1
                    if given <= _MOST_FACTS:
                        yield item
            elif len(times) < _MOST_TIMES:
                times += [value for key, value in pairs if re.search(r"time|date", key, re.I)]
    except Exhausted as error:
        yield Problem(f"read as far as entry {entries}: {error}")
    yield Fact("XRY:Entries", str(entries), str(entries), VERSION)
    if given > _MOST_FACTS:
        yield Problem(f"only the first {_MOST_FACTS} attributes are given")
    yield from span("XRY", times, VERSION)


def _head(text: io.TextIOWrapper) -> list[str]:
    """Return the five lines of the head, from the one that XRY's name stands in."""
    for _ in range(10):
        line = text.readline(_MOST_LINE)
        if _MARK.match(line.strip()):
            rest = [text.readline(_MOST_LINE) for _ in range(_HEAD_LINES - 1)]
            return [one.strip()[:500] for one in (line, *rest) if one]
        if not line:
            break
    return []


def _entries(text: io.TextIOWrapper, budget: Budget) -> Iterator[list[str]]:
    """Yield the lines of each entry; an empty line ends it."""
    lines: list[str] = []
    while line := text.readline(_MOST_LINE):
        budget.spend(len(line))
        if line.strip():
            lines.append(line.strip("\r\n"))
            if len(lines) < 10_000:
                continue
        if lines:
            yield lines
        lines = []
    if lines:
        yield lines


def _pair(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    return (key.strip(), value.strip()) if colon else ("", line.strip())


def _attributes(pairs: list[tuple[str, str]]) -> Iterator[Fact]:
    """Yield the attributes of an entry of the device: `Data` and `Attribute`, in either order."""
    for (one, value), (other, name) in pairwise(pairs):
        if (one.lower(), other.lower()) == ("attribute", "data"):
            item = named("XRY", value, name[:2000], VERSION)
        elif (one.lower(), other.lower()) == ("data", "attribute"):
            item = named("XRY", name, value[:2000], VERSION)
        else:
            continue
        if item is not None:
            yield item


def span(group: str, times: list[str], source: str) -> Iterator[Item]:
    """Yield the first and the last of times as they are written, if they can be told at all.

    Day and month are told apart by all of them together; where they cannot be, that is said.
    """
    plain = [re.sub(r"\s*\((?:Device|Network)\)$", "", one) for one in times]
    numbers = [re.match(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]", one) for one in plain]
    told = {order(int(one[1]), int(one[2])) for one in numbers if one and one[1] != one[2]}
    told.discard(None)
    day_first = told.pop() if len(told) == 1 else None
    read = [written(one, day_first=day_first) for one in plain]
    known = [
        (normal, one) for (normal, _), one in zip(read, times, strict=True) if normal is not None
    ]
    if any(doubt == AMBIGUOUS for _, doubt in read):
        yield Problem(f"times: {AMBIGUOUS}", incomplete=False)
    if known and len(known) == sum(bool(one) for one in plain):
        known.sort(key=lambda each: each[0].value)
        for name, (normal, raw) in (("FirstTime", known[0]), ("LastTime", known[-1])):
            yield fact(f"{group}:{name}", raw[:200], source, normal)
