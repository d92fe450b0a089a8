"""What becomes of an institution: its jurisdiction's uses on record, and that it left.

When it leaves its people lose all access; its conditions stay in force, and so does what it agreed
to; what it is asked goes to the successor it is given, and is held where it has none. It takes part
in matching no more, nothing is released to it, and what was waits to be taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house, refuse
from repository.conditions import EXCLUDED_USES
from repository.errors import AccessDenied, BadRequest
from repository.handovers import WAITING, Transfer
from repository.matching.parties import forget_left, leave_within
from repository.models import Person
from repository.naming import shown
from repository.people import end_person
from repository.rules import Consent, Organisation
from repository.stated import stated_motive


@dataclass(frozen=True, slots=True)
class Ended:
    """An institution that left, and what waits for it to answer."""

    row: Organisation
    questions: int  # for its consent: a successor answers, or nobody
    transfers: int  # exhibits released to it: to be taken back


def end_organisation(
    repo: Repository, caller: Caller, name: str, *, successor: str | None, motive: str
) -> Ended:
    """End an institution's part, or name the successor of one that left.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no motive (recorded), no such institution, or a successor that left or is it.
    """
    actor = _of_the_house(repo, caller, Act.ACCESS_REVOCATION)
    stated_motive(repo, caller, motive, Act.ACCESS_REVOCATION)
    with repo.database.reading() as session:
        row = _found(session.get(Organisation, name), name)
        follows = session.get(Organisation, successor) if successor is not None else None
        query = select(Person).where(Person.organisation == name, Person.ended_at.is_(None))
        people = list(session.scalars(query))
    if successor is not None and (
        successor == name or _found(follows, successor).ended_at is not None
    ):
        raise BadRequest(f"{shown(successor)} left itself, or is the one that leaves")
    if actor.id in {one.id for one in people}:
        raise BadRequest("nobody ends their own institution; ask another custodian")
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get_one(Organisation, name, populate_existing=True)
        first = row.ended_at is None
        ended = Ended(row, *_waiting_for(session, name))
        if not first and row.successor == successor:
            return ended
        row.ended_at = row.ended_at or repo.clock()
        row.successor = successor
        session.flush()
        detail = {
            "organisation": name, "successor": successor, "people": len(people),
            "questions": ended.questions, "transfers": ended.transfers,
        }  # fmt: skip
        draft = Draft(
            Act.ACCESS_REVOCATION if first else Act.CONFIGURATION_CHANGE,
            actor,
            reason="organisation-ended" if first else "organisation-successor",
            withheld={"motive": motive, "detail": detail},
        )
        repo.ledger.append(session, [draft])
        left = leave_within(repo, session, actor, name, motive=motive)
    for person in people:
        end_person(repo, actor, person, motive=motive)
    if left:
        forget_left(repo)
    return ended


def _waiting_for(session: Session, name: str) -> tuple[int, int]:
    """Return how many questions and how many released exhibits wait for an institution."""
    asked = select(func.count()).where(Consent.owner == name, Consent.state == "requested")
    released = select(func.count()).where(Transfer.recipient == name, Transfer.state.in_(WAITING))
    return session.scalar(asked) or 0, session.scalar(released) or 0


def record_uses(
    repo: Repository, caller: Caller, name: str, uses: Sequence[str], *, motive: str
) -> Organisation:
    """Say which uses that providers may exclude are on record of an institution's jurisdiction.

    Raises:
        AccessDenied, StepUpRequired: no custodian, or not now; recorded.
        BadRequest: no motive (recorded), no such institution or use.
    """
    actor = _of_the_house(repo, caller, Act.CONFIGURATION_CHANGE, Right.LET_IN)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    for one in uses:
        if one not in EXCLUDED_USES:
            raise BadRequest(f"{shown(one)} is none of {', '.join(EXCLUDED_USES)}")
    with repo.database.writing() as session:
        row = _found(session.get(Organisation, name), name)
        row.uses = sorted(set(uses))
        session.flush()
        draft = Draft(
            Act.CONFIGURATION_CHANGE,
            actor,
            reason="organisation-uses",
            withheld={"motive": motive, "detail": {"organisation": name, "uses": row.uses}},
        )
        repo.ledger.append(session, [draft])
    return row


def answering(session: Session, owner: str) -> str | None:
    """Return the institution that answers for an owner: itself, or whoever followed it."""
    seen: set[str] = set()
    name: str | None = owner
    while name is not None and name not in seen:
        seen.add(name)
        row = session.get(Organisation, name)
        if row is None or row.ended_at is None:
            return name
        name = row.successor
    return None


def _of_the_house(
    repo: Repository, caller: Caller, attempted: Act, right: Right = Right.GOVERN
) -> Actor:
    """Return the actor of an act on institutions: a custodian of none of them.

    Raises:
        AccessDenied: no custodian, or of an institution; recorded.
    """
    actor = on_house(repo, caller, right, attempted=attempted)
    if caller.person.organisation is not None:
        error = AccessDenied("institutions are the affair of custodians of the house alone")
        refuse(repo, caller, attempted, ["other-institution"], error)
    return actor


def _found(row: Organisation | None, name: str) -> Organisation:
    if row is None:
        raise BadRequest(f"there is no organisation {shown(name)}; see: organisation list")
    return row
