"""Objects in their stores: encrypted on the way in, read by ranges on the way out.

A stream longer than a store's largest object becomes several, `NAME`, `NAME.2`, `NAME.3`…, which
are one encrypted stream under one manifest.
"""

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO, cast

from repository import Repository, envelope
from repository.chunks import Read
from repository.digests import hashed
from repository.errors import IntegrityError, Locked, NameTaken
from repository.keys import house_key
from repository.stores import Block, ObjectStore, Stored

DERIVED = "derived"


def put_objects(
    store: ObjectStore,
    blocks: Iterable[Block],
    *,
    bucket: str,
    key: str,
    size: int | None = None,
    retain_until: datetime | None = None,
    hold: bool = False,
) -> list[Stored]:
    """Store a stream as one object, or as several where the store takes none so large.

    Raises:
        NameTaken: other bytes stand under one of the names.
        StoreFull, StoreUnavailable, StoreUnfit: not stored.
    """
    source = _Lookahead(iter(blocks))
    found: list[Stored] = []
    while not found or source.more():
        name = key if not found else f"{key}.{len(found) + 1}"
        expected = size if store.largest is None or (size or 0) <= store.largest else None
        with hashed(source.upto(store.largest)) as digested:
            found.append(
                store.put(
                    digested,
                    bucket=bucket,
                    key=name,
                    size=expected,
                    retain_until=retain_until,
                    hold=hold,
                    digest=digested.digest,
                )
            )
    return found


def stored_reader(store: ObjectStore, objects: Sequence[Stored]) -> Read:
    """Return how to read ranges of the bytes that stand in one object, or in several in a row."""
    if len(objects) == 1:
        return lambda start, length: store.open(objects[0], start, length)

    @contextmanager
    def read(start: int, length: int) -> Iterator[BinaryIO]:
        pieces = _pieces(store, objects, start, length)
        try:
            yield cast("BinaryIO", _Chain(pieces))
        finally:
            pieces.close()

    return read


def plain_reader(
    store: ObjectStore, objects: Sequence[Stored], *, key: bytes | None, name: str, size: int
) -> Read:
    """Return how to read ranges of what was stored: decrypted, if there is a key."""
    read = stored_reader(store, objects)
    return read if key is None else envelope.opened(read, key=key, name=name, size=size)


def digest_of(read: Read, size: int) -> str:
    """Return the SHA-256 of everything a reader gives, up to and past a size."""
    digest = sha256()
    with read(0, size + 1) as file:
        while block := file.read(4 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def put_document(
    repo: Repository, data: bytes, *, key: bytes | None = None, bucket: str = DERIVED
) -> tuple[Stored, str]:
    """Store a small document of the house under a random name; return where, and its digest.

    Args:
        repo: the repository.
        data: the document.
        key: the data key that seals it; None: the house's own, where encryption is on.
        bucket: where.
    """
    name = repo.random(32).hex()
    place = f"o/{name[:2]}/{name}"
    if repo.settings.encryption and key is None:
        key = house_key(repo)
    blocks: Iterable[Block] = [data]
    if key is not None:
        blocks = envelope.seal(blocks, key=key, name=place, random=repo.random)
    stored = repo.store.put(blocks, bucket=bucket, key=place)
    return stored, f"sha256:{sha256(data).hexdigest()}"


def read_document(store: ObjectStore, stored: Stored, *, key: bytes | None) -> bytes:
    """Return a small document, decrypted if there is a key.

    Raises:
        IntegrityError: it does not open.
    """
    if key is None:
        with store.open(stored) as file:
            return file.read()
    size = envelope.plain_size(stored.size)
    read = plain_reader(store, [stored], key=key, name=stored.key, size=size)
    with read(0, size) as file:
        return file.read()


def put_same(
    store: ObjectStore,
    content: Callable[[], Iterable[Block]],
    *,
    sealing: bytes | None,
    random: envelope.Random,
    bucket: str,
    key: str,
    retain_until: datetime | None = None,
    hold: bool = False,
) -> tuple[Stored, str]:
    """Store a document under a given name; one with the same content is taken as it is.

    Args:
        store: where.
        content: gives the document's blocks, also a second time.
        sealing: the data key that seals it; None: it is not encrypted.
        random: n random bytes.
        bucket: one of `stores.BUCKETS`.
        key: its name.
        retain_until: until when nobody may delete it.
        hold: a legal hold.

    Returns:
        Where it is, and the SHA-256 of its content.

    Raises:
        NameTaken: other content stands there.
    """
    with hashed(content()) as plain:
        blocks: Iterable[Block] = plain
        if sealing is not None:
            blocks = envelope.seal(plain, key=sealing, name=key, random=random)
        try:
            stored = store.put(blocks, bucket=bucket, key=key, retain_until=retain_until, hold=hold)
            return stored, plain.digest()
        except NameTaken:
            if sealing is None:
                raise
    with hashed(content()) as again:
        for _ in again:
            continue
    found = store.find(bucket, key)
    if found is None or _digest_sealed(store, found, sealing) != again.digest():
        raise NameTaken(f"other content stands as {bucket}/{key}; nothing was changed")
    return settled(store, found, retain_until, hold=hold), again.digest()


def _digest_sealed(store: ObjectStore, found: Stored, key: bytes) -> str:
    size = envelope.plain_size(found.size)
    return digest_of(plain_reader(store, [found], key=key, name=found.key, size=size), size)


def settled(
    store: ObjectStore, found: Stored, retain_until: datetime | None, *, hold: bool
) -> Stored:
    """Lock an object that an interrupted run left, at least as it would have been."""
    if retain_until is not None and (
        found.retain_until is None or found.retain_until < retain_until
    ):
        with suppress(Locked):  # another process, at the same work, locked it for longer meanwhile
            store.extend(found, retain_until)
    if hold and not found.hold:
        store.set_hold(found, on=True)
    return store.stat(found)


class _Lookahead:
    """A stream of blocks, a part of it at a time; knows whether there is more."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._next: Block | None = None

    def more(self) -> bool:
        """Say whether there are bytes left."""
        while self._next is None or not len(self._next):
            self._next = next(self._blocks, None)
            if self._next is None:
                return False
        return True

    def upto(self, most: int | None) -> Iterator[Block]:
        """Yield blocks until a number of bytes is reached; blocks are not cut."""
        left = most
        while self.more():
            block = self._next
            if block is None or (left is not None and len(block) > left):
                return
            self._next = None
            if left is not None:
                left -= len(block)
            yield block


class _Chain(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes; empty at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        wanted = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:wanted], self._rest[wanted:]
        return found


def _pieces(
    store: ObjectStore, objects: Sequence[Stored], start: int, length: int
) -> Generator[bytes, None, None]:
    """Yield the bytes of a range across objects."""
    for number, one in enumerate(objects):
        if start >= one.size and number < len(objects) - 1:
            start -= one.size
            continue
        # The last is not cut at its recorded size: a longer one must show.
        take = length if number == len(objects) - 1 else min(length, one.size - start)
        with store.open(one, start, take) as file:
            got = 0
            while got < take and (block := file.read(min(1 << 20, take - got))):
                got += len(block)
                yield block
        if got < take and number < len(objects) - 1:
            raise IntegrityError(f"{one.bucket}/{one.key} is shorter than recorded")
        length -= got
        start = 0
        if length <= 0:
            return
