"""Requests and answers as pydantic models; the OpenAPI document made of them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from repository import software


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


_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
_CODE = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
_TILE = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_INDEX = {
    "name": "index",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 0},
}
_PURPOSE = {
    "name": "Evidence-Purpose",
    "in": "header",
    "required": True,
    "description": "`code` or `code: words`, UTF-8, percent-encoded",
    "schema": {"type": "string"},
}


_UPLOAD = {"name": "upload_id", "in": "path", "required": True, "schema": {"type": "string"}}


def _tus(*names: str) -> list[dict[str, Any]]:
    """Return the headers of a request after tus 1.0.0."""
    found = [
        {"name": name, "in": "header", "schema": {"type": "string"}}
        for name in (*names, "Repr-Digest")
    ]
    version = {
        "name": "Tus-Resumable",
        "in": "header",
        "required": True,
        "schema": {"const": "1.0.0"},
    }
    return [version, *found]


def _query(name: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": schema or {"type": "string"},
    }


# (method, path, summary, answers, parameters, request model or media type)
Operation = tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any]
OPERATIONS: tuple[Operation, ...] = (
    ("get", "/api/v1/cases", "List your cases", {200: CaseList}, [], None),
    ("post", "/api/v1/cases", "Open a case", {201: CaseView, 409: Problem}, [], NewCase),
    ("get", "/api/v1/cases/{code}", "Show a case", {200: CaseView}, [_CODE], None),
    (
        "get",
        "/api/v1/exhibits",
        "List the exhibits of a case",
        {200: ExhibitList},
        [
            _query("case", required=True),
            _query("cursor"),
            _query("limit", type="integer", minimum=1, maximum=500),
        ],
        None,
    ),
    (
        "post",
        "/api/v1/exhibits",
        "Take in one file: the whole body, streamed",
        {201: ReceiptView, 422: Problem, 507: Problem},
        [
            _query("case", required=True),
            *(
                _query(name)
                for name in (
                    "family", "submission", "collected_by", "collected_at", "place", "method",
                    "authority", "source", "conditions",
                )
            ),
            {"name": "Evidence-Path", "in": "header", "schema": {"type": "string"}},
            {"name": "Repr-Digest", "in": "header", "schema": {"type": "string"}},
        ],
        "application/octet-stream",
    ),
    (
        "get",
        "/api/v1/exhibits/{number}",
        "Describe an exhibit",
        {200: ExhibitView},
        [_NUMBER],
        None,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/receipt",
        "The receipt, with the witnesses and time-stamps it has by now; or as a page for people",
        {200: ReceiptView},
        [
            _NUMBER,
            {"name": "format", "in": "query", "schema": {"enum": ["json", "pdf"]}},
        ],
        None,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/content",
        "The bytes, verified; single ranges; of an exhibit of several parts the part named",
        {
            200: "application/octet-stream",
            206: "application/octet-stream",
            400: Problem,
            404: Problem,
            416: Problem,
        },
        [
            _NUMBER,
            _PURPOSE,
            _query("part", type="integer", minimum=1),
            {"name": "Range", "in": "header", "schema": {"type": "string"}},
        ],
        None,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/custody",
        "The custody entries with proofs",
        {200: CustodyView},
        [_NUMBER],
        None,
    ),
    (
        "post",
        "/api/v1/uploads",
        "Begin a resumable upload (tus 1.0.0), with its first bytes if there are some",
        {201: None, 412: Problem, 413: Problem, 422: Problem},
        _tus(
            "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat",
            "Upload-Checksum",
        ),
        "application/offset+octet-stream",
    ),
    (
        "get",
        "/api/v1/uploads/{upload_id}",
        "How far an upload is, and what became of its files; HEAD tells the offset (tus)",
        {200: UploadView},
        [_UPLOAD],
        None,
    ),
    (
        "patch",
        "/api/v1/uploads/{upload_id}",
        "Add bytes at the offset (tus)",
        {204: None, 409: Problem, 410: Problem, 413: Problem, 415: Problem, 422: Problem,
         460: Problem, 507: Problem},
        [_UPLOAD, *_tus("Upload-Offset", "Upload-Checksum", "Upload-Length")],
        "application/offset+octet-stream",
    ),
    (
        "delete",
        "/api/v1/uploads/{upload_id}",
        "Give an upload up (tus); what was registered stays",
        {204: None, 410: Problem},
        [_UPLOAD, *_tus()],
        None,
    ),
    (
        "post",
        "/api/v1/uploads/{upload_id}/seal",
        "Declare the digest of the whole at the end",
        {204: None, 409: Problem, 422: Problem},
        [_UPLOAD, *_tus()],
        None,
    ),
    (
        "get",
        "/api/v1/ledger/checkpoint",
        "The newest checkpoint (C2SP); public",
        {200: "text/plain"},
        [],
        None,
    ),
    (
        "get",
        "/api/v1/ledger/tile/{name}",
        "A hash tile (public), or with a custodian's token an entry bundle (C2SP tlog-tiles)",
        {200: "application/octet-stream"},
        [_TILE],
        None,
    ),
    (
        "get",
        "/api/v1/ledger/proof/{index}",
        "An inclusion proof (C2SP tlog-proof); public, shows no content",
        {200: "text/plain"},
        [_INDEX],
        None,
    ),
    ("get", "/api/v1/openapi.json", "This document", {200: "application/json"}, [], None),
    ("get", "/healthz", "Whether the process lives", {200: "text/plain"}, [], None),
    ("get", "/readyz", "Whether it can work", {200: Ready, 503: Ready}, [], None),
)  # fmt: skip

PUBLIC = frozenset(
    {
        "/api/v1/ledger/checkpoint",
        "/api/v1/ledger/proof/{index}",
        "/api/v1/openapi.json",
        "/healthz",
        "/readyz",
    }
)

EITHER = frozenset({"/api/v1/ledger/tile/{name}"})  # public or not, by what is asked for


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for method, path, summary, answers, parameters, asked in OPERATIONS:
        operation: dict[str, Any] = {
            "summary": summary,
            "operationId": f"{method}{path.replace('/api/v1', '').replace('/', '-')}",
            "parameters": parameters,
            "responses": {
                str(status): _answer(status, kind, schemas) for status, kind in answers.items()
            },
            "security": _security(path),
        }
        operation["responses"]["default"] = _answer(0, Problem, schemas)
        if asked is not None:
            operation["requestBody"] = {"required": True, "content": _content(asked, schemas)}
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Central Evidence Repository",
            "version": software().rpartition(" ")[2],
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _security(path: str) -> list[dict[str, list[str]]]:
    if path in PUBLIC:
        return []
    return [{}, {"token": []}] if path in EITHER else [{"token": []}]


def _answer(status: int, kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    text = "an error (RFC 9457)" if kind is Problem else f"answer {status}"
    if kind is None:
        return {"description": text}
    return {"description": text, "content": _content(kind, schemas)}


def _content(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {} if kind == "application/json" else {"type": "string"}}}
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    media = "application/problem+json" if kind is Problem else "application/json"
    return {media: {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
