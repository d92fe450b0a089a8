"""People, how they sign in, and who takes part in a case: as a custodian says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import select

from api import paging
from api.place import place_of
from api.request import repo
from api.web import answers
from api.web.shell import field, go, page, visitor
from custody.entry import Act, Actor, Draft
from custody.errors import EvidenceError
from repository.access import GRANTABLE, PARTIES, ROLES, Right
from repository.authorise import Caller, on_house
from repository.consult import show_case
from repository.errors import AlreadyExists, BadRequest, UnknownPasskey, UnknownPerson
from repository.models import Case, Grant, Person, Token
from repository.naming import instant
from repository.participants import let_in, let_out, participants
from repository.passkeys import invite, passkeys, remove
from repository.people import (
    end_person,
    find_person,
    new_person,
    new_token,
    people,
    revoke_token,
)
from repository.stated import stated_motive
from repository.web_sessions import end, ends_at, live

blueprint = Blueprint("web_people", __name__)
answers.install(blueprint)
ROWS = 200


@blueprint.get("/people")
def index() -> Response:
    """List everyone registered."""
    return _index(visitor())


@blueprint.post("/people")
def add() -> Response:
    """Register a person."""
    who = visitor()
    actor = on_house(repo(), who, Right.GOVERN, attempted=Act.PERSON_REGISTERED)
    try:
        made = new_person(
            repo(), actor, name=field("name"), role=field("role"),
            organisation=field("organisation") or None, country=field("country") or None,
        )  # fmt: skip
    except (BadRequest, AlreadyExists) as error:
        return _index(who, error)
    return go(f"/people/{made.id}", said="people.registered")


@blueprint.get("/people/<person_id>")
def show(person_id: str) -> Response:
    """Show a person, their part in cases, and how they sign in."""
    return _one(visitor(), person_id)


@blueprint.post("/people/<person_id>")
def change(person_id: str) -> Response:
    """Invite, issue or revoke what a person signs in with; end a session, or all a person may do.

    An invitation and a token are shown once, on the page that answers.
    """
    who, act, which = visitor(), field("act"), field("which")
    attempted = {"end": Act.ACCESS_REVOCATION, "session": Act.SIGN_IN}
    # What lets somebody in takes a recent sign-in, as on a case.
    right = Right.LET_IN if act in ("invite", "token") else Right.GOVERN
    actor = on_house(repo(), who, right, attempted=attempted.get(act, Act.CONFIGURATION_CHANGE))
    person = _person(person_id)
    try:
        if act == "invite":
            return _one(who, person_id, invitation=_invited(actor, person))
        if act == "token":
            until = _until(field("until"))
            _, secret = new_token(repo(), actor, person=person, expires_at=until)
            return _one(who, person_id, token=secret)
        _end(who, actor, person, act, which)
    except (BadRequest, UnknownPasskey) as error:
        return _one(who, person_id, problem=error)
    return go(f"/people/{person_id}", said=f"people.did_{act}")


@blueprint.get("/cases/<code>/people")
def of_case(code: str) -> Response:
    """List who takes part in a case."""
    return _of_case(visitor(), code)


@blueprint.post("/cases/<code>/people")
def change_case(code: str) -> Response:
    """Let somebody into a case, or out of it at once."""
    who, act = visitor(), field("act")
    named, role = field("person"), field("role")
    try:
        if act == "in":
            let_in(
                repo(), who, code, named, role, party=field("party") or None,
                until=_until(field("until")),
            )  # fmt: skip
        elif act == "out":
            let_out(repo(), who, code, named, role)
        else:
            raise BadRequest("let somebody in, or out")
    except (BadRequest, UnknownPerson) as error:
        return _of_case(who, code, error)
    return go(f"/cases/{code}/people", said=f"people.let_{act}")


def _index(who: Caller, problem: EvidenceError | None = None) -> Response:
    actor = on_house(repo(), who, Right.GOVERN, attempted=Act.CONSULTATION)
    with repo().database.reading() as session:
        found = people(session)
    repo().ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(found)}, reason="person-list")
    )
    return page(
        "web/people.html",
        200 if problem is None else 409 if isinstance(problem, AlreadyExists) else 400,
        people=found,
        roles=ROLES,
        problem=problem,
        typed=_typed("name", "role", "organisation", "country"),
        now=repo().clock(),
    )


def _one(who: Caller, person_id: str, **more: Any) -> Response:
    actor = on_house(repo(), who, Right.GOVERN, attempted=Act.CONSULTATION)
    person = _person(person_id)
    with repo().database.reading() as session:
        tokens = session.scalars(
            select(Token).where(Token.person_id == person.id).order_by(Token.created_at)
        ).all()
        grants = session.execute(
            select(Grant, Case.code)
            .join(Case, Case.id == Grant.case_id)
            .where(Grant.person_id == person.id)
            .order_by(Case.code, Grant.role)
        ).all()
    keys = passkeys(repo(), person.id)
    sessions = [row for row, whose in live(repo()) if whose.id == person.id]
    repo().ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="person",
            plain={"count": len(tokens) + len(keys) + len(sessions)},
            withheld={"detail": {"person": person.id}},
            subject=person.id,
        )
    )
    given: Mapping[str, Any] = {"invitation": None, "token": None, "problem": None} | more
    return page(
        "web/person.html",
        200 if given["problem"] is None else 400,
        person=person,
        tokens=tokens,
        grants=grants,
        passkeys=keys,
        sessions=[(row, ends_at(repo(), row)) for row in sessions],
        now=repo().clock(),
        typed=_typed("motive", "until", "hours"),
        mine=person.id == who.person.id,
        **given,
    )


def _of_case(who: Caller, code: str, problem: EvidenceError | None = None) -> Response:
    after = paging.after("", "")
    found = participants(repo(), who, code, after=after, limit=ROWS + 1)
    last = found[ROWS - 1].grant if len(found) > ROWS else None
    return page(
        "web/case_people.html",
        200 if problem is None else 404 if isinstance(problem, UnknownPerson) else 400,
        case=show_case(repo(), who, code),
        found=found[:ROWS],
        following=paging.cursor(last.person_id, last.role) if last else None,
        roles=GRANTABLE,
        parties=sorted(PARTIES),
        problem=problem,
        typed=_typed("person", "role", "party", "until"),
        now=repo().clock(),
    )


def _person(person_id: str) -> Person:
    with repo().database.reading() as session:
        return find_person(session, person_id)


def _invited(actor: Actor, person: Person) -> str:
    """Return the address with which a person registers a passkey, once."""
    hours = field("hours", "24")
    if not (hours.isascii() and hours.isdigit() and len(hours) < 5):
        raise BadRequest("an invitation lasts a number of hours")
    code = invite(repo(), actor, person, hours=int(hours))
    return f"{place_of(repo().settings, request).origin}/register#{code}"


def _end(who: Caller, actor: Actor, person: Person, act: str, which: str) -> None:
    """End a passkey, a token, a session, or everything a person may do."""
    if act == "passkey":
        remove(repo(), actor, which, of=person.id)
    elif act == "revoke":
        with repo().database.reading() as session:
            token = session.get(Token, which)
        if token is None or token.person_id != person.id:
            raise BadRequest("this person has no such token")
        revoke_token(repo(), actor, which)
    elif act == "session":
        if which not in {row.id for row, whose in live(repo()) if whose.id == person.id}:
            raise BadRequest("this session has ended already")
        end(repo(), actor, which, reason="ended-by-another")
    elif act == "end":
        stated_motive(repo(), who, field("motive"), Act.ACCESS_REVOCATION)
        end_person(repo(), actor, person, motive=field("motive"))
    else:
        raise BadRequest("choose what is to be done")


def _until(text: str) -> datetime | None:
    found = instant(text) if text else None
    if found is not None and found <= repo().clock():
        raise BadRequest("this end lies in the past")
    return found


def _typed(*names: str) -> dict[str, str]:
    return {name: field(name) for name in names}
