"""Machines: each says now and then that it is alive, and the others watch with their own clocks.

Whether a machine is dead is judged by how long its row did not change while somebody watched, never
by comparing clocks: they differ between machines, and jump.
"""

import fcntl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO

from sqlalchemy import delete, select

from custody.entry import uuid7
from repository import Repository
from repository.models import Machine

WORKER = "worker"
MISSED = 3  # beats that a machine may miss before it is taken for dead


class Place:
    """The name of a worker of this data folder, that no living process has.

    The name of one that died here is used again: its work is this worker's own. The lock of the
    file ends with the process, however that ends.
    """

    def __init__(self, name: str, file: TextIO) -> None:
        self.name = name
        self._file = file

    @classmethod
    def take(cls, repo: Repository) -> Self:
        """Take the place of a worker that died here, else a new one."""
        folder = repo.settings.data / "workers"
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if (found := cls._claim(path)) is not None:
                return found
        path = folder / uuid7(repo.clock(), repo.random)
        found = cls._claim(path)
        return found if found is not None else cls.take(repo)  # another process was quicker

    @classmethod
    def _claim(cls, path: Path) -> Self | None:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return cls(path.name, file)

    def leave(self) -> None:
        """Give the place up."""
        self._file.close()


def beat(repo: Repository, name: str, kind: str = WORKER) -> None:
    """Say that a machine is alive."""
    at = repo.clock()
    with repo.database.writing() as session:
        row = session.get(Machine, name)
        if row is None:
            session.add(Machine(id=name, kind=kind, started_at=at, beat_at=at))
        else:
            row.beat_at = at


def leave(repo: Repository, name: str) -> None:
    """Say that a machine has ended, and left nothing behind."""
    with repo.database.writing() as session:
        session.execute(delete(Machine).where(Machine.id == name))


@dataclass(frozen=True, slots=True)
class _Seen:
    beat_at: datetime
    since: float  # by our own steady clock


class Watch:
    """What one worker has seen of the others."""

    def __init__(
        self, repo: Repository, me: str, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._repo = repo
        self._me = me
        self._steady = steady
        self._beat = repo.settings.beat_seconds
        self._seen: dict[str, _Seen] = {}
        self._looked = steady()
        self.alive = [me]  # ids, this worker's own among them

    @property
    def first(self) -> bool:
        """Say whether this worker is the first of the living: the one that dispatches."""
        return self._me == min(self.alive)

    def look(self) -> list[str]:
        """Look at the other workers; return those that have died."""
        now = self._steady()
        if now - self._looked > self._beat:
            self._seen.clear()  # we did not look ourselves: nobody is judged by that time
        self._looked = now
        with self._repo.database.reading() as session:
            rows = session.execute(
                select(Machine.id, Machine.beat_at).where(Machine.kind == WORKER)
            )
            beats = {name: beat_at for name, beat_at in rows if name != self._me}
        for name, beat_at in beats.items():
            seen = self._seen.get(name)
            if seen is None or seen.beat_at != beat_at:
                self._seen[name] = _Seen(beat_at, now)
        self._seen = {name: self._seen[name] for name in beats}
        dead = [
            name for name, seen in self._seen.items() if now - seen.since >= MISSED * self._beat
        ]
        self.alive = [self._me, *(name for name in beats if name not in dead)]
        return dead

    def forget(self, name: str) -> None:
        """Take the row of a dead worker away, unless it said something meanwhile."""
        seen = self._seen.pop(name, None)
        if seen is not None:
            gone = delete(Machine).where(Machine.id == name, Machine.beat_at == seen.beat_at)
            with self._repo.database.writing() as session:
                session.execute(gone)
