"""Holds: an exhibit is kept for a matter. There may be many; it is free when all are released.

While one is on, nothing of it is erased. The stores' own legal hold follows: it is on while a
matter holds the exhibit, and afterwards as the setting `legal_hold` says.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit, refuse
from repository.errors import BadRequest, Erased, NoSuchObject, OnHold, StoreError, UnknownHold
from repository.exhibits import ref, repaired_objects
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.proceedings import Hold
from repository.retrieve import recorded_parts
from repository.stated import stated_motive
from repository.stores import ObjectStore, Stored

MAX_MATTER = 200
MAX_AUTHORITY = 2_000
_TOGETHER = 100


def place(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    matter: str,
    authority: str | None,
    motive: str,
) -> Hold:
    """Keep an exhibit for a matter; for the same matter again, it is the same hold.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: no usable matter, or no motive.
        Erased: there is nothing left to keep.
    """
    actor, case, exhibit = on_exhibit(repo, caller, Right.HOLD, number, attempted=Act.HOLD_PLACED)
    stated_motive(repo, caller, motive, Act.HOLD_PLACED, case=case, exhibit=exhibit)
    if not matter.strip() or len(matter) > MAX_MATTER:
        raise BadRequest(f"a matter has a name of 1 to {MAX_MATTER} characters")
    if authority is not None and not (authority.strip() and len(authority) <= MAX_AUTHORITY):
        raise BadRequest(f"an authority has 1 to {MAX_AUTHORITY} characters")
    at = repo.clock()
    with repo.database.writing() as session:
        take_lock(session)  # an erasure is decided before or after, never at once
        found = session.get_one(Exhibit, exhibit.id, populate_existing=True)
        if found.erased_at is not None:
            raise Erased(f"{exhibit.number} was erased; there is nothing left to keep")
        row = next((one for one in standing(session, exhibit.id) if one.matter == matter), None)
        if row is not None:
            return row
        row = Hold(
            id=f"HLD-{uuid7(at, repo.random)}",
            exhibit_id=exhibit.id,
            matter=matter,
            authority=authority,
            placed_by=actor.id,
            placed_at=at,
            released_at=None,
            followed=False,
            index=-1,
        )
        session.add(row)
        session.flush()
        on = len(standing(session, exhibit.id))
        draft = _draft(Act.HOLD_PLACED, actor, row, case, exhibit, motive, on)
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    follow(repo, [exhibit.id])
    with repo.database.reading() as session:
        return session.get_one(Hold, row.id)


def listed(repo: Repository, caller: Caller, number: str) -> list[Hold]:
    """Return every hold there ever was on an exhibit, the oldest first; recorded.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
    """
    actor, case, exhibit = on_exhibit(repo, caller, Right.HOLD, number, attempted=Act.CONSULTATION)
    query = select(Hold).where(Hold.exhibit_id == exhibit.id).order_by(Hold.placed_at, Hold.id)
    with repo.database.reading() as session:
        rows = list(session.scalars(query))
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="hold-list",
            exhibit=ref(exhibit),
            plain={"count": len(rows)},
            withheld={"case": case.code},
        )
    )
    return rows


def standing(session: Session, exhibit_id: str) -> list[Hold]:
    """Return the holds that keep an exhibit now."""
    query = select(Hold).where(Hold.exhibit_id == exhibit_id, Hold.released_at.is_(None))
    return list(session.scalars(query.order_by(Hold.placed_at, Hold.id)))


def find(
    repo: Repository, caller: Caller, hold: str, *, attempted: Act
) -> tuple[Actor, Case, Exhibit, Hold]:
    """Return the actor of an act on a hold, with its case and exhibit.

    Raises:
        UnknownHold: there is none that is on, or not for this caller; recorded.
    """
    unknown = UnknownHold(f"no hold is on as {shown(hold)} that you may know of")
    with repo.database.reading() as session:
        row = session.get(Hold, hold)
        exhibit = session.get(Exhibit, row.exhibit_id) if row else None
    if row is None or exhibit is None:
        refuse(repo, caller, attempted, ["unknown-hold"], unknown, asked=hold)
    actor, case, exhibit = on_exhibit(repo, caller, Right.HOLD, exhibit.number, attempted=attempted)
    if row.released_at is not None:
        refuse(repo, caller, attempted, ["hold-released"], unknown, case=case, exhibit=exhibit)
    return actor, case, exhibit, row


def release(
    repo: Repository, session: Session, actor: Actor, hold: str, case: Case, *, motive: str
) -> None:
    """Release a hold within a transaction; that two persons decided is on record.

    Raises:
        BadRequest: it was released meanwhile.
    """
    row = session.get_one(Hold, hold, with_for_update={"key_share": True}, populate_existing=True)
    if row.released_at is not None:
        raise BadRequest("this hold was released meanwhile")
    exhibit = session.get_one(Exhibit, row.exhibit_id)
    row.released_at, row.followed = repo.clock(), False
    session.flush()
    left = len(standing(session, exhibit.id))
    repo.ledger.append(
        session, [_draft(Act.HOLD_RELEASED, actor, row, case, exhibit, motive, left)]
    )


def check_free(session: Session, exhibit: Exhibit) -> None:
    """Let nothing be erased while any matter holds it; the caller records the refusal.

    Raises:
        OnHold: one does.
    """
    found = standing(session, exhibit.id)
    if found:
        matters = ", ".join(shown(one.matter) for one in found)
        raise OnHold(f"{exhibit.number} is kept for {matters}; release every hold first")


def follow(repo: Repository, exhibit_ids: Sequence[str]) -> dict[str, str]:
    """Set the stores' legal holds as the matters have it; return by exhibit what did not work.

    What did not work is tried again by a worker.
    """
    problems: dict[str, str] = {}
    for exhibit_id in exhibit_ids:
        with repo.database.reading() as session:
            exhibit = session.get_one(Exhibit, exhibit_id)
            on = standing(session, exhibit_id)
            every = select(Hold).where(Hold.exhibit_id == exhibit_id).order_by(Hold.released_at)
            rows = list(session.scalars(every))
            copies = repaired_objects(session, [exhibit_id], "replica").get(exhibit_id, {})
        wanted = bool(on) or (repo.settings.legal_hold and exhibit.erased_at is None)
        authority = (on or rows)[-1].matter  # of the last to be released, where none is on
        objects = [
            (repo.store, part.at(one))
            for part in recorded_parts(repo, exhibit)
            for one in (*part.objects, part.manifest)
        ]
        if repo.replica is not None:
            objects += [(repo.replica, one) for one in copies.values()]
        try:
            for store, stored in objects:
                _set(store, stored, on=wanted, authority=authority)
        except StoreError as error:
            problems[exhibit_id] = str(error)
            continue
        with repo.database.writing() as session:
            take_lock(session)
            if [one.id for one in standing(session, exhibit_id)] == [one.id for one in on]:
                for row in rows:
                    session.get_one(Hold, row.id).followed = True
    return problems


def unfollowed(repo: Repository) -> list[str]:
    """Return the ids of exhibits whose stores do not say yet what their matters do."""
    query = select(Hold.exhibit_id).where(Hold.followed.is_(False)).distinct().limit(_TOGETHER)
    with repo.database.reading() as session:
        return list(session.scalars(query))


def view(row: Hold) -> dict[str, object]:
    """Return a hold as programs are told it."""
    return {
        "hold": row.id,
        "matter": row.matter,
        "authority": row.authority,
        "placed_at": timestamp(row.placed_at),
        "released_at": timestamp(row.released_at) if row.released_at else None,
        "in_stores": row.followed,
        "entry": row.index,
    }


def _set(store: ObjectStore, stored: Stored, *, on: bool, authority: str) -> None:
    try:
        if store.stat(stored).hold != on:
            store.set_hold(stored, on=on, authority=authority)
    except NoSuchObject:
        return  # the fixity check names and repairs it


def _draft(
    act: Act, actor: Actor, row: Hold, case: Case, exhibit: Exhibit, motive: str, left: int
) -> Draft:
    withheld: dict[str, object] = {
        "case": case.code,
        "motive": motive,
        "detail": {"hold": row.id, "matter": row.matter},
    }
    if row.authority is not None:
        withheld["authority"] = row.authority
    return Draft(
        act,
        actor,
        exhibit=ref(exhibit),
        plain={"count": left},  # of the holds that are on after it
        withheld=withheld,
    )
