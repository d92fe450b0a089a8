"""process(exhibit_id): everything that happens to an exhibit in the background, idempotent."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft
from ingest.extract import OUTCOMES, extract
from ingest.sandbox import Sandbox
from repository import Repository, software
from repository.exhibits import ref
from repository.matching.index import expect
from repository.models import Exhibit, ExtractionRun
from repository.people import SYSTEM
from repository.search import index as search_index

# Beyond eight it is this process's own Python that is waited for: start further workers.
THREADS = min(8, max(2, os.cpu_count() or 1))
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


def give_up(repo: Repository, session: Session, exhibit_id: str, reason: str) -> None:
    """Put on record, in the caller's transaction, that an exhibit cannot be looked at.

    It is kept and served as before; only what its file says of itself stays unread.
    """
    exhibit = session.get_one(Exhibit, exhibit_id, with_for_update={"key_share": True})
    if exhibit.processed_at is not None:
        return  # somebody could
    exhibit.processed_at = repo.clock()
    instrument = {"tool": "worker", "version": software().rpartition(" ")[2], "parameters": {}}
    drafts = [
        Draft(
            act,
            SYSTEM,
            outcome,
            reason="crash",
            exhibit=ref(exhibit),
            plain={"instrument": instrument},
            withheld={"detail": reason},
        )
        for act, outcome in (
            (Act.FORMAT_IDENTIFICATION, "not-done"),
            (Act.METADATA_EXTRACTION, OUTCOMES["crash"]),
        )
    ]
    expect(session, [exhibit_id])  # its digests can be matched all the same
    search_index.expect(session, [exhibit_id])  # and its name found
    session.flush()
    repo.ledger.append(session, drafts)


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
        """Begin with exhibits; the results come in groups, in order.

        A few stay together: starting a further sandbox costs as much as looking at many files.
        """
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
