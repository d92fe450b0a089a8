"""An authority and a certificate for 127.0.0.1, made for one test."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> None:
    """Make ca.pem, server.pem and server.key in a folder."""
    at = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("ca", "server")]

    def made(which: int) -> x509.Certificate:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(keys[which].public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(names[which])
            .issuer_name(names[0])
            .public_key(keys[which].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=which == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(known, critical=False)
            .add_extension(own, critical=False)
            .sign(keys[0], hashes.SHA256())
        )

    (folder / "ca.pem").write_bytes(made(0).public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(made(1).public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(
        keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def client_certificates(folder: Path, *names: str) -> None:
    """Make NAME.pem and NAME.key of clients in a folder, all from one authority: clients.pem."""
    at = datetime.now(UTC)
    authority = ec.generate_private_key(ec.SECP256R1())

    def made(name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(known, critical=False)
            .add_extension(own, critical=False)
            .sign(authority, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )

    (folder / "clients.pem").write_bytes(made("clients", authority, ca=True))
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(made(name, key, ca=False))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
