"""Situations: areas and times under investigation, out of which cases against persons come."""

from sqlalchemy import select

from custody.append import take_lock
from custody.entry import Act, Draft, uuid7
from repository import Repository
from repository.access import EVERYWHERE, Right, decide
from repository.authorise import Caller, of_case, on_case, on_house, who
from repository.cases import MAX_TITLE, cases_of
from repository.consult import consulted
from repository.errors import AlreadyExists, BadRequest
from repository.models import Case
from repository.naming import case_code, shown
from repository.proceedings import CaseSituation, Situation
from repository.stated import stated_motive


def open_situation(repo: Repository, caller: Caller, *, code: str, title: str) -> Situation:
    """Open a situation; its code is written like that of a case.

    Raises:
        AccessDenied: the role opens nothing; recorded.
        BadRequest: the code or title cannot be used.
        AlreadyExists: the code is taken.
    """
    actor = on_house(repo, caller, Right.OPEN_CASE, attempted=Act.CASE_OPENED)
    case_code(code)
    if not title.strip() or len(title) > MAX_TITLE:
        raise BadRequest(f"a situation has a title of 1 to {MAX_TITLE} characters")
    at = repo.clock()
    row = Situation(
        id=uuid7(at, repo.random),
        code=code,
        title=title,
        opened_at=at,
        organisation=actor.organisation,
    )
    with repo.database.writing() as session:
        take_lock(session)  # of two who take one code, the later sees the earlier's
        if session.scalar(select(Situation.id).where(Situation.code == code)):
            raise AlreadyExists(f"a situation {code} is open already")
        session.add(row)
        session.flush()
        withheld = {"case": code, "title": title}
        draft = Draft(Act.CASE_OPENED, actor, reason="situation", withheld=withheld, subject=row.id)
        repo.ledger.append(session, [draft])
    return row


def situations(repo: Repository, caller: Caller) -> list[tuple[Situation, list[Case]]]:
    """Return situations with those of their cases that the caller may list; recorded.

    A situation is shown to whoever takes part in one of its cases, to the institution that opened
    it, and to custodians and auditors of the house.

    Raises:
        AccessDenied: the token adds to one submission; recorded.
    """
    actor = on_house(repo, caller, Right.SITUATIONS, attempted=Act.CONSULTATION)
    person = caller.person
    query = select(Situation).order_by(Situation.code)
    with repo.database.reading() as session:
        belongs = {row.case_id: row.situation_id for row in session.scalars(select(CaseSituation))}
        known: dict[str, list[Case]] = {}
        for case in cases_of(session, person.id, every=person.role in EVERYWHERE):
            if case.id not in belongs:
                continue
            asking, thing = who(session, caller, case), of_case(session, caller, case)
            if decide(asking, Right.LIST, thing, None, repo.clock()).allowed:
                known.setdefault(belongs[case.id], []).append(case)
        house = person.role in EVERYWHERE and person.organisation is None
        found = [
            (row, known.get(row.id, []))
            for row in session.scalars(query)
            if house
            or row.id in known
            or (row.organisation is not None and row.organisation == person.organisation)
        ]
    consulted(repo, actor, [row.code for row, _ in found], "situation-list")
    return found


def put_case(repo: Repository, caller: Caller, code: str, situation: str, *, motive: str) -> None:
    """Say to which situation a case belongs; again, it belongs to the other one.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive, or no such situation; recorded.
    """
    actor, case = on_case(repo, caller, Right.GOVERN, code, attempted=Act.ASSOCIATION)
    stated_motive(repo, caller, motive, Act.ASSOCIATION, case=case)
    with repo.database.writing() as session:
        take_lock(session)
        row = session.scalar(select(Situation).where(Situation.code == situation))
        if row is None:
            raise BadRequest(f"there is no situation {shown(situation)}; see: situation list")
        known = session.get(CaseSituation, case.id)
        if known is not None and known.situation_id == row.id:
            return
        before = session.get(Situation, known.situation_id) if known else None
        if known is None:
            known = CaseSituation(case_id=case.id, situation_id=row.id, index=-1)
            session.add(known)
        known.situation_id = row.id
        session.flush()
        detail = {"situation": row.code, "before": before.code if before else None}
        draft = Draft(
            Act.ASSOCIATION,
            actor,
            reason="situation",
            withheld={"case": case.code, "motive": motive, "detail": detail},
            subject=case.id,
        )
        [entry] = repo.ledger.append(session, [draft])
        known.index = entry.index
