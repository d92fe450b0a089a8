"""Write-once objects in a local folder.

An object is written to an unnamed file, synced, and linked to its name without clobbering; a crash
leaves either nothing or the whole. Protection is mode 0444 and this code: whoever owns the folder
can change it, and the digests in the ledger show it. Locks are kept in a sidecar `<key>.lock`.
"""

import errno
import fcntl
import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from custody.entry import timestamp
from repository.errors import (
    BadRequest,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from repository.stores import BUCKETS, Block, Stored

NAME = "folder"
VERSION = "1"
LOCK = ".lock"
DIRECT_FROM = 1 << 20  # blocks from this size on go past the page cache
_ALIGN = mmap.PAGESIZE
_READ = 4 << 20


class FolderStore:
    """Buckets are folders below `root`, keys are paths below a bucket."""

    name = NAME

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: set[Path] = set()

    def prepare(self) -> None:
        """Make the buckets' folders."""
        for bucket in BUCKETS:
            with _explained(self.root / bucket):
                self._folder(self.root / bucket)

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
        if retain_until is not None and retain_until.tzinfo is None:
            raise BadRequest("a lock needs a time with a zone")
        with _explained(path):
            folder = self._folder(path.parent)
        written, hashed = _write(folder, path, blocks, hashing=digest is None)
        try:
            found = digest() if digest is not None else hashed
        except BaseException:
            written.close()
            raise
        stored = Stored(NAME, bucket, key, VERSION, found, written.size, retain_until, hold)
        with _explained(path):
            self._settle(written, stored, path)
            if retain_until is not None or hold:
                self._lock(stored, path)
            _sync_folder(path.parent)  # one for both names
        return self.stat(stored)

    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> BinaryIO:
        """Open the object's file at a position; it ends after `length` bytes."""
        path = self._path(stored.bucket, stored.key)
        with _explained(path):
            file = _Span(path, length)
            file.seek(start)
        return file

    def stat(self, stored: Stored) -> Stored:
        """Return size and lock as they are on disk."""
        path = self._path(stored.bucket, stored.key)
        with _explained(path):
            size = path.stat().st_size
            until, hold = _read_lock(path)
        return Stored(NAME, stored.bucket, stored.key, VERSION, stored.sha256, size, until, hold)

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return the object under a name, hashed, or None."""
        path = self._path(bucket, key)
        with _explained(path):
            if not path.is_file():
                return None
            until, hold = _read_lock(path)
            digest, size = _digest(path)
        return Stored(NAME, bucket, key, VERSION, digest, size, until, hold)

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield objects whose key begins with a prefix, in the order of their names."""
        base = self._bucket(bucket)
        with _explained(base):
            for key in _keys(base, "", prefix, after) if base.is_dir() else ():
                until, hold = _read_lock(base / key)
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
                _sync_folder(path.parent)  # also of one that is there: its maker may have died
            self._known.add(folder)
        return folder

    def _settle(self, written: "_Written", stored: Stored, path: Path) -> None:
        """Give the written file its name, or find that the same bytes have it already."""
        try:
            written.link(path)
        except FileExistsError as error:
            digest, _ = _digest(path)
            if digest != stored.sha256:
                raise NameTaken(
                    f"other bytes are stored as {stored.bucket}/{stored.key}; nothing was changed"
                ) from error
        finally:
            written.close()

    def _lock(self, stored: Stored, path: Path) -> None:
        until = timestamp(stored.retain_until) if stored.retain_until else None
        text = json.dumps({"retain_until": until, "hold": stored.hold}).encode()
        lock = path.with_name(path.name + LOCK)
        if lock.exists():
            return
        written, _ = _write(path.parent, lock, [text], hashing=False)
        with suppress(FileExistsError):
            written.link(lock)
        written.close()


class _Span(FileIO):
    """A file that ends after a number of bytes from where it is read first."""

    def __init__(self, path: Path, length: int | None) -> None:
        super().__init__(path, "rb")
        self._left = length

    def read(self, size: int | None = -1) -> bytes:
        """Return up to size bytes."""
        if self._left is None:
            return super().read(size)
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        block = super().read(wanted)
        self._left -= len(block)
        return block

    def readall(self) -> bytes:
        """Return the rest."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")
        got = super().readinto(view if self._left is None else view[: self._left]) or 0
        if self._left is not None:
            self._left -= got
        return got


class _Written:
    """A file that is being written and has no name yet."""

    def __init__(self, descriptor: int, temporary: Path | None) -> None:
        self._descriptor = descriptor
        self._temporary = temporary
        self._direct = False
        self.size = 0

    def write(self, block: memoryview) -> None:
        """Append a block; large aligned ones go past the page cache, whose write-back stalls."""
        if not self.size and len(block) >= DIRECT_FROM:
            self._set_direct(on=True)
        if self._direct and len(block) % _ALIGN:
            self._set_direct(on=False)  # the last, shorter block
        rest = block
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._set_direct(on=False)  # a file system or a buffer that cannot
        self.size += len(block)

    def sync(self) -> None:
        """Make it read-only and durable."""
        os.fchmod(self._descriptor, 0o444)
        os.fsync(self._descriptor)

    def _set_direct(self, *, on: bool) -> None:
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        wanted = flags | os.O_DIRECT if on else flags & ~os.O_DIRECT
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, wanted)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            on = False
        self._direct = on

    def link(self, path: Path) -> None:
        """Link it to its name, which must be free; the folder is synced afterwards."""
        if self._temporary is not None:
            os.link(self._temporary, path)
            return
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # With a directory descriptor Python calls linkat(2), which follows the proc link.
            source = f"/proc/self/fd/{self._descriptor}"
            os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let go of the file; without a name it is gone."""
        os.close(self._descriptor)
        if self._temporary is not None:
            self._temporary.unlink()


def open_store(url: str, *, access_key: str | None, secret_key: str | None) -> FolderStore:
    """Return the store of `file:///folder`; credentials are not used.

    Raises:
        BadRequest: the URL names no absolute folder of this machine.
    """
    del access_key, secret_key
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    # A `#` or `?` that is not quoted would name another folder than the one meant.
    if parts.netloc or parts.query or "#" in url or "?" in url or not folder.is_absolute():
        raise BadRequest(f"{url} names no folder; write file:///folder, as Path.as_uri() gives it")
    return FolderStore(folder)


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


def _write(
    folder: Path, path: Path, blocks: Iterable[Block], *, hashing: bool
) -> tuple[_Written, str]:
    with _explained(path):
        written = _Written(*_unnamed(folder, path))
    digest = sha256()
    try:
        for block in blocks:  # errors of the source pass through as they are
            if hashing:
                digest.update(block)
            with _explained(path):
                written.write(memoryview(block))
        with _explained(path):
            written.sync()
    except BaseException:
        written.close()
        raise
    return written, f"sha256:{digest.hexdigest()}"


def _unnamed(folder: Path, path: Path) -> tuple[int, Path | None]:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), None
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(temporary, flags, 0o600), temporary


def _digest(path: Path) -> tuple[str, int]:
    digest, size = sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ):
            digest.update(block)
            size += len(block)
    return f"sha256:{digest.hexdigest()}", size


def _read_lock(path: Path) -> tuple[datetime | None, bool]:
    try:
        found = json.loads(path.with_name(path.name + LOCK).read_bytes())
        until = found["retain_until"]
        return datetime.fromisoformat(until) if until else None, bool(found["hold"])
    except FileNotFoundError:
        return None, False
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the lock record of {path} is damaged") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _explained:  # noqa: N801 - reads as the statement it is
    """Turn the operating system's errors into the store's, naming the object."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(
                "the disk of the object store is full; make room and try again"
            ) from error
        if error.errno == errno.ENOENT:
            raise NoSuchObject(f"{self._path} is not in the store") from error
        if error.errno != errno.EEXIST:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error
