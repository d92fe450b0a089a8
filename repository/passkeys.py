"""Passkeys: a first one by an invitation made on the command line, further ones by the first.

A passkey belongs to one person for good: removed, it is not taken for anybody again.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.credentials import Passkey, PersonInvitation, WebSession
from repository.errors import AlreadyExists, BadRequest, UnknownPasskey
from repository.models import Person
from repository.naming import shown
from repository.people import actor_of
from repository.web_sessions import refuse

MAX_HOURS = 24 * 14
MAX_LABEL = 100


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a browser's authenticator made and the check of it found."""

    credential: str  # base64url
    public_key: bytes
    sign_count: int
    label: str


def invite(repo: Repository, actor: Actor, person: Person, *, hours: int) -> str:
    """Return a code with which a person registers one passkey; earlier codes end.

    Raises:
        BadRequest: too long a time.
    """
    if not 1 <= hours <= MAX_HOURS:
        raise BadRequest(f"an invitation lasts 1 to {MAX_HOURS} hours")
    at, secret = repo.clock(), secrets.token_urlsafe(32)
    row = PersonInvitation(
        id=secrets.token_hex(8),
        person_id=person.id,
        secret_sha256=_digest(secret),
        expires_at=at + timedelta(hours=hours),
    )
    earlier = update(PersonInvitation).where(
        PersonInvitation.person_id == person.id, PersonInvitation.used_at.is_(None)
    )
    with repo.database.writing() as session:
        session.execute(earlier.values(used_at=at))
        session.add(row)
        session.flush()
        detail = {"person": person.id, "invitation": row.id, "hours": hours}
        repo.ledger.append(session, [_draft(actor, person.id, "invited", detail)])
    return f"{row.id}.{secret}"


def invited(repo: Repository, code: str) -> tuple[PersonInvitation, Person]:
    """Return an invitation that still holds, and for whom it is.

    Raises:
        SignInRefused: unknown, used or over, or the person was ended; recorded.
    """
    invitation_id, _, secret = code.partition(".")
    with repo.database.reading() as session:
        row = session.get(PersonInvitation, invitation_id) if invitation_id.isalnum() else None
        person = session.get(Person, row.person_id) if row else None
    expected = row.secret_sha256 if row else "0" * 64
    right = hmac.compare_digest(expected, _digest(secret))
    if row is None or person is None or not right:
        refuse(repo, "invitation-unknown")
    if row.used_at is not None:
        refuse(repo, "invitation-used", person)
    if row.expires_at <= repo.clock():
        refuse(repo, "invitation-expired", person)
    if person.ended_at is not None and person.ended_at <= repo.clock():
        refuse(repo, "person-ended", person)
    return row, person


def add(repo: Repository, person_id: str, new: NewKey, *, invitation: str | None) -> Passkey:
    """Keep a person's passkey; with an invitation that is used up by it.

    Raises:
        BadRequest: no usable label.
        AlreadyExists: this passkey is registered, whoever's it is.
        SignInRefused: the invitation was used meanwhile; recorded.
    """
    label = new.label.strip()
    if not label or len(label) > MAX_LABEL:
        raise BadRequest(f"a passkey is called something of 1 to {MAX_LABEL} characters")
    at = repo.clock()
    row = Passkey(
        id=secrets.token_hex(8),
        credential=new.credential,
        person_id=person_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        label=label,
        made_at=at,
    )
    with repo.database.writing() as session:
        person = session.get_one(Person, person_id, with_for_update={"key_share": True})
        if session.scalar(select(Passkey.id).where(Passkey.credential == new.credential)):
            raise AlreadyExists("this passkey is registered already")
        gone = person.ended_at is not None and person.ended_at <= at
        used = invitation is not None and not _use(session, invitation, at)
        if not gone and not used:
            session.add(row)
            session.flush()
            way = "passkey" if invitation is None else "invitation"
            actor = actor_of(person, role=person.role, assurance=way)
            detail = {"person": person_id, "passkey": row.id, "label": label}
            repo.ledger.append(session, [_draft(actor, person_id, "registered", detail)])
    if gone or used:
        refuse(repo, "person-ended" if gone else "invitation-used", person)
    return row


def _use(session: Session, invitation: str, at: datetime) -> bool:
    """Use an invitation up; False: somebody did so before."""
    row = session.get_one(PersonInvitation, invitation, with_for_update={"key_share": True})
    if row.used_at is not None:
        return False
    row.used_at = at
    return True


def known(repo: Repository, credential: str) -> tuple[Passkey, Person]:
    """Return a passkey by its id at the authenticator, and whose it is.

    Raises:
        SignInRefused: nobody registered it, or it was removed; recorded.
    """
    with repo.database.reading() as session:
        row = session.scalar(select(Passkey).where(Passkey.credential == credential))
        person = session.get(Person, row.person_id) if row else None
    if row is None or person is None:
        refuse(repo, "passkey-unknown")
    if row.ended_at is not None:
        refuse(repo, "passkey-removed", person)
    return row, person


def count(repo: Repository, row: Passkey, person: Person, sign_count: int) -> None:
    """Note that a passkey was used; a counter that does not rise means that there is a copy of it.

    Raises:
        SignInRefused: it did not rise, or the passkey was removed meanwhile; recorded.
    """
    with repo.database.writing() as session:
        now = session.get_one(Passkey, row.id, with_for_update={"key_share": True})
        counts = sign_count > 0 or now.sign_count > 0
        copied = counts and sign_count <= now.sign_count
        removed = now.ended_at is not None
        if not copied and not removed:
            now.sign_count, now.used_at = sign_count, repo.clock()
    if copied or removed:
        refuse(repo, "passkey-counter" if copied else "passkey-removed", person)


def passkeys(repo: Repository, person_id: str) -> Sequence[Passkey]:
    """Return a person's passkeys, the oldest first."""
    query = select(Passkey).where(Passkey.person_id == person_id, Passkey.ended_at.is_(None))
    with repo.database.reading() as session:
        return list(session.scalars(query.order_by(Passkey.made_at, Passkey.id)))


def remove(
    repo: Repository, actor: Actor, passkey_id: str, *, of: str | None = None,
    keeping: str | None = None,
) -> None:  # fmt: skip
    """Take a passkey away; sessions of its person that passkeys began end with it.

    Args:
        repo: the repository.
        actor: who does it.
        passkey_id: our id of it.
        of: the id of the person whose it must be.
        keeping: the session that goes on, if one does.

    Raises:
        UnknownPasskey: there is none, or it is somebody else's.
    """
    at = repo.clock()
    with repo.database.writing() as session:
        row = session.get(Passkey, passkey_id, with_for_update={"key_share": True})
        if row is None or row.ended_at is not None or of not in (None, row.person_id):
            raise UnknownPasskey(f"there is no passkey {shown(passkey_id)}")
        row.ended_at = at
        ends = update(WebSession).where(
            WebSession.person_id == row.person_id,
            WebSession.way == "passkey",
            WebSession.ended_at.is_(None),
            WebSession.id != (keeping or ""),
        )
        session.execute(ends.values(ended_at=at))
        session.flush()
        detail = {"person": row.person_id, "passkey": row.id, "label": row.label}
        repo.ledger.append(session, [_draft(actor, row.person_id, "removed", detail)])


def _draft(actor: Actor, person_id: str, what: str, detail: Mapping[str, object]) -> Draft:
    return Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=f"passkey-{what}",
        withheld={"detail": detail},
        subject=person_id,
    )


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()
