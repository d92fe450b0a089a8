"""Someone owns the database and changes the ledger; the audit names the first difference."""

import random
import sqlite3
from contextlib import closing

import pytest

from custody.audit import audit
from custody.canonical import dumps, loads
from custody.checkpoint import Checkpoint
from custody.merkle import Frontier, leaf_hash
from custody.signers import sign_note
from tests.custody.conftest import Kept, make

ENTRIES = 40


@pytest.fixture
def kept(tmp_path):
    found = make(tmp_path)
    for n in range(ENTRIES // 4):
        found.ledger.record(*[found.draft(4 * n + k) for k in range(4)])
    yield found
    found.database.close()


def tamper(kept: Kept, *statements):
    """Run SQL as the owner of the file, triggers removed."""
    with closing(sqlite3.connect(kept.path)) as raw, raw:
        for [name] in raw.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement, values in statements:
            raw.execute(statement, values)


def body(kept, index):
    with closing(sqlite3.connect(kept.path)) as raw:
        return raw.execute("SELECT body FROM entry WHERE idx = ?", (index,)).fetchone()[0]


def failures(kept, *, outside=()):
    found = audit(
        kept.database,
        keys=kept.ledger.key_history(),
        wrapping_key=kept.wrapping_key,
        outside=outside,
    )
    return [finding for finding in found if finding.outcome == "fail"]


def edited(kept, index):
    fields = loads(body(kept, index))
    fields["outcome"] = "aborted"
    return dumps(fields)


def test_a_clean_ledger_has_no_failure(kept):
    assert failures(kept, outside=[kept.ledger.checkpoint()]) == []


def test_an_edit_is_named(kept):
    tamper(kept, ("UPDATE entry SET body = ? WHERE idx = 17", (edited(kept, 17),)))
    assert [f.subject for f in failures(kept)] == ["entry 17"]


def test_an_edit_with_a_new_leaf_is_found_within_its_signed_head(kept):
    new = edited(kept, 17)
    tamper(kept, ("UPDATE entry SET body = ?, leaf = ? WHERE idx = 17", (new, leaf_hash(new))))
    [found] = failures(kept)
    assert "entries 16 to 19" in found.detail


def test_an_edit_under_a_full_tile_is_named_even_with_a_new_leaf(tmp_path):
    kept = make(tmp_path, "large")
    kept.ledger.record(*[kept.draft(n) for n in range(300)])
    new = edited(kept, 100)
    tamper(kept, ("UPDATE entry SET body = ?, leaf = ? WHERE idx = 100", (new, leaf_hash(new))))
    assert [f.subject for f in failures(kept)] == ["entry 100"]
    kept.database.close()


def test_a_deletion_is_named(kept):
    tamper(
        kept,
        ("DELETE FROM entry WHERE idx = 9", ()),
        ("DELETE FROM entry_exhibit WHERE idx = 9", ()),
    )
    assert failures(kept)[0].subject == "entry 9"


def test_a_deletion_with_the_gap_closed_is_found(kept):
    tamper(
        kept,
        ("DELETE FROM entry WHERE idx = 9", ()),
        ("DELETE FROM entry_exhibit WHERE idx = 9", ()),
        ("UPDATE entry SET idx = idx - 1 + 1000 WHERE idx > 9", ()),
        ("UPDATE entry SET idx = idx - 1000 WHERE idx >= 1000", ()),
        ("UPDATE entry_exhibit SET idx = idx - 1 + 1000 WHERE idx > 9", ()),
        ("UPDATE entry_exhibit SET idx = idx - 1000 WHERE idx >= 1000", ()),
    )
    assert failures(kept)


def test_a_swap_is_found(kept):
    one, two = body(kept, 5), body(kept, 6)
    tamper(
        kept,
        ("UPDATE entry SET id = 'x' || id", ()),
        ("UPDATE entry SET body = ?, leaf = ? WHERE idx = 5", (two, leaf_hash(two))),
        ("UPDATE entry SET body = ?, leaf = ? WHERE idx = 6", (one, leaf_hash(one))),
        ("UPDATE entry SET id = substr(id, 2)", ()),
    )
    assert failures(kept)[0].subject == "entry 5"


def test_an_inserted_entry_stands_under_no_head(kept):
    new = edited(kept, 3)
    tamper(
        kept,
        (
            "INSERT INTO entry (idx, leaf, body, id) VALUES (?, ?, ?, 'forged')",
            (ENTRIES, leaf_hash(new), new),
        ),
    )
    assert [f.subject for f in failures(kept)] == [f"entry {ENTRIES}"]


def test_a_cut_tail_is_named_by_the_checkpoint_kept_outside(kept):
    outside = [kept.ledger.checkpoint()]
    tamper(
        kept,
        *[
            (f"DELETE FROM {table} WHERE {column} >= 36", ())
            for table, column in (("entry", "idx"), ("entry_exhibit", "idx"), ("opening", "idx"))
        ],
        ("DELETE FROM head WHERE size > 36", ()),
    )
    assert failures(kept) == []  # nothing inside the database can see a clean cut
    [found] = failures(kept, outside=outside)
    assert "entry 36" in found.detail


def test_a_ledger_rewritten_and_signed_again_with_the_stolen_key_is_found_outside(kept):
    outside = [kept.ledger.checkpoint()]
    rewrite(kept, 17)
    assert failures(kept) == []  # consistent in itself
    [found] = failures(kept, outside=outside)
    assert found.check == "outside"


def rewrite(kept, index):
    """Change an entry and sign every later head again, as the holder of the key could."""
    new = edited(kept, index)
    statements = [
        ("UPDATE entry SET body = ?, leaf = ? WHERE idx = ?", (new, leaf_hash(new), index))
    ]
    frontier = Frontier()
    with closing(sqlite3.connect(kept.path)) as raw:
        bodies = [row[0] for row in raw.execute("SELECT body FROM entry ORDER BY idx")]
        sizes = {row[0] for row in raw.execute("SELECT size FROM head")}
    for position, one in enumerate(bodies):
        frontier.append(leaf_hash(new if position == index else one))
        if frontier.size in sizes:
            text = Checkpoint(kept.ledger.key.name, frontier.size, frontier.root()).text()
            note = sign_note(text, kept.signer)
            values = (frontier.root(), frontier.to_bytes(), note, frontier.size)
            statements.append(
                ("UPDATE head SET root = ?, frontier = ?, note = ? WHERE size = ?", values)
            )
    tamper(kept, *statements)


def test_a_forged_head_is_named(kept):
    tamper(kept, ("UPDATE head SET note = replace(note, 'test', 'rest') WHERE size = 20", ()))
    [found] = failures(kept)
    assert found.subject == "head 20"


def test_a_changed_sequence_number_is_named(kept):
    tamper(kept, ("UPDATE entry_exhibit SET seq = 99 WHERE idx = 12", ()))
    assert [f.subject for f in failures(kept)] == ["entry 12"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE opening SET sealed = zeroblob(60) WHERE idx = 7 AND field = 'case'",
        "UPDATE opening SET field = 'place' WHERE idx = 7 AND field = 'case'",
        "UPDATE opening SET idx = 700 WHERE idx = 7 AND field = 'case'",
        "UPDATE opening SET sealed = (SELECT sealed FROM opening WHERE idx = 8) WHERE idx = 7",
    ],
)
def test_an_opening_that_does_not_open_is_named(kept, statement):
    tamper(kept, (statement, ()))
    [found] = failures(kept)
    assert found.check == "openings"
    assert found.subject in ("entry 7", "entry 700")


def test_a_deleted_head_tile_or_frontier_is_found(tmp_path):
    for number, statement in enumerate(
        (
            "DELETE FROM tile WHERE n = 0",
            "UPDATE tile SET hashes = zeroblob(8192)",
            "UPDATE tile SET root = zeroblob(32)",
            "UPDATE head SET frontier = zeroblob(96) WHERE size = 300",
            "DELETE FROM head WHERE size = 300",
        )
    ):
        kept = make(tmp_path, f"ledger{number}")
        kept.ledger.record(*[kept.draft(n) for n in range(300)])
        tamper(kept, (statement, ()))
        assert failures(kept), statement
        kept.database.close()


def test_random_changes_of_stored_bytes_are_all_found(kept):
    """200 single-byte changes anywhere in bodies, leaves, roots and notes: none passes."""
    draw = random.Random(20261120)
    outside = [kept.ledger.checkpoint()]
    for _ in range(200):
        table, column, key = draw.choice(
            [("entry", "body", "idx"), ("entry", "leaf", "idx"), ("head", "root", "size"),
             ("head", "frontier", "size"), ("opening", "sealed", "rowid")]
        )  # fmt: skip
        with closing(sqlite3.connect(kept.path)) as raw:
            rows = raw.execute(f"SELECT {key}, {column} FROM {table}").fetchall()
        row, value = draw.choice(rows)
        changed = bytearray(value)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        where = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
        tamper(kept, (where, (bytes(changed), row)))
        assert failures(kept, outside=outside), (table, column, row)
        tamper(kept, (where, (value, row)))
    assert failures(kept, outside=outside) == []
