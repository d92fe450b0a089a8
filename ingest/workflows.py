"""process(exhibit_id): everything that happens to an exhibit in the background, idempotent."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from sqlalchemy import select

from custody.errors import CustodyError
from ingest.extract import extract
from ingest.sandbox import Sandbox
from repository import Repository, upkeep
from repository.errors import RepositoryError
from repository.exhibits import unprocessed
from repository.models import Exhibit, ExtractionRun
from repository.publication import announce

THREADS = 2
_BATCH = 64
TOGETHER = 16  # exhibits whose outcomes commit in one transaction

Runs = list[ExtractionRun | None]


def process(repo: Repository, sandbox: Sandbox, exhibit_id: str) -> ExtractionRun | None:
    """Do the background part for one exhibit, unless it is done already.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; try again later.
    """
    return process_all(repo, sandbox, [exhibit_id])[0]


def process_all(
    repo: Repository, sandbox: Sandbox, exhibit_ids: Sequence[str]
) -> list[ExtractionRun | None]:
    """Do the same for several exhibits, whose outcomes commit together; None where done already.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; try again later.
    """
    with repo.database.reading() as session:
        found = session.scalars(select(Exhibit).where(Exhibit.id.in_(exhibit_ids)))
        waiting = [exhibit for exhibit in found if exhibit.processed_at is None]
    runs = extract(repo, sandbox, waiting) if waiting else []
    done = {exhibit.id: run for exhibit, run in zip(waiting, runs, strict=True)}
    return [done.get(exhibit_id) for exhibit_id in exhibit_ids]


class Processors:
    """A few threads, each with a sandbox of its own, that process exhibits."""

    def __init__(self, repo: Repository, threads: int = THREADS) -> None:
        self._repo = repo
        self._local = threading.local()
        self._sandboxes: list[Sandbox] = []
        self._pool = ThreadPoolExecutor(
            threads, thread_name_prefix="process", initializer=self._prepare
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for sandbox in self._sandboxes:
            sandbox.close()

    def submit(self, exhibit_ids: Sequence[str]) -> list["Future[Runs]"]:
        """Begin with exhibits; the results come in groups, in order."""
        groups = [exhibit_ids[n : n + TOGETHER] for n in range(0, len(exhibit_ids), TOGETHER)]
        return [self._pool.submit(self._process, group) for group in groups]

    def map(self, exhibit_ids: Sequence[str]) -> Iterator[ExtractionRun | None]:
        """Yield the run of each exhibit, in order, as they are done."""
        for group in self.submit(exhibit_ids):
            yield from group.result()

    def _prepare(self) -> None:
        self._local.sandbox = Sandbox(clock=self._repo.clock)
        self._sandboxes.append(self._local.sandbox)

    def _process(self, exhibit_ids: Sequence[str]) -> Runs:
        return process_all(self._repo, self._local.sandbox, exhibit_ids)


def work(
    repo: Repository,
    *,
    until: Callable[[], bool],
    idle: Callable[[float], object] = time.sleep,
    done: Callable[[int], None] = lambda _: None,
    problem: Callable[[str], None] = lambda _: None,
) -> None:
    """Process what waits, publish the checkpoint now and then, and go on until told to stop.

    Args:
        repo: the repository.
        until: asked between batches; True ends the work.
        idle: waits that many seconds when nothing is to be done.
        done: told how many exhibits a batch had.
        problem: told what did not work and is tried again: a witness, an authority, the store.
    """
    publisher = _Publisher(repo, problem)
    keeper = _Keeper(repo, problem)
    with Processors(repo) as processors:
        upkeep.begin(repo, problem)
        while not until():
            with repo.database.reading() as session:
                waiting = list(unprocessed(session, limit=_BATCH))
            try:
                done(sum(1 for _ in processors.map(waiting)))
            except (CustodyError, RepositoryError) as error:
                problem(str(error))
                waiting = []  # nothing was recorded: tried again after a pause
            publisher.turn()
            keeper.turn()
            if not waiting:
                idle(0.5)


class _Keeper:
    """When what keeps evidence is done next: trials, terms, copies, fixity, reconciliation."""

    def __init__(self, repo: Repository, problem: Callable[[str], None]) -> None:
        self._repo = repo
        self._problem = problem
        self._next = 0.0

    def turn(self) -> None:
        """Do a little of it if it is time; go on at once while there is more."""
        if time.monotonic() < self._next:
            return
        busy = upkeep.turn(self._repo, self._problem)
        self._next = time.monotonic() + (0 if busy else self._repo.settings.publish_seconds)


class _Publisher:
    """When the checkpoint is published next, and what of the last time is still missing."""

    def __init__(self, repo: Repository, problem: Callable[[str], None]) -> None:
        self._repo = repo
        self._problem = problem
        self._size = 0
        self._missing = False
        self._next = 0.0

    def turn(self) -> None:
        """Publish if it is time and there is something new, or something was missing."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._repo.settings.publish_seconds
        if self._repo.ledger.size() == self._size and not self._missing:
            return
        try:
            told = announce(self._repo)
        except (CustodyError, RepositoryError) as error:
            self._missing = True
            self._problem(str(error))
            return
        if told is not None:
            self._size, self._missing = told.size, not told.quorum
            for problem in told.problems:
                self._problem(problem)
