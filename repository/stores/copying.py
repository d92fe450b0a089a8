"""Copy one object from store to store: compared with what was recorded, lock and hold with it."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from repository.errors import IntegrityError
from repository.stores import ObjectStore, Stored

_BLOCK = 4 << 20


def copy_object(
    source: ObjectStore,
    stored: Stored,
    target: ObjectStore,
    key: str,
    *,
    at: datetime,
) -> Stored:
    """Copy one object with its lock and hold, checked against its recorded digest on the way.

    Args:
        source: has it.
        stored: the object; without a digest (`versions` knows none) it is read twice, and a wrong
            bit of one reading is not copied for good.
        target: gets it.
        key: under which name.
        at: the time; a lock that ended by then is not set again: stores refuse it.

    Raises:
        IntegrityError: the source gives other bytes; nothing was stored.
        NameTaken: other bytes have that name in the target.
    """
    held = source.stat(stored)  # locks were renewed since the object was recorded
    until = held.retain_until
    if until is not None and until <= at:
        until = None
    wanted = stored.sha256 or _digest(source, stored)
    with source.open(stored) as file:

        def blocks() -> Iterator[bytes]:
            digest, size = sha256(), 0
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
                yield block
            found = f"sha256:{digest.hexdigest()}"
            if (wanted, stored.size) != (found, size):
                raise IntegrityError(f"{stored.bucket}/{stored.key} is not what was recorded")

        return target.put(
            blocks(), bucket=stored.bucket, key=key, retain_until=until, hold=held.hold
        )


def _digest(source: ObjectStore, stored: Stored) -> str:
    digest = sha256()
    with source.open(stored) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
