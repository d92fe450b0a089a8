"""The thumbnail a camera wrote into a photograph, and whether it still shows the photograph.

Programs that change a picture often leave the camera's thumbnail as it was: then it shows what the
picture once was. The fact is a measure and its doubt a reason to look; neither is a verdict.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Derivative, Fact, Item, Problem
from ingest.readers import pictures, pixels
from ingest.readers.blocks import Block
from ingest.readers.tiff import Tiff

DIFFERENT = 15.0  # of 255: cameras' own thumbnails stay below 8 (60 of the samples)
_START, _LENGTH = 0x0201, 0x0202
_MOST_THUMBNAIL = 1 << 20


def compared(file: BinaryIO, picture: pixels.Picture) -> Iterator[Item]:
    """Yield the thumbnail inside a photograph, and how much the photograph differs from it.

    Args:
        file: the photograph's file.
        picture: its pixels, decoded, in any size.
    """
    data = thumbnail(file)
    if data is None:
        return
    small = [one for one in pixels.decoded(io.BytesIO(data)) if not isinstance(one, Problem)]
    if not small:
        yield Problem("the thumbnail inside cannot be decoded", incomplete=False)
        return
    shown = pixels.fitted(small[0], pixels.THUMBNAIL)
    yield Derivative.of("thumbnail", "image/jpeg", pixels.encoded(shown), locator="exif")
    apart, turn = pixels.difference(picture, small[0])
    doubt = None
    if apart > DIFFERENT:
        doubt = "the thumbnail inside shows something else than the picture: it may be older"
    value = f"{apart:.1f}" + (f" turned {turn}" if turn else "")
    raw = f"mean difference of 16x16 shades, {apart:.1f} of 255"
    yield Fact("Derived:ThumbnailDifference", value, raw, pixels.VERSION, None, doubt)


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
