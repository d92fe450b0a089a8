"""A key-encryption key in a file, itself wrapped under the passphrase (scrypt, RFC 7914)."""

import json
import os
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from repository.errors import KeyUnavailable

_COST = 2**14


class FileWrapper:
    """Wraps with a key held in memory."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id = sha256(b"evidence-kek\n" + key).hexdigest()[:16]

    def wrap(self, key: bytes) -> bytes:
        """Return the wrapped form of a key; see `KeyWrapper.wrap`."""
        return aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a wrapped key; see `KeyWrapper.unwrap`."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise KeyUnavailable(
                f"a data key does not open with the key-encryption key {self.id}: it is damaged "
                "or was wrapped by another one"
            ) from error


def create(uri: str, *, passphrase: bytes) -> FileWrapper:
    """Make a new key and write it, wrapped, to a new file of mode 0600.

    Raises:
        KeyUnavailable: the file is there already.
    """
    path = _path(uri)
    key, salt = os.urandom(32), os.urandom(16)
    text = json.dumps(
        {
            "v": 1,
            "kdf": "scrypt",
            "n": _COST,
            "salt": salt.hex(),
            "wrapped": aes_key_wrap(_derive(passphrase, salt, _COST), key).hex(),
        }
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyUnavailable(f"{path} is there already; keys are never overwritten") from error
    with os.fdopen(descriptor, "w") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    return FileWrapper(key)


def open_wrapper(uri: str, *, passphrase: bytes) -> FileWrapper:
    """Return the key of `file:///path`.

    Raises:
        KeyUnavailable: the file is missing or damaged, or the passphrase is another.
    """
    path = _path(uri)
    try:
        found = json.loads(path.read_bytes())
        salt, cost = bytes.fromhex(found["salt"]), int(found["n"])
        key = aes_key_unwrap(_derive(passphrase, salt, cost), bytes.fromhex(found["wrapped"]))
    except OSError as error:
        raise KeyUnavailable(
            f"the key-encryption key {path} cannot be read: {error.strerror}; without it no "
            "exhibit opens: bring it back from its backup"
        ) from error
    except (InvalidUnwrap, InvalidKey, ValueError, KeyError, TypeError) as error:
        raise KeyUnavailable(
            f"the key-encryption key {path} does not open: wrong passphrase, or damaged"
        ) from error
    return FileWrapper(key)


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase)
