"""Who takes part in a case: listed, let in with a role, let out at once, as a custodian says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_

from custody.entry import Act, timestamp
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.consult import consulted
from repository.models import Grant, Person
from repository.people import find_person, grant, revoke


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody's role on a case."""

    grant: Grant
    person: Person

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        until = self.grant.until
        return {
            "person": self.person.id,
            "name": self.person.name,
            "organisation": self.person.organisation,
            "role": self.grant.role,
            "party": self.grant.party,
            "granted_at": timestamp(self.grant.granted_at),
            "until": timestamp(until) if until else None,
        }


def participants(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    after: Sequence[str] = ("", ""),
    limit: int | None = None,
) -> list[Participant]:
    """Return who takes part in a case, after a person and a role; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.GOVERN, code, attempted=Act.CONSULTATION)
    query = (
        select(Grant, Person)
        .join(Person, Person.id == Grant.person_id)
        .where(Grant.case_id == case.id, tuple_(Grant.person_id, Grant.role) > tuple(after))
        .order_by(Grant.person_id, Grant.role)
        .limit(limit)
    )
    with repo.database.reading() as session:
        found = [Participant(row, person) for row, person in session.execute(query)]
    listed = [f"{one.person.id} {one.grant.role}" for one in found]
    consulted(repo, actor, listed, "grant-list", case=case)
    return found


def let_in(
    repo: Repository,
    caller: Caller,
    code: str,
    named: str,
    role: str,
    *,
    party: str | None = None,
    until: datetime | None = None,
) -> Participant:
    """Give a person (name or id) a role on a case; again, it changes party and end.

    Raises:
        UnknownCase, AccessDenied, StepUpRequired: not for this caller, or not now; recorded.
        UnknownPerson: nobody is called so.
        BadRequest: no such role, or a party for one that acts for none, or none for one that does.
    """
    actor, case = on_case(repo, caller, Right.LET_IN, code, attempted=Act.ACCESS_GRANT)
    with repo.database.reading() as session:
        person = find_person(session, named)
    grant(repo, actor, case=case, person=person, role=role, party=party, until=until)
    with repo.database.reading() as session:
        return Participant(session.get_one(Grant, (case.id, person.id, role)), person)


def let_out(repo: Repository, caller: Caller, code: str, named: str, role: str) -> Person:
    """Take a role on a case away from a person, at once; what is not there is no error.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        UnknownPerson: nobody is called so.
    """
    actor, case = on_case(repo, caller, Right.GOVERN, code, attempted=Act.ACCESS_REVOCATION)
    with repo.database.reading() as session:
        person = find_person(session, named)
    revoke(repo, actor, case=case, person=person, role=role)
    return person
