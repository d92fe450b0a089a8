"""Search over HTTP. What is asked travels in the body: addresses stand in logs and histories."""

from typing import Any

from flask import Blueprint, Response, jsonify

from api import paging
from api.request import caller, json_body, repo
from api.search_schema import NewSearch
from api.turns import in_turn
from repository.errors import BadQuery
from repository.search import places
from repository.search.ask import Answer, Found
from repository.search.ask import search as search_exhibits
from repository.search.places import Area
from repository.search.whereabouts import Whereabouts

blueprint = Blueprint("search", __name__, url_prefix="/api/v1")


@blueprint.post("/search")
@in_turn
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
        where=_where(asked),
        filters=asked.filters,
        snippets=asked.snippets,
        suggestions=asked.suggestions,
        limit=paging.limit(),
    )
    return jsonify(**view(found), next=None if found.after is None else paging.cursor(*found.after))


def view(answer: Answer) -> dict[str, Any]:
    """Return an answer without its cursor."""
    return {
        "items": [_hit(one) for one in answer.found],
        "doubted": None if answer.doubted is None else [_hit(one) for one in answer.doubted],
        "doubted_more": answer.doubted_more,
        "count": answer.count,
        "more": answer.more,
        "unread": answer.unread,
        "facets": answer.facets,
        "suggestions": None
        if answer.suggestions is None
        else [one.to_json() for one in answer.suggestions],
    }


def _hit(one: Found) -> dict[str, Any]:
    return {
        "found": one.tier,
        "exhibit": one.described.to_json(),
        "sightings": [match.to_json() for match in one.sightings],
        "cited": [number.to_json() for number in one.cited],
        "snippets": None if one.snippets is None else [said.to_json() for said in one.snippets],
    }


def _where(asked: NewSearch) -> Whereabouts:
    """Return where and when was asked for.

    Raises:
        BadQuery: a place or time cannot be read, or there are two places.
    """
    areas: list[Area] = []
    if asked.near is not None:
        areas.append(places.near_by(**asked.near.model_dump()))
    if asked.box is not None:
        areas.append(places.box_of(**asked.box.model_dump()))
    if asked.polygon is not None:
        areas.append(places.polygon(asked.polygon))
    if len(areas) > 1:
        raise BadQuery("a search is for one place: near, a box or a polygon")
    return Whereabouts.of(
        area=areas[0] if areas else None, after=asked.after, before=asked.before,
        between=asked.between, certain=asked.certain,
    )  # fmt: skip
