"""Every error of the system as an RFC 9457 problem: the one table of HTTP statuses."""

import json
from typing import Any

from flask import Flask, Response, g, has_app_context
from werkzeug.exceptions import HTTPException

from api import logs
from api.errors import TYPE_PREFIX
from custody.errors import EvidenceError

# code -> status; a test fails if an error of the system is missing here.
STATUSES: dict[str, int] = {
    "error": 500,
    "custody-error": 500,
    "not-canonical": 400,
    "malformed-entry": 500,
    "malformed-note": 500,
    "bad-signature": 500,
    "bad-proof": 500,
    "bad-opening": 500,
    "signer-unavailable": 503,
    "ledger-unavailable": 503,
    "ledger-behind": 503,
    "malformed-policy": 422,
    "host-unavailable": 503,
    "malformed-evidence-record": 422,
    "bad-evidence-record": 422,
    "malformed-timestamp": 422,
    "bad-timestamp": 422,
    "timestamp-refused": 502,
    "timestamp-unavailable": 503,
    "witness-refused": 502,
    "witness-unavailable": 503,
    "ledger-damaged": 500,
    "no-such-entry": 404,
    "repository-error": 500,
    "wrong-use": 400,
    "store-error": 503,
    "store-unavailable": 503,
    "store-full": 507,
    "store-unfit": 503,
    "name-taken": 409,
    "no-such-object": 500,
    "locked": 409,
    "key-unavailable": 503,
    "exhibit-erased": 410,
    "not-extracted": 404,
    "integrity-error": 500,
    "digest-mismatch": 422,
    "already-initialised": 409,
    "not-initialised": 503,
    "wrong-database": 503,
    "disk-full": 507,
    "backup-damaged": 422,
    "backup-refused": 422,
    "bad-request": 400,
    "bad-query": 400,
    "list-conflicts": 409,
    "unknown-case": 404,
    "unknown-exhibit": 404,
    "unknown-person": 404,
    "unknown-identity": 404,
    "unknown-submission": 404,
    "unknown-quarantine": 404,
    "unknown-transfer": 404,
    "transfer-open": 409,
    "transfer-answered": 409,
    "no-earlier-custody": 404,
    "answer-refused": 422,
    "unknown-token": 404,
    "unknown-session": 404,
    "unknown-passkey": 404,
    "unknown-erasure": 404,
    "unknown-approval": 404,
    "unknown-notice": 404,
    "unknown-mailbox": 404,
    "too-many-queries": 429,
    "unknown-hold": 404,
    "unknown-annotation": 404,
    "unknown-selection": 404,
    "unknown-search": 404,
    "unknown-working-copy": 404,
    "unknown-consent": 404,
    "on-hold": 409,
    "approval-expired": 410,
    "already-exists": 409,
    "purpose-required": 400,
    "purpose-too-long": 400,
    "range-not-satisfiable": 416,
    "part-required": 400,
    "unknown-part": 404,
    "bad-locator": 400,
    "unknown-place": 404,
    "cited-digest-differs": 409,
    "member-not-taken-out": 409,
    "access-denied": 403,
    "sign-in-refused": 401,
    "step-up-required": 401,
    "export-blocked": 409,
    "signature-unavailable": 503,
    "export-not-ready": 409,
    "export-ended": 410,
    "unknown-export": 404,
    "release-ended": 409,
    "glyph-missing": 422,
    "render-failed": 500,
    "ingest-error": 500,
    "sandbox-unavailable": 503,
    "libmagic-missing": 503,
    "bad-digest": 400,
    "bad-manifest": 400,
    "bad-bundle": 422,
    "bundle-held": 422,
    "source-unreadable": 400,
    "source-changed": 400,
    "source-incomplete": 400,
    "bad-upload": 400,
    "unknown-upload": 404,
    "offset-conflict": 409,
    "upload-exists": 409,
    "upload-taken-over": 409,
    "upload-ended": 410,
    "upload-too-large": 413,
    "checksum-mismatch": 460,
    "bad-list": 400,
    "list-differs": 409,
    "submission-incomplete": 409,
    "submission-completed": 409,
    "no-receipt": 404,
    "sandbox-busy": 503,
    "port-in-use": 503,
    "provider-unavailable": 503,
    "wrong-version": 412,
    "certificate-unusable": 500,
    "bad-invitation": 400,
    "line-lost": 503,
    "line-intercepted": 502,
    "service-unavailable": 503,
    "service-refused": 403,
    "service-disagrees": 502,
    "running-already": 409,
    "not-listed": 409,
    "receipt-refused": 502,
    "malformed-json": 400,
    "idempotency-key-reused": 422,
    "idempotency-key-in-use": 409,
    "precondition-failed": 412,
    "too-many-requests": 429,
}


def problem(
    code: str, status: int, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """Return a problem document (RFC 9457) with a stable type."""
    if has_app_context():
        g.problem = code  # for the log and the metrics
    title = code.replace("-", " ")
    body = {"type": TYPE_PREFIX + code, "title": title, "status": status, "detail": detail, **more}
    return Response(
        json.dumps(body, ensure_ascii=False),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def of_error(error: EvidenceError) -> Response:
    """Return the problem of an error of the system."""
    status = STATUSES.get(error.code, 500)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="evidence"'
    if "max_age" in error.facts:
        headers["WWW-Authenticate"] += (
            f', error="insufficient_user_authentication", max_age={error.facts["max_age"]}'
        )
    wait = getattr(error, "retry_after", None)
    if status == 503 or wait:
        headers["Retry-After"] = str(wait or 5)
    offset = getattr(error, "offset", None)
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    size = getattr(error, "size", None)
    if status == 416 and size is not None:
        headers["Content-Range"] = f"bytes */{size}"
    if status >= 500:
        logs.crashed("failed", error, problem=error.code)
    return problem(error.code, status, str(error), headers, **error.facts)


def of_http(error: HTTPException) -> Response:
    """Return the problem of an error of the web framework, keeping its own headers."""
    answer = error.get_response()
    kept = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() not in {"content-type", "content-length"}
    }
    code = (error.name or "http error").lower().replace(" ", "-").replace("'", "")
    return problem(code, error.code or 500, error.description or "", kept)


def of_crash(error: Exception) -> Response:
    """Return the problem of an unforeseen error; its text goes to the log alone."""
    logs.crashed("unforeseen error", error)
    return problem("internal", 500, "this request failed; nothing was served unrecorded")


def install(app: Flask) -> None:
    """Make the application answer every error with a problem."""
    app.register_error_handler(EvidenceError, of_error)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, of_crash)
