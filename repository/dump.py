"""The database as one SQLite file, whichever it is, as it stood at one moment; and back again.

SQLite is copied page by page within one snapshot. PostgreSQL is read table by table in one
REPEATABLE READ transaction, so that a backup of either can be restored into the other.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, MetaData, insert, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from custody import tables
from custody.checkpoint import open_checkpoint
from custody.database import Database
from custody.errors import EvidenceError, LedgerUnavailable
from custody.heads import last_head
from custody.keys import events, history, keys_for
from custody.note import VerifierKey
from repository import models  # noqa: F401 - fills the metadata
from repository.errors import BackupDamaged
from repository.migrations import revision, upgrade
from repository.search.index import as_text
from repository.search.tables import SearchExhibit

ROWS = 2_000  # in memory at a time
_PAGES = 2_048  # of SQLite in one step: 8 MiB
_FILL = "INSERT INTO search_fts(rowid, t) VALUES (:n, :t)"

Progress = Callable[[int, int], None]
"""progress(done, of): how far it has come, in pages or rows."""


def dump(database: Database, file: Path, progress: Progress) -> None:
    """Write the database, as it stands now, to a new SQLite file.

    Others go on reading and writing; what they commit meanwhile is not in it.

    Raises:
        LedgerUnavailable: the database does not answer, or a disk is full.
    """
    if database.dialect == "sqlite":
        _copy_pages(database, file, progress)
    else:
        with sqlite_file(file) as target:
            upgrade(target, revision(database) or "head")
            copy_rows(database, target, progress)
    _settle(file)


def load(file: Path, database: Database, progress: Progress) -> None:
    """Write the rows of a dump into a database that has the tables, all empty.

    Raises:
        LedgerUnavailable: as `dump`.
    """
    with sqlite_file(file) as source:
        copy_rows(source, database, progress)


@contextmanager
def sqlite_file(file: Path) -> Iterator[Database]:
    """Yield a SQLite file as a database; nothing of it stays open, and it is one file then."""
    database = Database(URL.create("sqlite", database=str(file)))
    try:
        yield database
    finally:
        database.close()
        with suppress(sqlite3.DatabaseError):  # whoever looks into it next says what is wrong
            _settle(file)


def copy_rows(source: Database, target: Database, progress: Progress) -> None:
    """Copy every row of every table, in an order in which rows may refer to others.

    All of it becomes visible at once.
    """
    there = MetaData()
    there.reflect(source.engine)  # of an older program: it has fewer tables and columns
    order = [
        (table, [c for c in table.columns if c.name in there.tables[table.name].columns])
        for table in tables.metadata.sorted_tables
        if table.name in there.tables
    ]
    with source.reading(snapshot=True) as reader, target.writing() as writer:
        reader.connection(execution_options={"stream_results": True, "max_row_buffer": ROWS})
        total = done = 0
        for table, _ in order:
            total += reader.scalar(text(f"SELECT count(*) FROM {table.name}")) or 0  # noqa: S608 - our own tables
        for table, columns in order:
            for rows in reader.execute(select(*columns)).mappings().partitions(ROWS):
                writer.execute(insert(table), [dict(row) for row in rows])
                done += len(rows)
                progress(done, total)
        if target.dialect == "sqlite" and SearchExhibit.__tablename__ in there.tables:
            _fill_words(writer)


def check(file: Path, first: VerifierKey) -> int:
    """Check a dump: SQLite's own check, and the ledger's newest head; return the ledger's size.

    Args:
        file: the dump.
        first: the log's first key.

    Raises:
        BackupDamaged: it is damaged, or its ledger is not of this key.
    """
    try:
        with sqlite_file(file) as database, database.reading() as session:
            said = session.scalar(text("PRAGMA integrity_check"))
            if said != "ok":
                raise BackupDamaged(f"the database in the backup is damaged: {said}")
            head = last_head(session)
            counted = session.execute(text("SELECT count(*), max(idx) FROM entry")).one()
            if tuple(counted) != (head.size, head.size - 1):
                raise BackupDamaged(
                    f"the ledger in the backup has {counted[0]} entries under a head of {head.size}"
                )
            keys = keys_for(head.note or "", history([first], events(session)))
            signed = open_checkpoint(head.note or "", keys)
            if signed.checkpoint.root != head.frontier.root():
                raise BackupDamaged("the ledger in the backup does not lead to its checkpoint")
            return head.size
    except BackupDamaged:
        raise
    except (EvidenceError, DatabaseError) as error:
        raise BackupDamaged(f"the database in the backup cannot be used: {error}") from error


def revision_of(file: Path) -> str | None:
    """Return the revision of a dump."""
    with sqlite_file(file) as database:
        return revision(database)


def _copy_pages(database: Database, file: Path, progress: Progress) -> None:
    with database.reading() as session:
        session.scalar(text("SELECT count(*) FROM alembic_version"))  # the snapshot begins here
        driver: Any = session.connection().connection.driver_connection
        target = sqlite3.connect(file)
        try:
            driver.backup(
                target,
                pages=_PAGES,
                progress=lambda _, left, total: progress(total - left, total),
                sleep=0.001,
            )
        except sqlite3.Error as error:
            raise LedgerUnavailable(
                f"the database cannot be copied to {file.parent}: {error}; is there room for a "
                "copy of it? Nothing was made"
            ) from error
        finally:
            target.close()


def _settle(file: Path) -> None:
    """Leave one file, without a log beside it."""
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        connection.close()


def _fill_words(session: Session) -> None:
    """Fill SQLite's table of words, which no other database has."""
    query = select(SearchExhibit.n, SearchExhibit.tokens)
    for rows in session.execute(query).partitions(ROWS):
        words = [{"n": row.n, "t": as_text(row.tokens)} for row in rows if row.tokens]
        if words:
            session.execute(text(_FILL), words)
