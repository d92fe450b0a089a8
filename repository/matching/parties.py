"""Which institutions take part in matching, and whom others contact there."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house, refuse
from repository.errors import AccessDenied, BadRequest
from repository.matching.key import ensure
from repository.matching.policy import MODES
from repository.matching.tables import MatchItem, MatchParty, MatchState, MatchToken
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.people import MAX_TEXT, named_organisation
from repository.stated import stated_motive

HOUSE = ""  # as `organisation`: cases that belong to no institution are the house's own
OWNED_BY = func.coalesce(Case.organisation, HOUSE)  # of a case
_SOME = 500  # exhibits whose tokens are removed at once


def name_of(organisation: str) -> str:
    """Return how an institution is called in answers."""
    return organisation or "the repository itself"


def join(
    repo: Repository, caller: Caller, organisation: str, *, contact: str, mode: str, motive: str
) -> MatchParty:
    """Have an institution take part, or change its contact point and how it answers.

    Raises:
        AccessDenied: not by this person; recorded.
        BadRequest: no such institution or mode, no contact, or no motive (recorded).
        KeyUnavailable: the key of matching cannot be made or opened here.
    """
    actor = _governor(repo, caller, organisation)
    if mode not in MODES:
        raise BadRequest(f"there is no mode {shown(mode)}; choose one of {', '.join(MODES)}")
    if not contact.strip() or len(contact) > MAX_TEXT:
        raise BadRequest(f"a contact point has 1 to {MAX_TEXT} characters")
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    with repo.database.writing() as session:
        if organisation != HOUSE:
            named_organisation(session, organisation)
        made = ensure(repo, session)
        row = session.get(MatchParty, organisation)
        if row is None:
            row = MatchParty(organisation=organisation, joined_at=repo.clock())
            session.add(row)
        if row.left_at is not None:
            row.joined_at, row.left_at = repo.clock(), None
        row.contact, row.mode = contact.strip(), mode
        session.flush()
        detail = {"organisation": organisation, "contact": row.contact, "mode": mode}
        draft = _change(actor, "match-joined", motive, {**detail, "key_made": made})
        repo.ledger.append(session, [draft])
    return row


def leave(repo: Repository, caller: Caller, organisation: str, *, motive: str) -> int:
    """Have an institution take no part any more: its tokens are destroyed; return how many.

    Raises:
        AccessDenied: not by this person; recorded.
        BadRequest: it takes no part, or no motive (recorded).
    """
    actor = _governor(repo, caller, organisation)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    with repo.database.writing() as session:
        if not leave_within(repo, session, actor, organisation, motive=motive):
            raise BadRequest(f"{shown(name_of(organisation))} takes no part in matching")
    return forget_left(repo)


def leave_within(
    repo: Repository, session: Session, actor: Actor, organisation: str, *, motive: str
) -> bool:
    """End an institution's part within a transaction; say whether it took one.

    Nothing of it is told from here on; `forget_left` destroys its tokens.
    """
    row = session.get(MatchParty, organisation, with_for_update={"key_share": True})
    if row is None or row.left_at is not None:
        return False
    row.left_at = repo.clock()
    session.flush()
    repo.ledger.append(
        session, [_change(actor, "match-left", motive, {"organisation": organisation})]
    )
    return True


def parties(repo: Repository, caller: Caller) -> list[MatchParty]:
    """Return who takes part, and who did; recorded.

    Raises:
        AccessDenied: not for this person; recorded.
    """
    actor = on_house(repo, caller, Right.MATCH, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        rows = list(session.scalars(select(MatchParty).order_by(MatchParty.organisation)))
    plain = {"count": len(rows)}
    repo.ledger.record(Draft(Act.CONSULTATION, actor, reason="match-parties", plain=plain))
    return rows


def active(session: Session) -> dict[str, MatchParty]:
    """Return the institutions that take part now, by name."""
    rows = session.scalars(select(MatchParty).where(MatchParty.left_at.is_(None)))
    return {row.organisation: row for row in rows}


def forget(session: Session, exhibits: list[str]) -> int:
    """Destroy the tokens of exhibits in the caller's transaction; return how many there were."""
    items = select(MatchItem.id).where(MatchItem.exhibit_id.in_(exhibits))
    gone = session.execute(delete(MatchToken).where(MatchToken.item.in_(items)))
    session.execute(delete(MatchItem).where(MatchItem.exhibit_id.in_(exhibits)))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # of a DELETE there is one


def forget_erased(session: Session, exhibit: str) -> None:
    """Destroy all that matching has of an exhibit, in the transaction that erases it."""
    forget(session, [exhibit])
    session.execute(delete(MatchState).where(MatchState.exhibit_id == exhibit))


def forget_left(repo: Repository) -> int:
    """Destroy the tokens of institutions that take no part; again, it goes on where it stopped."""
    count = 0
    while True:
        with repo.database.writing() as session:
            taking_part = active(session)
            query = (
                select(MatchState.exhibit_id)
                .join(Exhibit, Exhibit.id == MatchState.exhibit_id)
                .join(Case, Case.id == Exhibit.case_id)
                .where(MatchState.key_id > "", OWNED_BY.not_in(list(taking_part)))
                .limit(_SOME)
            )
            some = list(session.scalars(query))
            count += forget(session, some)
            for row in session.scalars(select(MatchState).where(MatchState.exhibit_id.in_(some))):
                row.key_id = ""  # made anew if the institution comes back
        if len(some) < _SOME:
            return count


def _governor(repo: Repository, caller: Caller, organisation: str) -> Actor:
    """Return the actor, if it is a custodian of the house or of this institution."""
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    if caller.person.organisation not in (None, organisation):
        error = AccessDenied("only its own custodian or the house's decides for an institution")
        refuse(repo, caller, Act.CONFIGURATION_CHANGE, ["other-organisation"], error)
    return actor


def _change(actor: Actor, reason: str, motive: str, detail: dict[str, object]) -> Draft:
    return Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason=reason,
        withheld={"motive": motive, "detail": detail},
    )
