"""The OpenAPI document: every operation of the service, what it asks and what it answers."""

from typing import Any

from api import gathered
from api.errors import TYPE_PREFIX
from api.gathered import Operation
from api.paging import PARAMETERS
from api.place import SESSION
from api.refusals import problems_of
from api.rules_schema import ASSURED, ONCE
from api.schema import (
    CaseList,
    CaseView,
    Completion,
    CustodyView,
    Derivation,
    DerivationView,
    ExhibitList,
    ExhibitView,
    MemberList,
    NewCase,
    NewSubmission,
    PendingList,
    Problem,
    Ready,
    ReceiptView,
    SubmissionFiles,
    SubmissionList,
    SubmissionReceiptView,
    SubmissionView,
    UploadView,
)
from api.session_schema import SESSION_PUBLIC
from ingest.lines import STATES
from repository import software

_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
_CODE = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
_SUBMISSION = {"name": "submission", "in": "path", "required": True, "schema": {"type": "string"}}
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


_ACKNOWLEDGED = {
    "name": "Evidence-Acknowledged",
    "in": "header",
    "description": "the digest in the receipt of the list: with it a token for one submission is "
    "told what became of what it sent",
    "schema": {"type": "string"},
}
_AS_SEEN = {"name": "If-Match", "in": "header", "schema": {"type": "string"}}
PDF = "application/pdf"

OPERATIONS: tuple[Operation, ...] = (
    *gathered.OPERATIONS,
    ("get", "/api/v1/cases", "List your cases", {200: CaseList}, [*PARAMETERS], None),
    ("post", "/api/v1/cases", "Open a case", {201: CaseView}, [ONCE], NewCase),
    ("get", "/api/v1/cases/{code}", "Show a case", {200: CaseView}, [_CODE], None),
    (
        "get",
        "/api/v1/exhibits",
        "List the exhibits of a case",
        {200: ExhibitList},
        [
            _query("case", required=True),
            *PARAMETERS,
        ],
        None,
    ),
    (
        "post",
        "/api/v1/exhibits",
        "Take in one file: the whole body, streamed",
        {201: ReceiptView},
        [
            _query("case", required=True),
            *(
                _query(name)
                for name in (
                    "family", "submission", "collected_by", "collected_at", "place", "method",
                    "authority", "source", "conditions",
                )
            ),
            ONCE,
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
        {200: (ReceiptView, PDF)},
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
            206: "application/octet-stream", 304: None,
        },
        [
            _NUMBER,
            _PURPOSE,
            ASSURED,
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
        [_NUMBER, *PARAMETERS],
        None,
    ),
    (
        "get",
        "/api/v1/exhibits/{number}/members",
        "What a container holds, by its newest listing, and the exhibits made of it",
        {200: MemberList},
        [_NUMBER, *PARAMETERS],
        None,
    ),
    (
        "post",
        "/api/v1/exhibits/{number}/members",
        "Make members of a container exhibits of their own; the same again gives the same",
        {200: DerivationView},
        [_NUMBER, {**_PURPOSE, "required": False}],
        Derivation,
    ),
    (
        "post",
        "/api/v1/uploads",
        "Begin a resumable upload (tus 1.0.0), with its first bytes if there are some",
        {201: None},
        _tus(
            "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat",
            "Upload-Checksum",
        ),
        "application/offset+octet-stream",
    ),
    (
        "get",
        "/api/v1/uploads",
        "List what you announced in a case and what has not arrived, with the uploads on their way",
        {200: PendingList},
        [_query("case", required=True), *PARAMETERS],
        None,
    ),
    (
        "get",
        "/api/v1/uploads/{upload_id}",
        "How far an upload is, and what became of its files; HEAD tells the offset (tus)",
        {200: UploadView},
        [_UPLOAD, _ACKNOWLEDGED],
        None,
    ),
    (
        "patch",
        "/api/v1/uploads/{upload_id}",
        "Add bytes at the offset (tus)",
        {204: None},
        [_UPLOAD, *_tus("Upload-Offset", "Upload-Checksum", "Upload-Length")],
        "application/offset+octet-stream",
    ),
    (
        "delete",
        "/api/v1/uploads/{upload_id}",
        "Give an upload up (tus); what was registered stays",
        {204: None},
        [_UPLOAD, *_tus()],
        None,
    ),
    (
        "post",
        "/api/v1/uploads/{upload_id}",
        "HEAD, PATCH or DELETE for clients that can send none of them (tus)",
        {204: None},
        [
            _UPLOAD,
            *_tus("X-HTTP-Method-Override"),
        ],
        None,
    ),
    (
        "post",
        "/api/v1/uploads/{upload_id}/seal",
        "Declare the digest of the whole at the end",
        {204: None},
        [_UPLOAD, *_tus()],
        None,
    ),
    (
        "get",
        "/api/v1/submissions",
        "List the submissions of a case that are not complete",
        {200: SubmissionList},
        [_query("case", required=True), *PARAMETERS],
        None,
    ),
    (
        "post",
        "/api/v1/submissions",
        "Begin a submission; under an id of your own, the same again changes nothing",
        {200: SubmissionView, 201: SubmissionView},
        [ONCE],
        NewSubmission,
    ),
    (
        "get",
        "/api/v1/submissions/{submission}",
        "How far a submission is, on both sides",
        {200: SubmissionView},
        [_SUBMISSION, _ACKNOWLEDGED],
        None,
    ),
    (
        "put",
        "/api/v1/submissions/{submission}/list",
        "Announce its files, one a line (docs/format.md 12); once, the same again changes nothing",
        {200: SubmissionReceiptView, 201: SubmissionReceiptView},
        [
            _SUBMISSION,
            _AS_SEEN,
            {"name": "Repr-Digest", "in": "header", "schema": {"type": "string"}},
        ],
        "application/x-ndjson",
    ),
    (
        "get",
        "/api/v1/submissions/{submission}/files",
        "Its files and what became of each; further ones after those of the list",
        {200: SubmissionFiles},
        [
            _SUBMISSION,
            _ACKNOWLEDGED,
            _query("state", enum=list(STATES)),
            *PARAMETERS,
        ],
        None,
    ),
    (
        "post",
        "/api/v1/submissions/{submission}/complete",
        "End it and get one receipt for all",
        {200: SubmissionReceiptView, 201: SubmissionReceiptView},
        [_SUBMISSION, _ACKNOWLEDGED, _AS_SEEN],
        Completion,
    ),
    (
        "get",
        "/api/v1/submissions/{submission}/receipt",
        "The receipt of its list, or of its end; or as pages for people",
        {200: (SubmissionReceiptView, PDF)},
        [
            _SUBMISSION,
            _ACKNOWLEDGED,
            _query("stage", enum=["announced", "complete"]),
            _query("format", enum=["json", "pdf"]),
        ],
        None,
    ),
    (
        "get",
        "/api/v1/submissions/{submission}/receipts",
        "Receipts of what it registered after an entry, one a line with the numbers of its files",
        {200: "application/x-ndjson"},
        [
            _SUBMISSION,
            _ACKNOWLEDGED,
            _query("after", type="integer", minimum=-1),
            _query("limit", type="integer", minimum=1, maximum=500),
        ],
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

PUBLIC = SESSION_PUBLIC | frozenset(
    {
        "/api/v1/ledger/checkpoint",
        "/api/v1/ledger/proof/{index}",
        "/api/v1/openapi.json",
        "/healthz",
        "/readyz",
    }
)

EITHER = frozenset({"/api/v1/ledger/tile/{name}", "/api/v1/session"})  # public, or not always


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
        if method == "get" and not isinstance(answers[200], str):
            operation["responses"]["304"] = {"description": "as the ETag in If-None-Match says"}
        for status, codes in problems_of(method, path, public=path in PUBLIC).items():
            # /readyz tells in its own form what is missing.
            operation["responses"].setdefault(str(status), _refusal(status, codes, schemas))
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
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": f"__Host-{SESSION}"},
            },
        },
    }


def _security(path: str) -> list[dict[str, list[str]]]:
    if path in PUBLIC:
        return []
    known: list[dict[str, list[str]]] = [{"token": []}, {"session": []}]
    return [{}, *known] if path in EITHER else known


def _answer(status: int, kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    text = f"answer {status}"
    if kind is None:
        return {"description": text}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    content = {media: one for each in kinds for media, one in _content(each, schemas).items()}
    return {"description": text, "content": content}


def _refusal(status: int, codes: list[str], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a status that says no: a problem of one of these types."""
    content = _content(Problem, schemas)
    media = content["application/problem+json"]
    types = {"properties": {"type": {"enum": [TYPE_PREFIX + code for code in codes]}}}
    media["schema"] = {"allOf": [media["schema"], types]}
    found: dict[str, Any] = {"description": ", ".join(codes), "content": content}
    if status in (429, 503):
        seconds = {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}
        found["headers"] = {"Retry-After": seconds}
    return found


def _content(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {} if kind == "application/json" else {"type": "string"}}}
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[kind.__name__] = schema
    media = "application/problem+json" if kind is Problem else "application/json"
    return {media: {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
