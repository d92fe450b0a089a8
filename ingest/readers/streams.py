"""Compressed streams: gzip, bzip2, xz, zstd, raw deflate as blocks, never more than asked for."""

import bz2
import itertools
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from ingest.readers.members import (
    BLOCK,
    MOST_NAME,
    MOST_RATIO,
    RATIO_FROM,
    UNIX,
    Exhausted,
    Unreadable,
    read_at,
    utc,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:  # the same module, for older interpreters
    from backports import zstd

LZMA_MEMORY = 256 << 20
_ZSTD_WINDOW = 27  # bits: 128 MiB, what zstd itself takes without being asked


class Decompressor(Protocol):
    """What zlib, bz2 and lzma have in common, with a bound on what comes out at once."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the end."""

    def feed(self, data: bytes) -> bytes:
        """Take input in and return at most a block."""

    def hungry(self) -> bool:
        """Whether it needs input to go on."""


class Inflate:
    """zlib's decompressor in the form of `Decompressor`."""

    def __init__(self, window: int = -15) -> None:
        self._inner = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        """See `Decompressor`."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """See `Decompressor`."""
        return self._inner.unused_data

    def feed(self, data: bytes) -> bytes:
        """See `Decompressor`."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, BLOCK)

    def hungry(self) -> bool:
        """See `Decompressor`."""
        return not self._inner.unconsumed_tail


class Unpack:
    """bz2's, lzma's or zstd's decompressor in the form of `Decompressor`."""

    def __init__(
        self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor | zstd.ZstdDecompressor
    ) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        """See `Decompressor`."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """See `Decompressor`."""
        return self._inner.unused_data

    def feed(self, data: bytes) -> bytes:
        """See `Decompressor`."""
        return self._inner.decompress(data, BLOCK)

    def hungry(self) -> bool:
        """See `Decompressor`."""
        return self._inner.needs_input


def unpacked(blocks: Iterator[bytes], unpacker: Decompressor) -> Iterator[bytes]:
    """Yield what one compressed stream holds.

    Raises:
        Exhausted: it grows more than `MOST_RATIO` times.
        Unreadable: it is damaged, or ends too early.
    """
    taken = given = 0
    try:
        while not unpacker.eof:
            hungry = unpacker.hungry()
            data = next(blocks, b"") if hungry else b""
            taken += len(data)
            out = unpacker.feed(data)
            given += len(out)
            if hungry and not (data or out or unpacker.eof):
                raise Unreadable("the compressed stream ends early")
            if given > RATIO_FROM and given > MOST_RATIO * max(1, taken):
                raise Exhausted(f"one byte becomes more than {MOST_RATIO}")
            if out:
                yield out
    except (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError) as error:
        raise Unreadable(f"the compressed stream is damaged: {error}") from error


def read_blocks(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield a range of a seekable file; positions are kept here, not in the file."""
    while length > 0:
        block = read_at(file, start, min(BLOCK, length))
        if not block:
            return
        start += len(block)
        length -= len(block)
        yield block


@dataclass(frozen=True, slots=True)
class GzipHeader:
    """What the header of a gzip stream says."""

    name: bytes
    comment: bytes
    modified_at: str | None  # gzip's times are UTC
    system: int
    length: int  # bytes of the header


def gzip_header(head: bytes) -> GzipHeader | None:
    """Return the header that a gzip stream begins with; None: it is none, or not whole."""
    if len(head) < 10 or head[:3] != b"\x1f\x8b\x08":
        return None
    flags, at = head[3], 10
    if flags & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    texts = []
    for bit in (8, 16):
        text = b""
        if flags & bit:
            end = head.find(b"\0", at)
            if end < 0 or end - at > MOST_NAME:
                return None
            text, at = head[at:end], end + 1
        texts.append(text)
    if flags & 2:
        at += 2
    if at > len(head):
        return None
    seconds = int.from_bytes(head[4:8], "little")
    when = utc(UNIX, seconds=seconds) if seconds else None
    return GzipHeader(texts[0], texts[1], when, head[9], at)


def gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a gzip file holds, all its members one after the other; zlib checks their CRC.

    Raises:
        Exhausted: see `unpacked`.
        Unreadable: see `unpacked`.
    """
    yield from _chained(blocks, lambda: Inflate(31), b"\x1f\x8b")


def bunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a bzip2 file holds; raises as `gunzip`."""
    yield from _chained(blocks, lambda: Unpack(bz2.BZ2Decompressor()), b"BZh")


def unxz(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what an xz or lzma file holds; raises as `gunzip`."""

    def fresh() -> Unpack:
        return Unpack(lzma.LZMADecompressor(memlimit=LZMA_MEMORY))

    yield from _chained(blocks, fresh, b"\xfd7zXZ")


def unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a Zstandard file holds; raises as `gunzip`."""
    yield from _chained(blocks, zstandard, b"\x28\xb5\x2f\xfd")


def zstandard() -> Unpack:
    """Return a decompressor of one Zstandard frame, its window bounded."""
    bounds = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW}
    return Unpack(zstd.ZstdDecompressor(options=bounds))


def _chained(
    blocks: Iterator[bytes], fresh: Callable[[], Decompressor], magic: bytes
) -> Iterator[bytes]:
    """Yield stream after stream while what follows begins like one; other tails are left."""
    rest = b""
    while True:
        unpacker = fresh()
        yield from unpacked(itertools.chain([rest] if rest else [], blocks), unpacker)
        rest = unpacker.unused_data
        while len(rest) < len(magic):
            more = next(blocks, b"")
            if not more:
                return
            rest += more
        if not rest.startswith(magic):
            return
