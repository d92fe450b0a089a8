"""What is asked and answered about numbers that courts cite by."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.paging import PARAMETERS
from api.schema import ExternalNumber, Strict


class NewNumbering(Strict):
    """How a proceeding numbers: what stands before the digits, how many, for each page or file."""

    prefix: str = ""
    digits: int = 6
    per: Literal["page", "file"] = "page"
    first: int = 1
    motive: str


class NumberingView(BaseModel):
    """How it numbers from now on; `next_number`: null where all are used up."""

    case: str
    prefix: str
    digits: int
    per: str
    next_number: str | None
    entry: int


class OfBatch(Strict):
    """A disclosure batch: its party, and its number for that party."""

    party: str
    number: int


class NewNumbers(Strict):
    """What gets numbers, in this order: exhibits, or a batch, or a selection."""

    exhibits: list[str] = Field(default_factory=list)
    batch: OfBatch | None = None
    selection: str | None = None


class NumberedView(BaseModel):
    """The numbers of an exhibit, for each of its pages or one for the file."""

    exhibit: str
    first: str
    last: str
    per: str
    entry: int


class GivenView(NumberedView):
    """The same; `new`: given now, and not before."""

    new: bool


class NotNumbered(BaseModel):
    """What has no number, and why: not-looked-at, erased, numbers-used-up."""

    exhibit: str
    reason: str


class GivenList(BaseModel):
    """The numbers of all that was asked for; the digest of the list is on record."""

    case: str
    count: int
    digest: str
    items: list[GivenView]
    left_out: list[NotNumbered]


class NumberedPlace(NumberedView):
    """The same; `page`, where a number of a page was asked for."""

    page: int | None = None


class NumberList(BaseModel):
    """How a proceeding numbers, and a page of what it gave that the caller may know of.

    `next_number`: what is given next, not told to parties; `next`: the cursor of what follows.
    """

    case: str
    prefix: str
    digits: int
    per: str
    next_number: str | None = None
    items: list[NumberedPlace]
    next: str | None


class NewStamps(Strict):
    """Exhibits that have numbers, of which copies with the numbers on their pages are made."""

    exhibits: list[str] = Field(max_length=100)


class StampView(BaseModel):
    """What became of one: stamped now, known from before, or not-stamped and why.

    `made` is the number of the copy.
    """

    exhibit: str
    status: Literal["stamped", "known", "not-stamped"]
    made: str | None
    sha256: str | None
    first: str | None
    last: str | None
    entry: int | None
    reason: str | None
    detail: str | None


class StampList(BaseModel):
    """What became of each exhibit, in the order asked for."""

    case: str
    items: list[StampView]


class NewExternalNumber(Strict):
    """A number that somebody else gave an exhibit; `motive`: where it was read."""

    issuer: str
    first: str
    last: str | None = None
    withdrawn: bool = False
    motive: str


class ExternalNumberView(ExternalNumber):
    """As it is on record now."""

    exhibit: str
    withdrawn: bool
    entry: int


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_V1 = "/api/v1"
_CITED = {"name": "number", "in": "query", "schema": {"type": "string"}}

# As `api.openapi.OPERATIONS`.
NUMBER_OPERATIONS: tuple[tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any], ...] = (
    (
        "put",
        f"{_V1}/cases/{{code}}/numbering",
        "Say how a proceeding numbers (ERN, Bates); once numbers were given it stays so",
        {200: NumberingView},
        [_path("code")],
        NewNumbering,
    ),
    (
        "post",
        f"{_V1}/cases/{{code}}/numbers",
        "Give numbers to exhibits, a batch or a selection; what has some keeps them",
        {200: GivenList},
        [_path("code")],
        NewNumbers,
    ),
    (
        "get",
        f"{_V1}/cases/{{code}}/numbers",
        "The numbers that a proceeding gave; or the exhibit and page that one is of",
        {200: NumberList},
        [_path("code"), _CITED, *PARAMETERS],
        None,
    ),
    (
        "post",
        f"{_V1}/cases/{{code}}/numbers/copies",
        "Make copies with the numbers on their pages: exhibits of their own",
        {200: StampList},
        [_path("code")],
        NewStamps,
    ),
    (
        "post",
        f"{_V1}/exhibits/{{number}}/external-numbers",
        "Record a number that somebody else gave an exhibit, or that it was a mistake",
        {200: ExternalNumberView},
        [_path("number")],
        NewExternalNumber,
    ),
)

_CASE = ("not-found", "unknown-case", "access-denied")
_JSON = ("malformed-json", "unsupported-media-type")

# As `api.refusals.REFUSALS`.
NUMBER_REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    ("put", f"{_V1}/cases/{{code}}/numbering"): (*_CASE, *_JSON),
    ("post", f"{_V1}/cases/{{code}}/numbers"): (*_CASE, *_JSON, "unknown-selection"),
    ("get", f"{_V1}/cases/{{code}}/numbers"): _CASE,
    ("post", f"{_V1}/cases/{{code}}/numbers/copies"): (
        *_CASE, *_JSON, "unknown-exhibit", "sandbox-busy", "sandbox-unavailable",
    ),
    ("post", f"{_V1}/exhibits/{{number}}/external-numbers"): (
        "not-found", "unknown-exhibit", "access-denied", *_JSON, "exhibit-erased",
    ),
}  # fmt: skip
