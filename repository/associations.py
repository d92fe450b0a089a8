"""Associations: an exhibit belongs to further cases too. Its number and its history stay one.

Whoever takes part in a further case may do there what `access.ASSOCIATED` says. With a case of
another institution it is shared, and its provider's conditions have their say.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_case, on_case, on_exhibit, who
from repository.consult import consulted, known
from repository.errors import BadRequest
from repository.exhibits import ref
from repository.models import Case, Exhibit
from repository.proceedings import Association
from repository.purpose import Purpose
from repository.stated import stated_motive


def associate(
    repo: Repository, caller: Caller, number: str, code: str, *, motive: str
) -> Association:
    """Have an exhibit belong to a further case; again, it changes nothing.

    Raises:
        UnknownExhibit, UnknownCase, AccessDenied: not for this caller, in either case, or its
            provider forbids it; recorded.
        BadRequest: no motive, or it is its own case; recorded.
    """
    actor, case, exhibit, target = _both(repo, caller, number, code, motive)
    if target.organisation != case.organisation:
        purpose = Purpose("sharing", motive, recipient=target.organisation)
        actor, _, _ = on_exhibit(
            repo, caller, Right.SHARE, number, attempted=Act.ASSOCIATION, purpose=purpose
        )
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get(Association, (exhibit.id, target.id))
        if row is None:
            row = Association(exhibit_id=exhibit.id, case_id=target.id, at=repo.clock(), index=-1)
            session.add(row)
            session.flush()
            draft = _draft(actor, case, exhibit, target, "added", motive)
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
    return row


def dissociate(repo: Repository, caller: Caller, number: str, code: str, *, motive: str) -> None:
    """Have an exhibit belong to a further case no more; what is not there is no error.

    Raises:
        UnknownExhibit, UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive; recorded.
    """
    actor, case, exhibit, target = _both(repo, caller, number, code, motive)
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get(Association, (exhibit.id, target.id))
        if row is None:
            return
        session.delete(row)
        session.flush()
        repo.ledger.append(session, [_draft(actor, case, exhibit, target, "removed", motive)])


def cases_with(repo: Repository, caller: Caller, number: str) -> list[Case]:
    """Return the further cases of an exhibit that the caller may list; recorded.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
    """
    actor, _, exhibit = on_exhibit(repo, caller, Right.CONSULT, number, attempted=Act.CONSULTATION)
    query = select(Case).join(Association, Association.case_id == Case.id).order_by(Case.code)
    with repo.database.reading() as session:
        found = [
            case
            for case in session.scalars(query.where(Association.exhibit_id == exhibit.id))
            if decide(
                who(session, caller, case), Right.LIST, of_case(session, caller, case), None,
                repo.clock(),
            ).allowed
        ]  # fmt: skip
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="association-list",
            exhibit=ref(exhibit),
            plain={"count": len(found)},
        )
    )
    return found


def associated_exhibits(repo: Repository, caller: Caller, code: str) -> list[Exhibit]:
    """Return the exhibits of other cases that belong to a case too; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        found = known_associated(repo, session, caller, case)
    consulted(repo, actor, [one.number for one in found], "association-list", case=case)
    return found


def known_associated(
    repo: Repository, session: Session, caller: Caller, case: Case
) -> list[Exhibit]:
    """Return those exhibits associated with a case that the caller may know of, by number."""
    query = (
        select(Exhibit, Case)
        .join(Association, Association.exhibit_id == Exhibit.id)
        .join(Case, Case.id == Exhibit.case_id)
        .where(Association.case_id == case.id)
        .order_by(Case.code, Exhibit.serial)
    )
    homes: dict[str, tuple[Case, list[Exhibit]]] = {}
    for exhibit, home in session.execute(query):
        homes.setdefault(home.id, (home, []))[1].append(exhibit)
    return [
        one
        for home, exhibits in homes.values()
        for one in known(repo, session, caller, home, exhibits)
    ]


def is_in(session: Session, exhibit: Exhibit, case: Case) -> bool:
    """Say whether an exhibit belongs to a case: as its own, or by association."""
    own = exhibit.case_id == case.id
    return own or session.get(Association, (exhibit.id, case.id)) is not None


def _both(
    repo: Repository, caller: Caller, number: str, code: str, motive: str
) -> tuple[Actor, Case, Exhibit, Case]:
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.ASSOCIATE, number, attempted=Act.ASSOCIATION
    )
    _, target = on_case(repo, caller, Right.ASSOCIATE, code, attempted=Act.ASSOCIATION)
    stated_motive(repo, caller, motive, Act.ASSOCIATION, case=case, exhibit=exhibit)
    if target.id == case.id:
        raise BadRequest(f"{exhibit.number} is an exhibit of {case.code}; name a further case")
    return actor, case, exhibit, target


def _draft(
    actor: Actor, case: Case, exhibit: Exhibit, target: Case, what: str, motive: str
) -> Draft:
    return Draft(
        Act.ASSOCIATION,
        actor,
        reason=what,
        exhibit=ref(exhibit),
        withheld={"case": case.code, "motive": motive, "detail": {"case": target.code}},
    )
