"""Data keys: one for each exhibit, wrapped by the key-encryption key, destroyed by order alone.

The wrapped key stands in the database and, before any receipt, in the bucket `keys` of the store,
which is not locked: what is locked for years must stay erasable.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import SYSTEM_ID, Repository
from repository.errors import Erased, KeyUnavailable, NoSuchObject
from repository.models import DataKey, Exhibit
from repository.stores import ObjectStore, Order

BUCKET = "keys"
HOUSE = SYSTEM_ID  # whose key seals the house's own documents: lists shown, the ledger's mirror


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it may be kept: wrapped, and by which key-encryption key."""

    kek: str
    wrapped: bytes

    def to_text(self) -> str:
        """Return what the second place keeps."""
        return json.dumps({"v": 1, "kek": self.kek, "wrapped": self.wrapped.hex()}) + "\n"

    @classmethod
    def parse(cls, text: bytes) -> "Wrapped":
        """Read what `to_text` wrote.

        Raises:
            KeyUnavailable: it is something else.
        """
        try:
            found = json.loads(text)
            return cls(str(found["kek"]), bytes.fromhex(found["wrapped"]))
        except (ValueError, KeyError, TypeError) as error:
            raise KeyUnavailable("a wrapped key in the store is damaged") from error


def name_of(subject: str) -> str:
    """Return the name of a wrapped key in the store; it tells nothing of the subject."""
    digest = sha256(b"evidence-data-key\n" + subject.encode()).hexdigest()
    return f"k/{digest[:2]}/{digest}"


def draw(repo: Repository) -> tuple[bytes, Wrapped]:
    """Return a new 32-byte data key and its wrapped form."""
    key = repo.random(32)
    return key, Wrapped(repo.kek.id, repo.kek.wrap(key))


def keep(repo: Repository, session: Session, subject: str, wrapped: Wrapped) -> None:
    """Write a wrapped key into the database."""
    row = DataKey(subject=subject, kek=wrapped.kek, wrapped=wrapped.wrapped, made_at=repo.clock())
    session.add(row)


def keep_second(store: ObjectStore, subject: str, wrapped: Wrapped) -> None:
    """Write a wrapped key into a store, durably; the same again changes nothing."""
    store.put([wrapped.to_text().encode()], bucket=BUCKET, key=name_of(subject))


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
        found = in_store(store, subject)
        if found is not None:
            return found
    raise KeyUnavailable(
        "the data key of this exhibit is neither in the database nor in the store; bring the "
        "database back from its backup"
    )


def in_store(store: ObjectStore, subject: str) -> Wrapped | None:
    """Return the wrapped key that a store keeps, or None.

    Raises:
        KeyUnavailable: what is there is damaged.
        StoreUnavailable: the store does not answer.
    """
    found = store.find(BUCKET, name_of(subject))
    if found is None:
        return None
    try:
        with store.open(found) as file:
            return Wrapped.parse(file.read())
    except NoSuchObject:
        return None


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
    return {subject: repo.kek.unwrap(one.wrapped) for subject, one in wrapped.items()}


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
    key, wrapped = draw(repo)
    with repo.database.writing() as session:
        row = session.get(DataKey, HOUSE)
        if row is not None:
            key, wrapped = repo.kek.unwrap(bytes(row.wrapped)), Wrapped(row.kek, bytes(row.wrapped))
        else:
            keep(repo, session, HOUSE, wrapped)
    for store in repo.stores.values():
        keep_second(store, HOUSE, wrapped)
    return key


def mirror_key(repo: Repository, store: ObjectStore) -> bytes | None:
    """Return the key that the ledger's mirror in a store is sealed with; None if it is not."""
    try:
        found = in_store(store, HOUSE)
        return unwrap(repo, HOUSE) if found is None else repo.kek.unwrap(found.wrapped)
    except KeyUnavailable:
        if repo.settings.encryption:
            raise
        return None


def destroy(session: Session, subject: str) -> None:
    """Destroy the wrapped key in the database, in the caller's transaction."""
    row = session.get(DataKey, subject)
    if row is not None:
        session.delete(row)


def destroy_second(store: ObjectStore, subject: str, order: Order) -> None:
    """Destroy the wrapped key in a store: every version of it.

    Raises:
        StoreUnavailable: the store does not answer; it is still there.
    """
    found = store.find(BUCKET, name_of(subject))
    if found is not None:
        store.destroy(found, order)
