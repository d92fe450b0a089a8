"""The recovery key: what a backup is sealed to, held by several people in shares.

The house keeps the public half alone. The secret is drawn once, split by SLIP-39 into n lists of 33
words of which k are needed, and forgotten; fewer than k tell nothing. The key is HPKE's
MLKEM768-X25519 (X-Wing): its 32-byte secret is what the shares restore.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share

from config.settings import Settings
from repository.errors import BackupDamaged, BackupRefused, BadRequest, KeyUnavailable

SECRET = 32
_MLKEM_PUBLIC = 1184
_INFO = b"evidence-backup v1"
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """The public half: what backups are sealed to, and how many shares open them."""

    public: bytes
    threshold: int
    shares: int

    @property
    def id(self) -> str:
        """Return the name by which people and backups know the key."""
        return sha256(b"evidence-recovery\n" + self.public).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """Return what the house and every backup keep of it."""
        public = base64.b64encode(self.public).decode()
        return {
            "id": self.id, "public": public, "threshold": self.threshold, "shares": self.shares,
        }  # fmt: skip

    @classmethod
    def from_json(cls, found: object) -> "RecoveryKey":
        """Read what `to_json` wrote.

        Raises:
            KeyUnavailable: it is something else.
        """
        try:
            assert isinstance(found, dict)
            public = base64.b64decode(found["public"], validate=True)
            key = cls(public, int(found["threshold"]), int(found["shares"]))
            if key.id == found["id"]:
                return key
        except (AssertionError, ValueError, KeyError, TypeError) as error:
            raise KeyUnavailable("the recovery key is damaged") from error
        raise KeyUnavailable("the recovery key is damaged: it is not the one it is called")

    def seal(self, secret: bytes) -> bytes:
        """Return a secret sealed to the key (HPKE)."""
        mlkem = MLKEM768PublicKey.from_public_bytes(self.public[:_MLKEM_PUBLIC])
        curve = X25519PublicKey.from_public_bytes(self.public[_MLKEM_PUBLIC:])
        return _SUITE.encrypt(secret, MLKEM768X25519PublicKey(mlkem, curve), _INFO)

    def open(self, sealed: bytes, secret: bytes) -> bytes:
        """Return what was sealed to the key.

        Args:
            sealed: what `seal` returned.
            secret: what the shares restore; see `combined`.

        Raises:
            BackupRefused: the secret is another key's.
            BackupDamaged: it does not open.
        """
        private, public = _pair(secret)
        if public != self.public:
            raise BackupRefused(
                f"these shares are of another recovery key than {self.id}, to which this is sealed"
            )
        try:
            return _SUITE.decrypt(sealed, private, _INFO)
        except (InvalidTag, ValueError) as error:
            raise BackupDamaged("what is sealed to the recovery key does not open") from error


def recovery_file(settings: Settings) -> Path:
    """Return where the house keeps the public half."""
    return settings.data / "keys" / "recovery.json"


def recovery_key(settings: Settings) -> RecoveryKey:
    """Return the recovery key of the house.

    Raises:
        KeyUnavailable: there is none yet, or its file is damaged.
    """
    file = recovery_file(settings)
    try:
        return RecoveryKey.from_json(json.loads(file.read_bytes()))
    except FileNotFoundError as error:
        raise KeyUnavailable(
            "there is no recovery key to seal a backup to; make one, and give its shares to "
            "several people: evidence recovery new --shares 5 --threshold 3 --out DIR"
        ) from error
    except ValueError as error:
        raise KeyUnavailable(f"{file} is damaged; bring it back from a backup") from error


def draw(
    threshold: int, shares: int, random: Callable[[int], bytes] = os.urandom
) -> tuple[RecoveryKey, list[str]]:
    """Return a new recovery key and its shares; the secret is in the shares alone.

    Raises:
        BadRequest: numbers that make no sense.
    """
    if not 2 <= threshold <= shares <= 16:
        raise BadRequest("at least 2 shares are needed, and there are at most 16 of them")
    secret = random(SECRET)
    _, public = _pair(secret)
    [words] = generate_mnemonics(1, [(threshold, shares)], secret)
    return RecoveryKey(public, threshold, shares), words


def share_text(key: RecoveryKey, number: int, words: str, *, origin: str, at: str) -> str:
    """Return a share as it is written into a file or on paper."""
    return (
        f"# Share {number} of {key.shares} of the recovery key {key.id} of {origin}\n"
        f"# {key.threshold} of them open a backup. Made {at}. Keep it apart from the others.\n"
        f"{words}\n"
    )


def read_shares(texts: Iterable[str]) -> list[str]:
    """Return the shares in some texts: each line that is not empty and no comment."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return [" ".join(line.split()).lower() for line in lines if line and line[0] != "#"]


def combined(key: RecoveryKey, shares: Sequence[str]) -> bytes:
    """Return the secret that shares restore.

    Raises:
        BackupRefused: too few, misspelled, or of another key.
    """
    found: dict[tuple[int, int], str] = {}
    sets: set[int] = set()
    for number, words in enumerate(shares, 1):
        try:
            one = Share.from_mnemonic(words)
        except MnemonicError as error:
            raise BackupRefused(f"share {number} of those given cannot be read: {error}") from error
        found[one.group_index, one.index] = words
        sets.add(one.identifier)
    if len(sets) > 1:
        raise BackupRefused("these shares are not of one set: they were made at different times")
    if len(found) < key.threshold:
        raise BackupRefused(
            f"{len(found)} different shares were given, {key.threshold} are needed of the recovery "
            f"key {key.id}"
        )
    try:
        secret: bytes = combine_mnemonics([*found.values()][: key.threshold])
    except MnemonicError as error:
        raise BackupRefused(f"these shares do not restore a key: {error}") from error
    if _pair(secret)[1] != key.public:
        raise BackupRefused(f"these shares are of another recovery key than {key.id}")
    return secret


def _pair(secret: bytes) -> tuple[MLKEM768X25519PrivateKey, bytes]:
    """Return the key pair of a secret, as X-Wing expands it."""
    seeds = shake_256(secret).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(seeds[:64])
    curve = X25519PrivateKey.from_private_bytes(seeds[64:])
    public = mlkem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(mlkem, curve), public
