"""The web front: one page that lists cases and exhibits, read-only, without inline script."""

from importlib.resources import files

from flask import Blueprint, Response, abort

blueprint = Blueprint("pages", __name__)

STATIC = {
    "front.js": "text/javascript; charset=utf-8",
    "front.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@blueprint.get("/")
def front() -> Response:
    """Return the page; it asks for a token and reads everything through the API."""
    return Response(_read("templates", "front.html"), content_type="text/html; charset=utf-8")


@blueprint.get("/static/<name>")
def static(name: str) -> Response:
    """Return one of the page's own files."""
    if name not in STATIC:
        abort(404)
    return Response(_read("static", name), content_type=STATIC[name])


def _read(folder: str, name: str) -> bytes:
    return (files("api") / folder / name).read_bytes()
