"""Copy every object to the second store, and repair one store from the other."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft
from repository import Repository, keys
from repository.errors import Erased, IntegrityError, KeyUnavailable, NoSuchObject
from repository.exhibits import by_entry, ref
from repository.models import Exhibit, ObjectCopy
from repository.people import SYSTEM
from repository.retrieve import Recorded, recorded
from repository.stores import ObjectStore, Stored
from repository.stores.copying import copy_object
from repository.trial import ensure_fit

LEDGER = "ledger"


def replicate(repo: Repository, *, most: int = 100) -> int:
    """Copy exhibits that are not in the second store yet; return how many.

    Raises:
        StoreUnfit, StoreUnavailable: as `copy_exhibits`.
    """
    found = without_copy(repo, limit=most)
    return len(found) - len(copy_exhibits(repo, found))


def without_copy(repo: Repository, *, limit: int) -> list[str]:
    """Return the ids of exhibits that are not in the second store yet, oldest first."""
    if repo.replica is None:
        return []
    query = (
        select(Exhibit.id)
        .where(Exhibit.copied_at.is_(None), Exhibit.erased_at.is_(None))
        .order_by(Exhibit.registration)
        .limit(limit)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def copy_exhibits(repo: Repository, exhibit_ids: Sequence[str]) -> dict[str, str]:
    """Copy exhibits to the second store; return those that were not, and why.

    The bytes are compared with the recorded digest while they pass: what is damaged is not copied,
    and shows at the next fixity check. The copy is read back by its store.

    Raises:
        StoreUnfit: the second store's locks do not hold.
        StoreUnavailable: a store does not answer; it is tried again later.
    """
    if repo.replica is None or not exhibit_ids:
        return {}
    ensure_fit(repo, "replica")
    query = select(Exhibit).where(Exhibit.id.in_(exhibit_ids), Exhibit.copied_at.is_(None))
    with repo.database.reading() as session:
        exhibits = list(session.scalars(query.order_by(Exhibit.registration)))
    parts = recorded(repo, exhibits) if exhibits else {}
    failed = {}
    for exhibit in exhibits:
        try:
            _replicate(repo, repo.replica, exhibit, parts[exhibit.id])
        except (IntegrityError, NoSuchObject, Erased, KeyUnavailable) as error:
            failed[exhibit.id] = str(error)  # the fixity check names it; nothing of it was copied
    return failed


def uncopied(repo: Repository) -> int:
    """Return how many exhibits the second store lacks; 0 where there is none."""
    if repo.replica is None:
        return 0
    query = select(func.count()).select_from(Exhibit)
    waiting = query.where(Exhibit.copied_at.is_(None), Exhibit.erased_at.is_(None))
    with repo.database.reading() as session:
        return session.scalar(waiting) or 0


def _replicate(
    repo: Repository, replica: ObjectStore, exhibit: Exhibit, parts: Sequence[Recorded]
) -> None:
    copies = {
        one.key: copy_object(repo.store, part.at(one), replica, one.key, at=repo.clock())
        for part in parts
        for one in (*part.objects, part.manifest)
    }
    if any(part.encryption for part in parts):
        keys.keep_second_still(repo, replica, exhibit.id, keys.wrapped_key(repo, exhibit.id))
    drafts = [
        Draft(
            Act.REPLICATION,
            SYSTEM,
            exhibit=ref(exhibit),
            plain={
                "location": {**some[0].location(), "place": "replica"},
                "outputs": [one.sha256 for one in some],
            },
        )
        for some in by_entry(list(copies.values()))
    ]
    with repo.database.writing() as session:
        row = session.get_one(Exhibit, exhibit.id, with_for_update={"key_share": True})
        if row.copied_at is not None:
            return  # another worker was quicker
        for name, stored in copies.items():
            keep_place(repo, session, exhibit.id, name, "replica", stored)
        row.copied_at = repo.clock()
        session.flush()
        repo.ledger.append(session, drafts)


def keep_place(
    repo: Repository, session: Session, exhibit_id: str, key: str, place: str, stored: Stored
) -> None:
    """Remember where an object is in a place, in the caller's transaction."""
    row = ObjectCopy(
        exhibit_id=exhibit_id, key=key, place=place, stored=stored.to_json(), at=repo.clock()
    )
    session.merge(row)


def repair(
    repo: Repository, exhibit: Exhibit, name: str, *, place: str, damaged: Stored, good: Stored,
    source: ObjectStore,
) -> Stored:  # fmt: skip
    """Store a good copy again beside a damaged or missing object, and record it.

    Write-once bytes cannot be replaced: the repaired object gets a name of its own, unless the old
    one is free.

    Raises:
        IntegrityError: the good copy turned bad.
    """
    target = repo.stores[place]
    gone = target.find(damaged.bucket, name) is None
    key = name if gone else f"{name}.repair-{repo.random(4).hex()}"
    stored = copy_object(source, good, target, key, at=repo.clock())
    draft = Draft(
        Act.REPAIR,
        SYSTEM,
        exhibit=ref(exhibit),
        plain={
            "location": {**stored.location(), "place": place},
            "inputs": [good.sha256],
            "outputs": [stored.sha256],
        },
    )
    with repo.database.writing() as session:
        keep_place(repo, session, exhibit.id, name, place, stored)
        session.flush()
        repo.ledger.append(session, [draft])
    return stored


def replicate_ledger(repo: Repository) -> int:
    """Copy what of the mirrored ledger the second store lacks; return how many objects."""
    if repo.replica is None:
        return 0
    have = (one.key for one in repo.replica.versions(LEDGER))
    known = next(have, None)
    count = 0
    for stored in repo.store.versions(LEDGER):
        while known is not None and known < stored.key:
            known = next(have, None)
        if known == stored.key:
            continue
        found = repo.store.find(LEDGER, stored.key)
        if found is not None:
            copy_object(repo.store, found, repo.replica, stored.key, at=repo.clock())
            count += 1
    house = keys.wrapped_key(repo, keys.HOUSE) if repo.settings.encryption else None
    if house is not None:
        keys.keep_second(repo, repo.replica, keys.HOUSE, house)
    return count
