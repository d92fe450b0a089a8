"""Saved searches over HTTP: kept in a case, shared by name, run by whoever asks."""

from flask import Blueprint, Response, jsonify

from api import paging
from api.request import caller, json_body, repo
from api.saved_searches_schema import KeptQuestion, NewSavedSearch, RunSearch
from api.search import view
from repository.search import saved
from repository.search.question import Question

blueprint = Blueprint("saved_searches", __name__, url_prefix="/api/v1")


@blueprint.get("/cases/<code>/searches")
def index(code: str) -> Response:
    """List the saved searches of a case that one made or is named in."""
    found = saved.listed(repo(), caller(), code)
    return jsonify(items=[one.to_json() for one in found])


@blueprint.post("/cases/<code>/searches")
def create(code: str) -> tuple[Response, int]:
    """Save a search, or with `search` its next version."""
    who = caller()
    asked = json_body(NewSavedSearch)
    made = saved.save(
        repo(), who, code, title=asked.title,
        asked=Question(**asked.model_dump(include=set(KeptQuestion.model_fields))),
        shared_with=asked.shared_with, named=asked.search,
    )  # fmt: skip
    return jsonify(made.to_json()), 201


@blueprint.post("/searches/<search>/run")
def run(search: str) -> Response:
    """Search with it, as whoever asks; a cursor leads to the next page."""
    who = caller()
    asked = json_body(RunSearch)
    place = paging.after()
    found = saved.run(
        repo(),
        who,
        search,
        facets=asked.facets,
        after=(int(place[0]), int(place[1])) if place else None,
        limit=paging.limit(),
    )
    return jsonify(**view(found), next=None if found.after is None else paging.cursor(*found.after))
