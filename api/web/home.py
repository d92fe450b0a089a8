"""The first page, and the list of a case's exhibits."""

from flask import Blueprint, Response

from api import paging
from api.request import repo
from api.web import answers
from api.web.shell import page, visitor
from ingest.pending import own_open_in
from repository.consult import list_cases, list_exhibits, show_case

blueprint = Blueprint("web_home", __name__)
answers.install(blueprint)
ROWS = 100


@blueprint.get("/")
def front() -> Response:
    """Show the cases that the visitor takes part in."""
    who = visitor()
    [after] = paging.after("")
    found = list_cases(repo(), who, after=after, limit=ROWS + 1)
    following = paging.cursor(found[ROWS - 1].code) if len(found) > ROWS else None
    waiting = own_open_in(repo(), who, [one.code for one in found])
    return page("web/home.html", cases=found[:ROWS], following=following, waiting=waiting)


@blueprint.get("/cases/<code>")
def case(code: str) -> Response:
    """Show a case's exhibits, a page at a time."""
    who = visitor()
    [after] = paging.after("0")
    shown = show_case(repo(), who, code)
    found = list_exhibits(repo(), who, code, after=int(after), limit=ROWS + 1)
    following = paging.cursor(found[ROWS - 1].exhibit.serial) if len(found) > ROWS else None
    return page("web/case.html", case=shown, exhibits=found[:ROWS], following=following)
