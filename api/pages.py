"""The web front: pages without inline script that read and sign in through the API."""

from importlib.resources import files

from flask import Blueprint, Response, abort

from repository.exports.checker import NAME, checker_html

blueprint = Blueprint("pages", __name__)

STATIC = {
    "front.js": "text/javascript; charset=utf-8",
    "sign-in.js": "text/javascript; charset=utf-8",
    "register.js": "text/javascript; charset=utf-8",
    "me.js": "text/javascript; charset=utf-8",
    "front.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@blueprint.get("/")
def front() -> Response:
    """Return the page; it asks for a token and reads everything through the API."""
    return Response(_read("templates", "front.html"), content_type="text/html; charset=utf-8")


@blueprint.get("/register")
def register() -> Response:
    """Return the page on which an invited person registers a passkey."""
    return Response(_read("templates", "register.html"), content_type="text/html; charset=utf-8")


@blueprint.get("/me")
def me() -> Response:
    """Return the page that says who is signed in, with their passkeys."""
    return Response(_read("templates", "me.html"), content_type="text/html; charset=utf-8")


@blueprint.get("/static/<name>")
def static(name: str) -> Response:
    """Return one of the page's own files."""
    if name not in STATIC:
        abort(404)
    return Response(_read("static", name), content_type=STATIC[name])


@blueprint.get(f"/{NAME}")
def checker() -> Response:
    """Return the page that checks bundles and receipts, to be kept and opened from disk."""
    found = Response(checker_html(), content_type="text/html; charset=utf-8")
    found.headers["Content-Disposition"] = f'attachment; filename="{NAME}"'
    return found


def _read(folder: str, name: str) -> bytes:
    return (files("api") / folder / name).read_bytes()
