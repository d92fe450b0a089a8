"""Whether a signature holds the whole document: our own rule, stricter than the format's.

The document must be: what was rendered, to the byte; one revision that adds the signature; then
nothing but what keeps it checkable (validation data, a time-stamp over all). The last signature
or time-stamp covers the file to its last byte. Whether a certificate deserves trust is another
question, asked with roots.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.errors import SignatureValidationError, ValidationInfoReadingError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from repository.exports.pades.field import SIGNATURE, TIME_STAMP

_UNREADABLE = (
    PdfError, SignatureValidationError, ValidationInfoReadingError, ValueError, KeyError, TypeError,
    AttributeError, IndexError, RecursionError, OverflowError,
)  # fmt: skip


@dataclass(slots=True)
class Verdict:
    """What was found; `wrong` says in words each thing that does not hold, empty: it all holds."""

    wrong: list[str] = field(default_factory=list)
    level: str = "none"
    signer: str | None = None
    certificate: str | None = None  # fingerprint
    trusted: bool | None = None  # None: no roots were given


def check(
    pdf: bytes,
    *,
    unsigned: tuple[int, str] | None = None,
    roots: Sequence[x509.Certificate] = (),
) -> Verdict:
    """Check the signature of a document of ours.

    Args:
        pdf: the document.
        unsigned: size and hex SHA-256 of the document before its signature, where they are known.
        roots: who is believed about signers and time-stamps; none: that stays unsaid.
    """
    found = Verdict()
    try:
        _check(pdf, unsigned, roots, found)
    except _UNREADABLE as error:
        found.wrong.append(f"the document cannot be read: {str(error) or type(error).__name__}")
    return found


def _check(
    pdf: bytes,
    unsigned: tuple[int, str] | None,
    roots: Sequence[x509.Certificate],
    found: Verdict,
) -> None:
    reader = PdfFileReader(io.BytesIO(pdf), strict=True)
    names = [name for name, _, _ in enumerate_sig_fields(reader)]
    signatures = list(reader.embedded_regular_signatures)
    stamps = list(reader.embedded_timestamp_signatures)
    if not signatures:
        found.wrong.append("there is no signature")
        return
    if len(signatures) > 1 or [one.field_name for one in signatures] != [SIGNATURE]:
        found.wrong.append(f"there are other signatures than ours: {', '.join(names)}")
    if set(names) - {SIGNATURE, TIME_STAMP}:
        found.wrong.append(f"there are other signature fields than ours: {', '.join(names)}")
    own = signatures[0]
    dated = _signature(own, roots, found)
    for stamp in stamps:
        _stamp(stamp, roots, found)
    _coverage(reader, own, stamps, len(pdf), found)
    _before(pdf, own, unsigned, found)
    found.level = "B-T" if dated else "B-B"
    if dated and stamps and "/DSS" in reader.root:
        found.level = "B-LTA"


def _signature(
    own: EmbeddedPdfSignature, roots: Sequence[x509.Certificate], found: Verdict
) -> bool:
    """Judge the signature; return whether a time-stamp is over it."""
    status = validate_pdf_signature(own, _context(roots))
    found.signer = own.signer_cert.subject.human_friendly
    found.certificate = f"sha256:{own.signer_cert.sha256.hex()}"
    found.trusted = status.trusted if roots else None
    if not status.intact:
        found.wrong.append("what was signed is not what stands there")
    if not status.valid:
        found.wrong.append("the signature is not of the certificate that it names")
    if status.coverage is not None and status.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        found.wrong.append("the signature leaves out part of its revision")
    level = status.modification_level
    if level is None or level > ModificationLevel.LTA_UPDATES:
        found.wrong.append("the document was changed after it was signed")
    if status.docmdp_ok is not True:
        found.wrong.append("what came after the signature is more than it allows")
    dated = status.timestamp_validity
    if dated is not None and not (dated.intact and dated.valid):
        found.wrong.append("the time-stamp over the signature is of another one")
    return dated is not None


def _stamp(stamp: EmbeddedPdfSignature, roots: Sequence[x509.Certificate], found: Verdict) -> None:
    status = validate_pdf_timestamp(stamp, _context(roots))
    if stamp.field_name != TIME_STAMP:
        found.wrong.append(f"there is a time-stamp that is not ours: {stamp.field_name}")
    if not (status.intact and status.valid):
        found.wrong.append("the time-stamp is not over what stands there")
    if status.coverage is not None and status.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        found.wrong.append("the time-stamp leaves out part of its revision")


def _coverage(
    reader: PdfFileReader,
    own: EmbeddedPdfSignature,
    stamps: Sequence[EmbeddedPdfSignature],
    size: int,
    found: Verdict,
) -> None:
    """Say whether each begins at the first byte, and the last goes to the last byte."""
    for one in (own, *stamps):
        ranges = [int(value) for value in one.byte_range]
        if len(ranges) != 4 or ranges[0] != 0:
            found.wrong.append("a signature covers other than two pieces from the first byte on")
            return
    last = max((own, *stamps), key=lambda one: one.signed_revision)
    start, length = int(last.byte_range[2]), int(last.byte_range[3])
    if start + length != size:
        left = size - start - length
        found.wrong.append(f"{left} bytes at the end are covered by no signature")
    if reader.xrefs.total_revisions != last.signed_revision + 1:
        found.wrong.append("a revision follows the last signature")


def _before(
    pdf: bytes, own: EmbeddedPdfSignature, unsigned: tuple[int, str] | None, found: Verdict
) -> None:
    """Say whether the document began as the one that was rendered, in one revision."""
    if own.signed_revision != 1:
        found.wrong.append("the document had more than one revision when it was signed")
    if unsigned is not None:
        size, digest = unsigned
        if sha256(pdf[:size]).hexdigest() != digest:
            found.wrong.append("the document before its signature is not the one recorded")


def _context(roots: Sequence[x509.Certificate]) -> ValidationContext:
    return ValidationContext(
        trust_roots=[as_asn1(one) for one in roots], revocation_mode="soft-fail"
    )


def as_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    """Return a certificate as pyHanko takes it."""
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def read_roots(file: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file.

    Raises:
        ValueError, OSError: there are none, or it cannot be read.
    """
    return x509.load_pem_x509_certificates(file.read_bytes())
