"""The disclosure register over HTTP."""

from flask import Blueprint, Response, jsonify

from api import paging
from api.register_schema import NewAcknowledgement, NewJudgement
from api.request import caller, json_body, repo
from custody.entry import timestamp
from repository.disclose import acknowledge
from repository.register import START, Judgement, register, review

blueprint = Blueprint("register", __name__, url_prefix="/api/v1")


@blueprint.get("/cases/<code>/register")
def show(code: str) -> Response:
    """Show the register of a proceeding, a page at a time."""
    who = caller()
    limit, [home, serial] = paging.limit(), paging.after(*map(str, START))
    found = register(repo(), who, code, after=(home, int(serial)), limit=limit)
    following = paging.cursor(*found.following) if found.following else None
    return jsonify({**found.to_json(), "next": following})


@blueprint.put("/exhibits/<number>/register/<code>")
def classify(number: str, code: str) -> Response:
    """Classify an exhibit in a proceeding."""
    who = caller()
    asked = json_body(NewJudgement)
    said = Judgement(
        asked.classification,
        asked.rule,
        asked.withheld,
        tuple((one.code, one.basis) for one in asked.redactions),
    )
    return jsonify(review(repo(), who, number, code, said, motive=asked.motive))


@blueprint.post("/exhibits/<number>/acknowledgement")
def acknowledged(number: str) -> Response:
    """Say for one's party that it got what was disclosed to it."""
    who = caller()
    asked = json_body(NewAcknowledgement)
    row = acknowledge(repo(), who, number, code=asked.case)
    at = timestamp(row.acknowledged_at) if row.acknowledged_at else None
    return jsonify(exhibit=number, party=row.party, acknowledged_at=at)
