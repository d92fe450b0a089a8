"""Requests and answers as pydantic models."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """The base of requests: unknown members and loose types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewCase(Strict):
    """A case to open."""

    code: str = Field(pattern=r"^[A-Z0-9]{2,12}$")
    title: str = Field(min_length=1, max_length=500)


class CaseView(BaseModel):
    """A case."""

    case: str
    title: str
    exhibits: int
    opened_at: str


class CaseList(BaseModel):
    """The cases the caller takes part in."""

    items: list[CaseView]


class Encoded(BaseModel):
    """A name that is not UTF-8."""

    base64: str


class PartView(BaseModel):
    """One part of an exhibit of several."""

    part: int
    path: str | Encoded
    sha256: str
    size: int


class ExhibitView(BaseModel):
    """An exhibit; `parts` where it has several, and it alone is asked for."""

    exhibit: str
    case: str
    submission: str
    path: str | Encoded
    sha256: str
    size: int
    family: str
    registered_at: str
    entry: int
    type: str | None
    mismatch: bool | None
    extraction: str | None
    parts: list[PartView] | None = None


class ExhibitList(BaseModel):
    """A page of exhibits; `next` is the cursor of the following page, if there is one."""

    items: list[ExhibitView]
    next: str | None


class OpeningView(BaseModel):
    """What reveals one withheld field."""

    salt: str
    value: Any


class ReceiptView(BaseModel):
    """A receipt (docs/format.md 6)."""

    v: int
    kind: str
    submission: str
    exhibit: str
    sha256: str
    size: int
    index: int
    body: str
    proof: str
    openings: dict[str, OpeningView]
    witnessed_by: list[str]
    unwitnessed_since: str | None
    key: str


class EntryView(BaseModel):
    """One custody entry with its proof and the values the caller may see."""

    index: int
    body: str
    proof: str
    opened: dict[str, Any]


class CustodyView(BaseModel):
    """Everything that ever happened to an exhibit."""

    exhibit: str
    items: list[EntryView]


class UploadResult(BaseModel):
    """What became of one file of an upload; `n` is its number in the submission's list."""

    n: int | None
    path: str | Encoded
    status: str
    exhibit: str | None
    entry: int | None
    sha256: str | None
    size: int
    quarantine: str | None


class UploadView(BaseModel):
    """An upload; `state`: open, arrived, closing, done, joined, ended."""

    upload: str
    state: str
    reason: str | None
    offset: int
    length: int | None
    expires_at: str
    submission: str | None
    path: str | Encoded
    results: list[UploadResult]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Ready(BaseModel):
    """Whether the service can do its work."""

    ready: bool
    database: str
    store: str
    checkpoint: int
    witnesses: str
