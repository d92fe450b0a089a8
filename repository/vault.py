"""The vault's key and what it seals: identities, under a key-encryption key of their own.

It shares nothing with the evidence's key: another key, under another passphrase. Whoever reads
every exhibit, the database and the ledger's openings reads no name here, and a machine that has no
business with names needs neither file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.settings import Settings
from custody.canonical import dumps, loads
from custody.commitment import Opening
from custody.errors import NotCanonical
from repository import Repository
from repository.errors import IntegrityError
from repository.wrapping import KeyWrapper, open_from_file

_NONCE = 12
_BLOCK = 2_048  # the length of what is sealed tells nothing of a name
_SALT = 16


@dataclass(frozen=True, slots=True)
class Sealed:
    """An identity as it may be kept, and the commitment to it that stands in the ledger."""

    kek: str
    wrapped: bytes
    sealed: bytes
    commitment: str


def vault_key_uri(settings: Settings) -> str:
    """Return where the vault's key-encryption key is: by default a file in the data folder."""
    return settings.identity_kek_uri or (settings.data / "keys" / "identities.json").as_uri()


def vault_passphrase_file(settings: Settings) -> Path:
    """Return the file with the passphrase of the vault's key."""
    default = settings.data / "secrets" / "identity-passphrase"
    return settings.identity_passphrase_file or default


def open_vault(settings: Settings) -> KeyWrapper:
    """Return the vault's key, which is opened for one act and not kept.

    Raises:
        KeyUnavailable: this machine has it not, or it does not open.
    """
    return open_from_file(
        vault_key_uri(settings),
        vault_passphrase_file(settings),
        what="the vault of identities cannot be opened on this machine: the passphrase of its key",
        then="make a key: evidence identity key",
    )


def seal(repo: Repository, name: str, value: dict[str, Any]) -> Sealed:
    """Seal an identity under a key of its own, for an id that it is bound to.

    Raises:
        KeyUnavailable: the vault cannot be opened here.
    """
    vault = open_vault(repo.settings)
    opening = Opening(repo.random(_SALT), value)
    plain = dumps(opening.to_json())
    padded = plain + b" " * (-len(plain) % _BLOCK)
    key, nonce = repo.random(32), repo.random(_NONCE)
    sealed = nonce + AESGCM(key).encrypt(nonce, padded, name.encode())
    return Sealed(vault.id, vault.wrap(key), sealed, opening.commitment())


def unseal(repo: Repository, name: str, found: Sealed) -> dict[str, Any]:
    """Return an identity, compared with the commitment in the ledger.

    Raises:
        KeyUnavailable: the vault cannot be opened here, or by another key.
        IntegrityError: it is not what was sealed.
    """
    key = open_vault(repo.settings).unwrap(found.wrapped)
    nonce, rest = found.sealed[:_NONCE], found.sealed[_NONCE:]
    try:
        plain = AESGCM(key).decrypt(nonce, rest, name.encode())
        opening = Opening.from_json(loads(plain.rstrip(b" ")))
    except (InvalidTag, NotCanonical) as error:
        raise IntegrityError("an identity in the vault is damaged or exchanged") from error
    if not opening.opens(found.commitment) or not isinstance(opening.value, dict):
        raise IntegrityError("an identity in the vault is not the one that was registered")
    return opening.value
