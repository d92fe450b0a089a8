"""Migrations, on both databases: from nothing, and each step with data in every table there is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, func, select, text, types
from sqlalchemy.exc import DBAPIError

from custody.database import Database
from custody.tables import INSERT_ONLY
from repository.migrations import check_revision, newest, upgrade
from repository.models import Model
from tests.postgres import fresh_database, shared_server

FOLDER = Path(__file__).parents[2] / "repository" / "migrations" / "versions"
REVISIONS = sorted(file.name[:4] for file in FOLDER.glob("[0-9]*.py"))
# 0002 made this table anew: nothing had written to it before.
MADE_ANEW = {"evidence_record"}
# They have all exhibits indexed anew: each counts a further time that they are to be.
INDEXED_ANEW = ("0029", "0030")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request, tmp_path):
    if request.param == "sqlite":
        found = Database(f"sqlite:///{tmp_path}/x.db")
        yield found
        found.close()
        return
    with fresh_database(shared_server()) as url:
        found = Database(url)
        yield found
        found.close()


def value(column: Any) -> Any:
    """Return a value that fits a column; equal everywhere, so that all references hold."""
    if column.name == "at" or column.name.endswith("_at"):
        return "2026-01-02T03:04:05.678Z"
    kind = column.type
    if isinstance(kind, types.ARRAY):
        return [1]
    if isinstance(kind, types.JSON):
        return {"a": 1}
    if isinstance(kind, types.LargeBinary):
        return b"bytes"
    if isinstance(kind, types.Boolean):
        return True
    if isinstance(kind, types.Integer):
        return 1
    return "x"


def tables(database: Database) -> list[Table]:
    metadata = MetaData()
    with database.reading() as session:
        metadata.reflect(session.connection())
    # FTS5's tables are its own: what stands in them is made of `search_exhibit`.
    others = ("alembic_version", "search_fts")
    return [one for one in metadata.sorted_tables if not one.name.startswith(others)]


def fill(database: Database, found: list[Table]) -> dict[str, dict[str, Any]]:
    """Write a row into every one of the tables and return them."""
    rows = {}
    with database.writing() as session:
        for table in found:
            rows[table.name] = {column.name: value(column) for column in table.columns}
            session.execute(table.insert().values(rows[table.name]))
    return rows


def check(database: Database) -> None:
    """See that the database is what the models say, and that its ledger refuses change."""
    check_revision(database)
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        changes = [c for c in compare_metadata(context, Model.metadata) if c[0] != "modify_type"]
    # What finds rows by tokens is another thing on each database, so no model names it.
    own = ("alembic_version", "search_fts", "search_exhibit_tokens")
    assert [c for c in changes if not any(name in str(c) for name in own)] == []


def test_from_nothing(database):
    upgrade(database)
    check(database)
    assert REVISIONS[-1] == newest()


def test_each_step_loses_nothing_of_what_it_finds_and_the_ledger_stays_closed(database):
    """A step that keeps whatever it finds keeps it on every way that leads over it."""
    upgrade(database, REVISIONS[0])
    found = tables(database)
    for revision, following in pairwise(REVISIONS):
        with copy_of(database) as filled:
            before = fill(filled, found)
            upgrade(filled, following)
            upgrade(database, following)
            found = tables(database)
            nothing_is_lost(filled, found, before, revision, following)


@pytest.mark.parametrize("revision", [REVISIONS[0], REVISIONS[-1]], ids=["first", "last"])
def test_all_the_way_with_data_nothing_is_lost_and_the_models_fit(database, revision):
    upgrade(database, revision)
    before = fill(database, tables(database))
    upgrade(database)
    check(database)
    nothing_is_lost(database, tables(database), before, revision, REVISIONS[-1])


@contextmanager
def copy_of(database: Database) -> Iterator[Database]:
    """Yield a copy of a database; nobody may be connected to it meanwhile."""
    database.close()
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        place = Path(str(url.database))
        copied = Database(f"sqlite:///{shutil.copy(place, place.with_name('copy.db'))}")
        yield copied
        copied.close()
        for left in place.parent.glob("copy.db*"):
            left.unlink()
        return
    with fresh_database(shared_server(), copy_of=url.database) as copy:
        copied = Database(copy)
        yield copied
        copied.close()


def nothing_is_lost(
    database: Database, found: list[Table], before: dict[str, dict[str, Any]], revision: str,
    reached: str,
) -> None:  # fmt: skip
    """See that every row written at a revision is there as it was, and entries refuse change."""
    after = {table.name: table for table in found}
    emptied = MADE_ANEW if revision < "0002" else set()
    with database.writing() as session:
        for name, row in before.items():
            if name in emptied:
                continue
            [kept] = session.execute(select(after[name])).mappings().all()
            expected = dict(row)
            if name == "search_exhibit":
                expected["asked"] += sum(revision < one <= reached for one in INDEXED_ANEW)
            assert {column: kept[column] for column in row} == expected, (revision, name)
        for name in set(INSERT_ONLY) & set(before) - emptied:
            column = next(iter(after[name].columns)).name
            for attack in (f"UPDATE {name} SET {column} = {column}", f"DELETE FROM {name}"):
                with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
                    session.execute(text(attack))
            count = session.scalar(select(func.count()).select_from(after[name]))
            assert count == 1, (revision, name)
