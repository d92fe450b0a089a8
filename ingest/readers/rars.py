"""RAR archives, versions 4 and 5: the headers' names, sizes, times and what is encrypted.

Contents stay packed: the algorithm is not free. Written after the published technical notes.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import BinaryIO

from ingest.readers.members import (
    FILE,
    FOLDER,
    LINK,
    MOST_MEMBERS,
    MOST_NAME,
    UNIX,
    WINDOWS,
    Budget,
    Entry,
    Unreadable,
    size_of,
    text_of,
    utc,
)
from ingest.readers.streams import read_blocks

MAGIC_4, MAGIC_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_MOST_HEADER = 2 << 20


@dataclass(slots=True)
class Rar:
    """What the headers say."""

    entries: list[Entry] = field(default_factory=list)
    version: int = 0
    encrypted_header: bool = False
    solid: bool = False
    volume: bool = False
    problems: list[str] = field(default_factory=list)


def read_rar(file: BinaryIO, budget: Budget) -> Rar:
    """Return what the headers of an archive say, as far as they lead.

    Raises:
        Exhausted: the budget is spent.
    """
    file.seek(0)
    head = file.read(8)
    found = Rar()
    if head == MAGIC_5:
        found.version = 5
        _version_5(file, found, budget)
    elif head[:7] == MAGIC_4:
        found.version = 4
        _version_4(file, found, budget)
    else:
        found.problems.append("no RAR header")
    return found


def _version_4(file: BinaryIO, found: Rar, budget: Budget) -> None:
    at, end = 7, size_of(file)
    while at < end and len(found.entries) < MOST_MEMBERS:
        budget.check()
        file.seek(at)
        fixed = file.read(7)
        if len(fixed) < 7:
            break
        crc, kind, flags, length = struct.unpack("<HBHH", fixed)
        if length < 7:
            found.problems.append(f"a damaged header after {len(found.entries)} members")
            return
        body = fixed + file.read(length - 7)
        added = int.from_bytes(body[7:11], "little") if flags & 0x8000 or kind == 0x74 else 0
        if len(body) < length:
            break
        if zlib.crc32(body[2:]) & 0xFFFF != crc and kind in {0x73, 0x74}:
            found.problems.append(
                f"a header's CRC does not hold, after {len(found.entries)} members"
            )
        if kind == 0x73:
            found.volume, found.solid = bool(flags & 1), bool(flags & 8)
            if flags & 0x80:
                found.encrypted_header = True
                return
        elif kind == 0x74 and length >= 32:
            entry, packed = _entry_4(file, body, flags, at + length)
            found.entries.append(entry)
            added = packed
        elif kind == 0x7B:
            return
        at += length + added
    found.problems.append("the archive ends without its closing header")


def _entry_4(file: BinaryIO, body: bytes, flags: int, start: int) -> tuple[Entry, int]:
    packed, size, system, crc, clock, _, method, named, attributes = struct.unpack_from(
        "<IIBIIBBHI", body, 7
    )
    at = 32
    if flags & 0x100 and len(body) >= 40:
        high_packed, high_size = struct.unpack_from("<II", body, 32)
        packed, size, at = packed | high_packed << 32, size | high_size << 32, 40
    name = _name_4(body[at : at + named][:MOST_NAME], unicode=bool(flags & 0x200))
    mode = attributes & 0o170000 if system == 3 else 0
    kind = FOLDER if flags & 0xE0 == 0xE0 else LINK if mode == 0o120000 else FILE
    encrypted = bool(flags & 4)
    entry = Entry(
        name, size, kind=kind, modified_at=_dos(clock), packed=packed,
        encrypted=encrypted,
    )  # fmt: skip
    if method == 0x30 and not encrypted and not flags & 3 and kind == FILE:
        entry.read = partial(_stored, file, start, size, crc)
    return entry, packed


def _name_4(raw: bytes, *, unicode: bool) -> str:
    """Return a name of RAR 4: in Unicode where it has one, else as its system wrote it.

    The second form, behind a zero, says of each sign how it differs from the first: two bits for
    its low byte alone, with the common high byte, both bytes, or a run taken from the first.
    """
    plain, _, packed = raw.partition(b"\0")
    if not unicode or not packed:  # one form alone is the system's own, or UTF-8
        return text_of((plain if unicode else raw).replace(b"\\", b"/"))
    high, rest, signs = packed[0], iter(packed[1:]), list[int]()
    kinds = bits = 0
    try:
        while len(signs) < MOST_NAME:
            if not bits:
                kinds, bits = next(rest), 8
            bits -= 2
            match kinds >> bits & 3:
                case 0:
                    signs.append(next(rest))
                case 1:
                    signs.append(next(rest) | high << 8)
                case 2:
                    signs.append(next(rest) | next(rest) << 8)
                case _:
                    count = next(rest)
                    page, added = (high << 8, next(rest)) if count & 0x80 else (0, 0)
                    run = plain[len(signs) : len(signs) + (count & 0x7F) + 2]
                    signs += [page | one + added & 0xFF for one in run]
    except StopIteration:
        pass
    units = struct.pack(f"<{len(signs)}H", *signs).decode("utf-16-le", "backslashreplace")
    return (units or text_of(plain)).replace("\\", "/")


def _version_5(file: BinaryIO, found: Rar, budget: Budget) -> None:
    at, end = 8, size_of(file)
    while at < end and len(found.entries) < MOST_MEMBERS:
        budget.check()
        file.seek(at)
        fixed = file.read(14)
        length, used = _vint(fixed, 4)
        if not length or length > _MOST_HEADER:
            found.problems.append(f"a damaged header after {len(found.entries)} members")
            return
        file.seek(at + 4)
        body = file.read(used - 4 + length)
        if len(body) < used - 4 + length:
            break
        if zlib.crc32(body).to_bytes(4, "little") != fixed[:4]:
            found.problems.append(
                f"a header's CRC does not hold, after {len(found.entries)} members"
            )
        place = used - 4
        kind, place = _vint(body, place)
        flags, place = _vint(body, place)
        extra, place = _vint(body, place) if flags & 1 else (0, place)
        packed, place = _vint(body, place) if flags & 2 else (0, place)
        start = at + 4 + len(body)
        if kind == 1:
            said, _ = _vint(body, place)
            found.volume, found.solid = bool(said & 1), bool(said & 4)
        elif kind == 4:
            found.encrypted_header = True
            return
        elif kind == 2:
            # Flags 8 and 16: the data goes on in, or from, another volume.
            whole = not flags & 24
            found.entries.append(_entry_5(file, body, place, extra, packed, start, whole=whole))
        elif kind == 5:
            return
        at = start + packed
    found.problems.append("the archive ends without its closing header")


def _entry_5(
    file: BinaryIO, body: bytes, place: int, extra: int, packed: int, start: int, *, whole: bool
) -> Entry:
    flags, place = _vint(body, place)
    size, place = _vint(body, place)
    _, place = _vint(body, place)
    modified = None
    if flags & 2:
        seconds = int.from_bytes(body[place : place + 4], "little")
        modified, place = utc(UNIX, seconds=seconds), place + 4
    crc = int.from_bytes(body[place : place + 4], "little") if flags & 4 else None
    place += 4 if flags & 4 else 0
    method, place = _vint(body, place)
    _, place = _vint(body, place)
    named, place = _vint(body, place)
    name = body[place : place + named][:MOST_NAME]
    encrypted, target = False, ""
    kind = FOLDER if flags & 1 else FILE
    for record, data in _records(body[len(body) - extra :] if extra else b""):
        if record == 1:
            encrypted = True
        elif record == 3:
            modified = _time_5(data) or modified
        elif record == 5:
            kind = LINK
            _, at = _vint(data, 0)
            _, at = _vint(data, at)
            length, at = _vint(data, at)
            target = text_of(data[at : at + length])
    entry = Entry(
        text_of(name), 0 if flags & 8 else size, kind=kind, modified_at=modified, packed=packed,
        target=target, encrypted=encrypted,
    )  # fmt: skip
    if not method >> 7 & 7 and not encrypted and kind == FILE and whole:
        entry.read = partial(_stored, file, start, packed, crc)
    return entry


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        length, at = _vint(data, at)
        if not length:
            return
        kind, begin = _vint(data, at)
        yield kind, data[begin : at + length]
        at += length


def _time_5(data: bytes) -> str | None:
    flags, at = _vint(data, 0)
    if not flags & 2:
        return None
    if flags & 1:
        seconds = int.from_bytes(data[at : at + 4], "little")
        return utc(UNIX, seconds=seconds)
    ticks = int.from_bytes(data[at : at + 8], "little")
    return utc(WINDOWS, microseconds=ticks // 10)


def _dos(clock: int) -> str | None:
    date, time = clock >> 16, clock & 0xFFFF
    try:
        return datetime(  # noqa: DTZ001  (a RAR 4 time has no zone)
            1980 + (date >> 9), date >> 5 & 15, date & 31,
            time >> 11, time >> 5 & 63, min(59, (time & 31) * 2),
        ).isoformat()  # fmt: skip
    except ValueError:
        return None


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and where it ends; 0 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return 0, at
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    return 0, at


def _stored(file: BinaryIO, start: int, size: int, crc: int | None) -> Iterator[bytes]:
    """Yield a member that is not packed.

    Raises:
        Unreadable: it is cut off, or its CRC does not hold.
    """
    found, had = 0, 0
    for block in read_blocks(file, start, size):
        found, had = zlib.crc32(block, found), had + len(block)
        yield block
    if had != size:
        raise Unreadable("it is cut off")
    if crc is not None and crc != found:
        raise Unreadable("its CRC does not hold")
