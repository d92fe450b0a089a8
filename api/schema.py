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
    """A page of the cases the caller takes part in; `next` is the cursor of the following one."""

    items: list[CaseView]
    next: str | None


class Encoded(BaseModel):
    """A name that is not UTF-8."""

    base64: str


class PartView(BaseModel):
    """One part of an exhibit of several."""

    part: int
    path: str | Encoded
    sha256: str
    size: int


class ParentView(BaseModel):
    """The exhibit at the other end: with `member` it was taken out, with `kind` people made it.

    `own`: two persons agreed that its own marking is enough; it inherits none.
    """

    exhibit: str
    sha256: str
    member: str | Encoded | None = None
    kind: str | None = None
    language: str | None = None
    own: bool | None = None


class PrivilegeState(BaseModel):
    """Whether something is possible, confirmed or released (not privileged, by a reviewer)."""

    member: str | None
    state: str


class CaseNumbers(BaseModel):
    """The numbers of an exhibit in a proceeding (ERN, Bates), the first and the last."""

    case: str
    first: str
    last: str


class ExternalNumber(BaseModel):
    """A number that somebody else gave an exhibit; `last` of a range."""

    issuer: str
    first: str
    last: str | None


class ExhibitView(BaseModel):
    """An exhibit; what has a default is given where there is such a thing, and it alone is shown.

    `parts` where it has several; `derived_from` and `children` where members were taken out, or
    people made something of it; `copies_out`: working copies that are out; `privilege`:
    what was named as possibly privileged in it, a member or (null) all of it; `numbers`: those that
    proceedings cite it by, `external_numbers`: those that others gave it.
    """

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
    erased_at: str | None = None
    parts: list[PartView] | None = None
    derived_from: ParentView | None = None
    children: list[ParentView] | None = None
    copies_out: int | None = None
    privilege: list[PrivilegeState] | None = None
    numbers: list[CaseNumbers] | None = None
    external_numbers: list[ExternalNumber] | None = None


class ExhibitList(BaseModel):
    """A page of exhibits; `next` is the cursor of the following page, if there is one."""

    items: list[ExhibitView]
    next: str | None


class Derivation(Strict):
    """Members to make exhibits of, by their paths as the list of members shows them."""

    members: list[str] = Field(min_length=1, max_length=1_000)
    odd_names: bool = False


class MemberView(BaseModel):
    """A member of a container, as its listing names it; `exhibit` where it was taken out."""

    member: str
    size: int
    modified_at: str | None
    sha256: str | None
    flags: list[str]
    exhibit: str | None
    locator: str


class MemberList(BaseModel):
    """A page of members; `next` is the cursor of the following page, if there is one."""

    items: list[MemberView]
    next: str | None


class DerivedMember(BaseModel):
    """What became of a member; `status`: registered, known, quarantined, refused."""

    member: str
    status: str
    exhibit: str | None
    sha256: str | None
    size: int | None
    entry: int | None
    quarantine: str | None
    reason: str | None
    detail: str | None


class DerivationView(BaseModel):
    """What became of the members asked for, in their order."""

    exhibit: str
    items: list[DerivedMember]


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
    """A page of what ever happened to an exhibit; `next` is the cursor of the following page."""

    exhibit: str
    items: list[EntryView]
    next: str | None


class DeclaredList(Strict):
    """A list made by the submitter that declares something of each file: what is known of it."""

    name: str = Field(max_length=4_000)
    format: str = Field(max_length=40)
    sha256: str | None = Field(None, pattern=r"^sha256:[0-9a-f]{64}$")
    rows: int = Field(ge=0)


class NewConditions(Strict):
    """How what is handed over is to be handled, from the first; whose consent sharing needs."""

    handling: str | None = None
    restriction: str | None = None
    tlp: str | None = None
    excluded_uses: list[str] = []
    lead_only: bool = False
    conditions: str | None = None
    consent: list[str] = []
    authority_required: bool = False
    owner: str | None = None


class NewSubmission(Strict):
    """A submission to begin; `id` may be drawn by the client: SUB- and a UUID."""

    case: str
    id: str | None = None
    purpose: str = "investigation"
    family: str = "other"
    collected_by: str | None = None
    collected_at: str | None = None
    place: str | None = None
    method: str | None = None
    authority: str | None = None
    source: str | None = None
    conditions: str | None = None
    manifest: DeclaredList | None = None
    marking: NewConditions | None = None


class Completion(Strict):
    """The end of a submission; without files that never came, it needs a motive."""

    without_missing: bool = False
    motive: str | None = None


class SubmissionView(BaseModel):
    """How far a submission is: the files of its list by state, and what came beside it."""

    submission: str
    case: str
    opened_at: str
    touched_at: str | None
    completed_at: str | None
    expires_at: str | None
    files: int
    bytes: int
    arrived: int
    announced: int
    stored: int
    incomplete: int
    registered: int
    quarantined: int
    further: int
    finishing: int
    open: int
    exhibits: int
    looked_at: int
    list: str | None
    receipt: str | None


class SubmissionList(BaseModel):
    """A page of the submissions of a case that are not complete; `next` is the following's."""

    items: list[SubmissionView]
    next: str | None


class SubmissionFile(BaseModel):
    """A file of a submission and what became of it."""

    n: int
    path: str | Encoded
    size: int
    state: str
    sha256: str | None
    exhibit: str | None
    part: int | None
    entry: int | None
    quarantine: str | None
    further: bool


class SubmissionFiles(BaseModel):
    """A page of files; `next` is the cursor of the following page, if there is one."""

    items: list[SubmissionFile]
    next: str | None


class SubmissionReceiptView(BaseModel):
    """The receipt of a whole submission, laid out on lines (docs/format.md 6.1)."""

    v: int
    kind: str
    stage: str
    submission: str
    sha256: str
    count: int
    index: int
    body: str
    proof: str
    openings: dict[str, OpeningView]
    witnessed_by: list[str]
    unwitnessed_since: str | None
    key: str
    list: dict[str, Any]


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


class PendingView(BaseModel):
    """A file that was announced and is not here yet; `upload` has begun to bring it, of which
    `metadata` is what its client wrote (tus)."""

    submission: str
    n: int
    path: str | Encoded
    size: int
    upload: str | None
    offset: int
    metadata: str | None


class PendingList(BaseModel):
    """A page of what the caller has still to send; `next` is the following's."""

    items: list[PendingView]
    next: str | None


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
