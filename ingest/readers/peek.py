"""Peek: what is cheap to know of a file before any extractor runs; containers are told by it."""

import functools
import struct
from typing import BinaryIO

HEAD = 65_536
MAX_NAMES = 20_000
_MAX_DIRECTORY = 8 << 20  # bytes of a zip's directory that are looked at
_MAX_HEADERS = 2_000  # members of a tar that are looked at

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")


class Peek:
    """The first bytes of a file, and the names of a zip's or tar's members, when asked for."""

    def __init__(self, file: BinaryIO, mime: str) -> None:
        self.file = file
        self.mime = mime
        self.size = file.seek(0, 2)
        file.seek(0)
        self.head = file.read(HEAD)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The first names in a zip's directory or a tar's headers; none for other files."""
        if self.head[:4] in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}:
            return tuple(_zip_names(self.file, self.size))
        if self.head[257:262] == b"ustar":
            return tuple(_tar_names(self.file, self.size))
        return ()

    def has(self, *endings: str) -> bool:
        """Return whether for each ending some member's name is it, or ends in "/" and it.

        An ending that begins with a dot is an extension.
        """
        return all(
            any(
                name == ending or name.endswith(ending if ending[0] == "." else f"/{ending}")
                for name in self.names
            )
            for ending in endings
        )


def _zip_names(file: BinaryIO, size: int) -> list[str]:
    start = max(0, size - 66_000)
    file.seek(start)
    tail = file.read(66_000)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        return []
    length, offset = _END.unpack_from(tail, at)[5:7]
    if offset == 0xFFFFFFFF and at >= _LOCATOR.size:
        place = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
        if place[0] == b"PK\x06\x07" and place[2] < size:
            file.seek(place[2])
            record = file.read(_END64.size)
            if len(record) == _END64.size:
                length, offset = _END64.unpack(record)[8:10]
    # What stands before the archive (a self-extracting program) moves everything.
    if start + at - length - offset > 0 and offset != 0xFFFFFFFF:
        file.seek(offset)
        if file.read(4) != b"PK\x01\x02":
            offset = start + at - length
    if not 0 <= offset < size:
        return []
    file.seek(offset)
    return _entries(file.read(min(length, _MAX_DIRECTORY)))


def _entries(directory: bytes) -> list[str]:
    found: list[str] = []
    at = 0
    while len(found) < MAX_NAMES and len(directory) - at >= _ENTRY.size:
        entry = _ENTRY.unpack_from(directory, at)
        if entry[0] != b"PK\x01\x02":
            break
        name, extra, comment = entry[10:13]
        at += _ENTRY.size
        found.append(directory[at : at + name].decode("utf-8", "backslashreplace"))
        at += name + extra + comment
    return found


def _tar_names(file: BinaryIO, size: int) -> list[str]:
    found: list[str] = []
    at = 0
    for _ in range(_MAX_HEADERS):
        file.seek(at)
        header = file.read(512)
        if len(header) < 512 or header[257:262] != b"ustar":
            break
        name = header[:100].split(b"\0")[0]
        prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
        found.append((prefix + b"/" + name if prefix else name).decode("utf-8", "backslashreplace"))
        at += 512 + (_octal(header[124:136]) + 511) // 512 * 512
        if at >= size:
            break
    return found


def _octal(field: bytes) -> int:
    if field[0] & 0x80:  # base 256, for sizes beyond 8 GiB
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0
