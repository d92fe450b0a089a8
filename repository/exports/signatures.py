"""Which documents of a bundle are signed, how far that went, and what they were before.

The signature is added behind a document. So its first bytes are those that were rendered: whoever
renders it again from the bundle compares them with the digest that `documents.json` has, and that
the closing entry has too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from custody.findings import Finding
from repository import Repository
from repository.errors import SignatureUnavailable
from repository.exports.gathered import Gathered

FILE = "documents.json"
LEVELS = ("none", "B-B", "B-T", "B-LTA")
SETTING = "report_signer_uri"
_LACKING = {
    "none": "an electronic signature of {name}",
    "B-B": "a time-stamp over the signature of {name}, and proof that no certificate of it was "
    "revoked",
    "B-T": "proof that no certificate behind the signature of {name} was revoked, and a time-stamp "
    "over that",
}
_NAMES = {"custody-report.pdf": "the custody report"}


@dataclass(frozen=True, slots=True)
class Signed:
    """A document as it goes out: its level, who signed, and the bytes that were signed."""

    pdf: bytes
    level: str
    size: int  # of the document before its signature: the first bytes of `pdf`
    sha256: str  # of those
    signer: str | None = None
    certificate: str | None = None  # its fingerprint
    problems: tuple[str, ...] = ()

    def lacking(self, name: str) -> list[tuple[str, str]]:
        """Return what is left out of the signature, and why; nothing at the highest level."""
        if self.level == LEVELS[-1]:
            return []
        return [(_LACKING[self.level].format(name=name), "; ".join(self.problems))]

    def to_json(self, path: str) -> dict[str, object]:
        """Return what `documents.json` says of it."""
        return {
            "path": path,
            "signature": self.level,
            "signer": self.signer,
            "certificate": self.certificate,
            "unsigned": {"sha256": self.sha256, "size": self.size},
        }


def signed_pdf(repo: Repository, pdf: bytes, *, reason: str) -> Signed:
    """Return a document with the custodian's signature, as far as that could be made.

    Args:
        repo: the repository.
        pdf: the document.
        reason: why it is signed, in words; part of the signature.

    Raises:
        SignatureUnavailable: a lower level was reached than `report_signature_required`.
    """
    if repo.settings.report_signer_uri:
        from repository.exports.pades.sign import sign  # brings pyHanko: on first use

        found = sign(repo, pdf, reason=reason)
    else:
        found = unsigned(pdf, (f"no certificate is configured ({SETTING})",))
    needed = repo.settings.report_signature_required
    if LEVELS.index(found.level) < LEVELS.index(needed):
        why = "; ".join(found.problems)
        raise SignatureUnavailable(
            f"report_signature_required is {needed}, and {found.level} is what could be reached: "
            f"{why}"
        )
    return found


def unsigned(pdf: bytes, problems: tuple[str, ...]) -> Signed:
    """Return a document without a signature, and why it has none."""
    return Signed(pdf, "none", len(pdf), f"sha256:{sha256(pdf).hexdigest()}", problems=problems)


def signed_document(found: Gathered, path: str, pdf: bytes) -> bytes:
    """Return a document of a bundle, signed; what is lacking is among what is left out.

    Raises:
        SignatureUnavailable: as `signed_pdf`.
    """
    name = _NAMES.get(path, path)
    signed = signed_pdf(found.job.repo, pdf, reason=f"{name} {found.job.request_id}")
    found.documents.append(signed.to_json(path))
    found.left_out.extend(signed.lacking(name))
    return signed.pdf


def documents(found: Gathered) -> Iterator[tuple[str, list[bytes]]]:
    """Yield documents.json: what each document was before its signature, and who signed it."""
    told = {"v": 1, "kind": "evidence-documents", "documents": found.documents}
    yield FILE, [(json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()]


def check_bundle(bundle: Path, roots: Path | None) -> list[Finding]:
    """Check the signatures of a bundle's documents; nothing for one that lists none.

    Args:
        bundle: its folder.
        roots: PEM file of those who are believed about signers; None: that stays not done.
    """
    file = bundle / FILE
    if not file.is_file():
        return []
    try:
        listed = json.loads(file.read_bytes())["documents"]
        wanted = [(str(one["path"]), one["unsigned"], str(one["signature"])) for one in listed]
        return [
            finding
            for path, before, level in wanted
            for finding in _checked(bundle, path, before, level, roots)
        ]
    except (ValueError, KeyError, TypeError, OSError) as error:
        return [Finding("signature", str(file), "fail", f"it cannot be read: {error}")]


def _checked(
    bundle: Path, path: str, before: dict[str, object], level: str, roots: Path | None
) -> list[Finding]:
    place = (bundle / path).resolve()
    if not place.is_relative_to(bundle.resolve()):
        return [Finding("signature", path, "fail", "it lies outside the bundle")]
    pdf = place.read_bytes()
    size, digest = int(str(before["size"])), str(before["sha256"]).removeprefix("sha256:")
    if level == "none":
        same = len(pdf) == size and sha256(pdf).hexdigest() == digest
        if same:
            return [Finding("signature", path, "not-done", "the document is not signed")]
        return [Finding("signature", path, "fail", "it is not the document that was recorded")]
    from repository.exports.pades.check import check, read_roots  # on first use

    trusted = read_roots(roots) if roots else []
    found = check(pdf, unsigned=(size, digest), roots=trusted)
    if found.wrong or found.level != level:
        wrong = found.wrong or [f"it is of level {found.level}, not {level}"]
        return [Finding("signature", path, "fail", "; ".join(wrong))]
    said = f"{found.level} by {found.signer}"
    findings = [Finding("signature", path, "pass", f"{said}; it covers the whole document")]
    shown = f"certificate {found.certificate}"
    if found.trusted is None:
        why = f"{shown}: compare it, or name the roots that you trust (--signer-roots FILE)"
        return [*findings, Finding("signer-trusted", path, "not-done", why)]
    outcome = "pass" if found.trusted else "fail"
    return [*findings, Finding("signer-trusted", path, outcome, f"{shown} by the roots given")]
