"""Gather a stream of blocks into the parts of an upload, in two buffers whatever its length."""

import mmap
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Self

from repository.stores import Block


class Buffers:
    """Two buffers, one of which is sent by a thread while the other is filled."""

    def __init__(self) -> None:
        self._buffers = [memoryview(b"")] * 2
        self._turn = 0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="upload")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown()

    def next(self, size: int) -> memoryview:
        """Return the buffer that is not being sent, with that size."""
        self._turn ^= 1
        if len(self._buffers[self._turn]) < size:
            self._buffers[self._turn] = memoryview(mmap.mmap(-1, size))
        return self._buffers[self._turn][:size]


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
