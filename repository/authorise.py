"""Let a person act, or record the refusal and refuse.

Absent and forbidden are told apart only in the record: outside, both say "unknown".
"""

from dataclasses import dataclass
from typing import NoReturn

from custody.entry import Act, Actor, Draft, ExhibitRef
from custody.errors import EvidenceError
from repository import Repository
from repository.access import Right, Standing, decide
from repository.cases import find_case
from repository.errors import (
    AccessDenied,
    BadRequest,
    UnknownCase,
    UnknownExhibit,
    UnknownSubmission,
)
from repository.exhibits import find_exhibit, ref
from repository.models import Case, Exhibit, Person, Submission
from repository.naming import shown, submission_id
from repository.people import actor_of, case_roles


@dataclass(frozen=True, slots=True)
class Caller:
    """A person who is known (`assurance` says how) and has not been allowed anything yet."""

    person: Person
    assurance: str

    def actor(self, role: str | None = None) -> Actor:
        """Return the caller as entries record them."""
        return actor_of(self.person, role=role or self.person.role, assurance=self.assurance)


def on_house(repo: Repository, caller: Caller, right: Right, *, attempted: Act) -> Actor:
    """Return the actor of an act on the house.

    Raises:
        AccessDenied: the role does not allow it; recorded.
    """
    decision = decide(Standing(caller.person.role), right)
    if not decision.allowed:
        message = f"the role {caller.person.role} does not allow this ({right.value})"
        refuse(repo, caller, attempted, decision.reason or "role", AccessDenied(message))
    return caller.actor(decision.role)


def on_case(
    repo: Repository, caller: Caller, right: Right, code: str, *, attempted: Act
) -> tuple[Actor, Case]:
    """Return the actor of an act on a case, and the case.

    Raises:
        UnknownCase: there is none, or the caller has no part in it; recorded.
        AccessDenied: a part in it, but not this right; recorded.
    """
    unknown = UnknownCase(f"there is no case {shown(code)} that you take part in")
    with repo.database.reading() as session:
        case = find_case(session, code)
        roles = case_roles(session, caller.person.id, case.id) if case else frozenset()
    if case is None:
        refuse(repo, caller, attempted, "unknown-case", unknown, asked=code)
    decision = decide(Standing(caller.person.role, roles), right)
    if not decision.allowed:
        error: EvidenceError = unknown
        if decision.reason == "role":
            held = ", ".join(sorted(roles))
            error = AccessDenied(
                f"your role on {code} ({held}) does not allow this ({right.value})"
            )
        refuse(repo, caller, attempted, decision.reason or "role", error, case=case)
    return caller.actor(decision.role), case


def on_exhibit(
    repo: Repository, caller: Caller, right: Right, number: str, *, attempted: Act
) -> tuple[Actor, Case, Exhibit]:
    """Return the actor of an act on an exhibit, its case, and the exhibit.

    Raises:
        UnknownExhibit: there is none, or the caller has no part in its case; recorded.
        AccessDenied: a part in it, but not this right; recorded.
    """
    unknown = UnknownExhibit(f"there is no exhibit {shown(number)} that you may know of")
    with repo.database.reading() as session:
        exhibit = find_exhibit(session, number)
        case = session.get(Case, exhibit.case_id) if exhibit else None
        roles = case_roles(session, caller.person.id, case.id) if case else frozenset()
    if exhibit is None or case is None:
        refuse(repo, caller, attempted, "unknown-exhibit", unknown, asked=number)
    decision = decide(Standing(caller.person.role, roles), right)
    if not decision.allowed:
        error: EvidenceError = unknown
        if decision.reason == "role":
            error = AccessDenied(
                f"your role on {case.code} ({', '.join(sorted(roles))}) "
                f"does not allow this ({right.value})"
            )
        reason = decision.reason or "role"
        refuse(repo, caller, attempted, reason, error, case=case, exhibit=exhibit)
    return caller.actor(decision.role), case, exhibit


def on_submission(
    repo: Repository, caller: Caller, right: Right, named: str, *, attempted: Act
) -> tuple[Actor, Case, Submission]:
    """Return the actor of an act on a submission, its case, and the submission.

    Raises:
        UnknownSubmission: there is none, or the caller has no such right on its case; recorded.
    """
    unknown = UnknownSubmission(f"there is no submission {shown(named)} that you may know of")
    try:
        wanted = submission_id(named)
    except BadRequest:
        wanted = ""
    with repo.database.reading() as session:
        submission = session.get(Submission, wanted)
        case = session.get(Case, submission.case_id) if submission else None
        roles = case_roles(session, caller.person.id, case.id) if case else frozenset()
    if submission is None or case is None:
        refuse(repo, caller, attempted, "unknown-submission", unknown, asked=named)
    decision = decide(Standing(caller.person.role, roles), right)
    if not decision.allowed:
        refuse(repo, caller, attempted, decision.reason or "role", unknown, case=case)
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
        refuse(repo, caller, Act.SUBMISSION, "not-own", unknown, case=case)
    return actor, case, submission


def refuse(
    repo: Repository,
    caller: Caller,
    attempted: Act,
    reason: str,
    error: EvidenceError,
    *,
    asked: str | None = None,
    case: Case | None = None,
    exhibit: Exhibit | None = None,
) -> NoReturn:
    """Record an `access_denied`, then raise the error.

    Raises:
        LedgerUnavailable: the refusal could not be recorded.
    """
    withheld: dict[str, object] = {}
    if asked is not None:
        withheld["asked"] = asked.encode("utf-8", "backslashreplace").decode()[:2_000]
    if case is not None:
        withheld["case"] = case.code
    about: ExhibitRef | None = ref(exhibit) if exhibit else None
    repo.ledger.record(
        Draft(
            Act.ACCESS_DENIED,
            caller.actor(),
            "refused",
            reason=reason,
            exhibit=about,
            plain={"attempted": str(attempted)},
            withheld=withheld,
            subject=None if exhibit else (case.id if case else None),
        )
    )
    raise error
