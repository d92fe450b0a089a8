"""A passkey in software for tests: honest, or with whatever is told to be wrong."""

import json
import struct
from base64 import urlsafe_b64encode
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """One passkey of one person."""

    def __init__(self) -> None:
        self.id = token_bytes(16)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.count = 0

    def make(
        self, options: dict[str, Any], *, origin: str = "http://localhost", **wrong: Any
    ) -> dict[str, Any]:
        """Answer `navigator.credentials.create`."""
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        )
        data = self._data(
            wrong.get("rp", options["rp"]["id"]), ATTESTED | wrong.get("flags", VERIFIED)
        )
        data += bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client(
            "webauthn.create", wrong.get("challenge", options["challenge"]), origin
        )
        answer = {"clientDataJSON": text(client), "attestationObject": text(statement)}
        return self._credential(answer)

    def use(
        self, options: dict[str, Any], *, origin: str = "http://localhost", **wrong: Any
    ) -> dict[str, Any]:
        """Answer `navigator.credentials.get`."""
        self.count = wrong.get("count", self.count + 1)
        data = self._data(wrong.get("rp", options["rpId"]), wrong.get("flags", VERIFIED))
        kind = wrong.get("kind", "webauthn.get")
        client = self._client(kind, wrong.get("challenge", options["challenge"]), origin)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        answer = {
            "clientDataJSON": text(client), "authenticatorData": text(data),
            "signature": text(signature), "userHandle": None,
        }  # fmt: skip
        return self._credential(answer)

    def _data(self, rp: str, flags: int) -> bytes:
        return sha256(rp.encode()).digest() + struct.pack(">BI", PRESENT | flags, self.count)

    def _client(self, kind: str, challenge: str, origin: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _credential(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": answer,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        }  # fmt: skip
