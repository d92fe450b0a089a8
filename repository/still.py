"""Whether what was decided before would be decided so now: while it lasts, and under the lock."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.orm import Session

from repository import Repository
from repository.access import Right, Thing, Who, decide
from repository.authorise import Caller, of_exhibits, who
from repository.errors import AccessDenied, ReleaseEnded
from repository.listed import Line
from repository.models import Case, Exhibit, Person
from repository.purpose import Purpose
from repository.web_sessions import ended

T = TypeVar("T", Exhibit, Line)
ASK_AGAIN = 16 << 20  # bytes that leave between two decisions


def still_allowed(
    repo: Repository,
    caller: Caller,
    right: Right,
    exhibit: Exhibit,
    purpose: Purpose | None,
) -> bool:
    """Say whether an act that has begun would be allowed now."""
    with repo.database.reading() as session:
        if ended(session, caller.session, caller.token):
            return False
        now = replace(caller, person=session.get_one(Person, caller.person.id))
        case = session.get_one(Case, exhibit.case_id)
        asking = who(session, now, case)
        [thing] = of_exhibits(session, now, case, [exhibit])
    return decide(asking, right, thing, purpose, repo.clock()).allowed


def check_still(
    repo: Repository,
    caller: Caller,
    session: Session,
    right: Right,
    exhibits: Sequence[Exhibit],
    purpose: Purpose,
    *,
    released_to: str | None = None,
) -> None:
    """Stop what has begun to leave, if one of these exhibits may leave no more.

    Raises:
        ReleaseEnded: consent, grant, person or sign-in ended meanwhile.
    """
    now = as_now(session, caller)
    found = [
        (one, asking, replace(thing, released_to=released_to))
        for one, asking, thing in of_several(session, now, exhibits)
    ]
    kept = not_allowed(repo, right, found, purpose)
    if kept or ended(session, caller.session, caller.token):
        raise ReleaseEnded(f"{', '.join(kept) or 'nothing of it'} may leave no more since it began")


def as_now(session: Session, caller: Caller) -> Caller:
    """Return the caller of something that lasts as they are now; the sign-in was recent then."""
    person = session.get_one(Person, caller.person.id, populate_existing=True)
    return replace(caller, person=person, recent_until=None)


def of_several(
    session: Session, caller: Caller, exhibits: Sequence[T]
) -> list[tuple[T, Who, Thing]]:
    """Return exhibits of any cases as `decide` sees them, each with who asks in its own case."""
    homes: dict[str, list[T]] = {}
    for exhibit in exhibits:
        homes.setdefault(exhibit.case_id, []).append(exhibit)
    found: list[tuple[T, Who, Thing]] = []
    for case_id, some in homes.items():
        case = session.get_one(Case, case_id)
        asking = who(session, caller, case)
        things = of_exhibits(session, caller, case, some)
        found += [(one, asking, thing) for one, thing in zip(some, things, strict=True)]
    return found


def not_allowed(
    repo: Repository,
    right: Right,
    things: Sequence[tuple[Exhibit, Who, Thing]],
    purpose: Purpose,
) -> list[str]:
    """Return the numbers of those exhibits for which an act is not allowed now."""
    now = repo.clock()
    return [
        exhibit.number
        for exhibit, asking, thing in things
        if not decide(asking, right, thing, purpose, now).allowed
    ]


def check_within(
    repo: Repository,
    session: Session,
    caller: Caller,
    right: Right,
    case: Case,
    exhibit: Exhibit,
    purpose: Purpose | None,
) -> Thing:
    """Decide once more within a transaction that holds the ledger's lock; see `still_allowed`.

    Raises:
        AccessDenied: what was decided before was changed meanwhile; the caller records it.
    """
    [thing] = of_exhibits(session, caller, case, [exhibit])
    decision = decide(who(session, caller, case), right, thing, purpose, repo.clock())
    if not decision.allowed:
        raise AccessDenied(f"{exhibit.number}: {', '.join(decision.reasons)}, since a moment ago")
    return thing
