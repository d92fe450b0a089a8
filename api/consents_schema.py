"""What is asked and answered about consent of owners, and institutions that leave."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.paging import PARAMETERS

STATES = ("requested", "given", "refused", "withdrawn")


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewConsent(_Asked):
    """Owners are asked: for which exhibits or submissions, for whom, for what, how long, why."""

    subjects: list[str]
    recipient: str
    purpose: str | None = None
    until: str | None = None
    motive: str


class ConsentAnswer(_Asked):
    """The owner's answer; `until` may end it sooner than was asked."""

    give: bool
    until: str | None = None
    motive: str


class ConsentEnd(_Asked):
    """Why a consent is withdrawn."""

    motive: str


class OrganisationEnd(_Asked):
    """An institution left; who answers what it is asked from now on."""

    organisation: str
    successor: str | None = None
    motive: str


class NewUses(_Asked):
    """All the uses that an institution's jurisdiction is known for, of those providers exclude."""

    organisation: str
    uses: list[str]
    motive: str


class UsesView(BaseModel):
    """The uses that an institution's jurisdiction is known for."""

    organisation: str
    uses: list[str]


class ConsentView(BaseModel):
    """A request for consent; `answers`: the institution that answers, none: it is held."""

    consent: str
    state: Literal["requested", "given", "refused", "withdrawn"]
    owner: str
    answers: str | None
    recipient: str
    purpose: str | None
    until: str | None
    case: str
    subjects: list[str]
    requested_at: str
    answered_at: str | None
    withdrawn_at: str | None


class ConsentList(BaseModel):
    """A page of requests for consent, the newest first."""

    items: list[ConsentView]
    next: str | None


class ReceivedList(BaseModel):
    """A page of the consents by which one has things, the newest first.

    `withdrawn`: every exhibit that may be used no more; on the first page alone.
    """

    items: list[ConsentView]
    withdrawn: list[str]
    next: str | None


class AskedList(BaseModel):
    """The requests that were made, one for each owner."""

    items: list[str]


class HeldView(BaseModel):
    """Something whose conditions contradict each other, and how."""

    subject: str
    contradictions: list[str]


class HeldList(BaseModel):
    """What is held until a person has decided what was meant."""

    items: list[HeldView]


class OrganisationEnded(BaseModel):
    """An institution that left; questions for its consent and exhibits released to it that wait."""

    organisation: str
    successor: str | None
    ended_at: str
    questions: int
    transfers: int


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_CONSENT = _path("consent")

# As `api.openapi.OPERATIONS`.
CONSENT_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "get",
        "/api/v1/consents",
        "What your institution is asked, and was",
        {200: ConsentList},
        [
            {"name": "state", "in": "query", "schema": {"type": "string", "enum": list(STATES)}},
            *PARAMETERS,
        ],
        None,
    ),
    (
        "post",
        "/api/v1/consents",
        "Ask owners for consent",
        {201: AskedList},
        [],
        NewConsent,
    ),
    (
        "get",
        "/api/v1/consents/received",
        "By which consents you have things, and what was withdrawn",
        {200: ReceivedList},
        list(PARAMETERS),
        None,
    ),
    (
        "post",
        "/api/v1/consents/{consent}/answer",
        "Answer for your institution",
        {200: ConsentView},
        [_CONSENT],
        ConsentAnswer,
    ),
    (
        "post",
        "/api/v1/consents/{consent}/withdraw",
        "Withdraw your institution's consent: it counts at once",
        {200: ConsentView},
        [_CONSENT],
        ConsentEnd,
    ),
    (
        "get",
        "/api/v1/cases/{code}/consents",
        "What owners were asked about a case",
        {200: ConsentList},
        [_path("code"), *PARAMETERS],
        None,
    ),
    (
        "get",
        "/api/v1/conditions/held",
        "Conditions that contradict each other: a person decides",
        {200: HeldList},
        [],
        None,
    ),
    (
        "post",
        "/api/v1/organisations/end",
        "Say that an institution left, or who follows it",
        {200: OrganisationEnded},
        [],
        OrganisationEnd,
    ),
    (
        "post",
        "/api/v1/organisations/uses",
        "Say for which excluded uses an institution's jurisdiction is known",
        {200: UsesView},
        [],
        NewUses,
    ),
)

_BODY = ("malformed-json", "unsupported-media-type")
_V1 = "/api/v1"

# As `api.refusals.REFUSALS`.
CONSENT_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/consents"): ("access-denied",),
    ("post", f"{_V1}/consents"): (
        "unknown-exhibit", "unknown-case", "unknown-submission", "access-denied", *_BODY,
        "step-up-required",
    ),
    ("get", f"{_V1}/consents/received"): ("access-denied",),
    ("post", f"{_V1}/consents/{{consent}}/answer"): (
        "not-found", "unknown-consent", "step-up-required", *_BODY,
    ),
    ("post", f"{_V1}/consents/{{consent}}/withdraw"): ("not-found", "unknown-consent", *_BODY),
    ("get", f"{_V1}/cases/{{code}}/consents"): ("not-found", "unknown-case", "access-denied"),
    ("get", f"{_V1}/conditions/held"): ("access-denied",),
    ("post", f"{_V1}/organisations/end"): ("access-denied", *_BODY),
    ("post", f"{_V1}/organisations/uses"): ("access-denied", "step-up-required", *_BODY),
}  # fmt: skip
