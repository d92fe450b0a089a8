"""What is asked and answered about exports."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.paging import PARAMETERS
from api.rules_schema import ASSURED, AUTHORITY, ONCE, ONCE_REFUSALS, PURPOSE
from api.schema import Strict
from repository.exports.encryption import MAX_RECIPIENTS
from repository.exports.job import TWINS, Twin
from repository.exports.said import MAX_RECIPIENT

TAR = "application/x-tar"
ZIP = "application/zip"
AGE = "application/octet-stream"  # a tar in the format age, which has no registered name


class NewExport(Strict):
    """Which exhibits of the case (none named: all you know of), and who gets them, in words.

    `annotations`: kinds (tag, note, assessment) or names of what is said of them and goes too.
    `stamped`: numbered copies go beside their originals, or instead of them.
    `twins`: the custody once more, for machines; all four if nothing is said.
    `language`: that of the custody report.
    `reveal`, `withhold`: personal fields of the entries (`FIELD` or `EXHIBIT:FIELD`) that are
    opened, and no others, or that stay closed; `redaction_of`: the report of the full bundle.
    `volume_size`: bytes of exhibits in one volume at most; `by_reference`: no exhibits at all.
    `encrypt_to`: public keys (age1…, ssh-…) that each download is encrypted to.
    """

    exhibits: list[str] | None = Field(None, min_length=1)
    recipient: str | None = Field(None, max_length=MAX_RECIPIENT)
    annotations: list[str] = Field(default_factory=list)
    stamped: Literal["beside", "instead"] | None = None
    twins: list[Twin] = Field(default_factory=lambda: list(TWINS))
    language: Literal["en", "ar", "es", "fr", "ru", "zh"] = "en"
    reveal: list[str] = Field(default_factory=list, max_length=1000)
    withhold: list[str] = Field(default_factory=list, max_length=1000)
    redaction_of: str | None = Field(None, max_length=36)
    volume_size: int | None = Field(None, ge=1, le=1 << 60)
    by_reference: bool = False
    encrypt_to: list[str] = Field(default_factory=list, max_length=MAX_RECIPIENTS)


class NewCertificate(Strict):
    """Which custodian's statement; what only a person knows stays blank in it."""

    kind: Literal["fre-902-13", "fre-902-14", "uk-section-9", "icc-custodian"]


class NewBundleReceipt(Strict):
    """The file that the recipient of a bundle signed (docs/format.md 7.3).

    `fingerprint`: of their key, as it came another way; without it nobody compared the key.
    """

    receipt: dict[str, Any]
    fingerprint: str | None = Field(None, max_length=200)


class NewAcknowledgement(Strict):
    """That one got a bundle: the SHA-256 of its tagmanifest-sha256.txt, as `sha256:` and hex."""

    manifest: str = Field(pattern="^sha256:[0-9a-f]{64}$")


class BundleReceiptView(BaseModel):
    """What came back of a bundle: `how` is signed or on-site; times and names are theirs."""

    how: Literal["signed", "on-site"]
    name: str
    organisation: str | None
    at: str
    certificate: str | None
    key: str | None
    key_compared: bool
    person: str | None = None
    recorded_at: str
    entry: int


class BundleView(BaseModel):
    """A finished bundle; `receipt` is null until the other side's came."""

    report: str
    case: str
    made_at: str
    entry: int
    tree_size: int
    manifests: list[str]
    exhibits: int
    recipient: str | None
    receipt: BundleReceiptView | None


class BundleList(BaseModel):
    """Finished bundles, oldest first."""

    items: list[BundleView]
    next: str | None


class LeftOut(BaseModel):
    """What a bundle does not hold, and why."""

    what: str
    why: str


class ExportView(BaseModel):
    """An export; `state`: asked, making, ready (fetch it `until`), failed (`reason`), ended.

    `manifest` is the digest of the bag's tag manifest, as the ledger has it (`manifests`: of each
    volume); `size` that of the archive in bytes, or of all volumes together, not encrypted.
    """

    export: str
    case: str
    state: Literal["asked", "making", "ready", "failed", "ended"]
    reason: str | None
    exhibits: list[str]
    recipient: str | None
    asked_at: str
    report: str | None
    tree_size: int | None
    manifest: str | None
    manifests: list[str]
    size: int | None
    encrypted: bool
    left_out: list[LeftOut]
    until: str | None
    receipt: BundleReceiptView | None


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_WAITING = {"name": "waiting", "in": "query", "schema": {"type": "boolean"}}
_VOLUME = {"name": "volume", "in": "query", "schema": {"type": "integer", "minimum": 1}}
_RANGE = {"name": "Range", "in": "header", "schema": {"type": "string"}}

# As `api.openapi.OPERATIONS`.
EXPORT_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "post",
        "/api/v1/cases/{code}/exports",
        "Ask for a court bundle of exhibits; a worker makes it",
        {202: ExportView},
        [_path("code"), ONCE, PURPOSE, AUTHORITY, ASSURED],
        NewExport,
    ),
    (
        "get",
        "/api/v1/exports/{export_id}",
        "How far an export of yours is",
        {200: ExportView},
        [_path("export_id")],
        None,
    ),
    (
        "get",
        "/api/v1/exports/{export_id}/bundle",
        "The bundle as one archive, verified; single ranges",
        {200: (TAR, AGE), 206: TAR, 304: None},
        [_path("export_id"), _VOLUME, _RANGE],
        None,
    ),
    (
        "post",
        "/api/v1/exports/{export_id}/certificates",
        "A custodian's statement about an export, filled in: DOCX and PDF in one archive",
        {201: ZIP},
        [_path("export_id"), {**PURPOSE, "required": False}],
        NewCertificate,
    ),
    (
        "get",
        "/api/v1/cases/{code}/bundles",
        "Finished bundles of a case, and whether the other side's receipt came",
        {200: BundleList},
        [_path("code"), _WAITING, *PARAMETERS],
        None,
    ),
    (
        "post",
        "/api/v1/bundles/receipts",
        "Take in the signed receipt of whoever got a bundle",
        {200: BundleView},
        [],
        NewBundleReceipt,
    ),
    (
        "post",
        "/api/v1/bundles/{report}/acknowledgement",
        "Say that one got a bundle, with the digest that only who has it knows",
        {200: BundleView},
        [_path("report")],
        NewAcknowledgement,
    ),
)

_EXPORT = ("not-found", "unknown-export", "unknown-case", "access-denied")

_ANSWER = ("answer-refused", "malformed-json", "unsupported-media-type")

# As `api.refusals.REFUSALS`.
EXPORT_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("post", "/api/v1/cases/{code}/exports"): (
        "not-found", "unknown-case", "unknown-exhibit", "access-denied", "step-up-required",
        "purpose-required", "purpose-too-long", "export-blocked", "malformed-json", "glyph-missing",
        "unsupported-media-type", *ONCE_REFUSALS,
    ),
    ("get", "/api/v1/exports/{export_id}"): _EXPORT,
    ("get", "/api/v1/exports/{export_id}/bundle"): (
        *_EXPORT, "unknown-exhibit", "step-up-required", "export-not-ready", "export-ended",
        "export-blocked", "exhibit-erased", "range-not-satisfiable", "no-such-object",
    ),
    ("post", "/api/v1/exports/{export_id}/certificates"): (
        *_EXPORT, "purpose-too-long", "step-up-required", "export-not-ready", "export-ended",
        "export-blocked", "glyph-missing", "render-failed", "signature-unavailable",
        "malformed-json", "unsupported-media-type", "no-such-object",
    ),
    ("get", "/api/v1/cases/{code}/bundles"): ("not-found", "unknown-case", "access-denied"),
    ("post", "/api/v1/bundles/receipts"): (*_EXPORT[1:], *_ANSWER),
    ("post", "/api/v1/bundles/{report}/acknowledgement"): (*_EXPORT, *_ANSWER),
}  # fmt: skip
