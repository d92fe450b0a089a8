"""Setbacks: what background work could not do, why, and when it is tried again.

A setback is of one thing, or of a whole duty when a store or the ledger is away: then nothing of
that duty is tried until a pause is over, however much waits. Pauses grow. What is given up stays
here, with its reason, until somebody asks for it again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from repository import Repository
from repository.models import Setback

WHOLE = "*"  # the subject of a setback of the whole duty
FIRST = timedelta(seconds=10)  # the first pause of one thing; each is six times the one before
LONGEST = timedelta(days=1)
WHOLE_FIRST = timedelta(seconds=1)  # of a whole duty; each is twice the one before
WHOLE_LONGEST = timedelta(minutes=1)
DIED = "the process died each time while it did this"  # or while it did something else as well
PROBE_LONGEST = timedelta(minutes=10)  # of the thing that is tried to see whether all is well
FORGOTTEN = timedelta(days=7)  # after its pause; what was put off and never came again


def put_off(
    session: Session, at: datetime, duty: str, subject: str, tries: int, reason: str
) -> datetime:
    """Note that a thing was tried so often in vain; return when it is tried again."""
    pause: timedelta = min(FIRST * 6 ** min(tries - 1, 8), LONGEST)
    _keep(session, at, duty, subject, tries, reason, at + pause)
    return at + pause


def put_off_whole(
    session: Session, at: datetime, duty: str, reason: str, *, probe: str | None = None
) -> datetime:
    """Note that nothing of a duty can be done now; return when it is tried again.

    Args:
        session: a session.
        at: the time.
        duty: the duty.
        reason: what is away.
        probe: the thing that was tried alone; it rests for as long as it has been failing, so that
            others are tried before it, in case it is only this one that cannot be done.
    """
    row = session.get(Setback, (duty, WHOLE))
    known = row is not None and _rests(row, at)  # it was under way when the pause began
    tries = (row.tries if row is not None else 0) + (not known)
    pause: timedelta = min(WHOLE_FIRST * 2 ** min(tries - 1, 10), WHOLE_LONGEST)
    if not known:
        _keep(session, at, duty, WHOLE, tries, reason, at + pause)
    if probe is not None:
        before = session.get(Setback, (duty, probe))
        lasts = timedelta() if before is None else at - before.since
        rest = min(max(2 * pause, lasts), PROBE_LONGEST)
        _keep(session, at, duty, probe, before.tries if before else 0, reason, at + rest)
    return at + pause


def give_up(
    session: Session, at: datetime, duty: str, subject: str, tries: int, reason: str
) -> None:
    """Note that a thing is not tried again; the caller puts that on record with it."""
    _keep(session, at, duty, subject, tries, reason, None)


def given_up(session: Session, duty: str, subject: str) -> bool:
    """Say whether a thing was given up."""
    row = session.get(Setback, (duty, subject))
    return row is not None and row.next_at is None


def clear(session: Session, duty: str, subjects: Sequence[str]) -> None:
    """Forget the setbacks of things that were done."""
    session.execute(delete(Setback).where(Setback.duty == duty, Setback.subject.in_(subjects)))


def hurry(repo: Repository) -> None:
    """Let everything that was put off be tried now; somebody asks for it."""
    due = update(Setback).where(Setback.next_at.is_not(None)).values(next_at=repo.clock())
    with repo.database.writing() as session:
        session.execute(due)


def try_again(repo: Repository) -> int:
    """Let everything that was given up be tried once more; return how many things."""
    once_more = update(Setback).where(Setback.next_at.is_(None)).values(next_at=repo.clock())
    with repo.database.writing() as session:
        return session.execute(once_more).rowcount  # type: ignore[attr-defined,no-any-return]


def forget_old(repo: Repository) -> int:
    """Forget setbacks of things that never came again: somebody else did them."""
    old = delete(Setback).where(Setback.next_at < repo.clock() - FORGOTTEN)
    with repo.database.writing() as session:
        return session.execute(old).rowcount  # type: ignore[attr-defined,no-any-return]


class Standing:
    """The setbacks as they stand at one moment."""

    def __init__(self, rows: Mapping[tuple[str, str], Setback], at: datetime) -> None:
        self._rows = rows
        self._at = at

    def rests(self, duty: str, subject: str = WHOLE) -> bool:
        """Say whether a thing, or a whole duty, is not to be tried now."""
        row = self._rows.get((duty, subject))
        return row is not None and _rests(row, self._at)

    def tries(self, duty: str, subject: str) -> int:
        """Return how often a thing was tried in vain."""
        row = self._rows.get((duty, subject))
        return row.tries if row is not None else 0

    def has(self, duty: str, subject: str) -> bool:
        """Say whether a thing has a setback."""
        return (duty, subject) in self._rows

    def died(self, duty: str, subject: str) -> bool:
        """Say whether the process died while it did this: one suspect among what it did then."""
        row = self._rows.get((duty, subject))
        return row is not None and row.reason == DIED

    def count(self, duty: str) -> int:
        """Return how many things of a duty have a setback."""
        return sum(1 for kind, subject in self._rows if kind == duty and subject != WHOLE)


def standing(repo: Repository) -> Standing:
    """Return the setbacks as they stand now."""
    with repo.database.reading() as session:
        rows = {(row.duty, row.subject): row for row in session.scalars(select(Setback))}
    return Standing(rows, repo.clock())


def counts(repo: Repository) -> dict[str, tuple[int, int]]:
    """Return by duty how many things were put off, and how many given up."""
    query = (
        select(Setback.duty, func.count(Setback.next_at), func.count())
        .where(Setback.subject != WHOLE)
        .group_by(Setback.duty)
    )
    with repo.database.reading() as session:
        return {duty: (later, every - later) for duty, later, every in session.execute(query)}


def _keep(
    session: Session, at: datetime, duty: str, subject: str, tries: int, reason: str,
    next_at: datetime | None,
) -> None:  # fmt: skip
    row = session.get(Setback, (duty, subject))
    since = at if row is None else row.since
    session.merge(
        Setback(
            duty=duty, subject=subject, tries=tries, reason=reason, since=since, next_at=next_at
        )
    )


def _rests(row: Setback, at: datetime) -> bool:
    # A clock that was set back makes a thing due, not put off for years.
    return row.next_at is None or at < row.next_at <= at + LONGEST
