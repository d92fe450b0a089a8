"""The ledger on SQLite: appends in transactions of 100, bytes per entry, proofs, audit.

python -m tests.benchmarks.bench_ledger [--entries 100000] [--batch 100]
"""

import argparse
import os
import random
import statistics
import time
from pathlib import Path

from custody.audit import audit
from tests.benchmarks.house_of import say, workplace
from tests.custody.conftest import make


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--entries", type=int, default=100_000)
    arguments.add_argument("--batch", type=int, default=100)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    with workplace(given.on) as place:
        measure(place, given.entries, given.batch)


def measure(place: Path, entries: int, batch: int) -> None:
    kept = make(place)
    start = time.perf_counter()
    for first in range(0, entries, batch):
        kept.ledger.record(*[kept.draft(first + k) for k in range(batch)])
    seconds = time.perf_counter() - start
    say(f"{entries} entries in transactions of {batch}, synchronous=FULL, one signed head each,")
    say(f"five withheld fields each: {entries / seconds:.0f} entries/s")
    kept.database.engine.dispose()
    size = sum(os.stat(file).st_size for file in place.glob("ledger.db*"))
    say(f"{size / entries:.0f} bytes per entry in all tables and indexes")
    body = statistics.mean(len(entry.body) for entry in kept.ledger.entries(0, 1000))
    say(f"  of these {body:.0f} in the body")
    draw, times = random.Random(1), []
    for _ in range(1000):
        index = draw.randrange(entries)
        began = time.perf_counter()
        kept.ledger.proof(index)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    say(f"inclusion proof, verified before it is given out: p50 {times[500]:.2f} ms, "
        f"p99 {times[990]:.2f} ms")  # fmt: skip
    began = time.perf_counter()
    found = audit(kept.database, keys=kept.ledger.key_history(), wrapping_key=kept.wrapping_key)
    seconds = time.perf_counter() - began
    failed = [one for one in found if one.outcome == "fail"]
    say(f"full audit, canonical form and openings included: {entries / seconds:.0f} entries/s, "
        f"{len(failed)} failures")  # fmt: skip


if __name__ == "__main__":
    main()
