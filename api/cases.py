"""Cases over HTTP."""

from flask import Blueprint, Response, jsonify

from api import paging
from api.once import requested_once
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
    """List the caller's cases, a page at a time."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("")
    found = list_cases(repo(), who, after=after, limit=limit + 1)
    items = found[:limit]
    cursor = paging.cursor(items[-1].code) if len(found) > limit else None
    return jsonify(items=[_view(case) for case in items], next=cursor)


@blueprint.post("")
def create() -> tuple[Response, int, dict[str, str]]:
    """Open a case."""
    who = caller()
    actor = on_house(repo(), who, Right.OPEN_CASE, attempted=Act.CASE_OPENED)
    asked = json_body(NewCase)
    with requested_once(who, asked.model_dump_json()) as held:
        drawn = held.made if held else None
        case = open_case(repo(), actor, code=asked.code, title=asked.title, drawn=drawn)
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
