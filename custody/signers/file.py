"""A key in an encrypted PKCS #8 PEM file: Ed25519, or ML-DSA-44 for post-quantum cosignatures."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from custody.errors import SignerUnavailable
from custody.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, VerifierKey

Private = Ed25519PrivateKey | MLDSA44PrivateKey
_KINDS: dict[int, type[Private]] = {
    ED25519: Ed25519PrivateKey,
    COSIGNATURE_ED25519: Ed25519PrivateKey,
    COSIGNATURE_ML_DSA_44: MLDSA44PrivateKey,
}


class FileSigner:
    """Signs with a private key held in memory; `key` is its verifier key."""

    def __init__(self, private: Private, name: str, kind: int = ED25519) -> None:
        self._private = private
        self.key = VerifierKey(name, kind, private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over the message (RFC 8032; FIPS 204 pure, empty context)."""
        return self._private.sign(message)


def create(path: Path, *, name: str, passphrase: bytes, kind: int = ED25519) -> FileSigner:
    """Make a new key, write it encrypted with mode 0600, and return its signer.

    Raises:
        FileExistsError: the file is there already; keys are never overwritten.
    """
    private = _KINDS[kind].generate()
    pem = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return FileSigner(private, name, kind)


def open_signer(uri: str, *, name: str, passphrase: bytes, kind: int = ED25519) -> FileSigner:
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
    if not isinstance(private, _KINDS[kind]):
        raise SignerUnavailable(f"the signing key {path} is not of the kind {kind:#04x}")
    return FileSigner(private, name, kind)
