"""What owners are asked, as it is shown: to them, to those who ask, and to recipients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, timestamp
from repository import Repository
from repository.access import Right, Thing, decide
from repository.authorise import Caller, governs, on_case, on_house, refuse, who
from repository.conditions import Marking
from repository.errors import AccessDenied, UnknownConsent
from repository.handovers import Transfer
from repository.models import Case, Exhibit, Grant
from repository.naming import shown
from repository.organisations import answering
from repository.rules import Consent, ConsentSubject, Disclosed
from repository.rules import Marking as MarkingRow
from repository.still import of_several
from repository.transfers import purpose_of
from repository.web_sessions import step_up

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A consent as it is shown: what it is about, and who answers."""

    row: Consent
    case: str
    subjects: tuple[str, ...]  # numbers of exhibits, ids of submissions
    answers: str | None  # the institution that answers now; None: held, nobody does

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        row = self.row
        return {
            "consent": row.id,
            "state": row.state,
            "owner": row.owner,
            "answers": self.answers,
            "recipient": row.recipient,
            "purpose": row.purpose,
            "until": timestamp(row.until) if row.until else None,
            "case": self.case,
            "subjects": list(self.subjects),
            "requested_at": timestamp(row.requested_at),
            "answered_at": timestamp(row.answered_at) if row.answered_at else None,
            "withdrawn_at": timestamp(row.withdrawn_at) if row.withdrawn_at else None,
        }


def queue(
    repo: Repository,
    caller: Caller,
    *,
    state: str | None = None,
    before: str = "",
    limit: int = AT_ONCE,
) -> list[Asked]:
    """Return what the caller's institution is asked and was, the newest first; recorded.

    All lists of this module go back from an id, or from the newest.

    Raises:
        AccessDenied: of no institution, or of a role that answers nothing; recorded.
    """
    mine = caller.person.organisation
    actor = for_institution(repo, caller, Right.CONSENT, mine, Act.CONSULTATION)
    with repo.database.reading() as session:
        owners = [name for name in _all_owners(session) if answering(session, name) == mine]
        query = select(Consent).where(Consent.owner.in_(owners))
        if state is not None:
            query = query.where(Consent.state == state)
        found = shown_rows(session, query, before, limit)
    _looked(repo, actor, len(found))
    return found


def one(repo: Repository, caller: Caller, consent: str) -> Asked:
    """Return one thing that the caller's institution is asked, or was; recorded.

    Raises:
        UnknownConsent: it is asked for nothing under this id; recorded.
    """
    with repo.database.reading() as session:
        row = session.get(Consent, consent)
        answers = answering(session, row.owner) if row else None
    unknown = UnknownConsent(f"your institution is asked for nothing as {shown(consent[:60])}")
    actor = for_institution(
        repo, caller, Right.CONSENT, answers, Act.CONSULTATION, unknown=unknown, asked=consent
    )
    with repo.database.reading() as session:
        [found] = shown_rows(session, select(Consent).where(Consent.id == consent))
    _looked(repo, actor, 1)
    return found


def unanswered(
    repo: Repository, caller: Caller, *, before: str = "", limit: int = AT_ONCE
) -> list[Asked]:
    """Return what owners were asked and have not answered, of cases that the caller governs.

    Recorded.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        cases = session.scalars(select(Case).where(Case.id.in_(select(Consent.case_id))))
        mine = [one.id for one in cases if governs(session, caller, one, repo.clock())]
        query = select(Consent).where(Consent.state == "requested", Consent.case_id.in_(mine))
        found = shown_rows(session, query, before, limit)
    _looked(repo, actor, len(found))
    return found


def of_case(
    repo: Repository, caller: Caller, code: str, *, before: str = "", limit: int = AT_ONCE
) -> list[Asked]:
    """Return what owners were asked about a case, the newest first; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.HOLD, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        query = select(Consent).where(Consent.case_id == case.id)
        found = shown_rows(session, query, before, limit)
    _looked(repo, actor, len(found), case)
    return found


def received(
    repo: Repository, caller: Caller, *, before: str = "", limit: int = AT_ONCE
) -> tuple[list[Asked], list[str]]:
    """Return the consents by which the caller's institution or party has things; recorded.

    And, with the newest of them, the exhibits that were disclosed to the party, or released to the
    institution, and may be used no more, however that was said.

    Raises:
        AccessDenied: the token adds to one submission; recorded.
    """
    if caller.only is not None:
        error = AccessDenied("this token adds to one submission and reads nothing")
        refuse(repo, caller, Act.CONSULTATION, ["token-scope"], error)
    person = caller.person
    with repo.database.reading() as session:
        grants = list(session.scalars(select(Grant).where(Grant.person_id == person.id)))
        released = _released_to(session, person.organisation)
        parties = {grant.party for grant in grants if grant.party}
        names = parties | ({person.organisation} if person.organisation else set())
        names |= {"defence"} if parties else set()
        outside = {grant.case_id for grant in grants if grant.role == "partner"}
        outside |= {row.case_id for row, _ in released}
        names |= {"partners"} if outside else set()
        wanted = select(Consent).where(Consent.state.in_(("given", "withdrawn")))
        own = Consent.case_id.in_({grant.case_id for grant in grants} | outside)
        wanted = wanted.where(Consent.recipient.in_(names))
        wanted = wanted.where((Consent.recipient == person.organisation) | own)
        found = shown_rows(session, wanted, before, limit)
        stopped = set() if before else _stopped(repo, session, caller, grants, released)
    _looked(repo, caller.actor(), len(found) + len(stopped))
    return found, sorted(stopped)


def _released_to(session: Session, organisation: str | None) -> list[tuple[Transfer, Exhibit]]:
    """Return what was released to an institution and not taken back before it had anything."""
    query = (
        select(Transfer, Exhibit)
        .join(Exhibit, Exhibit.id == Transfer.exhibit_id)
        .where(Transfer.recipient == organisation, Transfer.state.not_in(("withdrawn", "refused")))
    )
    return [(row, exhibit) for row, exhibit in session.execute(query)]


def _stopped(
    repo: Repository,
    session: Session,
    caller: Caller,
    grants: Sequence[Grant],
    released: Sequence[tuple[Transfer, Exhibit]],
) -> set[str]:
    """Return the numbers of what a caller's party or institution got and may use no more."""
    found, now = set(), repo.clock()
    for grant in (one for one in grants if one.party):
        got = select(Exhibit).join(Disclosed, Disclosed.exhibit_id == Exhibit.id)
        got = got.where(Disclosed.case_id == grant.case_id, Disclosed.party == grant.party)
        for exhibit, asking, thing in of_several(session, caller, list(session.scalars(got))):
            reasons = decide(asking, Right.RETRIEVE, thing, None, now).reasons
            if "consent-withdrawn" in reasons:
                found.add(exhibit.number)
    things = of_several(session, caller, [exhibit for _, exhibit in released])
    known = {exhibit.id: (asking, thing) for exhibit, asking, thing in things}
    for row, exhibit in released:
        asking, thing = known[exhibit.id]
        given = replace(thing, released_to=row.recipient)
        reasons = decide(asking, Right.RECEIVE, given, purpose_of(row), now).reasons
        if {"consent-withdrawn", "owner-consent"} & set(reasons):
            found.add(exhibit.number)
    return found


def contradicting(repo: Repository, caller: Caller) -> list[tuple[str, list[str]]]:
    """Return whose conditions contradict each other: nothing of it leaves until a person decides.

    Of cases that the caller governs.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    found = []
    with repo.database.reading() as session:
        for row in session.scalars(select(MarkingRow)):
            held = Marking.from_json(row.marking).contradictions()
            case = session.get_one(Case, row.case_id)
            if not held or not governs(session, caller, case, repo.clock()):
                continue
            exhibit = session.get(Exhibit, row.subject)
            own = case.code if row.subject == case.id else row.subject
            found.append((exhibit.number if exhibit else own, held))
    _looked(repo, actor, len(found))
    return sorted(found)


def for_institution(
    repo: Repository,
    caller: Caller,
    right: Right,
    owner: str | None,
    attempted: Act,
    *,
    unknown: UnknownConsent | None = None,
    asked: str | None = None,
    case: Case | None = None,
) -> Actor:
    """Return the actor of somebody who answers for an institution.

    Raises:
        AccessDenied: not of it, or of another role; `unknown` where one is given; recorded.
    """
    with repo.database.reading() as session:
        asking = who(session, caller)
    thing = Thing("consent", owner=owner)
    decision = decide(asking, right, thing, None, repo.clock())
    if not decision.allowed:
        denied = AccessDenied("answering for an institution takes a part in it")
        error = step_up(repo, decision.reasons) or unknown or denied
        refuse(repo, caller, attempted, decision.reasons, error, asked=asked, case=case)
    return caller.actor(decision.role)


def _all_owners(session: Session) -> list[str]:
    return list(session.scalars(select(Consent.owner).distinct()))


def shown_rows(
    session: Session, query: Select[Any], before: str = "", limit: int = 1
) -> list[Asked]:
    """Return the requests of a question, the newest first, as they are shown."""
    if before:
        query = query.where(Consent.id < before)
    rows = list(session.scalars(query.order_by(Consent.id.desc()).limit(limit)))
    named: dict[str, list[str]] = {}
    subjects = (
        select(ConsentSubject.consent_id, ConsentSubject.subject, Exhibit.number)
        .outerjoin(Exhibit, Exhibit.id == ConsentSubject.subject)
        .where(ConsentSubject.consent_id.in_([row.id for row in rows]))
        .order_by(Exhibit.number, ConsentSubject.subject)
    )
    for consent, subject, number in session.execute(subjects):
        named.setdefault(consent, []).append(number or subject)
    return [
        Asked(
            row,
            session.get_one(Case, row.case_id).code,
            tuple(named.get(row.id, ())),
            answering(session, row.owner),
        )
        for row in rows
    ]


def _looked(repo: Repository, actor: Actor, count: int, case: Case | None = None) -> None:
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="consent-list",
            plain={"count": count},
            withheld={"case": case.code} if case else {},
            subject=case.id if case else None,
        )
    )
