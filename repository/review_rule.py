"""Whether a proceeding asks for a second review of each exhibit, by another person."""

from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.models import Case
from repository.proceedings import ReviewRule
from repository.stated import stated_motive


def set_second(repo: Repository, caller: Caller, code: str, *, asked: bool, motive: str) -> None:
    """Say whether a proceeding asks for a second review of each exhibit, by another person.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive; recorded.
    """
    attempted = Act.CONFIGURATION_CHANGE
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=attempted)
    stated_motive(repo, caller, motive, attempted, case=case)
    with repo.database.writing() as session:
        take_lock(session)
        row = session.get(ReviewRule, case.id)
        if asked == (row is not None and row.second):
            return
        if row is None:
            row = ReviewRule(case_id=case.id, second=asked, index=-1)
            session.add(row)
        row.second = asked
        session.flush()
        draft = Draft(
            attempted,
            actor,
            reason=f"second-review-{'on' if asked else 'off'}",
            withheld={"case": case.code, "motive": motive},
            subject=case.id,
        )
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index


def asks_second(session: Session, case: Case) -> bool:
    """Say whether a proceeding asks for a second review."""
    row = session.get(ReviewRule, case.id)
    return row is not None and row.second
