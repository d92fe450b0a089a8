"""What is asked and answered about derivatives and working copies."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictInt

from repository.derivations import KINDS


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewOwnMarking(_Asked):
    """Why its own marking is enough."""

    motive: str


class NewCopies(_Asked):
    """How many working copies were made, and who holds them."""

    count: StrictInt = 1
    holder: str


class EndCopies(_Asked):
    """How copies ended; without `count` all that are out."""

    how: Literal["returned", "destroyed"]
    count: StrictInt | None = None
    motive: str


class DerivativeView(BaseModel):
    """A derivative that was registered, and what it is of which exhibit."""

    exhibit: str
    parent: str
    kind: str
    sha256: str
    size: int
    entry: int


class OwnMarkingView(BaseModel):
    """What was asked for, and the name under which it waits for a second person."""

    exhibit: str
    approval: str


class CopiesView(BaseModel):
    """Working copies that were made together, and how many of them are out."""

    copies: str
    exhibit: str
    count: int
    out: int
    made_at: str
    entry: int


class CopiesList(BaseModel):
    """The working copies of an exhibit, in the order in which they were made."""

    items: list[CopiesView]


def _named(name: str, where: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": required or where == "path",
        "schema": schema or {"type": "string"},
    }


_NUMBER, _COPIES = _named("number", "path"), _named("copies", "path")
_PURPOSE = _named("Evidence-Purpose", "header")
_V1 = "/api/v1"

# As `api.openapi.OPERATIONS`.
DERIVATIVE_OPERATIONS: tuple[
    tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...
] = (
    (
        "post",
        f"{_V1}/exhibits/{{number}}/derivatives",
        "Take in what people made of an exhibit: the whole body, streamed",
        {201: DerivativeView},
        [
            _NUMBER,
            _PURPOSE,
            _named("kind", "query", required=True, enum=list(KINDS)),
            *(_named(name, "query", required=True) for name in ("author", "tool", "reason")),
            *(_named(name, "query") for name in ("version", "language")),
            _named("code", "query", type="array", items={"type": "string"}),
            _named("Evidence-Path", "header"),
            _named("Repr-Digest", "header"),
        ],
        "application/octet-stream",
    ),
    (
        "post",
        f"{_V1}/exhibits/{{number}}/own-marking",
        "Ask that a derivative inherit its parent's marking no more",
        {202: OwnMarkingView},
        [_NUMBER],
        NewOwnMarking,
    ),
    (
        "get",
        f"{_V1}/exhibits/{{number}}/copies",
        "The working copies that were made of an exhibit",
        {200: CopiesList},
        [_NUMBER],
        None,
    ),
    (
        "post",
        f"{_V1}/exhibits/{{number}}/copies",
        "Put on record that working copies were made",
        {201: CopiesView},
        [_NUMBER, _PURPOSE],
        NewCopies,
    ),
    (
        "post",
        f"{_V1}/copies/{{copies}}/end",
        "Put on record that working copies came back or were destroyed",
        {200: CopiesView},
        [_COPIES],
        EndCopies,
    ),
)

_EXHIBIT = ("not-found", "unknown-exhibit", "access-denied")
_JSON = ("malformed-json", "unsupported-media-type")
_PURPOSES = ("purpose-required", "purpose-too-long")

# As `api.refusals.REFUSALS`.
DERIVATIVE_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("post", f"{_V1}/exhibits/{{number}}/derivatives"): (
        *_EXHIBIT, *_PURPOSES, "exhibit-erased", "bad-digest", "digest-mismatch",
        "source-incomplete", "source-unreadable", "source-changed", "unknown-submission",
    ),
    ("post", f"{_V1}/exhibits/{{number}}/own-marking"): (*_EXHIBIT, *_JSON, "step-up-required"),
    ("get", f"{_V1}/exhibits/{{number}}/copies"): _EXHIBIT,
    ("post", f"{_V1}/exhibits/{{number}}/copies"): (
        *_EXHIBIT, *_JSON, *_PURPOSES, "exhibit-erased",
    ),
    ("post", f"{_V1}/copies/{{copies}}/end"): (*_EXHIBIT, *_JSON, "unknown-working-copy"),
}  # fmt: skip
