"""What a person sees of a picture without opening it: thumbnail, preview, pages, likeness.

And whether the thumbnail that a camera wrote into it still shows the same.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Derivative, Fact, Found, Item, Limits, Problem
from ingest.readers import pixels, thumbnails

NAME = "preview"
VERSION = pixels.VERSION
FORMATS = frozenset(
    {
        "image/jpeg", "image/png", "image/apng", "image/webp", "image/tiff", "image/gif",
        "image/bmp", "image/x-ms-bmp", "image/avif", "image/jp2", "image/jpx", "image/heic",
        "image/heif", "image/heic-sequence", "image/heif-sequence", "image/x-adobe-dng",
        "image/vnd.adobe.photoshop", "image/x-portable-pixmap", "image/x-tga",
    }
)  # fmt: skip
THREADS = True  # decoders of HEIC and AVIF have their own
LIMITS = Limits()  # in a process of its own: decoders fail hard, and metadata is worth more
_PAGES = 20  # of a TIFF
_PAGED = frozenset({"image/tiff"})
SAMPLE = pixels.drawn()


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield a thumbnail and a preview, made anew of the pixels, and a hash of how it looks."""
    for one in pixels.decoded(file):
        if isinstance(one, Problem):
            yield one
            continue
        shown = pixels.fitted(one, pixels.PREVIEW)
        rough = pixels.fitted(shown, pixels.COMPARED_AT)  # each of the one before: decoded once
        small = pixels.fitted(rough, pixels.THUMBNAIL)
        yield Derivative.of("thumbnail", "image/jpeg", pixels.encoded(small))
        yield Derivative.of("preview", "image/jpeg", pixels.encoded(shown))
        yield from pixels.likeness(rough)
        yield from thumbnails.compared(file, rough)
    if _PAGED.isdisjoint(found.format.names):
        return
    count = pixels.frames_in(file)
    if count:
        yield Fact("Derived:PageCount", str(count), str(count), VERSION)
    for number in range(1, min(count, _PAGES)):
        for one in pixels.decoded(file, frame=number):
            if isinstance(one, Problem):
                yield one
            else:
                yield pixels.made_of(one, kind="page", locator=f"page={number + 1}")
    if count > _PAGES:
        yield Problem(f"only the first {_PAGES} of {count} pages are shown", incomplete=False)
