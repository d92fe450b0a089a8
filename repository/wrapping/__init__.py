"""KeyWrapper, the key-encryption key, and open_wrapper(uri): the scheme names the file beside this.

Data keys leave the program wrapped by it alone (AES key wrap, RFC 3394).
"""

import importlib
from pathlib import Path
from typing import Any, Protocol

from repository.errors import KeyUnavailable

SCHEMES = ("file", "pkcs11")


class KeyWrapper(Protocol):
    """A key that wraps others; `id` tells which one wrapped a key."""

    id: str

    def wrap(self, key: bytes) -> bytes:
        """Return the wrapped form of a 32-byte key.

        Raises:
            KeyUnavailable: the module that holds the key does not answer.
        """

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the key.

        Raises:
            KeyUnavailable: it was wrapped by another key, is damaged, or the module is away.
        """


def open_wrapper(uri: str, *, passphrase: bytes) -> KeyWrapper:
    """Return the key-encryption key of a URI: `file:///path` or `pkcs11:token=…;object=…`.

    Raises:
        KeyUnavailable: no such scheme, or the key cannot be opened.
    """
    found: KeyWrapper = _module(uri).open_wrapper(uri, passphrase=passphrase)
    return found


def open_from_file(uri: str, file: Path, *, what: str, then: str) -> KeyWrapper:
    """Return the key-encryption key of a URI, with the passphrase that a file holds.

    Args:
        uri: as `open_wrapper`.
        file: holds the passphrase.
        what: is said where the file cannot be read: what does not work without it.
        then: and what to do about it.

    Raises:
        KeyUnavailable: this machine has it not, or it does not open.
    """
    try:
        passphrase = file.read_bytes().strip()
    except OSError as error:
        raise KeyUnavailable(f"{what} is not at {file} ({error.strerror}); {then}") from error
    return open_wrapper(uri, passphrase=passphrase)


def create_wrapper(uri: str, *, passphrase: bytes) -> KeyWrapper:
    """Make a new key-encryption key and return it; one that is there is never replaced.

    Raises:
        KeyUnavailable: it is there already, or cannot be made.
    """
    made: KeyWrapper = _module(uri).create(uri, passphrase=passphrase)
    return made


def _module(uri: str) -> Any:
    scheme = uri.partition(":")[0]
    if scheme not in SCHEMES:
        raise KeyUnavailable(f"no key-encryption key is called {scheme!r}; use file: or pkcs11:")
    return importlib.import_module(f"{__name__}.{scheme}")
