"""Working copies of exhibits: made, counted, returned or destroyed; each of these is an entry.

Bytes leave by `retrieve`, which has entries of its own. What is kept here is what the copies are
for and how many of them are out; who holds them stands in the entry alone.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit, refuse
from repository.derivations import WorkingCopy, out_of
from repository.errors import BadRequest, Erased, UnknownWorkingCopy
from repository.exhibits import ref
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.stated import stated_motive, stated_purpose

ENDS = ("returned", "destroyed")
MOST = 1_000  # made at once
MAX_HOLDER = 500


def view(row: WorkingCopy, number: str) -> dict[str, Any]:
    """Return copies as commands and the API show them."""
    return {
        "copies": row.id,
        "exhibit": number,
        "count": row.count,
        "out": row.out,
        "made_at": timestamp(row.made_at),
        "entry": row.index,
    }


def make(
    repo: Repository, caller: Caller, number: str, *, count: int, holder: str, purpose: str | None
) -> WorkingCopy:
    """Put on record that working copies were made, for whom and what for.

    Raises:
        PurposeRequired, PurposeTooLong: no usable purpose; recorded.
        UnknownExhibit, AccessDenied: not for this caller, as reading it is not; recorded.
        BadRequest: no holder, or another number of copies; recorded.
        Erased: the exhibit was erased.
    """
    act = Act.WORKING_COPY_CREATION
    stated = stated_purpose(repo, caller, purpose, act)
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.RETRIEVE, number, attempted=act, purpose=stated
    )
    error = None
    if not 1 <= count <= MOST:
        error = BadRequest(f"1 to {MOST} copies are made at once")
    elif not holder.strip() or len(holder) > MAX_HOLDER:
        error = BadRequest(f"say who holds them, in 1 to {MAX_HOLDER} characters")
    if error is not None:
        refuse(repo, caller, act, [error.code], error, case=case, exhibit=exhibit)
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased; there is nothing to copy")
    at = repo.clock()
    row = WorkingCopy(
        id=f"CPY-{uuid7(at, repo.random)}", exhibit_id=exhibit.id, count=count, out=count,
        made_by=actor.id, made_at=at, index=-1,
    )  # fmt: skip
    with repo.database.writing() as session:
        take_lock(session)
        session.add(row)
        session.flush()
        withheld = {"purpose": stated.to_json(), "recipient": holder}
        draft = _draft(session, actor, case, exhibit, "made", row, count, withheld)
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return row


def end(
    repo: Repository, caller: Caller, named: str, *, how: str, count: int | None, motive: str
) -> tuple[WorkingCopy, str]:
    """Put on record that copies came back or were destroyed; None: all that are out.

    Returns:
        The copies, and the number of their exhibit.

    Raises:
        UnknownWorkingCopy: there are none under this name that the caller may know of; recorded.
        AccessDenied: not for this caller; recorded.
        BadRequest: no motive, another word, or more than are out; recorded.
    """
    act = Act.WORKING_COPY_CREATION
    with repo.database.reading() as session:
        row = session.get(WorkingCopy, named)
        number = session.get_one(Exhibit, row.exhibit_id).number if row else None
    unknown = UnknownWorkingCopy(f"there are no working copies {shown(named[:60])} that you made")
    if row is None or number is None:
        refuse(repo, caller, act, ["unknown-working-copy"], unknown, asked=named)
    actor, case, exhibit = on_exhibit(repo, caller, Right.RETRIEVE, number, attempted=act)
    if row.made_by != actor.id and actor.role != "custodian":
        refuse(repo, caller, act, ["not-own"], unknown, case=case, exhibit=exhibit)
    stated_motive(repo, caller, motive, act, case=case, exhibit=exhibit)
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get_one(WorkingCopy, named, with_for_update={"key_share": True})
        ended = row.out if count is None else count
        fits = how in ENDS and 1 <= ended <= row.out
        if fits:
            row.out -= ended
            session.flush()
            withheld = {"motive": motive}
            draft = _draft(session, actor, case, exhibit, how, row, ended, withheld)
            repo.ledger.append(session, [draft])
    if not fits:
        error = BadRequest(f"of {row.id} {row.out} are out; they end as {' or '.join(ENDS)}")
        refuse(repo, caller, act, [error.code], error, case=case, exhibit=exhibit)
    return row, exhibit.number


def listed(repo: Repository, caller: Caller, number: str) -> list[dict[str, Any]]:
    """Return the copies made of an exhibit, those that are not out any more too; recorded.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
    """
    act = Act.CONSULTATION
    actor, case, exhibit = on_exhibit(repo, caller, Right.RETRIEVE, number, attempted=act)
    query = select(WorkingCopy).where(WorkingCopy.exhibit_id == exhibit.id)
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(WorkingCopy.made_at, WorkingCopy.id)))
    repo.ledger.record(
        Draft(
            act,
            actor,
            reason="working-copies",
            exhibit=ref(exhibit),
            plain={"count": len(rows)},
            withheld={"case": case.code},
        )
    )
    return [view(row, exhibit.number) for row in rows]


def _draft(
    session: Session,
    actor: Actor,
    case: Case,
    exhibit: Exhibit,
    reason: str,
    row: WorkingCopy,
    copies: int,
    withheld: dict[str, Any],
) -> Draft:
    """Return the entry about copies; its count is how many of the exhibit are out after it."""
    return Draft(
        Act.WORKING_COPY_CREATION,
        actor,
        reason=reason,
        exhibit=ref(exhibit),
        plain={"count": out_of(session, exhibit.id)},
        withheld={**withheld, "case": case.code, "detail": {"copies": row.id, "count": copies}},
    )
