"""C2SP signed notes: parse strictly, print, sign, verify.

https://c2sp.org/signed-note. A note is a text, an empty line and signature lines. Unknown keys
are ignored; a line of a known name and key id that does not verify refuses the whole note.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from custody.errors import BadSignature, MalformedNote

ED25519 = 0x01
COSIGNATURE_ED25519 = 0x04
COSIGNATURE_ML_DSA_44 = 0x06
_KEY_SIZES = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_ML_DSA_44: 1312}
MAX_SIGNATURES = 100
MAX_NOTE = 1_000_000
_DASH = "\u2014 "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


def b64decode(text: str) -> bytes:
    """Decode strict base64: standard alphabet, padded, canonical.

    Raises:
        MalformedNote: anything else.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNote("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise MalformedNote("base64 that is not canonical")
    return data


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that signs notes: name, type byte and raw key (C2SP signed-note, vkey)."""

    name: str
    type: int
    key: bytes

    def __post_init__(self) -> None:
        if not valid_name(self.name):
            raise MalformedNote(f"{self.name!r} cannot name a key: no spaces, no plus, not empty")
        wanted = _KEY_SIZES.get(self.type)
        if wanted is None:
            raise MalformedNote(f"keys of type {self.type:#04x} are not known here")
        if len(self.key) != wanted:
            raise MalformedNote(f"a key of type {self.type:#04x} has {wanted} bytes")

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that mark this key's signature lines."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.key).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.type]) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @property
    def fingerprint(self) -> str:
        """Return what people compare: hex SHA-256 of the vkey's text."""
        return sha256(str(self).encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey.

        Raises:
            MalformedNote: not a vkey, or its key id does not follow from name and key.
        """
        name, _, rest = text.partition("+")
        digits, _, encoded = rest.partition("+")
        raw = b64decode(encoded)
        if not re.fullmatch(r"[0-9a-f]{8}", digits) or not raw:
            raise MalformedNote("a verifier key is name+hex id+base64 key")
        key = cls(name, raw[0], raw[1:])
        if key.key_id.hex() != digits:
            raise MalformedNote(f"the key id {digits} does not belong to this key")
        return key

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Say whether the signature (without key id and time) is this key's over the message."""
        try:
            if self.type == COSIGNATURE_ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.key).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: the key's name, its id (4 bytes) and the signature bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        encoded = base64.b64encode(self.key_id + self.signature).decode()
        return f"{_DASH}{self.name} {encoded}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text (ending in a newline) and its signature lines, not yet verified."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(str(line) for line in self.signatures)

    @classmethod
    def parse(cls, note: str) -> "Note":
        """Read a note's shape; nothing is verified.

        Raises:
            MalformedNote: control characters, no signature block, more than 100 lines, bad lines.
        """
        if len(note) > MAX_NOTE:
            raise MalformedNote("a note of more than a million characters is refused")
        try:
            note.encode()
        except UnicodeEncodeError as error:
            raise MalformedNote("a note is valid UTF-8") from error
        if _CONTROL.search(note):
            raise MalformedNote("a note holds no control character but newline")
        split = note.rfind("\n\n")
        if split < 0 or not note.endswith("\n"):
            raise MalformedNote("a note is a text, an empty line and signature lines")
        lines = note[split + 2 : -1].split("\n") if note[split + 2 :] else []
        if not 0 < len(lines) <= MAX_SIGNATURES:
            raise MalformedNote("a note has 1 to 100 signature lines")
        return cls(note[: split + 1], tuple(_signature_line(line) for line in lines))

    def verified_by(self, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
        """Return the given keys that signed, in the order of the lines.

        Raises:
            BadSignature: a line of a given key does not verify, or no given key signed.
        """
        known = {(key.name, key.key_id): key for key in keys}
        found: list[VerifierKey] = []
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is None or key in found:
                continue
            if not key.verify(self.text.encode(), line.signature):
                raise BadSignature(f"the signature of {line.name} does not verify")
            found.append(key)
        if not found:
            raise BadSignature("no known key signed this note")
        return found


def valid_name(name: str) -> bool:
    """Say whether a text may name a key: not empty, no Unicode space, no plus sign."""
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 0x20 for c in name)


def _signature_line(line: str) -> SignatureLine:
    if not line.startswith(_DASH):
        raise MalformedNote("a signature line begins with an em dash and a space")
    name, _, encoded = line[len(_DASH) :].partition(" ")
    raw = b64decode(encoded)
    if not valid_name(name) or len(raw) < 5:
        raise MalformedNote("a signature line is: dash, name, base64 of key id and signature")
    return SignatureLine(name, raw[:4], raw[4:])
