"""Citing over HTTP: facts with their locators, and the place that a locator names."""

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.exhibits import send
from api.request import assured, authority, caller, purpose, repo
from repository.citations import list_facts, look, read
from repository.errors import BadLocator
from repository.retrieve import Reading

blueprint = Blueprint("citations", __name__, url_prefix="/api/v1")


@blueprint.get("/exhibits/<number>/facts")
def facts(number: str) -> Response:
    """List what was read out of an exhibit, a page at a time, each fact with its locator."""
    who = caller()
    return jsonify(paging.part_of(list_facts(repo(), who, number)))


@blueprint.get("/citations")
def show() -> Response:
    """Show what stands at a place, and how the digest that was cited compares."""
    return jsonify(look(repo(), caller(), _locator()).to_json())


@blueprint.get("/citations/content")
def content() -> Response:
    """Return the bytes of a place; the last of them only if all have the digest that was cited."""
    found = read(
        repo(), caller(), _locator(), purpose=purpose(), authority=authority(), assured=assured()
    )
    if isinstance(found, Reading):
        whole = found.length == found.recorded.size
        return send(found, partial=not whole)
    mime, data = found
    headers = {"Content-Security-Policy": "sandbox; default-src 'none'"}
    return Response(data, headers=headers, content_type=mime)


def _locator() -> str:
    found = request.args.get("locator")
    if not found:
        raise BadLocator("name the place: ?locator=, percent-encoded")
    return found
