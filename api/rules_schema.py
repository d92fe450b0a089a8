"""What is asked and answered about markings, acts of two persons and the access log."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.consents_schema import CONSENT_OPERATIONS, CONSENT_REFUSALS
from api.paging import PARAMETERS
from api.participants_schema import PARTICIPANT_OPERATIONS, PARTICIPANT_REFUSALS
from api.privilege_schema import PRIVILEGE_OPERATIONS, PRIVILEGE_REFUSALS
from api.proceedings_schema import PROCEEDING_OPERATIONS, PROCEEDING_REFUSALS
from api.register_schema import REGISTER_OPERATIONS, REGISTER_REFUSALS
from api.related_schema import RELATED_OPERATIONS, RELATED_REFUSALS


class MarkingView(BaseModel):
    """How a case, an exhibit or a submission is to be handled; `approval`: what waits to be."""

    handling: str | None
    restriction: str | None
    tlp: str | None
    excluded_uses: list[str]
    lead_only: bool
    conditions: str | None
    consent: list[str]
    withdrawn: bool
    authority_required: bool
    sealed: bool
    named: list[str]
    owner: str | None
    approval: str | None = None


class NewMarking(BaseModel):
    """The whole marking that is to be in force, and why; what is left out restricts nothing."""

    model_config = ConfigDict(extra="forbid")
    handling: str | None = None
    restriction: str | None = None
    tlp: str | None = None
    excluded_uses: list[str] = []
    lead_only: bool = False
    conditions: str | None = None
    consent: list[str] = []
    withdrawn: bool = False
    authority_required: bool = False
    sealed: bool = False
    named: list[str] = []
    owner: str | None = None
    motive: str


class NewApproval(BaseModel):
    """What is asked for: `unsealing` of anything, `identity_revealed` of an exhibit's source.

    Of a codename of the vault: `identity_revealed`, or `erasure` of who stands behind it.
    """

    model_config = ConfigDict(extra="forbid")
    act: Literal["unsealing", "identity_revealed", "erasure"]
    subject: str
    motive: str
    hours: int = 24


class NewDecision(BaseModel):
    """A second person's decision."""

    model_config = ConfigDict(extra="forbid")
    approve: bool
    motive: str


class NewErasure(BaseModel):
    """Which exhibit is to be erased; `order`: `sha256:` and the digest of what orders it."""

    model_config = ConfigDict(extra="forbid")
    exhibit: str
    order: str
    motive: str


class ErasureView(BaseModel):
    """An erasure by order; `state`: requested, refused, approved (nobody can read it), erased."""

    erasure: str
    exhibit: str | None
    order: str
    state: str
    requested_by: str
    requested_at: str


class ErasureList(BaseModel):
    """A page of the erasures that wait for a second person, or for a store."""

    items: list[ErasureView]
    next: str | None


class NewDisclosure(BaseModel):
    """To which party an exhibit is disclosed, in which form; `case`: a further case of it."""

    model_config = ConfigDict(extra="forbid")
    party: str
    case: str | None = None
    form: str | None = None


class NewMotive(BaseModel):
    """Why, in words."""

    model_config = ConfigDict(extra="forbid")
    motive: str


class ApprovalView(BaseModel):
    """An act of two persons; `state`: requested, approved, refused."""

    approval: str
    act: str
    subject: str | None = None
    state: str
    asked: dict[str, Any]
    motive: str
    requested_by: str
    requested_at: str
    until: str | None


class ApprovalList(BaseModel):
    """A page of what waits for a second person."""

    items: list[ApprovalView]
    next: str | None


class DisclosureView(BaseModel):
    """An exhibit was disclosed to a party."""

    exhibit: str
    party: str
    entry: int


class SourceView(BaseModel):
    """Who the source of an exhibit is."""

    exhibit: str
    source: str


class NewIdentity(BaseModel):
    """Somebody protected, for the vault."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["witness", "victim", "source", "submitter"]
    name: str
    contact: str | None = None
    note: str | None = None


class IdentityView(BaseModel):
    """A codename; who stands behind it is in the vault alone."""

    codename: str
    case: str
    kind: str
    made_at: str
    erased_at: str | None
    entry: int


class IdentityList(BaseModel):
    """The codenames of a case."""

    items: list[IdentityView]


class RevealedView(BaseModel):
    """Who stands behind a codename."""

    codename: str
    name: str
    contact: str | None
    note: str | None


class AccessView(BaseModel):
    """One access or refusal, as its entry says it."""

    index: int
    at: str
    type: str
    attempted: str | None
    outcome: str
    reasons: list[str]
    person: str
    name: str | None
    role: str
    organisation: str | None
    assurance: str
    case: str | None
    exhibit: str | None
    purpose: str | None
    justification: str | None
    authority: str | None


class AccessList(BaseModel):
    """A page of accesses, in the order of the ledger."""

    items: list[AccessView]
    next: str | None


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": f"{description}, UTF-8, percent-encoded",
        "schema": {"type": "string"},
    }


def _query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}}


_SUBJECT, _APPROVAL, _NUMBER = _path("subject"), _path("approval"), _path("number")
PURPOSE = _header("Evidence-Purpose", "`code` or `code: words`", required=True)
AUTHORITY = _header("Evidence-Authority", "the warrant, request or article it rests on")

ASSURED = {
    "name": "Evidence-Assured",
    "in": "header",
    "required": False,
    "description": "excluded uses that the recipient has ruled out in writing, with commas between",
    "schema": {"type": "string"},
}

ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "drawn by the client: the same request sent again has no second effect",
    "schema": {"type": "string", "pattern": '^"?[!#-~]{1,255}"?$'},
}

# As `api.openapi.OPERATIONS`.
RULE_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    *PROCEEDING_OPERATIONS,
    *CONSENT_OPERATIONS,
    *REGISTER_OPERATIONS,
    *PARTICIPANT_OPERATIONS,
    *PRIVILEGE_OPERATIONS,
    *RELATED_OPERATIONS,
    *(
        (method, f"/api/v1/{kind}/{{subject}}/marking", summary, answers, [_SUBJECT], asked)
        for kind in ("cases", "exhibits", "submissions")
        for method, summary, answers, asked in (
            ("get", "How it is to be handled", {200: MarkingView}, None),
            (
                "put",
                "Change it: what loosens waits for a second person",
                {200: MarkingView, 202: MarkingView},
                NewMarking,
            ),
        )
    ),
    (
        "get",
        "/api/v1/approvals",
        "What waits for a second person",
        {200: ApprovalList},
        list(PARAMETERS),
        None,
    ),
    (
        "post",
        "/api/v1/approvals",
        "Ask for an act of two persons",
        {201: ApprovalView},
        [ONCE],
        NewApproval,
    ),
    (
        "post",
        "/api/v1/approvals/{approval}/decision",
        "Decide as a second person",
        {200: ApprovalView},
        [_APPROVAL],
        NewDecision,
    ),
    (
        "get",
        "/api/v1/erasures",
        "The erasures that wait",
        {200: ErasureList},
        list(PARAMETERS),
        None,
    ),
    (
        "post",
        "/api/v1/erasures",
        "Ask for the erasure of an exhibit",
        {201: ErasureView},
        [ONCE],
        NewErasure,
    ),
    (
        "post",
        "/api/v1/erasures/{erasure_id}/decision",
        "Approve or refuse an erasure as a second person",
        {200: ErasureView},
        [_path("erasure_id")],
        NewDecision,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/disclosures",
        "Disclose an exhibit to a party",
        {201: DisclosureView},
        [_NUMBER, PURPOSE, AUTHORITY, ASSURED],
        NewDisclosure,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/source",
        "Who the source is, where it was permitted",
        {200: SourceView},
        [_NUMBER],
        NewMotive,
    ),
    (
        "get",
        "/api/v1/cases/{code}/identities",
        "The codenames of a case",
        {200: IdentityList},
        [_path("code")],
        None,
    ),
    (
        "post",
        "/api/v1/cases/{code}/identities",
        "Put an identity into the vault",
        {201: IdentityView},
        [_path("code")],
        NewIdentity,
    ),
    (
        "post",
        "/api/v1/identities/{codename}/reveal",
        "Who stands behind a codename, where it was permitted",
        {200: RevealedView},
        [_path("codename")],
        NewMotive,
    ),
    (
        "get",
        "/api/v1/access-log",
        "Who looked at what, and what was refused",
        {200: (AccessList, "text/csv")},
        [
            _query("person"),
            _query("exhibit"),
            _query("purpose"),
            _query("since"),
            _query("until"),
            _query("refused", enum=["true"]),
            _query("format", enum=["json", "csv"]),
            *PARAMETERS,
        ],
        None,
    ),
)

_ANY_SUBJECT = (
    "not-found", "access-denied", "unknown-case", "unknown-exhibit", "unknown-submission",
)  # fmt: skip
_CASE = ("not-found", "unknown-case", "access-denied")
_BODY = ("malformed-json", "unsupported-media-type")
_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied")
_V1 = "/api/v1"
ONCE_REFUSALS = ("idempotency-key-reused", "idempotency-key-in-use")

# As `api.refusals.REFUSALS`.
RULE_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    **PROCEEDING_REFUSALS,
    **CONSENT_REFUSALS,
    **REGISTER_REFUSALS,
    **PARTICIPANT_REFUSALS,
    **PRIVILEGE_REFUSALS,
    **RELATED_REFUSALS,
    **{
        ("get", f"{_V1}/{kind}/{{subject}}/marking"): _ANY_SUBJECT
        for kind in ("cases", "exhibits", "submissions")
    },
    **{
        ("put", f"{_V1}/{kind}/{{subject}}/marking"): (*_ANY_SUBJECT, *_BODY)
        for kind in ("cases", "exhibits", "submissions")
    },
    ("get", f"{_V1}/approvals"): ("access-denied",),
    ("post", f"{_V1}/approvals"): (
        *_ANY_SUBJECT, *_BODY, *ONCE_REFUSALS, "unknown-identity", "step-up-required",
    ),
    ("post", f"{_V1}/approvals/{{approval}}/decision"): (
        *_ANY_SUBJECT, *_BODY, "unknown-approval", "step-up-required",
        "approval-expired",
    ),
    ("get", f"{_V1}/erasures"): ("access-denied",),
    ("post", f"{_V1}/erasures"): (
        *_EXHIBIT, *_BODY, *ONCE_REFUSALS, "step-up-required", "exhibit-erased", "on-hold",
    ),
    ("post", f"{_V1}/erasures/{{erasure_id}}/decision"): (
        *_EXHIBIT, *_BODY, "unknown-erasure", "step-up-required", "approval-expired",
        "no-such-object", "locked", "on-hold",
    ),
    ("get", f"{_V1}/cases/{{code}}/identities"): _CASE,
    ("post", f"{_V1}/cases/{{code}}/identities"): (*_CASE, *_BODY),
    ("post", f"{_V1}/identities/{{codename}}/reveal"): (
        "not-found", "unknown-identity", "access-denied", *_BODY, "exhibit-erased",
        "step-up-required",
    ),
    ("post", f"{_V1}/exhibits/{{number}}/disclosures"): (
        *_EXHIBIT, *_BODY, "purpose-required", "purpose-too-long", "exhibit-erased",
        "unknown-case",
        "step-up-required",
    ),
    ("post", f"{_V1}/exhibits/{{number}}/source"): (*_EXHIBIT, *_BODY, "step-up-required"),
    ("get", f"{_V1}/access-log"): ("access-denied",),
}  # fmt: skip
