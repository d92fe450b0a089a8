"""BagIt 1.0 (RFC 8493), written as a stream into a folder that gets its name at the end."""

import errno
import os
import shutil
from collections.abc import Iterable
from hashlib import sha256, sha512
from pathlib import Path
from types import TracebackType
from typing import Self

from repository.errors import DiskFull, ExportBlocked

_PAYLOAD = "data/"


class Bag:
    """A bag being written beside its final place; left without `finish`, nothing remains.

    Raises:
        ExportBlocked: the place is a file, holds anything, or cannot be written.
        DiskFull: no room.
    """

    def __init__(self, place: Path) -> None:
        """Check the place and make the working folder."""
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ExportBlocked(f"{place} exists and is not empty; name a new folder")
        self._place = place
        self._folder = place.with_name(f".{place.name}.partial-{os.getpid()}")
        self.files: list[tuple[str, str, int]] = []  # path, hex sha256, size
        self._sha512: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise _explained(error, self._place) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _explained(error, self._place) from error

    def add(self, path: str, blocks: Iterable[bytes]) -> None:
        """Write one file of the bag; every name is ours, made of exhibit numbers."""
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        digest, longer, size = sha256(), sha512(), 0
        with file.open("xb") as out:
            for block in blocks:
                out.write(block)
                digest.update(block)
                longer.update(block)
                size += len(block)
        self.files.append((path, digest.hexdigest(), size))
        self._sha512[path] = longer.hexdigest()

    def finish(self, *, info: Iterable[tuple[str, str]]) -> str:
        """Write the manifests, put the bag in its place, return the tag manifest's digest."""
        payload = [file for file in self.files if file[0].startswith(_PAYLOAD)]
        (self._folder / _PAYLOAD).mkdir(exist_ok=True)
        oxum = f"{sum(size for _, _, size in payload)}.{len(payload)}"
        self.add("bagit.txt", [b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"])
        lines = "".join(f"{name}: {value}\n" for name, value in (*info, ("Payload-Oxum", oxum)))
        self.add("bag-info.txt", [lines.encode()])
        self.add("manifest-sha256.txt", [_manifest((path, hexed) for path, hexed, _ in payload)])
        longer = [(path, self._sha512[path]) for path, _, _ in payload]
        self.add("manifest-sha512.txt", [_manifest(longer)])
        tags = [file for file in self.files if not file[0].startswith(_PAYLOAD)]
        self.add("tagmanifest-sha256.txt", [_manifest((path, hexed) for path, hexed, _ in tags)])
        _sync(self._folder)
        self._folder.rename(self._place)
        return f"sha256:{self.files[-1][1]}"


def _manifest(lines: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{hexed}  {path}\n" for path, hexed in sorted(lines)).encode()


def _sync(folder: Path) -> None:
    """Make every file durable before the closing entry says that the bag was made."""
    for root, _, names in os.walk(folder):
        for name in (*names, ""):
            descriptor = os.open(Path(root) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _explained(error: OSError, place: Path) -> ExportBlocked | DiskFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room for {place}; nothing that looks complete was left")
    return ExportBlocked(f"{place} cannot be written: {error.strerror or error}")
