"""The store remembers the ledger: a shorter database is refused, a lost one is made anew."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import func, select

from api.commands.context import login
from custody.audit import audit
from custody.errors import LedgerBehind
from custody.static_log import TileName, parse_bundle
from ingest import matchable
from repository.exhibits import find_exhibit
from repository.keys import house_key
from repository.ledger_mirror import publish
from repository.matching import index, parties
from repository.matching.tables import MatchItem
from repository.models import DataKey, Exhibit
from repository.people import new_person
from repository.sealed import read_document
from repository.stores.folder import LOCK
from tests.house import CODE, make_house


@pytest.fixture
def house(tmp_path):
    found = make_house(tmp_path)
    yield found
    found.repo.close()


def restart(house):
    house.repo.close()
    from config.settings import load
    from repository import open_repository

    house.repo = open_repository(load(house.data))


def grow(house, count):
    actor = house.custodian
    from custody.entry import Act, Draft

    for start in range(0, count, 100):
        drafts = [Draft(Act.CONSULTATION, actor, reason="test") for _ in range(100)]
        house.repo.ledger.record(*drafts[: min(100, count - start)])


def cut(house, size):
    """Restore an older copy of the database, as far as the ledger goes."""
    house.repo.close()
    with closing(sqlite3.connect(house.data / "evidence.db")) as raw, raw:
        for [name] in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for table, column in (
            ("entry", "idx"), ("entry_exhibit", "idx"), ("opening", "idx"), ("key_event", "idx"),
            ("head", "size - 1"), ("published", "size - 1"), ("tile", "n * 256 + 255"),
        ):  # fmt: skip
            raw.execute(f"DELETE FROM {table} WHERE {column} >= ?", (size,))
    restart(house)


@pytest.mark.sqlite_only("it brings a copy of the file back")
def test_a_restored_database_does_not_bring_what_was_erased_back(house, tmp_path):
    me = house.caller(login())
    parties.join(house.repo, me, parties.HOUSE, contact="desk", mode="both", motive="m")
    for name in ("gone", "kept"):
        (tmp_path / name).write_bytes(house.repo.random(64))
    words = ("--case", CODE, "--no-extract")
    [gone, kept] = [
        house.evidence("ingest", tmp_path / name, *words).lines[0]["exhibit"]
        for name in ("gone", "kept")
    ]
    with house.repo.database.writing() as session:  # as if they had been looked at
        index.expect(session, list(session.scalars(select(Exhibit.id))))
    assert matchable.make_all(house.repo) == (2, {})
    new_person(house.repo, house.custodian, name="second", role="custodian")

    def held(number: str) -> tuple[int, bool, bool]:
        """Return how many tokens there are, whether its key is there, and its erasure known."""
        with house.repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
            items = select(func.count()).where(MatchItem.exhibit_id == exhibit.id)
            key = session.get(DataKey, exhibit.id) is not None
            return session.scalar(items), key, exhibit.erased_at is not None

    copy = tmp_path / "backup.db"
    with closing(sqlite3.connect(house.data / "evidence.db")) as live:
        with closing(sqlite3.connect(copy)) as backup:
            live.backup(backup)
    order = ("--order", house.data / "config.toml", "--motive", "m")
    erasure = house.evidence("erase", "request", gone, *order).lines[0]["erasure"]
    said = house.evidence("erase", "approve", erasure, "--motive", "m", person="second")
    assert said.code == 0, said.err
    assert (held(gone), held(kept)) == ((0, False, True), (1, True, False))
    house.repo.close()
    for name in ("evidence.db-wal", "evidence.db-shm"):
        (house.data / name).unlink(missing_ok=True)
    copy.replace(house.data / "evidence.db")
    restart(house)
    assert held(gone) == (1, True, False)  # the restored one knows nothing of it
    said = house.evidence("ledger", "rebuild")
    assert said.code == 0, said.err
    assert said.lines[0]["erased_again"] == {"identities": 0, "exhibits": 1}
    restart(house)
    assert (held(gone), held(kept)) == ((0, False, True), (1, True, False))
    again = house.evidence("ledger", "rebuild").lines[0]["erased_again"]
    assert again == {"identities": 0, "exhibits": 0}  # once


@pytest.mark.sqlite_only("it edits the file")
def test_a_shorter_ledger_refuses_to_append_and_says_what_to_do(house):
    before = house.repo.ledger.size()
    grow(house, 30)
    publish(house.repo)
    cut(house, before)
    with pytest.raises(LedgerBehind, match="evidence ledger rebuild"):
        grow(house, 1)
    said = house.evidence("case", "new", "NEW", "--title", "t")
    assert said.code == 3
    assert "evidence ledger rebuild" in said.err
    said = house.evidence("ledger", "rebuild")
    assert said.code == 0, said.err
    assert said.lines[0]["added"] == 30
    restart(house)
    grow(house, 1)
    said = house.evidence("verify", "--ledger")
    assert said.code == 0, said.out


@pytest.mark.sqlite_only("it deletes the file")
def test_a_lost_database_is_made_anew_from_the_store_to_the_same_root(house):
    grow(house, 700)
    grow(house, 1)
    signed = publish(house.repo)
    house.repo.close()
    (house.data / "evidence.db").unlink()
    for rest in house.data.glob("evidence.db-*"):
        rest.unlink()
    said = house.evidence("ledger", "rebuild")
    assert said.code == 0, said.err
    [line] = said.lines
    assert (line["size"], line["root"]) == (
        signed.checkpoint.size,
        f"sha256:{signed.checkpoint.root.hex()}",
    )
    restart(house)
    found = audit(
        house.repo.database,
        keys=house.repo.ledger.key_history(),
        wrapping_key=house.repo.wrapping_key,
        outside=[signed],
    )
    assert [one for one in found if one.outcome != "pass"] == []


@pytest.mark.sqlite_only("it deletes the file")
def test_a_changed_bundle_in_the_store_is_not_rebuilt_from(house):
    grow(house, 600)
    publish(house.repo)
    file = house.data / "store" / "ledger" / TileName(-1, 1).path
    data = bytearray(file.read_bytes())
    data[5000] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    (house.data / "evidence.db").unlink()
    said = house.evidence("ledger", "rebuild")
    assert said.code == 1
    assert "entries/001 in the store is damaged" in said.lines[0]["missing"]


def test_full_tiles_and_bundles_in_the_store_are_those_of_the_ledger(house):
    grow(house, 600)
    publish(house.repo)
    folder = house.data / "store" / "ledger" / "tile"
    files = [f for f in folder.rglob("*") if f.is_file() and not f.name.endswith(LOCK)]
    assert sorted(str(f.relative_to(folder)) for f in files) == [
        "0/000", "0/001", "entries/000", "entries/001",
    ]  # fmt: skip
    bodies = [e.body for e in house.repo.ledger.entries(256, 512)]
    stored = house.repo.store.find("ledger", "tile/entries/001")
    bundle = read_document(house.repo.store, stored, key=house_key(house.repo))
    assert parse_bundle(bundle) == bodies


def test_whoever_runs_the_storage_finds_no_digest_and_no_number_in_it(house, tmp_path):
    (tmp_path / "known.jpg").write_bytes(b"a file that somebody else has too" * 100)
    [line] = house.ingest(tmp_path / "known.jpg")
    grow(house, 600)
    publish(house.repo)
    digest = line["sha256"].removeprefix("sha256:")
    known = (digest.encode(), bytes.fromhex(digest), b"KRN-000001", b"known.jpg", b"somebody else")
    for file in (house.data / "store").rglob("*"):
        text = file.read_bytes() if file.is_file() else b""
        assert not [one for one in known if one in text], file
        assert not [one for one in known if one in str(file).encode()]


def test_publishing_again_writes_nothing(house):
    grow(house, 10)
    publish(house.repo)
    before = sorted(f for f in (house.data / "store").rglob("*"))
    publish(house.repo)
    assert sorted(f for f in (house.data / "store").rglob("*")) == before
