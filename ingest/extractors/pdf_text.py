"""Text of PDF files for the index, by pdftotext; pages that are only pictures are counted."""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import (
    LONG,
    PATH,
    Derivative,
    Fact,
    Found,
    Inhibitor,
    Item,
    Problem,
    Program,
)
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
    ran = found.run("-enc", "UTF-8", "-l", "2000", PATH, "-")
    said = ran.stderr.decode("utf-8", "backslashreplace").strip()
    if ran.exit and "password" in said.lower():
        yield Inhibitor("encrypted")
        return
    pictures = documents.without_text(ran.stdout)
    text = ran.stdout.replace(b"\f", b"\n").strip()
    if text:
        yield Derivative.of("text", "text/plain", text[:MOST])
    if pictures and not ran.exit:
        count = len(pictures)
        yield Fact("Derived:PagesWithoutText", str(count), str(count), "pdftotext")
    if len(text) > MOST:
        yield Problem(f"text: only the first {MOST} bytes are for the index", incomplete=False)
    if ran.exit:
        yield Problem(f"pdftotext: exit {ran.exit}: {said}"[:300])
