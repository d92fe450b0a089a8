"""A container's members as items: names flagged, contents digested, containers within listed."""

import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import Fact, Inhibitor, Item, Member, Problem
from ingest.readers.containers import (
    BZIP2,
    GZIP,
    RAR,
    SEVENZIP,
    XZ,
    ZSTD,
    Container,
    kind_of,
    open_container,
)
from ingest.readers.members import (
    BLOCK,
    DEVICE,
    FILE,
    LINK,
    MOST_DECLARED,
    MOST_DEPTH,
    MOST_HELD,
    MOST_MEMBERS,
    Budget,
    Entry,
    Exhausted,
    Unreadable,
)

WITHIN = "!/"  # between a container's path and that of a member in it
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f]")
_BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MOST_REMARKS = 20
MOST_LISTED = 23 << 20  # bytes of a listing


@dataclass(slots=True)
class _Tally:
    """What was seen, over all depths."""

    members: int = 0
    declared: int = 0
    digested: int = 0
    encrypted: int = 0
    packed: int = 0  # in a way not read here, in 7z and RAR
    unread: int = 0  # for a bound that was reached
    flags: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    shown: int = 0  # bytes of the listing, about
    stopped: str = ""  # the bound after which no member is read any more
    first: str = ""
    last: str = ""


def listing(file: BinaryIO, source: str, budget: Budget | None = None) -> Iterator[Item]:
    """Yield the members of a container, what it says of itself, and what is wrong with it.

    Args:
        file: seekable.
        source: the tool and its version, for the facts.
        budget: what may be spent; None: the usual.
    """
    budget = budget or Budget()
    try:
        container = open_container(file, budget)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    if container is None:
        yield Problem("not a container that is read here")
        return
    yield from listing_of(container, source, budget)


def listing_of(container: Container, source: str, budget: Budget) -> Iterator[Item]:
    """Yield the same for a container that is open already."""
    tally = _Tally()
    yield Fact("Archive:Format", container.kind, container.kind, source)
    for name, value in container.notes.items():
        yield Fact(f"Archive:{name}", value, value, source)
    if container.encrypted:
        yield Inhibitor("encrypted")
        yield Fact("Archive:Encrypted", "names and contents", "header encrypted", source)
        return
    yield from _members(container, "", 1, budget, tally)
    yield from _summary(tally, source)
    if tally.packed:
        yield Problem(f"{container.kind}: packed members are listed, not read", incomplete=False)


def digested(entry: Entry, budget: Budget, modified_at: str | None = None) -> Iterator[Item]:
    """Yield one member of what is no archive, read through, and what is wrong with it.

    Raises:
        Exhausted: the budget is spent.
    """
    tally = _Tally()
    read = _through(entry, budget, tally, keep=False)
    if tally.stopped:
        raise Exhausted(tally.stopped)
    marks = (*flags(entry, set()), *filter(None, [read.mark]))
    yield Member(entry.path, read.size, modified_at, read.digest or None, marks)
    if read.why:
        yield Problem(f"{entry.path[:200]}: {read.why}")


def flags(entry: Entry, seen: set[str]) -> tuple[str, ...]:
    """Return what is odd about a member, in one word each; `seen` keeps the names so far.

    >>> flags(Entry("../a", 0), set())
    ('parent',)
    """
    found = list(entry.flags)
    path = entry.path
    parts = re.split(r"[/\\]", path)
    if ".." in parts:
        found.append("parent")
    if path[:1] in {"/", "\\"} or re.match(r"[A-Za-z]:", path):
        found.append("absolute")
    if "\0" in path:
        found.append("nul")
    if _CONTROL.search(path):
        found.append("control")
    if _BIDIRECTIONAL.search(path):
        found.append("bidirectional")
    if entry.kind in {LINK, DEVICE}:
        found.append(entry.kind)
    if entry.encrypted:
        found.append("encrypted")
    if path in seen:
        found.append("duplicate")
    else:
        seen.add(path)
        plain = f"\0{unicodedata.normalize('NFC', path).casefold()}"
        if plain in seen:
            found.append("duplicate-by-case-or-form")
        seen.add(plain)
    return tuple(found)


def _members(
    container: Container, above: str, depth: int, budget: Budget, tally: _Tally
) -> Iterator[Item]:
    seen: set[str] = set()
    try:
        for entry in container.entries:
            if tally.members >= MOST_MEMBERS or tally.declared > MOST_DECLARED:
                tally.problems.append(
                    f"listed {tally.members} members of {tally.declared} bytes: no more are"
                )
                return
            yield from _member(entry, container, above, depth, seen, budget, tally)
    except (Unreadable, Exhausted) as error:
        tally.problems.append(f"{above[:200]} the listing ends: {error}".strip())
    tally.problems += [f"{above[:200]} {problem}".strip() for problem in container.problems]


def _member(
    entry: Entry,
    container: Container,
    above: str,
    depth: int,
    seen: set[str],
    budget: Budget,
    tally: _Tally,
) -> Iterator[Item]:
    marks = flags(entry, seen)
    tally.members += 1
    tally.declared += entry.size
    tally.encrypted += entry.encrypted
    packed = entry.read is None and entry.kind == FILE and not entry.encrypted
    tally.packed += packed and container.kind in {SEVENZIP, RAR}
    tally.flags.update(marks)
    if entry.modified_at and entry.kind == FILE:
        tally.first = min(filter(None, (tally.first, entry.modified_at)))
        tally.last = max(tally.last, entry.modified_at)
    read = _Read()
    if entry.read is not None and entry.kind == FILE and not tally.stopped:
        read = _through(entry, budget, tally, keep=depth < MOST_DEPTH)
        if read.why:
            marks = (*marks, read.mark)
            tally.flags[read.mark] += 1
            tally.problems.append(f"{above}{entry.path[:200]}: {read.why}")
    if entry.read is not None and entry.kind == FILE and (tally.stopped or read.mark == "unread"):
        tally.unread += 1
    path = f"{above}{entry.path}"
    size = read.size if read.whole and container.kind == GZIP else entry.size
    tally.shown += 200 + len(path.encode("utf-8", "replace"))
    if tally.shown < MOST_LISTED:  # the others are counted, but not shown
        yield Member(path, size, entry.modified_at, read.digest or None, marks)
    if read.content is None:
        return
    try:
        inner = open_container(io.BytesIO(read.content), budget)
    except (Unreadable, Exhausted) as error:
        tally.problems.append(f"{path[:200]}: {error}")
        return
    if inner is not None and inner.kind not in {GZIP, BZIP2, XZ, ZSTD}:
        yield from _members(inner, path + WITHIN, depth + 1, budget, tally)


@dataclass(slots=True)
class _Read:
    """What reading a member through came to."""

    digest: str = ""
    size: int = 0
    whole: bool = False
    mark: str = ""  # "damaged", or "unread": a bound was reached, and nothing is known to be wrong
    why: str = ""
    content: bytes | None = None  # of a container within, if it can be held


def _through(entry: Entry, budget: Budget, tally: _Tally, *, keep: bool) -> _Read:
    """Read a member to its end: its digest, and its content if it is a container itself."""
    assert entry.read is not None
    found = _Read()
    if tally.digested >= budget.digested:
        tally.stopped = f"more than {budget.digested} members"
        return found
    digest, parts = hashlib.sha256(), list[bytes]()
    head = b""
    try:
        for block in entry.read():
            budget.spend(len(block))
            digest.update(block)
            found.size += len(block)
            if len(head) < 512:
                head += block[: 512 - len(head)]
            if keep and found.size <= MOST_HELD:
                parts.append(block)
                if found.size > BLOCK and kind_of(head) is None:
                    keep = False
                    parts.clear()
    except Unreadable as error:
        found.mark, found.why = "damaged", str(error)
        return found
    except Exhausted as error:
        found.mark, found.why = "unread", str(error)
        try:
            budget.spend(0)
        except Exhausted:  # the budget, and not this member alone
            found.mark, found.why, tally.stopped = "", "", str(error)
        return found
    tally.digested += 1
    found.whole, found.digest = True, f"sha256:{digest.hexdigest()}"
    if keep and kind_of(head) is not None:
        if found.size <= MOST_HELD:
            found.content = b"".join(parts)
        else:
            tally.problems.append(
                f"{entry.path[:200]}: a container of more than {MOST_HELD} bytes is not looked into"
            )
    return found


def _summary(tally: _Tally, source: str) -> Iterator[Item]:
    def fact(name: str, value: object, suspect: str | None = None) -> Fact:
        return Fact(f"Archive:{name}", str(value), str(value), source, None, suspect)

    yield fact("Members", tally.members)
    yield fact("DeclaredSize", tally.declared)
    yield fact("DigestedMembers", tally.digested)
    for name, value in (("FirstModified", tally.first), ("LastModified", tally.last)):
        if value:
            zone = "UTC" if value.endswith("Z") else "unknown"
            yield Fact(f"Archive:{name}", value, value, source, zone)
    if tally.flags:
        said = ", ".join(f"{name} {count}" for name, count in sorted(tally.flags.items()))
        yield fact("Flags", said, "names or entries that need care")
    if tally.encrypted:
        yield Inhibitor("encrypted")
        yield fact("EncryptedMembers", tally.encrypted)
    if tally.shown >= MOST_LISTED:
        yield Problem(f"the listing ends after {MOST_LISTED} bytes: the others are only counted")
    if tally.unread:
        why = f": {tally.stopped}" if tally.stopped else ""
        yield Problem(f"{tally.unread} of {tally.members} members were not read{why}")
    for problem in tally.problems[:_MOST_REMARKS]:
        yield Problem(problem)
    if len(tally.problems) > _MOST_REMARKS:
        yield Problem(f"{len(tally.problems) - _MOST_REMARKS} more problems of this kind")
