"""A bundle of more bytes than any disk here has: a store that makes them up, a bag that drops them.

python -m tests.benchmarks.bench_bundle_stream [--gib 2] [--exhibits 4] [--place FOLDER]

Every byte is made anew when it is read, passes the checks of every export (chunk digests, SHA-256,
SHA-512), is measured for the manifests and dropped. Everything else of the bundle is written. The
store keeps nothing encrypted here, since what is made up has no cipher text. Printed: how fast it
was, and the peak of resident memory while it was exported, which must not grow with the bytes.
"""

import argparse
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from ingest.receive import receive
from repository.exports import export
from repository.exports.bag import CORES, PAYLOAD, FolderBag
from repository.purpose import Purpose
from repository.stores import Access, Block, ObjectStore, Stored
from repository.stores.folder import FolderStore
from repository.submissions import Declaration, open_submission
from tests.house import House, own_house

_MIB = 1 << 20
_TEMPLATE = random.Random(1).randbytes(_MIB)
_LARGE = _MIB  # what is no larger is kept as it is: manifests of chunks


class MadeUp(io.RawIOBase):
    """So many bytes, every MiB of them different; those of one length are always the same."""

    def __init__(self, size: int, start: int = 0, length: int | None = None) -> None:
        self._size, self._at = size, start
        self._stop = size if length is None else min(size, start + length)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with the next bytes."""
        view = memoryview(cast("bytearray", buffer)).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        stop = self._stop if size < 0 else min(self._stop, self._at + size)
        parts = []
        while self._at < stop:
            number, within = divmod(self._at, _MIB)
            head = number.to_bytes(8, "big") + self._size.to_bytes(8, "big")
            upto = min(_MIB, within + stop - self._at)
            parts.append((head + _TEMPLATE[16:])[within:upto])
            self._at += upto - within
        return b"".join(parts)


class GeneratingStore(FolderStore):
    """A folder that keeps of large objects nothing but how long they are."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Access())
        self._large: dict[str, Stored] = {}

    def put(
        self, blocks: Iterable[Block], *, bucket: str, key: str, size: int | None = None,
        retain_until: datetime | None = None, hold: bool = False,
        digest: Callable[[], str] | None = None,
    ) -> Stored:  # fmt: skip
        """Drop what is large."""
        if bucket != "evidence" or (size or 0) <= _LARGE or digest is None:
            return super().put(
                blocks, bucket=bucket, key=key, size=size, retain_until=retain_until, hold=hold,
                digest=digest,
            )  # fmt: skip
        length = sum(len(block) for block in blocks)
        stored = Stored(self.name, bucket, key, "1", digest(), length, retain_until, hold)
        self._large[key] = stored
        return stored

    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> BinaryIO:
        """Make up what was dropped."""
        if stored.key in self._large:
            return cast("BinaryIO", MadeUp(stored.size, start, length))
        return super().open(stored, start, length)

    def stat(self, stored: Stored) -> Stored:
        """Return what was noted of it."""
        return self._large.get(stored.key) or super().stat(stored)

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return what was noted of it."""
        return self._large.get(key) or super().find(bucket, key)


class DroppingBag(FolderBag):
    """A bag whose exhibits are read, compared and measured, and not written."""

    def _keep(self, path: str, blocks: Iterator[bytes], volume: int, size: int | None) -> None:
        if not path.startswith(PAYLOAD):
            super()._keep(path, blocks, volume, size)
            return
        for _ in blocks:
            continue


def take_in(house: House, sizes: Iterable[int]) -> None:
    """Register an exhibit of each size."""
    repo, actor = house.repo, house.caller("investigator").actor()
    declared = Declaration(purpose=Purpose("investigation", ""))
    submission, _ = open_submission(repo, actor, house.case, declared, sources=[b"made up"])

    def one(size: int) -> None:
        receive(
            repo, actor, house.case, submission, cast("BinaryIO", MadeUp(size)),
            path=f"{size}.bin".encode(), size=size, declared={},
        )  # fmt: skip

    with ThreadPoolExecutor(CORES) as pool:
        for _ in pool.map(one, sizes):
            continue


def peak() -> int:
    """Return the peak of resident MiB since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def forget_peak() -> None:
    """Begin to measure the peak of memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Take in, and export."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_bundle_stream")
    parser.add_argument("--gib", type=float, default=2.0, help="of all exhibits together")
    parser.add_argument("--exhibits", type=int, default=4)
    parser.add_argument("--place", type=Path)
    said = parser.parse_args()
    each = int(said.gib * 2**30) // said.exhibits
    sizes = [each - number for number in range(said.exhibits)]
    with tempfile.TemporaryDirectory(dir=said.place) as name:
        place = Path(name)
        with own_house(place / "house", encryption=False) as made:
            store = GeneratingStore(made.data / "store")
            house = House(replace(made.repo, store=cast("ObjectStore", store)), made.data)
            began = time.monotonic()
            take_in(house, sizes)
            print(f"taken in: {time.monotonic() - began:.1f} s, peak {peak()} MiB", flush=True)
            forget_peak()
            before, began = peak(), time.monotonic()
            done = export(
                house.repo, house.caller_of_login(), code="KRN", into=DroppingBag(place / "bundle"),
                purpose="court",
            )  # fmt: skip
            seconds = time.monotonic() - began
            listed = (place / "bundle" / "manifest-sha512.txt").read_text().splitlines()
            assert len(listed) == len(done.exhibits) == said.exhibits
            print(
                f"{sum(sizes) / 2**30:.1f} GiB of {said.exhibits} exhibits exported: "
                f"{seconds:.1f} s, {sum(sizes) / seconds / _MIB:.0f} MiB/s, "
                f"peak {peak()} MiB ({before} before it); load {os.getloadavg()[0]:.0f}"
            )


if __name__ == "__main__":
    main()
