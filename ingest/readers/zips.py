"""Zip archives by their own central directory, with every place where the two directories differ.

Not `zipfile`: that holds every entry in memory whatever their number, follows the central
directory alone, and refuses an archive that was cut off. Here the entries are bounded, each local
header is compared with its central one, entries that share bytes are found before any is read,
and an archive without a central directory is read from its local headers.
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from ingest.readers.members import (
    DEVICE,
    FILE,
    FOLDER,
    LINK,
    MOST_MEMBERS,
    MOST_NAME,
    UNIX,
    WINDOWS,
    Budget,
    Entry,
    Exhausted,
    Unreadable,
    read_at,
    size_of,
    utc,
)
from ingest.readers.streams import Inflate, Unpack, read_blocks, unpacked, zstandard

_TAIL = 65_557  # the end record with the longest comment
_METHODS = {
    0: "stored", 1: "shrunk", 6: "imploded", 8: "deflate", 9: "deflate64", 12: "bzip2",
    14: "lzma", 93: "zstandard", 95: "xz", 98: "ppmd", 99: "AES",
}  # fmt: skip
_READABLE = frozenset({0, 8, 12, 14, 93})
_UNIX_KINDS = {0o120000: LINK, 0o060000: DEVICE, 0o020000: DEVICE, 0o010000: DEVICE}
_MOST_SCANNED = 10_000  # local headers, where there is no central directory


@dataclass(slots=True)
class Zip:
    """What an archive's directory says: its entries, its comment, and what is wrong with it."""

    entries: list[Entry] = field(default_factory=list)
    comment: bytes = b""
    problems: list[str] = field(default_factory=list)
    declared: int = 0  # members, by the end record
    overlapping: int = 0  # entries that share bytes with another


@dataclass(slots=True)
class _Found:
    """One header, central or local, as it is stored."""

    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    name: bytes
    extra: bytes
    offset: int = 0
    system: int = 0
    attributes: int = 0


def is_zip(head: bytes) -> bool:
    """Return whether a file begins as a zip archive, a split one or an empty one."""
    return head[:4] in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}


def read_zip(file: BinaryIO, budget: Budget) -> Zip:
    """Return the directory of an archive.

    Raises:
        Exhausted: the budget is spent.
    """
    found = Zip()
    end = _end_record(file)
    if end is None:
        found.problems.append("no central directory: read from the local headers")
        _scan(file, found, budget)
        return found
    at, found.declared, length, start, found.comment = end
    base = at - length - start  # bytes before the archive, such as a program that unpacks it
    if base < 0:
        found.problems.append("the central directory is said to begin beyond its end")
        base = 0
    if base > 0:
        found.problems.append(f"{base} bytes stand before the archive")
    headers = []
    for header in _central(file, base + start, at, found, budget):
        header.offset += base
        headers.append(header)
    if len(headers) < min(found.declared, MOST_MEMBERS):
        found.problems.append(
            f"the central directory holds {len(headers)} of {found.declared} members"
        )
    shared = _overlapping(headers, base + start)
    found.overlapping = len(shared)
    for header in headers:
        found.entries.append(_entry(file, header, shared=header.offset in shared))
    return found


def _end_record(file: BinaryIO) -> tuple[int, int, int, int, bytes] | None:
    """Return where the directory ends, members, its length, its start and the comment."""
    size = size_of(file)
    file.seek(max(0, size - _TAIL))
    first = file.tell()
    tail = file.read(_TAIL)
    place = len(tail)
    while (place := tail.rfind(b"PK\x05\x06", 0, place)) >= 0:
        if place + 22 > len(tail):
            continue
        members, length, start, noted = struct.unpack_from("<HIIH", tail, place + 10)
        comment = tail[place + 22 : place + 22 + noted]
        at = first + place
        if 0xFFFF in {members} or 0xFFFFFFFF in {length, start}:
            large = _end_record_64(file, at)
            if large is not None:
                return (*large, comment)
        if start <= at:
            return at, members, length, start, comment
    return None


def _end_record_64(file: BinaryIO, end: int) -> tuple[int, int, int, int] | None:
    locator = read_at(file, max(0, end - 20), 20)
    if locator[:4] != b"PK\x06\x07" or len(locator) < 20:
        return None
    said = struct.unpack_from("<Q", locator, 8)[0]
    for place in (said, end - 20 - 56):  # the second: bytes were put before the archive
        if not 0 <= place < end:
            continue
        record = read_at(file, place, 56)
        if len(record) == 56 and record[:4] == b"PK\x06\x06":
            members, length, start = struct.unpack_from("<QQQ", record, 32)
            return place, members, length, start
    return None


def _central(file: BinaryIO, start: int, end: int, found: Zip, budget: Budget) -> Iterator[_Found]:
    if not 0 <= start <= end:
        found.problems.append("the central directory is said to begin beyond its end")
        return
    file.seek(start)
    count = 0
    while file.tell() < end:
        at = file.tell()
        fixed = file.read(46)
        if len(fixed) < 46 or fixed[:4] != b"PK\x01\x02":
            found.problems.append("the central directory is damaged")
            return
        (_, system, flags, method, time, date, crc, packed, size, named, extra, noted, _, _,
         attributes, offset) = struct.unpack("<BB2xHHHHIIIHHHHHII", fixed[4:])  # fmt: skip
        rest = file.read(named + extra)
        if count == MOST_MEMBERS:
            found.problems.append(f"more than {MOST_MEMBERS} members: the others are not listed")
            return
        count += 1
        if count % 1000 == 0:
            budget.check()
        header = _Found(
            flags, method, time, date, crc, packed, size, rest[:named], rest[named:], offset,
            system, attributes,
        )  # fmt: skip
        _sizes_64(header)
        file.seek(at + 46 + named + extra + noted)
        yield header


def _sizes_64(header: _Found) -> None:
    """Take the sizes of the zip64 field for those that do not fit the header."""
    data, at = _extra(header.extra).get(1, b""), 0
    for name in ("size", "packed", "offset"):
        if getattr(header, name) == 0xFFFFFFFF and len(data) >= at + 8:
            setattr(header, name, int.from_bytes(data[at : at + 8], "little"))
            at += 8


def _extra(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("<HH", data, at)
        found.setdefault(kind, data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _overlapping(headers: list[_Found], end: int) -> set[int]:
    """Return the offsets of entries that share bytes with another, or with the directory."""
    shared: set[int] = set()
    furthest, whose = -1, -1
    for header in sorted(headers, key=lambda each: each.offset):
        if header.offset < furthest:
            shared.update((header.offset, whose))
        stop = header.offset + 30 + len(header.name) + header.packed
        if stop > end:
            shared.add(header.offset)
        if stop > furthest:
            furthest, whose = stop, header.offset
    return shared


def _entry(file: BinaryIO, header: _Found, *, shared: bool = False) -> Entry:
    extra = _extra(header.extra)
    path, unmarked = _path(header, extra)
    mode = header.attributes >> 16 if header.system in {3, 19} else 0
    kind = _UNIX_KINDS.get(mode & 0o170000, FILE)
    if path.endswith("/") or (header.attributes & 0x10 and not header.size):
        kind = FOLDER
    encrypted = bool(header.flags & 1) or header.method == 99
    marks = []
    if shared:
        marks.append("overlapping")
    if unmarked:
        marks.append("unmarked-encoding")
    method = header.method
    if method == 99 and len(extra.get(0x9901, b"")) >= 7:
        method = int.from_bytes(extra[0x9901][5:7], "little")
    if method not in _READABLE:
        marks.append(f"method-{_METHODS.get(method, method)}")
    entry = Entry(
        path=path,
        size=header.size,
        kind=kind,
        modified_at=_time(header, extra),
        packed=header.packed,
        encrypted=encrypted,
        flags=tuple(marks),
    )
    if not encrypted and not shared and method in _READABLE:
        entry.read = lambda: _content(file, header)
    return entry


def _content(file: BinaryIO, header: _Found) -> Iterator[bytes]:
    """Yield a member's bytes, comparing local header, size and CRC on the way.

    Raises:
        Unreadable: they do not hold.
        Exhausted: it grows beyond measure.
    """
    fixed = read_at(file, header.offset, 30)
    if len(fixed) < 30 or fixed[:4] != b"PK\x03\x04":
        raise Unreadable("no local header where the directory says")
    named, extra = struct.unpack_from("<HH", fixed, 26)
    name = file.read(named)
    if name != header.name:
        raise Unreadable("the local header has another name")
    if struct.unpack_from("<H", fixed, 8)[0] != header.method:
        raise Unreadable("the local header has another method")
    blocks = read_blocks(file, header.offset + 30 + named + extra, header.packed)
    crc = had = 0
    for block in _unpack(blocks, header):
        had += len(block)
        if had > header.size:
            raise Unreadable(f"holds more than the {header.size} bytes it declares")
        crc = zlib.crc32(block, crc)
        yield block
    if had < header.size:
        raise Unreadable(f"holds {had} of the {header.size} bytes it declares")
    if crc != header.crc:
        raise Unreadable("its CRC does not hold")


def _unpack(blocks: Iterator[bytes], header: _Found) -> Iterator[bytes]:
    if header.method == 0:
        return blocks
    if header.method == 8:
        return unpacked(blocks, Inflate())
    if header.method == 93:
        return unpacked(blocks, zstandard())
    if header.method == 12:
        return unpacked(blocks, Unpack(bz2.BZ2Decompressor()))
    return _lzma(blocks, header)


def _lzma(blocks: Iterator[bytes], header: _Found) -> Iterator[bytes]:
    """Yield a member packed by method 14: its own header, then a raw stream."""
    head = b""
    while len(head) < 9:
        more = next(blocks, b"")
        if not more:
            raise Unreadable("the compressed stream ends early")
        head += more
    first, dictionary = head[4], int.from_bytes(head[5:9], "little")
    if head[2:4] != b"\x05\0" or first >= 225 or dictionary > 256 << 20:
        raise Unreadable("its LZMA properties are out of range")
    filters = [{
        "id": lzma.FILTER_LZMA1, "lc": first % 9, "lp": first // 9 % 5, "pb": first // 45,
        "dict_size": max(4096, dictionary),
    }]  # fmt: skip
    inner = Unpack(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters))

    def rest() -> Iterator[bytes]:
        yield head[9:]
        yield from blocks

    left = header.size  # a raw stream need not say where it ends
    try:
        for block in unpacked(rest(), inner):
            left -= len(block)
            yield block
            if left <= 0:
                return
    except Unreadable:
        if left:
            raise


def _path(header: _Found, extra: dict[int, bytes]) -> tuple[str, bool]:
    """Return the name as text, and whether its encoding had to be assumed."""
    raw = header.name[:MOST_NAME]
    unicode = extra.get(0x7075, b"")
    if len(unicode) > 5 and unicode[1:5] == zlib.crc32(header.name).to_bytes(4, "little"):
        return unicode[5 : 5 + MOST_NAME].decode("utf-8", "backslashreplace"), False
    if header.flags & 0x800:
        return raw.decode("utf-8", "backslashreplace"), False
    if raw.isascii():
        return raw.decode("ascii"), False
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode("cp437"), True


def _time(header: _Found, extra: dict[int, bytes]) -> str | None:
    """Return the time of change: UTC where an extra field has it, else the clock's own."""
    unix, ntfs = extra.get(0x5455, b""), extra.get(0x000A, b"")
    try:
        if len(unix) >= 5 and unix[0] & 1:
            seconds = int.from_bytes(unix[1:5], "little", signed=True)
            return utc(UNIX, seconds=seconds)
        if len(ntfs) >= 16 and ntfs[4:8] == b"\x01\0\x18\0":
            ticks = int.from_bytes(ntfs[8:16], "little")
            return utc(WINDOWS, microseconds=ticks // 10)
        date, time = header.date, header.time
        return datetime(  # noqa: DTZ001  (a zip's own times have no zone)
            1980 + (date >> 9), date >> 5 & 15, date & 31,
            time >> 11, time >> 5 & 63, min(59, (time & 31) * 2),
        ).isoformat()  # fmt: skip
    except ValueError:
        return None


def _scan(file: BinaryIO, found: Zip, budget: Budget) -> None:
    """Take the entries from their local headers, as far as these lead."""
    at, end = 0, size_of(file)
    while at < end and len(found.entries) < _MOST_SCANNED:
        budget.check()
        fixed = read_at(file, at, 30)
        if len(fixed) < 30 or fixed[:4] != b"PK\x03\x04":
            if fixed[:4] not in {b"PK\x01\x02", b""}:
                found.problems.append(f"after {len(found.entries)} members no header follows")
            return
        flags, method, time, date, crc, packed, size, named, extra = struct.unpack(
            "<HHHHIIIHH", fixed[6:30]
        )
        rest = file.read(named + extra)
        header = _Found(
            flags, method, time, date, crc, packed, size, rest[:named], rest[named:], at
        )
        _sizes_64(header)
        start = at + 30 + named + extra
        unmeasured = flags & 8 and not header.packed and method == 8
        if unmeasured and not _measured(file, header, start, end, budget):
            found.problems.append("the last member is cut off")
        if start + header.packed > end:
            found.problems.append("the last member is cut off")
        entry = _entry(file, header)
        if header.crc == 0 and header.size:
            entry.read = None
        found.entries.append(entry)
        at = start + header.packed
        if flags & 8:  # a descriptor follows, with or without its mark
            file.seek(at)
            at += 16 if file.read(4) == b"PK\x07\x08" else 12


def _measured(file: BinaryIO, header: _Found, start: int, end: int, budget: Budget) -> bool:
    """Find the sizes of a member that declares none, by unpacking it."""
    inner = Inflate()
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for block in read_blocks(file, start, end - start):
            taken += len(block)
            yield block

    try:
        for block in unpacked(counted(), inner):
            header.size += len(block)
            header.crc = zlib.crc32(block, header.crc)
            budget.spend(len(block))
    except (Unreadable, Exhausted):
        header.packed = end - start
        return False
    header.packed = taken - len(inner.unused_data)
    return True
