"""Whether the thumbnail a camera wrote into a photograph shows what the photograph shows.

Programs that change a picture often leave the camera's thumbnail as it was: then it shows what the
picture once was. The fact is a measure and its doubt a reason to look; neither is a verdict.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Derivative, Fact, Found, Item, Limits, Problem
from ingest.readers import pictures, pixels
from ingest.readers.blocks import Block
from ingest.readers.tiff import Tiff

NAME = "thumbnail"
VERSION = pixels.VERSION
FORMATS = frozenset({"image/jpeg"})
LIMITS = Limits()  # in a process of its own: decoders fail hard
DIFFERENT = 15.0  # of 255: cameras' own thumbnails stay below 8 (60 of the samples)
_START, _LENGTH = 0x0201, 0x0202
_MOST_THUMBNAIL = 1 << 20


def _sample() -> bytes:
    """Return a JPEG of our own that carries itself as its thumbnail."""
    picture = pixels.drawn()
    tiff = (
        b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\x02\0"
         b"\x01\x02\x04\0\x01\0\0\0" + (44).to_bytes(4, "little")
        + b"\x02\x02\x04\0\x01\0\0\0" + len(picture).to_bytes(4, "little") + b"\0\0\0\0"
        + picture
    )  # fmt: skip
    segment = b"Exif\0\0" + tiff
    return picture[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + picture[2:]


SAMPLE = _sample()


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the thumbnail, and how much the picture differs from it."""
    data = thumbnail(file)
    if data is None:
        return
    shown = [list(pixels.decoded(one)) for one in (file, io.BytesIO(data))]
    whole, small = ([one for one in each if not isinstance(one, Problem)] for each in shown)
    if not small:
        yield Problem("the thumbnail inside cannot be decoded", incomplete=False)
        return
    picture = pixels.encoded(pixels.fitted(small[0], pixels.THUMBNAIL))
    yield Derivative.of("thumbnail", "image/jpeg", picture, locator="exif")
    if whole:
        apart, turn = pixels.difference(whole[0], small[0])
        doubt = None
        if apart > DIFFERENT:
            doubt = "the thumbnail inside shows something else than the picture: it may be older"
        value = f"{apart:.1f}" + (f" turned {turn}" if turn else "")
        raw = f"mean difference of 16x16 shades, {apart:.1f} of 255"
        yield Fact("Derived:ThumbnailDifference", value, raw, VERSION, None, doubt)


def thumbnail(file: BinaryIO) -> bytes | None:
    """Return the JPEG that Exif keeps as a thumbnail; None: there is none."""
    for block in pictures.blocks(file):
        if not isinstance(block, Block) or block.kind != "exif":
            continue
        tiff = Tiff(io.BytesIO(block.data))
        places = {
            one.tag: tiff.numbers(one)[:1] for one in tiff.entries() if one.directory == "IFD1"
        }
        start, length = places.get(_START), places.get(_LENGTH)
        if start and length and length[0] <= _MOST_THUMBNAIL:
            data = block.data[start[0] : start[0] + length[0]]
            if data.startswith(b"\xff\xd8"):
                return data
    return None
