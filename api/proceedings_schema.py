"""What is asked and answered about situations, further cases of exhibits, and holds."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewSituation(_Asked):
    """A situation to open; its code is written like that of a case."""

    code: str
    title: str


class OfSituation(_Asked):
    """The situation that a case belongs to from now on, and why."""

    situation: str
    motive: str


class NewAssociation(_Asked):
    """The further case that an exhibit is to belong to, and why."""

    case: str
    motive: str


class EndAssociation(_Asked):
    """Why it belongs to it no more."""

    motive: str


class NewHold(_Asked):
    """For which matter an exhibit is kept, on what that rests, and why."""

    matter: str
    authority: str | None = None
    motive: str


class EndHold(_Asked):
    """Why a hold is to be released."""

    motive: str


class SituationView(BaseModel):
    """A situation, and those of its cases that the caller may know of."""

    situation: str
    title: str
    opened_at: str
    cases: list[str]


class SituationList(BaseModel):
    """Situations."""

    items: list[SituationView]


class CaseSituationView(BaseModel):
    """To which situation a case belongs."""

    case: str
    situation: str


class AssociationView(BaseModel):
    """An exhibit belongs to a further case."""

    exhibit: str
    case: str


class AssociationList(BaseModel):
    """Associations of one exhibit, or of one case."""

    items: list[AssociationView]


class HoldView(BaseModel):
    """A hold; `in_stores`: the stores' own legal hold says the same by now."""

    hold: str
    matter: str
    authority: str | None
    placed_at: str
    released_at: str | None
    in_stores: bool
    entry: int


class HoldList(BaseModel):
    """Every hold there ever was on an exhibit; `free`: all are released."""

    items: list[HoldView]
    free: bool


class HoldRelease(BaseModel):
    """The release of a hold waits for a second person, under `approval`."""

    hold: str
    approval: str


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_CODE, _NUMBER = _path("code"), _path("number")

# As `api.openapi.OPERATIONS`.
PROCEEDING_OPERATIONS: tuple[
    tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...
] = (
    (
        "get",
        "/api/v1/situations",
        "List situations and their cases",
        {200: SituationList},
        [],
        None,
    ),
    ("post", "/api/v1/situations", "Open a situation", {201: SituationView}, [], NewSituation),
    (
        "put",
        "/api/v1/cases/{code}/situation",
        "Say to which situation a case belongs",
        {200: CaseSituationView},
        [_CODE],
        OfSituation,
    ),
    (
        "get",
        "/api/v1/cases/{code}/associations",
        "The exhibits of other cases that belong to this one too",
        {200: AssociationList},
        [_CODE],
        None,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/associations",
        "The further cases that an exhibit belongs to",
        {200: AssociationList},
        [_NUMBER],
        None,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/associations",
        "Have an exhibit belong to a further case",
        {201: AssociationView},
        [_NUMBER],
        NewAssociation,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/associations/{code}/end",
        "Have it belong to that case no more",
        {200: AssociationView},
        [_NUMBER, _CODE],
        EndAssociation,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/holds",
        "For which matters an exhibit is kept, and was",
        {200: HoldList},
        [_NUMBER],
        None,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/holds",
        "Keep an exhibit for a matter; the same matter again is the same hold",
        {201: HoldView},
        [_NUMBER],
        NewHold,
    ),
    (
        "post",
        "/api/v1/holds/{hold}/release",
        "Ask that a hold be released: a second person decides",
        {202: HoldRelease},
        [_path("hold")],
        EndHold,
    ),
)

_CASE = ("not-found", "unknown-case", "access-denied")
_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied")
_BODY = ("malformed-json", "unsupported-media-type")
_V1 = "/api/v1"

# As `api.refusals.REFUSALS`.
PROCEEDING_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/situations"): ("access-denied",),
    ("post", f"{_V1}/situations"): ("access-denied", "already-exists", *_BODY),
    ("put", f"{_V1}/cases/{{code}}/situation"): (*_CASE, *_BODY),
    ("get", f"{_V1}/cases/{{code}}/associations"): _CASE,
    ("get", f"{_V1}/exhibits/{{number}}/associations"): _EXHIBIT,
    ("post", f"{_V1}/exhibits/{{number}}/associations"): (
        *_EXHIBIT, "unknown-case", "step-up-required", *_BODY,
    ),
    ("post", f"{_V1}/exhibits/{{number}}/associations/{{code}}/end"): (
        *_EXHIBIT, "unknown-case", *_BODY,
    ),
    ("get", f"{_V1}/exhibits/{{number}}/holds"): _EXHIBIT,
    ("post", f"{_V1}/exhibits/{{number}}/holds"): (*_EXHIBIT, "exhibit-erased", *_BODY),
    ("post", f"{_V1}/holds/{{hold}}/release"): (*_EXHIBIT, "unknown-hold", *_BODY),
}  # fmt: skip
