"""What containers hold, read member by member and never unpacked: one entry type, one budget.

Every reader here is for files made to hurt: sizes are claims, names are data, and work is bounded
by a `Budget` that says which bound ended it. Standard library alone; runs in the locked process.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Protocol

BLOCK = 65_536
MOST_MEMBERS = 100_000  # listed
MOST_DECLARED = 64 << 30  # bytes that the listed members say they have, in all
MOST_DIGESTED = 10_000  # members read through
MOST_PRODUCED = 2 << 30  # bytes read out of members, in all
MOST_RATIO = 200  # bytes out for one byte in, once there are more than RATIO_FROM out
RATIO_FROM = 8 << 20
MOST_DEPTH = 3  # containers within containers
MOST_HELD = 64 << 20  # bytes of one member that is held in memory to be looked into
MOST_NAME = 4096  # bytes of one name

FILE, FOLDER, LINK, DEVICE = "file", "folder", "link", "device"


class Exhausted(Exception):
    """A bound was reached; the message says which."""


class Unreadable(Exception):
    """The container, or this member, cannot be read; the message says why."""


@dataclass(slots=True)
class Entry:
    """One member as its container lists it. The name is data, never a path to write to."""

    path: str
    size: int  # declared
    kind: str = FILE
    modified_at: str | None = None  # ISO 8601; without a zone where the container has none
    packed: int = 0  # bytes it takes in the container, if known
    target: str = ""  # of a link
    encrypted: bool = False
    flags: tuple[str, ...] = ()  # what is wrong with it, in a word or two each
    read: Callable[[], Iterator[bytes]] | None = None  # its bytes, once; None: cannot be read


@dataclass(slots=True)
class Budget:
    """What may still be spent on one file. `spend` and `check` raise when a bound is reached."""

    seconds: float = 5.0  # of this process's processor time
    wall: float = 7.5
    produced: int = MOST_PRODUCED
    digested: int = MOST_DIGESTED
    _cpu: float = field(default_factory=time.process_time)
    _wall: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise if the time is up.

        Raises:
            Exhausted: it is.
        """
        if time.process_time() - self._cpu > self.seconds:
            raise Exhausted(f"more than {self.seconds:g} s of processor time")
        if time.monotonic() - self._wall > self.wall:
            raise Exhausted(f"more than {self.wall:g} s")

    def spend(self, count: int) -> None:
        """Take note of bytes read out of a member.

        Raises:
            Exhausted: too many, or the time is up.
        """
        self.produced -= count
        if self.produced < 0:
            raise Exhausted(f"more than {MOST_PRODUCED} bytes read out of members")
        self.check()


class Sequential(Protocol):
    """Bytes that come in order: what a tar is read from."""

    def take(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""

    def skip(self, count: int) -> int:
        """Pass over the next bytes; return how many there were."""


class FromFile:
    """The bytes of a seekable file, in order; passing over costs nothing."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file = file
        self._at = start
        self._end = size_of(file)

    def take(self, count: int) -> bytes:
        """See `Sequential`."""
        self._file.seek(self._at)
        found = self._file.read(count)
        self._at += len(found)
        return found

    def skip(self, count: int) -> int:
        """See `Sequential`."""
        passed = max(0, min(count, self._end - self._at))
        self._at += passed
        return passed


class FromBlocks:
    """The bytes of an iterator of blocks, in order."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def take(self, count: int) -> bytes:
        """See `Sequential`."""
        found = [self._rest]
        have = len(self._rest)
        while have < count:
            block = next(self._blocks, b"")
            if not block:
                break
            found.append(block)
            have += len(block)
        whole = b"".join(found)
        self._rest = whole[count:]
        return whole[:count]

    def skip(self, count: int) -> int:
        """See `Sequential`."""
        passed = 0
        while passed < count:
            block = self.take(min(BLOCK, count - passed))
            if not block:
                break
            passed += len(block)
        return passed


def read_at(file: BinaryIO, place: int, count: int) -> bytes:
    """Return bytes of a seekable file at a place that may be anywhere; none beyond its end."""
    if not 0 <= place < 1 << 62 or not 0 < count < 1 << 40:
        return b""
    try:
        file.seek(place)
    except OSError:  # beyond what the file system can address
        return b""
    return file.read(count)


def size_of(file: BinaryIO) -> int:
    """Return the length of a seekable file."""
    return file.seek(0, 2)


def held(entry: Entry, budget: Budget, most: int = MOST_HELD) -> bytes:
    """Return the whole content of a member.

    Raises:
        Exhausted: it has more bytes than `most`, or the budget is spent.
        Unreadable: it cannot be read.
    """
    if entry.read is None:
        raise Unreadable("encrypted" if entry.encrypted else "packed in a way not read here")
    parts, have = [], 0
    for block in entry.read():
        have += len(block)
        if have > most:
            raise Exhausted(f"a member of more than {most} bytes")
        budget.spend(len(block))
        parts.append(block)
    return b"".join(parts)


def text_of(raw: bytes) -> str:
    """Return a stored name as text; bytes that are no UTF-8 are shown as escapes."""
    return raw.decode("utf-8", "backslashreplace")


def utc(epoch: datetime, **after: float) -> str | None:
    """Return the time that lies so much after an epoch, in UTC; None: it is out of range."""
    try:
        when = epoch + timedelta(**after)
    except OverflowError:
        return None
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds")[:-6] + "Z"


UNIX = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = datetime(1601, 1, 1, tzinfo=UTC)
