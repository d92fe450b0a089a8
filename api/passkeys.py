"""Register passkeys, sign in with them, list and remove one's own."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from api.place import PENDING, SESSION, Place, cookie, from_own_page, place_of
from api.request import caller, json_body, repo
from api.session import signed_in, whole
from api.session_schema import NewPasskey, PasskeyInvited, UsedPasskey
from custody.entry import Act, timestamp
from repository import ceremonies
from repository.access import STALE
from repository.authorise import Caller, refuse
from repository.credentials import Passkey
from repository.errors import AccessDenied
from repository.models import Person
from repository.passkeys import add, count, invited, known, passkeys, remove
from repository.web_sessions import begin, begun_before, step_up
from repository.web_sessions import refuse as refuse_sign_in

blueprint = Blueprint("passkeys", __name__, url_prefix="/api/v1")
REGISTER, SIGN_IN = "passkey-new", "passkey"


@blueprint.post("/session/passkey/options")
def sign_in_options() -> Response:
    """Begin a sign-in: what the browser asks of an authenticator."""
    from api import authenticators  # brings the checks of WebAuthn: on first use

    place = place_of(repo().settings, request)
    options, challenge = authenticators.to_sign_in(place)
    return _pending(place, options, SIGN_IN, {"challenge": challenge})


@blueprint.post("/session/passkey")
def sign_in() -> tuple[Response, int]:
    """End a sign-in: begin a session, or step up within one."""
    from api import authenticators

    asked = json_body(UsedPasskey)
    place, said = _begun(SIGN_IN)
    row, person = known(repo(), str(asked.credential.get("id")))
    try:
        counter = authenticators.used(place, asked.credential, said["challenge"], row.public_key)
    except authenticators.NotProved:
        refuse_sign_in(repo(), "passkey-not-proved", person)
    count(repo(), row, person, counter)
    begun = begin(
        repo(), person, "passkey", authenticated_at=repo().clock(),
        before=begun_before(repo(), cookie(repo().settings, request, SESSION)),
    )  # fmt: skip
    answer = signed_in(place, person, begun)
    place.take(answer, PENDING)
    return answer, 201


@blueprint.post("/passkeys/options")
def register_options() -> Response:
    """Begin a registration, by an invitation or within a session that a passkey began."""
    from api import authenticators

    place = place_of(repo().settings, request)
    asked = json_body(PasskeyInvited) if request.content_length else PasskeyInvited()
    if asked.invitation is None:
        invitation, person = None, _by_passkey(caller())
    else:
        row, person = invited(repo(), asked.invitation)
        invitation = row.id
    have = [one.credential for one in passkeys(repo(), person.id)]
    options, challenge = authenticators.to_register(place, person, have)
    said = {"challenge": challenge, "person": person.id, "invitation": invitation}
    return _pending(place, options, REGISTER, said)


@blueprint.post("/passkeys/registration")
def register() -> tuple[Response, int]:
    """End a registration: keep the passkey."""
    from api import authenticators

    asked = json_body(NewPasskey)
    place, said = _begun(REGISTER)
    try:
        new = authenticators.registered(place, asked.credential, said["challenge"], asked.label)
    except authenticators.NotProved:
        with repo().database.reading() as session:
            person = session.get(Person, said["person"])
        refuse_sign_in(repo(), "passkey-not-proved", person)
    row = add(repo(), said["person"], new, invitation=said["invitation"])
    answer = jsonify(_view(row))
    place.take(answer, PENDING)
    return answer, 201


@blueprint.get("/passkeys")
def mine() -> Response:
    """List the caller's passkeys."""
    who = whole(caller())
    return jsonify(items=[_view(row) for row in passkeys(repo(), who.person.id)])


@blueprint.delete("/passkeys/<passkey>")
def take_away(passkey: str) -> tuple[str, int]:
    """Remove one of the caller's passkeys; other sessions that passkeys began end with it."""
    who = _recent(whole(caller()))
    remove(repo(), who.actor(), passkey, of=who.person.id, keeping=who.session)
    return "", 204


def _pending(place: Place, options: dict[str, Any], kind: str, said: dict[str, Any]) -> Response:
    if not from_own_page(repo().settings, request):
        refuse_sign_in(repo(), "cross-site-request")
    answer = jsonify(options=options)
    secret = ceremonies.begin(repo(), kind, said)
    place.put(answer, PENDING, secret, seconds=60 * ceremonies.MINUTES)
    return answer


def _begun(kind: str) -> tuple[Place, dict[str, Any]]:
    """Return what this browser began, which is used up by it.

    Raises:
        SignInRefused: nothing, or another site's page goes on with it; recorded.
    """
    settings = repo().settings
    place = place_of(settings, request)
    if not from_own_page(settings, request):
        refuse_sign_in(repo(), "cross-site-request")
    said = ceremonies.finish(repo(), kind, cookie(settings, request, PENDING))
    if said is None:
        refuse_sign_in(repo(), "passkey-not-begun")
    return place, said


def _by_passkey(who: Caller) -> Person:
    """Return a person who has proved by a passkey, not long ago, who they are."""
    if who.session is None or who.assurance != "passkey":
        error = AccessDenied("a first passkey takes an invitation: evidence person invite NAME")
        refuse(repo(), who, Act.CONFIGURATION_CHANGE, ["invitation-required"], error)
    return _recent(who).person


def _recent(who: Caller) -> Caller:
    stale = step_up(repo(), (STALE,))
    if stale and who.recent_until is not None and who.recent_until <= repo().clock():
        refuse(repo(), who, Act.CONFIGURATION_CHANGE, [STALE], stale)
    return who


def _view(row: Passkey) -> dict[str, Any]:
    return {
        "passkey": row.id,
        "label": row.label,
        "made_at": timestamp(row.made_at),
        "used_at": timestamp(row.used_at) if row.used_at else None,
    }
