"""What is asked and answered about what may be privileged."""

from typing import Any, Literal

from pydantic import BaseModel

from api.schema import Strict


class NewClaim(Strict):
    """That an exhibit may be privileged, or a member of it by the path that its listing shows."""

    member: str | None = None
    motive: str


class PrivilegeDecision(Strict):
    """What a reviewer, who has no other part in the case, decides about it."""

    decision: Literal["release", "confirm"]
    member: str | None = None
    motive: str


class ClaimView(BaseModel):
    """What was named and what became of it; persons and motives stand in the entries."""

    exhibit: str
    member: str | None
    state: str
    claimed_at: str
    decided_at: str | None
    entry: int


class ClaimList(BaseModel):
    """All that was named in a case, of exhibits that the caller may know of."""

    items: list[ClaimView]


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_V1 = "/api/v1"

# As `api.openapi.OPERATIONS`.
PRIVILEGE_OPERATIONS: tuple[
    tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...
] = (
    (
        "get",
        f"{_V1}/cases/{{code}}/privileges",
        "What was named as possibly privileged in a case",
        {200: ClaimList},
        [_path("code")],
        None,
    ),
    (
        "post",
        f"{_V1}/exhibits/{{number}}/privilege",
        "Say that an exhibit, or a member of it, may be privileged: closed to the case team",
        {200: ClaimView},
        [_path("number")],
        NewClaim,
    ),
    (
        "post",
        f"{_V1}/exhibits/{{number}}/privilege/decision",
        "Release it or confirm it, as a reviewer",
        {200: ClaimView},
        [_path("number")],
        PrivilegeDecision,
    ),
)

_EXHIBIT = (
    "not-found", "unknown-exhibit", "access-denied", "malformed-json", "unsupported-media-type",
)  # fmt: skip

# As `api.refusals.REFUSALS`.
PRIVILEGE_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", f"{_V1}/cases/{{code}}/privileges"): ("not-found", "unknown-case", "access-denied"),
    ("post", f"{_V1}/exhibits/{{number}}/privilege"): (*_EXHIBIT, "unknown-place"),
    ("post", f"{_V1}/exhibits/{{number}}/privilege/decision"): _EXHIBIT,
}
