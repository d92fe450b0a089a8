"""What may be privileged: closed to the case team at a word, opened by somebody independent alone.

Whoever works on a case says that an exhibit, or a member of one, may be privileged: at once it is
closed to everybody but reviewers (`access._privileged`). A reviewer, who has no other part in the
case, releases it or confirms that it is privileged. Both are entries; the state stays visible.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from custody.errors import EvidenceError
from repository import Repository, facts
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, on_case, on_exhibit, refuse, who
from repository.consult import consulted, known
from repository.errors import AccessDenied, BadRequest, UnknownPlace
from repository.exhibits import latest_run, ref
from repository.extractions import record_of
from repository.models import Case, Exhibit, Person
from repository.naming import shown
from repository.proceedings import Privilege
from repository.stated import stated_motive

POSSIBLE, CONFIRMED, RELEASED = "possible", "confirmed", "released"
DECISIONS = {"confirm": CONFIRMED, "release": RELEASED}
MAX_MEMBER = 4096  # bytes: what a listing shows


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was named as possibly privileged, and what became of that."""

    number: str
    row: Privilege

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it: no persons, they stand in the entries."""
        decided = self.row.decided_at
        return {
            "exhibit": self.number,
            "member": self.row.member or None,
            "state": self.row.state,
            "claimed_at": timestamp(self.row.claimed_at),
            "decided_at": timestamp(decided) if decided else None,
            "entry": self.row.index,
        }


def claim(
    repo: Repository, caller: Caller, number: str, *, member: str | None = None, motive: str
) -> Claimed:
    """Say that an exhibit, or a member of it, may be privileged; again, it changes nothing.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), or no path that a listing shows.
        UnknownPlace: the caller's listing of it has no such member, or that is a folder.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.PRIVILEGE, number, attempted=Act.HANDLING_CHANGE
    )
    stated_motive(repo, caller, motive, Act.HANDLING_CHANGE, case=case, exhibit=exhibit)
    path = _path(member)
    if path:
        _check_listed(repo, caller, case, exhibit, path)
    at = repo.clock()
    with repo.database.writing() as session:
        take_lock(session)
        row = _open(session, exhibit, path)
        if row is None:
            claim_id = uuid7(at, repo.random)
            for above, inner in _holding(session, exhibit, path):
                one = Privilege(
                    claim=claim_id, exhibit_id=above.id, case_id=above.case_id, member=inner,
                    named=above.id == exhibit.id, state=POSSIBLE, claimed_by=actor.id,
                    claimed_at=at, decided_by=None, decided_at=None, index=-1,
                )  # fmt: skip
                session.add(one)
                row = one if one.named else row
            session.flush()
            assert row is not None
            draft = _draft(actor, case, exhibit, row, "privilege-claimed", motive)
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
    return Claimed(exhibit.number, row)


def judge(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    decision: str,
    member: str | None = None,
    motive: str,
) -> Claimed:
    """Release something to the case team again, or confirm that it is privileged, as a reviewer.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller, who claimed it or has another part in
            the case; recorded.
        BadRequest: no motive (recorded), another decision, or nothing there is closed.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.JUDGE, number, attempted=Act.HANDLING_CHANGE
    )
    stated_motive(repo, caller, motive, Act.HANDLING_CHANGE, case=case, exhibit=exhibit)
    if decision not in DECISIONS:
        raise BadRequest(f"a decision is one of {', '.join(DECISIONS)}")
    path, state = _path(member), DECISIONS[decision]
    same = False
    with repo.database.writing() as session:
        take_lock(session)
        row = _open(session, exhibit, path)
        if row is None:
            what = f"{shown(path)} in {exhibit.number}" if path else exhibit.number
            raise BadRequest(f"{what} is not closed as possibly privileged by that name")
        same = session.get_one(Person, row.claimed_by).one == caller.person.one
        if not same and row.state != state:
            at = repo.clock()
            query = select(Privilege).where(Privilege.claim == row.claim)
            for one in session.scalars(query):
                one.state, one.decided_by, one.decided_at = state, actor.id, at
            session.flush()
            draft = _draft(actor, case, exhibit, row, f"privilege-{state}", motive)
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
    if same:
        error = AccessDenied("who said that it may be privileged does not decide about it")
        refuse(
            repo, caller, Act.HANDLING_CHANGE, ["same-person"], error, case=case, exhibit=exhibit
        )
    return Claimed(exhibit.number, row)


def claims(repo: Repository, caller: Caller, code: str) -> list[Claimed]:
    """Return what was ever named in a case, of exhibits that the caller may know of; recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    query = (
        select(Exhibit, Privilege)
        .join(Privilege, Privilege.exhibit_id == Exhibit.id)
        .where(Privilege.case_id == case.id, Privilege.named)
        .order_by(Exhibit.serial, Privilege.claimed_at, Privilege.claim)
    )
    with repo.database.reading() as session:
        rows = [(exhibit, row) for exhibit, row in session.execute(query)]
        some = list({exhibit.id: exhibit for exhibit, _ in rows}.values())
        seen = {one.id for one in known(repo, session, caller, case, some)}
    found = [Claimed(exhibit.number, row) for exhibit, row in rows if exhibit.id in seen]
    consulted(repo, actor, [one.to_json() for one in found], "privilege-list", case=case)
    return found


def _path(member: str | None) -> str:
    path = "" if member is None else member
    raw = path.encode("utf-8", "backslashreplace")
    if member is not None and not 1 <= len(raw) <= MAX_MEMBER:
        raise BadRequest(f"a member's path has 1 to {MAX_MEMBER} bytes")
    return raw.decode()


def _check_listed(
    repo: Repository, caller: Caller, case: Case, exhibit: Exhibit, path: str
) -> None:
    """Refuse a member that a whole listing has not: what was meant would stay open.

    What cannot be told, or is not told to this caller, stops nobody who closes something.
    """
    with repo.database.reading() as session:
        run = latest_run(session, exhibit.id)
        [thing] = of_exhibits(session, caller, case, [exhibit])
        told = decide(who(session, caller, case), Right.FACTS, thing, None, repo.clock()).allowed
    if run is None or run.outcome != "ok" or exhibit.erased_at is not None or not told:
        return
    try:
        listed = {str(one["path"]) for one in record_of(repo, exhibit, run)["members"]}
    except EvidenceError:
        return
    if path in listed and not path.endswith("/"):
        return
    if any(one.startswith(f"{path.rstrip('/')}/") for one in listed):
        raise UnknownPlace(
            f"{shown(path)} is a folder; name each member in it, or the whole of {exhibit.number}"
        )
    holder = path.rpartition("!/")[0]
    unlisted = holder in listed and not any(one.startswith(f"{holder}!/") for one in listed)
    if listed and not unlisted:
        raise UnknownPlace(
            f"{exhibit.number} has no member {shown(path)}; see: evidence members {exhibit.number}"
        )


def _open(session: Session, exhibit: Exhibit, path: str) -> Privilege | None:
    query = select(Privilege).where(
        Privilege.exhibit_id == exhibit.id,
        Privilege.state.in_((POSSIBLE, CONFIRMED)),
        Privilege.named,
        Privilege.member == path,
    )
    return session.scalar(query)


def _holding(session: Session, exhibit: Exhibit, path: str) -> list[tuple[Exhibit, str]]:
    """Return the exhibit and all containers above it, each with where in it the thing named is."""
    found = [(exhibit, path)]
    [up] = facts.lines(session, [exhibit.id]).values()
    for above in up:
        inner = found[-1][0].path.decode("utf-8", "backslashreplace")
        path = f"{inner}!/{path}" if path else inner
        found.append((session.get_one(Exhibit, above), path))
    return found


def _draft(
    actor: Actor, case: Case, exhibit: Exhibit, row: Privilege, reason: str, motive: str
) -> Draft:
    withheld: dict[str, Any] = {
        "case": case.code, "motive": motive, "detail": {"claim": row.claim}
    }  # fmt: skip
    if row.member:
        withheld["path"] = row.member
    return Draft(
        Act.HANDLING_CHANGE,
        actor,
        reason=reason,
        exhibit=ref(exhibit),
        plain={"handling": {"privilege": row.state}},
        withheld=withheld,
    )
