"""A bundle as one archive (tar) that nobody has to store: its own files, and exhibits read anew.

What a bundle adds to its exhibits (report, entries, proofs, manifests) is kept, sealed, as pieces
in the bucket `staging`. The exhibits stay where they are: their place in the archive is known from
their sizes, so any range of it can be read, through the same checks as every retrieval.
"""

import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import SEEK_END
from itertools import chain
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any, Self

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from repository import Repository, envelope
from repository.errors import IntegrityError
from repository.exports.bag import PAYLOAD, Bag
from repository.keys import house_key
from repository.models import Exhibit
from repository.sealed import read_document
from repository.stores import STAGING, Block, Stored

PIECE = 4 << 20
BLOCK = 512
_END = 20 * BLOCK  # an archive ends in two empty blocks, and is filled up to so many bytes
_READ = 1 << 20
_IN_MEMORY = 1 << 20


def draw_key(repo: Repository) -> bytes | None:
    """Return a new key for a bundle's own files, wrapped; None where encryption is off."""
    return aes_key_wrap(house_key(repo), repo.random(32)) if repo.settings.encryption else None


class SealedBag(Bag):
    """A bag whose exhibits are read and compared, but not kept; its own files are stored sealed.

    Args:
        repo: the repository.
        wrapped: the key of its own files, wrapped.
        folder: what it is called in its archive.
        volume_size: how many bytes of exhibits are in one volume at most; None: all in one bag.
        by_reference: exhibits are not in it.
    """

    def __init__(
        self, repo: Repository, wrapped: bytes | None, folder: str, *,
        volume_size: int | None = None, by_reference: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(volume_size=volume_size, by_reference=by_reference)
        self._repo = repo
        self._key = aes_key_unwrap(house_key(repo), wrapped) if wrapped is not None else None
        self._folder = folder
        self._own: list[tuple[str, int, IO[bytes]]] = []  # in files that have no name
        self._pieces: dict[int, list[list[Any]]] = {}  # by volume

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for _path, _volume, file in self._own:
            file.close()

    def layouts(self, listed: Sequence[tuple[Exhibit, Sequence[str]]]) -> list[dict[str, Any]]:
        """Return what is to be kept of the finished bag, of each volume: see `parts_of`."""
        sizes = {path: size for path, _, size in self.files}
        return [
            {
                "folder": self._name(volume),
                "at": self.at,
                "pieces": self._pieces[volume],
                "exhibits": [
                    [exhibit.id, number, path, sizes[path]]
                    for exhibit, paths in listed
                    for number, path in enumerate(paths, 1)
                    if self._holds(volume, path)
                ],
            }
            for volume in self.every
        ]

    def _name(self, volume: int) -> str:
        return f"{self._folder}/volume-{volume}" if volume else self._folder

    def _keep(self, path: str, blocks: Iterator[bytes], volume: int, size: int | None) -> None:
        if path.startswith(PAYLOAD):
            for _ in blocks:
                continue
            return
        file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when left
        self._own.append((path, volume, file))
        for block in blocks:
            file.write(block)

    def _settle(self) -> None:
        """Store the bag's own files, before an entry says that the bundle was made."""
        for volume in self.every:
            own = [(path, file) for path, only, file in self._own if only in (0, volume)]
            name = self._name(volume)
            members = (self._member(name, path, file) for path, file in own)
            self._store(volume, chain.from_iterable(members))

    def seal(self, path: str, data: bytes) -> None:
        """Store one more file after the others."""
        for volume in self.every:
            with SpooledTemporaryFile(_IN_MEMORY) as file:
                file.write(data)
                self._store(volume, self._member(self._name(volume), path, file))

    def _store(self, volume: int, stream: Iterable[bytes]) -> None:
        for data in _cut(stream):
            name = f"x/{self._repo.clock():%Y%m%d%H}/{self._repo.random(32).hex()}"
            blocks: Iterable[Block] = [data]
            if self._key is not None:
                blocks = envelope.seal(blocks, key=self._key, name=name, random=self._repo.random)
            stored = self._repo.store.put(blocks, bucket=STAGING, key=name)
            piece = [stored.to_json(), sha256(data).hexdigest(), len(data)]
            self._pieces.setdefault(volume, []).append(piece)

    def _member(self, folder: str, path: str, file: IO[bytes]) -> Iterator[bytes]:
        size = file.seek(0, SEEK_END)
        yield header(folder, path, size, self.at)
        file.seek(0)
        while block := file.read(_READ):
            yield block
        yield bytes(-size % BLOCK)


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of an archive: given here, kept as a piece, or of a part of an exhibit."""

    start: int
    length: int
    data: bytes | None = None
    piece: tuple[Stored, str] | None = None  # where, and the SHA-256 of what it holds
    exhibit: str | None = None  # the id of the exhibit whose name or bytes they are
    number: int = 0  # of its part, where it is bytes


def parts_of(layout: Mapping[str, Any]) -> list[Part]:
    """Return an archive as its parts, one after the other."""
    found: list[Part] = []

    def add(length: int, **what: Any) -> None:
        start = found[-1].start + found[-1].length if found else 0
        found.append(Part(start, length, **what))

    for stored, digest, size in layout["pieces"]:
        add(size, piece=(Stored.from_json(stored), digest))
    for exhibit_id, number, path, size in layout["exhibits"]:
        head = header(layout["folder"], path, size, layout["at"])
        add(len(head), data=head, exhibit=exhibit_id)
        add(size, exhibit=exhibit_id, number=number)
        add(-size % BLOCK, data=bytes(-size % BLOCK))
    end = found[-1].start + found[-1].length + 2 * BLOCK
    last = filling(end - 2 * BLOCK)
    add(last, data=bytes(last))
    return found


def read_piece(repo: Repository, part: Part, wrapped: bytes | None) -> bytes:
    """Return a kept piece, compared with its digest.

    Raises:
        IntegrityError: it is not what was stored.
        StoreUnavailable: the store does not answer.
    """
    assert part.piece is not None
    stored, digest = part.piece
    key = aes_key_unwrap(house_key(repo), wrapped) if wrapped is not None else None
    data = read_document(repo.store, stored, key=key)
    if sha256(data).hexdigest() != digest:
        raise IntegrityError("a file of the bundle is not what was stored; ask for the export anew")
    return data


def filling(length: int) -> int:
    """Return how many empty bytes end an archive of a length."""
    return 2 * BLOCK + -(length + 2 * BLOCK) % _END


def header(folder: str, path: str, size: int, at: int) -> bytes:
    """Return what stands before a file in an archive."""
    info = tarfile.TarInfo(f"{folder}/{path}")
    info.size, info.mtime, info.mode = size, at, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _cut(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a stream in pieces of one size; the last is shorter."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)
