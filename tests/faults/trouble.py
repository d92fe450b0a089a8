"""Trouble under load, on real processes: keys change, memory runs out, the clock jumps.

    python -m tests.faults.trouble keys|memory|clock [--times 30] [--seed 1]

Clients hand in and read while it happens. Afterwards the checker compares what they were told with
database and store, the invariants are judged from dumps alone (`tests.faults.invariants`), and
every head must be signed by exactly one key that counts for its size. Memory is a control group
(root); the clock is `jumping_clock.c`, preloaded, set anew in the running service.
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select

from custody import tables
from custody.checkpoint import open_checkpoint
from custody.errors import CustodyError
from custody.note import ED25519
from repository import open_repository
from tests.benchmarks.bench_half_open import family
from tests.benchmarks.house_of import say
from tests.faults import invariants
from tests.faults.checker import Judged
from tests.faults.load import MARK, Load, Told
from tests.faults.scene import Scene, scene
from tests.service import Service, evidence
from tests.wire import ask

MEMORY = Path("/sys/fs/cgroup/memory")  # version 1; of version 2 the files have other names
MIB = 1 << 20


@dataclass
class Outcome:
    """What a run came to."""

    judged: Judged
    told: Told
    times: int = 0
    ended: int = 0  # times the service ended, and was started again
    reads: int = 0  # readings that the invariants were judged by
    backwards: int = 0  # entries that say an earlier time than the one before
    broken: list[str] = field(default_factory=list)  # of the invariants, and of heads

    @property
    def clean(self) -> bool:
        return self.judged.clean and not self.broken


def run(kind: str, times: int, seed: int) -> Outcome:
    """Make so much trouble of a kind under load, and judge what is left."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as stage:
        trouble, environment = _KINDS[kind](stage)
        log = stage.folder / "serve.log"
        stage.service = Service(stage.settings.data, log=log, **environment)
        stage.service.start()
        stage.worker.start()
        outcome = Outcome(Judged(), Told())
        checkpoints: list[list[object]] = []
        try:
            with Load([stage.service.place], stage.tokens, threads=4, seed=seed) as told:
                for _ in range(times):
                    told.await_more()
                    trouble(draw)
                    outcome.times += 1
                    time.sleep(draw.uniform(0.2, 0.8))
                    if not stage.service.alive:  # as a service manager does
                        stage.service.kill()
                        stage.service.start()
                        outcome.ended += 1
                    _keep_checkpoint(stage, checkpoints)
                if kind == "memory":
                    _limit(None)
                told.await_more()  # it still takes in after all that
        finally:
            _leave(kind)
        reads: dict[str, list[float | None]] = {}
        for number, at in told.reads:
            reads.setdefault(number, []).append(None if kind == "clock" else at)
        if kind == "clock":
            told.reads.clear()  # they are judged by the machine's time, which was not the service's
        outcome.told, outcome.judged = told, stage.judged(told)
        outcome.backwards = _backwards(stage)
        said = {
            "acknowledged": told.acknowledged, "served": [], "reads": reads,
            "marks": [MARK.decode()], "checkpoints": checkpoints,
        }  # fmt: skip
        database = stage.settings.data / "evidence.db"
        outcome.broken = invariants.judge(database, said, [stage.store], [stage.folder])
        outcome.broken += _heads(stage)
        outcome.reads = sum(map(len, reads.values()))
    return outcome


# The kinds: what is done each time, and what the service is started with


def _keys(stage: Scene) -> tuple[Callable[[random.Random], None], dict[str, str]]:
    """The log's key and the key-encryption key; each as custodians do it, backup and all."""
    data, place = stage.settings.data, stage.folder

    def done(*words: object, by: str | None = None) -> list[Any]:
        said = ["--json", *(["--as", by] if by else []), *words]
        ran = subprocess.run(evidence(data, *said), check=False, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"{words[0]}: {ran.stderr.strip()}")
        return [json.loads(line) for line in ran.stdout.splitlines()]

    done("recovery", "new", "--shares", 3, "--threshold", 2, "--out", place / "shares")
    done("person", "new", "second", "--role", "custodian")
    (place / "backups").mkdir()

    def rotate(_: random.Random) -> None:
        done("ledger", "key", "rotate")
        [asked] = done("kek", "rotate", "--motive", "under load")
        [made] = done("backup", "--out", place / "backups")
        Path(made["file"]).unlink()
        done("approval", "give", asked["approval"], "--motive", "agreed", by="second")
        done("kek", "rewrap")  # beside the worker, which does the same

    return rotate, {}


def _memory(stage: Scene) -> tuple[Callable[[random.Random], None], dict[str, str]]:
    _group().mkdir(exist_ok=True)

    def squeeze(draw: random.Random) -> None:
        for pid in family(stage.service.pid):
            with suppress(OSError):  # it may have ended
                (_group() / "cgroup.procs").write_text(str(pid))
        used = int((_group() / "memory.usage_in_bytes").read_text())
        _limit(used + draw.choice((1, 2, 8)) * MIB)
        time.sleep(draw.uniform(0.5, 1.5))
        _limit(None)

    return squeeze, {}


def _clock(stage: Scene) -> tuple[Callable[[random.Random], None], dict[str, str]]:
    library, file = stage.folder / "clock.so", stage.folder / "clock"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    file.write_text("0\n")

    def jump(draw: random.Random) -> None:
        _write_whole(file, f"{draw.choice((-86_400, -3_600, -5, 0, 5, 3_600, 86_400))}\n")

    return jump, {"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(file)}


def _write_whole(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)


_KINDS = {"keys": _keys, "memory": _memory, "clock": _clock}


def _group() -> Path:
    return MEMORY / f"evidence-trouble-{os.getpid()}"


def _limit(most: int | None) -> None:
    with suppress(OSError):  # below what cannot be given back at once it is refused
        (_group() / "memory.limit_in_bytes").write_text(str(most or -1))


def _leave(kind: str) -> None:
    if kind == "memory":
        for pid in (_group() / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (MEMORY / "cgroup.procs").write_text(pid)
        _group().rmdir()


# What must hold


def _keep_checkpoint(stage: Scene, kept: list[list[object]]) -> None:
    with suppress(OSError):
        answer = ask(stage.service.place, "GET", "/api/v1/ledger/checkpoint", [])
        if answer.status == 200:
            lines = answer.body.decode().split("\n")
            kept.append([int(lines[1]), invariants.hex_of(lines[2])])


def _heads(stage: Scene) -> list[str]:
    """Return the heads that not exactly one key that counts for them has signed."""
    repo = open_repository(stage.settings)
    keys = [one for one in repo.ledger.key_history() if one.key.type == ED25519]
    with repo.database.reading() as session:
        heads = session.execute(select(tables.head.c.size, tables.head.c.note)).all()
    repo.close()
    broken = []
    for size, note in heads:
        count = 0
        for known in keys:
            with suppress(CustodyError):
                count += known.signs(size) and bool(open_checkpoint(note, [known.key]))
        if count != 1:
            broken.append(f"the head of size {size} is signed by {count} keys that count for it")
    return broken


def _backwards(stage: Scene) -> int:
    repo = open_repository(stage.settings)
    times = [entry.fields["at"] for entry in repo.ledger.entries()]
    repo.close()
    return sum(later < earlier for earlier, later in pairwise(times))


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("kind", choices=_KINDS)
    words.add_argument("--times", type=int, default=30)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    began = time.monotonic()
    found = run(given.kind, given.times, given.seed)
    say(f"{given.kind} {found.times} times in {time.monotonic() - began:.0f} s, "
        f"the service ended {found.ended} times, time went back {found.backwards} times: "
        f"{found.judged}; {found.reads} readings judged by the invariants; "
        f"answers in between: {json.dumps(found.told.counts)}")  # fmt: skip
    say("\n".join(found.broken) or "invariants and heads: nothing is broken")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
