"""The encrypted form of an object: write it as a stream, read any range of it.

The format is Tink's AES256_GCM_HKDF_1MB (docs/format.md 10): a header of 40 bytes, then segments
of 1 MiB, each sealed by AES-256-GCM under a key that HKDF draws for this object alone from the
data key, a random salt and the object's name. A segment moved, cut off or taken from another
object does not open.
"""

import io
import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from repository.chunks import Read, exactly
from repository.errors import IntegrityError
from repository.stores import Block

SCHEME = "AES256_GCM_HKDF_1MB"
KEY = 32  # bytes of a data key
SEGMENT = 1 << 20  # bytes of a segment as stored
_SALT = 32
_PREFIX = 7
HEADER = 1 + _SALT + _PREFIX
_TAG = 16
_FIRST = SEGMENT - HEADER - _TAG  # bytes of plaintext in the first segment
_LATER = SEGMENT - _TAG
_OUT = 4  # segments in one block that is given out
_BUFFERS = 3

Random = Callable[[int], bytes]


def sealed_size(size: int) -> int:
    """Return the stored size of `size` bytes."""
    return size + HEADER + _TAG * (_segment_of(max(size - 1, 0)) + 1)


def plain_size(sealed: int) -> int:
    """Return how many bytes a stored object of `sealed` bytes holds.

    Raises:
        IntegrityError: no object of this format has that size.
    """
    segments = max(1, -(-sealed // SEGMENT))
    size = sealed - HEADER - _TAG * segments
    if size < 0 or sealed_size(size) != sealed:
        raise IntegrityError(f"an object of {sealed} bytes was cut or is not encrypted")
    return size


def seal(blocks: Iterable[Block], *, key: bytes, name: str, random: Random) -> Iterator[Block]:
    """Yield the encrypted form of a stream.

    Args:
        blocks: the plaintext; each block is used before the next is asked for.
        key: the 32-byte data key.
        name: the object's name, which is bound to it.
        random: n random bytes; salt and nonce prefix are fresh for every stream.

    Yields:
        Blocks of 4 MiB, page-aligned, the last one shorter; a block is valid until the next but
        two is asked for.
    """
    salt, prefix = random(_SALT), random(_PREFIX)
    cipher = _cipher(key, salt, name)
    header = bytes([HEADER]) + salt + prefix
    buffers: list[memoryview] = []
    turn, used = 0, 0
    for number, (plain, last) in enumerate(_segments(blocks)):
        nonce = _nonce(prefix, number, last=last)
        if number == 0:
            if last:
                yield header + cipher.encrypt(nonce, plain, None)
                return
            buffers = [memoryview(mmap.mmap(-1, _OUT * SEGMENT)) for _ in range(_BUFFERS)]
            buffers[0][:HEADER] = header
            used = HEADER
        end = used + len(plain) + _TAG
        cipher.encrypt_into(nonce, plain, None, buffers[turn][used:end])
        used = end
        if last or used == _OUT * SEGMENT:
            yield buffers[turn][:used]
            turn, used = (turn + 1) % _BUFFERS, 0


def opened(read: Read, *, key: bytes, name: str, size: int) -> Read:
    """Return how to read ranges of the plaintext of an object.

    Args:
        read: reads the stored bytes.
        key: the 32-byte data key.
        name: the name it was sealed under.
        size: bytes of plaintext.

    Returns:
        A function like `read`; its files raise IntegrityError where a segment does not open, and
        where bytes stand after the last one.
    """
    found: list[tuple[AESGCM, bytes]] = []  # the cipher and its nonce prefix, once they are known
    last = _segment_of(max(size - 1, 0))

    @contextmanager
    def ranged(start: int, length: int) -> Iterator[BinaryIO]:
        first = _segment_of(min(start, max(size - 1, 0)))
        until = min(_segment_of(max(start, start + length - 1)), last)
        # One byte beyond the last segment shows that something was appended.
        stop = sealed_size(size) + 1 if until == last else (until + 1) * SEGMENT
        with read(first * SEGMENT, stop - first * SEGMENT) as file:
            if first == 0:
                head = exactly(file, HEADER)
            if not found:
                if first:
                    with read(0, HEADER) as beginning:
                        head = exactly(beginning, HEADER)
                if len(head) != HEADER or head[0] != HEADER:
                    raise IntegrityError("the object does not begin as an encrypted one")
                found.append((_cipher(key, head[1 : 1 + _SALT], name), head[1 + _SALT :]))
            plain = _plain(file, *found[0], first=first, until=until, last=last, size=size)
            yield cast("BinaryIO", _Joined(plain, skip=start - _start_of(first), length=length))

    return ranged


def _plain(
    file: BinaryIO, cipher: AESGCM, prefix: bytes, *, first: int, until: int, last: int, size: int
) -> Iterator[bytes]:
    for number in range(first, until + 1):
        stop = size if number == last else _start_of(number + 1)
        sealed = exactly(file, stop - _start_of(number) + _TAG)
        try:
            yield cipher.decrypt(_nonce(prefix, number, last=number == last), sealed, None)
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                f"segment {number} does not open: its bytes or its key are not those recorded"
            ) from error
    if until == last and file.read(1):
        raise IntegrityError("the object is longer than recorded")


class _Joined(io.RawIOBase):
    """Pieces as a file: from a position in the first of them, for a length."""

    def __init__(self, pieces: Iterator[bytes], *, skip: int, length: int) -> None:
        self._pieces = pieces
        self._skip = skip
        self._left = length
        self._rest = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes, and at least one unless the end is reached."""
        wanted = self._left if size < 0 else min(size, self._left)
        parts: list[memoryview] = []
        have = 0
        while have < wanted:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)[self._skip :]
                self._skip = 0
                continue
            part = self._rest[: wanted - have]
            self._rest = self._rest[len(part) :]
            parts.append(part)
            have += len(part)
        self._left -= have
        if not self._left or have < wanted:
            # The end: what follows the last segment is looked at before it is believed.
            next(self._pieces, None)
        return b"".join(parts)


def _segments(blocks: Iterable[Block]) -> Iterator[tuple[Block, bool]]:
    """Cut a stream into segments and say which is the last: there is one even of no bytes."""
    wanted = _FIRST
    rest = b""
    for block in blocks:
        view = memoryview(block)
        if rest:
            take = wanted - len(rest)
            rest = b"".join((rest, view[:take]))
            view = view[take:]
            if not view:
                continue  # perhaps full, and perhaps the last
            yield rest, False
            wanted, rest = _LATER, b""
        while len(view) > wanted:
            yield view[:wanted], False
            view, wanted = view[wanted:], _LATER
        rest = bytes(view)
    yield rest, True


def _segment_of(position: int) -> int:
    """Return in which segment a byte of plaintext is."""
    return 0 if position < _FIRST else 1 + (position - _FIRST) // _LATER


def _start_of(segment: int) -> int:
    """Return the first byte of plaintext of a segment."""
    return 0 if segment == 0 else _FIRST + (segment - 1) * _LATER


def _cipher(key: bytes, salt: bytes, name: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=KEY, salt=salt, info=name.encode()).derive(key))


def _nonce(prefix: bytes, segment: int, *, last: bool) -> bytes:
    return prefix + segment.to_bytes(4) + (b"\x01" if last else b"\x00")
