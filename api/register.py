"""The disclosure register over HTTP."""

from flask import Blueprint, Response, jsonify

from api.register_schema import NewAcknowledgement, NewJudgement
from api.request import caller, json_body, repo
from custody.entry import timestamp
from repository.disclose import acknowledge
from repository.register import Judgement, register, review

blueprint = Blueprint("register", __name__, url_prefix="/api/v1")


@blueprint.get("/cases/<code>/register")
def show(code: str) -> Response:
    """Show the register of a proceeding."""
    return jsonify(register(repo(), caller(), code).to_json())


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
