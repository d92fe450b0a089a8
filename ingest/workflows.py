"""process(exhibit_id): everything that happens to an exhibit in the background, idempotent."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from ingest.extract import extract
from ingest.sandbox import Sandbox
from repository import Repository
from repository.exhibits import unprocessed
from repository.ledger_mirror import publish
from repository.models import Exhibit, ExtractionRun

THREADS = 2
_BATCH = 64


def process(repo: Repository, sandbox: Sandbox, exhibit_id: str) -> ExtractionRun | None:
    """Do the background part for one exhibit, unless it is done already.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; try again later.
    """
    with repo.database.reading() as session:
        exhibit = session.get_one(Exhibit, exhibit_id)
    if exhibit.processed_at is not None:
        return None
    return extract(repo, sandbox, exhibit)


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

    def map(self, exhibit_ids: list[str]) -> Iterator[ExtractionRun | None]:
        """Yield the run of each exhibit, in order, as they are done."""
        return self._pool.map(self._process, exhibit_ids)

    def _prepare(self) -> None:
        self._local.sandbox = Sandbox(clock=self._repo.clock)
        self._sandboxes.append(self._local.sandbox)

    def _process(self, exhibit_id: str) -> ExtractionRun | None:
        return process(self._repo, self._local.sandbox, exhibit_id)


def work(
    repo: Repository,
    *,
    until: Callable[[], bool],
    idle: Callable[[float], object] = time.sleep,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Process what waits, publish the checkpoint now and then, and go on until told to stop.

    Args:
        repo: the repository.
        until: asked between batches; True ends the work.
        idle: waits that many seconds when nothing is to be done.
        done: told how many exhibits a batch had.
    """
    published, next_time = 0, 0.0
    with Processors(repo) as processors:
        while not until():
            with repo.database.reading() as session:
                waiting = list(unprocessed(session, limit=_BATCH))
            done(sum(1 for _ in processors.map(waiting)))
            if time.monotonic() >= next_time:
                if repo.ledger.size() != published:
                    signed = publish(repo)
                    published = signed.checkpoint.size if signed else 0
                next_time = time.monotonic() + repo.settings.publish_seconds
            if not waiting:
                idle(0.5)
