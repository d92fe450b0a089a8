"""What people made of exhibits, and working copies of them, over HTTP."""

from typing import Any, cast

from flask import Blueprint, Response, jsonify, request

from api.derivatives_schema import EndCopies, NewCopies, NewOwnMarking
from api.problems import problem
from api.request import caller, evidence_path, json_body, purpose, repo, repr_digest
from ingest.derive import derive
from repository import working_copies
from repository.approvals import request_own
from repository.derivations import Making

blueprint = Blueprint("derivatives", __name__, url_prefix="/api/v1")


@blueprint.post("/exhibits/<number>/derivatives")
def create(number: str) -> tuple[Response, int] | Response:
    """Take in a derivative of an exhibit: the request's body, streamed."""
    who = caller()
    said = {name: request.args.get(name, "") for name in ("kind", "author", "tool", "reason")}
    making = Making(
        **said,
        version=request.args.get("version"),
        language=request.args.get("language"),
        codes=tuple(request.args.getlist("code")),
    )
    outcome = derive(
        repo(), who, number, cast("Any", request.stream), making, path=evidence_path(),
        size=request.content_length, declared=repr_digest(request.headers.get("Repr-Digest")),
        purpose=purpose(),
    )  # fmt: skip
    if outcome.status == "quarantined":
        return problem(
            "digest-mismatch", 422,
            "the bytes received do not have the declared digest; they are kept in quarantine",
            quarantine=outcome.quarantine, index=outcome.index, sha256=outcome.sha256,
            submission=outcome.submission,
        )  # fmt: skip
    answer = jsonify(
        exhibit=outcome.number,
        parent=number,
        kind=making.kind,
        sha256=outcome.sha256,
        size=outcome.size,
        entry=outcome.index,
    )
    answer.headers["Location"] = f"/api/v1/exhibits/{outcome.number}"
    return answer, 201


@blueprint.post("/exhibits/<number>/own-marking")
def own_marking(number: str) -> tuple[Response, int]:
    """Ask that a derivative inherit its parent's marking no more; a second person decides."""
    who = caller()
    asked = json_body(NewOwnMarking)
    row = request_own(repo(), who, number, motive=asked.motive)
    return jsonify(exhibit=number, approval=row.id), 202


@blueprint.get("/exhibits/<number>/copies")
def list_copies(number: str) -> Response:
    """List the working copies that were made of an exhibit."""
    return jsonify(items=working_copies.listed(repo(), caller(), number))


@blueprint.post("/exhibits/<number>/copies")
def make_copies(number: str) -> tuple[Response, int]:
    """Put on record that working copies were made."""
    who = caller()
    asked = json_body(NewCopies)
    row = working_copies.make(
        repo(), who, number, count=asked.count, holder=asked.holder, purpose=purpose()
    )
    return jsonify(working_copies.view(row, number)), 201


@blueprint.post("/copies/<copies>/end")
def end_copies(copies: str) -> Response:
    """Put on record that working copies came back or were destroyed."""
    who = caller()
    asked = json_body(EndCopies)
    row, number = working_copies.end(
        repo(), who, copies, how=asked.how, count=asked.count, motive=asked.motive
    )
    return jsonify(working_copies.view(row, number))
