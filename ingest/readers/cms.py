"""CMS signatures (RFC 5652), as PDF and mail carry them: does the signature hold over these bytes?

The signer's certificate is the one inside the signature. It is not led back to an authority and
not looked up anywhere: a signature that holds is one made with that key, and no more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import load_der_x509_certificate

HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "md5": hashes.MD5, "sha1": hashes.SHA1, "sha224": hashes.SHA224, "sha256": hashes.SHA256,
    "sha384": hashes.SHA384, "sha512": hashes.SHA512, "sha3_256": hashes.SHA3_256,
    "sha3_384": hashes.SHA3_384, "sha3_512": hashes.SHA3_512,
}  # fmt: skip
WEAK = frozenset({"md5", "sha1"})
_MOST_SIGNERS = 16


class NotCms(ValueError):
    """The bytes are no CMS signature that we can read."""


@dataclass(frozen=True, slots=True)
class Signer:
    """One signer: who the certificate says it is, and how it went."""

    holds: bool | None  # None: could not be checked
    why: str
    subject: str = ""
    issuer: str = ""
    digest: str = ""
    signed_at: datetime | None = None  # a claim of the signer's own
    from_: datetime | None = None  # the certificate's validity
    until: datetime | None = None
    stamped: bool = False  # carries a time-stamp, which is not checked here


def signers(data: bytes, digest: Callable[[str], bytes], *, enclosed: bool = False) -> list[Signer]:
    """Return what is to be said of each signer.

    Args:
        data: the signature; bytes behind it are padding.
        digest: returns the digest of the signed bytes, by the name of the algorithm.
        enclosed: the signature signs content of its own, which is that digest (an old form).

    Raises:
        NotCms: it cannot be read.
    """
    try:
        signed = cms.ContentInfo.load(data)["content"]
        if not isinstance(signed, cms.SignedData):
            raise NotCms("not signed data")
        inner = signed["encap_content_info"]["content"].native
        certificates = [
            one.chosen
            for one in signed["certificates"]
            if isinstance(one.chosen, asn1_x509.Certificate)
        ]
        infos = list(signed["signer_infos"])[:_MOST_SIGNERS]
        return [_signer(info, certificates, digest, inner if enclosed else None) for info in infos]
    except NotCms:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise NotCms(f"{type(error).__name__}: {error}"[:150]) from error


def _signer(
    info: Any, certificates: list[Any], digest: Callable[[str], bytes], inner: bytes | None
) -> Signer:
    name = str(info["digest_algorithm"]["algorithm"].native)
    found = _certificate(info["sid"], certificates)
    known: dict[str, Any] = {
        "digest": name,
        "stamped": _has(info["unsigned_attrs"], "signature_time_stamp_token"),
    }
    if found is None:
        return Signer(None, "the signer's certificate is not in it", **known)
    validity = found["tbs_certificate"]["validity"]
    known |= {
        "subject": str(found.subject.human_friendly)[:300],
        "issuer": str(found.issuer.human_friendly)[:300],
        "from_": validity["not_before"].native,
        "until": validity["not_after"].native,
        "signed_at": _value(info["signed_attrs"], "signing_time"),
    }
    if name not in HASHES:
        return Signer(None, f"digest algorithm {name}", **known)
    covered = digest(name) if inner is None else _own(name, inner)
    attributes = info["signed_attrs"]
    if isinstance(attributes, core.Void) or not attributes:
        return Signer(None, "no signed attributes: a form that is not checked", **known)
    stated = _value(attributes, "message_digest")
    if stated != covered:
        return Signer(False, "the signed bytes are not those that were signed", **known)
    if inner is not None and inner != digest("sha1"):
        return Signer(False, "the signed bytes are not those that were signed", **known)
    # Signed is the set of attributes in DER, with the tag of a set.
    signed = b"\x31" + attributes.dump(force=True)[1:]
    holds, why = _verified(found, info, signed, name)
    return Signer(holds, why, **known)


def _own(name: str, data: bytes) -> bytes:
    hasher = hashes.Hash(HASHES[name]())
    hasher.update(data)
    return hasher.finalize()


def _certificate(sid: Any, certificates: list[Any]) -> Any:
    chosen = sid.chosen
    for one in certificates:
        if sid.name == "subject_key_identifier":
            if one.key_identifier == chosen.native:
                return one
        elif one.serial_number == chosen["serial_number"].native and one.issuer == chosen["issuer"]:
            return one
    return None


def _value(attributes: Any, name: str) -> Any:
    for one in attributes if not isinstance(attributes, core.Void) else ():
        if one["type"].native == name and len(one["values"]):
            return one["values"][0].native
    return None


def _has(attributes: Any, name: str) -> bool:
    found = attributes if not isinstance(attributes, core.Void) else ()
    return any(one["type"].native == name for one in found)


def _verified(certificate: Any, info: Any, signed: bytes, name: str) -> tuple[bool | None, str]:
    """Return whether the signature holds over the signed attributes, and why not."""
    try:
        key = load_der_x509_certificate(certificate.dump()).public_key()
        signature, algorithm = info["signature"].native, info["signature_algorithm"]
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, *_rsa(algorithm, name))
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(HASHES[name]()))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            return None, f"a key of the kind {type(key).__name__}"
    except InvalidSignature:
        return False, "the signature does not fit the signer's key"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return None, f"{type(error).__name__}: {error}"[:150]
    return True, "the signature holds"


def _rsa(algorithm: Any, name: str) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]:
    if algorithm["algorithm"].native != "rsassa_pss":
        return padding.PKCS1v15(), HASHES[name]()
    parameters: algos.RSASSAPSSParams = algorithm["parameters"]
    own = HASHES[parameters["hash_algorithm"]["algorithm"].native]()
    mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
    salt = parameters["salt_length"].native
    return padding.PSS(padding.MGF1(HASHES[mask]()), salt), own
