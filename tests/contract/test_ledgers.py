"""The ledger keeps the same promises on SQLite and on PostgreSQL."""

import multiprocessing
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pymerkle
import pytest
from sqlalchemy import Table, create_engine, text
from sqlalchemy.exc import DBAPIError

from custody import bounded_postgres, tables
from custody.audit import audit
from custody.checkpoint import open_checkpoint
from custody.database import CONNECTIONS, Database
from custody.errors import LedgerBehind, LedgerDamaged, LedgerUnavailable, MalformedEntry
from custody.keys import KeyState, keys_for
from custody.merkle import leaf_hash, root_of, verify_consistency
from custody.rebuild import rebuild
from custody.signers import file
from custody.static_log import TileName, bundle, names, parse_bundle, read_tile
from tests.custody.conftest import connect, make
from tests.postgres import Server, find_or_skip


@pytest.fixture(scope="module")
def server():
    find_or_skip()
    server = Server()
    server.make()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def new(request, tmp_path):
    """Make fresh ledgers on one database."""
    made = []

    def one(name="ledger"):
        url = None
        if request.param == "postgresql":
            server = request.getfixturevalue("server")
            database = f"l{uuid.uuid4().hex}"
            engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {database}"))
            engine.dispose()
            url = server.url.rpartition("/")[0] + f"/{database}"
        made.append(make(tmp_path, f"{name}{len(made)}", url=url))
        return made[-1]

    yield one
    for kept in made:
        kept.database.close()


@pytest.fixture
def kept(new):
    return new()


def failures(kept, **more):
    found = audit(
        kept.database, keys=kept.ledger.key_history(), wrapping_key=kept.wrapping_key, **more
    )
    return [one for one in found if one.outcome == "fail"]


def record(kept, count, batch=100):
    for start in range(0, count, batch):
        kept.ledger.record(*[kept.draft(n) for n in range(start, min(count, start + batch))])


def test_root_tiles_and_bundles_are_those_of_the_published_formats(kept):
    record(kept, 700)
    bodies = [entry.body for entry in kept.ledger.entries()]
    leaves = [leaf_hash(body) for body in bodies]
    head = kept.ledger.checkpoint().checkpoint
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for body in bodies:
        other.append_entry(body)
    assert head.root == root_of(leaves) == other.get_root()
    with kept.database.reading() as session:
        files = {name.path: read_tile(session, 700, name) for name in names(0, 700, partial=True)}
    assert set(files) == {
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188",
        "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2",
    }  # fmt: skip
    assert files["tile/0/001"] == b"".join(leaves[256:512])
    assert files["tile/1/000.p/2"] == root_of(leaves[:256]) + root_of(leaves[256:512])
    assert parse_bundle(files["tile/entries/002.p/188"]) == bodies[512:]
    assert files["tile/entries/000"] == bundle(bodies[:256])
    for path in files:
        assert TileName.parse(path.removeprefix("tile/")).path == path


def test_many_threads_and_processes_record_without_a_gap(kept):
    context = multiprocessing.get_context("fork")
    kept.database.close()

    def work():
        own = connect(kept)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: own.ledger.record(own.draft(n)), range(100)))
        own.database.close()

    children = [context.Process(target=work) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert kept.ledger.size() == 300
    assert failures(kept) == []


def test_one_malformed_draft_spoils_nobody_elses(kept):
    good = [kept.draft(n) for n in range(20)]
    bad = kept.draft(0, withheld={"purpose": {"code": "x", "text": "y" * 80_000}, "case": "KRN"})
    huge = kept.draft(0, plain={"inputs": ["sha256:" + "0" * 64] * 2_000})

    def one(draft):
        try:
            return kept.ledger.record(draft)
        except MalformedEntry as error:
            return error

    with ThreadPoolExecutor(22) as pool:
        found = list(pool.map(one, [*good[:10], huge, *good[10:], bad]))
    errors = [one for one in found if isinstance(one, MalformedEntry)]
    assert len(errors) == 1
    assert kept.ledger.size() == 21
    assert failures(kept) == []


@pytest.mark.parametrize("table", ["entry", "head", "tile", "opening", "key_event", "published"])
def test_change_and_deletion_are_refused_by_the_database(kept, table):
    record(kept, 300)
    if table in FILL:
        with kept.database.writing() as session:
            session.execute(text(FILL[table]))
    column = next(iter(tables.metadata.tables[table].columns)).name
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        with pytest.raises(DBAPIError, match="append-only"), kept.database.writing() as session:
            session.execute(text(statement))


FILL = {
    "key_event": "INSERT INTO key_event VALUES (9, 'k', 'added', 1, NULL)",
    "published": "INSERT INTO published VALUES (1)",
}


def test_it_is_rebuilt_elsewhere_to_the_same_root(kept, new):
    sizes = []
    for count in (1, 300, 256, 7):
        record(kept, count)
        sizes.append(kept.ledger.size())
    notes = [kept.ledger.checkpoint_at(size).note for size in sizes]
    bodies = [entry.body for entry in kept.ledger.entries()]
    other = connect(new("other"), wrapping_key=kept.wrapping_key)
    assert rebuild(other.database, bodies[:301], notes[:2], [kept.signer.key]) == 301
    assert rebuild(other.database, bodies[301:], notes, [kept.signer.key]) == 263
    again = type(other.ledger)(
        other.database, kept.signer, wrapping_key=kept.wrapping_key, clock=kept.clock, by="t"
    )
    assert again.checkpoint().note == kept.ledger.checkpoint().note
    other.database.close()
    third = new("third").database
    for wrong, said in ((bodies[:5], "bodies end"), (bodies[2:400], "do not lead")):
        with pytest.raises(LedgerDamaged, match=said):
            rebuild(third, wrong, notes[:2], [kept.signer.key])


def test_a_size_smaller_than_outside_memory_appends_nothing(kept):
    record(kept, 5)

    def outside(size):
        if size < 9:
            raise LedgerBehind("shorter")

    behind = connect(kept, outside=outside)
    with pytest.raises(LedgerBehind):
        behind.ledger.record(behind.draft())
    with pytest.raises(LedgerBehind), behind.database.writing() as session:
        behind.ledger.append(session, [behind.draft()])
    assert kept.ledger.size() == 5
    record(kept, 4)
    assert behind.ledger.record(behind.draft())
    behind.database.close()


def test_growth_by_another_process_at_the_first_append_is_no_restored_backup(kept):
    """The size is compared under the lock: what another process adds meanwhile is not "longer"."""
    record(kept, 3)
    other = connect(kept)

    def outside(size):
        published = other.ledger.size()  # what is published was committed before
        if size < published:
            raise LedgerBehind(f"{size} < {published}")

    with ThreadPoolExecutor(4) as pool:
        growing = [pool.submit(other.ledger.record, other.draft(n)) for n in range(40)]
        for n in range(20):
            fresh = connect(kept, outside=outside)
            fresh.ledger.record(fresh.draft(n))
            fresh.database.close()
        for one in growing:
            one.result()
    assert kept.ledger.size() == 63
    other.database.close()


def test_a_rotation_under_load_breaks_nothing_and_each_head_has_one_valid_key(kept, tmp_path):
    """Two processes' worth of ledgers record while the key changes three times."""
    signers = [
        file.create(tmp_path / f"new{n}.pem", name=kept.signer.key.name, passphrase=b"p")
        for n in range(3)
    ]
    known = {str(signer.key): signer for signer in signers}
    ledgers = [connect(kept, open_key=lambda event: known[str(event.key)]) for _ in range(2)]
    with ThreadPoolExecutor(9) as pool:
        work = [
            pool.submit(lambda own=own: [own.ledger.record(own.draft(n)) for n in range(60)])
            for own in ledgers
            for _ in range(4)
        ]
        for signer in signers:
            ledgers[0].ledger.change_key(kept.actor, signer.key, KeyState.ADDED, uri="x")
        for one in work:
            one.result()
    history = ledgers[1].ledger.key_history()
    assert [one.key for one in history] == [kept.signer.key, *(s.key for s in signers)]
    assert history[-1].stop is None
    assert kept.ledger.size() == 483
    assert failures(ledgers[0]) == []
    with kept.database.reading() as session:
        for size, note in session.execute(text("SELECT size, note FROM head")).all():
            [key] = keys_for(note, history)
            assert open_checkpoint(note, [key]).checkpoint.size == size
            for other in {one.key for one in history} - {key}:
                with pytest.raises(Exception, match="no known key"):
                    open_checkpoint(note, [other])
    old = ledgers[0].ledger.checkpoint_at(history[1].start - 1).checkpoint
    new = ledgers[0].ledger.checkpoint().checkpoint
    proof = ledgers[0].ledger.consistency(old.size, new.size)
    assert verify_consistency(old.size, new.size, proof, old.root, new.root)
    for own in ledgers:
        own.database.close()


def test_a_stranger_cannot_add_a_key(kept, tmp_path):
    """Whoever writes a key into the table without an entry that the log signed is found."""
    record(kept, 3)
    stranger = file.create(tmp_path / "s.pem", name=kept.signer.key.name, passphrase=b"p")
    with kept.database.writing() as session:
        session.execute(
            text("INSERT INTO key_event VALUES (1, :key, 'added', 2, NULL)"),
            {"key": str(stranger.key)},
        )
    assert failures(kept)[0].subject in ("entry 1", "head 2")


@pytest.mark.postgres
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_postgresql_that_may_lose_commits_is_refused(setting):
    find_or_skip()
    server = Server()
    server.make()
    server.start(**{setting: "off"})
    try:
        database = Database(server.url)
        with pytest.raises(LedgerUnavailable, match=setting), database.reading():
            pass
        database.close()
    finally:
        server.stop()


@pytest.mark.postgres
def test_asynchronous_commit_is_switched_on_again_for_our_sessions(server):
    database = Database(server.url)
    with database.engine.connect() as connection:
        connection.execute(text("ALTER DATABASE postgres SET synchronous_commit = off"))
        connection.commit()
    database.close()
    with database.reading() as session:
        assert session.execute(text("SHOW synchronous_commit")).scalar() == "on"
    database.close()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE entry SET leaf = body WHERE idx = 100", "entry 100"),
        ("DELETE FROM entry WHERE idx = 17", "entry 17"),
        ("DELETE FROM entry WHERE idx >= 256 AND idx < 512", "entry 256"),
        ("DELETE FROM entry WHERE idx >= 690", "entry 690"),
        ("UPDATE entry SET idx = 900 WHERE idx = 300", "entry 300"),
        ("UPDATE tile SET root = hashes WHERE n = 1", "tile 0/1"),
        ("DELETE FROM head WHERE size = 700", "entry 600"),
    ],
)
def test_what_the_owner_of_the_database_changes_is_named(kept, change, named):
    record(kept, 700)
    with kept.database.writing() as session:
        if kept.database.dialect == "sqlite":
            for [name] in session.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in tables.INSERT_ONLY:
                session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        session.execute(text(change))
    assert failures(kept)[0].subject == named


@pytest.mark.postgres
def test_when_all_connections_are_in_use_it_is_said_and_nothing_hangs(server):
    database = Database(server.url, timeout=0.2)
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(database.reading())
        with pytest.raises(LedgerUnavailable, match="in use"), database.reading():
            pass
    with database.reading():
        pass
    database.close()


@pytest.mark.postgres
def test_a_statement_that_takes_too_long_is_given_up_by_the_server(server):
    database = Database(server.url, statement=0.2)
    with pytest.raises(LedgerUnavailable, match="statement timeout"), database.reading() as session:
        session.execute(text("SELECT pg_sleep(30)"))
    with database.reading() as session:  # the connection is as good as before
        assert session.execute(text("SELECT 1")).scalar() == 1
    database.close()


@pytest.mark.postgres
def test_a_server_that_says_nothing_is_given_up_by_us(server, monkeypatch):
    monkeypatch.setattr(bounded_postgres, "_GRACE", 0.1)
    database = Database(server.url, statement=0.2)

    def sleep() -> None:
        with database.reading() as session:
            session.execute(text("SET statement_timeout TO 0"))
            session.execute(text("SELECT pg_sleep(30)"))

    with pytest.raises(LedgerUnavailable, match="not answered"):
        sleep()
    with database.reading() as session:  # a new one
        assert session.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_every_table_of_the_ledger_is_protected():
    own = {table.name for table in vars(tables).values() if isinstance(table, Table)}
    assert own - set(tables.INSERT_ONLY) == {"opening_key"}
