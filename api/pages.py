"""The pages' own files, and the page that checks bundles without this service."""

from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, request

from repository.exports import checker as checker_files
from repository.exports.checker import NAME, checker_html
from repository.exports.fonts import FONTS

blueprint = Blueprint("pages", __name__)

TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
}
# The worker that hashes what is handed in compiles WebAssembly; nothing else of ours may.
WORKER = "upload-hash.js"
WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
SHARED = ("sha256.umd.min.js",)  # of the checker's vendored files


@cache
def _files() -> dict[str, Path]:
    """Return the files that may be given out, by their place below `static`."""
    folder = Path(__file__).parent / "static"
    found = (one for one in folder.rglob("*") if one.suffix[1:] in TYPES)
    fonts = {f"fonts/{one.name}": one for one in FONTS.glob("*.ttf")}  # those of the report
    theirs = Path(checker_files.__file__).parent
    shared = {f"vendor/{name}": theirs / "vendor" / name for name in SHARED}
    # What checks bundles in check.html checks a proof of the ledger's pages too.
    engine = [*theirs.glob("engine/*.js"), theirs / "vendor" / "sha256.umd.min.js"]
    shared |= {f"checker/{one.relative_to(theirs)}": one for one in engine}
    return {**{str(one.relative_to(folder)): one for one in found}, **fonts, **shared}


@blueprint.get("/static/<path:name>")
def static(name: str) -> Response:
    """Return one of the pages' own files; they change with the program alone."""
    found = _files().get(name)
    if found is None:
        abort(404)
    answer = Response(found.read_bytes(), content_type=TYPES[found.suffix[1:]])
    answer.headers["Cache-Control"] = "no-cache"
    if name == WORKER:
        answer.headers["Content-Security-Policy"] = WORKER_POLICY
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@blueprint.get(f"/{NAME}")
def checker() -> Response:
    """Return the page that checks bundles and receipts, to be kept and opened from disk."""
    found = Response(checker_html(), content_type="text/html; charset=utf-8")
    found.headers["Content-Disposition"] = f'attachment; filename="{NAME}"'
    return found
