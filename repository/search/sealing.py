"""What search keeps of exhibits beside tokens, sealed under a key of the house for each of them."""

from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from repository import Repository
from repository.errors import IntegrityError

_NONCE = 12


@lru_cache(maxsize=8)
def _box(wrapping: bytes) -> AESGCM:
    info = b"evidence search sightings"
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=info).derive(wrapping))


def sealed(repo: Repository, exhibit_id: str, what: str, plain: bytes) -> bytes:
    """Return something sealed for its exhibit: it opens as nothing else, and for no other."""
    nonce = repo.random(_NONCE)
    return nonce + _box(repo.wrapping_key).encrypt(nonce, plain, _bound(exhibit_id, what))


def opened(repo: Repository, exhibit_id: str, what: str, found: bytes) -> bytes:
    """Return what was sealed.

    Raises:
        IntegrityError: it is not what was sealed for this exhibit.
    """
    bound = _bound(exhibit_id, what)
    try:
        return _box(repo.wrapping_key).decrypt(found[:_NONCE], found[_NONCE:], bound)
    except InvalidTag as error:
        raise IntegrityError(
            f"what search keeps of {what} is damaged: `evidence reindex --all`"
        ) from error


def _bound(exhibit_id: str, what: str) -> bytes:
    return f"{exhibit_id} {what}".encode()
