"""Sessions of browsers: begun by a sign-in, renewed by the next one, ended on either side.

To sign in again within a session is the step-up: the same row, a new secret, a new time. Every
begin, step-up and end is an entry `sign_in`, and so is every cookie that was refused.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from repository import SYSTEM_ID, Repository
from repository.access import STALE
from repository.credentials import WebSession
from repository.errors import SignInRefused, StepUpRequired, UnknownSession
from repository.models import Person, Token
from repository.naming import shown
from repository.people import actor_of

WAYS = ("token", "oidc", "passkey")
_TOUCH = timedelta(minutes=1)  # how exactly it is known when a session was last used


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that somebody just signed in to, and the text of its cookie, kept nowhere."""

    session: WebSession
    cookie: str


def begin(
    repo: Repository,
    person: Person,
    way: str,
    *,
    authenticated_at: datetime | None,
    token: str | None = None,
    before: str | None = None,
) -> Begun:
    """Sign a person in who has proved who they are; within their live session it is a step-up.

    Args:
        repo: the repository.
        person: who it is.
        way: one of `WAYS`.
        authenticated_at: when they proved it; None: nobody says when.
        token: the id of the token it was done with; the session ends with it.
        before: the id of the live session that the browser already has (`begun_before`).

    Raises:
        SignInRefused: the person was ended; recorded.
    """
    at = repo.clock()
    secret = secrets.token_urlsafe(32)
    ended = False
    with repo.database.writing() as session:
        known = session.get_one(Person, person.id, with_for_update={"key_share": True})
        ended = known.ended_at is not None and known.ended_at <= at
        if not ended:
            row, drafts = _row(repo, session, known, way, before, at)
            row.secret_sha256, row.way, row.token_id = _digest(secret), way, token
            row.authenticated_at, row.used_at = authenticated_at, at
            session.flush()
            repo.ledger.append(session, drafts)
    if ended:
        refuse(repo, "person-ended", person)
    return Begun(row, f"{row.id}.{secret}")


def _row(
    repo: Repository, session: Session, person: Person, way: str, before: str | None, at: datetime
) -> tuple[WebSession, list[Draft]]:
    """Return the session to sign in to, and the entries about it and the one it replaces."""
    found = session.get(WebSession, before, with_for_update={"key_share": True}) if before else None
    drafts = []
    if found is not None and found.ended_at is None and _expired(repo, found, at) is None:
        if found.person_id == person.id:
            return found, [_draft(person, way, found.id, "step-up")]
        found.ended_at = at
        other = session.get_one(Person, found.person_id)
        drafts.append(_draft(other, found.way, found.id, "session-replaced"))
    row = WebSession(id=secrets.token_hex(8), person_id=person.id, begun_at=at)
    session.add(row)
    return row, [*drafts, _draft(person, way, row.id, "session-begun")]


def begun_before(repo: Repository, presented: str | None) -> str | None:
    """Return the id of the live session of a cookie, if it is one; nothing is recorded."""
    with repo.database.reading() as session:
        row = _presented(session, presented)
    live = row is not None and row.ended_at is None and _expired(repo, row, repo.clock()) is None
    return row.id if row is not None and live else None


def find(repo: Repository, presented: str) -> tuple[WebSession, Person]:
    """Return the session of a cookie and whose it is; that it was used is noted.

    Raises:
        SignInRefused: malformed, unknown, wrong, ended or expired; recorded.
    """
    at = repo.clock()
    with repo.database.reading() as session:
        row = _presented(session, presented)
        person = session.get(Person, row.person_id) if row else None
        token = session.get(Token, row.token_id) if row and row.token_id else None
    if row is None or person is None:
        refuse(repo, "session-unknown")
    if row.ended_at is not None:
        refuse(repo, "session-ended", person)
    if person.ended_at is not None and person.ended_at <= at:
        refuse(repo, "person-ended", person)
    reason = _expired(repo, row, at)
    if token is not None and token.revoked_at is not None:
        reason = "token-revoked"
    elif token is not None and token.expires_at is not None and token.expires_at <= at:
        reason = "token-expired"
    if reason is not None or at - row.used_at >= _TOUCH:
        with repo.database.writing() as session:
            now = session.get_one(WebSession, row.id, with_for_update={"key_share": True})
            if reason is None:
                now.used_at = at
            elif now.ended_at is None:
                now.ended_at = at
    if reason is not None:
        refuse(repo, reason, person)
    return row, person


def end(repo: Repository, actor: Actor, session_id: str, *, reason: str) -> None:
    """End a session at once; what is being read in it breaks off. Again, it changes nothing.

    Raises:
        UnknownSession: there is none with this id.
    """
    with repo.database.writing() as session:
        row = session.get(WebSession, session_id, with_for_update={"key_share": True})
        if row is None:
            raise UnknownSession(f"there is no session {shown(session_id)}")
        if row.ended_at is not None:
            return
        row.ended_at = repo.clock()
        session.flush()
        detail = {"session": row.id, "person": row.person_id}
        draft = Draft(
            Act.SIGN_IN, actor, reason=reason, withheld={"detail": detail}, subject=row.person_id
        )
        repo.ledger.append(session, [draft])


def live(repo: Repository) -> Sequence[tuple[WebSession, Person]]:
    """Return the sessions that a cookie would still open, the one used last first."""
    at = repo.clock()
    query = (
        select(WebSession, Person)
        .join(Person, Person.id == WebSession.person_id)
        .where(WebSession.ended_at.is_(None))
        .order_by(WebSession.used_at.desc(), WebSession.id)
    )
    with repo.database.reading() as session:
        rows = [(row, person) for row, person in session.execute(query)]
    return [(row, person) for row, person in rows if _expired(repo, row, at) is None]


def ends_at(repo: Repository, row: WebSession) -> datetime:
    """Return when a session ends by itself if it is not used again."""
    settings = repo.settings
    idle = row.used_at + timedelta(minutes=settings.session_idle_minutes)
    return min(idle, row.begun_at + timedelta(hours=settings.session_hours))


def ended(session: Session, session_id: str | None, token_id: str | None) -> bool:
    """Say whether somebody ended the session or the token that a request came with."""
    row = session.get(WebSession, session_id) if session_id else None
    token = session.get(Token, token_id) if token_id else None
    return bool((row and row.ended_at) or (token and token.revoked_at))


def step_up(repo: Repository, reasons: Sequence[str]) -> StepUpRequired | None:
    """Return the error of an act that would be allowed if the sign-in were recent."""
    if tuple(reasons) != (STALE,):
        return None
    minutes = repo.settings.step_up_minutes
    return StepUpRequired(
        f"this takes a sign-in of the last {minutes} minutes: confirm who you are, then ask again",
        max_age=minutes * 60,
    )


def refuse(repo: Repository, reason: str, person: Person | None = None) -> NoReturn:
    """Record a refused sign-in, then say so in words that tell nothing of why.

    Raises:
        SignInRefused: always.
    """
    nobody = Actor(SYSTEM_ID, "none", "none")
    known = actor_of(person, role=person.role, assurance="none") if person else nobody
    repo.ledger.record(Draft(Act.SIGN_IN, known, "refused", reason=reason))
    raise SignInRefused("you are not signed in, or not any more; sign in again")


def _presented(session: Session, presented: str | None) -> WebSession | None:
    """Return the session of a cookie's text, whatever its state; None: there is none."""
    session_id, _, secret = (presented or "").partition(".")
    row = session.get(WebSession, session_id) if session_id.isalnum() else None
    # Unknown ids cost the same comparison as known ones.
    expected = row.secret_sha256 if row else "0" * 64
    return row if hmac.compare_digest(expected, _digest(secret)) else None


def _expired(repo: Repository, row: WebSession, at: datetime) -> str | None:
    return "session-expired" if ends_at(repo, row) <= at else None


def _draft(person: Person, way: str, session_id: str, reason: str) -> Draft:
    actor = actor_of(person, role=person.role, assurance=way)
    return Draft(Act.SIGN_IN, actor, reason=reason, withheld={"detail": {"session": session_id}})


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()
