"""ObjectStore, its contract, and open_store(url): the scheme names the file beside this one.

A store holds opaque bytes under names drawn by the caller. It never overwrites, it says where and
until when it keeps what it took, and everything it gives back is checked above it
(`repository.chunks`), because no store is believed. `tests/contract/test_stores.py` asserts the
twenty guarantees of the contract on every store.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from custody.entry import timestamp
from repository.errors import BadRequest, Locked

BUCKETS = ("evidence", "derived", "ledger", "keys", "staging")
LOCKED = ("evidence", "ledger")  # the others can be erased
STAGING = "staging"  # bytes on their way in or out; the only bucket from which a store discards
CANARY = "canary/"  # names of objects that try the locks
SCHEMES: Mapping[str, str] = {"file": "folder", "s3+http": "s3", "s3+https": "s3"}

Block = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored, where, and locked until when, as read back.

    `sha256` (`sha256:` and hex) and `size` (bytes) are those of the stored bytes.
    """

    store: str
    bucket: str
    key: str
    version: str
    sha256: str
    size: int
    retain_until: datetime | None
    hold: bool

    def to_json(self) -> dict[str, Any]:
        """Return the form that entries and tables keep (docs/format.md 2.3)."""
        found: dict[str, Any] = {
            "store": self.store,
            "bucket": self.bucket,
            "key": self.key,
            "version": self.version,
            "sha256": self.sha256,
            "size": self.size,
            "hold": self.hold,
        }
        if self.retain_until is not None:
            found["retain_until"] = timestamp(self.retain_until)
        return found

    def location(self) -> dict[str, str]:
        """Return where it is, as entries name a place."""
        return {
            "store": self.store,
            "bucket": self.bucket,
            "key": self.key,
            "version": self.version,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Stored":
        """Read what `to_json` wrote."""
        until = found.get("retain_until")
        return cls(
            found["store"],
            found["bucket"],
            found["key"],
            found["version"],
            found["sha256"],
            found["size"],
            datetime.fromisoformat(until) if until else None,
            found["hold"],
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store was found to do.

    `lock_strength`: `compliance` (nobody before the end), `governance` (not without a special
    right), `immutable` (not before root lifts an attribute), `mode` (file permissions and this
    program alone). `clock_skew` is the server's clock less ours, in seconds.
    """

    lock_strength: str
    clock_skew: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a full check of one object came to: `pass`, `fail` or `not-done`, and why."""

    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Order:
    """The order to destroy: the digest of its document, who asked and who else approved.

    Raises:
        BadRequest: no digest, or one person alone.
    """

    document: str
    requested_by: str
    approved_by: str

    def __post_init__(self) -> None:
        if not self.document.startswith("sha256:"):
            raise BadRequest("an order to destroy names the digest of its document")
        if not self.requested_by or not self.approved_by or self.requested_by == self.approved_by:
            raise BadRequest("an order to destroy needs two different persons")


class ObjectStore(Protocol):
    """The contract of every store; `tests/contract/test_stores.py` asserts it."""

    name: str
    largest: int | None  # bytes of one object; what is longer becomes several

    def prepare(self) -> None:
        """Make the buckets, with Object Lock where evidence and ledger lie.

        Raises:
            StoreUnfit: a bucket exists without what evidence needs.
            StoreUnavailable: the store does not answer.
        """

    def probe(self) -> Capabilities:
        """Try to break the locks on objects of the store's own, as it keeps exhibits.

        Raises:
            StoreUnfit: something that must be refused was done, or the clocks differ too much.
            StoreUnavailable: the store does not answer.
        """

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
        """Write once, durably, lock, and return what was read back of the lock.

        The same bytes under the same name again give the existing object. If the blocks raise,
        nothing is stored and the error passes through.

        Args:
            blocks: the bytes; each block is used before the next is asked for.
            bucket: one of `BUCKETS`.
            key: the name, drawn by the caller.
            size: bytes to expect, if known.
            retain_until: until when nobody may delete it.
            hold: a legal hold.
            digest: gives `sha256:…` of all blocks once they are exhausted, so that nothing is
                hashed twice; None: the store hashes.

        Raises:
            BadRequest: a lock without a time zone, or one that lies in the past.
            NameTaken: other bytes stand under this name.
            StoreFull, StoreUnavailable, StoreUnfit: not stored.
        """

    def open(
        self, stored: Stored, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Return that version's bytes from start; nothing is verified here.

        Raises:
            NoSuchObject: it is gone.
            StoreUnavailable: the store does not answer.
        """

    def stat(self, stored: Stored) -> Stored:
        """Return the object as it is now: its size and its lock, read back.

        Raises:
            NoSuchObject: it is gone.
            StoreUnavailable: the store does not answer.
        """

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return the newest version under a name, its bytes hashed; None if there is none."""

    def extend(self, stored: Stored, retain_until: datetime) -> Stored:
        """Lock longer and return the lock as read back; it is never made shorter.

        Raises:
            BadRequest: a time without a zone, or in the past.
            Locked: it is locked for longer already.
        """

    def set_hold(self, stored: Stored, *, on: bool, authority: str = "") -> Stored:
        """Place a legal hold, or take it off by an authority; independent of the retention.

        Raises:
            Locked: off, and no authority is named.
        """

    def verify(self, stored: Stored) -> Report:
        """Re-hash the whole object, read its lock, and look whether something hides it."""

    def destroy(self, stored: Stored, order: Order) -> None:
        """Destroy every version and marker of a name, and see that it is gone.

        Raises:
            Locked: retention runs, or a hold is on; nothing was destroyed.
        """

    def discard(self, stored: Stored) -> None:
        """Remove an object of the bucket `staging`, which holds nothing that counts as received.

        Removing what is gone changes nothing.

        Raises:
            Locked: it lies in another bucket; nothing is removed there without an order.
            StoreUnavailable: the store does not answer.
        """

    def abort_stale(self, older: timedelta) -> int:
        """Collect what uploads that died left unfinished; return how many."""

    def hidden(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Yield the names that a delete marker hides; their versions still read."""

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield every version under a prefix in the order of names; digests are empty.

        Args:
            bucket: one of `BUCKETS`.
            prefix: how the names begin.
            after: only names beyond this one; those before are not even listed.
        """


def now() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Access:
    """What opening a store needs beside its URL.

    `secret_key` is the S3 secret; a folder authenticates its lock records with it. `ca_file`: PEM
    file of the authorities that vouch for the server. `immutable`: set the file system's attribute.
    """

    access_key: str | None = None
    secret_key: str | None = None
    ca_file: Path | None = None
    immutable: bool = False
    clock: Callable[[], datetime] = now


def open_store(url: str, access: Access = Access()) -> ObjectStore:
    """Return the store of a URL: `file:///folder` or `s3+https://host:port/?prefix=name`.

    Raises:
        BadRequest: no such scheme.
        StoreUnavailable: it cannot be reached.
    """
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise BadRequest(f"no store is called {scheme!r}; known are {', '.join(SCHEMES)}")
    module = importlib.import_module(f"{__name__}.{SCHEMES[scheme]}")
    store: ObjectStore = module.open_store(url, access)
    return store


def check_staging(stored: Stored) -> None:
    """Refuse to discard what is not on its way in.

    Raises:
        Locked: it lies in a bucket from which nothing is removed without an order.
    """
    if stored.bucket != STAGING:
        raise Locked(f"{stored.bucket}/{stored.key} is kept; nothing there is discarded")


def check_term(retain_until: datetime | None, clock: Callable[[], datetime]) -> None:
    """Refuse a lock that names no zone or lies in the past; servers take such.

    Raises:
        BadRequest: as said.
    """
    if retain_until is None:
        return
    if retain_until.tzinfo is None:
        raise BadRequest("a lock needs a time with a zone")
    if retain_until <= clock():
        raise BadRequest("a lock that ended already protects nothing; is the clock right?")


def compare(stored: Stored, held: Stored, digest: str, size: int) -> Report:
    """Return what a re-read object comes to, against what was recorded of it."""
    if (digest, size) != (stored.sha256, stored.size):
        return Report("fail", f"{stored.bucket}/{stored.key}: its bytes are not those recorded")
    ends = stored.retain_until is not None and (
        held.retain_until is None or held.retain_until < stored.retain_until
    )
    if ends or (stored.hold and not held.hold):
        return Report("fail", f"{stored.bucket}/{stored.key}: its lock is weaker than recorded")
    return Report("pass", f"{size} bytes")
