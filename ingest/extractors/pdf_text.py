"""Text of PDF files for the index, by pdftotext; what is only a picture in them has none."""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, PATH, Derivative, Found, Inhibitor, Item, Problem, Program
from ingest.readers import documents

NAME = "pdf_text"
VERSION = "text of PDF 1"
FORMATS = frozenset({"application/pdf"})
PROGRAM = Program("pdftotext", ("-v",), stdout_bytes=16 << 20, kept=False)
LIMITS = LONG
MOST = 4 << 20
SAMPLE = documents.drawn()


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the text as one derivative."""
    ran = found.run("-enc", "UTF-8", "-nopgbrk", "-l", "2000", PATH, "-")
    said = ran.stderr.decode("utf-8", "backslashreplace").strip()
    if ran.exit and "password" in said.lower():
        yield Inhibitor("encrypted")
        return
    text = ran.stdout.strip()
    if text:
        yield Derivative.of("text", "text/plain", text[:MOST])
    if len(text) > MOST:
        yield Problem(f"text: only the first {MOST} bytes are for the index", incomplete=False)
    if ran.exit:
        yield Problem(f"pdftotext: exit {ran.exit}: {said}"[:300])
