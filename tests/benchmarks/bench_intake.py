"""Intake of one large file against copying, syncing and digesting it by hand (08, point 1).

    python -m tests.benchmarks.bench_intake [--gib 2] [--pairs 7] [--on FOLDER]

Interleaved pairs, warm cache; ours is the whole command: interpreter start, hashing, write-once
store, manifest, ledger transaction, receipt, published checkpoint.
"""

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

from tests.benchmarks.house_of import evidence, fill, new_house, say, spread, workplace

COPY = 'cp "$0" "$1" && sync'
DIGEST = 'openssl dgst -sha256 "$1" >/dev/null && openssl dgst -sha512 "$1" >/dev/null'


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def pair(place: Path, file: Path, number: int) -> tuple[float, float, float]:
    """Return seconds of copy and sync, of the digests, and of ours."""
    copy = str(place / f"copy{number}")
    copying = timed(["sh", "-c", COPY, str(file), copy])
    digesting = timed(["sh", "-c", DIGEST, str(file), copy])
    os.unlink(copy)
    data = place / f"data{number}"
    new_house(data)
    subprocess.run(["sync"], check=True)
    ours = timed(evidence(data, "ingest", file, "--case", "KRN", "--no-extract"))
    subprocess.run(["rm", "-rf", str(data)], check=True)
    return copying, digesting, ours


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gib", type=float, default=2)
    arguments.add_argument("--pairs", type=int, default=7)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        file = place / "evidence.bin"
        fill(file, int(given.gib * (1 << 30)))
        say(f"theirs: {COPY}; {DIGEST}")
        say("ours:   evidence ingest FILE --case KRN --no-extract")
        results = []
        for number in range(given.pairs):
            results.append(pair(place, file, number))
            say("pair {}: copy+sync {:.2f} s, digests {:.2f} s, ours {:.2f} s".format(
                number + 1, *results[-1]))  # fmt: skip
    ratios = [ours / (copying + digesting) for copying, digesting, ours in results]
    alone = [ours / copying for copying, _, ours in results]
    say(f"ours, s: {spread([ours for _, _, ours in results])}")
    say(f"ratio to copy+sync+digests, median of pairs: {statistics.median(ratios):.2f}")
    say(f"  spread: {spread(ratios)}")
    say(f"ratio to copy+sync alone: {spread(alone)}")


if __name__ == "__main__":
    main()
