"""Write-once objects in a local folder.

An object is written to an unnamed file, synced, and linked to its name without clobbering; a crash
leaves either nothing or the whole. Protection is mode 0444 and this code: whoever owns the folder
can change it, and the digests in the ledger show it. Where the settings ask for it and root runs
the program, the file system's immutable attribute is set too. A lock is a record beside the object,
authenticated, a new file for every change: `<key>.1.lock`, `<key>.2.lock`; the newest counts.
"""

import hmac
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from custody.entry import timestamp
from repository.errors import (
    BadRequest,
    Locked,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreUnavailable,
    StoreUnfit,
)
from repository.stores import (
    BUCKETS,
    CANARY,
    LOCKED,
    Access,
    Block,
    Capabilities,
    Order,
    Report,
    Stored,
    check_staging,
    check_term,
    compare,
)
from repository.write_once import (
    IMMUTABLE,
    Span,
    Written,
    digest_of,
    explained,
    flags_of,
    set_immutable,
    sync_folder,
    write,
)

NAME = "folder"
VERSION = "1"
LOCK = ".lock"
_TRIAL_SECONDS = 3600.0  # a trial of the locks is over by then, or was killed


class FolderStore:
    """Buckets are folders below `root`, keys are paths below a bucket."""

    name = NAME

    largest = None

    def __init__(self, root: Path, access: Access = Access()) -> None:  # noqa: B008 - frozen
        self.root = root
        self._access = access
        self._secret = (access.secret_key or "").encode()
        self._known: set[Path] = set()

    def prepare(self) -> None:
        """Make the buckets' folders."""
        for bucket in BUCKETS:
            with explained(self.root / bucket):
                self._folder(self.root / bucket)

    def probe(self) -> Capabilities:
        """Try to overwrite, shorten and destroy an object of our own; see `ObjectStore.probe`."""
        key = f"{CANARY}{os.urandom(16).hex()}"
        until = self._access.clock() + timedelta(minutes=1)
        mine = self.put([b"canary"], bucket="evidence", key=key, retain_until=until)
        order = Order("sha256:" + "0" * 64, "canary", "nobody")
        attempts: dict[str, tuple[Callable[[], object], type[StoreError]]] = {
            "overwritten": (lambda: self.put([b"x"], bucket="evidence", key=key), NameTaken),
            "shortened": (lambda: self.extend(mine, until - timedelta(seconds=30)), Locked),
            "destroyed": (lambda: self.destroy(mine, order), Locked),
        }
        for what, (attempt, refusal) in attempts.items():
            with suppress(refusal):
                attempt()
                raise StoreUnfit(f"a locked object in {self.root} could be {what}")
        path = self._path("evidence", key)
        with explained(path):
            strength = "immutable" if flags_of(path) & IMMUTABLE else "mode"
            self._remove(path)
        return Capabilities(strength)

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
        """Write once; see `ObjectStore.put`."""
        path = self._path(bucket, key)
        check_term(retain_until, self._access.clock)
        with explained(path):
            folder = self._folder(path.parent)
        written, hashed = write(folder, path, blocks, hashing=digest is None)
        try:
            found = digest() if digest is not None else hashed
        except BaseException:
            written.close()
            raise
        stored = Stored(NAME, bucket, key, VERSION, found, written.size, retain_until, hold)
        with explained(path):
            self._settle(written, stored, path)
            if retain_until is not None or hold:
                self._record(path, lambda lock: lock.at_least(retain_until, hold=hold))
            sync_folder(path.parent)  # one for both names
            self._protect(path, bucket)
        return self.stat(stored)

    def extend(self, stored: Stored, retain_until: datetime) -> Stored:
        """Lock longer; see `ObjectStore.extend`."""
        check_term(retain_until, self._access.clock)
        held = self.stat(stored)
        if held.retain_until is not None and retain_until < held.retain_until:
            raise Locked(f"{stored.bucket}/{stored.key} is locked for longer; locks only grow")
        found = self._relock(stored, lambda lock: lock.at_least(retain_until, hold=False))
        if found.retain_until is None or timestamp(found.retain_until) < timestamp(retain_until):
            raise StoreUnfit(f"the lock of {stored.bucket}/{stored.key} did not read back as set")
        return found

    def set_hold(self, stored: Stored, *, on: bool, authority: str = "") -> Stored:
        """Place or lift a legal hold; see `ObjectStore.set_hold`."""
        if not on and not authority:
            raise Locked("a legal hold is lifted by an authority; name it")
        found = self._relock(stored, lambda lock: replace(lock, hold=on))
        if found.hold != on:
            raise StoreUnfit(f"the hold of {stored.bucket}/{stored.key} did not read back as set")
        return found

    def verify(self, stored: Stored) -> Report:
        """Re-hash the object and read its lock; see `ObjectStore.verify`."""
        try:
            held = self.stat(stored)
            with explained(self._path(stored.bucket, stored.key)):
                digest, size = digest_of(self._path(stored.bucket, stored.key))
        except NoSuchObject as error:
            return Report("fail", str(error))
        except StoreUnavailable as error:
            return Report("not-done", str(error))
        except StoreError as error:
            return Report("fail", str(error))
        return compare(stored, held, digest, size)

    def destroy(self, stored: Stored, order: Order) -> None:
        """Destroy an object whose locks ended; see `ObjectStore.destroy`."""
        del order  # its making is the check; what it orders is recorded above
        held = self.stat(stored)
        if held.hold:
            raise Locked(f"{stored.bucket}/{stored.key} is under a legal hold")
        if held.retain_until is not None and held.retain_until > self._access.clock():
            raise Locked(f"{stored.bucket}/{stored.key} is locked until {held.retain_until}")
        path = self._path(stored.bucket, stored.key)
        with explained(path):
            self._remove(path)

    def discard(self, stored: Stored) -> None:
        """Remove an object of the bucket `staging`; see `ObjectStore.discard`."""
        check_staging(stored)
        path = self._path(stored.bucket, stored.key)
        with explained(path):
            path.unlink(missing_ok=True)

    def abort_stale(self, older: timedelta) -> int:
        """Remove unfinished files that nobody writes any more; see `ObjectStore.abort_stale`.

        And what killed trials of the locks (`probe`) left: objects of our own.
        """
        end = time.time() - older.total_seconds()
        found = 0
        with explained(self.root):
            for part in self.root.rglob(".*.part"):
                if part.stat().st_mtime <= end:
                    part.unlink()
                    found += 1
            for canary in (self.root / "evidence" / CANARY).glob("*"):
                if canary.stat().st_mtime <= min(end, time.time() - _TRIAL_SECONDS):
                    if flags_of(canary) & IMMUTABLE:
                        set_immutable(canary, on=False)
                    canary.unlink()
                    found += canary.suffix != LOCK
        return found

    def hidden(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Yield nothing: a folder has no delete markers."""
        self._bucket(bucket)
        yield from ()

    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> BinaryIO:
        """Open the object's file at a position; it ends after `length` bytes."""
        path = self._path(stored.bucket, stored.key)
        with explained(path):
            file = Span(path, length)
            file.seek(start)
        return file

    def stat(self, stored: Stored) -> Stored:
        """Return size and lock as they are on disk."""
        path = self._path(stored.bucket, stored.key)
        with explained(path):
            size = path.stat().st_size
            until, hold = self._lock(path)
        return Stored(NAME, stored.bucket, stored.key, VERSION, stored.sha256, size, until, hold)

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return the object under a name, hashed, or None."""
        path = self._path(bucket, key)
        with explained(path):
            if not path.is_file():
                return None
            until, hold = self._lock(path)
            digest, size = digest_of(path)
        return Stored(NAME, bucket, key, VERSION, digest, size, until, hold)

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield objects whose key begins with a prefix, in the order of their names."""
        base = self._bucket(bucket)
        with explained(base):
            for key in _keys(base, "", prefix, after) if base.is_dir() else ():
                until, hold = self._lock(base / key)
                size = (base / key).stat().st_size
                yield Stored(NAME, bucket, key, VERSION, "", size, until, hold)

    def _bucket(self, bucket: str) -> Path:
        if bucket not in BUCKETS:
            raise StoreError(f"there is no bucket {bucket}")
        return self.root / bucket

    def _path(self, bucket: str, key: str) -> Path:
        """Return where an object lies; hidden names and locks are the store's own."""
        words = key.split("/")
        if any(not word or word.startswith(".") or "\0" in word for word in words):
            raise StoreError(f"{bucket}/{key!r} is no name for an object")
        if key.endswith(LOCK):
            raise StoreError(f"{bucket}/{key} is the name of a lock record")
        return self._bucket(bucket) / key

    def _folder(self, folder: Path) -> Path:
        """Make a folder durably, once."""
        if folder not in self._known:
            ours = [p for p in (folder, *folder.parents) if self.root in p.parents]
            missing = [p for p in (self.root, *self.root.parents) if not p.exists()]
            for path in (*reversed(missing), *reversed(ours)):
                with suppress(FileExistsError):
                    path.mkdir(mode=0o755)
                sync_folder(path.parent)  # also of one that is there: its maker may have died
            self._known.add(folder)
        return folder

    def _settle(self, written: "Written", stored: Stored, path: Path) -> None:
        """Give the written file its name, or find that the same bytes have it already."""
        try:
            written.link(path)
        except FileExistsError as error:
            digest, _ = digest_of(path)
            if digest != stored.sha256:
                raise NameTaken(
                    f"other bytes are stored as {stored.bucket}/{stored.key}; nothing was changed"
                ) from error
        finally:
            written.close()

    def _relock(self, stored: Stored, change: Callable[["_Lock"], "_Lock"]) -> Stored:
        path = self._path(stored.bucket, stored.key)
        self.stat(stored)
        with explained(path):
            self._record(path, change)
            sync_folder(path.parent)
        return self.stat(stored)

    def _record(self, path: Path, change: Callable[["_Lock"], "_Lock"]) -> None:
        """Write the next lock record of an object, made from the newest one."""
        while True:
            number = max(_records(path), default=0)
            held = _Lock(*self._lock(path))
            wanted = change(held)
            if number and wanted == held:
                return
            until = timestamp(wanted.until) if wanted.until else None
            found = {"n": number + 1, "retain_until": until, "hold": wanted.hold}
            found["mac"] = self._mac(path, found)
            lock = path.with_name(f"{path.name}.{number + 1}{LOCK}")
            written, _ = write(path.parent, lock, [json.dumps(found).encode()], hashing=False)
            try:
                written.link(lock)
            except FileExistsError:
                continue  # somebody else was quicker: ours is made from theirs
            finally:
                written.close()
            self._protect(lock, "evidence")
            return

    def _lock(self, path: Path) -> tuple[datetime | None, bool]:
        """Read the newest lock record of an object, which must be ours."""
        number = max(_records(path), default=0)
        if not number:
            return None, False
        text = path.with_name(f"{path.name}.{number}{LOCK}").read_bytes()
        try:
            found = json.loads(text)
            told = str(found.pop("mac"))
            same = hmac.compare_digest(told, self._mac(path, found))
            until, hold = found["retain_until"], bool(found["hold"])
            if same and found["n"] == number:
                return datetime.fromisoformat(until) if until else None, hold
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"the lock record of {path} is damaged") from error
        raise StoreError(f"the lock record of {path} was not written by this repository")

    def _mac(self, path: Path, found: dict[str, Any]) -> str:
        said = json.dumps([str(path.relative_to(self.root)), found], sort_keys=True)
        return hmac.new(self._secret, said.encode(), sha256).hexdigest()

    def _protect(self, path: Path, bucket: str) -> None:
        """Set the immutable attribute where it is wanted and permitted."""
        if self._access.immutable and bucket in LOCKED:
            set_immutable(path, on=True)

    def _remove(self, path: Path) -> None:
        """Remove an object and then its lock records."""
        records = [path.with_name(f"{path.name}.{n}{LOCK}") for n in sorted(_records(path))]
        for file in (path, *records):
            if flags_of(file) & IMMUTABLE:
                set_immutable(file, on=False)
            file.unlink()
        sync_folder(path.parent)


def open_store(url: str, access: Access) -> FolderStore:
    """Return the store of `file:///folder`.

    Raises:
        BadRequest: the URL names no absolute folder of this machine.
    """
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    # A `#` or `?` that is not quoted would name another folder than the one meant.
    if parts.netloc or parts.query or "#" in url or "?" in url or not folder.is_absolute():
        raise BadRequest(f"{url} names no folder; write file:///folder, as Path.as_uri() gives it")
    return FolderStore(folder, access)


def _keys(base: Path, folder: str, prefix: str, after: str) -> Iterator[str]:
    """Yield the keys below a folder ("" or ending in "/") in the order of their bytes.

    One folder's names are in memory at a time; hidden names are unfinished writes.
    """
    with os.scandir(base / folder) as entries:
        names = sorted(
            entry.name + "/" if entry.is_dir() else entry.name
            for entry in entries
            if not entry.name.startswith(".") and not entry.name.endswith(LOCK)
        )
    for key in (folder + name for name in names):
        if not key.endswith("/"):
            if key.startswith(prefix) and key > after:
                yield key
        elif (key.startswith(prefix) or prefix.startswith(key)) and (
            key > after or after.startswith(key)
        ):
            yield from _keys(base, key, prefix, after)


@dataclass(frozen=True, slots=True)
class _Lock:
    """Retention and hold of an object."""

    until: datetime | None
    hold: bool

    def at_least(self, until: datetime | None, *, hold: bool) -> "_Lock":
        """Return a lock that is never weaker than this one, nor than what is asked."""
        ends = [one for one in (self.until, until) if one is not None]
        return _Lock(max(ends, default=None), self.hold or hold)


def _records(path: Path) -> list[int]:
    """Return the numbers of an object's lock records; a repository of today has few."""
    numbers = []
    number = 1
    while os.path.exists(f"{path}.{number}{LOCK}"):  # noqa: PTH110 - asked of every object
        numbers.append(number)
        number += 1
    return numbers
