"""Situations, further cases of exhibits, and holds over HTTP."""

from flask import Blueprint, Response, jsonify

from api.proceedings_schema import (
    EndAssociation,
    EndHold,
    NewAssociation,
    NewHold,
    NewSituation,
    OfSituation,
)
from api.request import caller, json_body, repo
from custody.entry import timestamp
from repository import associations, holds, situations
from repository.approvals import request_release
from repository.models import Case
from repository.proceedings import Situation

blueprint = Blueprint("proceedings", __name__, url_prefix="/api/v1")


@blueprint.get("/situations")
def index() -> Response:
    """List situations and their cases."""
    found = situations.situations(repo(), caller())
    return jsonify(items=[_view(row, cases) for row, cases in found])


@blueprint.post("/situations")
def create() -> tuple[Response, int]:
    """Open a situation."""
    who = caller()
    asked = json_body(NewSituation)
    row = situations.open_situation(repo(), who, code=asked.code, title=asked.title)
    return jsonify(_view(row, [])), 201


@blueprint.put("/cases/<code>/situation")
def put_case(code: str) -> Response:
    """Say to which situation a case belongs."""
    who = caller()
    asked = json_body(OfSituation)
    situations.put_case(repo(), who, code, asked.situation, motive=asked.motive)
    return jsonify(case=code, situation=asked.situation)


@blueprint.get("/cases/<code>/associations")
def exhibits_of(code: str) -> Response:
    """List the exhibits of other cases that belong to this one too."""
    found = associations.associated_exhibits(repo(), caller(), code)
    return jsonify(items=[{"exhibit": one.number, "case": code} for one in found])


@blueprint.get("/exhibits/<number>/associations")
def cases_of(number: str) -> Response:
    """List the further cases that an exhibit belongs to."""
    found = associations.cases_with(repo(), caller(), number)
    return jsonify(items=[{"exhibit": number, "case": one.code} for one in found])


@blueprint.post("/exhibits/<number>/associations")
def associate(number: str) -> tuple[Response, int]:
    """Have an exhibit belong to a further case."""
    who = caller()
    asked = json_body(NewAssociation)
    associations.associate(repo(), who, number, asked.case, motive=asked.motive)
    return jsonify(exhibit=number, case=asked.case), 201


@blueprint.post("/exhibits/<number>/associations/<code>/end")
def dissociate(number: str, code: str) -> Response:
    """Have it belong to that case no more."""
    who = caller()
    asked = json_body(EndAssociation)
    associations.dissociate(repo(), who, number, code, motive=asked.motive)
    return jsonify(exhibit=number, case=code)


@blueprint.get("/exhibits/<number>/holds")
def holds_of(number: str) -> Response:
    """List for which matters an exhibit is kept, and was."""
    found = holds.listed(repo(), caller(), number)
    free = all(one.released_at is not None for one in found)
    return jsonify(items=[holds.view(one) for one in found], free=free)


@blueprint.post("/exhibits/<number>/holds")
def hold(number: str) -> tuple[Response, int]:
    """Keep an exhibit for a matter."""
    who = caller()
    asked = json_body(NewHold)
    row = holds.place(
        repo(), who, number, matter=asked.matter, authority=asked.authority, motive=asked.motive
    )
    return jsonify(holds.view(row)), 201


@blueprint.post("/holds/<hold>/release")
def release(hold: str) -> tuple[Response, int]:
    """Ask that a hold be released; a second person decides (`/approvals`)."""
    who = caller()
    asked = json_body(EndHold)
    row = request_release(repo(), who, hold, motive=asked.motive)
    return jsonify(hold=hold, approval=row.id), 202


def _view(row: Situation, cases: list[Case]) -> dict[str, object]:
    return {
        "situation": row.code,
        "title": row.title,
        "opened_at": timestamp(row.opened_at),
        "cases": [case.code for case in cases],
    }
