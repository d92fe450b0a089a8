"""Consent of owners and institutions that leave, over HTTP."""

from flask import Blueprint, Response, jsonify, request

from api.consents_schema import STATES, ConsentAnswer, ConsentEnd, NewConsent, OrganisationEnd
from api.request import caller, json_body, repo
from custody.entry import timestamp
from repository import consent_lists, consents
from repository.errors import BadRequest
from repository.naming import instant, shown
from repository.organisations import end_organisation

blueprint = Blueprint("consents", __name__, url_prefix="/api/v1")


@blueprint.get("/consents")
def queue() -> Response:
    """List what the caller's institution is asked, and was."""
    who, state = caller(), request.args.get("state")
    if state is not None and state not in STATES:
        raise BadRequest(f"there is no state {shown(state)}: {', '.join(STATES)}")
    found = consent_lists.queue(repo(), who, state=state)
    return jsonify(items=[one.to_json() for one in found])


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
    found, withdrawn = consent_lists.received(repo(), caller())
    return jsonify(items=[one.to_json() for one in found], withdrawn=withdrawn)


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
    found = consent_lists.of_case(repo(), caller(), code)
    return jsonify(items=[one.to_json() for one in found])


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
    row = end_organisation(
        repo(), who, asked.organisation, successor=asked.successor, motive=asked.motive
    )
    ended = timestamp(row.ended_at) if row.ended_at else None
    return jsonify(organisation=row.name, successor=row.successor, ended_at=ended)
