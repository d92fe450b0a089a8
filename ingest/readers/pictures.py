"""The blocks of metadata of any picture: the container is known by its first bytes."""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.readers import heif, iptc, jpeg, png, riff, tiff
from ingest.readers.blocks import MOST_BLOCK, Block, Found, incomplete, read_at, whole_at

_BOXES = (b"ftyp", b"JXL ", b"jP  ")
_PSD_BLOCKS = {0x0422: "exif", 0x0424: "xmp", 0x040F: "icc"}
_MOST_GIF_BLOCKS = 100_000


def blocks(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of metadata of a picture, whatever carries them; none: not known."""
    head = read_at(file, 0, 16)
    if head.startswith(b"\xff\xd8"):
        yield from jpeg.blocks(file)
    elif head.startswith(png.MAGIC):
        yield from png.blocks(file)
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        yield from riff.webp_blocks(file)
    elif head[4:8] in _BOXES:
        yield from heif.blocks(file)
    elif head.startswith(b"FUJIFILMCCD-RAW"):
        yield from _raf(file)
    elif head[:2] in {b"II", b"MM"}:  # TIFF, and ORF, RW2, NEF, ARW, DNG, CR2
        yield from tiff.blocks(file)
    elif head.startswith(b"8BPS"):
        yield from _photoshop(file)
    elif head.startswith(b"GIF8"):
        yield from _gif(file)
    elif head.startswith(b"BM"):
        yield Block("header", "BMP", read_at(file, 0, 64))


def is_tiff(head: bytes) -> bool:
    """Return whether the file itself is the TIFF stream, not a block in it."""
    return head[:2] in {b"II", b"MM"}


def _raf(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of the JPEG that a Fujifilm raw file keeps beside its raw data."""
    place = read_at(file, 84, 8)
    start = int.from_bytes(place[:4], "big")
    if read_at(file, start, 2) == b"\xff\xd8":
        yield from jpeg.blocks(file, start)
    else:
        yield incomplete("RAF: no JPEG where the header says")


def _photoshop(file: BinaryIO) -> Iterator[Found]:
    """Yield header and image resources of a Photoshop file."""
    yield Block("header", "PSD", read_at(file, 0, 26))
    colours = int.from_bytes(read_at(file, 26, 4), "big")
    at = 30 + colours
    length = int.from_bytes(read_at(file, at, 4), "big")
    data = whole_at(file, at + 4, length)
    if data is None:
        yield incomplete(f"PSD: image resources are cut off or over {MOST_BLOCK} bytes")
    else:
        yield Block("photoshop", "PSD", data)
        yield from _resources(data)


def _resources(data: bytes) -> Iterator[Found]:
    """Yield the blocks that a Photoshop file keeps among its image resources."""
    try:
        for number, value in iptc.resources(data):
            if number in _PSD_BLOCKS:
                yield Block(_PSD_BLOCKS[number], "PSD image resource", value)
    except iptc.Broken as error:
        yield incomplete(f"PSD: {error}")


def _gif(file: BinaryIO) -> Iterator[Found]:
    """Yield header, comments and XMP of a GIF; its pictures are passed over."""
    head = read_at(file, 0, 13)
    yield Block("header", "GIF", head)
    at = 13 + (3 << (head[10] & 7) + 1 if len(head) == 13 and head[10] & 0x80 else 0)
    for _ in range(_MOST_GIF_BLOCKS):
        mark = read_at(file, at, 11)
        if not mark or mark[0] == 0x3B:
            return
        if mark[0] == 0x2C and len(mark) >= 10:
            at += 10 + (3 << (mark[9] & 7) + 1 if mark[9] & 0x80 else 0) + 1
            at, _data = _sub_blocks(file, at, 0)
        elif mark[0] == 0x21 and len(mark) > 2 and mark[1] in {0xFE, 0xFF}:
            name = read_at(file, at + 3, 11)
            if mark[1] == 0xFF and name == b"XMP DataXMP":  # raw, behind it 258 bytes of a ramp
                data = read_at(file, at + 14, MOST_BLOCK)
                end = data.find(b"\x01\xff\xfe\xfd")
                yield Block("xmp", "GIF application", data[: end if end >= 0 else len(data)])
                at, data = _sub_blocks(file, at + 2, 0)
            else:
                at, data = _sub_blocks(file, at + 2, 65_536)
                if mark[1] == 0xFE:
                    yield Block("comment", "GIF", data)
        elif mark[0] == 0x21:
            at, _data = _sub_blocks(file, at + 2, 0)
        else:
            yield incomplete("GIF: not a block where one must be")
            return
    yield incomplete(f"GIF: more than {_MOST_GIF_BLOCKS} blocks; the rest was not read")


def _sub_blocks(file: BinaryIO, at: int, most: int) -> tuple[int, bytes]:
    """Return the place behind a chain of sub-blocks, and at most `most` bytes of their data."""
    data = bytearray()
    while True:
        length = read_at(file, at, 1)
        if not length or length == b"\0":
            return at + 1, bytes(data)
        if len(data) < most:
            data += read_at(file, at + 1, length[0])
        at += 1 + length[0]
