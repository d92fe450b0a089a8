"""Consents of owners: what one's institution is asked, its answer, and asking it about a case."""

from collections.abc import Sequence

from flask import Blueprint, Response

from api import paging
from api.problems import STATUSES
from api.request import repo
from api.web import answers
from api.web.shell import field, go, page, visitor
from custody.errors import EvidenceError
from repository import consent_lists, consents
from repository.access import ALLOWED, Right
from repository.authorise import Caller
from repository.conditions import RECIPIENTS
from repository.consent_lists import Asked
from repository.consult import show_case
from repository.errors import BadRequest, UnknownExhibit, UnknownSubmission
from repository.naming import instant
from repository.purpose import CODES

blueprint = Blueprint("web_consents", __name__)
answers.install(blueprint)
ROWS = 50
_LEFT = 100  # of what else is told beside the lists


@blueprint.get("/consents")
def index() -> Response:
    """List what the visitor's institution is asked, by what it has things, and what waits."""
    who = visitor()
    [before] = paging.after("")
    mine = who.person.organisation
    answering = mine is not None and who.person.role in ALLOWED[Right.CONSENT]
    asked = consent_lists.queue(repo(), who, before=before, limit=ROWS + 1) if answering else None
    received, stopped = consent_lists.received(repo(), who, limit=_LEFT)
    governing = who.person.role in ALLOWED[Right.GOVERN]
    return page(
        "web/consents.html",
        institution=mine,
        asked=asked and asked[:ROWS],
        following=_following(asked or []),
        received=received,
        stopped=stopped,
        waiting=consent_lists.unanswered(repo(), who, limit=_LEFT) if governing else None,
        held=consent_lists.contradicting(repo(), who) if governing else [],
    )


@blueprint.get("/consents/<consent>")
def show(consent: str) -> Response:
    """Show one thing that the visitor's institution is asked, or was."""
    return _one(visitor(), consent)


@blueprint.post("/consents/<consent>")
def answer(consent: str) -> Response:
    """Give, refuse or withdraw it for the visitor's institution."""
    who, act, motive = visitor(), field("act"), field("motive")
    try:
        if act == "give":
            until = instant(field("until")) if field("until") else None
            consents.give(repo(), who, consent, motive=motive, until=until)
        elif act == "refuse":
            consents.reject(repo(), who, consent, motive=motive)
        elif act == "withdraw":
            consents.withdraw(repo(), who, consent, motive=motive)
        else:
            raise BadRequest("decide: give it, refuse it, or withdraw it")
    except BadRequest as error:
        return _one(who, consent, error)
    return go("/consents", said=f"consents.did_{act}")


@blueprint.get("/cases/<code>/consents")
def of_case(code: str) -> Response:
    """List what owners were asked about a case, with a form to ask."""
    return _of_case(visitor(), code)


@blueprint.post("/cases/<code>/consents")
def ask(code: str) -> Response:
    """Ask the owners of exhibits or submissions for their consent."""
    who = visitor()
    try:
        rows = consents.ask(
            repo(), who, field("subjects").split(), recipient=field("recipient"),
            purpose=field("purpose") or None, motive=field("motive"),
            until=instant(field("until")) if field("until") else None,
        )  # fmt: skip
    except (BadRequest, UnknownExhibit, UnknownSubmission) as error:
        return _of_case(who, code, error)
    return go(f"/cases/{code}/consents", said="consents.asked_for", count=len(rows))


def _one(who: Caller, consent: str, problem: BadRequest | None = None) -> Response:
    return page(
        "web/consent.html",
        200 if problem is None else 400,
        one=consent_lists.one(repo(), who, consent),
        problem=problem,
        typed={name: field(name) for name in ("motive", "until")},
    )


def _of_case(who: Caller, code: str, problem: EvidenceError | None = None) -> Response:
    [before] = paging.after("")
    found = consent_lists.of_case(repo(), who, code, before=before, limit=ROWS + 1)
    names = ("subjects", "recipient", "purpose", "until", "motive")
    return page(
        "web/case_consents.html",
        200 if problem is None else STATUSES[problem.code],
        case=show_case(repo(), who, code),
        found=found[:ROWS],
        following=_following(found),
        recipients=RECIPIENTS,
        purposes=CODES,
        problem=problem,
        typed={name: field(name) for name in names},
    )


def _following(found: Sequence[Asked]) -> str | None:
    return paging.cursor(found[ROWS - 1].row.id) if len(found) > ROWS else None
