"""What is asked and answered about the disclosure register."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.paging import PARAMETERS

Classification = Literal[
    "incriminating", "potentially-exculpatory", "rule-77", "lead-only", "other", "not-reviewed"
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Redaction(_Asked):
    """A part that is withheld: its code, and on what that rests."""

    code: str
    basis: str


class NewJudgement(_Asked):
    """What a reviewer says of an exhibit in a proceeding; `withheld`: why, if it is."""

    classification: Classification
    rule: str | None = None
    withheld: str | None = None
    redactions: list[Redaction] = []
    review: Literal["first", "second"] = "first"
    motive: str


class ReviewRuleAsked(_Asked):
    """Whether a proceeding asks for a second review of each exhibit, by another person."""

    second_review: bool
    motive: str


class ReviewRuleView(BaseModel):
    """As it is from now on."""

    case: str
    second_review: bool


class AppliedList(BaseModel):
    """How many rows a list had, how many changed something, and its digest, on record."""

    rows: int
    changed: int
    digest: str


class SecondJudgement(BaseModel):
    """What another person said of the same exhibit."""

    classification: str
    rule: str | None
    withheld: str | None
    redactions: list[Redaction]
    reviewer: str
    reviewed_at: str


class NewBatch(_Asked):
    """The next batch for a party: these exhibits, or (no list) all that is due.

    An empty list is refused: whoever's choice came out empty discloses nothing.
    """

    party: str
    exhibits: list[str] | None = Field(None, min_length=1)
    form: str | None = None


class BatchView(BaseModel):
    """A numbered batch; `digest` is that of the list of its numbers and digests, on record."""

    batch: int
    party: str
    made_at: str
    form: str | None
    count: int
    digest: str
    entry: int


class LeftOut(BaseModel):
    """What was due and may not leave, and why."""

    exhibit: str
    reasons: list[str]


class MadeBatch(BatchView):
    """A batch that was made now; `acting`: how many persons act for the party so far."""

    exhibits: list[str]
    left_out: list[LeftOut]
    acting: int


class DisclosedRow(BaseModel):
    """An exhibit that a party has; `batch` where it went with one."""

    exhibit: str
    sha256: str
    batch: int | None
    form: str | None
    disclosed_at: str
    acknowledged_at: str | None
    entry: int
    first_number: str | None
    last_number: str | None


class DisclosureState(BaseModel):
    """What a party had at a time, or got after a batch; the digest of the rows is on record."""

    case: str
    party: str
    batches: list[BatchView]
    count: int
    digest: str
    items: list[DisclosedRow]


class NewAcknowledgement(_Asked):
    """Of which case, where it is not the exhibit's own."""

    case: str | None = None


class DisclosedView(BaseModel):
    """To whom something was disclosed, in which form, when, and when that was acknowledged."""

    party: str
    form: str | None
    at: str
    acknowledged_at: str | None
    entry: int


class AskedOwner(BaseModel):
    """A request for an owner's consent, and its state."""

    consent: str
    state: str


class NumberedFromTo(BaseModel):
    """The numbers of an exhibit in the proceeding (ERN, Bates), the first and the last."""

    first: str
    last: str


class RegisterRow(BaseModel):
    """One exhibit in a proceeding; `not-shown`: a number that was given, and no more is told.

    `review`: not-reviewed, first-review, second-review, or conflict where two persons say different
    things. `privilege`: `closed`, or `member-closed`, until a reviewer releases it.

    `barred`: what its provider has against its leaving for the defence. `warning`: it is
    potentially exculpatory all the same.
    """

    exhibit: str
    number: NumberedFromTo | None
    classification: str
    rule: str | None
    withheld: str | None
    redactions: list[Redaction]
    reviewer: str | None
    reviewed_at: str | None
    review: str
    second: SecondJudgement | None
    privilege: str | None
    disclosed: list[DisclosedView]
    conditions: dict[str, Any]
    barred: list[str]
    warning: str | None
    consents: list[AskedOwner]
    erased_at: str | None


class RegisterView(BaseModel):
    """A page of a proceeding's register, which has a row for every number given.

    `count`, `counts` and `digest` are of the page; the digest is on record.
    """

    case: str
    count: int
    digest: str
    counts: dict[str, int]
    items: list[RegisterRow]
    next: str | None


class AcknowledgementView(BaseModel):
    """A party said that it got what was disclosed to it."""

    exhibit: str
    party: str
    acknowledged_at: str


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_CODE, _NUMBER = _path("code"), _path("number")


def _header(name: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": "UTF-8, percent-encoded",
        "schema": {"type": "string"},
    }


_STATED = (
    _header("Evidence-Purpose", required=True),
    _header("Evidence-Authority", required=False),
    _header("Evidence-Assured", required=False),
)
_QUERIES = (
    {"name": "party", "in": "query", "schema": {"type": "string"}},
    {"name": "at", "in": "query", "schema": {"type": "string"}},
    {"name": "since", "in": "query", "schema": {"type": "integer", "minimum": 1}},
    {"name": "format", "in": "query", "schema": {"enum": ["json", "csv"]}},
)
_REVIEW = {"name": "review", "in": "query", "schema": {"enum": ["first", "second"]}}
_EXHIBITS = {
    "name": "exhibit",
    "in": "query",
    "schema": {"type": "array", "items": {"type": "string"}},
}
_MOTIVE = _header("Evidence-Motive", required=True)

# As `api.openapi.OPERATIONS`.
REGISTER_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "get",
        "/api/v1/cases/{code}/register",
        "The disclosure register of a proceeding",
        {200: RegisterView},
        [_CODE, *PARAMETERS],
        None,
    ),
    (
        "put",
        "/api/v1/cases/{code}/register/rule",
        "Say whether a proceeding asks for a second review",
        {200: ReviewRuleView},
        [_CODE],
        ReviewRuleAsked,
    ),
    (
        "get",
        "/api/v1/cases/{code}/register/list",
        "The register as CSV, to work on elsewhere",
        {200: "text/csv"},
        [_CODE, _REVIEW, _EXHIBITS],
        None,
    ),
    (
        "post",
        "/api/v1/cases/{code}/register/list",
        "Apply such a list: all of its rows, or none",
        {200: AppliedList},
        [_CODE, _REVIEW, _MOTIVE],
        "text/csv",
    ),
    (
        "post",
        "/api/v1/cases/{code}/disclosures",
        "Disclose the next batch to a party: what is named, or all that is due",
        {201: MadeBatch},
        [_CODE, *_STATED],
        NewBatch,
    ),
    (
        "get",
        "/api/v1/cases/{code}/disclosures",
        "What a party had at a time, or got after a batch",
        {200: (DisclosureState, "text/csv")},
        [_CODE, *_QUERIES],
        None,
    ),
    (
        "put",
        "/api/v1/exhibits/{number}/register/{code}",
        "Classify an exhibit in a proceeding",
        {200: RegisterRow},
        [_NUMBER, _CODE],
        NewJudgement,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/acknowledgement",
        "Say for your party that it got what was disclosed to it",
        {200: AcknowledgementView},
        [_NUMBER],
        NewAcknowledgement,
    ),
)

_BODY = ("malformed-json", "unsupported-media-type")
_CASE = ("not-found", "unknown-case", "access-denied")
_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied", "unknown-case")
_V1 = "/api/v1"

# As `api.refusals.REFUSALS`.
REGISTER_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/cases/{{code}}/register"): ("not-found", "unknown-case", "access-denied"),
    ("put", f"{_V1}/cases/{{code}}/register/rule"): (*_CASE, *_BODY),
    ("get", f"{_V1}/cases/{{code}}/register/list"): _CASE,
    ("get", f"{_V1}/cases/{{code}}/disclosures"): _CASE,
    ("post", f"{_V1}/cases/{{code}}/disclosures"): (
        *_CASE,
        *_BODY,
        "unknown-exhibit",
        "purpose-required",
        "purpose-too-long",
        "step-up-required",
    ),
    ("post", f"{_V1}/cases/{{code}}/register/list"): (
        *_CASE,
        "unsupported-media-type",
        "list-conflicts",
    ),
    ("put", f"{_V1}/exhibits/{{number}}/register/{{code}}"): (*_EXHIBIT, *_BODY),
    ("post", f"{_V1}/exhibits/{{number}}/acknowledgement"): (*_EXHIBIT, *_BODY),
}
