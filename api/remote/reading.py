"""The bytes of a parcel, from any place on; nothing that differs from its digest is sent unnoticed.

A small file is read whole and hashed before its first byte leaves. Of a large one size and time of
change are compared at every block, and the service compares the digest of the whole.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from api.remote.plan import LARGE
from api.remote.state import Listed
from custody.errors import EvidenceError
from ingest.errors import SourceChanged, SourceUnreadable
from ingest.sources import Source, opened
from repository.naming import shown

_BLOCK = 256 << 10


class Unsendable(Exception):
    """A file of the list cannot be sent as it was listed."""

    def __init__(self, n: int, error: EvidenceError) -> None:
        super().__init__(str(error))
        self.n = n
        self.error = error


def read_parcel(
    files: Sequence[Listed], offset: int, length: int, told: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    """Yield `length` bytes of the files, one after the other, from `offset` on.

    Raises:
        Unsendable: a file is not what it was, or cannot be read.
    """
    begin = 0
    for one in files:
        skip = max(0, offset - begin)
        if skip < one.size and length:
            for block in _read(one, skip, length):
                length -= len(block)
                yield block
                told(len(block))
        begin += one.size


def _read(one: Listed, skip: int, most: int) -> Iterator[bytes | memoryview]:
    source = Source(one.source, one.path, one.size)
    try:
        with opened(source) as file:
            if one.size <= LARGE:
                # One byte more than there should be: what grew is noticed.
                whole = b"".join(iter(lambda: file.read(_BLOCK), b""))
                if sha256(whole).hexdigest() != one.sha256:
                    raise changed(one)
                part = memoryview(whole)[skip : skip + most]
                while part:
                    yield part[:_BLOCK]
                    part = part[_BLOCK:]
                return
            file.seek(skip)
            end = min(one.size, skip + most)
            while skip < end:
                block = file.read(min(_BLOCK, end - skip))
                found = os.fstat(file.fileno())
                if not block or (found.st_size, found.st_mtime_ns) != (one.size, one.changed):
                    raise changed(one)
                skip += len(block)
                yield block
    except OSError as error:
        why = f"{shown(one.path)}: {error.strerror or error}"
        raise Unsendable(one.n, SourceUnreadable(why)) from error
    except EvidenceError as error:
        raise Unsendable(one.n, error) from error


def changed(one: Listed) -> SourceChanged:
    """Return the error of a file that is not what it was."""
    return SourceChanged(
        f"{shown(one.path)}: it changed since the list was sent; its bytes of now are not sent "
        "under the digest of then"
    )
