"""Who vouches for a custodian's signature: an authority with its OCSP responder and CRLs."""

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests.witnesses import serving

DAY = dt.timedelta(days=1)
PASSPHRASE = b"a passphrase"


@dataclass
class Vouching:
    """An authority, the certificate it gave a custodian, and what it says was revoked."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    revoked: set = field(default_factory=set)
    asked: list = field(default_factory=list)
    url: str = "http://127.0.0.1:1"

    def __post_init__(self):
        self.at = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.root = self._certificate("Root of custodians", self.key.public_key(), ca=True)

    def give(self, name="A. Custodian", key=None, days=30):
        """Make a certificate for a key of a custodian, and files of both; return its path."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        self.own_key = key
        public = key if isinstance(key, ec.EllipticCurvePublicKey) else key.public_key()
        self.own = self._certificate(name, public, days=days)
        self.chain = self.folder / "chain.pem"
        self.chain.write_bytes(b"".join(map(pem, (self.own, self.root))))
        self.secret = self.folder / "secret"
        self.secret.write_bytes(PASSPHRASE + b"\n")
        if isinstance(key, ec.EllipticCurvePublicKey):
            return None
        packed = serialization.pkcs12.serialize_key_and_certificates(
            b"custodian", key, self.own, [self.root],
            serialization.BestAvailableEncryption(PASSPHRASE),
        )  # fmt: skip
        (self.folder / "custodian.p12").write_bytes(packed)
        return self.folder / "custodian.p12"

    def crl(self, key=None, issuer=None):
        """Return a CRL; by default of this authority."""
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer or self.root.subject)
            .last_update(self.at - DAY)
            .next_update(self.at + 7 * DAY)
        )
        for serial in self.revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial)
            made = made.add_revoked_certificate(one.revocation_date(self.at - DAY).build())
        return made.sign(key or self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    @contextmanager
    def serving(self):
        """Answer OCSP requests and give out the CRL, on 127.0.0.1."""

        def application(environ, start):
            self.asked.append(environ["PATH_INFO"])
            if environ["PATH_INFO"] == "/crl":
                body = self.crl()
            else:
                body = self._said(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start("200 OK", [("Content-Length", str(len(body)))])
            return [body]

        with serving(application) as url:
            self.url = url
            yield url

    def _said(self, asked):
        wanted = ocsp.load_der_ocsp_request(asked)
        bad = wanted.serial_number in self.revoked
        said = ocsp.OCSPResponseBuilder().add_response(
            cert=self.own,
            issuer=self.root,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if bad else ocsp.OCSPCertStatus.GOOD,
            this_update=self.at - DAY,
            next_update=self.at + DAY,
            revocation_time=self.at - DAY if bad else None,
            revocation_reason=None,
        )
        said = said.responder_id(ocsp.OCSPResponderEncoding.HASH, self.root)
        return said.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _certificate(self, name, public, *, ca=False, days=30):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if ca else self.root.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - 2 * DAY)
            .not_valid_after(self.at + dt.timedelta(days=3650 if ca else days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(own, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(_usage(ca=ca), critical=True)
        )
        if not ca:
            responder = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self.url)
            )
            point = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(f"{self.url}/crl")], None, None, None
            )
            made = made.add_extension(
                x509.AuthorityInformationAccess([responder]), critical=False
            ).add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return made.sign(self.key, hashes.SHA256())


def crl_of_authority(authority, vouching):
    """Return the file of a CRL of a time-stamping authority's root: it revoked nothing."""
    key = serialization.load_pem_private_key((authority.folder / "root.key").read_bytes(), None)
    root = x509.load_pem_x509_certificate(authority.root.encode())
    file = vouching.folder / "tsa.crl"
    nobody = Vouching(vouching.folder)
    file.write_bytes(nobody.crl(key, root.subject))
    return file


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _usage(*, ca):
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=not ca, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
