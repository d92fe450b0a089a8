"""Kill PostgreSQL at random moments under load; service and worker go on when it is back.

python -m tests.faults.kill_postgres [--kills 100] [--seed 1]
"""

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged
from tests.faults.load import DURING_WORK, Load
from tests.faults.scene import scene
from tests.postgres import Server, find_or_skip


def run(kills: int, seed: int, *, threads: int = 6) -> Judged:
    """Return what `kills` kills of the database came to."""
    find_or_skip()
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name)
        server = Server()
        server.make()
        server.start()
        try:
            with scene(folder / "house", database_url=server.url) as stage:
                stage.service.start()
                stage.worker.start()
                with Load([stage.service.place], stage.tokens, threads=threads, seed=seed) as told:
                    for _ in range(kills):
                        if draw.random() < DURING_WORK:
                            told.await_more()
                        time.sleep(draw.uniform(0.3, 1.5))
                        server.kill()
                        time.sleep(draw.uniform(0.0, 0.3))
                        server.start()
                    told.await_more()
                return stage.judged(told)
        finally:
            server.stop()


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args()
    start = time.monotonic()
    found = run(given.kills, given.seed)
    say(f"{given.kills} kills of PostgreSQL in {time.monotonic() - start:.0f} s: {found}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
