"""Decisions of two persons: what waits for a second one, what one asked for, and deciding."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from api.request import repo
from api.web import answers
from api.web.shell import field, go, page, visitor
from custody.entry import Act
from repository import approvals, asked, erasure
from repository.authorise import Caller
from repository.errors import BadRequest, UnknownApproval
from repository.models import Erasure, Person
from repository.naming import shown
from repository.rules import Approval

blueprint = Blueprint("web_decisions", __name__)
answers.install(blueprint)
ASKED = (Act.UNSEALING, Act.IDENTITY_REVEALED, Act.ERASURE)  # what is asked for here


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a second person."""

    id: str
    act: str
    subject: str
    by: str  # who asked
    mine: bool  # the visitor did, who therefore does not decide
    at: datetime
    motive: str
    told: list[tuple[str, Any, Any]]  # what of it, from what, to what
    decided: bool = False  # an erasure whose keys are not destroyed in every store yet


@blueprint.get("/decisions")
def index() -> Response:
    """Show what waits for the visitor as a second person, and what the visitor asked for."""
    return _index(visitor())


@blueprint.post("/decisions")
def ask() -> Response:
    """Ask for an act of two persons."""
    who, act, hours = visitor(), field("act"), field("hours", "24")
    try:
        if act not in ASKED or not hours.isascii() or not hours.isdigit():
            raise BadRequest("choose what is asked for, and for how many hours")
        row = approvals.request(
            repo(), who, Act(act), field("subject"), motive=field("motive"), hours=int(hours[:6])
        )
    except BadRequest as error:
        return _index(who, error)
    return go("/decisions", said="decisions.asked_for", name=row.id)


@blueprint.get("/decisions/<name>")
def show(name: str) -> Response:
    """Show one thing that waits."""
    return _one(visitor(), name)


@blueprint.post("/decisions/<name>")
def decide(name: str) -> Response:
    """Approve or refuse as a second person; what is approved is done at once."""
    who, act, motive = visitor(), field("act"), field("motive")
    if act not in ("approve", "refuse"):
        raise BadRequest("decide: approve, or refuse")
    ways: dict[tuple[bool, str], Callable[..., object]] = {
        (False, "approve"): approvals.approve,
        (False, "refuse"): approvals.reject,
        (True, "approve"): erasure.approve,
        (True, "refuse"): erasure.reject,
    }
    try:
        ways[name.startswith("ERA-"), act](repo(), who, name, motive=motive)
    except BadRequest as error:
        return _one(who, name, error)
    return go("/decisions", said=f"decisions.did_{act}")


def _index(who: Caller, problem: BadRequest | None = None) -> Response:
    return page(
        "web/decisions.html",
        200 if problem is None else 400,
        waiting=_waiting(who) if who.person.role == "custodian" else None,
        own=asked.own(repo(), who),
        asks=ASKED,
        problem=problem,
        typed={name: field(name) for name in ("act", "subject", "hours", "motive")},
    )


def _one(who: Caller, name: str, problem: BadRequest | None = None) -> Response:
    for found in _waiting(who):
        if found.id == name:
            return page(
                "web/decision.html",
                200 if problem is None else 400,
                found=found,
                problem=problem,
                motive=field("motive"),
            )
    raise UnknownApproval(f"nothing waits for a decision as {shown(name)}")


def _waiting(who: Caller) -> list[Waiting]:
    """Return what waits, longest first; recorded.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    rows: list[tuple[Approval | Erasure, str, str]] = [*approvals.waiting(repo(), who)]
    for order, number in erasure.waiting(repo(), who):
        opened = repo().ledger.opened(repo().ledger.entry(order.index))
        rows.append((order, number, str(opened.get("motive", ""))))
    with repo().database.reading() as session:
        people = {row.requested_by: session.get(Person, row.requested_by) for row, _, _ in rows}
    found = []
    for row, subject, motive in rows:
        person = people[row.requested_by]
        found.append(
            Waiting(
                row.id,
                row.act if isinstance(row, Approval) else str(Act.ERASURE),
                subject,
                person.name if person else row.requested_by,
                person is not None and person.one == who.person.one,
                row.requested_at,
                motive,
                _told(row),
                row.state == "approved",
            )
        )
    return sorted(found, key=lambda one: one.at)


def _told(row: Approval | Erasure) -> list[tuple[str, Any, Any]]:
    """Return what would be done: of a marking each field that changes."""
    if isinstance(row, Erasure):
        return [("order", None, row.document)]
    told = dict(row.asked)
    old, new = told.pop("from", None), told.pop("to", None)
    changes = []
    if isinstance(old, dict) and isinstance(new, dict):
        changes = [(name, old.get(name), new[name]) for name in new if old.get(name) != new[name]]
    return [*changes, *[(name, None, value) for name, value in told.items()]]
