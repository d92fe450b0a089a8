"""The receipt of whoever got a bundle: what they hold, what they checked, signed with their key.

Canonical JSON (docs/format.md 7.3), signed over itself without `signature`: with Ed25519, or with
the key of an X.509 certificate, which then stands in it. It answers the entry that closed the
bundle, by the digest of that entry's body.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from custody import verify
from custody.canonical import dumps, loads, loads_any
from custody.checkpoint import Checkpoint
from custody.errors import BadProof, BadSignature, MalformedNote, NotCanonical

KIND: Final = "bundle-receipt"
MAX_FILE = 1 << 20
MAX_NAME = 500
_CHAIN = 10
_RSA_LEAST = 2048
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Credential:
    """A recipient's key, and the certificates that say whose it is: its own first."""

    private: Private
    chain: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a receipt is about, as its recipient found it."""

    report: str
    checkpoint: str  # its three lines
    manifests: tuple[str, ...]  # SHA-256 of the tag manifest; of each volume in order
    exhibits: int
    answers: str  # SHA-256 of the body of the entry that closed the bundle

    def to_json(self) -> dict[str, Any]:
        """Return the member `bundle` of the receipt."""
        return {
            "report": self.report,
            "checkpoint": self.checkpoint,
            "manifests": list(self.manifests),
            "exhibits": self.exhibits,
        }


@dataclass(frozen=True, slots=True)
class BundleReceipt:
    """A receipt as it was read; whether its signature holds, `verify` says."""

    bundle: Bundle
    name: str
    organisation: str
    at: str
    checks: tuple[tuple[str, str], ...]  # claim, outcome
    algorithm: str
    public: bytes  # SubjectPublicKeyInfo, DER
    chain: tuple[bytes, ...]  # X.509, DER; its own first
    signature: bytes

    @property
    def fingerprint(self) -> str:
        """Return what people compare: the SHA-256 of the public key (SubjectPublicKeyInfo)."""
        return f"sha256:{sha256(self.public).hexdigest()}"

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as a value."""
        signature = base64.b64encode(self.signature).decode()
        return {**self._signed(), "signature": signature}

    def message(self) -> bytes:
        """Return what is signed: the receipt in its one form, without `signature`."""
        return dumps(self._signed())

    def __bytes__(self) -> bytes:
        return dumps(self.to_json()) + b"\n"

    def _signed(self) -> dict[str, Any]:
        encoded = base64.b64encode
        key: dict[str, Any] = {
            "algorithm": self.algorithm,
            "public": encoded(self.public).decode(),
        }
        if self.chain:
            key["certificates"] = [encoded(one).decode() for one in self.chain]
        return {
            "v": 1,
            "kind": KIND,
            "answers": self.bundle.answers,
            "bundle": self.bundle.to_json(),
            "recipient": {"name": self.name, "organisation": self.organisation},
            "at": self.at,
            "checks": [{"claim": claim, "outcome": outcome} for claim, outcome in self.checks],
            "key": key,
        }

    @classmethod
    def parse(cls, data: bytes) -> "BundleReceipt":
        """Read a receipt.

        Raises:
            MalformedNote: it is none, or not in its one form.
        """
        if len(data) > MAX_FILE:
            raise MalformedNote(f"a receipt of a bundle has at most {MAX_FILE} bytes")
        try:
            found = _read(loads(data.removesuffix(b"\n")))
        except NotCanonical as error:
            raise MalformedNote(f"not a receipt of a bundle: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedNote("not a receipt of a bundle as docs/format.md has it") from error
        if bytes(found).removesuffix(b"\n") != data.removesuffix(b"\n"):
            raise MalformedNote("a receipt of a bundle with members that it has not")
        return found

    def verify(self) -> None:
        """Check the signature, and that its certificate is of that key and was valid.

        Whether the key is the recipient's is for people to compare; see `fingerprint`.

        Raises:
            BadSignature: it does not hold.
        """
        try:
            key = load_der_public_key(self.public)
            chain = [x509.load_der_x509_certificate(one) for one in self.chain]
            _verify(key, self.algorithm, self.signature, self.message())
        except InvalidSignature as error:
            raise BadSignature("the signature is not of these words and this key") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadSignature(f"a key or certificate that cannot be used: {error}") from error
        if chain and _spki(chain[0].public_key()) != self.public:
            raise BadSignature("the certificate is of another key")
        at = datetime.fromisoformat(self.at)
        for one in chain:
            if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
                raise BadSignature(
                    f"the certificate of {one.subject.rfc4514_string()} was not valid at {self.at}"
                )
        for own, issuer in pairwise(chain):
            try:
                own.verify_directly_issued_by(issuer)
            except (ValueError, TypeError, InvalidSignature) as error:
                raise BadSignature("the certificates are not issued by each other") from error

    def holder(self) -> str | None:
        """Return whom the certificate names; None where the receipt has none."""
        if not self.chain:
            return None
        return x509.load_der_x509_certificate(self.chain[0]).subject.rfc4514_string()


def checked(
    folder: Path, payload: Sequence[Path] = ()
) -> tuple[Bundle, tuple[tuple[str, str], ...]]:
    """Return what a bundle is and what of it was checked, as its own verify.py does it.

    Args:
        folder: the bundle; of several volumes the folder that they lie in, or one of them.
        payload: where exhibits are that it has not itself.

    Raises:
        BadProof: a claim failed, or a required one could not be made.
        MalformedNote: it is no bundle.
    """
    volumes = sorted(folder.glob("volume-*"), key=lambda one: (len(one.name), one.name))
    place, others = (volumes[0], volumes[1:]) if volumes else (folder, [])
    try:
        findings = verify.verify_path(place, None, payload=(*others, *payload))
    except verify.WrongUse as error:
        raise MalformedNote(str(error)) from error
    if verify.exit_code(findings):
        wrong = next(
            one
            for outcome in ("fail", "not-done")
            for one in findings
            if one.outcome == outcome and (outcome == "fail" or one.claim in verify.REQUIRED)
        )
        raise BadProof(f"no receipt: {wrong.claim} is {wrong.outcome}: {wrong.detail}")
    told = loads_any((place / "custody.json").read_bytes())
    closed = loads((place / verify.CLOSING).read_bytes().removesuffix(b"\n"))["closed"]["body"]
    note = (place / "ledger/checkpoint").read_text()
    bundle = Bundle(
        told["request_id"], "".join(note.splitlines(keepends=True)[:3]),
        tuple(loads(closed.encode())["outputs"]), len(told["exhibits"]),
        f"sha256:{sha256(closed.encode()).hexdigest()}",
    )  # fmt: skip
    return bundle, tuple((one.claim, one.outcome) for one in findings)


def sign(
    bundle: Bundle, credential: Credential, *, name: str, organisation: str, at: str,
    checks: Sequence[tuple[str, str]],
) -> BundleReceipt:  # fmt: skip
    """Return the receipt of a bundle that was checked.

    Raises:
        MalformedNote: a name is empty or too long.
        BadSignature: the key is of a kind that signs no receipt, or its certificate is not valid.
    """
    private = credential.private
    chain = tuple(one.public_bytes(Encoding.DER) for one in credential.chain)
    made = BundleReceipt(
        bundle, name, organisation, at, tuple(checks), _algorithm(private.public_key()),
        _spki(private.public_key()), chain, b"",
    )  # fmt: skip
    made = replace(made, signature=_sign(private, made.message()))
    made = BundleReceipt.parse(bytes(made))
    made.verify()
    return made


def open_credential(data: bytes, passphrase: bytes | None) -> Credential:
    """Read a private key: PEM, with its certificates behind it if there are any, or PKCS #12.

    Raises:
        BadSignature: no such key, or its passphrase does not open it.
    """
    try:
        if b"-----BEGIN" in data:
            key: Any = load_pem_private_key(data, passphrase)
            found = x509.load_pem_x509_certificates(data) if b"CERTIFICATE-----" in data else []
        else:
            key, own, others = load_key_and_certificates(data, passphrase)
            found = [one for one in (own, *others) if one is not None]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadSignature(
            f"no key (PEM or PKCS #12) that its passphrase opens: {error}"
        ) from error
    if not isinstance(key, Private):
        raise BadSignature("a receipt is signed with Ed25519, an elliptic curve or RSA")
    own_first = sorted(found, key=lambda one: _spki(one.public_key()) != _spki(key.public_key()))
    if own_first and _spki(own_first[0].public_key()) != _spki(key.public_key()):
        raise BadSignature("none of the certificates is of that key")
    return Credential(key, tuple(own_first))


def new_credential() -> Credential:
    """Return a key that signs one receipt and is forgotten; its fingerprint is told by voice."""
    return Credential(Ed25519PrivateKey.generate())


def printable(receipt: BundleReceipt) -> str:
    """Return a receipt in words, to be printed and signed by hand too."""
    bundle = receipt.bundle
    rows = [
        ("Received by", f"{receipt.name}, {receipt.organisation}"),
        ("On", receipt.at),
        ("Report", bundle.report),
        *zip(("Ledger", "Tree size", "Root"), bundle.checkpoint.split("\n"), strict=False),
        *[("Bundle", one) for one in bundle.manifests],
        ("Exhibits", str(bundle.exhibits)),
        ("Answers entry", receipt.bundle.answers),
        *[("Checked", f"{claim}: {outcome}") for claim, outcome in receipt.checks],
        *[("Certificate", holder) for holder in [receipt.holder()] if holder],
        ("Key", f"{receipt.algorithm}, {receipt.fingerprint}"),
    ]
    lines = [f"{label:<15}{_line(value)}" for label, value in rows]
    return "\n".join([
        "RECEIPT OF A BUNDLE OF EVIDENCE", "", *lines, "",
        "It says that the bundle named above was received and checked as listed, and nothing",
        "about what its exhibits mean. The file beside this text has the electronic signature.",
        "Read the key's fingerprint out to whoever sent the bundle, by another way than this.",
        "", "Signature by hand ______________________________  Date ______________", "",
    ])  # fmt: skip


def _line(text: str) -> str:
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def _read(found: Mapping[str, Any]) -> BundleReceipt:
    told, who, key = found["bundle"], found["recipient"], found["key"]
    chain = key.get("certificates", [])
    texts = [who["name"], who["organisation"]]
    digests = [found["answers"], *told["manifests"]]
    good = (
        (found["v"], found["kind"]) == (1, KIND)
        and type(told["exhibits"]) is int
        and told["exhibits"] > 0
        and all(_DIGEST.fullmatch(one) for one in digests)
        and bool(told["manifests"])
        and bool(_UUID.fullmatch(told["report"]))
        and bool(_TIME.fullmatch(found["at"]))
        and all(isinstance(one, str) and 0 < len(one.strip()) <= MAX_NAME for one in texts)
        and 0 <= len(chain) <= _CHAIN
    )
    if not good:
        raise MalformedNote("not a receipt of a bundle as docs/format.md has it")
    datetime.fromisoformat(found["at"])
    Checkpoint.parse_text(told["checkpoint"])
    bundle = Bundle(
        told["report"], told["checkpoint"], tuple(told["manifests"]), told["exhibits"],
        found["answers"],
    )  # fmt: skip
    name, organisation = texts
    return BundleReceipt(
        bundle, name, organisation, found["at"],
        tuple((str(one["claim"]), str(one["outcome"])) for one in found["checks"]),
        str(key["algorithm"]), base64.b64decode(key["public"], validate=True),
        tuple(base64.b64decode(one, validate=True) for one in chain),
        base64.b64decode(found["signature"], validate=True),
    )  # fmt: skip


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def _algorithm(key: Any) -> str:
    """Return how a key of a kind signs receipts.

    Raises:
        BadSignature: none does.
    """
    if isinstance(key, Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ecdsa-sha256"
    if isinstance(key, RSAPublicKey) and key.key_size >= _RSA_LEAST:
        return "rsa-sha256"
    raise BadSignature("a receipt is signed with Ed25519, an elliptic curve, or RSA of 2,048 bits")


def _sign(key: Private, message: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def _verify(key: Any, algorithm: str, signature: bytes, message: bytes) -> None:
    if _algorithm(key) != algorithm:
        raise ValueError(f"the key does not sign with {algorithm}")
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
