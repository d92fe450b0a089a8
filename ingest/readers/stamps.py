"""A number set on each page of a copy: of a PDF, or of a picture that becomes pages of a PDF.

Nothing of a page is covered: each page grows a margin at its foot, and the number stands in it.
What was drawn beyond the visible page stays hidden. Seals inside the copy do not hold any more;
the original is what they are of.
"""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pypdf
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    RectangleObject,
)

from ingest.readers import pixels
from ingest.readers.pdfs import plain

VERSION = f"number stamp 1, pypdf {pypdf.__version__}, {pixels.VERSION}"
_SIZE = 9.0  # points; less where the page is narrow
_WIDE = 0.6  # of a character of Courier, in its size
_PAGE_WIDTH = 595.0  # points of a picture's page: A4
_FONT = DictionaryObject(
    {
        NameObject("/Type"): NameObject("/Font"),
        NameObject("/Subtype"): NameObject("/Type1"),
        NameObject("/BaseFont"): NameObject("/Courier"),
    }
)

Label = Callable[[int], str]  # the number of a page, counted from 0


class NotStamped(Exception):
    """Why there is no stamped copy: a word, and what is said of it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def stamped(
    file: BinaryIO, *, picture: bool, pages: int | None, label: Label, frames: bool = False
) -> bytes:
    """Return a PDF with a number on each page.

    Args:
        file: the document or picture.
        picture: it is one.
        pages: how many numbers there are; a copy of more or fewer pages is not made. None: any.
        label: the number of each page.
        frames: a picture's file may hold several, each a page.

    Raises:
        NotStamped: it asks for a password, is damaged, or has another number of pages.
    """
    writer = PdfWriter()
    try:
        if picture:
            for one in _drawn(file, pages, frames=frames):
                writer.add_page(PdfReader(io.BytesIO(one)).pages[0])
        else:
            reader = PdfReader(file, strict=False)
            if reader.is_encrypted:
                raise NotStamped("encrypted", "the document is encrypted")
            writer.clone_document_from_reader(reader)
        count = len(writer.pages)
        if pages not in (None, count):
            raise NotStamped("pages-differ", f"it has {count} pages and {pages} numbers")
        for number, page in enumerate(writer.pages):
            _stamp(writer, page, label(number))
        out = io.BytesIO()
        writer.write(out)
    except NotStamped:
        raise
    except Exception as error:  # (both libraries raise many kinds on broken files)
        raise NotStamped("damaged", f"{type(error).__name__}: {error}"[:200]) from error
    return out.getvalue()


def _drawn(file: BinaryIO, pages: int | None, *, frames: bool) -> Iterator[bytes]:
    """Yield each picture of a file as a PDF of one page, upright, in all of its pixels."""
    count = max(1, pixels.frames_in(file)) if frames else 1
    if pages not in (None, count):
        raise NotStamped("pages-differ", f"it has {count} pages and {pages} numbers")
    for number in range(count):
        picture = pixels.whole(file, number)
        if picture is None:
            raise NotStamped("too-large", "more pixels than are decoded")
        yield pixels.page_of(picture, _PAGE_WIDTH)


def _stamp(writer: PdfWriter, page: PageObject, number: str) -> None:
    """Draw the page as it was, within its visible part, and below it a margin with the number."""
    box = RectangleObject(tuple(float(one) for one in page.cropbox))
    left, bottom, right, top = (float(one) for one in box)
    turn = int(page.rotation) % 360
    across = right - left if turn in (0, 180) else top - bottom
    size = min(_SIZE, across / (_WIDE * len(number) + 1))
    wide, high, gap = _WIDE * size * len(number), 2 * size, size / 2
    # The side that is shown at the foot, where the text starts, and which way it runs.
    grown, at, runs = {
        0: ((left, bottom - high, right, bottom),
            (right - gap - wide, bottom - high + gap), "1 0 0 1"),
        90: ((right, bottom, right + high, top),
             (right + high - gap, top - gap - wide), "0 1 -1 0"),
        180: ((left, top, right, top + high),
              (left + gap + wide, top + high - gap), "-1 0 0 -1"),
        270: ((left - high, bottom, left, top),
              (left - high + gap, bottom + gap + wide), "0 -1 1 0"),
    }[turn]  # fmt: skip
    form = DecodedStreamObject()
    form.set_data(_content(page))
    form.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/BBox"): box,
            NameObject("/Resources"): page.get("/Resources", DictionaryObject()),
        }
    )
    drawn = writer._add_object(form.flate_encode())  # noqa: SLF001  (there is no other way)
    x, y, x2, y2 = grown
    text = number.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    content = DecodedStreamObject()
    content.set_data(
        f"q /Page Do Q q 1 g {x:.3f} {y:.3f} {x2 - x:.3f} {y2 - y:.3f} re f 0 g BT "
        f"/Number {size:.3f} Tf {runs} {at[0]:.3f} {at[1]:.3f} Tm ({text}) Tj ET Q".encode()
    )
    page[NameObject("/Contents")] = writer._add_object(content)  # noqa: SLF001
    page[NameObject("/Resources")] = DictionaryObject(
        {
            NameObject("/Font"): DictionaryObject({NameObject("/Number"): _FONT}),
            NameObject("/XObject"): DictionaryObject({NameObject("/Page"): drawn}),
        }
    )
    media = [float(one) for one in page.mediabox]
    shown = [min(left, x), min(bottom, y), max(right, x2), max(top, y2)]
    whole = [*map(min, media[:2], shown[:2]), *map(max, media[2:], shown[2:])]
    for name, found in (("/MediaBox", whole), ("/CropBox", shown)):
        page[NameObject(name)] = ArrayObject(FloatObject(one) for one in found)


def _content(page: PageObject) -> bytes:
    """Return what draws a page, unpacked."""
    found = plain(page.get("/Contents"))
    if found is None:
        return b""
    if isinstance(found, ArrayObject):
        return b"\n".join(plain(one).get_data() for one in found)
    data: bytes = found.get_data()
    return data


def sample() -> None:
    """Stamp a page and a picture of our own, so that all that loads late is loaded."""
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.write(out)
    out.seek(0)
    stamped(out, picture=False, pages=1, label=str)
    stamped(io.BytesIO(pixels.drawn()), picture=True, pages=1, label=str)
