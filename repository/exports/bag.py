"""BagIt 1.0 (RFC 8493), written as a stream; into a folder, which gets its name at the end.

A bundle may be several bags (volumes), or one without payload (by reference): all have the same
files beside the exhibits. What closes them is listed in no manifest: it names theirs.
"""

import errno
import hashlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256, sha512
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from repository.errors import BadRequest, DiskFull, ExportBlocked
from repository.exports.interrupted import LATER, Left, Mark, left

PAYLOAD = "data/"
CORES = min(4, os.cpu_count() or 1)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_READ = 1 << 20
_SYNCED = 8  # files that the disk is asked for at one time

Measured = tuple[str, str, int]  # path, hex sha256, size


def filled(sizes: Sequence[tuple[str, int]], most: int) -> list[int]:
    """Return in which volume of so many bytes each exhibit is, given numbers and sizes, from 1.

    Raises:
        ExportBlocked: an exhibit is larger than a volume.
    """
    found, volume, room = [], 1, most
    for number, size in sizes:
        if size > most:
            raise ExportBlocked(
                f"{number} has {size} bytes, more than a volume of {most} holds; "
                "name a larger size, or make the bundle by reference"
            )
        if size > room:
            volume, room = volume + 1, most
        room -= size
        found.append(volume)
    return found


def check_spread(volume_size: int | None, *, by_reference: bool) -> None:
    """Refuse volumes of a bundle that has no exhibits in it.

    Raises:
        BadRequest: both were asked for.
    """
    if volume_size and by_reference:
        raise BadRequest("a bundle by reference has no exhibits to spread over volumes; choose one")


class Bag(ABC):
    """A bag being written; left without `finish`, nothing remains that looks complete."""

    at_once = CORES  # how many of its exhibits may be written at one time

    def __init__(self, *, volume_size: int | None = None, by_reference: bool = False) -> None:
        check_spread(volume_size, by_reference=by_reference)
        # How many volumes there are; 0: by reference; None: one bag, which has all.
        self.volumes: int | None = 0 if by_reference else None
        self.spread = (volume_size, by_reference)
        self._volume_size = volume_size
        self._in: dict[str, int] = {}  # path of payload: its volume
        self.files: list[Measured] = []
        self._sha512: dict[str, str] = {}
        self.at = 0  # the time of its files in an archive, in seconds
        # Of a bag that leaves encrypted: each file's name, its digest, that of what is in it.
        self.ciphers: list[tuple[str, str, str]] = []

    @property
    def interrupted(self) -> list[dict[str, Any]]:
        """Return the marks of exports that ended there before they were whole."""
        return []

    def begun(self, told: Mapping[str, Any]) -> None:
        """Say which export it is of (its mark), before the ledger has an entry about it.

        If that is one of `interrupted`, it is gone on with; what others left goes.
        """
        self.at = int(datetime.fromisoformat(told["at"]).timestamp())

    def kept(self, path: str, volume: int, expected: tuple[str, int]) -> Measured | None:
        """Return the file of an exhibit that an interrupted run wrote, once it was read again.

        None if there is none, or it is not what was expected: digest (sha256, hex) and size.
        """
        return None

    def lay_out(self, sizes: Sequence[tuple[str, int]]) -> list[int]:
        """Say in which volume each exhibit will be, given numbers and sizes; 0: there are none.

        One volume after the other is filled with whole exhibits, in their order.

        Raises:
            ExportBlocked: an exhibit is larger than a volume.
        """
        if self._volume_size is None or self.volumes == 0:
            return [0] * len(sizes)
        found = filled(sizes, self._volume_size)
        if found and found[-1] > 1:
            self.volumes = found[-1]
            return found
        return [0] * len(sizes)

    @property
    def every(self) -> Sequence[int]:
        """Return the volumes; 0 stands for the one bag where there are no several."""
        return range(1, self.volumes + 1) if self.volumes else (0,)

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End; what is not finished goes."""

    @abstractmethod
    def _keep(self, path: str, blocks: Iterator[bytes], volume: int, size: int | None) -> None:
        """Use up the blocks of one file; of an exhibit's its size is known before."""

    @abstractmethod
    def _settle(self) -> None:
        """Make everything durable."""

    @abstractmethod
    def seal(self, path: str, data: bytes) -> None:
        """Put one more file into each finished bag, durably; no manifest lists it."""

    def take_back(self) -> None:  # noqa: B027 - of a bag that nobody can reach there is nothing
        """Undo `finish` and `seal`: it is not closed, and nobody was given it."""

    def add(
        self, path: str, blocks: Iterable[bytes], volume: int = 0, size: int | None = None
    ) -> None:
        """Write one file of the bag; every name is ours, made of exhibit numbers."""
        self.files.append(self.measured(path, blocks, volume, size))

    def measured(
        self,
        path: str,
        blocks: Iterable[bytes],
        volume: int,
        expected: int | None = None,
        digested: "hashlib._Hash | None" = None,
    ) -> Measured:
        """Write one file, and return what goes into `files`, in the order of the bag.

        `digested` is a SHA-256 that whoever gives the blocks puts them into.
        """
        digest, longer, size = digested or sha256(), sha512(), 0

        def passing() -> Iterator[bytes]:
            nonlocal size
            for block in blocks:
                if digested is None:
                    digest.update(block)
                longer.update(block)
                size += len(block)
                yield block

        self._keep(path, passing(), volume, expected)
        return self._noted(path, volume, digest.hexdigest(), longer.hexdigest(), size)

    def _noted(self, path: str, volume: int, digest: str, longer: str, size: int) -> Measured:
        """Note what the manifests say of a file."""
        if path.startswith(PAYLOAD):
            self._in[path] = volume
        self._sha512[path] = longer
        return path, digest, size

    def finish(self, *, info: Iterable[tuple[str, str]]) -> list[str]:
        """Write the manifests, put the bag in its place, return the tag manifests' digests."""
        found, facts = [], tuple(info)
        for volume in self.every:
            payload = [file for file in self.files if self._holds(volume, file[0])]
            found.append(self._listed(volume, payload, facts))
        self._settle()
        return found

    def _holds(self, volume: int, path: str) -> bool:
        """Say whether a file is payload of a volume."""
        return self.volumes != 0 and self._in.get(path) == volume

    def _listed(
        self, volume: int, payload: Sequence[tuple[str, str, int]], info: Sequence[tuple[str, str]]
    ) -> str:
        """Write what makes a bag of the files of a volume; return its tag manifest's digest."""
        tags = [file for file in self.files if not file[0].startswith(PAYLOAD)]

        def add(path: str, text: str) -> str:
            tags.append(self.measured(path, [text.encode()], volume))
            return tags[-1][1]

        oxum = f"{sum(size for _, _, size in payload)}.{len(payload)}"
        facts = [*info, ("Payload-Oxum", oxum)]
        facts += [("Bag-Count", f"{volume} of {self.volumes}")] if volume else []
        add("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        add("bag-info.txt", "".join(f"{name}: {value}\n" for name, value in facts))
        add("manifest-sha256.txt", _manifest((path, hexed) for path, hexed, _ in payload))
        add("manifest-sha512.txt", _manifest((path, self._sha512[path]) for path, *_ in payload))
        listed = [(path, hexed) for path, hexed, _ in tags]
        return f"sha256:{add('tagmanifest-sha256.txt', _manifest(listed))}"


class FolderBag(Bag):
    """A bag in a folder, written beside its final place; or the volumes of one, in folders there.

    Args:
        place: the folder.
        volume_size: how many bytes of exhibits are in one volume at most; None: all in one bag.
        by_reference: exhibits are read and compared, but not put in.

    Raises:
        ExportBlocked: the place is a file, holds anything, or cannot be written; or an exhibit is
            larger than a volume.
        DiskFull: no room.
    """

    def __init__(
        self, place: Path, *, volume_size: int | None = None, by_reference: bool = False
    ) -> None:
        super().__init__(volume_size=volume_size, by_reference=by_reference)
        self._place = place
        self._mark: Mark | None = None
        self._left: list[Left] = []  # by dead exports

    @property
    def _folder(self) -> Path:
        assert self._mark is not None
        return self._mark.folder

    def __enter__(self) -> Self:
        """Look what dead exports left there, check the place and make the working folder."""
        try:
            self._left = left(self._place)
            if self._place.exists() and (not self._place.is_dir() or any(self._place.iterdir())):
                raise ExportBlocked(f"{self._place} exists and is not empty; name a new folder")
            self._mark = Mark(self._place)
            self._folder.mkdir()
        except (OSError, ExportBlocked) as error:
            self._release()
            if self._mark is not None:
                self._mark.end()
            if isinstance(error, OSError):
                raise explained(error, self._place) from error
            raise
        return self

    @property
    def interrupted(self) -> list[dict[str, Any]]:
        """Return the marks of exports that ended there before they were whole."""
        return [one.told for one in self._left if one.told is not None]

    def begun(self, told: Mapping[str, Any]) -> None:
        """Put the mark there by which the next export knows this one."""
        super().begun(told)
        assert self._mark is not None
        self._mark.write(told)
        while self._left:
            before = self._left.pop()
            if before.told == told:
                before.move(self._folder)
                self._clear()
            else:
                before.remove()

    def kept(self, path: str, volume: int, expected: tuple[str, int]) -> Measured | None:
        """Read again what an interrupted run wrote of an exhibit; what differs is removed."""
        file = self._volume(self._folder, volume) / path
        if not file.is_file() or file.is_symlink():
            return None
        digest, longer = sha256(), sha512()
        with file.open("rb") as there:
            while block := there.read(_READ):
                digest.update(block)
                longer.update(block)
            size = there.tell()
        if (digest.hexdigest(), size) != expected:
            file.unlink()
            return None
        return self._noted(path, volume, digest.hexdigest(), longer.hexdigest(), size)

    def _clear(self) -> None:
        """Remove all but the files of exhibits: each of those is looked at when it is its turn."""
        for file in self._folder.rglob("*"):
            within = file.relative_to(self._folder).as_posix()
            payload = within.partition("/")[2] if within.startswith("volume-") else within
            if not file.is_dir() and not payload.startswith(PAYLOAD):
                file.unlink()

    def _release(self) -> None:
        while self._left:
            self._left.pop().release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End; where the same again may succeed, what is written stays for it to go on with."""
        assert self._mark is not None
        if isinstance(error, OSError):
            error = explained(error, self._place)
        self._release()
        self._mark.end(keep=isinstance(error, (*LATER, KeyboardInterrupt)))
        if kind is not None and issubclass(kind, OSError):
            assert error is not None
            raise error

    def _keep(self, path: str, blocks: Iterator[bytes], volume: int, size: int | None) -> None:
        if path.startswith(PAYLOAD) and self.volumes == 0:
            for _ in blocks:
                continue
            return
        if not path.startswith(PAYLOAD) and self.volumes and not volume:
            volume = 1  # it is in every volume: taken from the first at the end
        file = self._volume(self._folder, volume) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            for block in blocks:
                out.write(block)

    def _settle(self) -> None:
        for volume in range(2, (self.volumes or 0) + 1):
            for path, *_ in self.files:
                if not path.startswith(PAYLOAD):
                    copy = self._volume(self._folder, volume) / path
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(self._volume(self._folder, 1) / path, copy)
        for volume in self.every:
            (self._volume(self._folder, volume) / PAYLOAD).mkdir(exist_ok=True)
        sync(self._folder)
        self._folder.rename(self._place)

    def seal(self, path: str, data: bytes) -> None:
        """Write it beside its place, and give it its name when it is durable."""
        for volume in self.every:
            file = self._volume(self._place, volume) / path
            with file.with_name(f".{file.name}").open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            Path(out.name).rename(file)
            sync(file.parent)

    @staticmethod
    def _volume(folder: Path, volume: int) -> Path:
        return folder / f"volume-{volume}" if volume else folder

    def take_back(self) -> None:
        """Take its name from it again, if it has it already."""
        if not self._folder.exists():
            self._place.rename(self._folder)


def _manifest(lines: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{hexed}  {path}\n" for path, hexed in sorted(lines))


def sync(folder: Path) -> None:
    """Make every file durable before the closing entry says that the bag was made.

    Several at once: a disk that is asked for one after the other waits for each by itself.
    """
    found = (Path(root) / name for root, _, names in os.walk(folder) for name in (*names, ""))
    with ThreadPoolExecutor(_SYNCED) as pool:
        for _ in pool.map(_synced, found):
            continue


def _synced(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explained(error: OSError, place: Path) -> ExportBlocked | DiskFull:
    """Return what is told of a place that could not be written."""
    if error.errno in NO_ROOM:
        return DiskFull(
            f"no room for {place}; nothing that looks complete was left, and the same again goes "
            "on with what is written"
        )
    return ExportBlocked(f"{place} cannot be written: {error.strerror or error}")
