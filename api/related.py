"""What exhibits share with others, over HTTP."""

from flask import Blueprint, Response, jsonify

from api.request import caller, repo
from ingest.related import related

blueprint = Blueprint("related", __name__, url_prefix="/api/v1")


@blueprint.get("/exhibits/<number>/related")
def show(number: str) -> Response:
    """List the exhibits that share something with one, of those whose facts are for the caller."""
    return jsonify(related(repo(), caller(), number).to_json())
