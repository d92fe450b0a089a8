"""TLS of the service: its key and certificate, made once or named by settings, and its pin.

The pin is the SHA-256 of the key's SubjectPublicKeyInfo. An invitation carries it, so that no
authority has to vouch for a laptop, and none can vouch for somebody else (docs/decisions/0016).
"""

import os
import ssl
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from api.errors import CertificateUnusable
from config.settings import Settings
from custody.entry import Clock
from repository import now, passphrase_file

YEARS = 20  # the pin counts, not the dates; a new certificate would mean new invitations


@dataclass(frozen=True, slots=True)
class Identity:
    """Where the service's certificate and its private key are."""

    certificate: Path
    key: Path

    @property
    def pin(self) -> str:
        """Return the pin of the certificate's key: `sha256:<hex>`.

        Raises:
            CertificateUnusable: the file is missing or holds no certificate.
        """
        try:
            found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except OSError as error:
            raise CertificateUnusable(
                f"the certificate {self.certificate} cannot be read: {error.strerror}"
            ) from error
        except ValueError as error:
            raise CertificateUnusable(f"{self.certificate} holds no certificate in PEM") from error
        return _pin(found)


def pin_of(certificate: bytes) -> str:
    """Return the pin of a certificate in DER, as a TLS peer shows it.

    Raises:
        ValueError: it is no certificate.
    """
    return _pin(x509.load_der_x509_certificate(certificate))


def find_identity(settings: Settings) -> Identity | None:
    """Return the certificate and key that settings name, else those `make_identity` made, if any.

    Raises:
        CertificateUnusable: settings name only one of the two.
    """
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if (certificate is None) != (key is None):
        raise CertificateUnusable("`tls_certificate_file` and `tls_key_file` go together")
    if certificate is not None and key is not None:
        return Identity(certificate, key)
    made = _own(settings)
    return made if made.certificate.exists() else None


def make_identity(settings: Settings, *, clock: Clock = now) -> Identity:
    """Return what `find_identity` finds; else make a self-signed certificate in the data folder.

    The key is encrypted under the repository's passphrase, as all keys in `keys/` are.
    """
    found = find_identity(settings)
    if found is not None:
        return found
    made = _own(settings)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.origin[:64])])
    begin = clock() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, SHA256())
    )
    passphrase = passphrase_file(settings).read_bytes().strip()
    pem = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    _write_new(made.key, pem)
    # The certificate comes last: it says that both are whole.
    _write_new(made.certificate, certificate.public_bytes(Encoding.PEM))
    return made


def server_context(identity: Identity, settings: Settings) -> ssl.SSLContext:
    """Return what the service speaks TLS with: 1.2 and later, nothing older.

    Raises:
        CertificateUnusable: a file is missing, does not open, or the two do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Asked for the passphrase only where the key is encrypted.
        context.load_cert_chain(
            identity.certificate,
            identity.key,
            password=lambda: passphrase_file(settings).read_bytes().strip(),
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise CertificateUnusable(
            f"TLS with {identity.certificate} and {identity.key} cannot begin: {why}"
        ) from error
    if settings.tls_client_ca_file is not None:
        _ask_clients(context, settings.tls_client_ca_file)
    return context


def _ask_clients(context: ssl.SSLContext, authorities: Path) -> None:
    """Ask clients for a certificate; who shows one must have it from these authorities."""
    try:
        context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise CertificateUnusable(f"no authorities can be read in {authorities}: {why}") from error
    context.verify_mode = ssl.CERT_OPTIONAL


def certificate_digest(file: Path) -> str:
    """Return the SHA-256 of a certificate in PEM, as tokens are bound to it.

    Raises:
        CertificateUnusable: the file is missing or holds no certificate.
    """
    try:
        found = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{file} holds no certificate in PEM") from error
    return sha256(found.public_bytes(Encoding.DER)).hexdigest()


def _own(settings: Settings) -> Identity:
    folder = settings.data / "keys"
    return Identity(folder / "tls-certificate.pem", folder / "tls.pem")


def _pin(certificate: x509.Certificate) -> str:
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{sha256(spki).hexdigest()}"


def _write_new(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 under its name only once it is whole; a later one replaces it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
