"""A bag that leaves encrypted: one archive (tar) for each volume, never written in plain.

Exhibits go into the archive as they are read; the bag's own files follow, then what closes it. Each
archive has its name only when the ledger has closed the bundle.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import SEEK_END
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO

from repository.errors import ExportBlocked
from repository.exports.archive import BLOCK, filling, header
from repository.exports.bag import PAYLOAD, FolderBag, Measured, explained, sync
from repository.exports.encryption import Sealing

MAX_VOLUMES = 64
_READ = 1 << 20
_IN_MEMORY = 1 << 20


class EncryptedBag(FolderBag):
    """A bag, or its volumes, as `NAME.tar.age` or `volume-N.tar.age` in a folder.

    Args:
        place: the folder.
        keys: the recipients' public keys.
        volume_size, by_reference: as `FolderBag`.

    Raises:
        ExportBlocked, DiskFull: as `FolderBag`.
    """

    at_once = 1  # an archive takes one file after the other

    def __init__(
        self, place: Path, keys: Sequence[str], *, volume_size: int | None = None,
        by_reference: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(place, volume_size=volume_size, by_reference=by_reference)
        self._keys = keys
        self._own: list[tuple[str, int, IO[bytes]]] = []  # files that have no name on the disk
        self._archives: dict[int, _Archive] = {}
        self._open = ExitStack()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._open.close()
        super().__exit__(kind, error, _)

    def kept(self, path: str, volume: int, expected: tuple[str, int]) -> Measured | None:
        """Return None: an encrypted archive is written from its beginning to its end."""
        return None

    def lay_out(self, sizes: Sequence[tuple[str, int]]) -> list[int]:
        """Fill volumes as `FolderBag`: so many at most, as all are open to the end."""
        found = super().lay_out(sizes)
        if (self.volumes or 0) > MAX_VOLUMES:
            raise ExportBlocked(
                f"{self.volumes} volumes, and at most {MAX_VOLUMES} are encrypted at once; "
                "name a larger size"
            )
        return found

    def _keep(self, path: str, blocks: Iterator[bytes], volume: int, size: int | None) -> None:
        if path.startswith(PAYLOAD):
            if self.volumes == 0:
                for _ in blocks:
                    continue
                return
            assert size is not None
            self._archive(volume).add(path, size, blocks)
            return
        file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when left
        self._open.callback(file.close)
        self._own.append((path, volume, file))
        for block in blocks:
            file.write(block)

    def _settle(self) -> None:
        for volume in self.every:
            archive = self._archive(volume)
            for path, only, file in self._own:
                if not (only and only != volume):
                    archive.add(path, file.seek(0, SEEK_END), _blocks(file))

    def seal(self, path: str, data: bytes) -> None:
        """Put it last into each archive, end them, and give them their names."""
        try:
            for archive in self._archives.values():
                archive.add(path, len(data), iter([data]))
                self.ciphers.append(archive.finish())
            sync(self._folder)
            self._folder.rename(self._place)
        except OSError as error:
            raise explained(error, self._place) from error

    def _archive(self, volume: int) -> "_Archive":
        if volume not in self._archives:
            name = f"volume-{volume}" if volume else self._place.name
            folder = f"{self._place.name}/{name}" if volume else name
            place = self._folder / f"{name}.tar.age"
            file = self._open.enter_context(place.open("xb"))
            sealing = self._open.enter_context(Sealing(self._keys, file.write))
            self._archives[volume] = _Archive(sealing, file, folder, self.at)
        return self._archives[volume]


class _Archive:
    """One archive being written through its encryption."""

    def __init__(self, sealing: Sealing, file: IO[bytes], folder: str, at: int) -> None:
        self._sealing, self._file, self._folder, self._at = sealing, file, folder, at
        self._length = 0

    def add(self, path: str, size: int, blocks: Iterator[bytes]) -> None:
        """Write one member.

        Raises:
            ExportBlocked: it is not as long as was said.
        """
        began = self._write(header(self._folder, path, size, self._at))
        for block in blocks:
            self._write(block)
        if self._length - began != size:
            raise ExportBlocked(f"{path} is not as long as it was said to be")
        self._write(bytes(-size % BLOCK))

    def finish(self) -> tuple[str, str, str]:
        """End the archive; return its name and the digests of it encrypted and in plain."""
        self._write(bytes(filling(self._length)))
        self._sealing.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        found = (self._sealing.digest, self._sealing.plain_digest)
        encrypted, plain = (f"sha256:{one.hexdigest()}" for one in found)
        return Path(self._file.name).name, encrypted, plain

    def _write(self, data: bytes) -> int:
        self._sealing.write(data)
        self._length += len(data)
        return self._length


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_READ):
        yield block
