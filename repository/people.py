"""People, their roles and grants, and the tokens of machines."""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from repository import SYSTEM_ID, Repository
from repository.access import ROLES
from repository.errors import (
    AlreadyExists,
    BadRequest,
    SignInRefused,
    UnknownPerson,
    UnknownToken,
)
from repository.models import Case, Grant, Person, Token
from repository.naming import shown

MAX_TEXT = 500

SYSTEM = Actor(SYSTEM_ID, "worker", "system")


def actor_of(person: Person, *, role: str, assurance: str) -> Actor:
    """Return a person as entries record them: name and organisation as they are now."""
    return Actor(person.id, role, assurance, person.name, person.organisation, person.country)


def new_person(
    repo: Repository,
    actor: Actor,
    *,
    name: str,
    role: str,
    organisation: str | None = None,
    country: str | None = None,
    login: str | None = None,
) -> Person:
    """Register a person.

    Raises:
        BadRequest: no such role, or no usable name.
        AlreadyExists: the name is taken.
    """
    if role not in ROLES:
        raise BadRequest(f"there is no role {shown(role)}; choose one of {', '.join(ROLES)}")
    for value in (name, organisation, country):
        if value is not None and not (value.strip() and len(value) <= MAX_TEXT):
            raise BadRequest(f"a name has 1 to {MAX_TEXT} characters")
    at = repo.clock()
    person = Person(
        id=uuid7(at, repo.random),
        name=name,
        role=role,
        organisation=organisation,
        country=country,
        login=login,
        created_at=at,
    )
    with repo.database.writing() as session:
        if session.scalar(select(Person.id).where(Person.name == name)):
            raise AlreadyExists(f"a person named {shown(name)} is registered already")
        session.add(person)
        session.flush()
        recorded = (
            actor if actor.id != SYSTEM_ID else actor_of(person, role=role, assurance="os-login")
        )
        detail = {"person": person.id, "name": name, "role": role}
        draft = Draft(
            Act.PERSON_REGISTERED, recorded, withheld={"detail": detail}, subject=person.id
        )
        repo.ledger.append(session, [draft])
    return person


def people(session: Session) -> list[Person]:
    """Return everyone registered, by name."""
    return list(session.scalars(select(Person).order_by(Person.name)))


def find_person(session: Session, named: str) -> Person:
    """Return the person of a name or an id.

    Raises:
        UnknownPerson: nobody is called so.
    """
    person = session.scalar(select(Person).where((Person.name == named) | (Person.id == named)))
    if person is None:
        raise UnknownPerson(f"nobody is registered as {shown(named)}; see: evidence person list")
    return person


def person_of_login(session: Session, login: str) -> Person | None:
    """Return the person bound to an account of the operating system."""
    return session.scalar(select(Person).where(Person.login == login))


def case_roles(session: Session, person_id: str, case_id: str) -> frozenset[str]:
    """Return the roles a person was granted on a case."""
    query = select(Grant.role).where(Grant.person_id == person_id, Grant.case_id == case_id)
    return frozenset(session.scalars(query))


def grant(repo: Repository, actor: Actor, *, case: Case, person: Person, role: str) -> None:
    """Give a person a role on a case; giving it again changes nothing.

    Raises:
        BadRequest: no such role.
    """
    if role not in ROLES:
        raise BadRequest(f"there is no role {shown(role)}; choose one of {', '.join(ROLES)}")
    with repo.database.writing() as session:
        if role in case_roles(session, person.id, case.id):
            return
        row = Grant(case_id=case.id, person_id=person.id, role=role, granted_at=repo.clock())
        session.add(row)
        session.flush()
        detail = {"person": person.id, "name": person.name, "role": role}
        withheld = {"case": case.code, "detail": detail}
        draft = Draft(Act.ACCESS_GRANT, actor, withheld=withheld, subject=case.id)
        repo.ledger.append(session, [draft])


def new_token(
    repo: Repository, actor: Actor, *, person: Person, expires_at: datetime | None
) -> tuple[Token, str]:
    """Return a token and the text `id.secret` that is shown once and never stored."""
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(8),
        person_id=person.id,
        secret_sha256=sha256(secret.encode()).hexdigest(),
        created_at=repo.clock(),
        expires_at=expires_at,
        revoked_at=None,
    )
    with repo.database.writing() as session:
        session.add(token)
        session.flush()
        _record_token(repo, session, actor, token, "issued")
    return token, f"{token.id}.{secret}"


def revoke_token(repo: Repository, actor: Actor, token_id: str) -> Token:
    """End a token at once; ending it again changes nothing.

    Raises:
        UnknownToken: there is none with this id.
    """
    with repo.database.writing() as session:
        token = session.get(Token, token_id)
        if token is None:
            raise UnknownToken(f"there is no token {shown(token_id)}")
        if token.revoked_at is None:
            token.revoked_at = repo.clock()
            session.flush()
            _record_token(repo, session, actor, token, "revoked")
    return token


def person_of_token(repo: Repository, presented: str) -> Person:
    """Return whose token this is.

    Raises:
        SignInRefused: malformed, unknown, wrong, expired or revoked; the attempt is recorded.
    """
    token_id, dot, secret = presented.partition(".")
    with repo.database.reading() as session:
        token = session.get(Token, token_id) if dot and token_id.isascii() else None
        person = session.get(Person, token.person_id) if token else None
    # Unknown ids cost the same comparison as known ones.
    expected = token.secret_sha256 if token else "0" * 64
    found = sha256(secret.encode("utf-8", "replace")).hexdigest()
    right = hmac.compare_digest(expected, found)
    reason = None
    if not dot or not secret:
        reason = "token-malformed"
    elif token is None or person is None or not right:
        reason = "token-unknown"
    elif token.revoked_at is not None:
        reason = "token-revoked"
    elif token.expires_at is not None and token.expires_at <= repo.clock():
        reason = "token-expired"
    if reason or person is None:
        nobody = Actor(SYSTEM_ID, "none", "none")
        known = actor_of(person, role=person.role, assurance="none") if person and right else nobody
        repo.ledger.record(Draft(Act.SIGN_IN, known, "refused", reason=reason))
        raise SignInRefused("the token is not valid; ask a custodian for a new one")
    return person


def _record_token(
    repo: Repository, session: Session, actor: Actor, token: Token, what: str
) -> None:
    withheld = {"detail": {"token": token.id, "what": what, "person": token.person_id}}
    draft = Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=f"token-{what}",
        withheld=withheld,
        subject=token.person_id,
    )
    repo.ledger.append(session, [draft])
