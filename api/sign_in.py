"""Who is asking: bearer tokens (RFC 6750) and sessions. A refused sign-in is an entry."""

import ssl
from datetime import timedelta
from hashlib import sha256

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
    return caller_of_token(repo, request)


def caller_of_token(repo: Repository, request: Request) -> Caller:
    """Return the caller of a request's `Authorization` header.

    Raises:
        SignInRefused: none, malformed, unknown, expired, revoked, or without the certificate that
            it works with alone; recorded.
    """
    authorization = request.headers.get("Authorization")
    scheme, _, presented = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not presented or len(presented) > MAX_TOKEN:
        nobody = Actor(SYSTEM_ID, "none", "none")
        reason = "token-malformed" if authorization else "token-missing"
        repo.ledger.record(Draft(Act.SIGN_IN, nobody, "refused", reason=reason))
        raise SignInRefused("send a token: Authorization: Bearer ID.SECRET")
    shown = _certificate(request)
    person, token = person_of_token(repo, presented.strip(), shown)
    bound = token.certificate_sha256 is not None
    way = "token-certificate" if bound else "token"
    return Caller(person, way, token.submission_id, token=token.id)


def _certificate(request: Request) -> str | None:
    """Return the SHA-256 of the certificate that the client's TLS showed, if it did.

    The line itself is asked. What a proxy may say in a header is not believed: behind a proxy that
    ends TLS such tokens do not work.
    """
    line = request.environ.get("gunicorn.socket")
    found = line.getpeercert(binary_form=True) if isinstance(line, ssl.SSLSocket) else None
    return sha256(found).hexdigest() if found else None


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
