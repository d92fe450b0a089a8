"""Pages of PDF files as pictures, by pdftoppm: what a person looks at instead of the original."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, PATH, Found, Inhibitor, Item, Problem, Program
from ingest.readers import documents, pixels

NAME = "pages"
VERSION = f"pages 1, {pixels.VERSION}"
FORMATS = frozenset({"application/pdf"})
PROGRAM = Program("pdftoppm", ("-v",), stdout_bytes=24 << 20, kept=False)
LIMITS = LONG
_MOST = 10  # pages shown
_DOTS = "100"  # per inch: readable

SAMPLE = documents.drawn()


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
