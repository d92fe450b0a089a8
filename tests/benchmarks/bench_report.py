"""Custody reports of 60 to 100,000 entries: seconds, pages, and the memory of each process.

    python -m tests.benchmarks.bench_report [ROWS…]

The entries are made, of one exhibit; composing and printing, two volumes at once, is what every
export does.
"""

import io
import resource
import sys
import time

from pypdf import PdfReader

from repository.exports import press
from repository.exports.pdf import render
from repository.exports.report import Source
from repository.exports.report_files import printed
from tests.repository.report_rows import EXHIBIT, FILES, GIVEN, PERSON, heading, row

SIZES = (60, 2_000, 20_000, 100_000)


def measure(count: int) -> str:
    """Return what a report of so many entries takes."""
    press.SHORT = 0  # every volume in a process of its own, whose memory can be told apart
    purpose = {"purpose": {"code": "analysis", "text": ""}}
    rows = [row(n, "retrieval", seq=n, opened=PERSON | purpose) for n in range(1, count + 1)]
    source = Source(heading(), [EXHIBIT], rows, GIVEN, FILES)
    began, bound, pages, size = time.perf_counter(), 0, 0, 0
    for pdf in printed(source, render):
        bound, size = bound + 1, size + len(pdf)
        pages += len(PdfReader(io.BytesIO(pdf)).pages)
    seconds = time.perf_counter() - began
    own, child = (
        resource.getrusage(who).ru_maxrss >> 10
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (
        f"{count:>7,} rows: {seconds:6.1f} s, {bound} volumes, {pages:,} pages, {size >> 20} MiB; "
        f"composing {own} MiB, each of two that print at most {child} MiB"
    )


if __name__ == "__main__":
    for count in [int(one.replace(",", "")) for one in sys.argv[1:]] or SIZES:
        print(measure(count), flush=True)
