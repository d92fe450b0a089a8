"""Sign a document as high as can be reached, and say plainly what could not be reached and why.

Levels (ETSI EN 319 142-1): `B-B` the signature, `B-T` with a time-stamp over it, `B-LTA` with what
says that no certificate was revoked, and a time-stamp over it all, last. The signature is added
behind the document: its first bytes stay those that were rendered, to the byte.
"""

import asyncio
import io
from hashlib import sha256
from urllib.parse import urlsplit

from asn1crypto import tsp
from cryptography import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.pdf_signer import (
    DSSContentSettings,
    PdfTimeStamper,
    SigDSSPlacementPreference,
)
from pyhanko.sign.timestamps import TimeStamper, TimestampRequestError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import (
    PathError,
    RevokedError,
    ValidationError,
)

from custody import timestamp
from custody.errors import EvidenceError
from repository import Repository
from repository.errors import SignatureUnavailable
from repository.exports.pades.check import as_asn1, check
from repository.exports.pades.credential import Credential, open_credential
from repository.exports.pades.field import SIGNATURE, TIME_STAMP, add_fields
from repository.exports.pades.revocation import Asking, crls_of
from repository.exports.signatures import Signed, unsigned

# What says that nothing was revoked stands in the signature's own revision: one that follows has
# nothing but the last time-stamp.
_TOGETHER = DSSContentSettings(
    include_vri=False, placement=SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE
)
_FAILURES = (
    SigningError, TimestampRequestError, ValidationError, PathError, PdfError, EvidenceError,
    OSError, ValueError,
)  # fmt: skip


def sign(repo: Repository, pdf: bytes, *, reason: str) -> Signed:
    """Return a document with the custodian's signature, as `report_signer_uri` names it.

    Without any if its key cannot be used; `problems` says why.

    Args:
        repo: the repository.
        pdf: the document.
        reason: why it is signed, in words; part of the signature.
    """
    problems: list[str] = []
    try:
        credential = open_credential(repo.settings, repo.clock())
        return _highest(repo, pdf, credential, reason, problems)
    except SignatureUnavailable as error:
        return unsigned(pdf, (*problems, str(error)))


def _highest(
    repo: Repository, pdf: bytes, credential: Credential, reason: str, problems: list[str]
) -> Signed:
    """Return the document at the highest level that can be reached; `problems` says why no more."""
    settings = repo.settings
    stamper = _stamper(repo, problems)
    asking = Asking(settings.report_revocation_hosts, settings.witness_timeout)
    if stamper is not None:
        try:
            made = _made(pdf, credential, reason, stamper, _context(repo, credential, asking))
            return _signed(pdf, made, "B-LTA", credential, problems)
        except _FAILURES as error:
            _stop_if_revoked(error, credential)
            problems += [_said(error), *asking.problems]
        try:
            made = _made(pdf, credential, reason, stamper, None)
            return _signed(pdf, made, "B-T", credential, problems)
        except _FAILURES as error:
            problems.append(_said(error))
    try:
        made = _made(pdf, credential, reason, None, None)
    except _FAILURES as error:
        raise SignatureUnavailable(f"the report cannot be signed: {_said(error)}") from error
    except Exception as error:  # a module raises what it likes
        raise SignatureUnavailable(f"the key cannot be used: {_said(error)}") from error
    return _signed(pdf, made, "B-B", credential, problems)


def _made(
    pdf: bytes,
    credential: Credential,
    reason: str,
    stamper: TimeStamper | None,
    context: ValidationContext | None,
) -> bytes:
    writer = _Writer(io.BytesIO(pdf), strict=True)
    add_fields(writer, [SIGNATURE, TIME_STAMP] if context else [SIGNATURE])
    about = PdfSignatureMetadata(
        field_name=SIGNATURE,
        reason=reason,
        name=credential.name,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,  # and nothing may change afterwards, but what keeps the signature checkable
        docmdp_permissions=MDPPerm.NO_CHANGES,
        embed_validation_info=context is not None,
        validation_context=context,
        dss_settings=_TOGETHER,
        signer_key_usage=_usage(credential.certificate),
    )
    signer = PdfSigner(about, signer=credential.signer, timestamper=stamper)
    out = io.BytesIO()
    signer.sign_pdf(writer, output=out)
    if context is None or stamper is None:
        return out.getvalue()
    last = io.BytesIO()
    PdfTimeStamper(stamper, field_name=TIME_STAMP).timestamp_pdf(
        _Writer(out, strict=True), "sha256", output=last
    )
    return last.getvalue()


def _signed(
    pdf: bytes, made: bytes, level: str, credential: Credential, problems: list[str]
) -> Signed:
    """Return what was made, once our own check has found nothing wrong with it."""
    digest = sha256(pdf).hexdigest()
    wrong = check(made, unsigned=(len(pdf), digest)).wrong
    if wrong:
        raise SignatureUnavailable(f"the signature just made does not hold: {wrong[0]}")
    return Signed(
        made, level, len(pdf), f"sha256:{digest}", credential.name, credential.fingerprint,
        tuple(dict.fromkeys(problems)),
    )  # fmt: skip


# What it leans on


class _Writer(IncrementalPdfFileWriter):
    """Adds a revision, and leaves the document's version and metadata as they were.

    PDF/A-3 is PDF 1.7; metadata written anew would not be what it asks for: prefixes get lost.
    """

    output_version = (1, 7)

    def ensure_output_version(self, version: tuple[int, int]) -> None:
        """Change nothing."""

    def _update_meta(self) -> None:
        """Change nothing."""


class _Stamper(TimeStamper):
    """Asks one configured authority, and believes what leads to a pinned root alone."""

    def __init__(self, repo: Repository, url: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._repo, self._url = repo, url

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        timeout = self._repo.settings.witness_timeout
        der = timestamp.ask(self._url, req.dump(), timeout=timeout)
        found = tsp.TimeStampResp.load(der)
        timestamp.check_token(
            found["time_stamp_token"].dump(),
            req["message_imprint"]["hashed_message"].native,
            roots=self._repo.tsa_roots,
            relied=timestamp.read(der).time,
        )
        return found


def _stamper(repo: Repository, problems: list[str]) -> TimeStamper | None:
    """Return the first authority that answers; None if none does."""
    urls = [url for url in repo.settings.tsa_urls if urlsplit(url).scheme in ("http", "https")]
    if not urls:
        problems.append("no time-stamping authority that answers at once is configured (tsa_urls)")
    for url in urls:
        made = _Stamper(repo, url)
        try:
            asyncio.run(made.async_dummy_response("sha256"))
        except _FAILURES as error:
            problems.append(f"time-stamp: {_said(error)}")
            continue
        return made
    return None


def _context(repo: Repository, credential: Credential, asking: Asking) -> ValidationContext:
    if not credential.roots:
        raise SignatureUnavailable(
            "the chain of the certificate does not reach a root; add it to report_certificate_file"
        )
    dated = [
        one for text in repo.tsa_roots for one in x509.load_pem_x509_certificates(text.encode())
    ]
    roots = [one for one in (*credential.roots, *dated) if one.subject == one.issuer]
    others = [one for one in (*credential.chain, *dated) if one not in roots]
    return ValidationContext(
        trust_roots=[as_asn1(one) for one in roots],
        other_certs=[as_asn1(one) for one in others],
        allow_fetching=True,
        fetchers=asking.fetchers(),
        crls=crls_of(repo.settings.report_crl_files),
        revocation_mode="require",
    )


def _usage(certificate: x509.Certificate) -> set[str]:
    """Return which key usage the certificate was made for; nothing where it says none."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return set()
    return {"non_repudiation" if usage.content_commitment else "digital_signature"}


def _stop_if_revoked(error: BaseException, credential: Credential) -> None:
    """Refuse to sign with a certificate that was revoked, at any level.

    Raises:
        SignatureUnavailable: it was.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RevokedError):
            raise SignatureUnavailable(
                f"a certificate behind {credential.name} was revoked; nothing was signed: {cause}"
            ) from error
        cause = cause.__cause__ or cause.__context__


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
