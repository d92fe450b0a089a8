"""What somebody asked a second person for, and what became of it; and what stored bytes differ."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from custody.entry import Act
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, governs, on_house
from repository.consult import consulted
from repository.models import Case, Erasure, Exhibit, ObjectCheck, Person
from repository.rules import Approval, Identity

LIMIT = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the caller's own."""

    id: str
    act: str
    subject: str  # number of an exhibit, code of a case, codename; or `house`
    motive: str
    at: datetime
    state: str  # requested, approved, refused, erased; expired
    decided_by: str | None
    decided_at: datetime | None
    until: datetime | None


def own(repo: Repository, caller: Caller) -> list[Asked]:
    """Return what the caller asked a second person for, newest first.

    It is the caller's own: that it was asked is on record, and so is what was decided.
    """
    late = repo.clock() - timedelta(days=repo.settings.approval_days)
    mine = caller.person.id
    found: list[tuple[Approval | Erasure, str, str, datetime | None, str | None]] = []
    with repo.database.reading() as session:
        asked = select(Approval).where(Approval.requested_by == mine)
        for row in session.scalars(asked.order_by(Approval.id.desc()).limit(LIMIT)):
            exhibit = session.get(Exhibit, row.subject)
            case = session.get(Case, row.subject)
            identity = session.get(Identity, row.subject)
            named = (
                exhibit.number if exhibit else case.code if case
                else identity.codename if identity else row.subject
            )  # fmt: skip
            decider = session.get(Person, row.decided_by) if row.decided_by else None
            found.append((row, row.act, named, row.until, decider.name if decider else None))
        erasures = select(Erasure).where(Erasure.requested_by == mine)
        for order in session.scalars(erasures.order_by(Erasure.id.desc()).limit(LIMIT)):
            number = session.get_one(Exhibit, order.exhibit_id).number
            decider = session.get(Person, order.decided_by) if order.decided_by else None
            found.append((order, str(Act.ERASURE), number, None, decider.name if decider else None))
    told = []
    for one, act, named, until, who in found:
        opened = repo.ledger.opened(repo.ledger.entry(one.index))
        expired = one.state == "requested" and one.requested_at <= late
        told.append(
            Asked(
                one.id, act, named, str(opened.get("motive", "")), one.requested_at,
                "expired" if expired else one.state, who, one.decided_at, until,
            )
        )  # fmt: skip
    return sorted(told, key=lambda one: one.at, reverse=True)[:LIMIT]


@dataclass(frozen=True, slots=True)
class Differs:
    """A stored object that was not what was recorded when it was last read."""

    exhibit: Exhibit
    place: str
    at: datetime


def differing(repo: Repository, caller: Caller) -> list[Differs]:
    """Return the stored objects that differ, of cases that the caller governs; recorded.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    query = (
        select(ObjectCheck, Exhibit, Case)
        .join(Exhibit, Exhibit.id == ObjectCheck.exhibit_id)
        .join(Case, Case.id == Exhibit.case_id)
        .where(ObjectCheck.outcome == "fail", Exhibit.erased_at.is_(None))
        .order_by(ObjectCheck.at, Exhibit.number)
    )
    with repo.database.reading() as session:
        found = [
            Differs(exhibit, row.place, row.at)
            for row, exhibit, case in session.execute(query)
            if governs(session, caller, case, repo.clock())
        ]
    consulted(repo, actor, [f"{one.exhibit.number} {one.place}" for one in found], "fixity-failed")
    return found
