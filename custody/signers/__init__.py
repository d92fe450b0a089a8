"""Signer, and open_signer(uri): the scheme of the URI names the file beside this one."""

import importlib
import pkgutil
from typing import Protocol

from custody.errors import SignerUnavailable
from custody.note import ED25519, Note, SignatureLine, VerifierKey


class Signer(Protocol):
    """A key that signs: `key` is its public half, `sign` returns the raw signature."""

    key: VerifierKey

    def sign(self, message: bytes) -> bytes:
        """Return the signature over the message."""


def open_signer(uri: str, *, name: str, passphrase: bytes, kind: int = ED25519) -> Signer:
    """Return the signer of a URI such as `file:///path/log.pem`.

    Args:
        uri: `scheme:…`; the scheme is the name of a file in this folder.
        name: the key name, for the log its origin.
        passphrase: what unlocks the key.
        kind: the type byte of its verifier key: a log's, or a cosigner's.

    Raises:
        SignerUnavailable: no such scheme, or the key cannot be opened.
    """
    scheme = uri.partition(":")[0]
    if scheme not in {module.name for module in pkgutil.iter_modules(__path__)}:
        raise SignerUnavailable(f"no signer is called {scheme!r}")
    module = importlib.import_module(f"{__name__}.{scheme}")
    signer: Signer = module.open_signer(uri, name=name, passphrase=passphrase, kind=kind)
    return signer


def sign_note(text: str, signer: Signer) -> str:
    """Return the note of a text with one signature."""
    signature = signer.sign(text.encode())
    line = SignatureLine(signer.key.name, signer.key.key_id, signature)
    return str(Note(text, (line,)))
