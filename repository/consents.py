"""Consent of owners: asked for, given or refused by the owner's own people, and withdrawn.

Whose permission sharing needs stands in the conditions (`conditions.Marking.owner`). A request
waits in that institution's queue; once it left, in its successor's; without one nobody can answer,
and what it keeps stays kept. A withdrawal counts with its commit, also for what is under way.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, ExhibitRef, timestamp, uuid7
from repository import Repository
from repository.access import Right
from repository.authorise import Caller
from repository.conditions import RECIPIENTS
from repository.consent_lists import Asked, for_institution, shown_rows
from repository.errors import BadRequest, UnknownConsent
from repository.exhibits import ref
from repository.facts import lines, markings
from repository.marking import Subject, find_subject
from repository.matching.index import compare_again
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.organisations import answering
from repository.purpose import CODES
from repository.rules import Consent, ConsentSubject
from repository.stated import stated_motive

MAX_RECIPIENT = 500
MAX_SUBJECTS = 300


def ask(
    repo: Repository,
    caller: Caller,
    named: Sequence[str],
    *,
    recipient: str,
    purpose: str | None = None,
    until: datetime | None = None,
    motive: str,
) -> list[Consent]:
    """Ask the owners of exhibits or submissions of one case for consent; one request for each.

    Args:
        repo: the repository.
        caller: who asks.
        named: exhibits or submissions.
        recipient: an institution, a party, or one of `conditions.RECIPIENTS`.
        purpose: a code; None: any.
        until: how long it is wanted.
        motive: why, in words.

    Raises:
        UnknownExhibit, UnknownSubmission, AccessDenied: one is not for this caller; recorded.
        BadRequest: no motive (recorded), another case, or nobody's consent is needed.
    """
    _check(named, recipient, purpose)
    actor, subjects = None, []
    for one in dict.fromkeys(named):
        actor, subject = find_subject(
            repo, caller, Right.REQUEST, one, attempted=Act.CONSENT_RECORDED
        )
        subjects.append(subject)
    assert actor is not None  # `named` is not empty
    case = subjects[0].case
    if any(one.case.id != case.id for one in subjects) or any(
        one.id == one.case.id for one in subjects
    ):
        raise BadRequest("name exhibits or submissions of one case")
    stated_motive(repo, caller, motive, Act.CONSENT_RECORDED, case=case)
    with repo.database.writing() as session:
        rows = request_within(
            repo, session, actor, subjects, recipient=recipient, purpose=purpose, until=until,
            motive=motive,
        )  # fmt: skip
    if not rows:
        raise BadRequest("no owner is named in the conditions: nobody's consent is needed")
    return rows


def request_within(
    repo: Repository,
    session: Session,
    actor: Actor,
    subjects: Sequence[Subject],
    *,
    recipient: str,
    purpose: str | None,
    until: datetime | None,
    motive: str,
) -> list[Consent]:
    """Ask within a transaction; what the same owner is asked already is not asked twice."""
    take_lock(session)
    at, found = repo.clock(), []
    for owner, kept in _owners(session, subjects).items():
        known = _asked_already(session, owner, recipient, purpose)
        some = [one for one in kept if one.id not in known]
        if not some:
            found += list({row.id: row for row in known.values()}.values())
            continue
        row = Consent(
            id=f"CNS-{uuid7(at, repo.random)}",
            owner=owner,
            recipient=recipient,
            purpose=purpose,
            case_id=some[0].case.id,
            requested_by=actor.id,
            requested_at=at,
            until=until,
            state="requested",
            index=-1,
        )
        session.add(row)
        session.flush()
        session.add_all(ConsentSubject(consent_id=row.id, subject=one.id) for one in some)
        session.flush()
        drafts = [
            _draft(Act.APPROVAL_REQUESTED, actor, row, one.case, one.ref, motive) for one in some
        ]
        row.index = repo.ledger.append(session, drafts)[0].index
        found.append(row)
    return found


def give(
    repo: Repository,
    caller: Caller,
    consent: str,
    *,
    motive: str,
    until: datetime | None = None,
) -> Asked:
    """Agree for one's institution; `until` may end it sooner than was asked.

    Raises:
        UnknownConsent: nothing waits under this id for this caller's institution; recorded.
        BadRequest: no motive (recorded), or an end that was not asked for.
    """
    return _answer(repo, caller, consent, "given", Act.CONSENT_RECORDED, motive, until)


def reject(repo: Repository, caller: Caller, consent: str, *, motive: str) -> Asked:
    """Refuse for one's institution; what is kept stays kept.

    Raises:
        UnknownConsent, BadRequest: as `give`.
    """
    return _answer(repo, caller, consent, "refused", Act.APPROVAL_REFUSED, motive, None)


def withdraw(repo: Repository, caller: Caller, consent: str, *, motive: str) -> Asked:
    """Take a consent back: from this commit on nothing leaves or is read by it.

    Raises:
        UnknownConsent, BadRequest: as `give`.
    """
    return _answer(repo, caller, consent, "withdrawn", Act.CONSENT_WITHDRAWN, motive, None)


def _answer(
    repo: Repository,
    caller: Caller,
    consent: str,
    state: str,
    act: Act,
    motive: str,
    until: datetime | None,
) -> Asked:
    with repo.database.reading() as session:
        row = session.get(Consent, consent)
        case = session.get(Case, row.case_id) if row else None
        answers = answering(session, row.owner) if row else None
    right = Right.AGREE if state == "given" else Right.CONSENT
    unknown = UnknownConsent(f"your institution is asked for nothing as {shown(consent)}")
    actor = for_institution(
        repo, caller, right, answers, act, unknown=unknown, asked=consent, case=case
    )
    stated_motive(repo, caller, motive, act, case=case)
    before = "given" if state == "withdrawn" else "requested"
    with repo.database.writing() as session:
        if state == "given":
            about = select(ConsentSubject.subject).where(ConsentSubject.consent_id == consent)
            compare_again(session, list(session.scalars(about)))
        take_lock(session)  # whatever leaves by it is decided before or after
        row = session.get_one(Consent, consent, populate_existing=True)
        if answering(session, row.owner) != caller.person.organisation or row.state != before:
            raise UnknownConsent(f"nothing is {before} as {shown(consent)}")
        if until is not None and row.until is not None and until > row.until:
            raise BadRequest("it was asked for until an earlier time")
        at = repo.clock()
        row.state = state
        if state == "withdrawn":
            row.withdrawn_at = at
        else:
            row.answered_by, row.answered_at, row.until = actor.id, at, until or row.until
        session.flush()
        home = session.get_one(Case, row.case_id)
        drafts = [
            _draft(act, actor, row, home, exhibit, motive) for exhibit in _refs(session, row.id)
        ]
        repo.ledger.append(session, drafts)
        [found] = shown_rows(session, select(Consent).where(Consent.id == consent))
    return found


def _owners(session: Session, subjects: Sequence[Subject]) -> dict[str, list[Subject]]:
    """Return by owner what of the subjects it has a say in: by any marking in their line."""
    exhibits = [one.exhibit for one in subjects if one.exhibit]
    above = lines(session, [one.id for one in exhibits])
    ids = {
        one.id: (one.id, one.case.id)
        + ((one.exhibit.submission_id, *above[one.id]) if one.exhibit else ())
        for one in subjects
    }
    marked = markings(session, list({one for some in ids.values() for one in some}))
    found: dict[str, list[Subject]] = {}
    for one in subjects:
        named = [marked[i].owners for i in ids[one.id] if i in marked]
        for owner in dict.fromkeys(chain.from_iterable(named)):
            found.setdefault(owner, []).append(one)
    return found


def _asked_already(
    session: Session, owner: str, recipient: str, purpose: str | None
) -> dict[str, Consent]:
    query = (
        select(ConsentSubject.subject, Consent)
        .join(Consent, Consent.id == ConsentSubject.consent_id)
        .where(
            Consent.owner == owner,
            Consent.state == "requested",
            Consent.recipient == recipient,
            Consent.purpose == purpose if purpose else Consent.purpose.is_(None),
        )
    )
    return {row.subject: row[1] for row in session.execute(query)}


def _refs(session: Session, consent: str) -> list[ExhibitRef | None]:
    query = select(ConsentSubject.subject).where(ConsentSubject.consent_id == consent)
    found = [session.get(Exhibit, one) for one in session.scalars(query)]
    return [ref(one) if one else None for one in found]


def _draft(
    act: Act, actor: Actor, row: Consent, case: Case, exhibit: ExhibitRef | None, motive: str
) -> Draft:
    detail = {
        "consent": row.id,
        "owner": row.owner,
        "purpose": row.purpose,
        "until": timestamp(row.until) if row.until else None,
    }
    asking = act in (Act.APPROVAL_REQUESTED, Act.APPROVAL_REFUSED)
    return Draft(
        act,
        actor,
        reason="consent",
        exhibit=exhibit,
        plain={"attempted": str(Act.CONSENT_RECORDED)} if asking else {},
        withheld={
            "case": case.code, "motive": motive, "recipient": row.recipient, "detail": detail,
        },
        subject=None if exhibit else case.id,
    )  # fmt: skip


def _check(named: Sequence[str], recipient: str, purpose: str | None) -> None:
    if not 1 <= len(named) <= MAX_SUBJECTS:
        raise BadRequest(f"name 1 to {MAX_SUBJECTS} exhibits or submissions")
    if not recipient.strip() or len(recipient) > MAX_RECIPIENT:
        raise BadRequest(
            f"name a recipient: an institution, a party, or one of {', '.join(RECIPIENTS)}"
        )
    if purpose is not None and purpose not in CODES:
        raise BadRequest(f"a purpose is one of {', '.join(CODES)}")
