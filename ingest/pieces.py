"""The bytes of an upload while they come in: sealed as pieces in the bucket `staging`.

A piece is one object, written once and durable before it counts. It is sealed with a key of its
upload's own, which the house's key wraps in the upload's row: when the row forgets the key, what a
disk may still hold of the pieces opens for nobody.
"""

import io
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from itertools import islice, takewhile
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ingest.errors import UploadEnded
from repository import Repository, envelope
from repository.errors import IntegrityError, StoreError
from repository.keys import house_key
from repository.mailbox_rows import LetterPiece
from repository.models import Piece, Upload
from repository.sealed import plain_reader
from repository.stores import STAGING, Block, Stored

PIECE = 32 << 20  # bytes of one piece
PIECE_SECONDS = 10.0  # after which a piece is closed even if it is small: a crash loses no more
_READ = 1 << 20
_DAY = timedelta(days=1)
_BATCH = 500


def draw_key(repo: Repository) -> bytes | None:
    """Return a new key for an upload's pieces, wrapped; None where encryption is off."""
    return aes_key_wrap(house_key(repo), repo.random(32)) if repo.settings.encryption else None


class Incoming:
    """The bytes of one request, handed on piece by piece; it ends where the line was lost."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._next: bytes | None = None
        self._ended = False

    def more(self) -> bool:
        """Wait for the next byte; say whether there is one."""
        while not self._next and not self._ended:
            self._next = next(self._blocks, None)
            self._ended = self._next is None
        return bool(self._next)

    def piece(self) -> Iterator[Block]:
        """Yield blocks until a piece is full, has taken long enough, or nothing more comes."""
        size, end = 0, time.monotonic() + PIECE_SECONDS
        while self.more():
            block, self._next = self._next or b"", None
            size += len(block)
            yield block
            if size >= PIECE or time.monotonic() >= end:
                return

    def whole(self, size: int) -> bytes | None:
        """Return everything, if it is of a size and comes soon; otherwise it is all still there."""
        gathered, have, end = [], 0, time.monotonic() + PIECE_SECONDS
        while have < size and time.monotonic() < end and self.more():
            gathered.append(self._next or b"")
            have += len(gathered[-1])
            self._next = None
        self._next = b"".join(gathered)
        return self._next if have == size and not self._others() else None

    def _others(self) -> bool:
        """Say whether there is more than what was gathered; the limit above refuses it."""
        kept, self._next = self._next, None
        more = self.more()
        self._next = (kept or b"") + (self._next or b"")
        return more


def write(
    repo: Repository, wrapped: bytes | None, blocks: Iterable[Block], *, hour: str | None = None
) -> tuple[Stored, int]:
    """Store one piece durably and return where it is and how many bytes it holds.

    Its name tells the hour, by which the sweep knows what is old; or another one that is given.

    Raises:
        StoreFull, StoreUnavailable: it is not stored.
    """
    size = 0

    def counted() -> Iterator[Block]:
        nonlocal size
        for block in blocks:
            size += len(block)
            yield block

    place = f"u/{hour or f'{repo.clock():%Y%m%d%H}'}/{repo.random(32).hex()}"
    stream: Iterable[Block] = counted()
    if wrapped is not None:
        key = aes_key_unwrap(house_key(repo), wrapped)
        stream = envelope.seal(stream, key=key, name=place, random=repo.random)
    stored = repo.store.put(stream, bucket=STAGING, key=place)
    return stored, size


@contextmanager
def reading(repo: Repository, uploads: Sequence[Upload]) -> Iterator[BinaryIO]:
    """Yield the bytes of uploads in a row as one stream.

    Raises:
        IntegrityError: a piece is not what was stored, or one is missing.
        UploadEnded: its pieces were discarded.
        StoreUnavailable: the store does not answer.
    """
    with _file(_plain(repo, uploads)) as found:
        yield found


@contextmanager
def opened(
    repo: Repository, what: str, wrapped: bytes | None, rows: Sequence[LetterPiece]
) -> Iterator[BinaryIO]:
    """Yield the bytes of pieces in a row as one stream; `what` they are of is for errors.

    Raises:
        IntegrityError, StoreUnavailable: as `reading`.
    """
    with _file(_blocks(repo, what, wrapped, rows)) as found:
        yield found


@contextmanager
def _file(blocks: Generator[bytes, None, None]) -> Iterator[BinaryIO]:
    try:
        yield cast("BinaryIO", io.BufferedReader(_Stream(blocks), _READ))
    finally:
        blocks.close()


def discard(session: Session, uploads: Sequence[Upload]) -> list[Stored]:
    """Forget the pieces of uploads, and their keys; return the objects, to be removed then."""
    ids = [one.id for one in uploads]
    rows = session.scalars(select(Piece).where(Piece.upload_id.in_(ids)))
    found = [Stored.from_json(row.stored) for row in rows]
    session.execute(delete(Piece).where(Piece.upload_id.in_(ids)))
    for one in uploads:
        one.wrapped = None
    return found


def remove(repo: Repository, objects: Sequence[Stored]) -> None:
    """Remove discarded pieces; one that cannot be removed now is left to the sweep."""
    for one in objects:
        with suppress(StoreError):
            repo.store.discard(one)


def sweep(repo: Repository, *, most: int = 1000) -> int:
    """Remove staged objects that no upload names, once they are a day old; return how many.

    Raises:
        StoreUnavailable: the store does not answer; it is tried again later.
    """
    removed = 0
    young = f"u/{repo.clock() - _DAY:%Y%m%d%H}/"  # names begin with the hour they were given
    old = takewhile(lambda one: one.key < young, repo.store.versions(STAGING, "u/"))
    while removed < most and (batch := list(islice(old, _BATCH))):
        with repo.database.reading() as session:
            keys = [one.key for one in batch]
            named = {
                *session.scalars(select(Piece.key).where(Piece.key.in_(keys))),
                *session.scalars(select(LetterPiece.key).where(LetterPiece.key.in_(keys))),
            }
        for one in batch:
            if one.key not in named:
                repo.store.discard(one)
                removed += 1
    return removed


def _plain(repo: Repository, uploads: Sequence[Upload]) -> Generator[bytes, None, None]:
    for upload in uploads:
        with repo.database.reading() as session:
            query = select(Piece).where(Piece.upload_id == upload.id).order_by(Piece.start)
            rows = list(session.scalars(query))
        if upload.offset and not rows:
            raise UploadEnded(
                "the bytes of this upload were dealt with and are not staged any more"
            )
        yield from _blocks(repo, f"upload {upload.id}", upload.wrapped, rows)


def _blocks(
    repo: Repository, what: str, wrapped: bytes | None, rows: Sequence[Piece | LetterPiece]
) -> Generator[bytes, None, None]:
    key = None if wrapped is None else aes_key_unwrap(house_key(repo), wrapped)
    position = 0
    for row in rows:
        if row.start != position:
            raise IntegrityError(f"a piece of {what} is missing at byte {position}")
        stored = Stored.from_json(row.stored)
        read = plain_reader(repo.store, [stored], key=key, name=stored.key, size=row.size)
        with read(0, row.size) as file:
            digest, left = sha256(), row.size
            while left and (block := file.read(min(_READ, left))):
                left -= len(block)
                if key is None:  # what is not sealed is compared with what was stored
                    digest.update(block)
                yield block
        if left or (key is None and f"sha256:{digest.hexdigest()}" != stored.sha256):
            raise IntegrityError(f"a piece of {what} is not what was stored")
        position += row.size


class _Stream(io.RawIOBase):
    """Blocks as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Block) -> int:  # type: ignore[override]  # any writable buffer
        """Fill a buffer with what is at hand."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        view = memoryview(buffer)
        taken = min(len(view), len(self._rest))
        view[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken
