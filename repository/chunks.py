"""Chunks of 1 MiB: their digests, the manifest that lists them, and reads checked against it.

Verification sits once, above the stores: no byte of a chunk is given out before its SHA-256 was
compared with the manifest, whose root stands in the ledger (docs/format.md 2.3).
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import BinaryIO, Self

from custody.canonical import dumps
from custody.merkle import Frontier, leaf_hash
from repository.errors import IntegrityError, RepositoryError

CHUNK = 1 << 20
_IN_MEMORY = 4 << 20  # digests of 128 GiB; beyond, they go to a temporary file
_DIGEST = 32
AHEAD = 3  # chunks that are read and hashed before the one that is sent
_LISTED = 67  # bytes of a digest in the manifest: two quotes, 64 digits, a comma
_AROUND = 64 << 10  # more than the other members of a manifest ever take

Read = Callable[[int, int], AbstractContextManager[BinaryIO]]
"""read(start, length): the stored bytes from a position."""


class ChunkDigests:
    """The SHA-256 of every chunk, in order, and the root over them; memory is bounded."""

    def __init__(self) -> None:
        self._digests = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see close
        self._frontier = Frontier()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the digests go."""
        self._digests.close()

    def __del__(self) -> None:
        self.close()  # those of a flow are let go when the last of its readers is done

    @property
    def count(self) -> int:
        """Return how many chunks there are."""
        return self._frontier.size

    @property
    def root(self) -> str:
        """Return the Merkle root over the digests (RFC 6962), `sha256:` and hex."""
        return f"sha256:{self._frontier.root().hex()}"

    def update(self, block: bytes | memoryview) -> None:
        """Digest a block that begins where a chunk begins; only the last may end inside one."""
        view = memoryview(block)
        for start in range(0, len(view), CHUNK):
            self.add(sha256(view[start : start + CHUNK]).digest())

    def add(self, digest: bytes) -> None:
        """Append the 32-byte digest of the next chunk."""
        self._frontier.append(leaf_hash(digest))
        self._digests.write(digest)

    def at(self, index: int) -> bytes:
        """Return the digest of a chunk."""
        with self._lock:  # readers of one flow share them
            self._digests.seek(index * _DIGEST)
            return self._digests.read(_DIGEST)

    def __iter__(self) -> Iterator[bytes]:
        self._digests.seek(0)
        for _ in range(self.count):
            yield self._digests.read(_DIGEST)


def manifest_blocks(
    *, exhibit: str, part: int, size: int, digests: Mapping[str, str], chunks: ChunkDigests
) -> Iterator[bytes]:
    """Yield the manifest of a part: canonical JSON, piece by piece."""
    yield b'{"chunk_size":%d,"chunks":[' % CHUNK
    piece = bytearray()
    for number, digest in enumerate(chunks):
        piece += b'%s"%s"' % (b"," if number else b"", digest.hex().encode())
        if len(piece) > CHUNK:
            yield bytes(piece)
            piece.clear()
    # The members that follow in canonical order: digests, exhibit, part, size, v.
    rest = {"digests": dict(digests), "exhibit": exhibit, "part": part, "size": size, "v": 1}
    yield bytes(piece) + b"]," + dumps(rest)[1:]


def load(file: BinaryIO, *, root: str, size: int, manifest_digest: str) -> ChunkDigests:
    """Read a manifest as a stream and return its chunk digests, checked against the ledger.

    Args:
        file: the manifest object.
        root: the root that the registration entry records.
        size: bytes of the part.
        manifest_digest: the manifest's digest that the registration entry records.

    Raises:
        IntegrityError: it is not the manifest that was recorded.
    """
    chunks = ChunkDigests()
    wanted = -(-size // CHUNK)
    try:
        _read_manifest(file, chunks, manifest_digest, wanted=wanted)
        if chunks.root != root or chunks.count != wanted:
            raise IntegrityError("the manifest's chunks do not lead to the recorded root")
    except BaseException:
        chunks.close()
        raise
    return chunks


def _read_manifest(
    file: BinaryIO, chunks: ChunkDigests, manifest_digest: str, *, wanted: int
) -> None:
    digest = sha256()
    rest = b""
    longest = wanted * _LISTED + _AROUND  # more is no manifest, and is not read to its end
    while block := file.read(CHUNK):
        digest.update(block)
        longest -= len(block)
        if longest < 0 or len(rest) > _AROUND:
            raise IntegrityError("the manifest is longer than one of that many chunks")
        found = rest + block
        cut = found.rfind(b'"')
        end = found.rfind(b",", 0, cut) + 1 if cut >= 0 else 0
        for match in re.finditer(rb'"([0-9a-f]{64})"', found[:end]):
            chunks.add(bytes.fromhex(match[1].decode()))
        rest = found[end:]
    for match in re.finditer(rb'"([0-9a-f]{64})"', rest):
        chunks.add(bytes.fromhex(match[1].decode()))
    if f"sha256:{digest.hexdigest()}" != manifest_digest:
        raise IntegrityError("the manifest is not the one that was recorded")


def verified(
    read: Read,
    chunks: ChunkDigests,
    *,
    size: int,
    first: int,
    last: int,
    whole: "hashlib._Hash | None" = None,
) -> Iterator[bytes]:
    """Yield the bytes from first to last (inclusive), each chunk compared before it is given out.

    `whole` is a fresh SHA-256 that is to be that of all bytes, from the first one on.

    Raises:
        IntegrityError: a chunk differs, is cut short, or the object is longer than recorded.
    """
    if last < first:
        if size == 0:
            _nothing(read)
        return
    begin, end = first // CHUNK, last // CHUNK
    stop = min(size, (end + 1) * CHUNK)
    extra = 1 if stop == size else 0  # one byte more shows that something was appended
    with read(begin * CHUNK, stop - begin * CHUNK + extra) as file:
        pieces = _pieces(file, range(begin, end + 1), size=size, extra=extra)
        if whole is not None:
            checked = _whole(pieces, chunks, whole)
        elif end - begin > AHEAD:
            checked = _ahead(pieces, chunks)
        else:
            checked = _each(pieces, chunks)
        for index, block in checked:
            start = index * CHUNK
            yield block[max(first - start, 0) : last - start + 1]


def _pieces(file: BinaryIO, wanted: range, *, size: int, extra: int) -> Iterator[tuple[int, bytes]]:
    """Yield chunks as they are read; the last only if nothing stands behind it."""
    for index in wanted:
        length = min(CHUNK, size - index * CHUNK)
        block = exactly(file, length)
        if len(block) != length:
            raise _differs(index, length)
        if extra and index == wanted[-1] and file.read(1):
            raise IntegrityError(f"the object is longer than the recorded {size} bytes")
        yield index, block


def _each(pieces: Iterator[tuple[int, bytes]], chunks: ChunkDigests) -> Iterator[tuple[int, bytes]]:
    for index, block in pieces:
        if sha256(block).digest() != chunks.at(index):
            raise _differs(index, len(block))
        yield index, block


def _whole(
    pieces: Iterator[tuple[int, bytes]], chunks: ChunkDigests, whole: "hashlib._Hash"
) -> Iterator[tuple[int, bytes]]:
    """Do the same and digest the whole; what both have in common, the first chunk, once."""
    for index, block in pieces:
        if index == 0:
            whole.update(block)
        if (sha256(block) if index else whole).digest() != chunks.at(index):
            raise _differs(index, len(block))
        if index:
            whole.update(block)
        yield index, block


def _ahead(
    pieces: Iterator[tuple[int, bytes]], chunks: ChunkDigests
) -> Iterator[tuple[int, bytes]]:
    """Do the same with the next chunks being read and hashed while one is sent.

    An error of reading ahead waits until everything before it was given out.
    """
    waiting: deque[tuple[int, bytes, Future[bytes]]] = deque()
    failure: Exception | None = None
    with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
        while failure is None or waiting:
            while failure is None and len(waiting) < AHEAD:
                try:
                    index, block = next(pieces)
                except StopIteration:
                    failure = _Ended()
                except (RepositoryError, OSError) as error:
                    failure = error
                else:
                    waiting.append((index, block, pool.submit(_digest, block)))
            if waiting:
                index, block, digest = waiting.popleft()
                if digest.result() != chunks.at(index):
                    raise _differs(index, len(block))
                yield index, block
    if not isinstance(failure, _Ended):
        raise failure


class _Ended(Exception):
    """Nothing is left to read."""


def _digest(block: bytes) -> bytes:
    return sha256(block).digest()


def _differs(index: int, length: int) -> IntegrityError:
    start = index * CHUNK
    return IntegrityError(
        f"chunk {index} (bytes {start} to {start + length - 1}) is not what was recorded"
    )


def _nothing(read: Read) -> None:
    with read(0, 1) as file:
        if file.read(1):
            raise IntegrityError("the object is longer than the recorded 0 bytes")


def exactly(file: BinaryIO, length: int) -> bytes:
    """Return that many bytes; fewer only where the file ends."""
    block = file.read(length)
    if len(block) == length or not block:
        return block
    pieces = [block]
    have = len(block)
    while have < length and (block := file.read(length - have)):
        pieces.append(block)
        have += len(block)
    return b"".join(pieces)
