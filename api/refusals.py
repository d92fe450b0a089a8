"""Which problems each operation may answer with: the part of the OpenAPI document about errors.

An operation's own are named here; what may befall any of them is added. Every answer of a test run
is compared with this (tests/kept_word.py).
"""

from api import gathered
from api.problems import STATUSES

# What any request may meet.
ANY = ("bad-request", "too-many-requests", "internal", "ledger-unavailable", "request-timeout")
# What any request of somebody who signs in may meet: it is recorded before it is answered.
SIGNED_IN = (
    "sign-in-refused", "ledger-behind", "ledger-damaged", "signer-unavailable", "malformed-entry",
    "store-unavailable", "store-error", "store-full", "store-unfit", "disk-full",
    "key-unavailable", "integrity-error", "name-taken", "error",
)  # fmt: skip
CASE = ("unknown-case", "access-denied")
EXHIBIT = ("not-found", "unknown-exhibit", "access-denied")
SUBMISSION = ("not-found", "unknown-submission", "access-denied")
PURPOSE = ("purpose-required", "purpose-too-long")
JSON = ("malformed-json", "unsupported-media-type")
ONCE = ("idempotency-key-reused", "idempotency-key-in-use")
UPLOAD = (
    "not-found", "unknown-upload", "access-denied", "wrong-version", "bad-upload", "upload-ended",
)  # fmt: skip
BYTES = (
    "offset-conflict", "upload-taken-over", "upload-too-large", "checksum-mismatch",
    "digest-mismatch", "unsupported-media-type", "final-upload", "submission-completed",
    "locked", "sandbox-unavailable", "not-listed", "bad-digest",
)  # fmt: skip
PUBLIC_LOG = ("not-found", "no-such-entry", "ledger-damaged", "bad-proof")

# What is no error of the system but of HTTP, or of a view's own.
OF_HTTP: dict[str, int] = {
    "internal": 500,
    "not-found": 404,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "unsupported-media-type": 415,
    "final-upload": 403,
}

_V1 = "/api/v1"
REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    **gathered.REFUSALS,
    ("get", f"{_V1}/cases"): ("access-denied",),
    ("post", f"{_V1}/cases"): ("access-denied", "already-exists", *JSON, *ONCE),
    ("get", f"{_V1}/cases/{{code}}"): ("not-found", *CASE),
    ("get", f"{_V1}/exhibits"): CASE,
    ("post", f"{_V1}/exhibits"): (
        *CASE, *PURPOSE, *ONCE, "unknown-submission", "submission-completed", "digest-mismatch",
        "bad-digest", "source-incomplete", "source-unreadable", "source-changed", "already-exists",
    ),
    ("get", f"{_V1}/exhibits/{{number}}"): EXHIBIT,
    ("get", f"{_V1}/exhibits/{{number}}/receipt"): (
        *EXHIBIT, "glyph-missing", "render-failed", "bad-proof",
    ),
    ("get", f"{_V1}/exhibits/{{number}}/content"): (
        *EXHIBIT, *PURPOSE, "range-not-satisfiable", "part-required", "unknown-part",
        "exhibit-erased", "no-such-object",
    ),
    ("get", f"{_V1}/exhibits/{{number}}/custody"): (*EXHIBIT, "bad-proof", "bad-opening"),
    ("get", f"{_V1}/exhibits/{{number}}/members"): (*EXHIBIT, "not-extracted", "exhibit-erased"),
    ("post", f"{_V1}/exhibits/{{number}}/members"): (
        *EXHIBIT, *PURPOSE, *JSON, "not-extracted", "exhibit-erased", "sandbox-busy",
        "sandbox-unavailable",
    ),
    ("post", f"{_V1}/uploads"): (
        *UPLOAD, *BYTES, *CASE, *PURPOSE, "unknown-submission", "upload-exists",
    ),
    ("get", f"{_V1}/uploads/{{upload_id}}"): (*UPLOAD, "unknown-submission"),
    ("patch", f"{_V1}/uploads/{{upload_id}}"): (*UPLOAD, *BYTES),
    ("delete", f"{_V1}/uploads/{{upload_id}}"): (*UPLOAD, "upload-taken-over"),
    ("post", f"{_V1}/uploads/{{upload_id}}"): (*UPLOAD, *BYTES, "method-not-allowed"),
    ("post", f"{_V1}/uploads/{{upload_id}}/seal"): (*UPLOAD, *BYTES),
    ("get", f"{_V1}/uploads"): CASE,
    ("get", f"{_V1}/submissions"): CASE,
    ("post", f"{_V1}/submissions"): (
        *CASE, *PURPOSE, *JSON, *ONCE, "unknown-submission", "already-exists",
    ),
    ("get", f"{_V1}/submissions/{{submission}}"): SUBMISSION,
    ("put", f"{_V1}/submissions/{{submission}}/list"): (
        *SUBMISSION, "bad-list", "list-differs", "submission-completed", "unsupported-media-type",
        "precondition-failed", "not-canonical",
    ),
    ("get", f"{_V1}/submissions/{{submission}}/files"): SUBMISSION,
    ("post", f"{_V1}/submissions/{{submission}}/complete"): (
        *SUBMISSION, *JSON, "submission-incomplete", "submission-completed", "precondition-failed",
    ),
    ("get", f"{_V1}/submissions/{{submission}}/receipt"): (
        *SUBMISSION, "no-receipt", "glyph-missing", "render-failed",
    ),
    ("get", f"{_V1}/submissions/{{submission}}/receipts"): SUBMISSION,
    ("get", f"{_V1}/ledger/checkpoint"): (),
    ("get", f"{_V1}/ledger/tile/{{name}}"): (*PUBLIC_LOG, *SIGNED_IN, "access-denied"),
    ("get", f"{_V1}/ledger/proof/{{index}}"): PUBLIC_LOG,
    ("get", f"{_V1}/openapi.json"): (),
    ("get", "/healthz"): (),
    ("get", "/readyz"): (),
}  # fmt: skip


def problems_of(method: str, path: str, *, public: bool) -> dict[int, list[str]]:
    """Return by status the codes of the problems that an operation may answer with."""
    codes = {*ANY, *REFUSALS[method, path], *(() if public else SIGNED_IN)}
    found: dict[int, list[str]] = {}
    for code in sorted(codes):
        found.setdefault(OF_HTTP.get(code) or STATUSES[code], []).append(code)
    return found
