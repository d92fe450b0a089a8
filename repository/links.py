"""Whom an identity provider means by a subject: said beforehand by a custodian, one person each.

A subject that has signed somebody in stays that person's for good, also after it is unlinked: an
account elsewhere must not come to stand for two. Linked again it can be to that person alone.
"""

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
        AlreadyExists: this subject is, or was, somebody; nobody becomes two people by it.
    """
    if not issuer.startswith(("https://", "http://")) or len(issuer) > MAX_ISSUER:
        raise BadRequest("an issuer is the address by which the provider names itself")
    if not subject.strip() or len(subject) > MAX_SUBJECT:
        raise BadRequest(f"a subject has 1 to {MAX_SUBJECT} characters")
    with repo.database.writing() as session:
        row = session.get(IdentityLink, (issuer, subject))
        if row is not None and (row.ended_at is None or row.person_id != person.id):
            whose = shown(session.get_one(Person, row.person_id).name)
            if row.ended_at is None:
                raise AlreadyExists(f"this subject is linked to {whose} already")
            raise AlreadyExists(f"this subject has signed in as {whose}, and stays {whose}'s alone")
        if row is None:
            row = IdentityLink(issuer=issuer, subject=subject, person_id=person.id)
            session.add(row)
        row.linked_at, row.ended_at = repo.clock(), None
        session.flush()
        repo.ledger.append(session, [_draft(actor, person.id, issuer, subject, "linked")])


def unlink(repo: Repository, actor: Actor, *, issuer: str, subject: str) -> None:
    """End a link; the person's sessions that began with a provider end with it.

    One that never signed anybody in (a slip) is forgotten: its subject is free.

    Raises:
        BadRequest: there is no such link.
    """
    with repo.database.writing() as session:
        row = session.get(IdentityLink, (issuer, subject), with_for_update={"key_share": True})
        if row is None or row.ended_at is not None:
            raise BadRequest("there is no such link; see: evidence person links")
        if row.used_at is None:
            session.delete(row)
        row.ended_at = repo.clock()
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
        .where(IdentityLink.ended_at.is_(None))
        .order_by(Person.name, IdentityLink.issuer, IdentityLink.subject)
    )
    with repo.database.reading() as session:
        return [(row, person) for row, person in session.execute(query)]


def linked(repo: Repository, issuer: str, subject: str) -> Person | None:
    """Return whom a provider means; None: nobody said so beforehand, or it was taken back."""
    with repo.database.reading() as session:
        row = session.get(IdentityLink, (issuer, subject))
        if row is None or row.ended_at is not None:
            return None
        found, used = session.get_one(Person, row.person_id), row.used_at
    if used is None:
        first = update(IdentityLink).where(
            IdentityLink.issuer == issuer, IdentityLink.subject == subject
        )
        with repo.database.writing() as session:
            session.execute(first.values(used_at=repo.clock()))
    return found


def _draft(actor: Actor, person_id: str, issuer: str, subject: str, what: str) -> Draft:
    detail = {"person": person_id, "issuer": issuer, "subject": subject}
    return Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=f"identity-{what}",
        withheld={"detail": detail},
        subject=person_id,
    )
