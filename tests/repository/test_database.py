"""The database: the migration makes what the models say; another version's is refused."""

import sqlite3
import threading
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import literal, select, text

from custody.database import Database
from custody.errors import LedgerUnavailable
from repository.columns import among
from repository.errors import WrongDatabase
from repository.migrations import check_revision, newest, upgrade
from repository.models import Model
from tests.house import run
from tests.postgres import fresh_database, shared_server


@pytest.fixture
def database(tmp_path):
    found = Database(f"sqlite:///{tmp_path}/x.db", timeout=0.3)
    yield found
    found.close()


def test_the_first_migration_makes_exactly_the_models(database):
    upgrade(database)
    check_revision(database)
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        changes = [c for c in compare_metadata(context, Model.metadata) if c[0] != "modify_type"]
    own = ("alembic_version", "search_fts")  # what FTS5 makes has no model
    assert [c for c in changes if not any(name in str(c) for name in own)] == []


def test_migrating_again_changes_nothing(database):
    upgrade(database)
    upgrade(database)
    check_revision(database)


def test_a_newer_or_foreign_database_is_refused_in_one_line(database, house):
    with pytest.raises(WrongDatabase, match=newest()):
        check_revision(database)
    with house.repo.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = run("--data", house.data, "list", "--case", "KRN")
    assert said.code == 3
    assert len(said.err.splitlines()) == 1
    assert "9999" in said.err


@pytest.mark.sqlite_only("it names a file")
def test_a_second_repository_is_never_made_in_the_same_database(house, tmp_path, monkeypatch):
    before = house.repo.ledger.size()
    monkeypatch.setenv("EVIDENCE_DATABASE_URL", f"sqlite:///{house.data}/evidence.db")
    said = run("--data", tmp_path / "second", "init")
    assert said.code == 2
    assert "holds a repository already" in said.err
    assert not (tmp_path / "second").exists()
    assert house.repo.ledger.size() == before


@pytest.mark.sqlite_only("it damages the file")
def test_a_damaged_database_is_said_in_one_line(house):
    house.repo.close()
    (house.data / "evidence.db").write_bytes(b"this is no database" * 1000)
    for name in ("evidence.db-wal", "evidence.db-shm"):
        (house.data / name).unlink(missing_ok=True)
    said = run("--data", house.data, "list", "--case", "KRN")
    assert said.code == 3, said.err
    assert len(said.err.splitlines()) == 1


def test_commits_are_durable_and_enforced_by_settings(database):
    upgrade(database)
    with database.reading() as session:
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"


def test_a_reader_sees_one_snapshot_while_a_writer_commits(database):
    upgrade(database)
    with database.reading() as reader:
        before = reader.scalar(text("SELECT count(*) FROM person"))
        with database.writing() as writer:
            writer.execute(
                text("INSERT INTO person (id, name, role, created_at) VALUES ('1','n','r','t')")
            )
        assert reader.scalar(text("SELECT count(*) FROM person")) == before


def test_a_writer_that_waits_too_long_gives_up_cleanly(database):
    upgrade(database)
    with database.writing(), pytest.raises(LedgerUnavailable, match="busy"):
        database.writing().__enter__()
    assert sqlite3.sqlite_version_info >= (3, 35)


@pytest.mark.postgres
def test_two_acts_that_wait_for_each_other_are_told_so_and_one_is_undone():
    with fresh_database(shared_server()) as url, closing(Database(url)) as found:
        with found.writing() as session:
            session.execute(text("CREATE TABLE t (n int PRIMARY KEY, done int)"))
            session.execute(text("INSERT INTO t VALUES (1, 0), (2, 0)"))
        both, said = threading.Barrier(2), []

        def act(first: int, second: int) -> None:
            try:
                with found.writing() as session:
                    for n in (first, second):
                        session.execute(text("UPDATE t SET done = done + 1 WHERE n = :n"), {"n": n})
                        if n == first:
                            both.wait(60)
            except LedgerUnavailable as error:
                said.append(str(error))

        threads = [threading.Thread(target=act, args=pair) for pair in ((1, 2), (2, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [told] = said
        assert told.startswith("two acts waited for each other")
        assert "\n" not in told
        with found.reading() as session:
            assert list(session.scalars(text("SELECT done FROM t"))) == [1, 1]


@pytest.mark.postgres
def test_who_reads_one_snapshot_does_not_see_what_is_committed_meanwhile():
    with fresh_database(shared_server()) as url, closing(Database(url)) as found:
        with found.writing() as session:
            session.execute(text("CREATE TABLE t (n int)"))
        count = text("SELECT count(*) FROM t")
        with found.reading(snapshot=True) as fixed, found.reading() as moving:
            assert fixed.scalar(count) == moving.scalar(count) == 0
            with found.writing() as session:
                session.execute(text("INSERT INTO t VALUES (1)"))
            assert (fixed.scalar(count), moving.scalar(count)) == (0, 1)
        with found.reading() as session:  # the connection is as it was before
            assert session.scalar(text("SHOW transaction_isolation")) == "read committed"


@pytest.mark.postgres
def test_a_question_asked_often_is_still_planned_for_what_it_asks():
    """PostgreSQL would plan once for all values; the driver prepares what it sent five times."""
    with (
        fresh_database(shared_server()) as url,
        closing(Database(url)) as found,
        found.reading() as session,
    ):
        for n in range(20):
            session.execute(text("SELECT 1 FROM pg_class WHERE relpages = :n"), {"n": n})
        counts = text("SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements")
        generic, custom = session.execute(counts).one()
    assert (generic, custom > 10) == (0, True)


ODD = ["plain", 'a"b', "c\\d", "{}", "NULL", "", " ", ",", "'", "e\nf", "ع", '","', "\\", '"']


def odd_texts_are_found(database):
    with database.reading() as session:
        for one in ODD:
            others = [other for other in ODD if other != one]
            asked = select(among(literal(one), ODD), among(literal(one), others),
                           among(literal(one), []), among(literal(7), [1, 7]))  # fmt: skip
            assert list(map(bool, session.execute(asked).one())) == [True, False, False, True], one


def test_texts_are_found_among_many_whatever_they_hold(database):
    odd_texts_are_found(database)
    with fresh_database(shared_server()) as url, closing(Database(url)) as found:
        odd_texts_are_found(found)
