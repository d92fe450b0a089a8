"""The n-th operation of store, database or witness fails, for n = 1, 2 … until a run meets none.

    python -m tests.faults.nth_operation [--of store,database,witness] [--every 1]

Each run is one house of the simulator that hands in, reads, holds, publishes, copies and checks,
with one fault in all, of each kind in turn; then everything goes on, and the dumps are judged
(`tests.faults.invariants`). `--every K` takes every K-th n.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import custody.ask_witness
from tests.benchmarks.house_of import say
from tests.faults.simulator import (
    DATABASE_FAULTS,
    STORE_FAULTS,
    WITNESS_FAULTS,
    Faults,
    World,
    quick_keys,
)

KINDS = {"store": STORE_FAULTS, "database": DATABASE_FAULTS, "witness": WITNESS_FAULTS}


class Once(Faults):
    """One fault, at the n-th operation of one thing."""

    def __init__(self, where: str, kind: str, n: int) -> None:
        super().__init__(random.Random(n), 0.0)
        self._where, self._kind, self._n, self.count = where, kind, n, 0

    def at(self, where: str, kinds: Sequence[str]) -> str | None:
        if not self.on or where != self._where:
            return None
        self.count += 1
        if self.count != self._n:
            return None
        self.happened[f"{where}: {self._kind}"] += 1
        return self._kind


def live(where: str, kind: str, n: int) -> tuple[bool, list[str]]:
    """Live through one house; return whether there was an n-th operation, and what is broken."""
    post, folder = custody.ask_witness.post, Path(tempfile.mkdtemp(prefix="evidence-nth-"))
    try:
        with quick_keys():
            world = World(7, folder)
            custody.ask_witness.post = world.post  # type: ignore[assignment]
            world.repo.close()
            once = Once(where, kind, n)
            world.faults = once
            world.open()
            for act in (
                world.submit, world.again, world.read, world.hold, world.publish,
                world.replicate, world.check, world.reconcile, world.submit, world.publish,
            ):  # fmt: skip
                world.attempt(act)
            return bool(once.happened), world.run(0)
    finally:
        custody.ask_witness.post = post
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--of", default=",".join(KINDS))
    words.add_argument("--every", type=int, default=1)
    given = words.parse_args()
    broken = 0
    for where in given.of.split(","):
        runs: Counter[str] = Counter()
        for kind in KINDS[where]:
            n, met = 1, True
            while met:
                met, found = live(where, kind, n)
                runs[kind] += met
                broken += bool(found)
                for line in found:
                    say(f"{where}, operation {n}, {kind}: {line}")
                n += given.every
        told = ", ".join(f"{kind} {count}" for kind, count in runs.items())
        say(f"{where}: {sum(runs.values())} runs with a fault ({told})")
    say(f"{broken} with something broken")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
