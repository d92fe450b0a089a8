"""What is asked and answered about who takes part in a case."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from api.paging import PARAMETERS


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewGrant(_Asked):
    """A role for a person, named by name or id; `party` for counsel and experts alone."""

    person: str
    role: str
    party: str | None = None
    until: str | None = None


class EndGrant(_Asked):
    """The role that a person has no more."""

    person: str
    role: str


class GrantView(BaseModel):
    """Somebody's role on a case."""

    person: str
    name: str
    organisation: str | None
    role: str
    party: str | None
    granted_at: str
    until: str | None


class GrantList(BaseModel):
    """A page of those who take part in a case."""

    items: list[GrantView]
    next: str | None


class GrantEnded(BaseModel):
    """A role that was taken away."""

    case: str
    person: str
    role: str
    revoked: bool


_CODE = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
_GRANTS = "/api/v1/cases/{code}/grants"

# As `api.openapi.OPERATIONS`.
PARTICIPANT_OPERATIONS: tuple[
    tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...
] = (
    ("get", _GRANTS, "Who takes part in a case", {200: GrantList}, [_CODE, *PARAMETERS], None),
    (
        "post",
        _GRANTS,
        "Let somebody into a case; again, it changes party and end",
        {200: GrantView},
        [_CODE],
        NewGrant,
    ),
    (
        "post",
        f"{_GRANTS}/end",
        "Take a role on a case away, at once",
        {200: GrantEnded},
        [_CODE],
        EndGrant,
    ),
)

_CASE = ("not-found", "unknown-case", "access-denied")
_ASKED = ("unknown-person", "malformed-json", "unsupported-media-type")

# As `api.refusals.REFUSALS`.
PARTICIPANT_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", _GRANTS): _CASE,
    ("post", _GRANTS): (*_CASE, *_ASKED, "step-up-required"),
    ("post", f"{_GRANTS}/end"): (*_CASE, *_ASKED),
}
