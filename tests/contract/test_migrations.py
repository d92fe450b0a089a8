"""Migrations, on both databases: from nothing, and from every earlier revision with data in it."""

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


def fill(database: Database) -> dict[str, dict[str, Any]]:
    """Write a row into every table and return them."""
    rows = {}
    for table in tables(database):
        rows[table.name] = {column.name: value(column) for column in table.columns}
        with database.writing() as session:
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


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_each_revision_with_data_nothing_is_lost_and_the_ledger_stays_closed(
    database, revision
):
    upgrade(database, revision)
    before = fill(database)
    upgrade(database)
    check(database)
    after = {table.name: table for table in tables(database)}
    for name, row in before.items():
        if revision < "0002" and name in MADE_ANEW:
            continue
        with database.reading() as session:
            [found] = session.execute(select(after[name])).mappings().all()
        expected = dict(row)
        if name == "search_exhibit":
            expected["asked"] += sum(revision < one for one in INDEXED_ANEW)
        assert {column: found[column] for column in row} == expected, name
    emptied = MADE_ANEW if revision < "0002" else set()
    for name in set(INSERT_ONLY) & set(before) - emptied:
        column = next(iter(after[name].columns)).name
        for attack in (f"UPDATE {name} SET {column} = {column}", f"DELETE FROM {name}"):
            with pytest.raises(DBAPIError, match="append-only"), database.writing() as session:
                session.execute(text(attack))
        with database.reading() as session:
            assert session.scalar(select(func.count()).select_from(after[name])) == 1
