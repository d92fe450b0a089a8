"""Who takes part in a case, over HTTP: listed, let in, and let out."""

from flask import Blueprint, Response, jsonify

from api import paging
from api.participants_schema import EndGrant, NewGrant
from api.request import caller, json_body, repo
from repository.naming import instant
from repository.participants import let_in, let_out, participants

blueprint = Blueprint("participants", __name__, url_prefix="/api/v1/cases")


@blueprint.get("/<code>/grants")
def index(code: str) -> Response:
    """List who takes part in a case, a page at a time."""
    who = caller()
    limit, after = paging.limit(), paging.after("", "")
    found = participants(repo(), who, code, after=after, limit=limit + 1)
    items = found[:limit]
    last = items[-1].grant if len(found) > limit else None
    following = paging.cursor(last.person_id, last.role) if last else None
    return jsonify(items=[one.to_json() for one in items], next=following)


@blueprint.post("/<code>/grants")
def add(code: str) -> Response:
    """Let somebody in; again, it changes the party and the end."""
    who = caller()
    asked = json_body(NewGrant)
    until = instant(asked.until) if asked.until else None
    made = let_in(repo(), who, code, asked.person, asked.role, party=asked.party, until=until)
    return jsonify(made.to_json())


@blueprint.post("/<code>/grants/end")
def end(code: str) -> Response:
    """Let somebody out, at once."""
    who = caller()
    asked = json_body(EndGrant)
    person = let_out(repo(), who, code, asked.person, asked.role)
    return jsonify(case=code, person=person.id, role=asked.role, revoked=True)
