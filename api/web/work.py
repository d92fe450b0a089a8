"""What needs a person, each with where to act; what is held in quarantine; what differs."""

from flask import Blueprint, Response

from api.request import repo
from api.web import answers
from api.web.shell import field, go, page, visitor
from custody.entry import Act, Draft
from ingest.quarantine import held, reject, release
from ingest.register import received_of
from ingest.wellbeing import Measure, measures
from repository.access import Right
from repository.asked import differing
from repository.authorise import Caller, governs, on_case, on_house
from repository.errors import BadRequest, UnknownQuarantine
from repository.ledger_mirror import publish
from repository.models import Case, Quarantined
from repository.naming import shown

blueprint = Blueprint("web_work", __name__)
answers.install(blueprint)
# Where a person acts on what a measure tells; the others say it in words.
PLACES = {
    "quarantine": "/work/quarantine", "fixity": "/work/differing", "approvals": "/decisions",
    "erasures": "/decisions", "consents": "/consents", "witnesses": "/ledger",
    "time-stamps": "/ledger",
}  # fmt: skip


@blueprint.get("/work")
def index() -> Response:
    """Show what needs a person first, then what is well: counts and times alone."""
    who = visitor()
    # An auditor sees what whoever runs the machines sees: no exhibit, case or person is named.
    right = Right.AUDIT if who.person.role == "auditor" else Right.INSTALL
    on_house(repo(), who, right, attempted=Act.CONSULTATION)
    found = measures(repo())
    return page(
        "web/work.html",
        needed=[one for one in found if one.needs_person],
        rest=[one for one in found if not one.needs_person],
        place=lambda one: _place(who, one),
    )


@blueprint.get("/work/quarantine")
def quarantine() -> Response:
    """List what is kept because its declared digest differs."""
    found = _held(visitor())
    rows = [(kept, code, received_of(kept)) for kept, code in found]
    return page("web/quarantine.html", rows=rows)


@blueprint.get("/work/quarantine/<quarantine_id>")
def quarantined(quarantine_id: str) -> Response:
    """Show one of them, with what was declared and what came."""
    return _quarantined(visitor(), quarantine_id)


@blueprint.post("/work/quarantine/<quarantine_id>")
def decide(quarantine_id: str) -> Response:
    """Take it in after all, or decide that it becomes no exhibit."""
    who, act, motive = visitor(), field("act"), field("motive")
    if act not in ("release", "reject"):
        raise BadRequest("decide: take it in, or reject it")
    code = _code(who, quarantine_id)
    attempted = Act.APPROVAL_GIVEN if act == "release" else Act.APPROVAL_REFUSED
    actor, _ = on_case(repo(), who, Right.GOVERN, code, attempted=attempted)
    try:
        if act == "release":
            outcome = release(repo(), actor, quarantine_id, motive=motive)
            publish(repo())
            return go("/work/quarantine", said="work.released", number=outcome.number)
        reject(repo(), actor, quarantine_id, motive=motive)
    except BadRequest as error:
        return _quarantined(who, quarantine_id, error)
    publish(repo())
    return go("/work/quarantine", said="work.rejected")


@blueprint.get("/work/differing")
def fixity() -> Response:
    """List stored objects that were not what was recorded when they were last read."""
    return page("web/differing.html", rows=differing(repo(), visitor()))


def _place(who: Caller, one: Measure) -> str | None:
    """Return where the visitor acts on it: of custodians' lists, custodians."""
    found = PLACES.get(one.name)
    mine = who.person.role == "custodian" or (found == "/ledger" and who.person.role == "auditor")
    return found if mine else None


def _held(who: Caller) -> list[tuple[Quarantined, str]]:
    """Return what waits in the cases that the visitor governs; recorded."""
    actor = on_house(repo(), who, Right.GOVERN, attempted=Act.CONSULTATION)
    found = held(repo())
    with repo().database.reading() as session:
        found = [
            (kept, code)
            for kept, code in found
            if governs(session, who, session.get_one(Case, kept.case_id), repo().clock())
        ]
    repo().ledger.record(
        Draft(Act.CONSULTATION, actor, reason="quarantine-list", plain={"count": len(found)})
    )
    return found


def _code(who: Caller, quarantine_id: str) -> str:
    for kept, code in _held(who):
        if kept.id == quarantine_id:
            return code
    raise UnknownQuarantine(f"nothing is held in quarantine as {shown(quarantine_id)}")


def _quarantined(who: Caller, quarantine_id: str, problem: BadRequest | None = None) -> Response:
    for kept, code in _held(who):
        if kept.id == quarantine_id:
            return page(
                "web/quarantined.html",
                200 if problem is None else 400,
                kept=kept,
                code=code,
                received=received_of(kept),
                motive=field("motive"),
                problem=problem,
            )
    raise UnknownQuarantine(f"nothing is held in quarantine as {shown(quarantine_id)}")
