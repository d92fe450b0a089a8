"""Many acts in one transaction that holds the ledger's lock for as little as it can.

What was looked at before the lock counts under it, as far as no entry has come since that could
have changed the answer: everything that decides is an entry. What such an entry touched is looked
at once more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, ExhibitRef
from repository import Repository
from repository.columns import among
from repository.models import Case, ChildExhibit, Exhibit
from repository.proceedings import Review, SecondReview

# Entries that change nothing that a review rests on, however many there are.
_IDLE = frozenset(
    {
        Act.CONSULTATION, Act.RETRIEVAL, Act.ACCESS_DENIED, Act.SIGN_IN, Act.SERVICE_STARTED,
        Act.CHECKPOINT_ANCHORED, Act.STORE_CHECK, Act.REPORT_GENERATED, Act.FIXITY_CHECK,
        Act.REPLICATION, Act.FORMAT_IDENTIFICATION, Act.METADATA_EXTRACTION, Act.MATCH_QUERY,
        Act.MATCH_NOTICE, Act.UPLOAD_ABANDONED, Act.REPAIR, Act.VIRUS_CHECK,
    }
)  # fmt: skip
T = TypeVar("T")
_MOST = 5_000  # entries since; beyond, everything is looked at once more


@dataclass(frozen=True, slots=True)
class Looked:
    """A change that was in order when it was looked at: to what, and what was said before."""

    exhibit: ExhibitRef
    said: dict[str, Any]
    before: dict[str, Any] | None


def touched_since(repo: Repository, session: Session, size: int) -> set[str] | None:
    """Return the numbers of exhibits about which entries since a size may have decided something.

    With each come those that it was taken out of and that were taken out of it: they inherit. None:
    anything may have changed. Call it under the ledger's lock.
    """
    found: set[str] = set()
    for count, entry in enumerate(repo.ledger.entries(size), 1):
        if count > _MOST:
            return None
        fields = entry.fields
        if fields["type"] in _IDLE:
            continue
        if "exhibit" not in fields:
            return None
        found.add(fields["exhibit"]["id"])
    return _with_family(session, found) if found else found


def _with_family(session: Session, exhibits: set[str]) -> set[str]:
    """Return the numbers of exhibits, of all above them and of all below."""
    found, fresh = set(exhibits), exhibits
    while fresh:
        some = list(fresh)
        above = select(ChildExhibit.parent_id).where(among(ChildExhibit.exhibit_id, some))
        below = select(ChildExhibit.exhibit_id).where(among(ChildExhibit.parent_id, some))
        fresh = {*session.scalars(above), *session.scalars(below)} - found
        found |= fresh
    return set(session.scalars(select(Exhibit.number).where(among(Exhibit.id, list(found)))))


def entry_about(
    actor: Actor,
    proceeding: Case,
    one: Looked,
    *,
    second: bool,
    motive: str,
    request_id: str | None,
) -> Draft:
    """Return the entry about a judgement."""
    return Draft(
        Act.ANNOTATION,
        actor,
        reason="disclosure-review-second" if second else "disclosure-review",
        exhibit=one.exhibit,
        request_id=request_id,
        withheld={
            "case": proceeding.code,
            "motive": motive,
            "detail": {**one.said, "before": one.before},
        },
    )


def put_down(
    repo: Repository,
    session: Session,
    actor: Actor,
    proceeding: Case,
    some: Sequence[Looked],
    *,
    second: bool,
    motive: str,
    request_id: str,
) -> None:
    """Put judgements down with their entries; nothing of them is decided here."""
    drafts = [
        entry_about(actor, proceeding, one, second=second, motive=motive, request_id=request_id)
        for one in some
    ]
    entries = repo.ledger.append(session, drafts)
    kind, at = (SecondReview if second else Review), repo.clock()
    rows = [
        {
            "exhibit_id": one.exhibit.id,
            "case_id": proceeding.id,
            "said": one.said,
            "reviewer": actor.id,
            "at": at,
            "index": entry.index,
        }
        for one, entry in zip(some, entries, strict=True)
    ]
    fresh = [row for row, one in zip(rows, some, strict=True) if one.before is None]
    changed = [row for row, one in zip(rows, some, strict=True) if one.before is not None]
    if fresh:
        session.execute(insert(kind), fresh)
    if changed:
        session.execute(update(kind), changed)


def lots(some: Iterable[T], size: int) -> Iterable[list[T]]:
    """Yield them so many at a time."""
    lot: list[T] = []
    for one in some:
        lot.append(one)
        if len(lot) == size:
            yield lot
            lot = []
    if lot:
        yield lot
