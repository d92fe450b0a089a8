"""What may be privileged, over HTTP: named, released or confirmed, listed."""

from flask import Blueprint, Response, jsonify

from api.privilege_schema import NewClaim, PrivilegeDecision
from api.request import caller, json_body, repo
from repository import privilege

blueprint = Blueprint("privilege", __name__, url_prefix="/api/v1")


@blueprint.get("/cases/<code>/privileges")
def index(code: str) -> Response:
    """List what was named as possibly privileged in a case."""
    found = privilege.claims(repo(), caller(), code)
    return jsonify(items=[one.to_json() for one in found])


@blueprint.post("/exhibits/<number>/privilege")
def claim(number: str) -> Response:
    """Say that an exhibit or a member of it may be privileged."""
    who = caller()
    asked = json_body(NewClaim)
    found = privilege.claim(repo(), who, number, member=asked.member, motive=asked.motive)
    return jsonify(found.to_json())


@blueprint.post("/exhibits/<number>/privilege/decision")
def judge(number: str) -> Response:
    """Decide as a reviewer whether it is."""
    who = caller()
    asked = json_body(PrivilegeDecision)
    found = privilege.judge(
        repo(), who, number, decision=asked.decision, member=asked.member, motive=asked.motive
    )
    return jsonify(found.to_json())
