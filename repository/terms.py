"""Renew the terms of locks: short, so that a court can end them, for as long as a case lives."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from custody.entry import Act, Draft, timestamp
from repository import Repository
from repository.errors import NoSuchObject
from repository.exhibits import ref, repaired_objects
from repository.models import Exhibit
from repository.people import SYSTEM
from repository.retrieve import recorded
from repository.stores import ObjectStore, Stored

_TOGETHER = 100


def renew(repo: Repository, *, most: int = _TOGETHER) -> int:
    """Lock again what is locked for less than half a term; return how many exhibits.

    Raises:
        StoreUnavailable: a store does not answer; it is tried again later.
    """
    found = lapsing(repo, limit=most)
    renew_exhibits(repo, found)
    return len(found)


def lapsing(repo: Repository, *, limit: int) -> list[str]:
    """Return the ids of exhibits that are locked for less than half a term, the shortest first.

    Erased exhibits are left to run out.
    """
    half = timedelta(days=repo.settings.lock_days / 2)
    if not half:
        return []
    query = (
        select(Exhibit.id)
        .where(Exhibit.locked_until < repo.clock() + half, Exhibit.erased_at.is_(None))
        .order_by(Exhibit.locked_until)
        .limit(limit)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def renew_exhibits(repo: Repository, exhibit_ids: Sequence[str]) -> None:
    """Lock exhibits again for a whole term, in every store.

    Raises:
        StoreUnavailable: a store does not answer; it is tried again later.
    """
    until = repo.clock() + timedelta(days=repo.settings.lock_days)
    query = select(Exhibit).where(Exhibit.id.in_(exhibit_ids), Exhibit.erased_at.is_(None))
    with repo.database.reading() as session:
        exhibits = list(session.scalars(query.order_by(Exhibit.locked_until)))
        copies = repaired_objects(session, [one.id for one in exhibits], "replica")
    parts = recorded(repo, exhibits) if exhibits else {}
    for exhibit in exhibits:
        ends = []
        for part in parts[exhibit.id]:
            places = [part.at(one) for one in (*part.objects, part.manifest)]
            ends += [_extend(repo.store, one, until) for one in places]
        if repo.replica is not None:
            ends += [
                _extend(repo.replica, one, until) for one in copies.get(exhibit.id, {}).values()
            ]
        with repo.database.writing() as session:
            row = session.get_one(Exhibit, exhibit.id, with_for_update={"key_share": True})
            if row.locked_until != exhibit.locked_until:
                continue  # another worker was quicker
            row.locked_until = min(ends)
            session.flush()
            repo.ledger.append(session, [_entry(exhibit, min(ends))])


def renew_mirror(repo: Repository) -> int:
    """Lock the mirrored ledger again in every store; return how many objects were renewed."""
    days = repo.settings.lock_days
    if not days:
        return 0
    until = repo.clock() + timedelta(days=days)
    count = 0
    for store in repo.stores.values():
        for stored in store.versions("ledger"):
            held = store.stat(stored).retain_until
            if held is not None and held < until - timedelta(days=days / 2):
                store.extend(stored, until)
                count += 1
    return count


def _extend(store: ObjectStore, stored: Stored, until: datetime) -> datetime:
    try:
        held = store.stat(stored).retain_until
        if held is not None and held >= until:
            return held
        return store.extend(stored, until).retain_until or until
    except NoSuchObject:
        return until  # the fixity check names and repairs it; the others are not kept waiting


def _entry(exhibit: Exhibit, until: datetime) -> Draft:
    return Draft(
        Act.RETENTION_CHANGE,
        SYSTEM,
        reason="renewed",
        exhibit=ref(exhibit),
        withheld={"detail": {"locked_until": timestamp(until)}},
    )
