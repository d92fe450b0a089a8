"""Tags, notes, assessments and selections over HTTP."""

from flask import Blueprint, Response, jsonify

from api.annotations_schema import (
    Judged,
    NewAnnotation,
    NewSelection,
    NewVersion,
    Withdrawal,
)
from api.request import caller, json_body, repo
from repository import annotations, selections
from repository.annotations import Assessment
from repository.errors import BadLocator, BadRequest
from repository.locators import parse

blueprint = Blueprint("annotations", __name__, url_prefix="/api/v1")


@blueprint.get("/exhibits/<number>/annotations")
def index(number: str) -> Response:
    """List what was said of an exhibit, each in its newest version."""
    found = annotations.listed(repo(), caller(), number)
    return jsonify(items=[one.to_json() for one in found])


@blueprint.post("/exhibits/<number>/annotations")
def create(number: str) -> tuple[Response, int]:
    """Say something of an exhibit, or of a place in it."""
    who = caller()
    asked = json_body(NewAnnotation)
    place = asked.place or number
    if parse(place).exhibit != number:
        raise BadLocator(f"the place is in another exhibit than {number}")
    made = annotations.annotate(repo(), who, place, asked.kind, _said(asked))
    return jsonify(made.to_json()), 201


@blueprint.get("/annotations/<annotation>")
def show(annotation: str) -> Response:
    """Return every version of an annotation, the first first."""
    found = annotations.history(repo(), caller(), annotation)
    return jsonify(items=[one.to_json() for one in found])


@blueprint.post("/annotations/<annotation>/versions")
def revise(annotation: str) -> tuple[Response, int]:
    """Say it anew, as its author."""
    who = caller()
    asked = json_body(NewVersion)
    return jsonify(annotations.revise(repo(), who, annotation, _said(asked)).to_json()), 201


@blueprint.post("/annotations/<annotation>/withdrawal")
def withdraw(annotation: str) -> tuple[Response, int]:
    """Withdraw it; what it said stays in its history."""
    who = caller()
    asked = json_body(Withdrawal)
    found = annotations.withdraw(repo(), who, annotation, motive=asked.motive)
    return jsonify(found.to_json()), 201


@blueprint.post("/annotations/<annotation>/review")
def review(annotation: str) -> tuple[Response, int]:
    """Say as another person whether an assessment holds."""
    who = caller()
    asked = json_body(Judged)
    found = annotations.review(repo(), who, annotation, agrees=asked.agrees, motive=asked.motive)
    return jsonify(found.to_json()), 201


@blueprint.get("/cases/<code>/selections")
def selections_of(code: str) -> Response:
    """List the selections of a case that one made or is named in."""
    found = selections.listed(repo(), caller(), code)
    return jsonify(items=[one.to_json() for one in found])


@blueprint.post("/cases/<code>/selections")
def select(code: str) -> tuple[Response, int]:
    """Make a selection, or with `selection` its next version."""
    who = caller()
    asked = json_body(NewSelection)
    made = selections.select_items(
        repo(), who, code, title=asked.title, items=asked.items, shared_with=asked.shared_with,
        named=asked.selection,
    )  # fmt: skip
    return jsonify(made.to_json()), 201


@blueprint.get("/selections/<selection>")
def show_selection(selection: str) -> Response:
    """Show a selection that one made or is named in."""
    return jsonify(selections.show(repo(), caller(), selection).to_json())


def _said(asked: NewVersion) -> str | Assessment:
    if (asked.text is None) == (asked.assessment is None):
        raise BadRequest("give a text, or an assessment")
    if asked.assessment is None:
        return asked.text or ""
    return Assessment(**asked.assessment.model_dump())
