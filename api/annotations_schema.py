"""What is asked and answered about tags, notes, assessments and selections."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AssessmentModel(_Asked):
    """How reliable an exhibit is held to be; where and when it was made, found by which method."""

    source: Literal["A", "B", "C", "X"] | None = None
    information: Literal["1", "2", "3", "4"] | None = None
    place: str | None = None
    position: str | None = None
    begins: str | None = None
    ends: str | None = None
    method: str | None = None


class NewVersion(_Asked):
    """The words of a tag or note, or an assessment."""

    text: str | None = None
    assessment: AssessmentModel | None = None


class NewAnnotation(NewVersion):
    """The same, of an exhibit or of the place that a locator names."""

    kind: Literal["tag", "note", "assessment"]
    place: str | None = None


class Withdrawal(_Asked):
    """Why it is withdrawn."""

    motive: str


class Judged(_Asked):
    """Whether an assessment holds, and why."""

    agrees: bool
    motive: str


class NewSelection(_Asked):
    """Exhibits and places under a title; `selection`: the one that this is the next version of."""

    title: str
    items: list[str]
    shared_with: list[str] = []
    selection: str | None = None


class VersionView(BaseModel):
    """One version of an annotation: who said what, when, and in which entry it stands."""

    annotation: str
    kind: str
    exhibit: str
    version: int
    versions: int
    author: str | None
    at: str
    entry: int
    said: dict[str, Any]


class VersionList(BaseModel):
    """Versions of annotations."""

    items: list[VersionView]


class SelectionView(BaseModel):
    """The newest version of a selection; of its items those that the asker may know of."""

    selection: str
    case: str
    title: str
    items: list[str]
    shared_with: list[str]
    author: str | None
    version: int
    at: str
    entry: int


class SelectionList(BaseModel):
    """Selections that the asker made or is named in."""

    items: list[SelectionView]


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_NUMBER, _CODE = _path("number"), _path("code")
_ANNOTATION, _SELECTION = _path("annotation"), _path("selection")
_V1 = "/api/v1"
_OF = f"{_V1}/exhibits/{{number}}/annotations"
_ONE = f"{_V1}/annotations/{{annotation}}"
_SETS = f"{_V1}/cases/{{code}}/selections"

# As `api.openapi.OPERATIONS`.
ANNOTATION_OPERATIONS: tuple[
    tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...
] = (
    ("get", _OF, "What was said of an exhibit", {200: VersionList}, [_NUMBER], None),
    ("post", _OF, "Say something of an exhibit, or of a place in it", {201: VersionView},
     [_NUMBER], NewAnnotation),
    ("get", _ONE, "Every version of an annotation", {200: VersionList}, [_ANNOTATION], None),
    ("post", f"{_ONE}/versions", "Say it anew, as its author", {201: VersionView},
     [_ANNOTATION], NewVersion),
    ("post", f"{_ONE}/withdrawal", "Withdraw it; its history stays", {201: VersionView},
     [_ANNOTATION], Withdrawal),
    ("post", f"{_ONE}/review", "Say as another person whether an assessment holds",
     {201: VersionView}, [_ANNOTATION], Judged),
    ("get", _SETS, "The selections of a case that you made or are named in",
     {200: SelectionList}, [_CODE], None),
    ("post", _SETS, "Make a selection, or its next version", {201: SelectionView}, [_CODE],
     NewSelection),
    ("get", f"{_V1}/selections/{{selection}}", "A selection", {200: SelectionView},
     [_SELECTION], None),
)  # fmt: skip

_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied", "exhibit-erased")
_WORDS = (*_EXHIBIT, "unknown-annotation", "malformed-json", "unsupported-media-type")
_CASE = ("not-found", "unknown-case", "access-denied", "unknown-selection")
_BROKEN = ("bad-opening",)

_PLACE = ("bad-locator", "unknown-place", "unknown-part", "part-required", "cited-digest-differs")
# As `api.refusals.REFUSALS`.
ANNOTATION_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("get", _OF): (*_EXHIBIT, *_BROKEN),
    ("post", _OF): (*_WORDS, *_BROKEN, *_PLACE),
    ("get", _ONE): (*_EXHIBIT, *_BROKEN, "unknown-annotation"),
    ("post", f"{_ONE}/versions"): (*_WORDS, *_BROKEN),
    ("post", f"{_ONE}/withdrawal"): (*_WORDS, *_BROKEN),
    ("post", f"{_ONE}/review"): (*_WORDS, *_BROKEN),
    ("get", _SETS): (*_CASE, *_BROKEN),
    ("post", _SETS): (
        *_CASE, *_BROKEN, *_PLACE, "malformed-json", "unsupported-media-type", "unknown-exhibit",
        "exhibit-erased", "unknown-person",
    ),
    ("get", f"{_V1}/selections/{{selection}}"): (*_CASE, *_BROKEN),
}  # fmt: skip
