"""Signatures in a PDF: what each covers, whether it holds, what was added after; offline.

A signature that holds is `untrusted`: no authority is configured for evidence, none is asked, and
a certificate may say anyone's name. Time-stamps in it are named and not checked. One whose bytes
or key do not fit is `broken`. Pages may look different and say other things than when signed if
the document was written on afterwards: then the detail says how many bytes were added.
"""

import binascii
import logging
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pypdf
from cryptography.hazmat.primitives import hashes
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from ingest.extraction import Found, Item, Problem, Seal
from ingest.readers import cms
from ingest.readers.blocks import read_at, size_of

NAME = "pdf_signature"
VERSION = f"pypdf {pypdf.__version__}, CMS reader 1"
FORMATS = frozenset({"application/pdf"})
# A PDF of our own without a signature: `absent` leads through everything that loads late.
SAMPLE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]>>>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\nxref\n0 3\n0000000000 65535 f \n"
    b"0000000009 00000 n \n0000000076 00000 n \ntrailer<</Size 3/Root 1 0 R>>\n"
    b"startxref\n121\n%%EOF"
)

KIND = "pdf-signature"
MOST_SIGNATURES = 50
MOST_FIELDS = 5_000
_MOST_CONTENTS = 1 << 20  # hexadecimal digits of one signature
_BLOCK = 1 << 20
_DETACHED = frozenset({"/adbe.pkcs7.detached", "/ETSI.CAdES.detached", "/ETSI.RFC3161"})

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # hostile text stays out of logs


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield one seal for each signature; `absent` where there is none."""
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            yield Seal(KIND, "not-checked", "the document is encrypted")
            return
        signatures = list(_signatures(reader))
    except Exception as error:  # noqa: BLE001  (pypdf raises many kinds on broken files)
        yield Seal(KIND, "not-checked", "the document cannot be opened")
        yield Problem(f"PDF signatures: {type(error).__name__}: {error}"[:200])
        return
    if not signatures:
        yield Seal(KIND, "absent", "no signature field is filled in")
    for name, signature in signatures[:MOST_SIGNATURES]:
        try:
            yield _seal(file, name, signature)
        except Exception as error:  # noqa: BLE001  (one broken signature costs no other)
            yield Seal(KIND, "not-checked", f"{name}: it cannot be read")
            yield Problem(f"PDF signature {name}: {type(error).__name__}: {error}"[:200])
    if len(signatures) > MOST_SIGNATURES:
        yield Problem(f"more than {MOST_SIGNATURES} signatures")


def _signatures(reader: PdfReader) -> Iterator[tuple[str, DictionaryObject]]:
    """Yield the filled signature fields of the form; a loop in its tree ends."""
    root = _plain(reader.trailer.get("/Root"))
    form = _plain(root.get("/AcroForm")) if isinstance(root, DictionaryObject) else None
    fields = _plain(form.get("/Fields")) if isinstance(form, DictionaryObject) else None
    waiting = [(one, "") for one in fields] if isinstance(fields, ArrayObject) else []
    seen: set[int] = set()
    count = 0
    while waiting and count < MOST_FIELDS:
        reference, kind = waiting.pop(0)
        count += 1
        if isinstance(reference, IndirectObject):
            if reference.idnum in seen:
                continue
            seen.add(reference.idnum)
        field = _plain(reference)
        if not isinstance(field, DictionaryObject):
            continue
        kind = str(_plain(field.get("/FT")) or kind)
        value = _plain(field.get("/V"))
        if kind == "/Sig" and isinstance(value, DictionaryObject):
            yield str(_plain(field.get("/T")) or "signature")[:80], value
        kids = _plain(field.get("/Kids"))
        if isinstance(kids, ArrayObject):
            waiting += [(kid, kind) for kid in list(kids)[:MOST_FIELDS]]


def _seal(file: BinaryIO, name: str, signature: DictionaryObject) -> Seal:
    spans = _plain(signature.get("/ByteRange"))
    numbers = [int(_plain(one)) for one in spans] if isinstance(spans, ArrayObject) else []
    size = size_of(file)
    wrong = _wrong_spans(file, numbers, size)
    if wrong:
        return Seal(KIND, "broken", f"{name}: {wrong}")
    first, second = (numbers[0], numbers[1]), (numbers[2], numbers[3])
    form = str(_plain(signature.get("/SubFilter")) or "none")
    hexadecimal = read_at(file, first[1] + 1, second[0] - first[1] - 2)
    try:
        data = binascii.unhexlify(b"".join(hexadecimal.split()))
    except (binascii.Error, ValueError):
        return Seal(KIND, "broken", f"{name}: the signature itself is no hexadecimal text")
    if form not in {*_DETACHED, "/adbe.pkcs7.sha1"}:
        return Seal(KIND, "not-checked", f"{name}: form {form.lstrip('/')} is not known here")
    if form == "/ETSI.RFC3161":
        return Seal(KIND, "not-checked", f"{name}: a time-stamp over the document; not checked")
    digest = _digester(file, (first, second))
    try:
        signers = cms.signers(data, digest, enclosed=form == "/adbe.pkcs7.sha1")
    except cms.NotCms as error:
        return Seal(KIND, "not-checked", f"{name}: {error}")
    added = size - sum(second)
    return _verdict(name, signers, added)


def _wrong_spans(file: BinaryIO, numbers: list[int], size: int) -> str:
    """Return why the spans cannot be those of a signature, or nothing.

    Everything but the signature's own text must be covered, from the first byte on: else bytes
    could be changed without breaking it.
    """
    if len(numbers) != 4 or min(numbers) < 0:
        return "no span of bytes that it covers"
    start, length, again, more = numbers
    if start != 0 or not 0 < length < again or again + more > size:
        return "the span of bytes it covers is not a sound one"
    gap = again - length
    if gap - 2 > _MOST_CONTENTS:
        return "the span it leaves out is too large for a signature"
    if read_at(file, length, 1) != b"<" or read_at(file, again - 1, 1) != b">":
        return "the span it leaves out is not the signature alone"
    return ""


def _digester(file: BinaryIO, spans: tuple[tuple[int, int], ...]) -> Callable[[str], bytes]:
    def digest(name: str) -> bytes:
        hasher = hashes.Hash(cms.HASHES[name]())
        for start, length in spans:
            at, end = start, start + length
            while at < end:
                block = read_at(file, at, min(_BLOCK, end - at))
                if not block:
                    raise ValueError("the file is shorter than it was")
                hasher.update(block)
                at += len(block)
        return hasher.finalize()

    return digest


def _verdict(name: str, signers: list[cms.Signer], added: int) -> Seal:
    if not signers:
        return Seal(KIND, "not-checked", f"{name}: nobody signed")
    parts = [name]
    for signer in signers:
        said = signer.why
        if signer.subject:
            said += f"; signer by the certificate: {signer.subject}; issuer: {signer.issuer}"
        if signer.signed_at is not None:
            said += f"; time by the signer's own clock: {signer.signed_at.isoformat()}"
            if signer.until is not None and signer.from_ is not None:
                within = signer.from_ <= signer.signed_at <= signer.until
                said += "" if within else ", outside the certificate's validity"
        if signer.stamped:
            said += "; a time-stamp is in it, not checked"
        if signer.digest in cms.WEAK:
            said += f"; made with {signer.digest.upper()}, which no longer binds"
        parts.append(said)
    if added:
        parts.append(f"{added} bytes were added to the document afterwards")
    verdict = "untrusted"
    if any(signer.holds is None for signer in signers):
        verdict = "not-checked"
    if any(signer.holds is False for signer in signers):
        verdict = "broken"
    if verdict == "untrusted":
        parts.append("no authority vouches for the certificate here")
    return Seal(KIND, verdict, ": ".join((parts[0], "; ".join(parts[1:])))[:3000])


def _plain(value: Any) -> Any:
    if isinstance(value, IndirectObject):
        value = value.get_object()
    return None if type(value).__name__ == "NullObject" else value
