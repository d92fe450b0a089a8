"""What is asked and answered about saved searches."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from api.search_schema import SearchView


class NewSavedSearch(BaseModel):
    """A query under a title; `search`: the one that this is the next version of."""

    model_config = ConfigDict(extra="forbid")
    title: str
    query: str
    shared_with: list[str] = []
    search: str | None = None


class RunSearch(BaseModel):
    """With `facets` also counts."""

    model_config = ConfigDict(extra="forbid")
    facets: bool = False


class SavedSearchView(BaseModel):
    """The newest version of a saved search."""

    search: str
    case: str
    title: str
    query: str
    shared_with: list[str]
    author: str | None
    version: int
    at: str
    entry: int


class SavedSearchList(BaseModel):
    """Saved searches that the asker made or is named in."""

    items: list[SavedSearchView]


_V1 = "/api/v1"
_OF = f"{_V1}/cases/{{code}}/searches"
_RUN = f"{_V1}/searches/{{search}}/run"
_CODE = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
_SEARCH = {**_CODE, "name": "search"}

# As `api.openapi.OPERATIONS`.
SAVED_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    ("get", _OF, "The saved searches of a case that you made or are named in",
     {200: SavedSearchList}, [_CODE], None),
    ("post", _OF, "Save a search, or its next version", {201: SavedSearchView}, [_CODE],
     NewSavedSearch),
    ("post", _RUN, "Search with a saved search in its case, as yourself", {200: SearchView},
     [_SEARCH, {"name": "limit", "in": "query", "schema": {"type": "integer"}},
      {"name": "cursor", "in": "query", "schema": {"type": "string"}}], RunSearch),
)  # fmt: skip

_CASE = ("not-found", "unknown-case", "access-denied", "unknown-search", "bad-opening")
_JSON = ("malformed-json", "unsupported-media-type")

# As `api.refusals.REFUSALS`.
SAVED_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", _OF): _CASE,
    ("post", _OF): (*_CASE, *_JSON, "bad-query", "unknown-person"),
    ("post", _RUN): (*_CASE, *_JSON, "bad-query"),
}
