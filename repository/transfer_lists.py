"""Transfers as they are listed: those of a case, or those released to the own institution."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, on_case, refuse, who
from repository.consult import consulted
from repository.errors import AccessDenied
from repository.handovers import Transfer
from repository.models import Case, Exhibit
from repository.transfers import Released


def released(
    repo: Repository, caller: Caller, code: str | None, *, after: str = "", limit: int | None = None
) -> list[Released]:
    """Return the transfers of a case; without one, those released to the caller's institution.

    In the order in which they were released, after an id `TRF-…/NUMBER`; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = caller.actor(), None
    if code is not None:
        actor, case = on_case(repo, caller, Right.TRANSFER, code, attempted=Act.CONSULTATION)
    elif caller.only is not None:
        error = AccessDenied("this token adds to one submission and reads nothing")
        refuse(repo, caller, Act.CONSULTATION, ["token-scope"], error)
    found: list[Released] = []
    with repo.database.reading() as session:
        while some := _listed(session, caller, case, after, limit):
            found += some if case is None else _known(repo, session, caller, case, some)
            after = f"{some[-1].row.id}/{some[-1].exhibit.number}"
            if limit is None or len(found) >= limit:
                break
    found = found[:limit]
    listed = [f"{one.row.id} {one.exhibit.number}" for one in found]
    consulted(repo, actor, listed, "transfer-list", case=case)
    return found


def _listed(
    session: Session, caller: Caller, case: Case | None, after: str, limit: int | None
) -> list[Released]:
    """Return transfers after one, of a case or to the caller's institution."""
    transfer, _, number = after.partition("/")
    same = (Transfer.id == transfer) & (Exhibit.number > number)
    own = Transfer.recipient == caller.person.organisation
    query = (
        select(Transfer, Exhibit, Case.code)
        .join(Exhibit, Exhibit.id == Transfer.exhibit_id)
        .join(Case, Case.id == Transfer.case_id)
        .where(own if case is None else Transfer.case_id == case.id)
        .where((Transfer.id > transfer) | same)
        .order_by(Transfer.id, Exhibit.number)
        .limit(limit)
    )
    return [Released(row, exhibit, code) for row, exhibit, code in session.execute(query)]


def _known(
    repo: Repository, session: Session, caller: Caller, case: Case, some: Sequence[Released]
) -> list[Released]:
    """Return those of some transfers whose exhibits the caller may know of."""
    asking, now = who(session, caller, case), repo.clock()
    things = of_exhibits(session, caller, case, [one.exhibit for one in some])
    return [
        one
        for one, thing in zip(some, things, strict=True)
        if decide(asking, Right.TRANSFER, thing, None, now).allowed
    ]
