"""Pages of PDF files as pictures, by pdftoppm: what a person looks at instead of the original."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, PATH, Found, Inhibitor, Item, Problem, Program
from ingest.readers import pixels

NAME = "pages"
VERSION = f"pages 1, {pixels.VERSION}"
FORMATS = frozenset({"application/pdf"})
PROGRAM = Program("pdftoppm", ("-v",), stdout_bytes=24 << 20, kept=False)
LIMITS = LONG
_MOST = 10  # pages shown
_DOTS = "100"  # per inch: readable


def _document() -> bytes:
    """Return a PDF of our own: one page with one line on it."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 144 144]/Resources<<>>/Contents 4 0 R>>",
        b"<</Length 19>>stream\n10 10 m 134 134 l S\nendstream",
    )
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + table
    return bytes(out) + b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start


SAMPLE = _document()


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the first pages as pictures."""
    for number in range(1, _MOST + 1):
        ran = found.run(
            "-jpeg", "-r", _DOTS, "-scale-to", str(pixels.PREVIEW),
            "-f", str(number), "-l", str(number), "-singlefile", PATH,
        )  # fmt: skip
        said = ran.stderr.decode("utf-8", "backslashreplace").strip()
        if "Incorrect password" in said:
            yield Inhibitor("encrypted")
            return
        if "Wrong page range" in said or (not ran.stdout and number > 1):
            return
        if not ran.stdout:
            yield Problem(f"pdftoppm: page {number}, exit {ran.exit}: {said}"[:300])
            return
        for one in pixels.decoded(io.BytesIO(ran.stdout)):
            if isinstance(one, Problem):
                yield one
            else:
                yield pixels.made_of(one, kind="page", locator=f"page={number}")
    yield Problem(f"only the first {_MOST} pages are shown", incomplete=False)
