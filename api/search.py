"""Search over HTTP. What is asked travels in the body: addresses stand in logs and histories."""

from typing import Any

from flask import Blueprint, Response, jsonify

from api import paging
from api.request import caller, json_body, repo
from api.search_schema import NewSearch
from repository.search.ask import Answer
from repository.search.ask import search as search_exhibits

blueprint = Blueprint("search", __name__, url_prefix="/api/v1")


@blueprint.post("/search")
def search() -> Response:
    """Search; a cursor leads to the next page of the same query."""
    who = caller()
    asked = json_body(NewSearch)
    place = paging.after()
    found = search_exhibits(
        repo(),
        who,
        asked.query,
        case=asked.case,
        facets=asked.facets,
        after=(int(place[0]), int(place[1])) if place else None,
        limit=paging.limit(),
    )
    return jsonify(**view(found), next=None if found.after is None else paging.cursor(*found.after))


def view(answer: Answer) -> dict[str, Any]:
    """Return an answer without its cursor."""
    return {
        "items": [{"found": one.tier, "exhibit": one.described.to_json()} for one in answer.found],
        "count": answer.count,
        "more": answer.more,
        "unread": answer.unread,
        "facets": answer.facets,
    }
