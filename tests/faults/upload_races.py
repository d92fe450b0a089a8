"""Races at one offset of one upload: 64 requests at once, each with bytes of its own.

    python -m tests.faults.upload_races [--races 1000] [--writers 64] [--database sqlite]

A request may end an older one, whose bytes so far then count; the bytes of two never do. In half of
the races the bytes complete the upload, in the others they are its beginning.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged
from tests.faults.load import Told, digest
from tests.faults.scene import Scene, scene
from tests.postgres import fresh_database, shared_server
from tests.wire import Answer, Tus

SIZES = (1, 2_000, 50_000)
REST = b"the rest of it"


def run(races: int, writers: int, seed: int, database: str = "sqlite") -> Judged:
    """Return what `races` races came to."""
    with ExitStack() as until_the_end:
        folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory()))
        settings = {}
        if database == "postgresql":
            settings["database_url"] = until_the_end.enter_context(fresh_database(shared_server()))
        stage = until_the_end.enter_context(scene(folder, **settings))
        stage.service.start()
        told = Told()
        draw = random.Random(seed)
        with ThreadPoolExecutor(writers) as pool:
            for n in range(races):
                _race(stage, told, draw, pool, writers, whole=n % 2 == 0)
        return stage.judged(told)


def _race(
    stage: Scene, told: Told, draw: random.Random, pool: ThreadPoolExecutor, writers: int,
    *, whole: bool,
) -> None:  # fmt: skip
    tus = Tus(stage.service.place, stage.tokens["investigator"])
    size = draw.choice(SIZES)
    blocks = [draw.randbytes(16) + draw.randbytes(size) for _ in range(writers)]
    length = size + 16 + (0 if whole else len(REST))
    location = tus.create(length)
    gate = threading.Barrier(writers)

    def write(block: bytes) -> Answer:
        gate.wait()
        return tus.patch(location, 0, block)

    answers = list(pool.map(write, blocks))
    statuses = [answer.status for answer in answers]
    if not set(statuses) <= {204, 409, 423} or statuses.count(204) > 1:
        told.failed(f"the answers were {sorted(statuses)}")
    kept = tus.head(location).offset
    if kept == 0:
        told.failed("nobody won")
    # Whoever's bytes were interrupted, the client goes on with the rest of something.
    rest = REST if not whole and kept == size + 16 else draw.randbytes(length - kept)
    told.sent.update((digest(block[:kept] + rest), "race") for block in blocks)
    if kept < length:
        done = tus.patch(location, kept, rest)
        if done.status != 204:
            told.failed(f"what was left was answered {done}")
    state = json.loads(tus.state(location).body)
    [result] = state["results"]
    told.exhibit(result["exhibit"], result["sha256"], result["entry"])


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--races", type=int, default=1000)
    arguments.add_argument("--writers", type=int, default=64)
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args()
    start = time.monotonic()
    found = run(given.races, given.writers, given.seed, given.database)
    say(
        f"{given.races} races of {given.writers} on {given.database} in "
        f"{time.monotonic() - start:.0f} s: {found}"
    )
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
