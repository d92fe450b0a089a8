"""What is asked and answered about the disclosure register."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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
    motive: str


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


class RegisterRow(BaseModel):
    """One exhibit in a proceeding; `not-shown`: a number that was given, and no more is told.

    `barred`: what its provider has against its leaving for the defence. `warning`: it is
    potentially exculpatory all the same.
    """

    exhibit: str
    classification: str
    rule: str | None
    withheld: str | None
    redactions: list[Redaction]
    reviewer: str | None
    reviewed_at: str | None
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
_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied", "unknown-case")
_V1 = "/api/v1"

# As `api.refusals.REFUSALS`.
REGISTER_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/cases/{{code}}/register"): ("not-found", "unknown-case", "access-denied"),
    ("put", f"{_V1}/exhibits/{{number}}/register/{{code}}"): (*_EXHIBIT, *_BODY),
    ("post", f"{_V1}/exhibits/{{number}}/acknowledgement"): (*_EXHIBIT, *_BODY),
}
