"""Reading a long list, and matching it with as many files: time, and memory against a short one.

    python -m tests.benchmarks.bench_manifests [--files 400000]

Each step runs in a process of its own; nothing is opened but the list.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from ingest.gather import gather
from ingest.manifests import read_manifest
from ingest.manifests.matching import match
from ingest.sources import Source
from tests.benchmarks.house_of import say


def main() -> None:
    """Measure, or, with a step named, do that step."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=400_000)
    arguments.add_argument("--step", choices=["read", "match"])
    arguments.add_argument("--list", type=Path)
    given = arguments.parse_args()
    if given.step:
        _step(given.step, given.list, given.files)
        return
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short.csv", Path(folder) / "long.csv"
        _write(short, 1_000)
        _write(long, given.files)
        say(f"a list of {given.files} rows has {long.stat().st_size >> 20} MiB")
        for step in ("read", "match"):
            seconds, peak = _run(step, long, given.files)
            _, least = _run(step, short, 1_000)
            say(
                f"{step}: {seconds:.1f} s, {1e6 * seconds / given.files:.0f} µs a row; peak "
                f"{peak / 1024:.0f} MiB, {(peak - least) / 1024:.0f} MiB more than for 1,000 rows"
            )


def _paths(count: int) -> Iterator[str]:
    for n in range(count):
        yield f"{n % 1000:04d}/IMG_{n:07d}.JPG"


def _write(file: Path, count: int) -> None:
    with file.open("w") as out:
        out.write("path,collector,place,sha256\n")
        for n, path in enumerate(_paths(count)):
            out.write(f"{path},A. Field,Mosul,{sha256(b'%d' % n).hexdigest()}\n")


def _run(step: str, file: Path, count: int) -> tuple[float, int]:
    words = ["--step", step, "--list", str(file), "--files", str(count)]
    command = [sys.executable, "-m", "tests.benchmarks.bench_manifests", *words]
    seconds, peak = subprocess.run(command, check=True, capture_output=True).stdout.split()
    return float(seconds), int(peak)


def _step(step: str, file: Path, count: int) -> None:
    listed = read_manifest(file)
    sources = []
    if step == "match":
        sources = [
            Source(
                b"/x/photos/" + path.encode(), b"photos/" + path.encode(), 5, inside=path.encode()
            )
            for path in _paths(count)
        ]
    begun = time.monotonic()
    if step == "read":
        assert sum(1 for _ in listed) == count
    else:
        with match(listed, sources, folder=listed.folder) as matching:
            found = gather(sources, matching)
        assert len(found.things()) == len(found.rows) == count
    print(time.monotonic() - begun, getrusage(RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
