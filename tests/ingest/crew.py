"""A worker with a further duty that tests can make slow, wrong or deadly.

    python -m tests.ingest.crew DATA

Its things are files in DATA/jobs: `NAME.todo` waits and becomes `NAME.done`; `NAME.up` was given
up. Each time one is done a line is added to DATA/jobs/log. The name says what happens: `slow-…`
takes a second, `crash-…` ends the process, `wrong-…` raises what nobody expects, `away-…` finds
the store away as long as DATA/jobs/away is there, `hollow-…` is said to be done and is not.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from api.told import Told
from config.settings import load
from ingest import durable
from ingest.duties import Duty, Waiting
from ingest.worker import work
from repository import Repository, open_repository, setbacks
from repository.errors import StoreUnavailable
from tests.service import Running

SLOW = 1.0


class Jobs:
    """The folder of jobs."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "jobs"
        self.folder.mkdir(exist_ok=True)

    def add(self, *names: str) -> None:
        for name in names:
            (self.folder / f"{name}.todo").write_text("")

    def left(self, state: str = "todo") -> list[str]:
        return sorted(file.stem for file in self.folder.glob(f"*.{state}"))

    def done(self) -> Counter[str]:
        """Return how often each was done."""
        log = self.folder / "log"
        return Counter(log.read_text().split() if log.exists() else [])

    def begun(self) -> Counter[str]:
        log = self.folder / "begun"
        return Counter(log.read_text().split() if log.exists() else [])

    def in_hand(self, worker: Running) -> bool:
        """Say whether a worker has begun something that is not done."""
        held = (self.folder / f"held-{worker.pid}").glob("*")
        return any((self.folder / f"{one.name}.todo").exists() for one in held)

    def note(self, name: str, log: str = "log") -> None:
        with (self.folder / log).open("a") as file:
            file.write(f"{name}\n")


def duty(jobs: Jobs, together: int) -> Duty:
    def find(limit: int) -> list[Waiting]:
        return [Waiting(name) for name in jobs.left()[:limit]]

    def do(names: Sequence[str]) -> Mapping[str, str]:
        for name in names:
            if name in jobs.left():
                one(jobs, name)
        return {}

    def give_up(_session: Session, name: str, reason: str) -> None:
        (jobs.folder / f"{name}.todo").rename(jobs.folder / f"{name}.up")
        (jobs.folder / f"{name}.up").write_text(reason)

    return Duty("job", "finish", find, do, together, give_up, said="jobs:", haste=True)


def one(jobs: Jobs, name: str) -> None:
    jobs.note(name, "begun")
    held = jobs.folder / f"held-{os.getpid()}"
    held.mkdir(exist_ok=True)
    (held / name).touch()
    if name.startswith("crash"):
        os._exit(9)
    if name.startswith("wrong"):
        raise TypeError("this was never expected")
    if name.startswith("away") and (jobs.folder / "away").exists():
        raise StoreUnavailable("the store is away")
    if name.startswith("slow"):
        time.sleep(SLOW)
    if name.startswith("hollow"):
        return
    (jobs.folder / f"{name}.todo").rename(jobs.folder / f"{name}.done")
    jobs.note(name)


def crew(data: Path, *, log: Path | None = None, **environment: str) -> Running:
    """Return such a worker as a process, with short beats and short pauses."""
    settings = {"EVIDENCE_BEAT_SECONDS": "0.4", **environment}
    return Running([sys.executable, "-m", "tests.ingest.crew", str(data)], log=log, **settings)


def main(data: Path) -> None:
    setbacks.FIRST = timedelta(seconds=0.3)
    durable.CRASHES = 1
    stop = Told()
    repo: Repository = open_repository(load(data))
    jobs = Jobs(data)
    work(
        repo,
        until=lambda: bool(stop),
        idle=stop.wait,
        say=lambda text: print(text, flush=True),
        more=lambda _repo, _say: [duty(jobs, int(os.environ.get("TOGETHER", "8")))],
    )
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
