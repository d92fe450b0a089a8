"""What is answered about what exhibits share."""

from typing import Any

from pydantic import BaseModel


class Shared(BaseModel):
    """One thing that two exhibits share.

    `value` where it is the same; of pictures in how many `bits` of 256 their hashes differ; of
    places how far they are apart in `kilometres` and `seconds`.
    """

    kind: str
    value: str | None = None
    bits: int | None = None
    kilometres: float | None = None
    seconds: int | None = None


class RelatedView(BaseModel):
    """An exhibit that shares something, and all that it shares."""

    exhibit: str
    sha256: str
    why: list[Shared]


class RelatedList(BaseModel):
    """What shares something with an exhibit; `more`: not all was looked at or is told."""

    items: list[RelatedView]
    more: bool


_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
_PATH = "/api/v1/exhibits/{number}/related"

# As `api.openapi.OPERATIONS`.
RELATED_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    ("get", _PATH, "What shares something with an exhibit", {200: RelatedList}, [_NUMBER], None),
)

# As `api.refusals.REFUSALS`.
RELATED_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", _PATH): ("not-found", "unknown-exhibit", "access-denied", "exhibit-erased"),
}
