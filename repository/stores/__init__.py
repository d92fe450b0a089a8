"""ObjectStore, its contract, and open_store(url): the scheme names the file beside this one.

A store holds opaque bytes under names drawn by the caller. It never overwrites, it says where and
until when it keeps what it took, and everything it gives back is checked above it
(`repository.chunks`), because no store is believed.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from custody.entry import timestamp
from repository.errors import BadRequest

BUCKETS = ("evidence", "derived", "ledger")
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


class ObjectStore(Protocol):
    """The contract of every store; `tests/contract/test_stores.py` asserts it."""

    name: str

    def prepare(self) -> None:
        """Make the buckets, with Object Lock where evidence and ledger lie.

        Raises:
            StoreUnfit: a bucket exists without what evidence needs.
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

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield every version under a prefix in the order of names; digests are empty.

        Args:
            bucket: one of `BUCKETS`.
            prefix: how the names begin.
            after: only names beyond this one; those before are not even listed.
        """


def open_store(
    url: str, *, access_key: str | None = None, secret_key: str | None = None
) -> ObjectStore:
    """Return the store of a URL: `file:///folder` or `s3+https://host:port/?prefix=name`.

    Raises:
        BadRequest: no such scheme.
        StoreUnavailable: it cannot be reached.
    """
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise BadRequest(f"no store is called {scheme!r}; known are {', '.join(SCHEMES)}")
    module = importlib.import_module(f"{__name__}.{SCHEMES[scheme]}")
    store: ObjectStore = module.open_store(url, access_key=access_key, secret_key=secret_key)
    return store
