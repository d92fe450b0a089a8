"""Erase an exhibit by order: two persons, the destruction of its key, and a tombstone.

While a lock runs nothing can delete the stored bytes, and nothing should; without its data key
nobody can read them. Entries, digests and the encrypted bytes stay until the locks end.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, CustodyEntry, Draft, uuid7
from repository import Repository, holds, keys, related
from repository.access import Right
from repository.authorise import Caller, governs, on_exhibit, on_house, refuse, second_person
from repository.errors import (
    BadRequest,
    Erased,
    NoSuchObject,
    OnHold,
    StoreError,
    UnknownErasure,
)
from repository.exhibits import by_entry, derived_objects, ref, repaired_objects
from repository.matching.parties import forget_erased
from repository.models import Case, DataKey, Erasure, Exhibit
from repository.naming import shown
from repository.people import SYSTEM
from repository.retrieve import recorded_parts
from repository.search import index as search_index
from repository.stated import stated_motive
from repository.stores import ObjectStore, Order, Stored

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_OF_NOTHING = f"sha256:{sha256().hexdigest()}"


def request(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    order: str,
    motive: str,
    drawn: str | None = None,
) -> Erasure:
    """Ask for the erasure of an exhibit; nothing is destroyed yet.

    Args:
        repo: the repository.
        caller: a custodian of the exhibit's institution, or of the house.
        number: the exhibit.
        order: `sha256:` and the hex digest of the document that orders it; it goes on record.
        motive: why, in words.
        drawn: the id of the request, where a client drew it; the same again changes nothing.

    Raises:
        UnknownExhibit, AccessDenied: no such exhibit, or not for this caller; recorded.
        StepUpRequired: once they have signed in again; recorded.
        BadRequest: no order, no motive, or an exhibit that is not encrypted.
        Erased: it is erased already.
        OnHold: a matter keeps it; recorded.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.DISPOSE, number, attempted=Act.DELETION_REQUESTED
    )
    stated_motive(repo, caller, motive, Act.DELETION_REQUESTED, case=case, exhibit=exhibit)
    if not _DIGEST.fullmatch(order):
        raise BadRequest("the order is named by the digest of its document: sha256: and 64 digits")
    if order == _OF_NOTHING:
        raise BadRequest("an erasure needs the document of its order; the file is empty")
    if drawn is not None:
        with repo.database.reading() as session:
            made = session.get(Erasure, f"ERA-{drawn}")
        if made is not None:
            return made
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} is erased already")
    try:
        with repo.database.reading() as session:
            holds.check_free(session, exhibit)
    except OnHold as error:
        refuse(repo, caller, Act.DELETION_REQUESTED, ["on-hold"], error, exhibit=exhibit)
    if not all(part.encryption for part in recorded_parts(repo, exhibit)):
        raise BadRequest(
            f"{exhibit.number} was taken in without encryption: it can only be destroyed when its "
            "locks have ended"
        )
    at = repo.clock()
    row = Erasure(
        id=f"ERA-{drawn or uuid7(at, repo.random)}",
        exhibit_id=exhibit.id,
        document=order,
        requested_by=actor.id,
        requested_at=at,
        state="requested",
        index=-1,
    )
    draft = Draft(
        Act.DELETION_REQUESTED,
        actor,
        exhibit=ref(exhibit),
        plain={"inputs": [order]},
        withheld={"motive": motive, "detail": {"erasure": row.id}},
    )
    with repo.database.writing() as session:
        session.add(row)
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return row


def waiting(
    repo: Repository, caller: Caller, *, after: str = "", limit: int | None = None
) -> list[tuple[Erasure, str]]:
    """Return the requests nobody has decided, and those whose keys are not all destroyed yet.

    In the order in which they were made, after an id; recorded. What is about an exhibit of
    another institution is not the caller's to know.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    since = repo.clock() - timedelta(days=repo.settings.approval_days)  # older ones have expired
    query = (
        select(Erasure, Exhibit.number, Case)
        .join(Exhibit, Exhibit.id == Erasure.exhibit_id)
        .join(Case, Case.id == Exhibit.case_id)
        .where(
            (Erasure.state == "approved")
            | ((Erasure.state == "requested") & (Erasure.requested_at > since))
        )
        .order_by(Erasure.id)
        .limit(limit)
    )
    found: list[tuple[Erasure, str]] = []
    with repo.database.reading() as session:
        while some := list(session.execute(query.where(Erasure.id > after))):
            found += [
                (row, number)
                for row, number, case in some
                if governs(session, caller, case, repo.clock())
            ]
            after = some[-1][0].id
            if limit is None or len(found) >= limit:
                break
        found = found[:limit]
    repo.ledger.record(
        Draft(Act.CONSULTATION, actor, reason="erasure-list", plain={"count": len(found)})
    )
    return found


def approve(repo: Repository, caller: Caller, erasure: str, *, motive: str) -> Erasure:
    """Approve an erasure as a second person: from here on nobody can read the exhibit.

    The key is destroyed in the database with the decision, then in every store.

    Raises:
        AccessDenied: no custodian, or the one who asked; recorded.
        UnknownErasure: nothing waits under this id.
        BadRequest: no motive.
        OnHold: a matter keeps it by now; recorded.
        StoreUnavailable: decided, but a store does not answer; the worker goes on.
    """
    actor, exhibit = _decider(repo, caller, erasure, motive)
    try:
        row = _approve(repo, actor, erasure, motive)
    except OnHold as error:
        refuse(repo, caller, Act.DELETION_APPROVED, ["on-hold"], error, exhibit=exhibit)
    search_index.scrub(repo)
    repo.database.overwrite_log()
    finish(repo, row)
    return row


def _approve(repo: Repository, actor: Actor, erasure: str, motive: str) -> Erasure:
    with repo.database.writing() as session:
        take_lock(session)  # a hold is placed before or after
        row = _waiting(session, erasure)
        exhibit = session.get_one(Exhibit, row.exhibit_id)
        holds.check_free(session, exhibit)
        key = session.get(DataKey, exhibit.id)
        row.wrapped_sha256 = None if key is None else sha256(bytes(key.wrapped)).hexdigest()
        row.state, row.decided_by, row.decided_at = "approved", actor.id, repo.clock()
        _destroy(session, exhibit, repo.clock())
        session.flush()
        repo.ledger.append(session, [_decision(Act.DELETION_APPROVED, actor, row, exhibit, motive)])
    return row


def _destroy(session: Session, exhibit: Exhibit, at: datetime) -> None:
    """Destroy what the database has by which an exhibit could be read, matched or found."""
    exhibit.erased_at = exhibit.processed_at = at
    keys.destroy(session, exhibit.id)
    forget_erased(session, exhibit.id)
    search_index.forget(session, exhibit.id)
    related.forget(session, exhibit.id)


def reject(repo: Repository, caller: Caller, erasure: str, *, motive: str) -> Erasure:
    """Refuse an erasure as a second person; the exhibit stays.

    Raises:
        AccessDenied, UnknownErasure, BadRequest: as `approve`.
    """
    actor, exhibit = _decider(repo, caller, erasure, motive)
    with repo.database.writing() as session:
        row = _waiting(session, erasure)
        row.state, row.decided_by, row.decided_at = "refused", actor.id, repo.clock()
        session.flush()
        repo.ledger.append(session, [_decision(Act.APPROVAL_REFUSED, actor, row, exhibit, motive)])
    return row


def approved(repo: Repository) -> list[Erasure]:
    """Return the approved erasures whose keys still stand in a store."""
    query = select(Erasure).where(Erasure.state == "approved").order_by(Erasure.requested_at)
    with repo.database.reading() as session:
        return list(session.scalars(query))


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
        keys.destroy_second(repo, store, row.exhibit_id, order)
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
        found = session.get_one(Erasure, row.id, with_for_update={"key_share": True})
        if found.state != "approved":
            return  # another process was quicker
        found.state = "erased"
        session.flush()
        repo.ledger.append(session, drafts)
    row.state = "erased"


def forget_keys(repo: Repository, store: ObjectStore) -> None:
    """Destroy what a store still has of the keys of erased exhibits, after a death in between.

    Raises:
        StoreUnavailable: it does not answer.
    """
    with repo.database.reading() as session:
        query = select(Erasure.exhibit_id).where(Erasure.state == "erased")
        erased = list(session.scalars(query))
    for exhibit_id in erased:
        keys.destroy_if_ordered(repo, store, exhibit_id)


def erase_again(repo: Repository) -> int:
    """Destroy what the ledger says was erased, and an older database has again.

    Wrapped keys, and tokens of matching and search; the keys in the stores are gone. An erasure
    that was decided and not ended goes on: a worker destroys what is left.

    Returns:
        How many exhibits that were.
    """
    asked_in: dict[str, CustodyEntry] = {}
    decided: dict[str, CustodyEntry] = {}
    ended = set()
    for entry in repo.ledger.entries():
        kind, about = entry.fields["type"], entry.fields.get("exhibit")
        if about is not None and kind == Act.DELETION_REQUESTED:
            asked_in[about["id"]] = entry
        elif about is not None and kind == Act.DELETION_APPROVED:
            decided[about["id"]] = entry
        elif about is not None and kind == Act.ERASURE:
            ended.add(about["id"])
    found = []
    with repo.database.writing() as session:
        for exhibit_id, entry in decided.items():
            exhibit = session.get(Exhibit, exhibit_id)
            if exhibit is None or exhibit.erased_at is not None:
                continue  # registered since, or known to be erased
            found.append(exhibit_id)
            at = datetime.fromisoformat(entry.fields["at"])
            _destroy(session, exhibit, at)
            asked = select(Erasure).where(
                Erasure.exhibit_id == exhibit_id, Erasure.state == "requested"
            )
            rows = list(session.scalars(asked)) or [
                _asked_again(repo, exhibit_id, asked_in[exhibit_id])
            ]
            for row in rows:
                row.state = "erased" if exhibit_id in ended else "approved"
                row.decided_by, row.decided_at = entry.fields["actor"]["id"], at
            session.add_all(rows)
    if found:
        search_index.scrub(repo)
        repo.database.overwrite_log()
    return len(found)


def _asked_again(repo: Repository, exhibit_id: str, entry: CustodyEntry) -> Erasure:
    """Return the row of a request that an older database lacks; its id is known no more."""
    at = datetime.fromisoformat(entry.fields["at"])
    return Erasure(
        id=f"ERA-{uuid7(at, repo.random)}",
        exhibit_id=exhibit_id,
        document=entry.fields["inputs"][0],
        requested_by=entry.fields["actor"]["id"],
        requested_at=at,
        state="requested",
        index=entry.index,
    )


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


def _decider(repo: Repository, caller: Caller, erasure: str, motive: str) -> tuple[Actor, Exhibit]:
    attempted = Act.DELETION_APPROVED
    with repo.database.reading() as session:
        row = session.get(Erasure, erasure)
        named = session.get_one(Exhibit, row.exhibit_id).number if row else None
    if named is None:
        on_house(repo, caller, Right.DECIDE, attempted=attempted)  # whoever may not is told no more
        raise _unknown(erasure)
    actor, case, exhibit = on_exhibit(repo, caller, Right.DECIDE, named, attempted=attempted)
    stated_motive(repo, caller, motive, attempted, case=case, exhibit=exhibit)
    with repo.database.reading() as session:
        row = _waiting(session, erasure)
    asked = row.requested_by, row.requested_at
    second_person(repo, caller, asked, attempted, case=case, exhibit=exhibit)
    return actor, exhibit


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
    row = session.get(Erasure, erasure, with_for_update={"key_share": True})
    if row is None or row.state != "requested":
        raise _unknown(erasure)
    return row


def _unknown(erasure: str) -> UnknownErasure:
    return UnknownErasure(f"no erasure waits for a decision as {shown(erasure)}")
