"""What is asked and answered about searches."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.schema import ExhibitView


class NewSearch(BaseModel):
    """A query; with `case` only among what was registered there, with `facets` also counts."""

    model_config = ConfigDict(extra="forbid")
    query: str
    case: str | None = None
    facets: bool = False


class HitView(BaseModel):
    """An exhibit that was found, and how: the nearest of `expression.TIERS`."""

    found: Literal["name", "exact", "regular", "form", "sound"]
    exhibit: ExhibitView


class FacetView(BaseModel):
    """How many of the counted exhibits have a value; null: what has none yet."""

    value: str | None
    count: int


class SearchView(BaseModel):
    """A page of what was found.

    `count` is given on the first page; `more` says that it is not all: no more are counted.
    `unread` exhibits are not indexed as they are now, and may be missing.
    """

    items: list[HitView]
    next: str | None
    count: int | None
    more: bool
    unread: int
    facets: dict[str, list[FacetView]] | None


_V1 = "/api/v1"

# As `api.openapi.OPERATIONS`.
SEARCH_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "post",
        f"{_V1}/search",
        "Search the exhibits that you may know of; what is asked stands in no address",
        {200: SearchView},
        [
            {"name": "limit", "in": "query", "schema": {"type": "integer"}},
            {"name": "cursor", "in": "query", "schema": {"type": "string"}},
        ],
        NewSearch,
    ),
)

# As `api.refusals.REFUSALS`.
SEARCH_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("post", f"{_V1}/search"): (
        "access-denied", "bad-query", "malformed-json", "unsupported-media-type",
    ),
}  # fmt: skip
