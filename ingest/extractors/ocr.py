"""Text in pictures and on scanned pages, read by Tesseract: for search, no substitute for looking.

It takes seconds of a core a picture or page, so it runs where it is asked for. Which languages it
reads is which are installed (Debian: tesseract-ocr-ara, -ukr, -rus and others). Of a PDF it reads
the pages that have next to no text of their own; what a scanner's program stamps on them is none.
"""

import re
import time
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import (
    PATH,
    Derivative,
    Fact,
    Found,
    Inhibitor,
    Item,
    Limits,
    Problem,
    Program,
    Ran,
)
from ingest.readers import documents, pixels

NAME = "ocr"
VERSION = "reading of pictures 2"
_PDF = "application/pdf"
FORMATS = frozenset(
    {"image/jpeg", "image/png", "image/tiff", "image/webp", "image/gif", "image/bmp",
     "image/x-ms-bmp", "image/x-portable-pixmap", _PDF}
)  # fmt: skip
PROGRAM = Program("tesseract", ("--version",))
ALSO = (
    Program("pdftotext", ("-v",), stdout_bytes=16 << 20, kept=False),
    Program("pdftoppm", ("-v",), stdout_bytes=24 << 20, kept=False),
)
MOST_PAGES = 100  # read
MOST_SECONDS = 900.0  # after which no further page is begun
LIMITS = Limits(cpu_seconds=120, wall_ms=int(MOST_SECONDS * 1000) + 150_000)
ASKED = True
SAMPLE = pixels.drawn()
_WANTED = ("eng", "ukr", "rus", "ara", "heb", "fas", "pol", "fra", "spa")
_SIDE = "3000"  # pixels of a page's longer side: A4 at 250 dots an inch


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the text, and which languages were looked for."""
    listed = found.run("--list-langs").stdout.decode("ascii", "ignore").split()
    languages = "+".join(one for one in _WANTED if one in listed)
    if not languages:
        yield Problem("no language of Tesseract's is installed: nothing was read")
        return
    yield Fact("Derived:OCRLanguages", languages, languages, "tesseract --list-langs")
    if _PDF in found.format.names:
        yield from _pages(found, languages)
        return
    yield from _text(found.run(PATH, "stdout", "-l", languages, "--dpi", "150"), "")


def _pages(found: Found, languages: str) -> Iterator[Item]:
    """Yield the text of the pages that are pictures."""
    ran = found.run("-enc", "UTF-8", "-l", "2000", PATH, "-", program="pdftotext")
    said = ran.stderr.decode("utf-8", "backslashreplace")
    if "password" in said.lower():
        yield Inhibitor("encrypted")
        return
    pictures = documents.without_text(ran.stdout)
    if not pictures:
        yield Problem("ocr: every page has text of its own", incomplete=False)
    begun = time.monotonic()
    for count, number in enumerate(pictures):
        if count == MOST_PAGES or time.monotonic() - begun > MOST_SECONDS:
            yield Problem(f"ocr: {count} of {len(pictures)} pages without text were read")
            return
        page = str(number)
        drawn = found.run(
            "-gray", "-scale-to", _SIDE, "-f", page, "-l", page, "-singlefile", PATH,
            program="pdftoppm",
        )  # fmt: skip
        if not drawn.stdout:
            said = drawn.stderr.decode("utf-8", "backslashreplace")
            yield Problem(f"pdftoppm: page {page}, exit {drawn.exit}: {said}"[:300])
            continue
        ran = found.run("stdin", "stdout", "-l", languages, "--dpi", "250", data=drawn.stdout)
        yield from _text(ran, f"page={page}")


def _text(ran: Ran, locator: str) -> Iterator[Item]:
    text = ran.stdout.decode("utf-8", "replace").strip(" \n\f")
    if text:
        yield Derivative.of("ocr", "text/plain", text.encode(), locator=locator)
    if ran.exit:
        said = re.sub(r"\s+", " ", ran.stderr.decode("utf-8", "backslashreplace"))
        yield Problem(f"tesseract: {locator} exit {ran.exit}: {said}"[:300])
