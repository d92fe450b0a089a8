"""Hit or no hit over HTTP: ask, read notices, acknowledge them."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from api.matches_schema import NewQuestion
from api.request import authority, caller, json_body, purpose, repo
from custody.entry import timestamp
from ingest.matchable import asked_for
from repository.errors import BadRequest
from repository.matching import notices, parties
from repository.matching.ask import ask
from repository.matching.notices import Seen

blueprint = Blueprint("matches", __name__, url_prefix="/api/v1")


@blueprint.post("/matches")
def question() -> Response:
    """Ask for a value; both sides get an entry and, where there is a match, a notice.

    It takes no `Idempotency-Key`: what is kept of a request for that is a digest of all it says,
    and a telephone number can be guessed from its digest.
    """
    who = caller()
    asked = json_body(NewQuestion)
    value = asked_for(asked.kind, asked.value, at=asked.at)
    told = ask(repo(), who, value, purpose=purpose(), authority=authority())
    contacts = [{"organisation": one.organisation, "contact": one.contact} for one in told.contacts]
    return jsonify(query=told.query, hit=told.hit, contacts=contacts, entry=told.index)


@blueprint.get("/matches/notices")
def index() -> Response:
    """List the notices that are not acknowledged; with `all=true` every one."""
    who = caller()
    if request.args.get("all", "true") != "true":
        raise BadRequest("all is true, or left out")
    found = notices.listed(repo(), who, every="all" in request.args)
    return jsonify(items=[view(one) for one in found])


@blueprint.post("/matches/notices/<notice>/acknowledgement")
def acknowledge(notice: str) -> Response:
    """Note that one's institution has read a notice; again, it changes nothing."""
    return jsonify(view(notices.acknowledge(repo(), caller(), notice)))


@blueprint.get("/matches/parties")
def taking_part() -> Response:
    """List the institutions that take part now, and whom to contact there."""
    found = parties.parties(repo(), caller())
    items = [
        {"organisation": parties.name_of(row.organisation), "contact": row.contact}
        for row in found
        if row.left_at is None
    ]
    return jsonify(items=items)


def view(seen: Seen) -> dict[str, Any]:
    """Return a notice: never what matched, nor what the other side holds."""
    row = seen.notice
    return {
        "notice": row.id,
        "at": timestamp(row.at),
        "kinds": row.kinds,
        "organisation": parties.name_of(row.other),
        "contact": row.contact,
        "exhibits": list(seen.numbers),
        "query": row.query_id,
        "entry": row.index,
        "acknowledged_at": timestamp(row.acknowledged_at) if row.acknowledged_at else None,
        "acknowledged_entry": row.acknowledged_index,
    }
