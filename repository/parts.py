"""Gather a stream of blocks into the parts of an upload, in a few buffers whatever its length."""

import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from itertools import islice
from typing import Generic, Self, TypeVar

from repository.stores import Block

AT_ONCE = 3  # parts on their way to a server, or back
RANGE = 8 << 20
T = TypeVar("T")


class Uploads(Generic[T]):
    """A few buffers, sent by threads while the next is filled; the results come in order."""

    def __init__(self, send: Callable[[int, memoryview], T]) -> None:
        """Prepare; `send` is called with the number of a part, from 1, and its bytes."""
        self._send = send
        self._free: list[memoryview] = [memoryview(b"")] * (AT_ONCE + 1)
        self._sending: deque[tuple[Future[T], memoryview]] = deque()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._number = 0
        self.results: list[T] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)  # buffers are in use until then

    def buffer(self, size: int) -> memoryview:
        """Return a buffer of that size which nothing is sent from.

        Raises:
            StoreError: a part could not be sent.
        """
        if not self._free:
            self._settle()
        found = self._free.pop()
        return found if len(found) >= size else memoryview(mmap.mmap(-1, size))

    def submit(self, buffer: memoryview, length: int) -> None:
        """Send the first bytes of a buffer as the next part."""
        self._number += 1
        job = self._threads.submit(self._send, self._number, buffer[:length])
        self._sending.append((job, buffer))

    def finish(self) -> list[T]:
        """Wait for all parts and return what each came to."""
        while self._sending:
            self._settle()
        return self.results

    def _settle(self) -> None:
        job, buffer = self._sending.popleft()
        self.results.append(job.result())
        self._free.append(buffer)


def ahead(read: Callable[[int, int], bytes], size: int) -> Iterator[bytes]:
    """Yield the bytes of an object, some ranges of which are read at the same time.

    Args:
        read: returns the bytes from a position, of a length.
        size: where it ends; one byte more is asked for, to see what was appended.
    """
    starts = list(range(0, max(size, 1), RANGE))
    lengths = [min(RANGE, size - start) for start in starts]
    lengths[-1] += 1
    ranges = iter(zip(starts, lengths, strict=True))
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read-back") as pool:
        for start, length in islice(ranges, AT_ONCE):
            waiting.append(pool.submit(read, start, length))
        while waiting:
            block = waiting.popleft().result()
            for start, length in islice(ranges, 1):
                waiting.append(pool.submit(read, start, length))
            yield block


class Gathered:
    """Blocks, gathered into parts."""

    def __init__(self, blocks: Iterable[Block], *, hashing: bool) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")
        self._digest = sha256() if hashing else None
        self.size = 0

    @property
    def sha256(self) -> str:
        """Return the digest of everything read."""
        return f"sha256:{self._digest.hexdigest()}" if self._digest else ""

    def fill(self, buffer: memoryview) -> memoryview:
        """Fill a buffer as far as there are bytes; errors of the source pass through."""
        filled = 0
        while filled < len(buffer) and self._more():
            part = self._rest[: len(buffer) - filled]
            buffer[filled : filled + len(part)] = part
            self._rest = self._rest[len(part) :]
            filled += len(part)
        return buffer[:filled]

    def drain(self) -> None:
        """Read to the end."""
        while self._more():
            self._rest = memoryview(b"")

    def _more(self) -> bool:
        while not self._rest:  # an empty block is not the end
            block = next(self._blocks, None)
            if block is None:
                return False
            self._rest = memoryview(block)
            self.size += len(self._rest)
            if self._digest is not None:
                self._digest.update(self._rest)
        return True
