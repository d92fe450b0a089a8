"""Block: one piece of metadata as a container carries it; and exact, bounded reads of a file."""

import io
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from ingest.extraction import Problem

MOST_BLOCK = 8 << 20  # bytes of one block; a packet of metadata is rarely beyond 100 KiB
MOST_BLOCKS = 4096  # blocks and chunks of one file
MOST_TOTAL = 64 << 20  # bytes of all blocks of one file


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of metadata: its kind, where it lay in the container, its bytes.

    Kinds: `exif` (a TIFF stream), `exif-part` and `gps-part` (a TIFF stream whose first directory
    is one of Exif's own), `xmp`, `xmp-part`, `iptc`, `photoshop` (image resources), `icc`,
    `comment`, `text` (key NUL value), `header` (the container's own), `c2pa`.
    """

    kind: str
    where: str
    data: bytes


Found = Block | Problem  # what a reader of a container yields


def size_of(file: BinaryIO) -> int:
    """Return the length of an open file."""
    return file.seek(0, io.SEEK_END)


def read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """Return `length` bytes at an offset, or as many as there are; never more than a block."""
    if offset < 0 or length <= 0:
        return b""
    file.seek(offset)
    return file.read(min(length, MOST_BLOCK))


def whole_at(file: BinaryIO, offset: int, length: int) -> bytes | None:
    """Return exactly `length` bytes at an offset; None: too long for a block, or not there."""
    if not 0 <= length <= MOST_BLOCK:
        return None
    found = read_at(file, offset, length)
    return found if len(found) == length else None


def inflated(data: bytes, most: int = MOST_BLOCK) -> bytes | None:
    """Return zlib data in the clear; None: it is broken, or is more than `most` bytes."""
    expander = zlib.decompressobj()
    try:
        found = expander.decompress(data, most)
    except zlib.error:
        return None
    return found if expander.eof else None


def incomplete(reason: str) -> Problem:
    """Return the remark that something could not be read."""
    return Problem(reason[:200], incomplete=True)
