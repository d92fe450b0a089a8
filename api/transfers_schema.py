"""What is asked and answered about transfers of custody and a case's continuity."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.paging import PARAMETERS
from api.rules_schema import ASSURED


class NewTransfer(BaseModel):
    """Which exhibits of one case are released, to which organisation."""

    model_config = ConfigDict(extra="forbid")
    exhibits: list[str]
    to: str


class NewAnswer(BaseModel):
    """What becomes of a release: all of it that waits, or the exhibits named."""

    model_config = ConfigDict(extra="forbid")
    answer: Literal["receive", "refuse", "withdraw"]
    exhibits: list[str] = []
    motive: str = ""


class TransferView(BaseModel):
    """One exhibit of a transfer.

    `state`: released (nothing was provided yet), provided (accepted, and not acknowledged),
    received, refused, withdrawn (never provided), dropped (accepted, then taken back).
    """

    transfer: str
    exhibit: str
    case: str
    sha256: str
    size: int
    to: str
    state: str
    released_at: str
    provided_at: str | None
    answered_at: str | None
    entry: int
    answer: int | None


class TransferList(BaseModel):
    """Transfers in the order in which they were released."""

    items: list[TransferView]
    next: str | None


class TransferAnswer(BaseModel):
    """The exhibits that an act on a transfer changed."""

    transfer: str
    items: list[TransferView]


class QuotedSummary(BaseModel):
    """That custody of before is quoted, and from where."""

    entry: int
    origin: str | None
    exhibit: str | None
    entries: int | None
    sha256: str | None


class DeclaredView(BaseModel):
    """Custody before receipt, as declared; nobody checked it."""

    entry: int
    at: str | None
    collected_by: str | None
    place: str | None
    method: str | None


class PassingView(BaseModel):
    """A release as the entries tell it, and what came of it."""

    transfer: str
    to: str | None
    state: str
    released_at: str
    answered_at: str | None
    digests: list[str]
    entry: int
    answer: int | None


class GapView(BaseModel):
    """What no entry accounts for, and between which times."""

    model_config = ConfigDict(populate_by_name=True)
    kind: str
    what: str
    since: str | None = Field(alias="from")
    to: str | None
    entries: list[int]


class StatementView(BaseModel):
    """The continuity of one exhibit."""

    exhibit: str
    declared: list[DeclaredView]
    quoted: list[QuotedSummary]
    received_at: str | None
    entry: int | None
    transfers: list[PassingView]
    holder: str | None
    gaps: list[GapView]


class ContinuityView(BaseModel):
    """The continuity of a case's exhibits, a page at a time."""

    case: str
    items: list[StatementView]
    next: str | None


class QuotedEntry(BaseModel):
    """An entry of another ledger, with its proof and openings, as they came."""

    index: int
    body: str
    proof: str
    openings: dict[str, Any]


class QuotedView(BaseModel):
    """The custody of an exhibit before it came, as docs/format.md 7.2 has it."""

    model_config = ConfigDict(populate_by_name=True)
    v: int
    kind: str
    tree_size: int
    request_id: str
    exhibit: dict[str, Any]
    checkpoint: str
    policy: str
    trust: str
    entries: list[QuotedEntry]
    quoted: dict[str, Any] | None
    number: str  # of the exhibit here


class TakenView(BaseModel):
    """An exhibit of another repository's bundle, and what became of it here."""

    model_config = ConfigDict(populate_by_name=True)
    exhibit: str | None
    their_number: str = Field(alias="from")
    origin: str
    sha256: str
    size: int
    entry: int
    status: str


class TransferReceiptView(BaseModel):
    """What one house signs for another about custody that passed (docs/format.md 6.2)."""

    v: int
    kind: str
    submission: str
    answers: str
    sha256: str
    index: int
    body: str
    proof: str
    openings: dict[str, Any]
    witnessed_by: list[str]
    unwitnessed_since: str | None
    key: str


class NewReceipts(BaseModel):
    """Receipts of another installation, as they came."""

    model_config = ConfigDict(extra="forbid")
    items: list[dict[str, Any]] = Field(max_length=1_000)


class ReceiptList(BaseModel):
    """What goes back to the other installation; nothing for its acknowledgements."""

    items: list[TransferReceiptView]


class VolumeView(BaseModel):
    """Which volume of a bundle came, and which of the others were not imported yet."""

    report: str
    number: int
    volumes: int
    missing: list[int]


class TakenList(BaseModel):
    """What was taken in of a bundle, and the receipts for whoever released it."""

    items: list[TakenView]
    receipts: list[TransferReceiptView]
    volume: VolumeView | None = Field(description="Null where one bag has all of the bundle.")


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}}


_PURPOSE, _AUTHORITY = (
    {
        "name": name,
        "in": "header",
        "required": required,
        "description": f"{what}, UTF-8, percent-encoded",
        "schema": {"type": "string"},
    }
    for name, required, what in (
        ("Evidence-Purpose", True, "`code` or `code: words`"),
        ("Evidence-Authority", False, "the warrant, request or article it rests on"),
    )
)
_V1 = "/api/v1"

# As `api.openapi.OPERATIONS`.
TRANSFER_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "get",
        f"{_V1}/transfers",
        "The transfers of a case, or those released to one's institution",
        {200: TransferList},
        [_query("case"), *PARAMETERS],
        None,
    ),
    (
        "post",
        f"{_V1}/transfers",
        "Release custody of exhibits to an institution; their bytes are hashed again",
        {201: TransferAnswer},
        [_PURPOSE, _AUTHORITY, ASSURED],
        NewTransfer,
    ),
    (
        "post",
        f"{_V1}/transfers/{{transfer}}/answer",
        "Receive (the bytes are hashed again) or refuse; or take a release back",
        {200: TransferAnswer},
        [_path("transfer")],
        NewAnswer,
    ),
    (
        "get",
        f"{_V1}/transfers/{{transfer}}/bundle",
        "The bundle of a transfer to another installation, as a tar: for either side",
        {200: "application/x-tar"},
        [_path("transfer")],
        None,
    ),
    (
        "post",
        f"{_V1}/transfers/receipts",
        "Take receipts of another installation; checked, recorded, acknowledged",
        {200: ReceiptList},
        [],
        NewReceipts,
    ),
    (
        "get",
        f"{_V1}/cases/{{code}}/continuity",
        "Who held each exhibit from when to when, and every gap",
        {200: ContinuityView},
        [_path("code"), *PARAMETERS],
        None,
    ),
    (
        "get",
        f"{_V1}/exhibits/{{number}}/quoted",
        "Custody of before, as another repository recorded it",
        {200: QuotedView},
        [_path("number")],
        None,
    ),
    (
        "post",
        f"{_V1}/imports",
        "Take in another repository's bundle, as a tar; it is verified, or held whole",
        {201: TakenList},
        [{**_query("case"), "required": True}, {**_PURPOSE, "required": False}],
        "application/x-tar",
    ),
)

_BODY = ("malformed-json", "unsupported-media-type")
_CASE = ("not-found", "unknown-case", "access-denied")

# As `api.refusals.REFUSALS`.
TRANSFER_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/transfers"): _CASE,
    ("post", f"{_V1}/transfers"): (
        "unknown-exhibit", "access-denied", *_BODY, "purpose-required", "purpose-too-long",
        "exhibit-erased", "transfer-open", "step-up-required", "release-ended",
    ),
    ("post", f"{_V1}/transfers/{{transfer}}/answer"): (
        "not-found", "unknown-transfer", *_BODY, "exhibit-erased", "transfer-answered",
        "release-ended",
    ),
    ("get", f"{_V1}/transfers/{{transfer}}/bundle"): (
        "not-found", "unknown-transfer", "transfer-answered", "export-blocked", "exhibit-erased",
        "glyph-missing", "render-failed", "signature-unavailable", "bad-opening",
        "no-such-object", "step-up-required",
        "release-ended", "access-denied",
    ),
    ("post", f"{_V1}/transfers/receipts"): (
        "unknown-transfer", "unknown-case", "access-denied", "answer-refused", *_BODY,
    ),
    ("get", f"{_V1}/cases/{{code}}/continuity"): (*_CASE, "bad-opening"),
    ("get", f"{_V1}/exhibits/{{number}}/quoted"): (
        "not-found", "unknown-exhibit", "access-denied", "no-earlier-custody", "exhibit-erased",
    ),
    ("post", f"{_V1}/imports"): (
        "unknown-case", "access-denied", "purpose-too-long", "bundle-held", "source-incomplete",
        "transfer-answered", "digest-mismatch", "source-unreadable", "source-changed",
    ),
}  # fmt: skip
