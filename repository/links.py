"""Whom an identity provider means by a subject: said beforehand by a custodian, one person each."""

from collections.abc import Sequence

from sqlalchemy import select, update

from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.credentials import IdentityLink, WebSession
from repository.errors import AlreadyExists, BadRequest
from repository.models import Person
from repository.naming import shown

MAX_ISSUER, MAX_SUBJECT = 500, 255


def link(repo: Repository, actor: Actor, person: Person, *, issuer: str, subject: str) -> None:
    """Let whoever a provider calls by this subject sign in as a person.

    Raises:
        BadRequest: no usable issuer or subject.
        AlreadyExists: this subject is somebody already; nobody becomes two people by it.
    """
    if not issuer.startswith(("https://", "http://")) or len(issuer) > MAX_ISSUER:
        raise BadRequest("an issuer is the address by which the provider names itself")
    if not subject.strip() or len(subject) > MAX_SUBJECT:
        raise BadRequest(f"a subject has 1 to {MAX_SUBJECT} characters")
    with repo.database.writing() as session:
        row = session.get(IdentityLink, (issuer, subject))
        if row is not None:
            whose = session.get_one(Person, row.person_id)
            raise AlreadyExists(f"this subject is linked to {shown(whose.name)} already")
        session.add(
            IdentityLink(
                issuer=issuer, subject=subject, person_id=person.id, linked_at=repo.clock()
            )
        )
        session.flush()
        repo.ledger.append(session, [_draft(actor, person.id, issuer, subject, "linked")])


def unlink(repo: Repository, actor: Actor, *, issuer: str, subject: str) -> None:
    """Take a link away; the person's sessions that began with a provider end with it.

    Raises:
        BadRequest: there is no such link.
    """
    with repo.database.writing() as session:
        row = session.get(IdentityLink, (issuer, subject), with_for_update=True)
        if row is None:
            raise BadRequest("there is no such link; see: evidence person links")
        session.delete(row)
        session.execute(
            update(WebSession)
            .where(
                WebSession.person_id == row.person_id,
                WebSession.way == "oidc",
                WebSession.ended_at.is_(None),
            )
            .values(ended_at=repo.clock())
        )
        session.flush()
        repo.ledger.append(session, [_draft(actor, row.person_id, issuer, subject, "unlinked")])


def links(repo: Repository) -> Sequence[tuple[IdentityLink, Person]]:
    """Return every link and whose it is."""
    query = (
        select(IdentityLink, Person)
        .join(Person, Person.id == IdentityLink.person_id)
        .order_by(Person.name, IdentityLink.issuer, IdentityLink.subject)
    )
    with repo.database.reading() as session:
        return [(row, person) for row, person in session.execute(query)]


def linked(repo: Repository, issuer: str, subject: str) -> Person | None:
    """Return whom a provider means; None: nobody said so beforehand."""
    with repo.database.reading() as session:
        row = session.get(IdentityLink, (issuer, subject))
        return session.get_one(Person, row.person_id) if row else None


def _draft(actor: Actor, person_id: str, issuer: str, subject: str, what: str) -> Draft:
    detail = {"person": person_id, "issuer": issuer, "subject": subject}
    return Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=f"identity-{what}",
        withheld={"detail": detail},
        subject=person_id,
    )
