"""The ledger: appended with its caller or not at all, proved at every size, erasable in part."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from custody import tables
from custody.audit import audit
from custody.canonical import dumps, loads
from custody.entry import Act
from custody.errors import LedgerDamaged, LedgerUnavailable, MalformedEntry, NoSuchEntry
from custody.merkle import leaf_hash, root_of
from custody.receipt import Proof


def outcomes(kept, **more):
    found = audit(
        kept.database, keys=kept.ledger.key_history(), wrapping_key=kept.wrapping_key, **more
    )
    return {finding.check: finding.outcome for finding in found}


def test_an_entry_is_written_once_and_its_bytes_are_canonical(kept):
    [entry] = kept.ledger.record(kept.draft())
    assert dumps(loads(entry.body)) == entry.body
    assert kept.ledger.entry(0).body == entry.body
    assert entry.fields["exhibit"]["seq"] == 1


def test_the_root_is_that_of_all_leaves_whatever_the_batches(kept):
    for size in (1, 3, 255, 1, 256, 300, 7):
        kept.ledger.record(*[kept.draft(n) for n in range(size)])
    leaves = [leaf_hash(entry.body) for entry in kept.ledger.entries()]
    signed = kept.ledger.checkpoint()
    assert signed.checkpoint.size == len(leaves) == 823
    assert signed.checkpoint.root == root_of(leaves)


def test_every_entry_is_proved_in_every_head(kept):
    for _ in range(12):
        kept.ledger.record(*[kept.draft(n) for n in range(45)])
    for size in (45, 270, 540):
        for index in range(0, size, 11):
            proof = kept.ledger.proof(index, size=size)
            assert Proof.parse(str(proof)) == proof
            body = kept.ledger.entry(index).body
            assert proof.verify(body, [kept.ledger.key]).checkpoint.size == size


def test_sequence_numbers_have_no_gap_per_exhibit(kept):
    kept.ledger.record(*[kept.draft(n) for n in range(10)])
    kept.ledger.record(*[kept.draft(n) for n in range(5)])
    for exhibit in kept.exhibits:
        history = kept.ledger.history(exhibit.id)
        assert [e.fields["exhibit"]["seq"] for e in history] == list(range(1, len(history) + 1))


def test_a_rolled_back_caller_leaves_no_entry(kept):
    kept.ledger.record(kept.draft())

    def fail_after_appending():
        with kept.database.writing() as session:
            kept.ledger.append(session, [kept.draft()])
            raise KeyError

    with pytest.raises(KeyError):
        fail_after_appending()
    assert kept.ledger.size() == 1
    kept.ledger.record(kept.draft())
    assert outcomes(kept)["entries"] == "pass"


def test_a_bad_draft_appends_nothing_of_its_batch(kept):
    with pytest.raises(MalformedEntry):
        kept.ledger.record(kept.draft(), kept.draft(outcome="perhaps"))
    assert kept.ledger.size() == 0
    assert kept.ledger.checkpoint() is None


def test_many_threads_append_and_nothing_is_lost_or_doubled(kept):
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda n: kept.ledger.record(kept.draft(n))[0], range(80)))
    assert sorted(entry.index for entry in entries) == list(range(80))
    assert outcomes(kept)["heads"] == "pass"


@pytest.mark.parametrize("table", tables.INSERT_ONLY)
def test_the_database_refuses_update_and_delete(kept, table):
    kept.ledger.record(*[kept.draft(n) for n in range(300)])
    if table in (
        "cosignature", "timestamp_token", "evidence_record", "key_event", "published"
    ):  # fmt: skip
        rows = {
            "cosignature": {"size": 1, "key_name": "k", "line": "l", "at": "t"},
            "timestamp_token": {"size": 1, "tsa": "t", "der": b"d", "at": "t"},
            "evidence_record": {"lo": 0, "hi": 1, "der": b"d"},
            "published": {"size": 1},
            "key_event": {"idx": 1, "vkey": "k", "state": "added", "size": 1, "uri": None},
        }
        with kept.database.writing() as session:
            session.execute(insert(tables.metadata.tables[table]), rows[table])
    column = next(iter(tables.metadata.tables[table].columns)).name
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        with pytest.raises(DBAPIError, match="append-only"), kept.database.writing() as session:
            session.execute(text(statement))


def test_erasing_openings_leaves_every_proof_valid(kept):
    entries = kept.ledger.record(*[kept.draft(n) for n in range(20)])
    proofs = [kept.ledger.proof(entry.index) for entry in entries]
    with kept.database.writing() as session:
        session.execute(delete(tables.opening_key))
    assert kept.ledger.openings([0, 1]) == {0: {}, 1: {}}
    for entry, proof in zip(entries, proofs, strict=True):
        assert proof.verify(entry.body, [kept.ledger.key])
    assert outcomes(kept)["openings"] == "pass"
    kept.ledger.record(kept.draft())
    assert kept.ledger.opened(kept.ledger.entry(20))["case"] == "KRN"


def test_an_index_that_does_not_exist_is_an_error(kept):
    kept.ledger.record(kept.draft())
    for call in (lambda: kept.ledger.entry(1), lambda: kept.ledger.proof(5),
                 lambda: kept.ledger.proof(0, size=9)):  # fmt: skip
        with pytest.raises(NoSuchEntry):
            call()


def test_a_changed_entry_is_not_given_out(kept):
    kept.ledger.record(*[kept.draft(n) for n in range(3)])
    with sqlite3.connect(kept.path) as raw:
        raw.execute("DROP TRIGGER entry_no_update")
        raw.execute("UPDATE entry SET body = replace(body, 'KRN', 'KRX') WHERE idx = 1")
    with pytest.raises(LedgerDamaged, match="entry 1"):
        kept.ledger.entry(1)


def test_a_database_locked_by_another_process_is_said_in_one_line(kept):
    kept.ledger.record(kept.draft())
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked by another process"):
        kept.ledger.record(kept.draft())
    other.execute("ROLLBACK")
    other.close()
    assert kept.ledger.record(kept.draft())[0].index == 1


def test_every_head_ever_made_is_kept_and_signed(kept):
    for _ in range(5):
        kept.ledger.record(kept.draft())
    with kept.database.reading() as session:
        sizes = list(session.scalars(select(tables.head.c.size).order_by(tables.head.c.size)))
    assert sizes == [1, 2, 3, 4, 5]
    for size in sizes:
        assert kept.ledger.checkpoint_at(size).checkpoint.size == size


def test_a_receipt_is_checked_without_the_ledger(kept):
    parts = {"parts": []}
    [entry] = kept.ledger.record(
        kept.draft(type=Act.REGISTRATION, outcome="done", plain=parts, request_id=None)
    )
    receipt = kept.ledger.receipt(entry, kept.ledger.proof(0), submission="SUB-x")
    assert receipt.verify([kept.ledger.key]).checkpoint.size == 1
