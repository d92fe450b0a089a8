"""Numbers that others gave an exhibit (an ERN of another court): claims, each with its entry."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit, refuse
from repository.errors import BadRequest, Erased
from repository.exhibits import ref
from repository.numbered import ExternalNumber
from repository.stated import stated_motive

MAX_TEXT = 100


def record(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    issuer: str,
    first: str,
    last: str | None = None,
    withdrawn: bool = False,
    motive: str,
) -> dict[str, Any]:
    """Put on record which number somebody else gave an exhibit, or that this was a mistake.

    Args:
        repo: the repository.
        caller: who says so.
        number: the exhibit.
        issuer: who gave it: "ICC", a court, a police force.
        first: the number; of a range the first.
        last: of a range the last.
        withdrawn: it was recorded by mistake.
        motive: where it was read, or why it was a mistake.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: no motive, nothing is said or too much, it stands there, or does not; recorded.
        Erased: the exhibit was erased.
    """
    act = Act.ANNOTATION
    actor, case, exhibit = on_exhibit(repo, caller, Right.ANNOTATE, number, attempted=act)
    stated_motive(repo, caller, motive, act, case=case, exhibit=exhibit)
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased")
    for value in (issuer, first, *([last] if last is not None else [])):
        if not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
            error = BadRequest(f"issuer and numbers have 1 to {MAX_TEXT} characters on one line")
            refuse(repo, caller, act, [error.code], error, case=case, exhibit=exhibit)
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get(ExternalNumber, (exhibit.id, issuer, first))
        stands = row is not None and not row.withdrawn
        if stands != withdrawn:
            word = "stands there already" if stands else "does not stand there"
            raise BadRequest(f"the number {first} of {issuer} {word}")
        if row is None:
            row = ExternalNumber(exhibit_id=exhibit.id, issuer=issuer, first=first)
            session.add(row)
        row.last, row.withdrawn = row.last if withdrawn else last, withdrawn
        row.at, row.index = repo.clock(), -1
        session.flush()
        detail = {"issuer": issuer, "first": first, **({"last": row.last} if row.last else {})}
        draft = Draft(
            act,
            actor,
            reason="external-number-withdrawn" if withdrawn else "external-number",
            exhibit=ref(exhibit),
            withheld={"case": case.code, "motive": motive, "detail": detail},
        )
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return {"exhibit": exhibit.number, **view(row), "withdrawn": withdrawn, "entry": entry.index}


def view(row: ExternalNumber) -> dict[str, Any]:
    """Return a number as the exhibit's description has it."""
    return {"issuer": row.issuer, "first": row.first, "last": row.last}


def external_of(session: Session, exhibit_id: str) -> list[dict[str, Any]]:
    """Return the numbers that others gave an exhibit, whoever asks."""
    query = select(ExternalNumber).where(
        ExternalNumber.exhibit_id == exhibit_id, ExternalNumber.withdrawn.is_(False)
    )
    order = (ExternalNumber.issuer, ExternalNumber.first)
    return [view(row) for row in session.scalars(query.order_by(*order))]
