"""An Ed25519 key in an encrypted PKCS #8 PEM file."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from custody.errors import SignerUnavailable
from custody.note import ED25519, VerifierKey


class FileSigner:
    """Signs with a private key held in memory; `key` is its verifier key."""

    def __init__(self, private: Ed25519PrivateKey, name: str) -> None:
        self._private = private
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = VerifierKey(name, ED25519, raw)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over the message (RFC 8032)."""
        return self._private.sign(message)


def create(path: Path, *, name: str, passphrase: bytes) -> FileSigner:
    """Make a new key, write it encrypted with mode 0600, and return its signer.

    Raises:
        FileExistsError: the file is there already; keys are never overwritten.
    """
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return FileSigner(private, name)


def open_signer(uri: str, *, name: str, passphrase: bytes) -> FileSigner:
    """Return the signer of `file:///path`.

    Raises:
        SignerUnavailable: the file is missing, the passphrase wrong, or the key of another kind.
    """
    path = Path(unquote(urlsplit(uri).path))
    try:
        private = load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise SignerUnavailable(
            f"the signing key {path} cannot be read: {error.strerror}"
        ) from error
    except (ValueError, TypeError) as error:
        raise SignerUnavailable(
            f"the signing key {path} does not open: wrong passphrase?"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SignerUnavailable(f"the signing key {path} is not an Ed25519 key")
    return FileSigner(private, name)
