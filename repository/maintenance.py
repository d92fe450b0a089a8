"""One administrator at a time: backup, restore and upgrade of one repository exclude each other."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from custody.database import Database
from custody.errors import LedgerUnavailable

_LOCK = 0x45564D41  # "EVMA": PostgreSQL's advisory lock; several machines share a database
_BUSY = "somebody else is backing up, restoring or upgrading this repository; try again later"


@contextmanager
def alone(folder: Path, database: Database | None = None) -> Iterator[None]:
    """Be the only one who maintains a data folder, and its database where machines share it.

    The system lets go of both when the process ends, however it ends.

    Raises:
        LedgerUnavailable: somebody else is at it.
    """
    file = os.open(folder / ".maintenance", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerUnavailable(_BUSY) from error
        if database is None or database.dialect != "postgresql":
            yield
            return
        with database.engine.connect() as connection:
            got = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            if not got:
                raise LedgerUnavailable(_BUSY)
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
    finally:
        os.close(file)
