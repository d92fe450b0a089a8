"""Exports of Magnet AXIOM, XML and CSV: what kinds of traces and how many, the device, the times.

Written after public readers of these exports (CASE's AXIOM converter and others): XML has
`Artifact[@name]`, in it `Hit` with `Fragment[@name]`; columns of times say their zone and the order
of day and month themselves: `Created Date/Time - UTC+00:00 (dd/MM/yyyy)`. What messages, calls and
contacts say is no fact. Case files (Case.mfdb) are databases and read as such.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact
from ingest.normalise.written import written
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.named import named
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.xmls import nodes

NAME = "axiom_report"
VERSION = "AXIOM export reader 1"
FORMATS = frozenset({"axiom-report", "axiom-table"})
_TIME = re.compile(r"Date/Time - UTC([+-][0-9]{2}:[0-9]{2}) \(([dM]{1,4})[./-][dM]{1,4}[./-]y+\)")
_DEVICE = re.compile(r"(?:Android|iOS) Device Information")
_MOST_FACTS = 1_000
_MOST_KINDS = 2_000
SAMPLE = (
    b'<Artifacts><Artifact name="Android Device Information"><Hits><Hit><Fragment name="IMEI">'
    b"490154203237518</Fragment></Hit></Hits></Artifact></Artifacts>"
)


def _is_table(peek: Peek) -> bool:
    """Return whether the first line of a text names times in AXIOM's manner."""
    first = peek.head[:16_384].partition(b"\n")[0]
    return b"," in first and bool(_TIME.search(first.decode("utf-8", "replace")))


CONTAINERS = {
    "axiom-report": lambda peek: all(
        mark in peek.head for mark in (b"<Artifact ", b"<Hit", b"<Fragment name=")
    ),
    "axiom-table": _is_table,
}


@dataclass(slots=True)
class _Span:
    """The first and the last of times that say their zone."""

    first: tuple[datetime, Normal, str] | None = None
    last: tuple[datetime, Normal, str] | None = None
    unread: int = 0

    def add(self, column: str, text: str) -> None:
        """Take one value of a column in; others than of times are none."""
        said = _TIME.search(column)
        value = text.strip()
        if said is None or not value:
            return
        normal, _ = written(f"{value} UTC{said[1]}", day_first=said[2][0] == "d")
        if normal is None:
            self.unread += 1
            return
        one = (datetime.fromisoformat(normal.value), normal, value)
        self.first = one if self.first is None or one[0] < self.first[0] else self.first
        self.last = one if self.last is None or one[0] > self.last[0] else self.last

    def facts(self) -> Iterator[Item]:
        """Yield what there is of it."""
        for name, one in (("FirstTime", self.first), ("LastTime", self.last)):
            if one is not None:
                yield fact(f"AXIOM:{name}", one[2][:200], VERSION, one[1])
        if self.unread:
            yield Problem(f"{self.unread} times are written in another way", incomplete=False)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the device, the number of traces of each kind, the first and the last time."""
    if "axiom-report" in found.format.names:
        yield from _xml(file)
    else:
        yield from _table(file)


def _xml(file: BinaryIO) -> Iterator[Item]:
    kind, given = "", 0
    hits: Counter[str] = Counter()
    span = _Span()
    try:
        for node in nodes(read_blocks(file, 0, size_of(file)), Budget()):
            if node.name == "Artifact" and node.text is None:
                kind = node.attributes.get("name", "")[:200]
            elif node.name == "Hit" and node.text is None:
                if kind in hits or len(hits) < _MOST_KINDS:
                    hits[kind] += 1
            elif node.name == "Fragment" and node.text is not None:
                name = node.attributes.get("name", "")
                span.add(name, node.text)
                if _DEVICE.fullmatch(kind) and given < _MOST_FACTS:
                    item = named("AXIOM", name, node.text[:2000], f"{VERSION} {kind}")
                    given += item is not None
                    if item is not None:
                        yield item
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
    for name, count in sorted(hits.items()):
        yield Fact("AXIOM:Hits", f"{name}: {count}", str(count), f"{VERSION} Artifact")
    yield from span.facts()


def _table(file: BinaryIO) -> Iterator[Item]:
    text = io.TextIOWrapper(
        cast("io.BufferedReader", file), "utf-8-sig", "backslashreplace", newline=""
    )
    budget, span, count = Budget(), _Span(), 0
    try:
        rows = csv.reader(text)
        columns = next(rows, [])
        for row in rows:
            count += 1
            budget.spend(sum(map(len, row)))
            for column, value in zip(columns, row, strict=False):
                span.add(column, value)
    except (csv.Error, Exhausted) as error:
        yield Problem(f"read as far as row {count}: {error}")
    finally:
        text.detach()
    yield Fact("AXIOM:Rows", str(count), str(count), VERSION)
    yield from span.facts()
