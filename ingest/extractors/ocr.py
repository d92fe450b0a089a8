"""Text in pictures, read by Tesseract: for search, and never a substitute for looking.

It takes seconds of a core a picture, so it runs where it is asked for. Which languages it reads is
which are installed (Debian: tesseract-ocr-ara, -ukr, -rus and others).
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import PATH, Derivative, Fact, Found, Item, Limits, Problem, Program
from ingest.readers import pixels

NAME = "ocr"
VERSION = "reading of pictures 1"
FORMATS = frozenset(
    {"image/jpeg", "image/png", "image/tiff", "image/webp", "image/gif", "image/bmp",
     "image/x-ms-bmp", "image/x-portable-pixmap"}
)  # fmt: skip
PROGRAM = Program("tesseract", ("--version",))
LIMITS = Limits(cpu_seconds=120, wall_ms=150_000)
ASKED = True
SAMPLE = pixels.drawn()
_WANTED = ("eng", "ukr", "rus", "ara", "heb", "fas", "pol", "fra", "spa")


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the text, and which languages were looked for."""
    listed = found.run("--list-langs").stdout.decode("ascii", "ignore").split()
    languages = "+".join(one for one in _WANTED if one in listed)
    if not languages:
        yield Problem("no language of Tesseract's is installed: nothing was read")
        return
    ran = found.run(PATH, "stdout", "-l", languages, "--dpi", "150")
    text = ran.stdout.decode("utf-8", "replace").strip(" \n\f")
    yield Fact("Derived:OCRLanguages", languages, languages, "tesseract --list-langs")
    if text:
        yield Derivative.of("ocr", "text/plain", text.encode())
    if ran.exit:
        said = re.sub(r"\s+", " ", ran.stderr.decode("utf-8", "backslashreplace"))
        yield Problem(f"tesseract: exit {ran.exit}: {said}"[:300])
