"""The bytes of exhibits on their way into a bag: read, verified and digested, with keys of many."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from repository import Repository
from repository.keys import unwrapped
from repository.models import Exhibit
from repository.retrieve import Recorded, listed_chunks, range_of


def verified_whole(
    repo: Repository,
    exhibit: Exhibit,
    recorded: Recorded,
    key: bytes | None,
    digest: "hashlib._Hash",
) -> Iterator[bytes]:
    """Yield all bytes of a part, as `retrieve.verified_bytes`, and digest them on their way.

    Args:
        repo: the repository.
        exhibit: whose part it is.
        recorded: the part.
        key: the data key, of `part_keys`.
        digest: a fresh SHA-256, which is that of the part when all is given out.

    Raises:
        IntegrityError, StoreUnavailable: as `retrieve.verified_bytes`.
    """
    with listed_chunks(repo, exhibit, recorded, key) as listed:
        last = recorded.size - 1
        yield from range_of(repo, exhibit, recorded, listed, key, 0, last, whole=digest)


def part_keys(
    repo: Repository, parts: Mapping[str, Sequence[Recorded]]
) -> dict[str, list[bytes | None]]:
    """Return the data key of each part of several exhibits, by id, asked for together.

    Raises:
        Erased, KeyUnavailable: as `retrieve.verified_bytes`, of one of them.
    """
    sealed = [id_ for id_, some in parts.items() if any(part.encryption for part in some)]
    keys = unwrapped(repo, sealed)
    return {
        id_: [keys[id_] if part.encryption else None for part in some]
        for id_, some in parts.items()
    }
