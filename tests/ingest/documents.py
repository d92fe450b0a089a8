"""Small documents made to order for tests: PDF, signed PDF, OOXML, ODF, mail."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def pdf(catalogue=b"", info=b"", objects=(), trailer=b""):
    """Return a PDF of one page; further objects are numbered from 5 on."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R " + catalogue + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]>>",
        b"<<" + info + b">>",
        *objects,
    ]
    whole, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(whole))
        whole += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(whole)
    whole += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    whole += b"".join(b"%010d 00000 n \n" % place for place in places)
    whole += b"trailer<</Size %d/Root 1 0 R/Info 4 0 R%s>>\n" % (len(parts) + 1, trailer)
    return whole + b"startxref\n%d\n%%%%EOF\n" % start


def stream(data, more=b""):
    """Return a stream object of a PDF."""
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(data), more, data)


def certificate(kind="rsa", name="Signer", days=(-1, 30)):
    """Return a fresh key and a certificate it signed itself, as PEM."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(
        ec.SECP256R1()
    )  # fmt: skip
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, made.public_bytes(serialization.Encoding.PEM)


def archive(members):
    """Return a zip of these members, the first ones stored first."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return buffer.getvalue()


CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
    'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:dcterms="http://purl.org/dc/terms/">{}</cp:coreProperties>'
)


def docx(core="", **more):
    """Return an OOXML document with these properties; more members by their path."""
    members = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"/>',
        "docProps/core.xml": CORE.format(core),
        "word/document.xml": "<document/>",
    }
    return archive(members | more)


def odt(meta="", manifest="<manifest/>"):
    """Return an ODF text with these properties."""
    head = (
        '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
    )
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": "<a/>",
            "META-INF/manifest.xml": manifest,
            "meta.xml": f"{head}{meta}</office:meta></office:document-meta>",
        }
    )
