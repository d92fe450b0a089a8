"""Digest a stream once while it passes: the whole, and every chunk.

The digests run on threads of their own (hashlib lets the interpreter go) over a small ring of
page-aligned buffers, which the store writes from directly; memory does not grow with the file.
"""

import errno
import hashlib
import mmap
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Self

from repository.chunks import ChunkDigests
from repository.errors import CitedDigestDiffers
from repository.stores import Block

Update = Callable[[memoryview], None]

BLOCK = 4 << 20
_BUFFERS = 4
_SMALL = 1 << 20  # a stream that ends below this is digested without threads


def compared(blocks: Iterable[bytes], cited: str | None) -> Iterator[bytes]:
    """Yield blocks; where a digest was cited, the last one only if all together have it.

    Raises:
        CitedDigestDiffers: they have not.
    """
    if cited is None:
        yield from blocks
        return
    digest, held = hashlib.sha256(), b""
    for block in blocks:
        digest.update(block)
        if held:
            yield held
        held = block
    if f"sha256:{digest.hexdigest()}" != cited:
        raise CitedDigestDiffers(f"what was cited, {cited}, is sha256:{digest.hexdigest()} here")
    if held:
        yield held


class Measure:
    """Iterate to get the blocks of a stream; afterwards ask for size, digests and chunks.

    A block is valid until the next but two is asked for. Use it as a context manager: it holds
    buffers and threads.
    """

    def __init__(
        self, source: BinaryIO, *, size: int | None = None, also: Collection[str] = ()
    ) -> None:
        """Prepare to read a stream once.

        Args:
            source: anything with `read(size)`; short reads are gathered.
            size: how many bytes to expect, if known; a small one needs less memory.
            also: names of further algorithms (`md5`, `sha1`) beside SHA-256 and SHA-512.
        """
        self._source = source
        self._first = _SMALL if size is None else min(_SMALL, size + 1)
        self._whole = {name: hashlib.new(name) for name in ("sha256", "sha512", *sorted(also))}
        self._lanes: list[tuple[ThreadPoolExecutor, Update]] = []
        self._pending: list[list[Future[None]]] = [[] for _ in range(_BUFFERS)]
        self.size = 0
        self.chunks = ChunkDigests()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for lane, _update in self._lanes:
            lane.shutdown(cancel_futures=True)
        self.chunks.close()

    @property
    def digests(self) -> dict[str, str]:
        """Return `algorithm:hex` by algorithm; complete once the iteration ended."""
        return {name: f"{name}:{whole.hexdigest()}" for name, whole in self._whole.items()}

    @property
    def chunk_count(self) -> int:
        """Return the number of chunks."""
        return self.chunks.count

    @property
    def chunk_root(self) -> str:
        """Return the root over the chunk digests."""
        return self.chunks.root

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the stream's blocks: 4 MiB each, the last one shorter."""
        first = memoryview(bytearray(self._first))
        length = self._fill(first)
        if length < len(first):
            yield from self._small(first[:length])
            return
        buffers = [memoryview(mmap.mmap(-1, BLOCK)) for _ in range(_BUFFERS)]
        buffers[0][:length] = first
        length += self._fill(buffers[0][length:])
        updates: list[Update] = [whole.update for whole in self._whole.values()]
        # One thread for each digest keeps its blocks in order.
        self._lanes = [
            (ThreadPoolExecutor(1, thread_name_prefix="digest"), update)
            for update in (*updates, self.chunks.update)
        ]
        turn = 0
        while length:
            self._digest(buffers[turn][:length], turn)
            yield buffers[turn][:length]
            if length < BLOCK:
                break
            turn = (turn + 1) % _BUFFERS
            self._wait(turn)
            length = self._fill(buffers[turn])
        for number in range(_BUFFERS):
            self._wait(number)

    def _small(self, block: memoryview) -> Iterator[memoryview]:
        if block:
            self.size = len(block)
            for whole in self._whole.values():
                whole.update(block)
            self.chunks.update(block)
            yield block

    def _digest(self, block: memoryview, turn: int) -> None:
        """Hand a block to every digest."""
        self.size += len(block)
        self._pending[turn] = [lane.submit(update, block) for lane, update in self._lanes]

    def _wait(self, turn: int) -> None:
        for job in self._pending[turn]:
            job.result()
        self._pending[turn] = []

    def _fill(self, buffer: memoryview) -> int:
        """Read until the buffer is full or the stream ends; return how much there is."""
        filled = 0
        while filled < len(buffer):
            got = self._into(buffer[filled:])
            if not got:
                break
            filled += got
        return filled

    def _into(self, buffer: memoryview) -> int:
        """Read once; straight into the buffer where the stream can do that."""
        readinto = getattr(self._source, "readinto", None)
        if readinto is not None:
            got: int | None = readinto(buffer)
            if got is None:  # not the end: the bytes that follow must not be lost
                raise BlockingIOError(errno.EAGAIN, "the source gave no bytes and did not end")
            return got
        block = self._source.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


class hashed:  # noqa: N801 - reads as the statement it is
    """Blocks on their way, and their SHA-256 once they have passed: `with hashed(blocks) as …`.

    Large blocks are digested on a thread; each stays valid until the next but two is asked for.
    """

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = blocks
        self._digest = hashlib.sha256()
        self._lane: ThreadPoolExecutor | None = None
        self._pending: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lane is not None:
            self._lane.shutdown(cancel_futures=True)

    def digest(self) -> str:
        """Return `sha256:` and hex of everything that passed."""
        self._settle(0)
        return f"sha256:{self._digest.hexdigest()}"

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks as they come."""
        for block in self._blocks:
            if len(block) < _SMALL and self._lane is None:
                self._digest.update(block)
            else:
                self._lane = self._lane or ThreadPoolExecutor(1, thread_name_prefix="digest")
                self._pending.append(self._lane.submit(self._digest.update, block))
            yield block
            self._settle(1)

    def _settle(self, most: int) -> None:
        """Wait until no more than so many blocks are still being digested."""
        while len(self._pending) > most:
            self._pending.pop(0).result()
