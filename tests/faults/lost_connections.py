"""Lose the connection at every stage of handing in: after k bytes, in each direction, for many k.

    python -m tests.faults.lost_connections [--stages 40] [--seed 1]

Each kind of handing in is done once undisturbed, to know how many bytes pass; then again and again,
with a cut after k of them: a reset, or a line that hangs. The client goes on until everything is
acknowledged.
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged
from tests.faults.load import Client, Told
from tests.faults.scene import scene
from tests.relay import Relay, relay

KINDS = ("single", "pack", "parallel", "ended", "plain")
PATIENCE = 2.0  # seconds of a client with a line that says nothing


def run(stages: int, seed: int) -> Judged:
    """Return what cuts at `stages` places of each kind, direction and sort of cut came to."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as stage:
        stage.service.start()
        stage.worker.start()
        told = Told()
        with relay(stage.service.place) as line:
            for kind in KINDS:
                # Of one seed: the same sizes each time, but never the same bytes.
                _do(line, stage.tokens, told, seed, kind)
                before = line.told()
                _do(line, stage.tokens, told, seed, kind)
                passed = line.told()
                for way in ("uploaded", "downloaded"):
                    count = passed[way] - before[way]
                    for n in range(stages):
                        at = 1 + n * (count - 1) // max(1, stages - 1)
                        how = "hang" if n % 2 else "reset"
                        line.cut_after(at, how, upwards=way == "uploaded")
                        _do(line, stage.tokens, told, seed, kind)
                        told.counts["stages"] += 1
            told.counts["cuts"] = line.told()["cuts"]
        found = stage.judged(told)
        # Only a kind that is not asked for again may go by before its bytes are all counted.
        if told.counts["cuts"] < told.counts["stages"] * 0.9:
            found.add("wrong", f"{told.counts['cuts']} cuts at {told.counts['stages']} stages")
        return found


def _do(line: Relay, tokens: dict[str, str], told: Told, seed: int, kind: str) -> None:
    end = time.monotonic() + 120
    client = Client(
        [line.place], tokens, told, seed, lambda: time.monotonic() < end, timeout=PATIENCE
    )
    client.once(getattr(client, kind))


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--stages", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=20261126)
    given = arguments.parse_args()
    start = time.monotonic()
    found = run(given.stages, given.seed)
    count = given.stages * len(KINDS) * 2
    say(f"connections lost at {count} stages in {time.monotonic() - start:.0f} s: {found}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
