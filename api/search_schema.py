"""What is asked and answered about searches."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.schema import ExhibitView


class NearPoint(BaseModel):
    """What is within some metres of a point, in decimal degrees."""

    model_config = ConfigDict(extra="forbid")
    latitude: float
    longitude: float
    within: float


class Box(BaseModel):
    """What lies between two latitudes and two longitudes; `east` may lie beyond 180, as below."""

    model_config = ConfigDict(extra="forbid")
    south: float
    west: float
    north: float
    east: float


class NewSearch(BaseModel):
    """A query; with `case` only among what was registered there, with `facets` also counts.

    Beside or instead of words: one place (`near`, `box`, or `polygon` as GeoJSON), and times
    (`after`, `before`, or `between` as `FROM..TO`): a year, a month, a day of UTC, or a time with
    its offset. With `certain` only what is certainly so, if what says it is right. `filters` names
    facets with values of theirs, as `facets` told them: of each facet what is found has one.
    With `snippets` what was found is quoted in its context; with `suggestions` other spellings are
    named for words that are nowhere, where little is found.
    """

    model_config = ConfigDict(extra="forbid")
    query: str = ""
    near: NearPoint | None = None
    box: Box | None = None
    polygon: dict[str, Any] | None = None
    after: str | None = None
    before: str | None = None
    between: str | None = None
    certain: bool = False
    case: str | None = None
    facets: bool = False
    snippets: bool = False
    suggestions: bool = False
    filters: dict[str, list[str]] = {}


class SightedPlaceView(BaseModel):
    """A place that something states: within `radius_m` of it, `away_m` from the point asked."""

    latitude: float
    longitude: float
    radius_m: float
    away_m: float | None
    said: str
    fact: str
    source: str
    suspect: str | None


class SightedTimeView(BaseModel):
    """A time that something states, and between which times of UTC that is; null: open."""

    earliest: str | None
    latest: str | None
    said: str
    fact: str
    source: str
    suspect: str | None


class SightingView(BaseModel):
    """What says that an exhibit was there and then; not `certain`: it is possible."""

    certain: bool
    origin: Literal["file", "declared", "assessed"]
    locator: str | None
    place: SightedPlaceView | None
    time: SightedTimeView | None


class SnippetView(BaseModel):
    """Some of a text of an exhibit, and where that is; control characters are spaces.

    `marks` are pairs of positions in `text`, in Unicode characters: the first of what matched, and
    the one after its last. `begins` and `ends` say whether the text goes on before and after.
    """

    kind: Literal["fact", "member", "text", "note"]
    locator: str
    text: str
    marks: list[list[int]]
    begins: bool
    ends: bool


class SuggestionView(BaseModel):
    """A word that is nowhere, another spelling that is somewhere, and the query with that."""

    word: str
    instead: str
    query: str


class CitedView(BaseModel):
    """Numbers of an exhibit in a proceeding, and the page that the one asked for means."""

    case: str
    first: str
    last: str
    page: int | None


class HitView(BaseModel):
    """An exhibit that was found, and how: the nearest of `expression.TIERS`; `where`: no words.

    `sightings` are some of what says so, where a place or time was asked for. `snippets`, where
    asked for: at most three; null: its texts cannot be read. `cited`: by which numbers of
    proceedings, where `number:` was asked for.
    """

    found: Literal["name", "exact", "regular", "form", "sound", "where"]
    exhibit: ExhibitView
    sightings: list[SightingView]
    cited: list[CitedView]
    snippets: list[SnippetView] | None


class FacetView(BaseModel):
    """How many of the counted exhibits have a value; null, of a type: what has none yet.

    Of each facet the 100 most frequent values are told. Facets: `case`, `family`, `type`, `state`
    (of custody; to whoever may annotate also hold, disclosed, copies-out, in-transfer, transferred,
    quarantined before), `seal` (yes, no), `marking`; and of exhibits whose facts one may see
    `year`, `month` (2022-02; in order), `place` (a square of one degree, by its south-western
    corner: N48E037), `device`, `account`, `signature` (the file's own, and what came of it).
    """

    value: str | None
    count: int


class SearchView(BaseModel):
    """A page of what was found.

    `count` is given on the first page; `more` says that it is not all: no more are counted.
    `unread` exhibits are not indexed as they are now, and may be missing. `doubted` were there and
    then only by something that deserves no trust, with the reason; on the first page, where a place
    or time was asked for, else null.
    """

    items: list[HitView]
    doubted: list[HitView] | None
    doubted_more: bool
    next: str | None
    count: int | None
    more: bool
    unread: int
    facets: dict[str, list[FacetView]] | None
    suggestions: list[SuggestionView] | None


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
