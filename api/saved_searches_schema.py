"""What is asked and answered about saved searches."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.search_schema import SearchView


class KeptQuestion(BaseModel):
    """All that is asked, each part as text: so it is kept, and read again whenever it is run.

    Beside or instead of words: one place (`near` as LATITUDE,LONGITUDE,DISTANCE, `box` as
    SOUTH,WEST,NORTH,EAST, or `polygon` as GeoJSON in a text), times and `filters` as a search
    takes them; `view`: how pages show what is found.
    """

    query: str = ""
    near: str | None = None
    box: str | None = None
    polygon: str | None = None
    after: str | None = None
    before: str | None = None
    between: str | None = None
    certain: bool = False
    filters: dict[str, list[str]] = {}
    view: Literal["list", "gallery"] = "list"


class NewSavedSearch(KeptQuestion):
    """What is asked, under a title; `search`: the one that this is the next version of."""

    model_config = ConfigDict(extra="forbid")
    title: str
    shared_with: list[str] = []
    search: str | None = None


class RunSearch(BaseModel):
    """With `facets` also counts."""

    model_config = ConfigDict(extra="forbid")
    facets: bool = False


class SavedSearchView(KeptQuestion):
    """The newest version of a saved search."""

    search: str
    case: str
    title: str
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
