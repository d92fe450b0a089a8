"""Evidence too large to copy: the locked process asks for pieces, the service checks and sends.

One stream socket, made before the fork and open in both. A request is a part's number, an offset
and a length; an answer is a length and so many bytes. The service gives out verified bytes alone,
and the locked process can ask for nothing but pieces of this one exhibit.
"""

import io
import os
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

PIECE = 1 << 20  # largest answer; also how much a reader asks for at a time
_REQUEST = struct.Struct(">IQI")
_LENGTH = struct.Struct(">I")
_KEPT = 16  # pieces that the service holds for readers that jump about


class Part:
    """One part of an exhibit as a source of verified bytes.

    Args:
        size: of the part.
        read: returns the bytes from a first to a last place, inclusive.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._read = read
        self._pieces: OrderedDict[int, bytes] = OrderedDict()

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Return what is there: less at the end of a piece, nothing past the end of the part."""
        if offset >= self.size or not length:
            return b""
        number, start = divmod(offset, PIECE)
        if number not in self._pieces:
            first = number * PIECE
            self._pieces[number] = self._read(first, min(first + PIECE, self.size) - 1)
            if len(self._pieces) > _KEPT:
                self._pieces.popitem(last=False)
        self._pieces.move_to_end(number)
        return self._pieces[number][start : start + length]


def answer(channel: socket.socket, parts: Sequence[Part]) -> bool:
    """Answer one request; False when the other side has ended, or is no longer our code.

    Raises:
        IntegrityError, StoreUnavailable: what the parts raise; nothing of that piece was sent.
    """
    try:
        request = channel.recv(_REQUEST.size, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(request) != _REQUEST.size:
        return False
    number, offset, length = _REQUEST.unpack(request)
    if number >= len(parts):
        return False
    found = parts[number].bytes_at(offset, min(length, PIECE))
    try:
        channel.sendall(_LENGTH.pack(len(found)) + found)
    except OSError:
        return False
    return True


def opened(descriptor: int, number: int, size: int) -> BinaryIO:
    """Return a part as the locked process reads it: seekable, buffered."""
    return cast("BinaryIO", io.BufferedReader(_Asked(descriptor, number, size), PIECE))


class _Asked(io.RawIOBase):
    """A file whose bytes come over the socket."""

    def __init__(self, descriptor: int, number: int, size: int) -> None:
        self._descriptor = descriptor
        self._number = number
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; past the end is no error, as with files."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(22, "a place before the beginning")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read up to a piece."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), PIECE)
        if self._place >= self._size or not wanted:
            return 0
        os.write(self._descriptor, _REQUEST.pack(self._number, self._place, wanted))
        length = int(_LENGTH.unpack(self._exactly(_LENGTH.size))[0])
        view[:length] = self._exactly(length)
        self._place += length
        return length

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            block = os.read(self._descriptor, count - len(found))
            if not block:
                raise OSError(5, "the evidence is no longer served")
            found += block
        return bytes(found)
