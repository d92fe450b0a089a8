"""Custody reports of 60 to 100,000 entries: seconds, pages, and the memory of each process.

    python -m tests.benchmarks.bench_report [ROWS…]
    python -m tests.benchmarks.bench_report --export ENTRIES [--exhibits 100] [--place FOLDER]

The entries are made, of one exhibit; composing and printing, two volumes at once, is what every
export does. With `--export` they are recorded in a ledger, and a whole bundle of them is made by
the command: the memory is that of its process and of those that print, added up while it runs.
"""

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pypdf import PdfReader
from sqlalchemy import select

from custody.entry import Act, Draft
from repository.exhibits import ref
from repository.exports import press
from repository.exports.pdf import render
from repository.exports.report import Source
from repository.exports.report_files import printed
from repository.models import Exhibit
from tests.house import House, own_house
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


def record(house: House, entries: int, exhibits: int) -> None:
    """Take exhibits in, and record retrievals of them until there are so many entries."""
    with tempfile.TemporaryDirectory() as name:
        for number in range(exhibits):
            Path(name, f"{number:06d}.bin").write_bytes(number.to_bytes(8, "big"))
        house.ingest(name)
    repo, actor = house.repo, house.caller("analyst").actor()
    with repo.database.reading() as session:
        abouts = [ref(one) for one in session.scalars(select(Exhibit))]
    withheld = {"purpose": {"code": "analysis", "text": "what it shows"}, "case": house.case.code}
    missing = entries - repo.ledger.size()
    for start in range(0, missing, 1_000):
        repo.ledger.record(
            *[
                Draft(
                    Act.RETRIEVAL, actor, "started", exhibit=abouts[number % len(abouts)],
                    request_id=f"018f0000-0000-7000-8000-{number:012x}", withheld=withheld,
                )
                for number in range(start, min(start + 1_000, missing))
            ]
        )  # fmt: skip


def resident(parent: int) -> list[int]:
    """Return the resident MiB of a process and of each of its children.

    A child that is a copy of its parent yet, for a moment, has no memory of its own.
    """
    found, own = [], b""
    for pid in [str(parent), *children(parent)]:
        try:
            command = Path("/proc", pid, "cmdline").read_bytes()
            pages = int(Path("/proc", pid, "statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        if command != own:
            found.append(pages * os.sysconf("SC_PAGESIZE") >> 20)
        own = own or command
    return found


def children(parent: int) -> list[str]:
    """Return the processes that a process has started, from whichever of its threads."""
    try:
        return [
            pid
            for thread in Path(f"/proc/{parent}/task").iterdir()
            for pid in (thread / "children").read_text().split()
        ]
    except OSError:
        return []


def export(entries: int, exhibits: int, place: Path | None) -> str:
    """Return what a bundle of so many entries takes, all of its processes together."""
    with tempfile.TemporaryDirectory(dir=place) as name, own_house(Path(name)) as house:
        record(house, entries, exhibits)
        bundle, began = Path(name) / "bundle", time.monotonic()
        command = [
            sys.executable, "-m", "api.cli", "--data", house.data, "export", "--case", "KRN",
            "--purpose", "court", "--out", bundle,
        ]  # fmt: skip
        most: list[int] = []
        own = 0
        with subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as run:
            while run.poll() is None:
                now = resident(run.pid)
                most, own = max(most, now, key=sum), max([own, *now[:1]])
                time.sleep(0.02)
        assert run.returncode == 0, f"the export ended with {run.returncode}"
        return (
            f"{entries:>7,} entries of {exhibits:,} exhibits: {time.monotonic() - began:.1f} s, "
            f"{len(list(bundle.glob('custody-report*.pdf')))} volumes; at most {sum(most)} MiB in "
            f"all ({' + '.join(map(str, most))}), the exporting process at most {own} MiB; "
            f"load {os.getloadavg()[0]:.0f}"
        )


def main() -> None:
    """Measure reports of some sizes, or one export."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_report")
    parser.add_argument(
        "rows", nargs="*", default=SIZES, type=lambda one: int(one.replace(",", ""))
    )
    parser.add_argument("--export", type=int, metavar="ENTRIES")
    parser.add_argument("--exhibits", type=int, default=100)
    parser.add_argument("--place", type=Path, help="a folder with room for it")
    said = parser.parse_args()
    if said.export:
        print(export(said.export, said.exhibits, said.place), flush=True)
        return
    for count in said.rows:
        print(measure(count), flush=True)


if __name__ == "__main__":
    main()
