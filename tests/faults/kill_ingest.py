"""Kill the command line at random moments until a submission is in; then nothing may be missing.

    python -m tests.faults.kill_ingest [--kills 1000]

Counts what was acknowledged and lost, registered twice, or left without an entry.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.service import evidence

FILES = 60
SUBMISSION = "SUB-01a1f000-0000-7000-8000-000000000001"


@dataclass
class Counted:
    """What came of the kills."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    failed_checks: int = 0


def run(kills: int, seed: int) -> Counted:
    """Return the counts of `kills` kills, over as many submissions as they take."""
    draw, counted = random.Random(seed), Counted()
    while counted.kills < kills:
        with tempfile.TemporaryDirectory() as folder:
            _submission(Path(folder), draw, counted, kills)
    return counted


def _submission(folder: Path, draw: random.Random, counted: Counted, kills: int) -> None:
    data, files = folder / "data", folder / "in"
    files.mkdir()
    for n in range(FILES):
        content = os.urandom(draw.choice([0, 10, 20_000, 1 << 20, 5 << 20]) if n % 9 else 3 << 20)
        (files / f"{n:03d}").write_bytes(content if n % 10 else b"the same bytes")
    for words in (["init"], ["case", "new", "KRN", "--title", "T"]):
        subprocess.run(evidence(data, *words), check=True, capture_output=True)
    seen: dict[str, str] = {}  # path -> number, as acknowledged at any time
    done = False
    while not done:
        done = _once(data, files, draw, counted, seen, last=counted.kills >= kills)
    _check(data, counted, seen)


def _once(
    data: Path, files: Path, draw: random.Random, counted: Counted, seen: dict[str, str],
    *, last: bool,
) -> bool:  # fmt: skip
    """Run the command, kill it or let it end; return whether it ended by itself."""
    process = subprocess.Popen(
        evidence(
            data, "ingest", files, "--case", "KRN", "--no-extract", "--submission", SUBMISSION
        ),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    if not last:
        time.sleep(draw.uniform(0.25, 0.9))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            counted.kills += 1
    out, _ = process.communicate()
    for line in out.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue  # the line that the kill cut
        counted.acknowledged += found["path"] not in seen
        if seen.setdefault(found["path"], found["exhibit"]) != found["exhibit"]:
            counted.doubled += 1
    return process.returncode == 0


def _check(data: Path, counted: Counted, seen: dict[str, str]) -> None:
    listed = subprocess.run(
        evidence(data, "list", "--case", "KRN"), check=True, capture_output=True, text=True
    )
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    numbers = {row["path"]: row["exhibit"] for row in rows}
    counted.lost += sum(numbers.get(path) != number for path, number in seen.items())
    counted.doubled += sum(count - 1 for count in Counter(row["path"] for row in rows).values())
    counted.lost += FILES - len(numbers)
    verified = subprocess.run(evidence(data, "verify"), check=False, capture_output=True)
    counted.failed_checks += verified.returncode != 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    sys.stdout.write(f"{run(given.kills, given.seed)}\n")
