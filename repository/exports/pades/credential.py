"""Whose certificate signs: the custodian's, with its key in a file or in a hardware module."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from asn1crypto import keys as asn1_keys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from pyhanko.sign.pkcs11 import PKCS11Signer
from pyhanko.sign.signers import Signer, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from config.settings import Settings
from custody.errors import SignerUnavailable
from custody.hardware import place_of, session_on, unavailable
from repository.errors import SignatureUnavailable
from repository.exports.pades.check import as_asn1
from repository.exports.signatures import SETTING


@dataclass(frozen=True, slots=True)
class Credential:
    """A key that signs, its certificate, and the chain that it came with."""

    signer: Signer
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]  # without the certificate itself

    @property
    def name(self) -> str:
        """Return whom the certificate names."""
        return self.certificate.subject.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        """Return the digest of the certificate, to be compared with one got another way."""
        return f"sha256:{self.certificate.fingerprint(hashes.SHA256()).hex()}"

    @property
    def roots(self) -> list[x509.Certificate]:
        """Return the self-signed certificates in which the chain may end."""
        every = (self.certificate, *self.chain)
        return [one for one in every if one.subject == one.issuer]


def open_credential(settings: Settings, at: datetime) -> Credential:
    """Return what the settings name, ready to sign.

    Raises:
        SignatureUnavailable: it cannot be opened, the certificate is of another key, or it is not
            valid at that time.
    """
    uri = settings.report_signer_uri
    try:
        passphrase = _read(settings.report_passphrase_file)
        certificates = _certificates(settings.report_certificate_file)
        if urlsplit(uri).scheme == "pkcs11":
            found = _in_module(uri, passphrase or b"", certificates)
        elif urlsplit(uri).scheme == "file":
            found = _in_file(Path(unquote(urlsplit(uri).path)), passphrase, certificates)
        else:
            raise SignatureUnavailable(f"{SETTING} is file:///path or pkcs11:…, not {uri}")
    except OSError as error:
        raise SignatureUnavailable(f"{error.filename} cannot be read: {error.strerror}") from error
    except SignerUnavailable as error:
        raise SignatureUnavailable(str(error)) from error
    one = found.certificate
    if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
        raise SignatureUnavailable(
            f"the certificate of {found.name} is valid from {one.not_valid_before_utc:%Y-%m-%d} "
            f"until {one.not_valid_after_utc:%Y-%m-%d}; name a valid one in {SETTING}"
        )
    return found


def _in_file(
    file: Path, passphrase: bytes | None, certificates: Sequence[x509.Certificate]
) -> Credential:
    data = file.read_bytes()
    every = list(certificates)
    try:
        if b"-----BEGIN" in data:
            key: Any = load_pem_private_key(data, passphrase)
            every += x509.load_pem_x509_certificates(data) if b"CERTIFICATE-----" in data else []
        else:
            key, own, others = load_key_and_certificates(data, passphrase)
            every += [one for one in (own, *others) if one is not None]
    except (ValueError, TypeError) as error:
        raise SignatureUnavailable(
            f"{file} holds no key that its passphrase opens (PKCS #12 or PEM): {error}"
        ) from error
    if key is None:
        raise SignatureUnavailable(f"{file} holds no private key")
    certificate = _of_key(key.public_key(), every, file)
    chain = _others(every, certificate)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    store = SimpleCertificateStore()
    store.register_multiple([as_asn1(one) for one in chain])
    signer = SimpleSigner(
        signing_cert=as_asn1(certificate),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=store,
        embed_roots=False,
    )
    return Credential(signer, certificate, chain)


def _in_module(uri: str, passphrase: bytes, certificates: Sequence[x509.Certificate]) -> Credential:
    place = place_of(uri, passphrase)
    if not certificates:
        raise SignatureUnavailable("with a key in a module, report_certificate_file is needed")
    certificate, chain = certificates[0], tuple(certificates[1:])
    try:
        session = session_on(place, write=False)
        signer = PKCS11Signer(
            session,
            key_label=place.label,
            signing_cert=as_asn1(certificate),
            ca_chain=[as_asn1(one) for one in chain],
            embed_roots=False,
            # Many modules sign digests of elliptic curves alone; they are made here then.
            use_raw_mechanism=isinstance(certificate.public_key(), ec.EllipticCurvePublicKey),
        )
    except Exception as error:
        raise unavailable(place, error) from error
    return Credential(signer, certificate, chain)


def _of_key(key: Any, every: Sequence[x509.Certificate], file: Path) -> x509.Certificate:
    wanted = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for one in every:
        own = one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if own == wanted:
            return one
    raise SignatureUnavailable(
        f"no certificate given is of the key in {file}; name it in report_certificate_file"
    )


def _others(
    every: Sequence[x509.Certificate], certificate: x509.Certificate
) -> tuple[x509.Certificate, ...]:
    return tuple(one for one in dict.fromkeys(every) if one != certificate)


def _certificates(file: Path | None) -> list[x509.Certificate]:
    if file is None:
        return []
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError as error:
        raise SignatureUnavailable(f"{file} holds no PEM certificates: {error}") from error


def _read(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes().strip()
