"""Custody that passes on: released by one side, received or refused by the other, or taken back.

Each side reads every byte again and records the digest. A transfer is one act on some exhibits of
a case; each is answered by itself. Its states: `released` (nothing was provided yet), `provided`
(the other side has begun to take it over, or has the bytes, and has acknowledged nothing),
`received`, `refused`, `withdrawn` (taken back before anything was provided), `dropped` (taken back
after: it was accepted, and no receipt came).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from custody.errors import EvidenceError, LedgerDamaged
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, on_exhibit, refuse, who
from repository.counterparts import keys_of_organisation
from repository.errors import (
    BadRequest,
    Erased,
    IntegrityError,
    ReleaseEnded,
    TransferAnswered,
    TransferOpen,
    UnknownTransfer,
)
from repository.exhibits import digest_of_parts, ref
from repository.handovers import WAITING, Transfer
from repository.marking import handling_of, strictest, told_with
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.people import named_organisation
from repository.purpose import Purpose
from repository.retrieve import integrity_failure, recorded_parts, verified_bytes
from repository.stated import stated_motive, stated_purpose
from repository.still import check_still

MOST = 1_000  # exhibits of one transfer
ANSWERS = ("receive", "refuse", "withdraw")


@dataclass(frozen=True, slots=True)
class Released:
    """One exhibit of a transfer, as lists show it."""

    row: Transfer
    exhibit: Exhibit
    case: str

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        row = self.row
        return {
            "transfer": row.id,
            "exhibit": self.exhibit.number,
            "case": self.case,
            "sha256": self.exhibit.sha256,
            "size": self.exhibit.size,
            "to": row.recipient,
            "state": row.state,
            "released_at": timestamp(row.released_at),
            "provided_at": timestamp(row.provided_at) if row.provided_at else None,
            "answered_at": timestamp(row.answered_at) if row.answered_at else None,
            "entry": row.index,
            "answer": row.answer,
        }


def release(
    repo: Repository,
    caller: Caller,
    numbers: Sequence[str],
    *,
    to: str,
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
) -> list[Released]:
    """Release custody of exhibits of one case to an organisation; it stays until it is answered.

    Raises:
        PurposeRequired, UnknownExhibit, AccessDenied: refused and recorded.
        BadRequest: nothing or too much named, exhibits of several cases, no such organisation.
        TransferOpen: one of them is released already.
        Erased: there is nothing left to release.
        IntegrityError: stored bytes differ; recorded, and nothing was released.
        ReleaseEnded: consent or access ended while they were read; recorded.
    """
    stated = stated_purpose(
        repo, caller, purpose, Act.TRANSFER_RELEASED, authority=authority, assured=assured,
        recipient=to,
    )  # fmt: skip
    wanted = list(dict.fromkeys(numbers))
    if not 1 <= len(wanted) <= MOST:
        raise BadRequest(f"a transfer is of 1 to {MOST} exhibits")
    found = [
        on_exhibit(
            repo, caller, Right.RELEASE, number, attempted=Act.TRANSFER_RELEASED, purpose=stated
        )
        for number in wanted
    ]
    actor, case, _ = found[0]
    exhibits = [exhibit for _, _, exhibit in found]
    if any(other.id != case.id for _, other, _ in found):
        raise BadRequest("a transfer is of exhibits of one case; make it several")
    with repo.database.reading() as session:
        named_organisation(session, to)
        keys = [str(one) for one in keys_of_organisation(session, to)]
        things = of_exhibits(session, caller, case, exhibits)
        _not_out(session, exhibits)
    request_id = uuid7(repo.clock(), repo.random)
    outside = {"counterpart": keys} if keys else {}  # it has an installation of its own
    withheld: dict[str, Any] = {"purpose": stated.to_json(), "case": case.code, "recipient": to}
    if stated.authority:
        withheld["authority"] = stated.authority
    drafts = []
    for exhibit, thing in zip(exhibits, things, strict=True):
        observed = _hashed(repo, actor, exhibit, request_id, Act.TRANSFER_RELEASED, withheld)
        marking = strictest(thing.markings)
        plain = _compared(exhibit, observed) | handling_of(marking)
        more = told_with(marking, **outside)
        drafts.append(
            _draft(Act.TRANSFER_RELEASED, actor, exhibit, request_id, plain, withheld | more)
        )
    drafts.append(_house(actor, case, exhibits, request_id, withheld))
    at, name = repo.clock(), f"TRF-{request_id}"
    rows = [
        Transfer(
            id=name, exhibit_id=one.id, case_id=case.id, recipient=to, purpose=asdict(stated),
            outside=bool(keys), state="released", released_by=actor.id, released_at=at, index=-1,
        )
        for one in exhibits
    ]  # fmt: skip
    try:
        with repo.database.writing() as session:
            session.get_one(
                Case, case.id, with_for_update={"key_share": True}
            )  # of two who release, one waits
            _not_out(session, exhibits)
            session.add_all(rows)
            session.flush()
            take_lock(session)  # a withdrawal comes before or after
            check_still(repo, caller, session, Right.RELEASE, exhibits, stated)
            entries = repo.ledger.append(session, drafts)
            for row, entry in zip(rows, entries, strict=False):  # the last is the house's
                row.index = entry.index
    except ReleaseEnded as error:
        refuse(repo, caller, Act.TRANSFER_RELEASED, [error.code], error, purpose=stated, case=case)
    return [Released(row, one, case.code) for row, one in zip(rows, exhibits, strict=True)]


def receive(
    repo: Repository, caller: Caller, transfer: str, numbers: Sequence[str] = ()
) -> list[Released]:
    """Take custody over of what was released to one's institution: all of it, or what is named.

    An entry says that it began before a byte is read; the closing one is the receipt.

    Raises:
        UnknownTransfer: not for this caller; recorded.
        TransferAnswered: nothing of it waits.
        IntegrityError: stored bytes differ; recorded, and custody of that exhibit did not pass.
        ReleaseEnded: consent or access ended while they were read; recorded likewise.
    """
    actor, some = waiting(repo, caller, Right.RECEIVE, transfer, numbers, Act.TRANSFER_RECEIVED)
    done = []
    for one in some:
        exhibit, request_id = one.exhibit, request_of(one.row)
        plain = {"inputs": [digest_of_entry(repo, one.row.index)]}
        withheld = {"case": one.case, "recipient": one.row.recipient}
        begun = _draft(Act.TRANSFER_RECEIVED, actor, exhibit, request_id, plain, withheld)
        answer(repo, one, actor, replace(begun, outcome="started"), "provided")
        observed = _hashed(
            repo, actor, exhibit, request_id, Act.TRANSFER_RECEIVED, withheld, **plain
        )
        closed = replace(begun, plain=plain | _compared(exhibit, observed))

        def still(session: Session, one: Released = one) -> None:
            check_still(
                repo, caller, session, Right.RECEIVE, [one.exhibit], purpose_of(one.row),
                released_to=one.row.recipient,
            )  # fmt: skip

        try:
            done.append(answer(repo, one, actor, closed, "received", still))
        except ReleaseEnded as error:
            repo.ledger.record(replace(begun, outcome="aborted", reason=error.code))
            raise
    return done


def turn_down(
    repo: Repository, caller: Caller, transfer: str, numbers: Sequence[str] = (), *, motive: str
) -> list[Released]:
    """Refuse what was released to one's institution; custody stays where it was.

    Raises:
        UnknownTransfer: not for this caller; recorded.
        TransferAnswered: nothing of it waits.
        BadRequest: no motive; recorded.
    """
    actor, some = waiting(repo, caller, Right.ANSWER, transfer, numbers, Act.TRANSFER_REFUSED)
    stated_motive(repo, caller, motive, Act.TRANSFER_REFUSED, exhibit=some[0].exhibit)
    done = []
    for one in some:
        draft = _closing(repo, Act.TRANSFER_REFUSED, actor, one, motive)
        done.append(answer(repo, one, actor, draft, "refused"))
    return done


def withdraw(
    repo: Repository, caller: Caller, transfer: str, numbers: Sequence[str] = (), *, motive: str
) -> list[Released]:
    """Take a release back that nobody answered; what was provided meanwhile counts as dropped.

    Raises:
        UnknownTransfer: not for this caller; recorded.
        TransferAnswered: nothing of it waits.
        BadRequest: no motive; recorded.
    """
    actor, some = waiting(repo, caller, Right.TRANSFER, transfer, numbers, Act.TRANSFER_RELEASED)
    stated_motive(repo, caller, motive, Act.TRANSFER_RELEASED, exhibit=some[0].exhibit)
    done = []
    for one in some:
        closing = _closing(repo, Act.TRANSFER_RELEASED, actor, one, motive)
        state = "withdrawn" if one.row.state == "released" else "dropped"
        draft = replace(closing, outcome="aborted", reason=state)
        done.append(answer(repo, one, actor, draft, state))
    return done


def waiting(
    repo: Repository,
    caller: Caller,
    right: Right,
    transfer: str,
    numbers: Sequence[str],
    attempted: Act,
) -> tuple[Actor, list[Released]]:
    """Return what of a transfer waits for an answer that the caller may give."""
    unknown = UnknownTransfer(f"there is no transfer {shown(transfer)} that you have a part in")
    query = (
        select(Transfer, Exhibit)
        .join(Exhibit, Exhibit.id == Transfer.exhibit_id)
        .where(Transfer.id == transfer)
        .order_by(Exhibit.serial)
    )
    with repo.database.reading() as session:
        rows = [(row, exhibit) for row, exhibit in session.execute(query)]
        case = session.get_one(Case, rows[0][0].case_id) if rows else None
        if case is not None:
            things = of_exhibits(session, caller, case, [exhibit for _, exhibit in rows])
            asking = who(session, caller, case)
    if case is None:
        refuse(repo, caller, attempted, ["unknown-transfer"], unknown, asked=transfer)
    role = ""
    for (row, exhibit), own in zip(rows, things, strict=True):
        thing = own if right is Right.TRANSFER else replace(own, released_to=row.recipient)
        decision = decide(asking, right, thing, purpose_of(row), repo.clock())
        if not decision.allowed:
            refuse(repo, caller, attempted, decision.reasons, unknown, case=case, exhibit=exhibit)
        role = decision.role
    strange = set(numbers) - {exhibit.number for _, exhibit in rows}
    if strange:
        raise BadRequest(f"{shown(transfer)} is not of {', '.join(map(shown, sorted(strange)))}")
    found = [
        Released(row, exhibit, case.code)
        for row, exhibit in rows
        if row.state in WAITING and (not numbers or exhibit.number in numbers)
    ]
    if right is Right.RECEIVE and attempted is Act.TRANSFER_RECEIVED and rows[0][0].outside:
        raise BadRequest(
            "this goes to another installation: the receipt signed there answers it "
            "(evidence transfer acknowledge)"
        )
    if not found:
        raise TransferAnswered(f"nothing of {transfer} waits for an answer any more")
    return caller.actor(role), found


def answer(
    repo: Repository, one: Released, actor: Actor, draft: Draft, state: str,
    still: Callable[[Session], None] = lambda _: None,
) -> Released:  # fmt: skip
    """Write an entry about an exhibit of a transfer and its new state, in one transaction.

    `still` raises if it may not be any more; asked under the ledger's lock.
    """
    with repo.database.writing() as session:
        row = session.get_one(
            Transfer, (one.row.id, one.exhibit.id), with_for_update={"key_share": True}
        )
        if row.state not in WAITING:
            raise TransferAnswered(f"somebody else has answered {row.id} meanwhile")
        if state == "withdrawn" and row.state == "provided":
            raise TransferAnswered(f"{row.id} was provided meanwhile; look at it again")
        row.state = state
        session.flush()
        take_lock(session)
        still(session)
        [entry] = repo.ledger.append(session, [draft])
        if state == "provided":
            row.provided_at = repo.clock()
        else:
            row.answered_by, row.answered_at, row.answer = actor.id, repo.clock(), entry.index
    return replace(one, row=row)


def _not_out(session: Session, exhibits: Sequence[Exhibit]) -> None:
    """Refuse what was erased, or is released and not answered yet."""
    ids = {one.id: one for one in exhibits}
    query = select(Transfer).where(Transfer.exhibit_id.in_(ids), Transfer.state.in_(WAITING))
    out = session.scalars(query).first()
    if out is not None:
        number = ids[out.exhibit_id].number
        raise TransferOpen(f"{number} was released before ({out.id}); that is not answered yet")
    for one in exhibits:
        if one.erased_at is not None:
            raise Erased(f"{one.number} was erased; there is nothing to release")


def _hashed(
    repo: Repository,
    actor: Actor,
    exhibit: Exhibit,
    request_id: str,
    act: Act,
    withheld: dict[str, Any],
    **plain: Any,
) -> str:
    """Read every byte of an exhibit again and return the digest it is known by.

    Raises:
        IntegrityError: they differ from what was recorded; two entries say so.
        EvidenceError: they could not be read; an entry says so.
    """
    try:
        digests = []
        for part in recorded_parts(repo, exhibit):
            digest = sha256()
            for block in verified_bytes(repo, exhibit, part, 0, part.size - 1):
                digest.update(block)
            digests.append(f"sha256:{digest.hexdigest()}")
    except EvidenceError as error:
        differs = isinstance(error, (IntegrityError, LedgerDamaged))
        reason = "integrity-failure" if differs else error.code
        draft = _draft(act, actor, exhibit, request_id, plain, withheld)
        drafts = [replace(draft, outcome="aborted", reason=reason)]
        if differs:
            drafts.append(integrity_failure(exhibit, actor, request_id, str(error)))
        repo.ledger.record(*drafts)
        raise
    return digest_of_parts(digests)


def _compared(exhibit: Exhibit, observed: str) -> dict[str, Any]:
    return {"verification": {"expected": [exhibit.sha256], "observed": [observed]}}


def _draft(
    act: Act,
    actor: Actor,
    exhibit: Exhibit,
    request_id: str,
    plain: dict[str, Any],
    withheld: dict[str, Any],
) -> Draft:
    return Draft(
        act, actor, exhibit=ref(exhibit), request_id=request_id, plain=plain, withheld=withheld
    )


def _closing(repo: Repository, act: Act, actor: Actor, one: Released, motive: str) -> Draft:
    row = one.row
    withheld: dict[str, Any] = {"case": one.case, "recipient": row.recipient, "motive": motive}
    if act is Act.TRANSFER_RELEASED:
        withheld["purpose"] = {name: row.purpose[name] for name in ("code", "text")}
    plain = {"inputs": [digest_of_entry(repo, row.index)]}
    return _draft(act, actor, one.exhibit, request_of(row), plain, withheld)


def _house(
    actor: Actor,
    case: Case,
    exhibits: Sequence[Exhibit],
    request_id: str,
    withheld: dict[str, Any],
) -> Draft:
    """Return the entry of the house about a release: how many exhibits, and which."""
    listed = dumps([[one.number, one.sha256] for one in exhibits])
    digest = f"sha256:{sha256(listed).hexdigest()}"
    return Draft(
        Act.TRANSFER_RELEASED,
        actor,
        request_id=request_id,
        plain={"count": len(exhibits), "outputs": [digest]},
        withheld=withheld,
        subject=case.id,
    )


def purpose_of(row: Transfer) -> Purpose:
    """Return the purpose that was stated at a release."""
    return Purpose(**{**row.purpose, "assured": tuple(row.purpose["assured"])})


def request_of(row: Transfer) -> str:
    """Return the `request_id` of all entries of a transfer."""
    return row.id.removeprefix("TRF-")


def digest_of_entry(repo: Repository, index: int) -> str:
    """Return the digest of an entry's body, by which answers to it name it."""
    return f"sha256:{sha256(repo.ledger.entry(index).body).hexdigest()}"
