"""Sign in with a browser, see who one is, and sign out."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from api.place import SESSION, Place, cookie, place_of
from api.request import caller, repo
from api.sign_in import caller_of_token
from custody.entry import Act, timestamp
from repository.authorise import Caller, refuse
from repository.credentials import WebSession
from repository.errors import AccessDenied, BadRequest
from repository.models import Person
from repository.web_sessions import Begun, begin, begun_before, end, ends_at

blueprint = Blueprint("session", __name__, url_prefix="/api/v1/session")


@blueprint.get("")
def show() -> Response:
    """Say who is signed in; nobody is told nobody, so that a page can ask without an entry."""
    known = request.headers.get("Authorization") or cookie(repo().settings, request, SESSION)
    if not known:
        return jsonify(signed_in=False, person=None, session=None, providers=_providers())
    who = whole(caller())
    row = None
    if who.session is not None:
        with repo().database.reading() as session:
            row = session.get_one(WebSession, who.session)
    return jsonify(_view(who.person, row))


@blueprint.post("")
def sign_in() -> tuple[Response, int]:
    """Begin a session with a token, so that no script of a page has to keep it; or step up."""
    place = place_of(repo().settings, request)
    who = whole(caller_of_token(repo(), request))
    if who.assurance != "token":
        error = AccessDenied("this token works with its client's certificate; no browser has that")
        refuse(repo(), who, Act.SIGN_IN, ["token-certificate"], error)
    begun = begin(
        repo(), who.person, "token", authenticated_at=repo().clock(), token=who.token,
        before=begun_before(repo(), cookie(repo().settings, request, SESSION)),
    )  # fmt: skip
    return signed_in(place, who.person, begun), 201


@blueprint.delete("")
def sign_out() -> tuple[Response, int]:
    """End the session that this request comes in."""
    who = whole(caller())
    if who.session is None:
        raise BadRequest("a token is no session; to end it: evidence token revoke ID")
    end(repo(), who.actor(), who.session, reason="signed-out")
    answer = Response()
    place_of(repo().settings, request).take(answer, SESSION)
    return answer, 204


def whole(who: Caller) -> Caller:
    """Return a caller who may do whatever the person may."""
    if who.only is not None:
        error = AccessDenied("this token adds to one submission; nobody signs in with it")
        refuse(repo(), who, Act.SIGN_IN, ["token-scope"], error)
    return who


def signed_in(place: Place, person: Person, begun: Begun) -> Response:
    """Return what a browser is told that just signed in, with its cookie."""
    answer = jsonify(_view(person, begun.session))
    place.put(answer, SESSION, begun.cookie)
    return answer


def _providers() -> list[dict[str, str]]:
    return [{"name": one.name, "label": one.label} for one in repo().settings.oidc]


def _view(person: Person, row: WebSession | None) -> dict[str, Any]:
    """Return the members of `session_schema.SessionView`."""
    found: dict[str, Any] = {
        "signed_in": True,
        "person": {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "organisation": person.organisation,
        },
        "session": None,
        "providers": _providers(),
    }
    if row is not None:
        proved = row.authenticated_at
        found["session"] = {
            "id": row.id,
            "way": row.way,
            "begun_at": timestamp(row.begun_at),
            "authenticated_at": timestamp(proved) if proved else None,
            "ends_at": timestamp(ends_at(repo(), row)),
        }
    return found
