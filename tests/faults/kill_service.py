"""Kill the service, its processes and its worker at random moments, under load.

    python -m tests.faults.kill_service [--kills 1000] [--seed 1]

A kill is one of: the whole service at once, one of its two processes, the worker. Afterwards the
independent checker compares database and store with what the clients were told.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.bench_half_open import family
from tests.benchmarks.house_of import say
from tests.faults.checker import Judged, total
from tests.faults.load import DURING_WORK, Load
from tests.faults.scene import Scene, scene

ROUND = 100  # kills of one repository; then it is judged, and a fresh one begins


def run(kills: int, seed: int, *, threads: int = 6, each: int = ROUND) -> Judged:
    """Return what `kills` kills came to, over as many repositories as they take."""
    results = []
    while kills > 0:
        some = min(kills, each)
        with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as stage:
            results.append(_round(stage, some, seed + len(results), threads))
        if some < kills or len(results) > 1:
            say(f"{some} kills: {results[-1]}")
        kills -= some
    return total(results)


def _round(stage: Scene, kills: int, seed: int, threads: int) -> Judged:
    draw = random.Random(seed)
    stage.service.start()
    stage.worker.start()
    with Load([stage.service.place], stage.tokens, threads=threads, seed=seed) as told:
        for _ in range(kills):
            if draw.random() < DURING_WORK:
                told.await_more()
            time.sleep(draw.uniform(0.1, 1.0))
            kill(stage, draw)
    return stage.judged(told)


def kill(stage: Scene, draw: random.Random) -> None:
    """Kill something, and start what does not start again by itself."""
    what = draw.choice(("service", "service", "process", "process", "worker"))
    if what == "worker":
        stage.worker.kill()
        stage.worker.start()
    elif what == "process":
        children = family(stage.service.pid)[1:]
        with suppress(ProcessLookupError):
            os.kill(draw.choice(children), signal.SIGKILL)
        if not stage.service.alive:
            stage.service.kill()
            stage.service.start()
    else:
        stage.service.kill()
        stage.service.start()


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args()
    start = time.monotonic()
    found = run(given.kills, given.seed)
    say(f"{given.kills} kills in {time.monotonic() - start:.0f} s: {found}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
