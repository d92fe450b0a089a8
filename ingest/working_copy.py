"""A private, verified copy of evidence for the sandbox: in memory, sealed; or unnamed on disk."""

import fcntl
import os
import tempfile
from typing import BinaryIO

from repository import Repository
from repository.models import Exhibit
from repository.retrieve import Recorded, listed_chunks, range_of

MEMORY_COPY = 64 << 20  # larger working copies go to an unnamed file
# A copy in memory can be opened again for writing by whoever holds it, unless it is sealed.
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def working_copy(
    repo: Repository, exhibit: Exhibit, recorded: Recorded, key: bytes | None, *, limit: int
) -> BinaryIO:
    """Return a private, verified, unnamed copy of a part's first `limit` bytes for extraction.

    Raises:
        IntegrityError: the stored bytes are not those recorded.
        StoreUnavailable: the store does not answer.
    """
    size = min(recorded.size, limit)
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
