"""The house's key-encryption keys: the newest in use wraps, each opens what it wrapped.

The first is the one of the settings. Another comes by decision of two persons
(`repository.rewrapping`) and stands in the database, so that every process learns of it with the
next key it draws.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Index, String, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from custody.database import Database
from repository.columns import UUID, Model
from repository.errors import KeyUnavailable
from repository.wrapping import KeyWrapper, open_wrapper

_USED, _UNASKED = "evidence key in use", object()
_WAITING = text("followed_at IS NULL")


class WrappingKey(Model):
    """A key-encryption key after the first; in use once it has an entry, until a later one has."""

    __tablename__ = "wrapping_key"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    uri: Mapped[str | None]  # None: the file of its id among the keys
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    entry: Mapped[int | None]  # by which it came into use
    approval: Mapped[str | None] = mapped_column(String(40))  # of two persons
    finished_at: Mapped[datetime | None]  # everything was wrapped anew by it


class Rewrapped(Model):
    """A wrapped form of a data key that another one replaced."""

    __tablename__ = "rewrapped"
    wrapped_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(UUID)
    at: Mapped[datetime]
    entry: Mapped[int]
    followed_at: Mapped[datetime | None]  # no store keeps the old form any more
    __table_args__ = (
        Index("rewrapped_of", "subject"),
        Index("rewrapped_waiting", "subject", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("rewrapped_entry", "entry"),
    )


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


class KeyRing:
    """Wraps with the key in use, opens with whichever key wrapped; keys are opened when needed.

    Args:
        database: says which keys there are beside the first.
        first: URI of the first key.
        folder: where the files of later keys are.
        passphrase: opens each of them, or the module that holds it.

    Raises:
        KeyUnavailable: the key in use cannot be opened.
    """

    def __init__(self, database: Database, first: str, folder: Path, passphrase: bytes) -> None:
        self._database = database
        self._first = first
        self._folder = folder
        self.passphrase = passphrase
        self._held: dict[str, KeyWrapper] = {}
        self._later: set[str] = set()
        with database.reading() as session:
            self.current(session)

    def current(self, session: Session) -> KeyWrapper:
        """Return the key that wraps now.

        Raises:
            KeyUnavailable: this machine cannot open it.
        """
        row = session.info.get(_USED, _UNASKED)  # once a transaction: things are drawn by hundreds
        if row is _UNASKED:
            row = session.info[_USED] = used(session)
        return self.first() if row is None else self.opened(row.id, row.uri)

    def wrap(self, session: Session, key: bytes) -> Wrapped:
        """Return the wrapped form of a 32-byte key.

        Raises:
            KeyUnavailable: this machine cannot open the key in use.
        """
        current = self.current(session)
        return Wrapped(current.id, current.wrap(key))

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """Return a data key.

        Raises:
            KeyUnavailable: this machine has not the key that wrapped it, or it is damaged.
        """
        return self._that(wrapped.kek).unwrap(wrapped.wrapped)

    def first(self) -> KeyWrapper:
        """Return the key of the settings.

        Raises:
            KeyUnavailable: this machine cannot open it.
        """
        found = self._held.get("")
        if found is None:
            found = open_wrapper(self._first, passphrase=self.passphrase)
            self._held[""] = self._held[found.id] = found
        return found

    def opened(self, kek: str, uri: str | None) -> KeyWrapper:
        """Return a later key.

        Raises:
            KeyUnavailable: this machine cannot open it, or what is there is another key.
        """
        self._later.add(kek)
        found = self._held.get(kek)
        if found is None:
            place = uri or file_of(self._folder, kek).as_uri()
            found = open_wrapper(place, passphrase=self.passphrase)
            if found.id != kek:
                raise KeyUnavailable(
                    f"{place.partition('?')[0]} holds the key-encryption key {found.id}, not {kek}"
                )
            self._held[kek] = found
        return found

    def is_later(self, kek: str) -> bool:
        """Say whether a key came after the first."""
        first = self._held.get("")
        if kek not in self._later and (first is None or first.id != kek):
            with self._database.reading() as session:
                return session.get(WrappingKey, kek) is not None
        return kek in self._later

    def _that(self, kek: str) -> KeyWrapper:
        found = self._held.get(kek)
        if found is not None:
            return found
        with self._database.reading() as session:
            row = session.get(WrappingKey, kek)
        # A database of before the key came may meet what it wrapped: in the store.
        if row is not None or file_of(self._folder, kek).exists():
            return self.opened(kek, row.uri if row else None)
        first = self.first()
        if first.id != kek:
            raise KeyUnavailable(
                f"a data key does not open: the key-encryption key {kek} wrapped it, and this "
                f"machine has {first.id}; bring back keys/kek.json, keys/kek-{kek}.json or the "
                "right kek_uri"
            )
        return first


def used(session: Session) -> WrappingKey | None:
    """Return the key in use; None: it is the first."""
    query = select(WrappingKey).where(WrappingKey.entry.is_not(None))
    return session.scalar(query.order_by(WrappingKey.entry.desc()).limit(1))


def later_keys(session: Session) -> Sequence[WrappingKey]:
    """Return every key after the first, the newest first."""
    rows = session.scalars(select(WrappingKey)).all()
    return sorted(rows, key=lambda row: -1 if row.entry is None else row.entry, reverse=True)


def lacking(session: Session, folder: Path) -> list[Path]:
    """Return the files of later keys that this machine has not."""
    files = [file_of(folder, row.id) for row in later_keys(session) if row.uri is None]
    return [file for file in files if not file.exists()]


def in_modules(session: Session) -> list[str]:
    """Return the later keys that never leave their module, as `setting: place`."""
    uris = [row.uri for row in later_keys(session) if row.uri is not None]
    return [f"kek rotate: {uri.partition('?')[0]}" for uri in uris]


def file_of(folder: Path, kek: str) -> Path:
    """Return where the file of a later key is, in the folder of keys."""
    return folder / f"kek-{kek}.json"
