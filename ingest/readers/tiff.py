"""The directories of a TIFF (classic, BigTIFF, and the raw formats built like it), bounded.

header = II or MM | 42, or a maker's own number | place of the first directory
directory = count | entries | place of the next
entry = tag | type | count | the value, or its place
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ingest.readers.blocks import MOST_BLOCK, Block, Found, incomplete, read_at, whole_at

MOST_DIRECTORIES = 64
MOST_ENTRIES = 4096  # of one directory
EXIF, GPS, SUB, INTEROP = 0x8769, 0x8825, 0x014A, 0xA005  # entries that lead to directories
_BELOW = {EXIF: "ExifIFD", GPS: "GPS", INTEROP: "InteropIFD"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I",
            16: "Q", 17: "q", 18: "Q"}  # fmt: skip
_BLOCKS = {700: "xmp", 33723: "iptc", 34377: "photoshop", 34675: "icc"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: the directory it stands in, and where its value lies."""

    directory: str  # IFD0, IFD1 …, SubIFD, SubIFD1 …, ExifIFD, GPS: as ExifTool calls them
    tag: int
    kind: int
    count: int
    start: int  # of the value
    size: int
    at: int  # of the entry itself


class Tiff:
    """The directories of a TIFF stream, and the values of their entries."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        head = read_at(file, 0, 16)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self.big = False
        self._first = 0
        if self.order and len(head) >= 8:
            number, self._first = struct.unpack(self.order + "HI", head[2:8])
            if number == 43 and len(head) == 16:
                self.big = True
                self._first = struct.unpack(self.order + "Q", head[8:16])[0]

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of all directories."""
        for found in self._walk():
            yield from found

    def _walk(self) -> Iterator[list[Entry]]:
        waiting = [("IFD0", self._first)] if self._first else []
        seen: set[int] = set()
        number = subs = 0
        while waiting and len(seen) < MOST_DIRECTORIES:
            name, at = waiting.pop(0)
            if at in seen:
                continue
            seen.add(at)
            found, after = self._directory(at, name)
            yield found
            for entry in found:
                if entry.tag in _BELOW:
                    waiting += [(_BELOW[entry.tag], place) for place in self.numbers(entry)[:1]]
                elif entry.tag == SUB:
                    for place in self.numbers(entry)[:16]:
                        waiting.append((f"SubIFD{subs or ''}", place))
                        subs += 1
            if after and name == f"IFD{number}":
                number += 1
                waiting.append((f"IFD{number}", after))

    def numbers(self, entry: Entry, most: int = 4096) -> list[int]:
        """Return the whole numbers of an entry; empty for other types and missing bytes."""
        letter = _LETTERS.get(entry.kind, "")
        count = min(entry.count, most)
        if not letter or letter in "fd":
            return []
        data = self.bytes(entry, count * _SIZES[entry.kind])
        count = len(data) // _SIZES[entry.kind]
        return list(struct.unpack_from(f"{self.order}{count}{letter}", data))

    def doubles(self, entry: Entry, most: int = 4096) -> list[float]:
        """Return the floating-point numbers of an entry."""
        if entry.kind not in {11, 12}:
            return []
        size = _SIZES[entry.kind]
        data = self.bytes(entry, min(entry.count, most) * size)
        return list(
            struct.unpack_from(f"{self.order}{len(data) // size}{_LETTERS[entry.kind]}", data)
        )

    def bytes(self, entry: Entry, most: int = MOST_BLOCK) -> bytes:
        """Return the value of an entry as it is stored, at most `most` bytes."""
        return read_at(self.file, entry.start, min(entry.size, most))

    def _directory(self, at: int, name: str) -> tuple[list[Entry], int]:
        """Return the entries of a directory, and the place of the next; 0: none."""
        width, step, inline = (8, 20, 8) if self.big else (2, 12, 4)
        count = self._number(at, width)
        kept = min(count, MOST_ENTRIES)
        data = read_at(self.file, at + width, kept * step)
        shape = self.order + ("HHQ" if self.big else "HHI")
        found = []
        for n in range(len(data) // step):
            tag, kind, many = struct.unpack_from(shape, data, n * step)
            size = many * _SIZES.get(kind, 0)
            place = at + width + n * step + step - inline
            if size > inline:
                place = self._number(place, inline)
            if size:
                found.append(Entry(name, tag, kind, many, place, size, at + width + n * step))
        whole = len(data) == count * step
        return found, self._number(at + width + count * step, 8 if self.big else 4) if whole else 0

    def _number(self, at: int, width: int) -> int:
        data = read_at(self.file, at, width)
        return int.from_bytes(data, "little" if self.order == "<" else "big")


def blocks(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of metadata that a TIFF keeps as entries of its directories."""
    tiff = Tiff(file)
    for entry in tiff.entries():
        kind = _BLOCKS.get(entry.tag)
        if kind is None:
            continue
        data = whole_at(file, entry.start, entry.size)
        if data is None:
            yield incomplete(f"TIFF: entry {entry.tag} is cut off or over {MOST_BLOCK} bytes")
        elif kind != "iptc" or b"\x1c" in data[:8]:
            yield Block(kind, f"TIFF {entry.directory}", data)
        elif data[3:4] == b"\x1c" and entry.kind == 4:  # written in the wrong byte order
            yield Block(kind, f"TIFF {entry.directory}", _swapped(data))


def _swapped(data: bytes) -> bytes:
    return b"".join(data[n : n + 4][::-1] for n in range(0, len(data), 4))
