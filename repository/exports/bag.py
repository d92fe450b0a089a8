"""BagIt 1.0 (RFC 8493), written as a stream; into a folder, which gets its name at the end."""

import errno
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import sha256, sha512
from pathlib import Path
from types import TracebackType
from typing import Self

from repository.errors import DiskFull, ExportBlocked

PAYLOAD = "data/"


class Bag(ABC):
    """A bag being written; left without `finish`, nothing remains that looks complete."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, int]] = []  # path, hex sha256, size
        self._sha512: dict[str, str] = {}

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End; what is not finished goes."""

    @abstractmethod
    def _keep(self, path: str, blocks: Iterator[bytes]) -> None:
        """Use up the blocks of one file."""

    @abstractmethod
    def _settle(self) -> None:
        """Make everything durable."""

    def take_back(self) -> None:  # noqa: B027 - of a bag that nobody can reach there is nothing
        """Undo `finish`: its closing entry may not be written, and nobody was given it."""

    def add(self, path: str, blocks: Iterable[bytes]) -> None:
        """Write one file of the bag; every name is ours, made of exhibit numbers."""
        digest, longer, size = sha256(), sha512(), 0

        def passing() -> Iterator[bytes]:
            nonlocal size
            for block in blocks:
                digest.update(block)
                longer.update(block)
                size += len(block)
                yield block

        self._keep(path, passing())
        self.files.append((path, digest.hexdigest(), size))
        self._sha512[path] = longer.hexdigest()

    def finish(self, *, info: Iterable[tuple[str, str]]) -> str:
        """Write the manifests, put the bag in its place, return the tag manifest's digest."""
        payload = [file for file in self.files if file[0].startswith(PAYLOAD)]
        oxum = f"{sum(size for _, _, size in payload)}.{len(payload)}"
        self.add("bagit.txt", [b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"])
        lines = "".join(f"{name}: {value}\n" for name, value in (*info, ("Payload-Oxum", oxum)))
        self.add("bag-info.txt", [lines.encode()])
        self.add("manifest-sha256.txt", [_manifest((path, hexed) for path, hexed, _ in payload)])
        longer = [(path, self._sha512[path]) for path, _, _ in payload]
        self.add("manifest-sha512.txt", [_manifest(longer)])
        tags = [file for file in self.files if not file[0].startswith(PAYLOAD)]
        self.add("tagmanifest-sha256.txt", [_manifest((path, hexed) for path, hexed, _ in tags)])
        self._settle()
        return f"sha256:{self.files[-1][1]}"


class FolderBag(Bag):
    """A bag in a folder, written beside its final place.

    Raises:
        ExportBlocked: the place is a file, holds anything, or cannot be written.
        DiskFull: no room.
    """

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._place = place
        self._folder = place.with_name(f".{place.name}.partial-{os.getpid()}")

    def __enter__(self) -> Self:
        """Check the place and make the working folder."""
        if self._place.exists() and (not self._place.is_dir() or any(self._place.iterdir())):
            raise ExportBlocked(f"{self._place} exists and is not empty; name a new folder")
        try:
            self._folder.mkdir(parents=True)
            (self._folder / PAYLOAD).mkdir()
        except OSError as error:
            raise _explained(error, self._place) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _explained(error, self._place) from error

    def _keep(self, path: str, blocks: Iterator[bytes]) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            for block in blocks:
                out.write(block)

    def _settle(self) -> None:
        _sync(self._folder)
        self._folder.rename(self._place)

    def take_back(self) -> None:
        """Remove the folder from its place."""
        shutil.rmtree(self._place)


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
