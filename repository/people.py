"""People, their roles and grants, and the tokens of machines."""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import SYSTEM_ID, Repository
from repository.access import GRANTABLE, PARTIES, ROLES
from repository.conditions import SEVERAL
from repository.credentials import WebSession
from repository.errors import (
    AlreadyExists,
    BadRequest,
    SignInRefused,
    UnknownPerson,
    UnknownSubmission,
    UnknownToken,
)
from repository.models import Case, Grant, Person, Submission, Token
from repository.naming import shown
from repository.rules import Organisation

MAX_TEXT = 500
MAX_PARTY = 200
KINDS = ("national-unit", "ncb", "tribunal", "mechanism", "ngo", "other")

SYSTEM = Actor(SYSTEM_ID, "worker", "system")
_OF_TOKEN = (  # put together once: every request of a program asks it
    select(Token, Person)
    .join(Person, Person.id == Token.person_id)
    .where(Token.id == bindparam("token"))
)


def actor_of(person: Person, *, role: str, assurance: str) -> Actor:
    """Return a person as entries record them: name and organisation as they are now."""
    return Actor(person.id, role, assurance, person.name, person.organisation, person.country)


def new_organisation(
    repo: Repository, actor: Actor, *, name: str, kind: str, country: str | None = None
) -> Organisation:
    """Register an organisation, or say of which kind one is that people were registered for.

    Raises:
        BadRequest: no such kind, or no usable name.
        AlreadyExists: it is registered with its kind.
    """
    if kind not in KINDS:
        raise BadRequest(f"there is no kind {shown(kind)}; choose one of {', '.join(KINDS)}")
    _check_names(name, country)
    with repo.database.writing() as session:
        row = named_organisation(session, name, at=repo.clock())
        if row.kind != "unstated":
            raise AlreadyExists(f"an organisation named {shown(name)} is registered already")
        row.kind, row.country = kind, country
        session.flush()
        detail = {"organisation": name, "kind": kind, "country": country}
        draft = Draft(
            Act.CONFIGURATION_CHANGE,
            actor,
            reason="organisation-registered",
            withheld={"detail": detail},
        )
        repo.ledger.append(session, [draft])
    return row


def named_organisation(session: Session, name: str, *, at: datetime | None = None) -> Organisation:
    """Return an organisation; one that is named for the first time is added, of unstated kind.

    Raises:
        BadRequest: there is none, and no time was given to add it; or it left.
    """
    row = session.get(Organisation, name)
    if row is None:
        if at is None:
            raise BadRequest(f"there is no organisation {shown(name)}; see: organisation list")
        if SEVERAL in name:
            raise BadRequest(f"the name of an organisation does not have {SEVERAL!r} in it")
        row = Organisation(name=name, kind="unstated", created_at=at)
        session.add(row)
        session.flush()
    if row.ended_at is not None:
        raise BadRequest(f"{shown(name)} left; name its successor, or another organisation")
    return row


def organisations(session: Session) -> list[Organisation]:
    """Return every organisation, by name."""
    return list(session.scalars(select(Organisation).order_by(Organisation.name)))


def _check_names(*names: str | None) -> None:
    for value in names:
        if value is not None and not (value.strip() and len(value) <= MAX_TEXT):
            raise BadRequest(f"a name has 1 to {MAX_TEXT} characters")


def new_person(
    repo: Repository,
    actor: Actor,
    *,
    name: str,
    role: str,
    organisation: str | None = None,
    country: str | None = None,
    login: str | None = None,
    same_as: Person | None = None,
) -> Person:
    """Register a person, or one more account of a human being (`same_as`).

    Raises:
        BadRequest: no such role, or no usable name.
        AlreadyExists: the name is taken.
    """
    if role not in ROLES:
        raise BadRequest(f"there is no role {shown(role)}; choose one of {', '.join(ROLES)}")
    _check_names(name, organisation, country)
    at = repo.clock()
    person = Person(
        id=uuid7(at, repo.random),
        name=name,
        role=role,
        organisation=organisation,
        country=country,
        login=login,
        created_at=at,
        identity=same_as.one if same_as else None,
    )
    with repo.database.writing() as session:
        if session.scalar(select(Person.id).where(Person.name == name)):
            raise AlreadyExists(f"a person named {shown(name)} is registered already")
        if organisation is not None:
            named_organisation(session, organisation, at=at)
        session.add(person)
        session.flush()
        recorded = (
            actor if actor.id != SYSTEM_ID else actor_of(person, role=role, assurance="os-login")
        )
        detail = {"person": person.id, "name": name, "role": role}
        if same_as is not None:
            detail["same_as"] = same_as.one
        draft = Draft(
            Act.PERSON_REGISTERED, recorded, withheld={"detail": detail}, subject=person.id
        )
        repo.ledger.append(session, [draft])
    return person


def end_person(repo: Repository, actor: Actor, person: Person, *, motive: str) -> None:
    """End whatever a person may do, at once: sign-in, grants, and readings that are under way.

    That a motive was stated is seen to before (`stated.stated_motive`).

    Raises:
        BadRequest: the person acts here and now.
    """
    if person.id == actor.id:
        raise BadRequest("nobody ends their own part; ask another custodian")
    with repo.database.writing() as session:
        row = session.get_one(Person, person.id, with_for_update={"key_share": True})
        if row.ended_at is not None:
            return
        row.ended_at = repo.clock()
        session.execute(
            update(WebSession)
            .where(WebSession.person_id == person.id, WebSession.ended_at.is_(None))
            .values(ended_at=row.ended_at)
        )
        session.flush()
        withheld = {"motive": motive, "detail": {"person": person.id, "name": person.name}}
        draft = Draft(
            Act.ACCESS_REVOCATION,
            actor,
            reason="person-ended",
            withheld=withheld,
            subject=person.id,
        )
        repo.ledger.append(session, [draft])


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


def grant(
    repo: Repository,
    actor: Actor,
    *,
    case: Case,
    person: Person,
    role: str,
    party: str | None = None,
    until: datetime | None = None,
) -> None:
    """Give a person a role on a case, for a party, until a time; again, it changes both.

    Raises:
        BadRequest: no such role, or a party for one that acts for none, or none for one that does.
    """
    if role not in GRANTABLE:
        raise BadRequest(f"there is no role {shown(role)}; choose one of {', '.join(GRANTABLE)}")
    if (role in PARTIES) != (party is not None):
        raise BadRequest(f"{' and '.join(sorted(PARTIES))} act for a party, and they alone")
    if party is not None and not (party.strip() and len(party) <= MAX_PARTY):
        raise BadRequest(f"a party has a name of 1 to {MAX_PARTY} characters")
    with repo.database.writing() as session:
        row = session.get(Grant, (case.id, person.id, role))
        if row is not None and (row.party, row.until) == (party, until):
            return
        if row is None:
            row = Grant(case_id=case.id, person_id=person.id, role=role, granted_at=repo.clock())
            session.add(row)
        row.party, row.until = party, until
        session.flush()
        detail = {"person": person.id, "name": person.name, "role": role}
        if party is not None:
            detail["party"] = party
        if until is not None:
            detail["until"] = timestamp(until)
        withheld = {"case": case.code, "detail": detail}
        draft = Draft(Act.ACCESS_GRANT, actor, withheld=withheld, subject=case.id)
        repo.ledger.append(session, [draft])


def revoke(repo: Repository, actor: Actor, *, case: Case, person: Person, role: str) -> None:
    """Take a role on a case away, at once; what is not there is no error.

    The row ends with it: that it was there stands in the ledger.
    """
    with repo.database.writing() as session:
        row = session.get(Grant, (case.id, person.id, role))
        if row is None:
            return
        session.delete(row)
        session.flush()
        detail = {"person": person.id, "name": person.name, "role": role}
        withheld = {"case": case.code, "detail": detail}
        draft = Draft(Act.ACCESS_REVOCATION, actor, withheld=withheld, subject=case.id)
        repo.ledger.append(session, [draft])


def new_token(
    repo: Repository,
    actor: Actor,
    *,
    person: Person,
    expires_at: datetime | None,
    submission: str | None = None,
    certificate: str | None = None,
) -> tuple[Token, str]:
    """Return a token and the text `id.secret` that is shown once and never stored.

    With `submission` it adds to that submission of the person's own and reads nothing back; with
    `certificate`, the SHA-256 of a client's certificate, it works over lines of that client alone.

    Raises:
        UnknownSubmission: the person has no such submission.
    """
    if submission is not None:
        with repo.database.reading() as session:
            row = session.get(Submission, submission)
        if row is None or row.person_id != person.id:
            raise UnknownSubmission(f"{shown(person.name)} has no submission {shown(submission)}")
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(8),
        person_id=person.id,
        secret_sha256=sha256(secret.encode()).hexdigest(),
        created_at=repo.clock(),
        expires_at=expires_at,
        revoked_at=None,
        submission_id=submission,
        certificate_sha256=certificate,
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


def person_of_token(
    repo: Repository, presented: str, certificate: str | None
) -> tuple[Person, Token]:
    """Return whose token this is, and the token.

    Args:
        repo: the repository.
        presented: the token's text.
        certificate: the SHA-256 of the client's certificate, where the line has one.

    Raises:
        SignInRefused: malformed, unknown, wrong, expired, revoked or without its certificate; the
            attempt is recorded.
    """
    token_id, dot, secret = presented.partition(".")
    with repo.database.reading() as session:
        asked = {"token": token_id if dot and token_id.isascii() else ""}
        row = session.execute(_OF_TOKEN, asked).one_or_none()
    token, person = row if row is not None else (None, None)
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
    elif token.certificate_sha256 not in (None, certificate):
        reason = "token-certificate"
    elif person.ended_at is not None and person.ended_at <= repo.clock():
        reason = "person-ended"
    if reason or person is None or token is None:
        nobody = Actor(SYSTEM_ID, "none", "none")
        known = actor_of(person, role=person.role, assurance="none") if person and right else nobody
        repo.ledger.record(Draft(Act.SIGN_IN, known, "refused", reason=reason))
        raise SignInRefused("the token is not valid; ask a custodian for a new one")
    return person, token


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
