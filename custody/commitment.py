"""Salted commitments to sensitive values, and the openings that reveal them.

The body of an entry holds only the commitment. The opening (salt and value) is kept beside the
ledger, sealed under a key of its subject that can be destroyed; every hash and proof stays valid
without it (the idea of SD-JWT).
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from custody.canonical import dumps, loads
from custody.errors import BadOpening, NotCanonical

SALT_SIZE = 16
_NONCE_SIZE = 12
_VALUE = len('{"salt":"","value":') + 2 * SALT_SIZE  # where the value of a sealed opening begins

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Opening:
    """What reveals one withheld field: its salt (16 bytes) and its value.

    `canonical_value` is made once, for it is hashed and then sealed; or given by who has read it.
    """

    salt: bytes
    value: Any
    canonical_value: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.canonical_value:
            object.__setattr__(self, "canonical_value", dumps(self.value))

    def commitment(self) -> str:
        """Return the commitment that stands in the body: `sha256:` and 64 hex digits."""
        return "sha256:" + sha256(self.salt + self.canonical_value).hexdigest()

    def opens(self, commitment: str) -> bool:
        """Say whether this opening belongs to the commitment."""
        return hmac.compare_digest(self.commitment(), commitment)

    def to_json(self) -> dict[str, Any]:
        """Return the form that receipts and bundles carry."""
        return {"salt": self.salt.hex(), "value": self.value}

    @classmethod
    def from_json(cls, found: object, canonical_value: bytes = b"") -> "Opening":
        """Read the form of `to_json`.

        Args:
            found: it.
            canonical_value: the canonical form of its value, where it is known.

        Raises:
            BadOpening: not an object of a 32-digit hex salt and a value.
        """
        if not isinstance(found, dict) or set(found) != {"salt", "value"}:
            raise BadOpening('an opening is an object of "salt" and "value"')
        salt = found["salt"]
        if not isinstance(salt, str) or len(salt) != 2 * SALT_SIZE or salt != salt.lower():
            raise BadOpening("the salt of an opening is 32 lower-case hex digits")
        try:
            return cls(bytes.fromhex(salt), found["value"], canonical_value)
        except ValueError as error:
            raise BadOpening("the salt of an opening is 32 lower-case hex digits") from error


def commit(value: Any, random: Random = os.urandom) -> Opening:
    """Return a fresh opening of the value; its `commitment()` goes into the body."""
    return Opening(random(SALT_SIZE), value)


def new_key(wrapping_key: bytes, random: Random = os.urandom) -> tuple[bytes, bytes]:
    """Return a new 32-byte opening key and its wrapped form (AES key wrap, RFC 3394)."""
    key = random(32)
    return key, aes_key_wrap(wrapping_key, key)


def unwrap_key(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """Return the opening key.

    Raises:
        BadOpening: the wrapping key does not fit, or the wrapped key is damaged.
    """
    try:
        return aes_key_unwrap(wrapping_key, wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise BadOpening("an opening key does not unwrap: wrong passphrase, or damaged") from error


def seal(
    opening: Opening, cipher: AESGCM, *, index: int, field: str, random: Random = os.urandom
) -> bytes:
    """Return the opening encrypted (AES-256-GCM) and bound to its place in the ledger.

    Args:
        opening: what to seal.
        cipher: made of the subject's key, once for all its openings.
        index: the entry's index.
        field: the field's name.
        random: n random bytes.
    """
    nonce = random(_NONCE_SIZE)
    # The canonical form of `to_json`, put together from what was serialised for the commitment.
    plain = b'{"salt":"%s","value":%s}' % (opening.salt.hex().encode(), opening.canonical_value)
    return nonce + cipher.encrypt(nonce, plain, _place(index, field))


def unseal(sealed: bytes, key: bytes, *, index: int, field: str) -> Opening:
    """Return the opening that `seal` encrypted for this place.

    Raises:
        BadOpening: another key, another place, or damaged.
    """
    try:
        plain = AESGCM(key).decrypt(
            sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], _place(index, field)
        )
        # Canonical as a whole, so its value stands there as it was committed to.
        return Opening.from_json(loads(plain), plain[_VALUE:-1])
    except (InvalidTag, NotCanonical, ValueError) as error:
        raise BadOpening(f"the opening of {field} at entry {index} cannot be read") from error


def _place(index: int, field: str) -> bytes:
    return f"{index}\n{field}".encode()
