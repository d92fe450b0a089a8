"""Who is asking: bearer tokens (RFC 6750). A refused sign-in is an entry."""

from custody.entry import Act, Actor, Draft
from repository import SYSTEM_ID, Repository
from repository.authorise import Caller
from repository.errors import SignInRefused
from repository.people import person_of_token

MAX_TOKEN = 200


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
    return Caller(person, "token", only)
