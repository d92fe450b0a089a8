"""Files that are written once: unnamed until whole, synced, then linked without clobbering."""

import array
import errno
import fcntl
import mmap
import os
from collections.abc import Iterable
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any

from repository.errors import NoSuchObject, StoreFull, StoreUnavailable
from repository.stores import Block

DIRECT_FROM = 1 << 20  # blocks from this size on go past the page cache
IMMUTABLE = 0x10  # FSIMMUTABLE_FL
_ALIGN = mmap.PAGESIZE
_READ = 4 << 20
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS


class Span(FileIO):
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


class Written:
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


def write(
    folder: Path, path: Path, blocks: Iterable[Block], *, hashing: bool
) -> tuple[Written, str]:
    """Write blocks to an unnamed file and sync it; return it and, if asked, its digest.

    Errors of the source pass through as they are.
    """
    with explained(path):
        written = Written(*_unnamed(folder, path))
    digest = sha256()
    try:
        for block in blocks:
            if hashing:
                digest.update(block)
            with explained(path):
                written.write(memoryview(block))
        with explained(path):
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


def digest_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file."""
    digest, size = sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ):
            digest.update(block)
            size += len(block)
    return f"sha256:{digest.hexdigest()}", size


def flags_of(path: Path) -> int:
    """Return the attributes of a file; 0 where the file system has none."""
    found = array.array("L", [0])
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _GET_FLAGS, found)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        return 0
    finally:
        os.close(descriptor)
    return found[0]


def set_immutable(path: Path, *, on: bool) -> None:
    """Set or clear the immutable attribute; where that is not permitted, nothing happens.

    `probe` says what holds, so that nobody takes a wish for a lock.
    """
    flags = flags_of(path)
    wanted = flags | IMMUTABLE if on else flags & ~IMMUTABLE
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _SET_FLAGS, array.array("L", [wanted]))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class explained:  # noqa: N801 - reads as the statement it is
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
