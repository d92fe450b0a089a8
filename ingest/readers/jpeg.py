"""The segments before a JPEG's picture data, and the blocks of metadata in them."""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Problem
from ingest.readers.blocks import MOST_BLOCKS, Block, Found, incomplete, read_at

EXIF = b"Exif\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
ICC = b"ICC_PROFILE\0"
PHOTOSHOP = b"Photoshop 3.0\0"
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # what carries the picture's size
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def blocks(file: BinaryIO, start: int = 0) -> Iterator[Found]:
    """Yield the blocks of a JPEG that begins at `start`, up to its picture data.

    At most 4,096 segments, each at most 64 KiB by its form.
    """
    at, count = start + 2, 0
    icc: dict[int, bytes] = {}
    photoshop = bytearray()
    problem: Problem | None = None
    while True:
        found = _next_marker(file, at)
        if found is None:
            problem = incomplete("JPEG: cut off, or not a segment where one must be")
            break
        marker, at = found
        if marker in {0xDA, 0xD9}:  # picture data, or the end
            break
        if marker in _ALONE:
            continue
        count += 1
        if count > MOST_BLOCKS:
            problem = incomplete(f"JPEG: more than {MOST_BLOCKS} segments; the rest was not read")
            break
        length = int.from_bytes(read_at(file, at, 2), "big")
        data = read_at(file, at + 2, length - 2)
        if length < 2 or len(data) < length - 2:
            problem = incomplete(f"JPEG: segment {marker:02X} is cut off")
            break
        at += length
        if marker == 0xE2 and data.startswith(ICC) and len(data) > 14:
            icc[data[12]] = data[14:]
        elif marker == 0xED and data.startswith(PHOTOSHOP):
            photoshop += data[len(PHOTOSHOP) :]
        else:
            yield from _block(marker, data)
    if icc:
        yield Block("icc", "JPEG APP2", b"".join(icc[n] for n in sorted(icc)))
    if photoshop:
        yield Block("photoshop", "JPEG APP13", bytes(photoshop))
    if problem is not None:
        yield problem


def _next_marker(file: BinaryIO, at: int) -> tuple[int, int] | None:
    """Return the next marker and the place behind it; fill bytes are skipped."""
    head = read_at(file, at, 64)
    if not head.startswith(b"\xff"):
        return None
    body = head.lstrip(b"\xff")
    if not body or body[0] == 0:
        return None
    return body[0], at + len(head) - len(body) + 1


def _block(marker: int, data: bytes) -> Iterator[Block]:
    if marker == 0xE1 and data.startswith(EXIF) and len(data) > 6:
        yield Block("exif", "JPEG APP1", data[6:])
    elif marker == 0xE1 and data.startswith(XMP):
        yield Block("xmp", "JPEG APP1", data[len(XMP) :])
    elif marker == 0xE1 and data.startswith(XMP_EXTENSION):
        yield Block("xmp-part", "JPEG APP1", data[len(XMP_EXTENSION) :])
    elif marker == 0xE0 and data.startswith(b"JFIF\0"):
        yield Block("header", "JFIF", data[5:])
    elif marker == 0xEB and data.startswith(b"JP"):
        yield Block("c2pa", "JPEG APP11", data)
    elif marker == 0xFE:
        yield Block("comment", "JPEG COM", data)
    elif marker in _SOF:
        yield Block("header", "JPEG SOF", data)
