"""Let a person act, or record the refusal with all its reasons and refuse.

Facts are gathered here; what they mean is decided in `access.decide`. Absent and forbidden are
told apart only in the record: outside, both say "unknown". Why it was refused is told only to
whoever may know that the thing is there.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft
from custody.errors import EvidenceError
from repository import Repository, facts
from repository.access import Held, Right, Thing, Who, decide
from repository.errors import (
    AccessDenied,
    ApprovalExpired,
    BadRequest,
    UnknownCase,
    UnknownExhibit,
    UnknownSubmission,
)
from repository.exhibits import ref
from repository.models import Case, Exhibit, Grant, Person, Submission
from repository.naming import shown, submission_id
from repository.people import actor_of
from repository.purpose import Purpose
from repository.web_sessions import step_up

HOUSE = Thing()


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who is known (`assurance` says how) and has not been allowed anything yet."""

    person: Person
    assurance: str
    only: str | None = None  # the submission that the presented token adds to, and nothing else
    acknowledged: str | None = None  # the digest in the receipt of a list that it shows
    token: str | None = None  # the id of the presented token
    session: str | None = None  # the id of the session, where somebody is signed in with a browser
    recent_until: datetime | None = None  # how long that sign-in counts as recent

    def actor(self, role: str | None = None) -> Actor:
        """Return the caller as entries record them."""
        return actor_of(self.person, role=role or self.person.role, assurance=self.assurance)


# --- facts


def who(session: Session, caller: Caller, case: Case | None = None) -> Who:
    """Return who asks, with what was granted to them on a case."""
    return _who(caller, facts.granted(session, case.id, caller.person.id) if case else ())


def _who(caller: Caller, held: tuple[Held, ...]) -> Who:
    person = caller.person
    return Who(
        person.id, person.role, person.organisation, held, person.ended_at, only=caller.only,
        recent_until=caller.recent_until,
    )  # fmt: skip


def of_case(session: Session, caller: Caller, case: Case) -> Thing:
    """Return a case as `decide` sees it."""
    marked = facts.markings(session, [case.id])
    return Thing(
        "case",
        organisation=case.organisation,
        markings=tuple(marked.values()),
        permitted=facts.permitted(session, [case.id], caller.person.id).get(case.id, {}),
    )


def named_case(session: Session, caller: Caller, code: str) -> tuple[Case, Who, Thing] | None:
    """Return a case, who asks about it, and the case as `decide` sees it; None: there is none."""
    found = facts.of_code(session, code, caller.person.id)
    if found is None:
        return None
    thing = Thing(
        "case",
        organisation=found.case.organisation,
        markings=() if found.marking is None else (found.marking,),
        permitted=found.permitted,
    )
    return found.case, _who(caller, found.held), thing


def of_submission(session: Session, caller: Caller, case: Case, row: Submission) -> Thing:
    """Return a submission as `decide` sees it."""
    ids = [case.id, row.id]
    permitted = facts.permitted(session, ids, caller.person.id)
    return Thing(
        "submission",
        organisation=case.organisation,
        submission=row.id,
        submitter=row.person_id,
        markings=tuple(facts.markings(session, ids).values()),
        permitted=permitted.get(case.id, {}) | permitted.get(row.id, {}),
    )


def of_exhibits(
    session: Session, caller: Caller, case: Case, exhibits: Sequence[Any]
) -> list[Thing]:
    """Return exhibits of one case, or rows with their id and submission, as `decide` sees them."""
    submissions, person = list({one.submission_id for one in exhibits}), caller.person.id
    ids = [one.id for one in exhibits]
    said = facts.Said().read(session, [case.id, *submissions, *ids], person)
    lines = facts.lines(session, ids, said.parents)
    ancestors = {one for line in lines.values() for one in line} - lines.keys()
    further = {of for held in said.associated.values() for of, _ in held} - {case.id}
    if ancestors or further:
        said.read(session, [*ancestors, *further], person)
    marked = said.markings
    owned = any(one.owner for one in marked.values())
    consents = facts.consents(session, [*submissions, *ids, *ancestors]) if owned else {}
    closed = facts.closed_in(session, lines, said.privileged)
    special = {*marked, *said.permitted, *said.associated, *said.parties, *consents, *closed}
    alike: dict[str, Thing] = {}  # of a submission, all of which nothing is said: one object
    found = []
    for one in exhibits:
        id_, submission = one.id, one.submission_id
        plain = special.isdisjoint((id_, *lines[id_]))
        if plain and submission in alike:
            found.append(alike[submission])
            continue
        granted = said.associated.get(id_, ())
        disclosed = said.parties.get(id_, set())
        own = (case.id, *dict.fromkeys(of for of, _ in granted), submission, id_)
        subjects = (*own, *lines[id_])
        thing = Thing(
            "exhibit",
            organisation=case.organisation,
            submission=submission,
            submitter=said.submitters.get(submission),
            disclosed_to=frozenset(party for of, party in disclosed if of == case.id),
            by_association=tuple(
                held for of, held in granted if held.party is None or (of, held.party) in disclosed
            ),
            markings=tuple(marked[s] for s in subjects if s in marked),
            consents=tuple(one for s in subjects for one in consents.get(s, ())),
            permitted={act: at for s in own for act, at in said.permitted.get(s, {}).items()},
            privileged="" in closed.get(id_, ()),
            holds_privileged=id_ in closed,
        )
        if plain:
            alike[submission] = thing
        found.append(thing)
    return found


def governs(session: Session, caller: Caller, case: Case, now: datetime) -> bool:
    """Say whether a case is one of the caller's to govern: another institution's is not."""
    asking = who(session, caller, case)
    return decide(asking, Right.GOVERN, of_case(session, caller, case), None, now).allowed


# --- acts


def on_house(repo: Repository, caller: Caller, right: Right, *, attempted: Act) -> Actor:
    """Return the actor of an act on the house.

    Raises:
        AccessDenied: the role does not allow it; recorded.
        StepUpRequired: it does, once they have signed in again; recorded.
    """
    with repo.database.reading() as session:
        asking = who(session, caller)
    decision = decide(asking, right, HOUSE, None, repo.clock())
    if not decision.allowed:
        denied = AccessDenied(f"the role {caller.person.role} does not allow this ({right.value})")
        error = step_up(repo, decision.reasons) or denied
        refuse(repo, caller, attempted, decision.reasons, error)
    return caller.actor(decision.role)


def on_case(
    repo: Repository,
    caller: Caller,
    right: Right,
    code: str,
    *,
    attempted: Act,
    purpose: Purpose | None = None,
) -> tuple[Actor, Case]:
    """Return the actor of an act on a case, and the case.

    Raises:
        UnknownCase: there is none, or the caller has no part in it; recorded.
        AccessDenied: a part in it, but not this right; recorded.
    """
    unknown = UnknownCase(f"there is no case {shown(code)} that you take part in")
    with repo.database.reading() as session:
        found = named_case(session, caller, code)
    if found is None:
        refuse(repo, caller, attempted, ["unknown-case"], unknown, asked=code)
    case, asking, thing = found
    role = _allow(
        repo, caller, asking, right, thing, unknown, attempted=attempted, purpose=purpose, case=case
    )
    return caller.actor(role), case


def on_exhibit(
    repo: Repository,
    caller: Caller,
    right: Right,
    number: str,
    *,
    attempted: Act,
    purpose: Purpose | None = None,
) -> tuple[Actor, Case, Exhibit]:
    """Return the actor of an act on an exhibit, its case, and the exhibit.

    Raises:
        UnknownExhibit: there is none, or the caller has no part in it; recorded.
        AccessDenied: a part in it, but not this right; recorded.
    """
    return decided(repo, caller, right, number, attempted=attempted, purpose=purpose)[:3]


def decided(
    repo: Repository,
    caller: Caller,
    right: Right,
    number: str,
    *,
    attempted: Act,
    purpose: Purpose | None = None,
) -> tuple[Actor, Case, Exhibit, Thing]:
    """Return the same, and the exhibit as it was decided about.

    Raises:
        UnknownExhibit, AccessDenied: as `on_exhibit`.
    """
    unknown = UnknownExhibit(f"there is no exhibit {shown(number)} that you may know of")
    with repo.database.reading() as session:
        found = facts.of_number(session, number, caller.person.id)
        if found is not None:
            exhibit, case, held = found
            [thing] = of_exhibits(session, caller, case, [exhibit])
    if found is None:
        refuse(repo, caller, attempted, ["unknown-exhibit"], unknown, asked=number)
    asking = _who(caller, held)
    role = _allow(
        repo, caller, asking, right, thing, unknown,
        attempted=attempted, purpose=purpose, case=case, exhibit=exhibit,
    )  # fmt: skip
    return caller.actor(role), case, exhibit, thing


def on_submission(
    repo: Repository, caller: Caller, right: Right, named: str, *, attempted: Act
) -> tuple[Actor, Case, Submission]:
    """Return the actor of an act on a submission, its case, and the submission.

    Raises:
        UnknownSubmission: there is none, or the caller has no such right on it; recorded.
    """
    unknown = UnknownSubmission(f"there is no submission {shown(named)} that you may know of")
    try:
        wanted = submission_id(named)
    except BadRequest:
        wanted = ""
    with repo.database.reading() as session:
        submission = session.get(Submission, wanted)
        case = session.get(Case, submission.case_id) if submission else None
        if submission is not None and case is not None:
            asking = who(session, caller, case)
            thing = of_submission(session, caller, case, submission)
    if submission is None or case is None:
        refuse(repo, caller, attempted, ["unknown-submission"], unknown, asked=named)
    if caller.acknowledged is not None and submission.list_index is not None:
        [digest] = repo.ledger.entry(submission.list_index).fields["inputs"]
        same = hmac.compare_digest(digest.encode(), caller.acknowledged.encode())
        asking = replace(asking, acknowledged=same)
    decision = decide(asking, right, thing, None, repo.clock())
    if not decision.allowed:
        refuse(repo, caller, attempted, decision.reasons, unknown, case=case)
    return caller.actor(decision.role), case, submission


def on_own_submission(
    repo: Repository, caller: Caller, named: str
) -> tuple[Actor, Case, Submission]:
    """Return a submission that the caller may go on with: the caller's own; a custodian any.

    Raises:
        UnknownSubmission: there is none, or it is somebody else's; recorded.
    """
    actor, case, submission = on_submission(
        repo, caller, Right.INGEST, named, attempted=Act.SUBMISSION
    )
    if submission.person_id != caller.person.id and actor.role != "custodian":
        unknown = UnknownSubmission(f"there is no submission {shown(named)} that you may know of")
        refuse(repo, caller, Act.SUBMISSION, ["not-own"], unknown, case=case)
    return actor, case, submission


def on_upload(
    repo: Repository,
    caller: Caller,
    case_id: str | None,
    named: str | None,
    unknown: EvidenceError,
) -> Actor:
    """Return the actor of an upload of the caller's own, on its case; without one, on any case.

    Args:
        repo: the repository.
        caller: whose upload it is.
        case_id: its case; None for a part of an upload, which names no case yet.
        named: its submission.
        unknown: what is said to whoever may not.

    Raises:
        EvidenceError: `unknown`; the caller may not hand in, there or anywhere; recorded.
    """
    query = select(Case).join(Grant, Grant.case_id == Case.id)
    mine = query.where(Grant.person_id == caller.person.id)
    with repo.database.reading() as session:
        if case_id is not None:
            cases: Sequence[Case] = [session.get_one(Case, case_id)]
        else:
            cases = session.scalars(mine.distinct()).all()
        asked = [(who(session, caller, case), of_case(session, caller, case)) for case in cases]
    if case_id is None and caller.person.role == "custodian":
        asked.append((Who(caller.person.id, "custodian", only=caller.only), HOUSE))
    decisions = []
    for asking, thing in asked:
        mine_there = thing
        if case_id is not None:
            mine_there = replace(thing, submission=named, submitter=caller.person.id)
        decisions.append(decide(asking, Right.INGEST, mine_there, None, repo.clock()))
    allowed = [one for one in decisions if one.allowed]
    if not allowed:
        reasons = dict.fromkeys(reason for one in decisions for reason in one.reasons)
        refuse(repo, caller, Act.SUBMISSION, list(reasons) or ["no-grant"], unknown)
    return caller.actor(allowed[0].role)


def second_person(
    repo: Repository,
    caller: Caller,
    asked: tuple[str, datetime],
    attempted: Act,
    *,
    case: Case | None = None,
    exhibit: Exhibit | None = None,
) -> None:
    """Let only another human being decide than the one who asked; two accounts are one.

    `asked` is who asked, and when: what nobody decided in time has to be asked anew.

    Raises:
        AccessDenied: it is the same person; recorded.
        ApprovalExpired: it was asked too long ago; recorded.
    """
    asked_by, at = asked
    days = repo.settings.approval_days
    if at <= repo.clock() - timedelta(days=days):
        late = ApprovalExpired(f"this was asked more than {days} days ago; it has to be asked anew")
        refuse(repo, caller, attempted, ["approval-expired"], late, case=case, exhibit=exhibit)
    with repo.database.reading() as session:
        asking = session.get_one(Person, asked_by)
    if asking.one == caller.person.one:
        error = AccessDenied("who asked for this does not decide about it; ask another custodian")
        refuse(repo, caller, attempted, ["same-person"], error, case=case, exhibit=exhibit)


def _allow(
    repo: Repository,
    caller: Caller,
    asking: Who,
    right: Right,
    thing: Thing,
    unknown: EvidenceError,
    *,
    attempted: Act,
    purpose: Purpose | None,
    case: Case,
    exhibit: Exhibit | None = None,
) -> str:
    """Return the role in which the act is done, or refuse."""
    now = repo.clock()
    decision = decide(asking, right, thing, purpose, now)
    if not decision.allowed:
        error = unknown
        known = Right.CONSULT if exhibit is not None else Right.LIST
        stale = step_up(repo, decision.reasons)
        if stale is not None:
            error = stale
        elif decide(asking, known, thing, None, now).allowed:
            named = exhibit.number if exhibit else case.code
            why = ", ".join(decision.reasons)
            error = AccessDenied(f"{right.value} is not allowed to you on {named}: {why}")
        refuse(
            repo, caller, attempted, decision.reasons, error,
            purpose=purpose, case=case, exhibit=exhibit,
        )  # fmt: skip
    return decision.role


def refuse(
    repo: Repository,
    caller: Caller | Actor,
    attempted: Act,
    reasons: Sequence[str],
    error: EvidenceError,
    *,
    asked: str | None = None,
    purpose: Purpose | None = None,
    case: Case | None = None,
    exhibit: Exhibit | None = None,
) -> NoReturn:
    """Record an `access_denied` with every reason, then raise the error.

    Raises:
        LedgerUnavailable: the refusal could not be recorded.
    """
    withheld: dict[str, object] = {}
    if asked is not None:
        withheld["asked"] = asked.encode("utf-8", "backslashreplace").decode()[:2_000]
    if purpose is not None:
        withheld["purpose"] = purpose.to_json()
    if case is not None:
        withheld["case"] = case.code
    repo.ledger.record(
        Draft(
            Act.ACCESS_DENIED,
            caller.actor() if isinstance(caller, Caller) else caller,
            "refused",
            reason=reasons[0],
            exhibit=ref(exhibit) if exhibit else None,
            plain={"attempted": str(attempted), "reasons": list(reasons)},
            withheld=withheld,
            subject=None if exhibit else (case.id if case else None),
        )
    )
    raise error
