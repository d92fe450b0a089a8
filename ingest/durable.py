"""Durable workflows: the one home of DBOS Transact, which runs work and remembers how far it came.

What waits and what is done stands in our tables. DBOS keeps only the progress: in SQLite, a file of
its own, so that the ledger's lock is not contended; in PostgreSQL, the schema `dbos` of the same
database. Losing it loses no work: it is found again in the tables.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config.settings import Settings
from custody.errors import LedgerUnavailable
from repository import database_url
from repository.errors import WrongDatabase
from repository.setbacks import DIED

for _name in [name for name in os.environ if name.startswith("DBOS")]:
    del os.environ[_name]  # nothing of the environment makes it talk to anybody

from dbos import (  # noqa: E402
    DBOS,
    DBOSClient,
    DBOSPortableJSONSerializer,
    SetWorkflowID,
)
from dbos import error as dbos_errors  # noqa: E402

NAME = "evidence"
VERSION = "1"  # of the workflows' shape: what another version began is not recovered by this one
CRASHES = 3  # of the process, while one workflow runs, before that is blamed
GRACE = 3  # seconds that running workflows have when a worker stops
_ACTIVE = ("ENQUEUED", "PENDING", "DELAYED")
_FAILED = ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_PLAIN = DBOSPortableJSONSerializer()

Attempt = Callable[[str, list[str], int], Mapping[str, Any]]
"""Told a duty, its things and how often they were tried before; returns what came of it."""
Note = Callable[[str, list[str], int, Mapping[str, Any]], bool]
"""Told the same and what came of it; keeps that in our tables, and says whether all was done."""


class Undone(Exception):
    """Something was left; that is noted in our tables, and this workflow may be forgotten."""


@dataclass(frozen=True, slots=True)
class Run:
    """One workflow: what it is about, and how it ended if it did."""

    id: str
    duty: str
    things: tuple[str, ...]
    tries: int
    state: str  # active, failed, done
    noted: bool  # failed, and our tables know about it
    reason: str
    ended_at: float


class Workflows:
    """The running DBOS of this process; there is one at a time."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        duties: Mapping[str, str],
        queues: Mapping[str, tuple[int, float]],
        attempt: Attempt,
        note: Note,
        problem: Callable[[str], None],
    ) -> None:
        """Start; what this name left unfinished goes on.

        Args:
            settings: decide the database.
            name: of this worker; no other living one has it.
            duties: the duties, and the queue of each.
            queues: how many workflows of each this worker has in hand, and how often it looks.
            attempt: the first step of every workflow.
            note: the second step.
            problem: told what the database of the work does not do.

        Raises:
            WrongDatabase: its tables are missing or older, and this role may not make them.
            LedgerUnavailable: its database cannot be opened.
        """
        self._name = name
        self._duties = dict(duties)
        self._attempt = attempt
        self._note = note
        self._log = _Log(problem)
        self._engine = _engine(settings)
        self._busy = 0
        self._lock = threading.Lock()
        _quiet(self._log)
        try:
            DBOS(config=_config(self._engine, name))
            self._functions = {duty: self._workflow(duty) for duty in duties}
            DBOS.launch()
            for queue, (most, seconds) in queues.items():
                DBOS.register_queue(queue, worker_concurrency=most, polling_interval_sec=seconds)
        except (DBAPIError, dbos_errors.DBOSException) as error:
            self._abandon()
            raise _explained(error) from error

    def start(self, duty: str, workflow_id: str, things: Sequence[str], tries: int) -> Run | None:
        """Start a workflow, unless there is one of this id already: that is returned then."""
        with _explaining():
            known = DBOS.list_workflows(workflow_ids=[workflow_id], load_output=False)
            if known:
                return _run(known[0])
            with SetWorkflowID(workflow_id):
                DBOS.enqueue_workflow(
                    self._duties[duty], self._functions[duty], list(things), tries
                )
        return None

    def open_runs(self) -> list[Run]:
        """Return the workflows that are not done: waiting, running, or failed and not settled."""
        with _explaining():
            return [_run(one) for one in DBOS.list_workflows(status=[*_ACTIVE, *_FAILED])]

    def forget(self, ids: Sequence[str]) -> None:
        """Forget workflows that have ended."""
        if ids:
            with _explaining():
                DBOS.delete_workflows(list(ids))

    def take_over(self, name: str) -> int:
        """Go on with what a dead worker had begun; return how many workflows."""
        with _explaining():
            # What its paid service calls when an executor dies; nothing public does it.
            return len(DBOS._recover_pending_workflows([name]))  # noqa: SLF001

    def tidy(self, older: timedelta, *, most: int = 1000) -> int:
        """Forget workflows that were done so long ago; return how many."""
        before = (datetime.now(UTC) - older).isoformat()
        count = 0
        with _explaining():
            while found := DBOS.list_workflows(
                status=["SUCCESS"], completed_before=before, limit=most,
                load_input=False, load_output=False,
            ):  # fmt: skip
                self.forget([one.workflow_id for one in found])
                count += len(found)
        return count

    def close(self) -> bool:
        """Stop; hand back what is not finished within a few seconds. Say whether all of it was."""
        with self._lock:
            running = self._busy
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=GRACE * bool(running))
        try:
            self._hand_back()
        finally:
            self._abandon()
        with self._lock:
            return self._busy == 0

    def _hand_back(self) -> None:
        client = DBOSClient(
            system_database_engine=self._engine, serializer=_PLAIN,
            application_name=NAME,
        )  # fmt: skip
        try:
            left = client.list_workflows(
                status=["PENDING"], executor_id=self._name, load_input=False, load_output=False
            )
            for queue in {one.queue_name for one in left}:
                ids = [one.workflow_id for one in left if one.queue_name == queue]
                client.resume_workflows(ids, queue_name=queue)
        finally:
            client.destroy()

    def _abandon(self) -> None:
        DBOS.destroy(destroy_registry=True)
        self._engine.dispose()
        logging.getLogger("dbos").removeHandler(self._log)

    def _workflow(self, duty: str) -> Callable[[list[str], int], None]:
        def steps(things: list[str], tries: int) -> None:
            with self._lock:
                self._busy += 1
            try:
                came = DBOS.run_step({"name": "do"}, self._attempt, duty, things, tries)
                if not DBOS.run_step(_NOTE, self._note, duty, things, tries, came):
                    raise Undone("noted")
            finally:
                with self._lock:
                    self._busy -= 1

        steps.__qualname__ = steps.__name__ = duty
        return DBOS.workflow(name=duty, max_recovery_attempts=CRASHES)(steps)


# While the ledger is away nothing else can be done either: what came of it waits to be kept.
_NOTE: Any = {
    "name": "note",
    "retries_allowed": True,
    "max_attempts": 1_000_000,
    "interval_seconds": 1.0,
    "backoff_rate": 1.5,
    "should_retry": lambda error: isinstance(error, LedgerUnavailable),
}


def prepare(settings: Settings) -> None:
    """Make the tables of DBOS in a shared database, or bring them to this version.

    Raises:
        LedgerUnavailable: the database cannot be reached.
        WrongDatabase: this role may not make them.
    """
    _quiet(_Log(lambda _: None))
    engine = _engine(settings)
    try:
        DBOS(config=_config(engine, "prepare"))
        DBOS.launch()
    except (DBAPIError, dbos_errors.DBOSException) as error:
        raise _explained(error) from error
    finally:
        DBOS.destroy(destroy_registry=True)
        engine.dispose()


def _config(engine: Engine, name: str) -> Any:
    url = engine.url.render_as_string(hide_password=False)
    return {
        "name": NAME,
        "system_database_url": url,
        "system_database_engine": engine,
        "executor_id": name,
        "application_version": VERSION,
        "serializer": _PLAIN,  # never pickle: who writes there would run code here
        "use_listen_notify": False,
        "notification_listener_polling_interval_sec": 0.5,  # nobody waits for any: it ends sooner
        "enable_otlp": False,
        "log_level": "WARNING",
    }


def work_file(settings: Settings) -> str:
    """Return the SQLite file that remembers the progress of work on this machine."""
    return str(settings.data / "work.db")


def _engine(settings: Settings) -> Engine:
    url = make_url(database_url(settings))
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url, pool_size=8, max_overflow=8, pool_pre_ping=True,
            connect_args={"application_name": "evidence-work", "connect_timeout": 10},
        )  # fmt: skip
    engine = create_engine(URL.create("sqlite", database=work_file(settings)), pool_size=16)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"  # as DBOS sets it on engines of its own
    for pragma in (
        "busy_timeout=30000",
        "journal_mode=WAL",
        # A power cut may lose its last commits, never its consistency: the truth is not here.
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _run(found: Any) -> Run:
    things, tries = (found.input or {"args": ((), 0)})["args"]
    state = "active" if found.status in _ACTIVE else "failed" if found.status in _FAILED else "done"
    reason = str(found.error or "")
    if found.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        reason = DIED
    ended = (found.completed_at or found.updated_at or 0) / 1000
    noted = getattr(found.error, "name", "") == Undone.__name__
    return Run(found.workflow_id, found.name, tuple(things), tries, state, noted, reason, ended)


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, dbos_errors.DBOSException, PoolTimeout) as error:
        raise _explained(error) from error


def _explained(error: Exception) -> LedgerUnavailable | WrongDatabase:
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if "permission denied" in text or isinstance(error, dbos_errors.DBOSInitializationError):
        return WrongDatabase(
            f"the tables of background work cannot be made: {text}; run `evidence worker --once` "
            "with the database_url of the tables' owner, then postgresql-roles.sql again"
        )
    return LedgerUnavailable(f"the database of background work cannot be used: {text}")


def _quiet(log: "_Log") -> None:
    logger = logging.getLogger("dbos")
    logger.propagate = False
    logger.handlers = [log]  # before DBOS adds one that writes to the terminal


class _Log(logging.Handler):
    """What DBOS says of its database, once a minute each; how workflows end is read elsewhere."""

    def __init__(self, problem: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._problem = problem
        self._said = -60.0

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a warning about the database on."""
        said = record.getMessage()
        if "atabase" in said and time.monotonic() - self._said >= 60:
            self._said = time.monotonic()
            self._problem(f"the database of background work: {said.partition(chr(10))[0][:200]}")
