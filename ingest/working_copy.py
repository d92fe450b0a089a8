"""Verified evidence for the sandbox: a private copy, in memory or unnamed on disk; or pieces."""

import fcntl
import os
import tempfile
from typing import BinaryIO

from ingest.pronom import MOST, TAIL
from ingest.served import Part
from repository import Repository
from repository.models import Exhibit
from repository.retrieve import Recorded, listed_chunks, range_of

MEMORY_COPY = 64 << 20  # larger working copies go to an unnamed file
# A copy in memory can be opened again for writing by whoever holds it, unless it is sealed.
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def working_copy(
    repo: Repository, exhibit: Exhibit, recorded: Recorded, key: bytes | None
) -> BinaryIO:
    """Return a private, verified, unnamed copy of a part for extraction.

    Raises:
        IntegrityError: the stored bytes are not those recorded.
        StoreUnavailable: the store does not answer.
    """
    size = recorded.size
    if size <= MEMORY_COPY:
        memory = os.memfd_create("exhibit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        copy: BinaryIO = os.fdopen(memory, "w+b", buffering=0)
    else:
        copy = tempfile.TemporaryFile(dir=repo.settings.data / "work", buffering=0)  # noqa: SIM115
    try:
        with listed_chunks(repo, exhibit, recorded, key) as listed:
            for block in range_of(repo, exhibit, recorded, listed, key, 0, size - 1):
                copy.write(block)
        copy.seek(0)
        if size <= MEMORY_COPY:
            fcntl.fcntl(copy.fileno(), fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        copy.close()
        raise
    return copy


def ends_of(repo: Repository, exhibit: Exhibit, recorded: Recorded, key: bytes | None) -> BinaryIO:
    """Return the beginning and the end of a large part, put together, to identify it by.

    Raises:
        IntegrityError, StoreUnavailable: as `working_copy`.
    """
    listed = listed_chunks(repo, exhibit, recorded, key)
    memory = os.memfd_create("ends", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    copy: BinaryIO = os.fdopen(memory, "w+b", buffering=0)
    try:
        size = recorded.size
        for first, last in ((0, min(size, MOST - TAIL) - 1), (max(0, size - TAIL), size - 1)):
            for block in range_of(repo, exhibit, recorded, listed, key, first, last):
                copy.write(block)
        copy.seek(0)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        copy.close()
        raise
    return copy


def served(repo: Repository, exhibit: Exhibit, recorded: Recorded, key: bytes | None) -> Part:
    """Return a part as pieces that are read and checked when they are asked for."""
    listed = listed_chunks(repo, exhibit, recorded, key)

    def read(first: int, last: int) -> bytes:
        return b"".join(range_of(repo, exhibit, recorded, listed, key, first, last))

    return Part(recorded.size, read)
