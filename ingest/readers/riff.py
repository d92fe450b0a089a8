"""The chunks of a RIFF file (WebP, AVI, WAV), lists opened, bounded.

chunk = type (4) | length (4, little-endian) | data | a pad byte after an odd length
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ingest.readers.blocks import MOST_BLOCK, Block, Found, incomplete, read_at, size_of, whole_at

MOST_CHUNKS = 20_000
_HEADER = 12


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: the lists it lies in, its type, and where its data begins and ends."""

    path: tuple[str, ...]
    kind: str
    start: int
    end: int
    cut: bool  # it claims to be longer than the file


class TooManyChunks(ValueError):
    """More chunks than any sound file has."""


def chunks(file: BinaryIO, lists: frozenset[str]) -> Iterator[Chunk]:
    """Yield the chunks of a RIFF file; those lists that are named are opened in place.

    Raises:
        TooManyChunks: the file holds more than MOST_CHUNKS.
    """
    size = size_of(file)
    left = MOST_CHUNKS
    ends: list[tuple[int, tuple[str, ...]]] = [(size, ())]  # the lists we are in
    at = _HEADER
    while at + 8 <= size:
        while at >= ends[-1][0] and len(ends) > 1:
            ends.pop()
        left -= 1
        if left < 0:
            raise TooManyChunks(f"more than {MOST_CHUNKS} chunks")
        head = read_at(file, at, 12)
        kind = head[:4].decode("latin-1")
        length = int.from_bytes(head[4:8], "little")
        if kind in {"LIST", "RIFF"} and head[8:12].decode("latin-1") in lists and len(ends) < 8:
            path = (*ends[-1][1], head[8:12].decode("latin-1"))
            ends.append((min(at + 8 + length, size), path))
            at += 12
            continue
        stop = min(at + 8 + length, size)
        yield Chunk(ends[-1][1], kind, at + 8, stop, at + 8 + length > size)
        at += 8 + length + length % 2


def webp_blocks(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of metadata of a WebP."""
    kinds = {"EXIF": "exif", "XMP ": "xmp", "ICCP": "icc", "C2PA": "c2pa"}
    headers = {"VP8X": 10, "VP8 ": 10, "VP8L": 5, "ANIM": 6}
    try:
        for chunk in chunks(file, frozenset()):
            if chunk.cut:
                yield incomplete(f"WebP: chunk {chunk.kind!r} is cut off")
            if chunk.kind in headers:
                data = read_at(file, chunk.start, min(headers[chunk.kind], chunk.end - chunk.start))
                yield Block("header", f"RIFF {chunk.kind}", data)
            elif chunk.kind in kinds and not chunk.cut:
                found = whole_at(file, chunk.start, chunk.end - chunk.start)
                if found is None:
                    yield incomplete(f"WebP: chunk {chunk.kind!r} has over {MOST_BLOCK} bytes")
                else:
                    data = found.removeprefix(b"Exif\0\0")
                    yield Block(kinds[chunk.kind], f"RIFF {chunk.kind}", data)
    except TooManyChunks as error:
        yield incomplete(f"WebP: {error}")
