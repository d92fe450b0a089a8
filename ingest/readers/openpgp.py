"""Detached OpenPGP signatures (RFC 4880, version 4) checked with keys from beside them.

RSA and Ed25519, which is what capture applications use. A key that comes with the evidence proves
that one key signed it all, never whose key that is: the caller says `untrusted`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils

from ingest.readers.members import UNIX as _UNIX
from ingest.readers.members import Unreadable, utc

_HASHES: dict[int, tuple[str, hashes.HashAlgorithm]] = {
    2: ("sha1", hashes.SHA1()), 8: ("sha256", hashes.SHA256()),  # noqa: S303  (it says which)
    9: ("sha384", hashes.SHA384()), 10: ("sha512", hashes.SHA512()),
    11: ("sha224", hashes.SHA224()),
}  # fmt: skip
_RSA, _EDDSA = {1, 3}, {22}
_ED25519 = bytes.fromhex("2b06010401da470f01")
_SIGNATURE, _KEY, _SUBKEY = 2, 6, 14
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature: over what, by which key, when, as it says itself."""

    algorithm: int
    digest: str
    hashed: bytes  # what is hashed after the content
    left: bytes  # the first two bytes of the digest
    material: bytes
    created: str | None
    issuer: str  # key id or fingerprint, in hexadecimal


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and its fingerprint."""

    fingerprint: str
    algorithm: int
    material: bytes


def read_signature(data: bytes) -> Signature:
    """Return the first signature of a file, armoured or not.

    Raises:
        Unreadable: there is none of version 4.
    """
    for tag, body in _packets(_dearmoured(data)):
        if tag == _SIGNATURE and body[:1] == b"\4" and len(body) > 10:
            return _signature(body)
    raise Unreadable("no signature of version 4")


def read_keys(data: bytes) -> list[Key]:
    """Return the public keys of a file, subkeys too; none where it is none."""
    try:
        packets = list(_packets(_dearmoured(data)))
    except Unreadable:
        return []
    return [
        Key(_fingerprint(body), body[5], body[6:])
        for tag, body in packets
        if tag in {_KEY, _SUBKEY} and body[:1] == b"\4" and len(body) > 8
    ]


def verify(signature: Signature, keys: Iterable[Key], content: Iterable[bytes]) -> Key | None:
    """Return the key whose signature over the content this is; None: no key's.

    Raises:
        Unreadable: by an algorithm that is not checked here, or no key of the issuer.
    """
    fitting = [
        key for key in keys
        if key.algorithm == signature.algorithm
        and (not signature.issuer or key.fingerprint.endswith(signature.issuer))
    ]  # fmt: skip
    if not fitting:
        raise Unreadable("the key that signed is not here")
    digest = hashlib.new(signature.digest, usedforsecurity=False)
    for block in content:
        digest.update(block)
    digest.update(signature.hashed)
    digest.update(b"\4\xff" + len(signature.hashed).to_bytes(4, "big"))
    value = digest.digest()
    if value[:2] != signature.left:
        return None
    for key in fitting:
        if _holds(signature, key, value):
            return key
    return None


def _holds(signature: Signature, key: Key, digest: bytes) -> bool:
    try:
        if key.algorithm in _RSA:
            modulus, exponent = list(_integers(key.material))[:2]
            (value,) = list(_integers(signature.material))[:1]
            numbers = rsa.RSAPublicNumbers(
                int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
            )
            algorithm = next(a for name, a in _HASHES.values() if name == signature.digest)
            padded = value.rjust(len(modulus), b"\0")
            numbers.public_key().verify(
                padded, digest, padding.PKCS1v15(), utils.Prehashed(algorithm)
            )
            return True
        if key.algorithm in _EDDSA and key.material[1 : 1 + len(_ED25519)] == _ED25519:
            (point,) = list(_integers(key.material[1 + key.material[0] :]))[:1]
            r, s = list(_integers(signature.material))[:2]
            public = ed25519.Ed25519PublicKey.from_public_bytes(point[1:])
            public.verify(r.rjust(32, b"\0") + s.rjust(32, b"\0"), digest)
            return True
    except InvalidSignature:
        return False
    except (ValueError, TypeError) as error:
        raise Unreadable(f"the key or signature is damaged: {error}") from error
    raise Unreadable(f"algorithm {key.algorithm} is not checked here")


def _signature(body: bytes) -> Signature:
    length = int.from_bytes(body[4:6], "big")
    hashed = body[: 6 + length]
    at = 6 + length
    loose = int.from_bytes(body[at : at + 2], "big")
    parts = dict(_subpackets(body[6 : 6 + length]))
    issuer = parts.get(33, b"")[1:].hex() or parts.get(16, b"").hex()
    issuer = issuer or dict(_subpackets(body[at + 2 : at + 2 + loose])).get(16, b"").hex()
    at += 2 + loose
    if body[3] not in _HASHES:
        raise Unreadable(f"digest algorithm {body[3]} is not known")
    made = parts.get(2, b"")
    created = utc(_UNIX, seconds=int.from_bytes(made, "big")) if len(made) == 4 else None
    return Signature(
        body[2], _HASHES[body[3]][0], hashed, body[at : at + 2], body[at + 2 :], created, issuer
    )


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        length, at = _length(data, at)
        if not length or at >= len(data):
            return
        yield data[at] & 0x7F, data[at + 1 : at + length]
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at] if at < len(data) else 0
    if first < 192:
        return first, at + 1
    if first < 255:
        second = data[at + 1] if at + 1 < len(data) else 0
        return ((first - 192) << 8) + second + 192, at + 2
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise Unreadable("no OpenPGP packets")
        if head & 0x40:
            tag = head & 0x3F
            length, at = _length(data, at + 1)
        else:
            tag, width = head >> 2 & 0x0F, 1 << (head & 3)
            if width == 8:
                raise Unreadable("an OpenPGP packet without a length")
            length, at = int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width
        yield tag, data[at : at + length]
        at += length


def _integers(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 <= len(data):
        length = (int.from_bytes(data[at : at + 2], "big") + 7) // 8
        yield data[at + 2 : at + 2 + length]
        at += 2 + length


def _fingerprint(body: bytes) -> str:
    whole = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def _dearmoured(data: bytes) -> bytes:
    if not data.lstrip().startswith(b"-----BEGIN PGP"):
        return data[:_MOST]
    body = re.search(rb"\n\r?\n(.*?)(?:\n=[A-Za-z0-9+/]{4})?\r?\n-----END PGP", data[:_MOST], re.S)
    if not body:
        raise Unreadable("the armour is damaged")
    try:
        return base64.b64decode(re.sub(rb"\s", b"", body[1]))
    except (binascii.Error, ValueError) as error:
        raise Unreadable("the armour is damaged") from error
