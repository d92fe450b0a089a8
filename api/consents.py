"""Consent of owners and institutions that leave, over HTTP."""

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.consents_schema import (
    STATES,
    ConsentAnswer,
    ConsentEnd,
    NewConsent,
    NewUses,
    OrganisationEnd,
)
from api.request import caller, json_body, repo
from custody.entry import timestamp
from repository import consent_lists, consents
from repository.consent_lists import Asked
from repository.errors import BadRequest
from repository.naming import instant, shown
from repository.organisations import end_organisation, record_uses

blueprint = Blueprint("consents", __name__, url_prefix="/api/v1")


@blueprint.get("/consents")
def queue() -> Response:
    """List what the caller's institution is asked, and was."""
    who, state = caller(), request.args.get("state")
    if state is not None and state not in STATES:
        raise BadRequest(f"there is no state {shown(state)}: {', '.join(STATES)}")
    limit, [before] = paging.limit(), paging.after("")
    found = consent_lists.queue(repo(), who, state=state, before=before, limit=limit + 1)
    return jsonify(_page(found, limit))


@blueprint.post("/consents")
def ask() -> tuple[Response, int]:
    """Ask owners for consent."""
    who = caller()
    asked = json_body(NewConsent)
    rows = consents.ask(
        repo(), who, asked.subjects, recipient=asked.recipient, purpose=asked.purpose,
        until=instant(asked.until) if asked.until else None, motive=asked.motive,
    )  # fmt: skip
    return jsonify(items=[row.id for row in rows]), 201


@blueprint.get("/consents/received")
def received() -> Response:
    """List by which consents the caller has things, and what was withdrawn."""
    who = caller()
    limit, [before] = paging.limit(), paging.after("")
    found, withdrawn = consent_lists.received(repo(), who, before=before, limit=limit + 1)
    return jsonify({**_page(found, limit), "withdrawn": withdrawn})


@blueprint.post("/consents/<consent>/answer")
def answer(consent: str) -> Response:
    """Answer for one's institution."""
    who = caller()
    asked = json_body(ConsentAnswer)
    if asked.give:
        until = instant(asked.until) if asked.until else None
        found = consents.give(repo(), who, consent, motive=asked.motive, until=until)
    else:
        found = consents.reject(repo(), who, consent, motive=asked.motive)
    return jsonify(found.to_json())


@blueprint.post("/consents/<consent>/withdraw")
def withdraw(consent: str) -> Response:
    """Withdraw one's institution's consent."""
    who = caller()
    asked = json_body(ConsentEnd)
    return jsonify(consents.withdraw(repo(), who, consent, motive=asked.motive).to_json())


@blueprint.get("/cases/<code>/consents")
def of_case(code: str) -> Response:
    """List what owners were asked about a case."""
    who = caller()
    limit, [before] = paging.limit(), paging.after("")
    found = consent_lists.of_case(repo(), who, code, before=before, limit=limit + 1)
    return jsonify(_page(found, limit))


@blueprint.get("/conditions/held")
def held() -> Response:
    """List whose conditions contradict each other."""
    found = consent_lists.contradicting(repo(), caller())
    return jsonify(items=[{"subject": one, "contradictions": why} for one, why in found])


@blueprint.post("/organisations/end")
def end() -> Response:
    """Say that an institution left, or who follows it."""
    who = caller()
    asked = json_body(OrganisationEnd)
    found = end_organisation(
        repo(), who, asked.organisation, successor=asked.successor, motive=asked.motive
    )
    row = found.row
    return jsonify(
        organisation=row.name, successor=row.successor,
        ended_at=timestamp(row.ended_at) if row.ended_at else None,
        questions=found.questions, transfers=found.transfers,
    )  # fmt: skip


@blueprint.post("/organisations/uses")
def uses() -> Response:
    """Say which uses that providers exclude an institution's jurisdiction is known for."""
    who = caller()
    asked = json_body(NewUses)
    row = record_uses(repo(), who, asked.organisation, asked.uses, motive=asked.motive)
    return jsonify(organisation=row.name, uses=row.uses)


def _page(found: list[Asked], limit: int) -> dict[str, object]:
    """Return a page of a list of which one more was looked up than it has."""
    following = paging.cursor(found[limit - 1].row.id) if len(found) > limit else None
    return {"items": [one.to_json() for one in found[:limit]], "next": following}
