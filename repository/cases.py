"""Open, find and list cases."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository
from repository.errors import AlreadyExists, BadRequest
from repository.models import Case, Grant
from repository.naming import case_code
from repository.people import named_organisation

MAX_TITLE = 500


def open_case(
    repo: Repository,
    actor: Actor,
    *,
    code: str,
    title: str,
    organisation: str | None = None,
    drawn: str | None = None,
) -> Case:
    """Open a case; who opens it takes part in it, in the role in which it was opened.

    It belongs to the organisation that is named, else to that of whoever opens it; to the house
    itself where there is neither. `drawn` is the id of the case, where it was drawn before: opening
    it again gives the same case.

    Raises:
        BadRequest: the code or title cannot be used.
        AlreadyExists: the code is taken.
    """
    case_code(code)
    if not title.strip() or len(title) > MAX_TITLE:
        raise BadRequest(f"a case has a title of 1 to {MAX_TITLE} characters")
    at = repo.clock()
    case = Case(
        id=drawn or uuid7(at, repo.random),
        code=code,
        title=title,
        exhibits=0,
        opened_at=at,
        organisation=organisation or actor.organisation,
    )
    with repo.database.writing() as session:
        take_lock(session)  # of two who take one code, the later sees the earlier's case
        known = find_case(session, code)
        if known is not None and known.id == drawn:
            return known
        if known is not None:
            raise AlreadyExists(f"a case {code} is open already")
        if organisation is not None:
            named_organisation(session, organisation)
        session.add(case)
        session.flush()
        grant = Grant(case_id=case.id, person_id=actor.id, role=actor.role, granted_at=at)
        session.add(grant)
        session.flush()
        withheld = {"case": code, "title": title}
        draft = Draft(Act.CASE_OPENED, actor, withheld=withheld, subject=case.id)
        repo.ledger.append(session, [draft])
    return case


def find_case(session: Session, code: str) -> Case | None:
    """Return the case of a code, whoever asks; see `authorise` for who may know of it."""
    return session.scalar(select(Case).where(Case.code == code))


def cases_of(
    session: Session, person_id: str, *, every: bool, after: str = "", limit: int | None = None
) -> list[Case]:
    """Return the cases a person was granted a role on, or every case; `decide` has the last word.

    Args:
        session: reads the database.
        person_id: whose.
        every: the person has a role of the house that counts on every case.
        after: only cases with a later code.
        limit: at most so many.
    """
    query = select(Case).where(Case.code > after).order_by(Case.code).limit(limit)
    if not every:
        granted = select(Grant.case_id).where(Grant.person_id == person_id)
        query = query.where(Case.id.in_(granted))
    return list(session.scalars(query))
