"""Who is asking: bearer tokens (RFC 6750) and sessions. A refused sign-in is an entry."""

from datetime import timedelta

from flask import Request

from api.place import SESSION, cookie, from_own_page
from custody.entry import Act, Actor, Draft
from repository import SYSTEM_ID, Repository
from repository.authorise import Caller
from repository.errors import SignInRefused
from repository.people import person_of_token
from repository.web_sessions import find, refuse

MAX_TOKEN = 200


def caller_of(repo: Repository, request: Request) -> Caller:
    """Return the caller of a request: of its token if it has one, else of its session.

    Raises:
        SignInRefused: neither, or not valid, or sent by another site's page; recorded.
    """
    presented = cookie(repo.settings, request, SESSION)
    authorization = request.headers.get("Authorization")
    if authorization is None and presented is not None:
        return caller_of_session(repo, request, presented)
    return caller_of_token(repo, authorization)


def caller_of_token(repo: Repository, authorization: str | None) -> Caller:
    """Return the caller of an `Authorization` header.

    Raises:
        SignInRefused: none, malformed, unknown, expired or revoked; recorded.
    """
    scheme, _, presented = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not presented or len(presented) > MAX_TOKEN:
        nobody = Actor(SYSTEM_ID, "none", "none")
        reason = "token-malformed" if authorization else "token-missing"
        repo.ledger.record(Draft(Act.SIGN_IN, nobody, "refused", reason=reason))
        raise SignInRefused("send a token: Authorization: Bearer ID.SECRET")
    person, only = person_of_token(repo, presented.strip())
    return Caller(person, "token", only, token=presented.strip().partition(".")[0])


def caller_of_session(repo: Repository, request: Request, presented: str) -> Caller:
    """Return the caller of a cookie.

    Raises:
        SignInRefused: not a live session, or another site's page sent it along; recorded.
    """
    row, person = find(repo, presented[:MAX_TOKEN])
    if not from_own_page(repo.settings, request):
        refuse(repo, "cross-site-request", person)
    recent = timedelta(minutes=repo.settings.step_up_minutes)
    proved = row.authenticated_at or row.begun_at - recent
    return Caller(person, row.way, session=row.id, recent_until=proved + recent)
