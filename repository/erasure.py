"""Erase an exhibit by order: two persons, the destruction of its key, and a tombstone.

While a lock runs nothing can delete the stored bytes, and nothing should; without its data key
nobody can read them. Entries, digests and the encrypted bytes stay until the locks end.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository, keys
from repository.access import Right
from repository.authorise import Caller, on_house, second_person
from repository.errors import (
    BadRequest,
    Erased,
    NoSuchObject,
    StoreError,
    UnknownErasure,
)
from repository.exhibits import by_entry, derived_objects, find_exhibit, ref, repaired_objects
from repository.models import DataKey, Erasure, Exhibit
from repository.naming import shown
from repository.people import SYSTEM
from repository.retrieve import recorded_parts
from repository.stores import Order, Stored

MAX_MOTIVE = 2_000


def request(
    repo: Repository, caller: Caller, number: str, *, document: bytes, motive: str
) -> Erasure:
    """Ask for the erasure of an exhibit; nothing is destroyed yet.

    Args:
        repo: the repository.
        caller: a custodian.
        number: the exhibit.
        document: the order itself; its digest goes on record.
        motive: why, in words.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no such exhibit, no order, no motive, or one that is not encrypted.
        Erased: it is erased already.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.DELETION_REQUESTED)
    _check(motive)
    if not document:
        raise BadRequest("an erasure needs the document of its order; the file is empty")
    with repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
    if exhibit is None:
        raise BadRequest(f"there is no exhibit {shown(number)}")
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} is erased already")
    if not all(part.encryption for part in recorded_parts(repo, exhibit)):
        raise BadRequest(
            f"{exhibit.number} was taken in without encryption: it can only be destroyed when its "
            "locks have ended"
        )
    digest = f"sha256:{sha256(document).hexdigest()}"
    at = repo.clock()
    row = Erasure(
        id=f"ERA-{uuid7(at, repo.random)}",
        exhibit_id=exhibit.id,
        document=digest,
        requested_by=actor.id,
        requested_at=at,
        state="requested",
        index=-1,
    )
    draft = Draft(
        Act.DELETION_REQUESTED,
        actor,
        exhibit=ref(exhibit),
        plain={"inputs": [digest]},
        withheld={"motive": motive, "detail": {"erasure": row.id}},
    )
    with repo.database.writing() as session:
        session.add(row)
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return row


def waiting(repo: Repository) -> list[tuple[Erasure, str]]:
    """Return the requests nobody has decided, and those whose keys are not all destroyed yet."""
    since = repo.clock() - timedelta(days=repo.settings.approval_days)  # older ones have expired
    query = (
        select(Erasure, Exhibit.number)
        .join(Exhibit, Exhibit.id == Erasure.exhibit_id)
        .where(
            (Erasure.state == "approved")
            | ((Erasure.state == "requested") & (Erasure.requested_at > since))
        )
        .order_by(Erasure.requested_at)
    )
    with repo.database.reading() as session:
        return [(row, number) for row, number in session.execute(query)]


def approve(repo: Repository, caller: Caller, erasure: str, *, motive: str) -> Erasure:
    """Approve an erasure as a second person: from here on nobody can read the exhibit.

    The key is destroyed in the database with the decision, then in every store.

    Raises:
        AccessDenied: no custodian, or the one who asked; recorded.
        UnknownErasure: nothing waits under this id.
        BadRequest: no motive.
        StoreUnavailable: decided, but a store does not answer; the worker goes on.
    """
    actor = _decider(repo, caller, erasure, motive)
    with repo.database.writing() as session:
        row = _waiting(session, erasure)
        exhibit = session.get_one(Exhibit, row.exhibit_id)
        key = session.get(DataKey, exhibit.id)
        row.wrapped_sha256 = None if key is None else sha256(bytes(key.wrapped)).hexdigest()
        row.state, row.decided_by, row.decided_at = "approved", actor.id, repo.clock()
        exhibit.erased_at = exhibit.processed_at = repo.clock()
        keys.destroy(session, exhibit.id)
        session.flush()
        repo.ledger.append(session, [_decision(Act.DELETION_APPROVED, actor, row, exhibit, motive)])
    repo.database.overwrite_log()
    finish(repo, row)
    return row


def reject(repo: Repository, caller: Caller, erasure: str, *, motive: str) -> None:
    """Refuse an erasure; the exhibit stays.

    Raises:
        AccessDenied, UnknownErasure, BadRequest: as `approve`.
    """
    actor = _decider(repo, caller, erasure, motive)
    with repo.database.writing() as session:
        row = _waiting(session, erasure)
        exhibit = session.get_one(Exhibit, row.exhibit_id)
        row.state, row.decided_by, row.decided_at = "refused", actor.id, repo.clock()
        session.flush()
        repo.ledger.append(session, [_decision(Act.APPROVAL_REFUSED, actor, row, exhibit, motive)])


def approved(repo: Repository) -> list[Erasure]:
    """Return the approved erasures whose keys still stand in a store."""
    return [row for row, _ in waiting(repo) if row.state == "approved"]


def finish_all(repo: Repository, ids: Sequence[str] | None = None) -> int:
    """Go on with approved erasures, all or those named; return how many ended.

    Raises:
        StoreUnavailable: as `finish`.
    """
    rows = [row for row in approved(repo) if ids is None or row.id in ids]
    for row in rows:
        finish(repo, row)
    return len(rows)


def finish(repo: Repository, row: Erasure) -> None:
    """Destroy the key in every store, lift the holds, and write the tombstone.

    Raises:
        StoreUnavailable: a store does not answer; nothing is called done.
    """
    order = Order(row.document, row.requested_by, row.decided_by or "")
    for store in repo.stores.values():
        keys.destroy_second(store, row.exhibit_id, order)
    with repo.database.reading() as session:
        exhibit = session.get_one(Exhibit, row.exhibit_id)
        copies = repaired_objects(session, [exhibit.id], "replica").get(exhibit.id, {})
        derived = derived_objects(session, exhibit.id)
    parts = recorded_parts(repo, exhibit)
    objects = [
        (repo.store, part.at(one)) for part in parts for one in (*part.objects, part.manifest)
    ]
    if repo.replica is not None:
        objects += [(repo.replica, one) for one in copies.values()]
    kept = []
    for stored in derived:  # no lock is on what was made of it: it goes as a whole
        with suppress(NoSuchObject):
            repo.store.destroy(stored, order)
    for store, stored in objects:
        try:
            if store.stat(stored).hold:
                store.set_hold(stored, on=False, authority=row.document)
        except StoreError as error:
            kept.append(f"{stored.key}: {error}")
    drafts = [
        Draft(Act.HOLD_RELEASED, SYSTEM, reason="erasure", exhibit=ref(exhibit)),
        *_tombstones(row, exhibit, [*(stored for _, stored in objects), *derived], kept),
    ]
    with repo.database.writing() as session:
        found = session.get_one(Erasure, row.id, with_for_update=True)
        if found.state != "approved":
            return  # another process was quicker
        found.state = "erased"
        session.flush()
        repo.ledger.append(session, drafts)
    row.state = "erased"


def _tombstones(
    row: Erasure, exhibit: Exhibit, objects: Sequence[Stored], kept: Sequence[str]
) -> list[Draft]:
    """Return the tombstone; with more objects than one entry can list, the further ones."""
    return [
        Draft(
            Act.ERASURE,
            SYSTEM,
            reason="key-destroyed",
            exhibit=ref(exhibit),
            plain={"inputs": [row.document], "outputs": some},
            withheld={
                "detail": {
                    "erasure": row.id,
                    "requested_by": row.requested_by,
                    "approved_by": row.decided_by,
                    "holds_that_stayed": list(kept),
                }
            },
        )
        for some in by_entry(sorted({one.sha256 for one in objects}))
    ]


def _decider(repo: Repository, caller: Caller, erasure: str, motive: str) -> Actor:
    actor = on_house(repo, caller, Right.DECIDE, attempted=Act.DELETION_APPROVED)
    _check(motive)
    with repo.database.reading() as session:
        row = _waiting(session, erasure)
        exhibit = session.get_one(Exhibit, row.exhibit_id)
    asked = row.requested_by, row.requested_at
    second_person(repo, caller, asked, Act.DELETION_APPROVED, exhibit=exhibit)
    return actor


def _decision(act: Act, actor: Actor, row: Erasure, exhibit: Exhibit, motive: str) -> Draft:
    return Draft(
        act,
        actor,
        reason="erasure",
        exhibit=ref(exhibit),
        plain={"attempted": str(Act.ERASURE), "inputs": [row.document]},
        withheld={"motive": motive, "detail": {"erasure": row.id}},
    )


def _waiting(session: Session, erasure: str) -> Erasure:
    row = session.get(Erasure, erasure, with_for_update=True)
    if row is None or row.state != "requested":
        raise UnknownErasure(f"no erasure waits for a decision as {shown(erasure)}")
    return row


def _check(motive: str) -> None:
    if not motive.strip() or len(motive) > MAX_MOTIVE:
        raise BadRequest(f"state a motive of 1 to {MAX_MOTIVE} characters")
