"""Memory of `evidence ingest -` while a long stream comes in.

    python -m tests.benchmarks.bench_memory [--gib 10]

Runs the same command on one byte and on the long stream and compares the peaks.
"""

import argparse
import os
import subprocess
from pathlib import Path

from tests.benchmarks.house_of import evidence, new_house, say, workplace


def peak(data: Path, size: int) -> int:
    """Return the peak resident memory (KiB) of taking in a stream of a size."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        evidence(data, "ingest", "-", "--case", "KRN", "--no-extract"),
        stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(reader)
    block = os.urandom(1 << 20)
    with os.fdopen(writer, "wb", buffering=0) as out:
        left = size
        while left:
            left -= out.write(block[: min(left, len(block))])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return usage.ru_maxrss


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=10)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        new_house(place / "data")
        small = peak(place / "data", 1)
        large = peak(place / "data", int(given.gib * (1 << 30)))
    say(f"$ … | evidence ingest - --case KRN   ({given.gib:g} GiB from standard input)")
    say(f"peak {small / 1024:.1f} MiB for 1 byte, {large / 1024:.1f} MiB for {given.gib:g} GiB: "
        f"growth {(large - small) / 1024:.1f} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
