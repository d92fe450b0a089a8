"""The house's own store, while it moves to another one and ever after.

Whoever asks for an object finds it where it is: what is new goes to the new store from the first
second of a move, what was there is read from either, and an object that has another version in its
new store is found by the one that was recorded (docs/decisions/0053). A move stands in the
database, so that every process of the house learns of it within a second.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any, BinaryIO, TypeVar

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from custody.database import Database
from repository.columns import UUID, Model
from repository.errors import Locked, NoSuchObject, StoreError, StoreUnavailable, StoreUnfit
from repository.stores import Block, Capabilities, ObjectStore, Order, Report, Stored
from repository.stores.copying import copy_object

_ASK = 1.0  # seconds between looks at whether a move began or ended
T = TypeVar("T")


class StoreMove(Model):
    """One move of the whole store: from where, to where, and what there was to move."""

    __tablename__ = "store_move"
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    source: Mapped[str]  # URLs, as settings name them
    target: Mapped[str]
    access_key_file: Mapped[str | None]  # of the target: files that every machine has
    secret_key_file: Mapped[str | None]
    ca_file: Mapped[str | None]
    started_at: Mapped[datetime]
    objects: Mapped[int]  # counted when it began
    size: Mapped[int]
    finished_at: Mapped[datetime | None]


class MovedObject(Model):
    """Where an object is by now that was recorded under another version, or in another store."""

    __tablename__ = "moved_object"
    bucket: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str] = mapped_column(String(1024), primary_key=True)  # as recorded
    stored: Mapped[dict[str, Any]]  # where it is
    size: Mapped[int]
    move: Mapped[str] = mapped_column(UUID, ForeignKey("store_move.id"))
    entry: Mapped[int | None]  # of the ledger, where it is of an exhibit
    __table_args__ = (Index("moved_object_of", "move", "key"),)


@dataclass(frozen=True, slots=True)
class Places:
    """Where objects are: `source` is the old store as long as a move lasts."""

    target: ObjectStore
    source: ObjectStore | None = None
    moved: bool = False  # some objects are not where they were recorded


class HouseStore:
    """The store that the settings name, or during a move both; see `ObjectStore`."""

    def __init__(
        self,
        own: ObjectStore,
        url: str,
        database: Database,
        opened: Callable[[StoreMove], ObjectStore],
        clock: Callable[[], datetime],
    ) -> None:
        self.name = own.name
        self.largest = own.largest
        self._own = own
        self._url = url
        self._database = database
        self._open = opened
        self._clock = clock
        self._lock = Lock()
        self._asked = -_ASK
        self._places = Places(own)
        self._target, self._move = own, ""  # the open target, and of which move it is

    def places(self, *, anew: bool = False) -> Places:
        """Return where objects are; asked of the database once a second.

        Raises:
            StoreUnfit: the settings name a store to which a move is not complete.
            StoreUnavailable: the store that is moved to cannot be opened.
        """
        with self._lock:
            if anew or monotonic() - self._asked >= _ASK:
                with self._database.reading() as session:
                    move = last_move(session)
                self._places = self._found(move)
                self._asked = monotonic()
                self.name, self.largest = self._places.target.name, self._places.target.largest
            return self._places

    def _found(self, move: StoreMove | None) -> Places:
        if move is None:
            return Places(self._own)
        if move.finished_at is None and move.target == self._url:
            raise StoreUnfit(
                f"the move to {move.target} is not complete: leave store_url as it was, and run "
                f"evidence store move --to {move.target}"
            )
        if move.finished_at is not None and move.source != self._url:
            return Places(self._own, moved=True)
        if self._move != move.id:
            self._target, self._move = self._open(move), move.id
        return Places(self._target, self._own, moved=True)

    def row(self, stored: Stored) -> Stored | None:
        """Return where an object was moved to, None if it was not."""
        with self._database.reading() as session:
            found = moved_to(session, stored)
        return None if found is None else replace(stored, store=found.store, version=found.version)

    def _candidates(self, stored: Stored, places: Places) -> list[tuple[ObjectStore, Stored]]:
        """Return where to look for an object, the likeliest first."""
        moved = self.row(stored) if places.moved else None
        if places.source is None:
            return [(places.target, moved or stored)]
        if moved is not None:
            return [(places.target, moved), (places.source, stored)]
        return [(places.source, stored), (places.target, stored)]

    def _first(self, stored: Stored, act: Callable[[ObjectStore, Stored], T]) -> T:
        """Do something with an object where it is found."""
        candidates = self._candidates(stored, self.places())
        try:
            return _first_of(candidates, act)
        except (NoSuchObject, StoreUnavailable):
            again = self._candidates(stored, self.places(anew=True))
            if again == candidates:
                raise
            return _first_of(again, act)  # a move began, or came to this object

    def prepare(self) -> None:
        """Make the buckets; see `ObjectStore.prepare`."""
        self.places().target.prepare()

    def probe(self) -> Capabilities:
        """Try to break the locks of where things are taken in; see `ObjectStore.probe`."""
        return self.places(anew=True).target.probe()

    def put(
        self,
        blocks: Iterable[Block],
        *,
        bucket: str,
        key: str,
        size: int | None = None,
        retain_until: datetime | None = None,
        hold: bool = False,
        digest: Callable[[], str] | None = None,
    ) -> Stored:
        """Write once, to the new store; what has the name in the old one is brought over first."""
        places = self.places()
        if places.source is not None:
            found = places.source.find(bucket, key)
            if found is not None and places.target.find(bucket, key) is None:
                copy_object(places.source, found, places.target, key, at=self._clock())
        return places.target.put(
            blocks, bucket=bucket, key=key, size=size, retain_until=retain_until, hold=hold,
            digest=digest,
        )  # fmt: skip

    @contextmanager
    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """Yield an object's bytes from where it is; see `ObjectStore.open`."""
        with ExitStack() as stack:
            yield self._first(
                stored,
                lambda store, one: stack.enter_context(store.open(one, start, length)),
            )

    def stat(self, stored: Stored) -> Stored:
        """Return an object as it is now; see `ObjectStore.stat`."""
        return self._first(stored, lambda store, one: store.stat(one))

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return the newest version under a name, hashed, or None; see `ObjectStore.find`."""
        places = self.places()
        found = places.target.find(bucket, key)
        if found is None and places.source is not None:
            found = places.source.find(bucket, key)
        return found

    def extend(self, stored: Stored, retain_until: datetime) -> Stored:
        """Lock longer, wherever it is; see `ObjectStore.extend`."""
        return self._everywhere(stored, lambda store, one: store.extend(one, retain_until))

    def set_hold(self, stored: Stored, *, on: bool, authority: str = "") -> Stored:
        """Place or lift a legal hold, wherever it is; see `ObjectStore.set_hold`."""
        return self._everywhere(
            stored, lambda store, one: store.set_hold(one, on=on, authority=authority)
        )

    def _everywhere(self, stored: Stored, act: Callable[[ObjectStore, Stored], Stored]) -> Stored:
        """Change a lock in the old store, then in the new one if the object has come there.

        In this order: whoever moves it compares the locks after he noted where it is.
        """
        places = self.places()
        found = None
        if places.source is not None:
            with suppress(NoSuchObject, Locked):  # locked for longer there is no less
                found = act(places.source, stored)
        moved = self.row(stored) if places.moved else None
        if found is None or moved is not None:
            found = act(places.target, moved or stored)
        return found

    def verify(self, stored: Stored) -> Report:
        """Re-hash an object where it is read from; see `ObjectStore.verify`."""
        candidates = self._candidates(stored, self.places())
        for store, one in candidates[:-1]:
            try:
                store.stat(one)
            except (NoSuchObject, StoreUnavailable):
                continue
            except StoreError:
                pass  # it is there, and its check below says what is wrong
            return store.verify(one)
        store, one = candidates[-1]
        return store.verify(one)

    def destroy(self, stored: Stored, order: Order) -> None:
        """Destroy every version of a name, in both stores; see `ObjectStore.destroy`."""
        places = self.places(anew=True)
        if places.source is not None:
            with suppress(NoSuchObject):
                places.source.destroy(stored, order)
            with suppress(NoSuchObject):
                places.target.destroy(self.row(stored) or stored, order)
            return
        places.target.destroy((self.row(stored) if places.moved else None) or stored, order)

    def discard(self, stored: Stored) -> None:
        """Remove an object of the bucket `staging`, wherever it is; see `ObjectStore.discard`."""
        places = self.places()
        if places.source is not None:
            places.source.discard(stored)
        places.target.discard((self.row(stored) if places.moved else None) or stored)

    def abort_stale(self, older: timedelta) -> int:
        """Collect what uploads that died left; see `ObjectStore.abort_stale`."""
        return sum(store.abort_stale(older) for store in self._both())

    def hidden(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Yield the names that a delete marker hides; see `ObjectStore.hidden`."""
        for store in self._both():
            yield from store.hidden(bucket, prefix)

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield every version in the order of names; what is in both stores, of the new one."""
        listed = [store.versions(bucket, prefix, after=after) for store in self._both()]
        if len(listed) == 1:
            yield from listed[0]
            return
        new, old = (((one.key, n, one) for one in some) for n, some in enumerate(listed))
        taken = None
        for key, n, one in heapq.merge(new, old, key=lambda found: found[:2]):
            if n == 0:
                taken = key
            if n == 0 or key != taken:
                yield one

    def _both(self) -> list[ObjectStore]:
        places = self.places()
        return [places.target] if places.source is None else [places.target, places.source]


def last_move(session: Session) -> StoreMove | None:
    """Return the move that goes on or was the last, if there ever was one."""
    query = select(StoreMove).order_by(StoreMove.started_at.desc(), StoreMove.id.desc())
    return session.scalar(query.limit(1))


def moved_to(session: Session, stored: Stored) -> Stored | None:
    """Return where an object was moved to, as it was read back then."""
    row = session.get(MovedObject, (stored.bucket, stored.key, stored.version))
    return None if row is None else Stored.from_json(row.stored)


def moved(
    session: Session, objects: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return by key and recorded version where objects of exhibits are, if they were moved."""
    query = select(MovedObject).where(
        MovedObject.bucket == "evidence", MovedObject.key.in_({one["key"] for one in objects})
    )
    return {(row.key, row.version): row.stored for row in session.scalars(query)}


def _first_of(
    candidates: Sequence[tuple[ObjectStore, Stored]], act: Callable[[ObjectStore, Stored], T]
) -> T:
    for store, one in candidates[:-1]:
        try:
            return act(store, one)
        except (NoSuchObject, StoreUnavailable):
            continue
    store, one = candidates[-1]
    return act(store, one)
