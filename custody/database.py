"""One database, two kinds of transactions: reading, and writing under one lock.

SQLite: WAL, `synchronous=FULL`, writers begin IMMEDIATE and queue behind one lock per process
(competing by busy time-out is four times slower). PostgreSQL: READ COMMITTED; the ledger takes
its own advisory lock.
"""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from custody.errors import LedgerUnavailable

CONNECTIONS = 24  # of one process to PostgreSQL
_RETRY = 0.001  # seconds between tries for a lock that another process holds


class Database:
    """The connection pool of one database, and the only way to begin a transaction in it."""

    def __init__(self, url: str | URL, *, timeout: float = 10.0, statement: float = 0.0) -> None:
        """Prepare the pool; nothing is opened yet.

        Args:
            url: an SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`.
            timeout: seconds to wait for a lock that another process holds.
            statement: seconds that a server may take to answer; 0: as long as it likes.
        """
        self.timeout = timeout
        self.engine = _engine(url, timeout, statement)
        self.dialect = self.engine.dialect.name
        self._writers = Lock()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session in a write transaction; COMMIT at the end, ROLLBACK on any error.

        Raises:
            LedgerUnavailable: locked for too long, unreachable, or no room on disk.
        """
        serial = self.dialect == "sqlite"
        if serial and not self._writers.acquire(timeout=self.timeout):
            raise LedgerUnavailable(f"the database is busy for more than {self.timeout:g} s")
        try:
            with self._session(write=True) as session:
                yield session
        finally:
            if serial:
                self._writers.release()

    @contextmanager
    def reading(self, *, snapshot: bool = False) -> Iterator[Session]:
        """Yield a session that only reads.

        Args:
            snapshot: what is committed meanwhile is not seen; on SQLite that is always so.

        Raises:
            LedgerUnavailable: locked for too long or unreachable.
        """
        with self._session(write=False, snapshot=snapshot) as session:
            yield session

    def overwrite_log(self) -> None:
        """Have SQLite write its log back and cut it: what was deleted stands in no file then.

        A reader that is still at work keeps it for a moment longer. On PostgreSQL `VACUUM FULL`
        by the table's owner, and the rotation of its log, do the same (docs/operate.md).
        """
        if self.dialect != "sqlite":
            return
        raw = self.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            raw.close()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _session(self, *, write: bool, snapshot: bool = False) -> Iterator[Session]:
        options: dict[str, Any] = {"evidence_write": self.timeout if write else None}
        if snapshot and self.dialect == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        try:
            with (
                self.engine.connect().execution_options(**options) as connection,
                connection.begin(),
                Session(connection, expire_on_commit=False) as session,
            ):
                yield session
                session.flush()
        except PoolTimeout as error:
            raise LedgerUnavailable(
                f"all {CONNECTIONS} connections to the database are in use for more than "
                f"{self.timeout:g} s; try again"
            ) from error
        except (DatabaseError, InterfaceError) as error:
            # Broken rules (IntegrityError and its like) are the caller's; a database that cannot
            # be used, or is none, is not.
            if type(error) not in (DatabaseError, OperationalError, InterfaceError):
                raise
            raise LedgerUnavailable(_explain(error, self.timeout)) from error


def _explain(error: DatabaseError | InterfaceError, timeout: float) -> str:
    text = str(error.orig)
    if "deadlock" in text:  # PostgreSQL's; its further words say "blocked by process"
        said = " ".join(text.split())
        return f"two acts waited for each other, and this one was undone whole; try again: {said}"
    if "locked" in text or "busy" in text:
        return f"the database is locked by another process for more than {timeout:g} s; try again"
    if "full" in text:
        return "the disk of the database is full; nothing was recorded; make room and try again"
    return f"the database cannot be used: {text}"


def _engine(url: str | URL, timeout: float, statement: float) -> Engine:
    url = make_url(url)
    if url.get_backend_name() != "sqlite":
        # Two service processes and a worker stay below PostgreSQL's default of 100 connections.
        engine = create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=CONNECTIONS - 8,
            pool_timeout=timeout,
            connect_args={"connect_timeout": max(2, math.ceil(timeout))},
        )
        if statement:
            from custody.bounded_postgres import bound

            bound(engine, statement)
        event.listen(engine, "connect", _check_postgres)
        return engine
    engine = create_engine(
        url,
        connect_args={"timeout": timeout, "check_same_thread": False},
        pool_size=16,
        max_overflow=-1,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _check_postgres(connection: Any, _record: Any) -> None:
    """Refuse a server that may lose what it acknowledged; the session's own switch is set right."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO on")
        # A plan made once for all values reads a common word and a rare one the same way: seconds.
        # To compile a question takes longer than to answer it.
        cursor.execute("SET plan_cache_mode TO force_custom_plan")
        cursor.execute("SET jit TO off")
        # A page out of its order costs little more where no disk turns: by the built-in figure of 4
        # it reads a table in its order where two of its indexes together name what is asked for.
        cursor.execute("SET random_page_cost TO 1.1")
        for name in ("fsync", "full_page_writes"):
            value = cursor.execute(f"SHOW {name}").fetchone()[0]
            if value != "on":
                connection.close()
                raise LedgerUnavailable(
                    f"PostgreSQL runs with {name}={value} and could lose committed entries; "
                    f"set {name}=on in postgresql.conf and restart it"
                )
    connection.commit()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "secure_delete=ON",  # a destroyed key is overwritten, not only forgotten
    ):
        cursor.execute(f"PRAGMA {pragma}")
    level = cursor.execute("PRAGMA synchronous").fetchone()[0]
    cursor.close()
    if level < 2:
        raise LedgerUnavailable("SQLite refuses synchronous=FULL; commits could be lost")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins as a read and upgrades later fails with "busy" at once.
    timeout = connection.get_execution_options().get("evidence_write")
    driver: Any = connection.connection.driver_connection
    if timeout is None:
        try:
            driver.execute("BEGIN")
        except sqlite3.Error as error:
            raise OperationalError("BEGIN", None, error) from error
        return
    end = time.monotonic() + timeout
    # We wait ourselves: SQLite sleeps up to 0.1 s between its tries, and of many processes some
    # would starve.
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= end:
                    raise OperationalError("BEGIN IMMEDIATE", None, error) from error
                time.sleep(_RETRY)
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(timeout * 1000)}")
