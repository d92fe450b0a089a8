"""Acts of two persons: one asks with a motive, another human being decides with a motive.

One mechanism for unsealing, revealing and erasing identities, loosening a marking, declaring a key
compromised, and using another key-encryption key. Disposal (`erasure`) has entries and states of
its own, and the same rule of persons. What a decision permits it permits to whoever asked, and
until a time; both entries stay.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from custody.note import VerifierKey
from repository import Repository, holds, identities, rewrapping, succession
from repository.access import Right
from repository.approved import EFFECTS, Approving
from repository.authorise import Caller, governs, on_case, on_house, second_person
from repository.conditions import Marking
from repository.derivations import Derivation
from repository.errors import BadRequest, UnknownApproval
from repository.exhibits import parent_of
from repository.marking import Subject, checked, current, find_subject, tighten
from repository.matching.index import compare_again
from repository.models import Case, Exhibit
from repository.naming import is_codename, shown
from repository.rules import HOUSE, Approval, Identity
from repository.rules import Marking as MarkingRow
from repository.stated import stated_motive

MAX_HOURS = 24 * 30
_OF_IDENTITIES = (Act.IDENTITY_REVEALED, Act.ERASURE)


def request(
    repo: Repository,
    caller: Caller,
    act: Act,
    named: str,
    *,
    motive: str,
    hours: int,
    drawn: str | None = None,
) -> Approval:
    """Ask to see something sealed, or who somebody is, for some hours; nothing is shown yet.

    Or ask for the erasure of an identity in the vault, which has no hours. Under an id that a
    client drew (`drawn`) the same again changes nothing.

    Raises:
        BadRequest: no motive, too long a time, or an act that is not asked for so.
        UnknownCase, UnknownExhibit, UnknownSubmission, AccessDenied: recorded.
    """
    codename = is_codename(named)
    if act not in (_OF_IDENTITIES if codename else (Act.UNSEALING, Act.IDENTITY_REVEALED)):
        raise BadRequest(f"{act} of {shown(named)} is not asked for so")
    if not 1 <= hours <= MAX_HOURS:
        raise BadRequest(f"a permission lasts 1 to {MAX_HOURS} hours")
    if codename:
        actor, case, row = identities.find(repo, caller, Right.REQUEST, named, attempted=act)
        asked = {} if act is Act.ERASURE else {"hours": hours}
        subject = Subject(row.id, row.codename, case)
        stated_motive(repo, caller, motive, act, case=case)
        return _ask(repo, actor, act, subject, asked, motive, drawn=drawn)
    actor, subject = find_subject(repo, caller, Right.REQUEST, named, attempted=act)
    if act is Act.IDENTITY_REVEALED and subject.exhibit is None:
        raise BadRequest("who a source is stands in the record of an exhibit; name that")
    stated_motive(repo, caller, motive, act, case=subject.case, exhibit=subject.exhibit)
    return _ask(repo, actor, act, subject, {"hours": hours}, motive, drawn=drawn)


def mark(
    repo: Repository, caller: Caller, named: str, new: Marking, *, motive: str
) -> tuple[Marking, Approval | None]:
    """Put a marking in force; one that loosens waits for a second person.

    Returns:
        The marking in force now, and the request that waits, if it does.

    Raises:
        BadRequest: no motive, an unknown word, or tightening and loosening at once.
        UnknownCase, UnknownExhibit, UnknownSubmission, AccessDenied: recorded.
    """
    attempted = Act.HANDLING_CHANGE
    actor, subject = find_subject(repo, caller, Right.MARK, named, attempted=attempted)
    stated_motive(repo, caller, motive, attempted, case=subject.case, exhibit=subject.exhibit)
    new = checked(repo, new)
    with repo.database.reading() as session:
        row = session.get(MarkingRow, subject.id)
    old = Marking.from_json(row.marking) if row else Marking()
    loosened, tightened = old.loosened_by(new), new.loosened_by(old)
    if not loosened:
        return tighten(repo, actor, subject, new, motive=motive), None
    if set(tightened) - set(loosened):
        raise BadRequest(
            f"this loosens {', '.join(loosened)} and tightens {', '.join(tightened)}; "
            "make it two changes: the tightening counts at once"
        )
    asked = {"from": old.to_json(), "to": new.to_json()}
    return old, _ask(repo, actor, Act.HANDLING_CHANGE, subject, asked, motive)


def in_force(repo: Repository, caller: Caller, named: str) -> Marking:
    """Return the marking that a change would start from.

    Raises:
        UnknownCase, UnknownExhibit, UnknownSubmission, AccessDenied: recorded.
    """
    _, subject = find_subject(repo, caller, Right.MARK, named, attempted=Act.HANDLING_CHANGE)
    return current(repo, subject.id)


def request_own(repo: Repository, caller: Caller, number: str, *, motive: str) -> Approval:
    """Ask that a derivative be handled on its own marking, and inherit its parent's no more.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), or people did not make it, or it was agreed before, or it
            has the bytes of what it was made of.
    """
    attempted = Act.HANDLING_CHANGE
    actor, subject = find_subject(repo, caller, Right.REQUEST, number, attempted=attempted)
    stated_motive(repo, caller, motive, attempted, case=subject.case, exhibit=subject.exhibit)
    with repo.database.reading() as session:
        row = session.get(Derivation, subject.id)
        same = _same_above(session, subject.exhibit) if subject.exhibit is not None else None
    if row is None or row.own:
        why = "was agreed before" if row else "is for what people made: redactions, clips and such"
        raise BadRequest(f"its own marking alone {why}")
    if same is not None:
        raise BadRequest(f"it has the very bytes of {same.number}, and is handled as that is")
    now = current(repo, subject.id).to_json()
    asked = {"from": now, "to": now, "own": True}
    return _ask(repo, actor, attempted, subject, asked, motive)


def _same_above(session: Session, exhibit: Exhibit) -> Exhibit | None:
    """Return what it was made of that has the same bytes: to give one is to give the other."""
    above = parent_of(session, exhibit.id)
    while above is not None and above.sha256 != exhibit.sha256:
        above = parent_of(session, above.id)
    return above


def request_compromise(
    repo: Repository, caller: Caller, key: VerifierKey, *, since: int | None, motive: str
) -> Approval:
    """Ask to record that a key of the log is in other hands.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no motive, or no key of this log.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.KEY_ROTATION)
    stated_motive(repo, caller, motive, Act.KEY_ROTATION)
    if key not in {one.key for one in repo.ledger.key_history()}:
        raise BadRequest("this key was never one of this log; see: evidence ledger key list")
    # From the next head on: the newest one may be that of the entry by which the key was replaced.
    asked = {"key": str(key), "size": repo.ledger.size() + 1 if since is None else since}
    return _ask(repo, actor, Act.KEY_ROTATION, None, asked, motive)


def request_wrapping_key(
    repo: Repository, caller: Caller, *, uri: str | None, motive: str
) -> Approval:
    """Make another key-encryption key and ask that it be used from now on.

    Args:
        repo: the repository.
        caller: a custodian.
        uri: of a key in a module; None: a new file among the keys.
        motive: why, in words.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no motive (recorded), or as `rewrapping.make`.
        KeyUnavailable: it cannot be made.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    made = rewrapping.make(repo, uri)
    asked = {"kek": made.id, "uri": uri and uri.partition("?")[0]}
    return _ask(repo, actor, Act.CONFIGURATION_CHANGE, None, asked, motive)


def request_release(repo: Repository, caller: Caller, hold: str, *, motive: str) -> Approval:
    """Ask that a hold be released; the exhibit stays held until another person says so too.

    Raises:
        UnknownHold: none that is on, or not for this caller; recorded.
        BadRequest: no motive; recorded.
    """
    attempted = Act.HOLD_RELEASED
    actor, case, exhibit, row = holds.find(repo, caller, hold, attempted=attempted)
    stated_motive(repo, caller, motive, attempted, case=case, exhibit=exhibit)
    asked = {"hold": row.id, "matter": row.matter}
    return _ask(
        repo, actor, attempted, Subject(exhibit.id, exhibit.number, case, exhibit), asked, motive
    )


def waiting(
    repo: Repository, caller: Caller, *, after: str = "", limit: int | None = None
) -> list[tuple[Approval, str, str]]:
    """Return what waits for a decision, with its subject and the motive that was stated; recorded.

    In the order in which it was asked for, after an id. What is about a case of another institution
    is not the caller's to know.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    since = repo.clock() - timedelta(days=repo.settings.approval_days)  # older ones have expired
    query = (
        select(Approval)
        .where(
            Approval.state == "requested",
            Approval.requested_at > since,
            Approval.index != succession.UNRECORDED,
        )
        .order_by(Approval.id)
        .limit(limit)
    )
    rows: list[Approval] = []
    with repo.database.reading() as session:
        while some := list(session.scalars(query.where(Approval.id > after))):
            rows += [row for row in some if _reaches(repo, session, caller, row)]
            after = some[-1].id
            if limit is None or len(rows) >= limit:
                break
        rows = rows[:limit]
        names = [_name(session, row) for row in rows]
    repo.ledger.record(
        Draft(Act.CONSULTATION, actor, reason="approval-list", plain={"count": len(rows)})
    )
    found = []
    for row, name in zip(rows, names, strict=True):
        opened = repo.ledger.opened(repo.ledger.entry(row.index))
        found.append((row, name, str(opened.get("motive", ""))))
    return found


def approve(repo: Repository, caller: Caller, approval: str, *, motive: str) -> Approval:
    """Decide as a second person that it be done; it is done in the same transaction.

    Raises:
        AccessDenied: no custodian, or the same human being who asked; recorded.
        UnknownApproval: nothing waits under this id.
        BadRequest: no motive, or what was asked for no longer fits.
    """
    actor, subject = _decider(repo, caller, approval, motive, Act.APPROVAL_GIVEN)
    with repo.database.writing() as session:
        row = _waiting(session, approval)
        row.state, row.decided_by, row.decided_at = "approved", actor.id, repo.clock()
        if "hours" in row.asked:
            row.until = repo.clock() + timedelta(hours=row.asked["hours"])
        session.flush()
        if row.act == Act.HANDLING_CHANGE:
            compare_again(session, [row.subject])
        if "succession" in row.asked:
            _succeeded(Approving(repo, session, actor, row, subject, motive))
        else:
            given = _decision(Act.APPROVAL_GIVEN, actor, row, subject, motive)
            repo.ledger.append(session, [given])
            effect = EFFECTS[Act(row.act)]
            effect(Approving(repo, session, actor, row, subject, motive))
    if "succession" in row.asked:
        repo.ledger.refuse(None)
    if row.act == Act.ERASURE:
        repo.database.overwrite_log()
    if row.act == Act.HOLD_RELEASED:
        holds.follow(repo, [row.subject])
    return row


def reject(repo: Repository, caller: Caller, approval: str, *, motive: str) -> Approval:
    """Decide as a second person that it be not done.

    Raises:
        AccessDenied, UnknownApproval, BadRequest: as `approve`.
    """
    actor, subject = _decider(repo, caller, approval, motive, Act.APPROVAL_REFUSED)
    with repo.database.writing() as session:
        row = _waiting(session, approval)
        row.state, row.decided_by, row.decided_at = "refused", actor.id, repo.clock()
        session.flush()
        repo.ledger.append(session, [_decision(Act.APPROVAL_REFUSED, actor, row, subject, motive)])
    return row


def _ask(
    repo: Repository,
    actor: Actor,
    act: Act,
    subject: Subject | None,
    asked: Mapping[str, Any],
    motive: str,
    *,
    drawn: str | None = None,
) -> Approval:
    at = repo.clock()
    row = Approval(
        id=f"APR-{drawn or uuid7(at, repo.random)}",
        act=str(act),
        subject=subject.id if subject else HOUSE,
        case_id=subject.case.id if subject else None,
        asked=dict(asked),
        requested_by=actor.id,
        requested_at=at,
        state="requested",
        index=-1,
    )
    detail = {"approval": row.id, "asked": dict(asked)}
    draft = _draft(Act.APPROVAL_REQUESTED, actor, row, subject, motive, detail)
    with repo.database.writing() as session:
        if drawn is not None and (made := session.get(Approval, row.id)) is not None:
            return made
        session.add(row)
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return row


def _decider(
    repo: Repository, caller: Caller, approval: str, motive: str, decision: Act
) -> tuple[Actor, Subject | None]:
    with repo.database.reading() as session:
        row = session.get(Approval, approval)
        case = session.get(Case, row.case_id) if row and row.case_id else None
        exhibit = session.get(Exhibit, row.subject) if row else None
        name = _name(session, row) if row else ""
    if case is None:
        actor = on_house(repo, caller, Right.DECIDE, attempted=decision)
    else:
        actor, _ = on_case(repo, caller, Right.DECIDE, case.code, attempted=decision)
    stated_motive(repo, caller, motive, decision, case=case, exhibit=exhibit)
    with repo.database.reading() as session:
        row = _waiting(session, approval)
    asked = row.requested_by, row.requested_at
    second_person(repo, caller, asked, decision, case=case, exhibit=exhibit)
    return actor, Subject(row.subject, name, case, exhibit) if case else None


def _decision(act: Act, actor: Actor, row: Approval, subject: Subject | None, motive: str) -> Draft:
    detail = {"approval": row.id, "requested_by": row.requested_by, "asked": row.asked}
    return _draft(act, actor, row, subject, motive, detail)


def _draft(
    act: Act,
    actor: Actor,
    row: Approval,
    subject: Subject | None,
    motive: str,
    detail: Mapping[str, Any],
) -> Draft:
    withheld: dict[str, Any] = {"motive": motive, "detail": dict(detail)}
    if subject is not None:
        withheld["case"] = subject.case.code
    return Draft(
        act,
        actor,
        exhibit=subject.ref if subject else None,
        plain={"attempted": row.act},
        withheld=withheld,
        subject=subject.case.id if subject and not subject.exhibit else None,
    )


def _reaches(repo: Repository, session: Session, caller: Caller, row: Approval) -> bool:
    if row.case_id is None:
        return True
    return governs(session, caller, session.get_one(Case, row.case_id), repo.clock())


def _waiting(session: Session, approval: str) -> Approval:
    row = session.get(Approval, approval, with_for_update={"key_share": True})
    if row is None or row.state != "requested":
        raise UnknownApproval(f"nothing waits for a decision as {shown(approval)}")
    return row


def _name(session: Session, row: Approval) -> str:
    exhibit = session.get(Exhibit, row.subject)
    case = session.get(Case, row.subject)
    identity = session.get(Identity, row.subject)
    if identity is not None:
        return identity.codename
    return exhibit.number if exhibit else case.code if case else row.subject


def _succeeded(job: Approving) -> None:
    """Begin the successor; nothing is recorded before its first entry, this decision neither."""
    row = job.row
    asked, motive = row.asked["succession"], row.asked["motive"]
    row.asked = {"succession": asked}  # the motive is withheld from now on, in the entry
    job.session.flush()
    entry = succession.begin(
        job.repo,
        job.session,
        job.actor,
        asked,
        requested=(row.requested_by, row.requested_at),
        motive=motive,
        then=[_decision(Act.APPROVAL_GIVEN, job.actor, row, None, job.motive)],
    )
    row.index = entry.index
