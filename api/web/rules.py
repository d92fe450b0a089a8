"""What restricts an exhibit, changed from its page: marking, holds, and asking for its erasure."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from api.problems import STATUSES
from api.request import repo
from api.web import answers
from api.web.shell import field, fields, go, page, visitor
from custody.errors import EvidenceError
from repository import approvals, erasure, holds
from repository.access import ALLOWED, Right
from repository.authorise import Caller
from repository.conditions import EXCLUDED_USES, HANDLING, RECIPIENTS, TLP, Marking
from repository.errors import BadRequest, Erased, OnHold, UnknownHold, UnknownPerson
from repository.marking import show_marking
from repository.models import Person
from repository.people import find_person

blueprint = Blueprint("web_rules", __name__)
answers.install(blueprint)
FLAGS = ("lead_only", "authority_required", "withdrawn", "sealed")
_HEX = re.compile("[0-9a-fA-F]{64}")


@blueprint.get("/exhibits/<number>/rules")
def show(number: str) -> Response:
    """Show what restricts an exhibit, with forms to change it."""
    return _show(visitor(), number)


@blueprint.post("/exhibits/<number>/rules")
def change(number: str) -> Response:
    """Mark it, keep it for a matter, ask for a hold's release, or ask for its erasure."""
    who, act, motive = visitor(), field("act"), field("motive")
    said = f"rules.did_{act}"
    try:
        if act == "mark":
            _, waits = approvals.mark(repo(), who, number, _marking(), motive=motive)
            said = "rules.waits" if waits else said
        elif act == "hold":
            holds.place(
                repo(), who, number, matter=field("matter"),
                authority=field("authority") or None, motive=motive,
            )  # fmt: skip
        elif act == "free":
            approvals.request_release(repo(), who, field("hold"), motive=motive)
            said = "rules.waits"
        elif act == "erase":
            order = field("order").lower().removeprefix("sha256:")
            if not _HEX.fullmatch(order):
                raise BadRequest("choose the document of the order, or write its SHA-256")
            erasure.request(repo(), who, number, order=f"sha256:{order}", motive=motive)
            said = "rules.waits"
        else:
            raise BadRequest("say what is to be changed")
    except (BadRequest, UnknownPerson, UnknownHold, OnHold, Erased) as error:
        return _show(who, number, error)
    return go(f"/exhibits/{number}/rules", said=said)


def _show(who: Caller, number: str, problem: EvidenceError | None = None) -> Response:
    rows, role = holds.listed(repo(), who, number), who.person.role
    marking = show_marking(repo(), who, number)
    with repo().database.reading() as session:
        named = [person.name for one in marking.named if (person := session.get(Person, one))]
    act = field("act") if problem is not None else ""
    typed: dict[str, Any] = {**marking.to_json(), "named": "\n".join(named)}
    typed |= {name: field(name) for name in ("motive", "matter", "authority", "hold", "order")}
    if act == "mark":
        typed |= _typed()
    return page(
        "web/rules.html",
        200 if problem is None else STATUSES[problem.code],
        number=number,
        holds=rows,
        typed=typed,
        act=act,
        problem=problem,
        marks=role in ALLOWED[Right.MARK],
        erases=role in ALLOWED[Right.DISPOSE],
        handling=[(one, one) for one in HANDLING],
        tlp=[(one, one) for one in TLP],
        uses=EXCLUDED_USES,
        recipients=RECIPIENTS,
        flags=FLAGS,
    )


def _typed() -> Mapping[str, Any]:
    """Return the marking as it was typed."""
    texts = ("handling", "tlp", "restriction", "conditions", "owner")
    return {
        **{name: field(name) or None for name in texts},
        **{name: field(name) == "yes" for name in FLAGS},
        "excluded_uses": fields("excluded_uses"),
        "consent": fields("consent"),
        "named": field("named"),
    }


def _marking() -> Marking:
    """Return the marking that is asked for, whole.

    Raises:
        UnknownPerson: somebody named is not registered.
    """
    told = dict(_typed())
    names = [one.strip() for one in told.pop("named").splitlines() if one.strip()]
    with repo().database.reading() as session:
        named = sorted({find_person(session, one).id for one in names})
    return Marking.from_json({**told, "named": named})
