"""Numbers that courts cite by, over HTTP: how a proceeding numbers, and what has which number."""

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.members import one_sandbox
from api.numbers_schema import NewExternalNumber, NewNumbering, NewNumbers, NewStamps
from api.request import caller, json_body, repo
from ingest.stamp import stamp
from repository import external_numbers
from repository.numbering import assign, list_numbers, set_scheme

blueprint = Blueprint("numbers", __name__, url_prefix="/api/v1")


@blueprint.put("/cases/<code>/numbering")
def scheme(code: str) -> Response:
    """Say how a proceeding numbers."""
    who = caller()
    asked = json_body(NewNumbering)
    return jsonify(
        set_scheme(
            repo(), who, code, prefix=asked.prefix, digits=asked.digits, per=asked.per,
            first=asked.first, motive=asked.motive,
        )
    )  # fmt: skip


@blueprint.post("/cases/<code>/numbers")
def give(code: str) -> Response:
    """Give numbers to exhibits, a batch or a selection; what has some keeps them."""
    who = caller()
    asked = json_body(NewNumbers)
    batch = (asked.batch.party, asked.batch.number) if asked.batch else None
    found = assign(
        repo(), who, code, numbers=asked.exhibits, batch=batch, selection=asked.selection
    )
    return jsonify(found.to_json())


@blueprint.post("/cases/<code>/numbers/copies")
def copies(code: str) -> Response:
    """Make copies with the numbers on their pages; each has an end of its own in the answer."""
    who = caller()
    asked = json_body(NewStamps)
    with one_sandbox() as sandbox:
        found = stamp(repo(), sandbox, who, code, asked.exhibits)
    return jsonify(case=code, items=[one.to_json() for one in found])


@blueprint.get("/cases/<code>/numbers")
def index(code: str) -> Response:
    """List what a proceeding gave, a page at a time; with `number`, the exhibit it is of."""
    limit, [after] = paging.limit(), paging.after("0")
    found, rows, following = list_numbers(
        repo(), caller(), code, after=int(after), limit=limit, cited=request.args.get("number")
    )
    return jsonify(
        {**found, "items": rows, "next": paging.cursor(following) if following else None}
    )


@blueprint.post("/exhibits/<number>/external-numbers")
def external(number: str) -> Response:
    """Put on record which number somebody else gave an exhibit, or that this was a mistake."""
    who = caller()
    asked = json_body(NewExternalNumber)
    return jsonify(
        external_numbers.record(
            repo(), who, number, issuer=asked.issuer, first=asked.first, last=asked.last,
            withdrawn=asked.withdrawn, motive=asked.motive,
        )
    )  # fmt: skip
