"""The page of an exhibit: what it is, what was read out of it, what was said, its custody."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from flask import Blueprint, Response, request

from api import paging
from api.request import repo
from api.web import answers, pictures
from api.web.shell import field, go, page, visitor
from api.web.words import chosen
from custody.errors import EvidenceError
from ingest.related import related as related_to
from repository.access import ALLOWED, Right
from repository.annotations import INFORMATION, SOURCES, Assessment, annotate, review, withdraw
from repository.conditions import Marking
from repository.consult import show_custody
from repository.errors import BadRequest
from repository.exports import report_words
from repository.fixity import reread
from repository.locators import parse
from repository.looks import PLAYED, show_page

blueprint = Blueprint("web_exhibit", __name__)
answers.install(blueprint)
FACTS = 250  # shown at first
MEMBERS = 100
ENTRIES = 50
_TYPED = ("kind", "text", "locator", "source", "information", "place", "position", "begins",
          "ends", "method", "motive")  # fmt: skip
_ASSESSED = ("source", "information", "place", "position", "begins", "ends", "method")


@blueprint.get("/exhibits/<number>")
def exhibit(number: str) -> Response:
    """Show an exhibit."""
    return _show(number)


@blueprint.get("/exhibits/<number>/custody")
def custody(number: str) -> Response:
    """Show the custody of an exhibit, some entries at a time, the first first."""
    who = visitor()
    [after, size] = paging.after("-1", "")
    found, history = show_custody(
        repo(), who, number, after=int(after), size=int(size) if size else None, limit=ENTRIES + 1
    )
    more, history = len(history) > ENTRIES, history[:ENTRIES]
    size = size or str(repo().ledger.size())
    following = paging.cursor(history[-1].entry.index, size) if more else None
    return page(
        "web/custody.html",
        exhibit=found,
        history=history,
        following=following,
        report=report_words.language(chosen(request)),
    )


@blueprint.get("/exhibits/<number>/related")
def related(number: str) -> Response:
    """Show which exhibits share something with one."""
    who = visitor()
    return page("web/related.html", number=number, answer=related_to(repo(), who, number))


@blueprint.post("/exhibits/<number>/annotations")
def say(number: str) -> Response:
    """Add a tag, a note or an assessment."""
    who = visitor()
    kind, place = field("kind"), field("locator") or number
    given = {name: field(name) or None for name in _ASSESSED}
    try:
        if parse(place).exhibit != number:
            raise BadRequest(f"the place is in another exhibit than {number}")
        said = Assessment(**given) if kind == "assessment" else field("text")
        annotate(repo(), who, place, kind, said)
    except BadRequest as error:
        return _show(number, problem=error)
    return go(f"/exhibits/{number}", said="exhibit.said")


@blueprint.post("/exhibits/<number>/annotations/<annotation>/withdraw")
def take_back(number: str, annotation: str) -> Response:
    """Withdraw what was said; it stays in its history."""
    who = visitor()
    try:
        withdraw(repo(), who, annotation, motive=field("motive"))
    except BadRequest as error:
        return _show(number, problem=error)
    return go(f"/exhibits/{number}", said="exhibit.withdrawn")


@blueprint.post("/exhibits/<number>/annotations/<annotation>/review")
def judge(number: str, annotation: str) -> Response:
    """Say as another person whether an assessment holds."""
    who = visitor()
    agrees = field("agrees")
    try:
        if agrees not in ("yes", "no"):
            raise BadRequest("say whether it holds")
        review(repo(), who, annotation, agrees=agrees == "yes", motive=field("motive"))
    except BadRequest as error:
        return _show(number, problem=error)
    return go(f"/exhibits/{number}", said="exhibit.reviewed")


@blueprint.post("/exhibits/<number>/verify")
def verify(number: str) -> Response:
    """Read every byte again and show both digests: a piece of a page, or a page."""
    who = visitor()
    found = reread(repo(), who, number)
    part = request.headers.get("HX-Request") == "true"
    return page("web/verified_part.html" if part else "web/verified.html", found=found)


def _show(number: str, problem: EvidenceError | None = None) -> Response:
    who = visitor()
    found = show_page(repo(), who, number)
    record = found.record or {}
    shown = [(one, pictures.address(who, one)) for one in found.pictures]
    every = request.args.get("all") == "facts"
    facts = record.get("facts", [])
    kept = facts if every else facts[:FACTS]
    return page(
        "web/exhibit.html",
        200 if problem is None else 400,
        look=found,
        exhibit=found.described.exhibit,
        pictures=[one for one in shown if one[0].kind not in PLAYED],
        played=[one for one in shown if one[0].kind in PLAYED],
        veiled=found.sensitive and request.args.get("reveal") != "1",
        facts=_grouped(kept),
        left=len(facts) - len(kept),
        members=record.get("members", []),
        may={one.value for one in found.may},
        restrictions=restrictions(found.markings),
        retrieves=found.actor.role in ALLOWED[Right.RETRIEVE],
        sources=_graded(SOURCES),
        information=_graded(INFORMATION),
        problem=problem,
        typed={name: request.form.get(name, "") for name in _TYPED},
    )


def _graded(grades: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("", "–"), *((one, one) for one in grades)]


def _grouped(facts: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return facts by their kind, what says most first; those without one last."""
    ordered = sorted(facts, key=lambda one: (one["kind"] is None, one["kind"] or ""))
    return [(kind, list(some)) for kind, some in groupby(ordered, lambda one: one["kind"] or "")]


def restrictions(
    markings: Sequence[tuple[str, Marking]],
) -> list[tuple[str, list[tuple[str, object]]]]:
    """Return what restricts an exhibit, field by field; who may see what is sealed stays out."""
    return [
        (kind, [pair for pair in one.to_json().items() if pair[1] and pair[0] != "named"])
        for kind, one in markings
    ]
