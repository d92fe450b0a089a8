"""What is kept because its declared digest differs: list it, release it, reject it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from ingest.register import Outcome, received_of, register
from repository import Repository
from repository.errors import UnknownQuarantine
from repository.models import Case, Quarantined, Submission
from repository.naming import shown
from repository.stated import stated_motive


def held(repo: Repository) -> list[tuple[Quarantined, str]]:
    """Return what waits for a decision, oldest first, with the code of its case."""
    query = (
        select(Quarantined, Case.code)
        .join(Case, Case.id == Quarantined.case_id)
        .where(Quarantined.state == "held")
        .order_by(Quarantined.at)
    )
    with repo.database.reading() as session:
        return [(kept, code) for kept, code in session.execute(query)]


def release(repo: Repository, actor: Actor, quarantine: str, *, motive: str) -> Outcome:
    """Register quarantined bytes as an exhibit after all; the difference stays in the record.

    Raises:
        UnknownQuarantine: nothing held under this id.
        BadRequest: no motive; recorded.
    """
    stated_motive(repo, actor, motive, Act.APPROVAL_GIVEN)
    with repo.database.reading() as session:
        kept = _held(session, quarantine)
        case = session.get_one(Case, kept.case_id)
        submission = session.get_one(Submission, kept.submission_id)
    received = received_of(kept)
    released = {kept.exhibit_id: motive}
    [outcome] = register(repo, actor, case, submission, [received], released=released)
    return outcome


def reject(repo: Repository, actor: Actor, quarantine: str, *, motive: str) -> None:
    """Decide that quarantined bytes do not become an exhibit; they stay stored.

    Raises:
        UnknownQuarantine: nothing held under this id.
        BadRequest: no motive; recorded.
    """
    stated_motive(repo, actor, motive, Act.APPROVAL_REFUSED)
    with repo.database.writing() as session:
        kept = _held(session, quarantine)
        kept.state = "rejected"
        case = session.get_one(Case, kept.case_id)
        session.flush()
        draft = Draft(
            Act.APPROVAL_REFUSED,
            actor,
            reason="quarantine-rejected",
            plain={"attempted": str(Act.QUARANTINE)},
            withheld={"motive": motive, "case": case.code, "detail": {"quarantine": kept.id}},
            subject=kept.exhibit_id,
        )
        repo.ledger.append(session, [draft])


def _held(session: Session, quarantine: str) -> Quarantined:
    kept = session.get(Quarantined, quarantine)
    if kept is None or kept.state != "held":
        raise UnknownQuarantine(f"nothing is held in quarantine as {shown(quarantine)}")
    return kept
