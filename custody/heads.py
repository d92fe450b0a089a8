"""Heads: every signed state of the tree that was ever committed, read back from their table."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody import tables
from custody.errors import LedgerDamaged, NoSuchEntry
from custody.merkle import Frontier
from custody.tables import as_bytes, fetch


@dataclass(frozen=True, slots=True)
class Head:
    """A stored head: size, frontier (from which the root follows), and its note."""

    size: int
    frontier: Frontier
    note: str | None


def last_head(session: Session) -> Head:
    """Return the newest head; an empty tree before the first.

    Raises:
        LedgerDamaged: its frontier does not fit its size.
    """
    rows = fetch(session, "SELECT size, root, frontier, note FROM head ORDER BY size DESC LIMIT 1")
    return _to_head(rows[0]) if rows else Head(0, Frontier(), None)


def head_of(session: Session, size: int) -> Head:
    """Return the head of a size.

    Raises:
        NoSuchEntry: no head of this size was ever made.
        LedgerDamaged: its frontier does not fit its size.
    """
    row = session.execute(select(tables.head).where(tables.head.c.size == size)).one_or_none()
    if row is None:
        raise NoSuchEntry(f"no checkpoint of size {size} was ever made")
    return _to_head(row)


def head_beyond(session: Session, index: int) -> Head:
    """Return the first head whose tree holds the entry at an index.

    Raises:
        NoSuchEntry: no head covers it.
    """
    row = session.execute(
        select(tables.head).where(tables.head.c.size > index).order_by(tables.head.c.size).limit(1)
    ).one_or_none()
    if row is None:
        raise NoSuchEntry(f"no checkpoint covers an entry {index}")
    return _to_head(row)


def note_with_lines(session: Session, size: int) -> str:
    """Return the checkpoint of a size: the log's own note, then every cosignature line it has.

    Raises:
        NoSuchEntry: no head of this size was ever made.
    """
    lines = fetch(
        session, "SELECT line FROM cosignature WHERE size = ? ORDER BY at, key_name", (size,)
    )
    return (head_of(session, size).note or "") + "".join(row.line for row in lines)


def _to_head(row: Any) -> Head:
    try:
        return Head(row.size, Frontier.from_bytes(row.size, as_bytes(row.frontier)), row.note)
    except ValueError as error:
        raise LedgerDamaged(f"the head of size {row.size} is damaged: {error}") from error
