"""Data keys: one for each exhibit, wrapped by the key-encryption key, destroyed by order alone.

The wrapped key stands in the database and, before any receipt, in the bucket `keys` of the store,
which is not locked: what is locked for years must stay erasable.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import SYSTEM_ID, Repository
from repository.errors import Erased, KeyUnavailable, NoSuchObject
from repository.keyring import Wrapped, later_keys
from repository.models import DataKey, Erasure, Exhibit
from repository.stores import ObjectStore, Order, Stored

BUCKET = "keys"
HOUSE = SYSTEM_ID  # whose key seals the house's own documents: lists shown, the ledger's mirror


def name_of(subject: str, kek: str | None = None) -> str:
    """Return the name of a wrapped key in the store; it tells nothing of the subject.

    Args:
        subject: whose key it is.
        kek: which key after the house's first wrapped it; None: the first.
    """
    digest = sha256(b"evidence-data-key\n" + subject.encode()).hexdigest()
    return f"k/{digest[:2]}/{digest}" + (f".{kek}" if kek else "")


def draw(repo: Repository, session: Session) -> tuple[bytes, Wrapped]:
    """Return a new 32-byte data key and its wrapped form."""
    key = repo.random(32)
    return key, repo.kek.wrap(session, key)


def keep(repo: Repository, session: Session, subject: str, wrapped: Wrapped) -> None:
    """Write a wrapped key into the database."""
    row = DataKey(subject=subject, kek=wrapped.kek, wrapped=wrapped.wrapped, made_at=repo.clock())
    session.add(row)


def keep_second(repo: Repository, store: ObjectStore, subject: str, wrapped: Wrapped) -> str:
    """Write a wrapped key into a store, durably; the same again changes nothing.

    Returns:
        The name it has there.
    """
    name = name_of(subject, wrapped.kek if repo.kek.is_later(wrapped.kek) else None)
    store.put([wrapped.to_text().encode()], bucket=BUCKET, key=name)
    return name


def keep_second_still(repo: Repository, store: ObjectStore, subject: str, wrapped: Wrapped) -> str:
    """Write a wrapped key of something registered; if it was erased meanwhile, it does not stay.

    Returns:
        The name it has there.
    """
    name = keep_second(repo, store, subject, wrapped)
    destroy_if_ordered(repo, store, subject)
    return name


def destroy_if_ordered(repo: Repository, store: ObjectStore, subject: str) -> None:
    """Destroy every form of a key in a store, if that was ordered."""
    query = select(Erasure).where(
        Erasure.exhibit_id == subject, Erasure.state.in_(("approved", "erased"))
    )
    with repo.database.reading() as session:
        row = session.scalar(query.limit(1))
    if row is not None:
        order = Order(row.document, row.requested_by, row.decided_by or "")
        destroy_second(repo, store, subject, order)


def wrapped_key(repo: Repository, subject: str) -> Wrapped:
    """Return the wrapped key of a subject, from the database or else from the stores.

    Raises:
        Erased: it was destroyed by order.
        KeyUnavailable: it is in neither place.
    """
    return wrapped_keys(repo, [subject])[subject]


def wrapped_keys(repo: Repository, subjects: Sequence[str]) -> dict[str, Wrapped]:
    """Return the same for several subjects, asked for together.

    Raises:
        Erased, KeyUnavailable: of one of them.
    """
    with repo.database.reading() as session:
        kept = session.scalars(select(DataKey).where(DataKey.subject.in_(subjects)))
        found = {row.subject: Wrapped(row.kek, bytes(row.wrapped)) for row in kept}
        erased = select(Exhibit).where(Exhibit.id.in_(subjects), Exhibit.erased_at.is_not(None))
        gone = session.scalars(erased.limit(1)).first()
    if gone is not None:
        raise Erased(f"{gone.number} was erased by order; its bytes cannot be read any more")
    return {one: found.get(one) or _from_stores(repo, one) for one in subjects}


def _from_stores(repo: Repository, subject: str) -> Wrapped:
    for store in repo.stores.values():
        found = in_store(repo, store, subject)
        if found is not None:
            return found
    raise KeyUnavailable(
        "the data key of this exhibit is neither in the database nor in the store; bring the "
        "database back from its backup"
    )


def in_store(repo: Repository, store: ObjectStore, subject: str) -> Wrapped | None:
    """Return the newest wrapped form of a key that a store keeps, or None.

    Raises:
        KeyUnavailable: what is there is damaged.
        StoreUnavailable: the store does not answer.
    """
    for found in stored_forms(repo, store, subject):
        try:
            with store.open(found) as file:
                return Wrapped.parse(file.read())
        except NoSuchObject:
            continue
    return None


def stored_forms(repo: Repository, store: ObjectStore, subject: str) -> Iterator[Stored]:
    """Yield the wrapped forms of a key that a store keeps, the newest first.

    They are asked for by name; only what another database would know of is looked for in a list.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    names = [name_of(subject, kek) for kek in (*_later(repo), None)]
    known = False
    for name in names:
        found = store.find(BUCKET, name)
        if found is not None:
            known = True
            yield found
    if known and len(names) == 1:
        return  # nothing was ever wrapped anew
    for listed in store.versions(BUCKET, name_of(subject)):
        if listed.key not in names:
            found = store.find(BUCKET, listed.key)
            if found is not None:
                yield found


def _later(repo: Repository) -> list[str]:
    with repo.database.reading() as session:
        return [row.id for row in later_keys(session)]


def unwrap(repo: Repository, subject: str) -> bytes:
    """Return the data key of a subject; a hardware module logs this.

    Raises:
        Erased: it was destroyed by order.
        KeyUnavailable: it is nowhere, or does not open.
    """
    return unwrapped(repo, [subject])[subject]


def unwrapped(repo: Repository, subjects: Sequence[str]) -> dict[str, bytes]:
    """Return the same for several subjects, asked for together.

    Raises:
        Erased, KeyUnavailable: of one of them.
    """
    wrapped = wrapped_keys(repo, subjects)
    return {subject: repo.kek.unwrap(one) for subject, one in wrapped.items()}


def house_key(repo: Repository) -> bytes:
    """Return the key of the house's own documents, made when it is first needed."""
    if repo.held:
        return repo.held[0]
    try:
        key = unwrap(repo, HOUSE)
    except KeyUnavailable:
        key = _new_house_key(repo)
    repo.held.append(key)
    return key


def _new_house_key(repo: Repository) -> bytes:
    with repo.database.writing() as session:
        row = session.get(DataKey, HOUSE)
        if row is not None:
            wrapped = Wrapped(row.kek, bytes(row.wrapped))
            key = repo.kek.unwrap(wrapped)
        else:
            key, wrapped = draw(repo, session)
            keep(repo, session, HOUSE, wrapped)
    for store in repo.stores.values():
        keep_second(repo, store, HOUSE, wrapped)
    return key


def mirror_key(repo: Repository, store: ObjectStore) -> bytes | None:
    """Return the key that the ledger's mirror in a store is sealed with; None if it is not."""
    try:
        found = in_store(repo, store, HOUSE)
        return unwrap(repo, HOUSE) if found is None else repo.kek.unwrap(found)
    except KeyUnavailable:
        if repo.settings.encryption:
            raise
        return None


def destroy(session: Session, subject: str) -> None:
    """Destroy the wrapped key in the database, in the caller's transaction."""
    row = session.get(DataKey, subject)
    if row is not None:
        session.delete(row)


def destroy_second(repo: Repository, store: ObjectStore, subject: str, order: Order) -> None:
    """Destroy the wrapped key in a store: every form and every version of it.

    Raises:
        StoreUnavailable: the store does not answer; it is still there.
    """
    for found in stored_forms(repo, store, subject):
        with suppress(NoSuchObject):
            store.destroy(found, order)
