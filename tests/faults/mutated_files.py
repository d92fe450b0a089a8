"""Thousands of damaged files through the sandbox: nobody dies, nothing is lost, each has a reason.

python -m tests.faults.mutated_files [--files 10000] [--seed 20261126] [--quick]

Takes real files (`../shared/samples`, `../shared/hostile`), damages each by one of seven mutators,
and looks at the result. Counts what may not be: a service that fails, an item without a record, a
failure without a reason, a run beyond its limits.
"""

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from custody.canonical import dumps
from ingest.extraction import LONG, OUTCOMES, Extraction
from ingest.sandbox import Sandbox
from tests.shared import SHARED

THREADS = 2
LARGEST = 2 << 20  # of a sample: many small ones say more than few large ones
DAMAGES = 8  # how often a mutator strikes one file


def bit(data: bytearray, chance: random.Random) -> bytearray:
    """Turn single bits."""
    for _ in range(DAMAGES):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def byte(data: bytearray, chance: random.Random) -> bytearray:
    """Replace single bytes, mostly near the beginning, where structures are."""
    for _ in range(DAMAGES):
        data[chance.randrange(min(len(data), chance.choice((64, 4096, len(data)))))] = (
            chance.randrange(256)
        )
    return data


def cut(data: bytearray, chance: random.Random) -> bytearray:
    """End early."""
    return data[: chance.randrange(len(data))]


def zero(data: bytearray, chance: random.Random) -> bytearray:
    """Overwrite a stretch with zeros, as a bad sector does."""
    start = chance.randrange(len(data))
    length = chance.choice((16, 512, 4096))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def duplicate(data: bytearray, chance: random.Random) -> bytearray:
    """Repeat a stretch."""
    start = chance.randrange(len(data))
    stretch = data[start : start + chance.randrange(1, 4096)]
    return data[:start] + stretch * chance.randrange(2, 5) + data[start:]


def integer(data: bytearray, chance: random.Random) -> bytearray:
    """Write numbers that lengths and counts do not expect."""
    for _ in range(DAMAGES):
        value = chance.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
        width = chance.choice((1, 2, 4, 8))
        start = chance.randrange(min(len(data), chance.choice((256, 4096, len(data)))))
        order = chance.choice(("big", "little"))
        data[start : start + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, order)
    return data


def swap(data: bytearray, chance: random.Random) -> bytearray:
    """Exchange two stretches."""
    length = chance.choice((4, 64, 1024))
    one, other = chance.randrange(len(data)), chance.randrange(len(data))
    first, second = data[one : one + length], data[other : other + length]
    data[one : one + length], data[other : other + length] = second, first
    return data


MUTATORS = (bit, byte, cut, zero, duplicate, integer, swap)


@dataclass
class Counted:
    """What came of it; the second group must stay empty."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    restarts: int = 0

    service_failures: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    without_reason: list[str] = field(default_factory=list)
    beyond_limits: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How much happened that may not."""
        return len(self.service_failures + self.lost + self.without_reason + self.beyond_limits)


def samples() -> dict[str, list[Path]]:
    """Return the real files by their group, so that each kind is struck as often."""
    found: dict[str, list[Path]] = {}
    for path in (
        path for folder in ("samples", "hostile")
        for path in sorted((SHARED / folder).rglob("*"))
        if path.is_file() and "/." not in str(path) and 0 < path.stat().st_size <= LARGEST
        and path.suffix not in {".md", ".jsonl", ".sha256"}
    ):  # fmt: skip
        found.setdefault("/".join(path.relative_to(SHARED).parts[:2]), []).append(path)
    return found


def run(count: int, seed: int) -> Counted:
    """Damage and look at so many files."""
    sources, counted, lock = samples(), Counted(), threading.Lock()
    groups = sorted(sources)

    def worker(first: int) -> None:
        with Sandbox(clock=lambda: datetime.now(UTC)) as sandbox:
            last = 0
            for number in range(first, count, THREADS):
                name = f"{seed}:{number}"
                chance = random.Random(f"{seed}/{number}")
                group = sources[chance.choice(groups)]
                path = group[chance.randrange(len(group))]
                mutate = chance.choice(MUTATORS)
                data = mutate(bytearray(path.read_bytes()), chance)
                label = f"{name} {mutate.__name__} {path.name}"
                look(sandbox, bytes(data), path.name, label, counted, lock)
                zygote = sandbox._zygote.process.pid if sandbox._zygote else 0
                with lock:
                    counted.restarts += last not in (0, zygote)
                last = zygote

    threads = [threading.Thread(target=worker, args=[n]) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    looked = sum(counted.outcomes.values())
    if looked + len(counted.service_failures) != count:
        counted.lost.append(f"{count - looked} of {count}")
    return counted


def look(
    sandbox: Sandbox, data: bytes, hint: str, label: str, counted: Counted, lock: threading.Lock
) -> None:
    """Look at one file and judge what came of it."""
    with os.fdopen(os.memfd_create("exhibit"), "w+b") as file:  # as the service hands it over
        file.write(data)
        start = time.perf_counter()
        try:
            record = sandbox.extract(file, name_hint=hint)
        except Exception as error:
            with lock:
                counted.service_failures.append(f"{label}: {type(error).__name__}: {error}")
            return
        seconds = time.perf_counter() - start
        same = os.pread(file.fileno(), len(data) + 1, 0) == data
    with lock:
        counted.outcomes[record.outcome] += 1
        counted.slowest = sorted([*counted.slowest, (seconds, label)], reverse=True)[:10]
        if record.outcome not in OUTCOMES or not same or Extraction.from_json(
            record.to_json()
        ) != record or not dumps(record.to_json()):  # fmt: skip
            counted.lost.append(label)
        if record.outcome not in {"ok", "unsupported"} and not record.problems:
            counted.without_reason.append(label)
        processes = 1 + len(record.sandbox.split(", ")) + len(record.extractors)
        if seconds > processes * LONG.wall_ms / 1000:
            counted.beyond_limits.append(f"{label}: {seconds:.1f} s")


def main(words: list[str]) -> int:
    """Run and print; 1 if anything happened that may not."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args(words)
    start = time.perf_counter()
    counted = run(given.files, given.seed)
    seconds = time.perf_counter() - start
    print(f"{given.files} damaged files in {seconds:.0f} s: {dict(counted.outcomes)}")
    print(f"warm processes that went down: {counted.restarts}")
    print("slowest: " + "; ".join(f"{s:.1f} s {label}" for s, label in counted.slowest[:5]))
    for name in ("service_failures", "lost", "without_reason", "beyond_limits"):
        found = getattr(counted, name)
        print(f"{name.replace('_', ' ')}: {len(found)}", *found[:20], sep="\n  ")
    return int(counted.wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
