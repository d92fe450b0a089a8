"""Boxes of ISO base media files (MP4, MOV, HEIC, AVIF, CR3, JPEG 2000, JPEG XL): the tree, bounded.

    box = length (4) | type (4) | [length (8), if the first is 1] | [uuid (16)] | content

A length of 0 means "to the end". A box that is longer than what holds it is cut there and
remembered as such.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ingest.readers.blocks import read_at, size_of

MOST_BOXES = 20_000  # in one file; a film of hours has some hundreds outside its samples
MOST_DEPTH = 12  # of boxes in boxes that anything reads; QuickTime's own deepest is 8


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, and where its content begins and ends."""

    kind: str  # four characters, Latin-1; "uuid" carries the identifier beside it
    start: int  # of the content
    end: int
    cut: bool  # it claims to be longer than what holds it
    uuid: str = ""

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.end - self.start


class TooManyBoxes(ValueError):
    """More boxes than any sound file has."""


class Boxes:
    """The boxes of one open file: counts what it hands out, so that no nesting costs too much."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = size_of(file)
        self._left = MOST_BOXES

    def top(self) -> Iterator[Box]:
        """Yield the boxes of the file itself."""
        return self.within(0, self.size)

    def inside(self, box: Box, skip: int = 0) -> Iterator[Box]:
        """Yield the boxes in a box, after `skip` bytes of its own content."""
        return self.within(box.start + skip, box.end)

    def within(self, start: int, end: int) -> Iterator[Box]:
        """Yield the boxes between two places.

        Raises:
            TooManyBoxes: the file holds more than MOST_BOXES.
        """
        while start + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise TooManyBoxes(f"more than {MOST_BOXES} boxes")
            head = read_at(self.file, start, 32)
            if len(head) < 8:
                return
            length, kind = struct.unpack(">I4s", head[:8])
            content = start + 8
            if length == 1 and len(head) >= 16:
                length, content = struct.unpack(">Q", head[8:16])[0], start + 16
            elif length == 0:
                length = end - start
            uuid = ""
            if kind == b"uuid":
                uuid = read_at(self.file, content, 16).hex()
                content += 16
            if length < content - start:
                return  # shorter than its own head: what follows has no known place
            stop = min(start + length, end)
            yield Box(kind.decode("latin-1"), min(content, stop), stop, start + length > end, uuid)
            start += length

    def find(self, start: int, end: int, *path: str, skip: int = 0) -> Box | None:
        """Return the first box at a path of types between two places, if there is one."""
        found: Box | None = None
        for kind in path:
            found = next((b for b in self.within(start, end) if b.kind == kind), None)
            if found is None:
                return None
            start, end = found.start + skip, found.end
        return found

    def content(self, box: Box, most: int = 1 << 20) -> bytes:
        """Return the content of a box, at most `most` bytes of it."""
        return read_at(self.file, box.start, min(box.size, most))
