"""The disclosure register over HTTP."""

import io

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import UnsupportedMediaType

from api import paging
from api.register_schema import NewAcknowledgement, NewBatch, NewJudgement, ReviewRuleAsked
from api.request import assured, authority, caller, json_body, motive, purpose, repo
from custody.entry import timestamp
from repository.batches import make_batch
from repository.disclose import acknowledge
from repository.disclosed import disclosed_to
from repository.errors import BadRequest
from repository.naming import instant
from repository.register import START, Judgement, register, review
from repository.review_list import MAX_BYTES, read_list, write_list
from repository.review_rule import set_second

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
    second = asked.review == "second"
    return jsonify(review(repo(), who, number, code, said, motive=asked.motive, second=second))


@blueprint.put("/cases/<code>/register/rule")
def rule(code: str) -> Response:
    """Say whether a proceeding asks for a second review."""
    who = caller()
    asked = json_body(ReviewRuleAsked)
    set_second(repo(), who, code, asked=asked.second_review, motive=asked.motive)
    return jsonify(case=code, second_review=asked.second_review)


@blueprint.get("/cases/<code>/register/list")
def written(code: str) -> Response:
    """Give the register as CSV, to work on elsewhere; `exhibit` once for each number wanted."""
    numbers = request.args.getlist("exhibit") or None
    data = write_list(repo(), caller(), code, numbers=numbers, second=_second())
    headers = {"Content-Disposition": f'attachment; filename="{code}-register.csv"'}
    return Response(data, headers=headers, content_type="text/csv; charset=utf-8")


@blueprint.post("/cases/<code>/register/list")
def read(code: str) -> Response:
    """Apply such a list that was worked on: all of its rows, or none."""
    who = caller()
    if request.mimetype != "text/csv":
        raise UnsupportedMediaType("send the list as it is: Content-Type: text/csv")
    data = io.BytesIO(request.stream.read(MAX_BYTES + 1))
    found = read_list(repo(), who, code, data, motive=motive(), second=_second())
    return jsonify(found.to_json())


def _second() -> bool:
    given = request.args.get("review", "first")
    if given not in ("first", "second"):
        raise BadRequest("review is first or second")
    return given == "second"


@blueprint.post("/cases/<code>/disclosures")
def batch(code: str) -> tuple[Response, int]:
    """Disclose the next batch to a party."""
    who = caller()
    asked = json_body(NewBatch)
    found = make_batch(
        repo(), who, code, party=asked.party, numbers=asked.exhibits or (), purpose=purpose(),
        authority=authority(), assured=assured(), form=asked.form,
    )  # fmt: skip
    return jsonify(found.to_json()), 201


@blueprint.get("/cases/<code>/disclosures")
def disclosures(code: str) -> Response:
    """List what a party had at a time, or what it got after a batch; as CSV with `format=csv`."""
    given = request.args
    if given.get("format", "json") not in ("json", "csv"):
        raise BadRequest("format is json or csv")
    since = given.get("since")
    if since is not None and not (since.isascii() and since.isdecimal() and len(since) < 10):
        raise BadRequest("since is the number of a batch")
    at = given.get("at")
    found = disclosed_to(
        repo(), caller(), code, party=given.get("party"), at=instant(at) if at else None,
        since=int(since) if since else None,
    )  # fmt: skip
    if given.get("format") == "csv":
        headers = {"Content-Disposition": f'attachment; filename="{code}-disclosed.csv"'}
        return Response(found.as_csv(), headers=headers, content_type="text/csv; charset=utf-8")
    return jsonify(found.to_json())


@blueprint.post("/exhibits/<number>/acknowledgement")
def acknowledged(number: str) -> Response:
    """Say for one's party that it got what was disclosed to it."""
    who = caller()
    asked = json_body(NewAcknowledgement)
    row = acknowledge(repo(), who, number, code=asked.case)
    at = timestamp(row.acknowledged_at) if row.acknowledged_at else None
    return jsonify(exhibit=number, party=row.party, acknowledged_at=at)
