"""The file of a backup: one line that anyone may read, then a sealed archive (docs/format.md 14).

The archive is a tar of whole files, its last member `manifest.json` with the size and SHA-256 of
each other one; sealed as exhibits are (docs/format.md 10) under a key that the line holds, itself
sealed to the recovery key. The digest of the line is bound to what follows it.
"""

import base64
import errno
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from custody.canonical import dumps
from repository import envelope
from repository.chunks import Read
from repository.errors import BackupDamaged, BackupRefused, DiskFull, IntegrityError
from repository.recovery import RecoveryKey

KIND = "evidence-backup"
VERSION = 1
MANIFEST = "manifest.json"
MAX_LINE = 65_536
MAX_MANIFEST = 1 << 20
_BLOCK = 1 << 20
_END = bytes(1024)  # of a tar

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: of which repository a backup is, of when, and who can open it."""

    origin: str
    made_at: str
    by: str
    revision: str
    size: int
    checkpoint: str
    recovery: RecoveryKey
    sealed_key: bytes

    def line(self) -> bytes:
        """Return the line."""
        return (
            dumps(
                {
                    "v": VERSION,
                    "kind": KIND,
                    "origin": self.origin,
                    "made_at": self.made_at,
                    "by": self.by,
                    "revision": self.revision,
                    "size": self.size,
                    "checkpoint": self.checkpoint,
                    "recovery": self.recovery.to_json(),
                    "sealed_key": base64.b64encode(self.sealed_key).decode(),
                }
            )
            + b"\n"
        )

    @classmethod
    def parse(cls, line: bytes) -> "Head":
        """Read the line.

        Raises:
            BackupRefused: no backup, or one of a newer form.
            BackupDamaged: it was cut or changed.
        """
        try:
            found = json.loads(line)
            if found["kind"] != KIND:
                raise BackupRefused("this file is no backup of a repository")
            if found["v"] != VERSION:
                raise BackupRefused(
                    f"this backup has the form {found['v']}, made by {found['by']}; this program "
                    f"reads form {VERSION}: use that version"
                )
            head = cls(
                found["origin"], found["made_at"], found["by"], found["revision"],
                int(found["size"]), found["checkpoint"], RecoveryKey.from_json(found["recovery"]),
                base64.b64decode(found["sealed_key"], validate=True),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            if line[:1] != b"{":
                raise BackupRefused("this file is no backup of a repository") from error
            raise BackupDamaged("the first line of this backup was cut or changed") from error
        if head.line() != line:
            raise BackupDamaged("the first line of this backup was changed")
        return head


def write(
    out: BinaryIO,
    head: Head,
    key: bytes,
    files: Mapping[str, Path | bytes],
    random: envelope.Random,
    progress: Progress,
) -> str:
    """Write a backup and return its SHA-256; the caller syncs and names the file.

    Args:
        out: where.
        head: the first line.
        key: the content key, which the line holds sealed.
        files: name in the archive -> the file, or its content.
        random: n random bytes.
        progress: told how many bytes of the archive were written so far.

    Raises:
        DiskFull: no room.
    """
    line = head.line()
    digest = sha256(line)
    out.write(line)
    done = 0
    for block in envelope.seal(_archive(files), key=key, name=_bound(line), random=random):
        out.write(block)
        digest.update(block)
        done += len(block)
        progress(done)
    return f"sha256:{digest.hexdigest()}"


def read_head(path: Path) -> Head:
    """Return the first line of a backup.

    Raises:
        BackupRefused, BackupDamaged: as `Head.parse`.
    """
    with path.open("rb") as file:
        return Head.parse(file.readline(MAX_LINE))


def members(path: Path, key: bytes, progress: Progress) -> Iterator[tuple[str, int, BinaryIO]]:
    """Yield name, size and content of every file in a backup; each is read before the next.

    At the end all of them were compared with the manifest.

    Raises:
        BackupDamaged: cut, changed, or sealed under another key.
    """
    with path.open("rb") as file:
        line = file.readline(MAX_LINE)
    start = len(line)
    stored = path.stat().st_size - start
    try:
        size = envelope.plain_size(stored)
        read = envelope.opened(_from(path, start), key=key, name=_bound(line), size=size)
        with read(0, size) as plain:
            yield from _members(plain, progress)
    except BackupDamaged:
        raise
    except IntegrityError as error:
        raise BackupDamaged(
            f"{path.name} was cut off or changed: {error}; nothing was restored from it"
        ) from error
    except tarfile.TarError as error:
        raise BackupDamaged(f"{path.name} holds no whole archive: {error}") from error


def verify(path: Path, key: bytes, progress: Progress) -> str:
    """Read a backup to its end, compare every digest in it, and return its own SHA-256.

    Raises:
        BackupDamaged: as `members`.
    """
    for _, size, content in members(path, key, progress):
        left = size
        while left and (block := content.read(min(_BLOCK, left))):
            left -= len(block)
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


@contextmanager
def no_room(what: str) -> Iterator[None]:
    """Turn a full disk into a refusal that says so.

    Raises:
        DiskFull: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFull(f"{what}: no room is left on the disk; nothing was left behind") from error


class _Counted(io.RawIOBase):
    """The content of one member: hashed as it is read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.digest = sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes."""
        block: bytes = self._file.read(size)
        self.digest.update(block)
        self.size += len(block)
        return block


def _members(plain: BinaryIO, progress: Progress) -> Iterator[tuple[str, int, BinaryIO]]:
    found: list[dict[str, Any]] = []
    manifest: Any = None
    with tarfile.open(fileobj=plain, mode="r|", bufsize=_BLOCK) as archive:
        for info in archive:
            content = archive.extractfile(info)
            if manifest is not None or content is None:
                raise BackupDamaged(f"a backup holds files alone, its manifest last: {info.name}")
            if info.name == MANIFEST:
                manifest = json.loads(content.read(MAX_MANIFEST))
                continue
            counted = _Counted(content)
            yield info.name, info.size, counted  # type: ignore[misc]
            while counted.read(_BLOCK):
                continue
            found.append(_described(info.name, counted.size, counted.digest.hexdigest()))
            progress(archive.offset)
    while plain.read(_BLOCK):  # up to the last segment, whose seal says that it is the last
        continue
    if manifest != {"v": VERSION, "files": found}:
        raise BackupDamaged("the files in the backup are not those that its manifest lists")


def _described(name: str, size: int, digest: str) -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": f"sha256:{digest}"}


def _archive(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    found = []
    for name, content in files.items():
        digest = sha256()
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        yield _tar_head(name, size)
        sent = 0
        for block in _blocks(content):
            digest.update(block)
            sent += len(block)
            yield block
        if sent != size:
            raise BackupDamaged(f"{name} changed while it was being written into the backup")
        yield bytes(-size % 512)
        found.append(_described(name, size, digest.hexdigest()))
    manifest = dumps({"v": VERSION, "files": found})
    yield _tar_head(MANIFEST, len(manifest))
    yield manifest
    yield bytes(-len(manifest) % 512) + _END


def _tar_head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _blocks(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            yield block


def _bound(line: bytes) -> str:
    return f"backup:{sha256(line).hexdigest()}"


def _from(path: Path, offset: int) -> Read:
    @contextmanager
    def read(start: int, length: int) -> Iterator[BinaryIO]:
        with path.open("rb") as file:
            file.seek(offset + start)
            yield file

    return read


def sync(file: BinaryIO) -> None:
    """Make what was written durable."""
    file.flush()
    os.fsync(file.fileno())
