"""Whether what was decided before would be decided so now: while it lasts, and under the lock."""

from dataclasses import replace

from sqlalchemy.orm import Session

from repository import Repository
from repository.access import Right, Thing, decide
from repository.authorise import Caller, of_exhibits, who
from repository.errors import AccessDenied
from repository.models import Case, Exhibit, Person
from repository.purpose import Purpose
from repository.web_sessions import ended


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
