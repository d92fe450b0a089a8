"""What is asked and answered about facts, locators and the places that they name."""

from typing import Any

from pydantic import BaseModel


class FactView(BaseModel):
    """What a file says, with the text it was read from, and the locator by which it is cited."""

    name: str
    value: str
    raw: str
    source: str
    tz: str | None
    suspect: str | None
    kind: str | None
    locator: str


class FactList(BaseModel):
    """A page of facts; `next` is the cursor of the following page, if there is one."""

    items: list[FactView]
    next: str | None


class CitedMember(BaseModel):
    """A member of a container; `exhibit` where it was taken out and the asker may know of it."""

    member: str
    modified_at: str | None
    flags: list[str]
    exhibit: str | None


class MadeView(BaseModel):
    """A picture or text that was made of a place."""

    kind: str
    mime: str
    locator: str
    size: int
    sha256: str


class PlaceView(BaseModel):
    """What stands at a place; `exhibit` holds its bytes: of a member taken out, the child.

    `digest`: the cited digest is the `same` as recorded, `not-stated`, or `not-compared` because
    none is recorded (reading the bytes compares it).
    """

    locator: str
    exhibit: str
    sha256: str | None
    size: int | None
    digest: str
    member: CitedMember | None
    facts: list[FactView]
    made: list[MadeView]


_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
_LOCATOR = {
    "name": "locator",
    "in": "query",
    "required": True,
    "description": "docs/format.md 13, percent-encoded once more for the query",
    "schema": {"type": "string"},
}
_PURPOSE = {"name": "Evidence-Purpose", "in": "header", "schema": {"type": "string"}}
_ASSURED = {"name": "Evidence-Assured", "in": "header", "schema": {"type": "string"}}
_PAGED = (
    {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 500},
    },
)
_BYTES = ("application/octet-stream", "image/jpeg")

# As `api.openapi.OPERATIONS`.
CITATION_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "get",
        "/api/v1/exhibits/{number}/facts",
        "What was read out of an exhibit, each fact with its locator",
        {200: FactList},
        [_NUMBER, *_PAGED],
        None,
    ),
    (
        "get",
        "/api/v1/citations",
        "What stands at the place that a locator names; no original is opened",
        {200: PlaceView},
        [_LOCATOR],
        None,
    ),
    (
        "get",
        "/api/v1/citations/content",
        "The bytes of a place, compared with the digest that was cited; of a page its picture",
        {200: _BYTES, 206: "application/octet-stream"},
        [_LOCATOR, _PURPOSE, _ASSURED],
        None,
    ),
)

_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied", "not-extracted", "exhibit-erased")
_PLACE = (
    *_EXHIBIT, "bad-locator", "unknown-place", "cited-digest-differs", "member-not-taken-out",
    "part-required", "unknown-part",
)  # fmt: skip

# As `api.refusals.REFUSALS`.
CITATION_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", "/api/v1/exhibits/{number}/facts"): _EXHIBIT,
    ("get", "/api/v1/citations"): _PLACE,
    ("get", "/api/v1/citations/content"): (
        *_PLACE, "purpose-required", "purpose-too-long", "range-not-satisfiable",
        "no-such-object",
    ),
}  # fmt: skip
