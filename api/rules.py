"""Markings, acts of two persons, erasures, disclosure and the access log over HTTP."""

from itertools import islice
from typing import Any

from flask import Blueprint, Response, jsonify, request

from api import paging
from api.once import requested_once
from api.request import assured, authority, caller, json_body, purpose, repo
from api.rules_schema import (
    NewApproval,
    NewDecision,
    NewDisclosure,
    NewErasure,
    NewMarking,
    NewMotive,
)
from custody.entry import Act, timestamp
from repository import approvals, erasure
from repository.access_log import Wanted, access_log, as_csv
from repository.conditions import Marking
from repository.disclose import disclose, reveal
from repository.errors import BadRequest
from repository.marking import show_marking
from repository.models import Erasure
from repository.naming import instant, shown
from repository.rules import Approval

blueprint = Blueprint("rules", __name__, url_prefix="/api/v1")

_SUBJECTS = (
    "/cases/<subject>/marking", "/exhibits/<subject>/marking", "/submissions/<subject>/marking",
)  # fmt: skip


def show(subject: str) -> Response:
    """Show how a case, an exhibit or a submission is to be handled."""
    return jsonify(show_marking(repo(), caller(), subject).to_json())


def change(subject: str) -> tuple[Response, int]:
    """Change it: 200 where it tightens, 202 where it loosens and waits for a second person."""
    who = caller()
    asked = json_body(NewMarking)
    values = asked.model_dump(exclude={"motive"})
    found, waiting = approvals.mark(
        repo(), who, subject, Marking.from_json(values), motive=asked.motive
    )
    answer = {**found.to_json(), "approval": waiting.id if waiting else None}
    return jsonify(answer), 202 if waiting else 200


for rule in _SUBJECTS:
    kind = rule.split("/")[1]
    blueprint.add_url_rule(rule, f"show_{kind}_marking", show, methods=["GET"])
    blueprint.add_url_rule(rule, f"change_{kind}_marking", change, methods=["PUT"])


@blueprint.get("/approvals")
def waiting_list() -> Response:
    """List what waits for a second person, a page at a time."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("")
    found = approvals.waiting(repo(), who, after=after, limit=limit + 1)
    following = paging.cursor(found[limit - 1][0].id) if len(found) > limit else None
    items = [
        {**_view(row), "subject": name, "motive": motive} for row, name, motive in found[:limit]
    ]
    return jsonify(items=items, next=following)


@blueprint.post("/approvals")
def ask() -> tuple[Response, int]:
    """Ask for an unsealing, or to be told who a source is."""
    who = caller()
    asked = json_body(NewApproval)
    with requested_once(who, asked.model_dump_json()) as held:
        row = approvals.request(
            repo(), who, Act(asked.act), asked.subject, motive=asked.motive, hours=asked.hours,
            drawn=held.made if held else None,
        )  # fmt: skip
    return jsonify({**_view(row), "subject": asked.subject, "motive": asked.motive}), 201


@blueprint.post("/approvals/<approval>/decision")
def decide(approval: str) -> Response:
    """Approve or refuse as a second person."""
    who = caller()
    asked = json_body(NewDecision)
    act = approvals.approve if asked.approve else approvals.reject
    row = act(repo(), who, approval, motive=asked.motive)
    return jsonify({**_view(row), "motive": asked.motive})


@blueprint.get("/erasures")
def erasures() -> Response:
    """List the erasures that wait for a second person, or for a store, a page at a time."""
    who = caller()
    limit, [after] = paging.limit(), paging.after("")
    found = erasure.waiting(repo(), who, after=after, limit=limit + 1)
    following = paging.cursor(found[limit - 1][0].id) if len(found) > limit else None
    items = [_erasure(row, number) for row, number in found[:limit]]
    return jsonify(items=items, next=following)


@blueprint.post("/erasures")
def ask_erasure() -> tuple[Response, int]:
    """Ask for the erasure of an exhibit; nothing is destroyed yet."""
    who = caller()
    asked = json_body(NewErasure)
    with requested_once(who, asked.model_dump_json()) as held:
        row = erasure.request(
            repo(), who, asked.exhibit, order=asked.order, motive=asked.motive,
            drawn=held.made if held else None,
        )  # fmt: skip
    return jsonify(_erasure(row, asked.exhibit)), 201


@blueprint.post("/erasures/<erasure_id>/decision")
def decide_erasure(erasure_id: str) -> Response:
    """Approve an erasure, which nobody can undo, or refuse it, as a second person."""
    who = caller()
    asked = json_body(NewDecision)
    act = erasure.approve if asked.approve else erasure.reject
    return jsonify(_erasure(act(repo(), who, erasure_id, motive=asked.motive)))


@blueprint.post("/exhibits/<number>/disclosures")
def disclosed(number: str) -> tuple[Response, int]:
    """Disclose an exhibit to a party of its case."""
    who = caller()
    asked = json_body(NewDisclosure)
    row = disclose(
        repo(), who, number, party=asked.party, purpose=purpose(), authority=authority(),
        assured=assured(), code=asked.case, form=asked.form,
    )  # fmt: skip
    answer = {"exhibit": number, "party": row.party, "entry": row.index}
    return jsonify(answer), 201


@blueprint.post("/exhibits/<number>/source")
def source(number: str) -> Response:
    """Say who the source of an exhibit is, to whoever was permitted it by two persons."""
    who = caller()
    asked = json_body(NewMotive)
    return jsonify({"exhibit": number, **reveal(repo(), who, number, motive=asked.motive)})


@blueprint.get("/access-log")
def accesses() -> Response:
    """Show who looked at what, why and when, and what was refused, a page at a time.

    As CSV, all at once, with `format=csv`. To look is an entry too: what comes after the first
    page's own is not part of its pages.
    """
    who = caller()
    given = request.args
    wanted = Wanted(
        person=given.get("person"),
        exhibit=given.get("exhibit"),
        purpose=given.get("purpose"),
        since=instant(given["since"]) if "since" in given else None,
        until=instant(given["until"]) if "until" in given else None,
        refused=given.get("refused") == "true",
    )
    if given.get("refused", "true") != "true":
        raise BadRequest("refused is true, or left out")
    if given.get("format", "json") not in ("json", "csv"):
        raise BadRequest(f"there is no format {shown(given['format'])}: json or csv")
    if given.get("format") == "csv":
        rows = access_log(repo(), who, wanted)
        headers = {"Content-Disposition": 'attachment; filename="access-log.csv"'}
        return Response(as_csv(rows), headers=headers, content_type="text/csv; charset=utf-8")
    limit, [after, before] = paging.limit(), paging.after("-1", str(repo().ledger.size()))
    rows = access_log(repo(), who, wanted, after=int(after), size=int(before))
    items = list(islice(rows, limit + 1))
    more, items = len(items) > limit, items[:limit]
    cursor = paging.cursor(items[-1]["index"], before) if more else None
    return jsonify(items=items, next=cursor)


def _erasure(row: Erasure, number: str | None = None) -> dict[str, Any]:
    return {
        "erasure": row.id,
        "exhibit": number,
        "order": row.document,
        "state": row.state,
        "requested_by": row.requested_by,
        "requested_at": timestamp(row.requested_at),
    }


def _view(row: Approval) -> dict[str, Any]:
    return {
        "approval": row.id,
        "act": row.act,
        "state": row.state,
        "asked": row.asked,
        "requested_by": row.requested_by,
        "requested_at": timestamp(row.requested_at),
        "until": timestamp(row.until) if row.until else None,
    }
