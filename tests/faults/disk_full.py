"""The store's disk fills up under load, and is given more room: uploads go on, nothing is lost.

python -m tests.faults.disk_full [--rounds 10] [--seed 1]
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged, total
from tests.faults.load import Load
from tests.faults.scene import scene
from tests.machines import grow, small_disk

SIZE = "20m"
FULL = 20  # refusals of a round before there is more room


def run(rounds: int, seed: int) -> Judged:
    """Return what `rounds` full disks came to."""
    results = []
    for n in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with (
                small_disk(folder / "disk", SIZE) as disk,
                scene(folder / "house", store_url=(disk / "store").as_uri()) as stage,
            ):
                stage.service.start()
                stage.worker.start()
                with Load([stage.service.place], stage.tokens, seed=seed + n, large=0.2) as told:
                    end = time.monotonic() + 60
                    while told.counts["507"] < FULL and time.monotonic() < end:
                        time.sleep(0.1)
                    refused = told.counts["507"]
                    grow(disk, "2g")
                    time.sleep(3)
                results.append(stage.judged(told))
                if refused < FULL:
                    results[-1].add("wrong", f"the disk refused {refused} times only")
    return total(results)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args()
    found = run(given.rounds, given.seed)
    say(f"{given.rounds} full disks: {found}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
