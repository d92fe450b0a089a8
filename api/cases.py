"""Cases over HTTP."""

from flask import Blueprint, Response, jsonify

from api.request import caller, json_body, repo
from api.schema import NewCase
from custody.entry import Act, timestamp
from repository.access import Right
from repository.authorise import on_house
from repository.cases import open_case
from repository.consult import list_cases, show_case
from repository.models import Case

blueprint = Blueprint("cases", __name__, url_prefix="/api/v1/cases")


@blueprint.get("")
def index() -> Response:
    """List the caller's cases."""
    return jsonify(items=[_view(case) for case in list_cases(repo(), caller())])


@blueprint.post("")
def create() -> tuple[Response, int, dict[str, str]]:
    """Open a case."""
    actor = on_house(repo(), caller(), Right.OPEN_CASE, attempted=Act.CASE_OPENED)
    asked = json_body(NewCase)
    case = open_case(repo(), actor, code=asked.code, title=asked.title)
    return jsonify(_view(case)), 201, {"Location": f"/api/v1/cases/{case.code}"}


@blueprint.get("/<code>")
def show(code: str) -> Response:
    """Show a case."""
    return jsonify(_view(show_case(repo(), caller(), code)))


def _view(case: Case) -> dict[str, object]:
    return {
        "case": case.code,
        "title": case.title,
        "exhibits": case.exhibits,
        "opened_at": timestamp(case.opened_at),
    }
