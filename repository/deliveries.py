"""Transfers to another installation: the bundle that goes, and the signed receipts both ways.

1. A release to an organisation with a pinned key waits for that key's receipt. 2. The bundle is the
court bundle, the release among its entries. 3. There it is imported: the entry `transfer_received`
and its proof are the receipt. 4. Here the receipt is checked against the pinned keys and the
release, and acknowledged: that entry and its proof are the receipt that goes back. 5. There it is
checked and acknowledged in turn. Whatever does not fit is refused, and recorded.
"""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, parse_body
from custody.errors import CustodyError
from custody.note import VerifierKey
from custody.receipt import TransferReceipt
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, of_exhibits, on_case, refuse
from repository.counterparts import keys_of_ledger, keys_of_organisation
from repository.errors import AccessDenied, AnswerRefused, BadRequest, UnknownTransfer
from repository.exhibits import ref
from repository.exports import Exported, Progress, bundle_of
from repository.exports.bag import FolderBag
from repository.handovers import WAITING, Quoted, Transfer
from repository.journal import cover
from repository.marking import strictest
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.publication import completed
from repository.sealed import put_document
from repository.still import ASK_AGAIN, as_now, check_still
from repository.transfers import (
    Released,
    answer,
    digest_of_entry,
    purpose_of,
    request_of,
    waiting,
)
from repository.web_sessions import ended

MAX_RECEIPT = 4 << 20


def bundle(
    repo: Repository,
    caller: Caller,
    transfer: str,
    place: Path,
    *,
    progress: Progress = lambda _: None,
) -> Exported:
    """Write the bundle of a transfer that waits: for whoever released it, or the recipient.

    Raises:
        UnknownTransfer: not for this caller; recorded.
        TransferAnswered: nothing of it waits.
        ExportBlocked, ReleaseEnded, IntegrityError: as `export`.
    """
    right, actor, some = _providing(repo, caller, transfer)
    if not some[0].row.outside:
        raise BadRequest(
            f"{shown(some[0].row.recipient)} had no installation known here when it was released; "
            "it answers by: evidence transfer receive; or withdraw it, pin its key (evidence "
            "counterpart add) and release it again"
        )
    recipient, purpose = some[0].row.recipient, purpose_of(some[0].row)
    exhibits = [one.exhibit for one in some]
    with repo.database.reading() as session:
        case = session.get_one(Case, some[0].row.case_id)
        things = of_exhibits(session, caller, case, exhibits)
    marked = {
        one.id: strictest(thing.markings) for one, thing in zip(exhibits, things, strict=True)
    }

    def still(session: Session, exhibits: Sequence[Exhibit]) -> None:
        check_still(repo, caller, session, right, exhibits, purpose, released_to=recipient)

    made = bundle_of(
        repo, actor, case, exhibits, marked, FolderBag(place),
        purpose=purpose, recipient=recipient, still=still, progress=progress,
    )  # fmt: skip
    for one in some:
        draft = Draft(
            Act.TRANSFER_RELEASED,
            actor,
            reason="provided",
            exhibit=ref(one.exhibit),
            request_id=request_of(one.row),
            plain={"inputs": [digest_of_entry(repo, one.row.index)], "outputs": [made.manifest]},
            withheld={
                "case": one.case,
                "recipient": recipient,
                "purpose": purpose.to_json(),
            },
        )
        answer(repo, one, actor, draft, "provided")
    return made


def handed(
    repo: Repository, caller: Caller, transfer: str, blocks: Iterable[bytes]
) -> Generator[bytes, None, None]:
    """Yield the bytes of a transfer's bundle as they leave; decided anew first, and every 16 MiB.

    Raises:
        UnknownTransfer, AccessDenied: consent or access ended meanwhile; recorded.
        TransferAnswered: it was taken back, or answered.
    """
    since = ASK_AGAIN
    for block in blocks:
        if since >= ASK_AGAIN:
            with repo.database.reading() as session:
                now, over = as_now(session, caller), ended(session, caller.session, caller.token)
            if over:
                error = AccessDenied("the access ended while the bytes were being read")
                refuse(repo, caller, Act.TRANSFER_RELEASED, ["access-ended"], error)
            _providing(repo, now, transfer)
            since = 0
        yield block
        since += len(block)


def _providing(
    repo: Repository, caller: Caller, transfer: str
) -> tuple[Right, Actor, list[Released]]:
    """Return what of a transfer waits, to be provided by either side; by which right, and who."""
    own = caller.person.organisation
    with repo.database.reading() as session:
        query = select(Transfer.recipient).where(Transfer.id == transfer).limit(1)
        theirs = own is not None and session.scalar(query) == own
    right = Right.RECEIVE if theirs else Right.RELEASE
    return right, *waiting(repo, caller, right, transfer, (), Act.TRANSFER_RELEASED)


def receipts_of(repo: Repository, indexes: Sequence[int]) -> list[TransferReceipt]:
    """Return the receipts of entries that answer another installation's."""
    return [_receipt(repo, index) for index in indexes]


def receipts(repo: Repository, exhibit_ids: Sequence[str]) -> list[TransferReceipt]:
    """Return the receipts of exhibits that were received from another installation."""
    with repo.database.reading() as session:
        query = select(Quoted).where(Quoted.exhibit_id.in_(exhibit_ids))
        found = [row.received for row in session.scalars(query) if row.received is not None]
    return receipts_of(repo, sorted(found))


def as_file(receipt: Mapping[str, Any]) -> bytes:
    """Return a receipt that came as a value in its one form as a file."""
    return (json.dumps(receipt, indent=1, ensure_ascii=False) + "\n").encode()


def acknowledge(repo: Repository, caller: Caller, data: bytes) -> TransferReceipt | None:
    """Check a receipt of another installation, record it, and return what goes back to it.

    None goes back for a receipt that is itself an acknowledgement: then both ledgers hold the
    other's signed receipt; nor for a refusal. The same receipt again is one result.

    Raises:
        UnknownTransfer: it is of no transfer that the caller has a part in; recorded.
        AnswerRefused: it does not fit; recorded, and nothing changed.
    """
    try:
        if len(data) > MAX_RECEIPT:
            raise BadRequest("a receipt of a transfer is not so long")
        receipt = TransferReceipt.parse(data)
        fields = parse_body(receipt.body.encode())
    except (CustodyError, BadRequest, UnicodeEncodeError) as error:
        refused = AnswerRefused(f"this is no receipt of a transfer: {error}")
        refuse(repo, caller, Act.RECEIPT_ACKNOWLEDGED, ["receipt-malformed"], refused)
    back = fields.get("type") == Act.RECEIPT_ACKNOWLEDGED
    found = _received(repo, caller, receipt) if back else _released(repo, caller, receipt)
    refusal = fields.get("type") == Act.TRANSFER_REFUSED
    if found.before == receipt.body:  # the same one, with whatever witnesses it has by now
        return None if back or refusal else _receipt(repo, found.answered)
    reason = _against(receipt, found)
    digest = f"sha256:{sha256(data).hexdigest()}"
    draft = Draft(
        Act.RECEIPT_ACKNOWLEDGED,
        found.actor,
        reason="acknowledged" if back else "refused" if refusal else "received",
        exhibit=ref(found.exhibit),
        request_id=receipt.submission.removeprefix("TRF-"),
        withheld={"case": found.case},
    )
    if reason is not None:
        code, why = reason
        detail = {"case": found.case, "detail": {"why": why}}
        repo.ledger.record(
            replace(
                draft, outcome="refused", reason=code, plain={"outputs": [digest]}, withheld=detail
            )
        )
        raise AnswerRefused(f"the receipt is refused: {why}")
    stored, _ = put_document(repo, data)
    draft = replace(
        draft,
        plain={
            "inputs": [f"sha256:{sha256(receipt.body.encode()).hexdigest()}"],
            "outputs": [digest],
            "verification": {"expected": [found.exhibit.sha256], "observed": [receipt.sha256]},
            "location": stored.location(),
        },
    )
    with repo.database.writing() as session:
        row: Transfer | Quoted = found.locked(session)
        if row.receipt is not None:
            raise AnswerRefused("another receipt was acknowledged meanwhile")
        row.receipt = data.decode()
        if isinstance(row, Transfer):
            if row.state not in WAITING:
                raise AnswerRefused(f"{row.id} was answered otherwise meanwhile: {row.state}")
            row.state = "refused" if refusal else "received"
            row.answered_by, row.answered_at = found.actor.id, repo.clock()
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        if isinstance(row, Transfer):
            row.answer = entry.index
    return None if back or refusal else _receipt(repo, entry.index)


def fits(repo: Repository, receipt: TransferReceipt) -> bool:
    """Say whether another installation's receipt answers an entry of this ledger; nothing changes.

    False: no transfer of its name is known here.

    Raises:
        AnswerRefused: one is, and the receipt answers none of its entries, or is of other bytes.
    """
    released = (
        select(Transfer.index, Exhibit.sha256)
        .join(Exhibit, Exhibit.id == Transfer.exhibit_id)
        .where(Transfer.id == receipt.submission)
    )
    received = (
        select(Quoted.received, Exhibit.sha256)
        .join(Exhibit, Exhibit.id == Quoted.exhibit_id)
        .where(Quoted.transfer == receipt.submission, Quoted.received.is_not(None))
    )
    with repo.database.reading() as session:
        known = [*session.execute(released), *session.execute(received)]
    for index, digest in known:
        if digest_of_entry(repo, index) == receipt.answers:
            if digest != receipt.sha256:
                raise AnswerRefused(f"{receipt.submission}: the receipt is of other bytes")
            return True
    if known:
        raise AnswerRefused(
            f"{receipt.submission} is known here, and the receipt answers none of its entries: "
            "it was made for another release"
        )
    return False


@dataclass(frozen=True, slots=True)
class _Answered:
    """The row that a receipt answers, and what it has to fit."""

    row: Transfer | Quoted
    actor: Actor
    exhibit: Exhibit
    case: str
    keys: list[VerifierKey]  # that may have signed it
    entry: str  # digest of the entry that it has to answer

    def locked(self, session: Session) -> Transfer | Quoted:
        """Return the row anew, as its own transaction's."""
        row = self.row
        if isinstance(row, Transfer):
            key = (row.id, row.exhibit_id)
            return session.get_one(Transfer, key, with_for_update={"key_share": True})
        return session.get_one(Quoted, row.exhibit_id, with_for_update={"key_share": True})

    @property
    def before(self) -> str | None:
        """Return the entry of the receipt that was acknowledged before."""
        kept = self.row.receipt
        return None if kept is None else TransferReceipt.parse(kept.encode()).body

    @property
    def answered(self) -> int:
        """Return the index of the entry that acknowledged it."""
        assert isinstance(self.row, Transfer)
        assert self.row.answer is not None
        return self.row.answer


def _against(receipt: TransferReceipt, found: _Answered) -> tuple[str, str] | None:
    """Return what speaks against a receipt: a code, and words."""
    if not found.keys:
        return "key-unknown", "no key of that installation is pinned here"
    try:
        receipt.verify(found.keys)
    except CustodyError as error:
        return "receipt-unproved", str(error)
    if receipt.answers != found.entry:
        return "other-transfer", "it answers another release, or another receipt"
    if receipt.sha256 != found.exhibit.sha256:
        return "other-bytes", "it is of other bytes"
    if found.before is not None:
        return "answered-before", "another receipt was acknowledged before"
    if isinstance(found.row, Transfer) and found.row.state not in WAITING:
        return "answered-otherwise", f"the release was answered otherwise: {found.row.state}"
    return None


def _released(repo: Repository, caller: Caller, receipt: TransferReceipt) -> _Answered:
    """Return the release that a receipt is about, if it is the caller's to take receipts for."""
    query = (
        select(Transfer, Exhibit, Case)
        .join(Exhibit, Exhibit.id == Transfer.exhibit_id)
        .join(Case, Case.id == Transfer.case_id)
        .where(Transfer.id == receipt.submission)
    )
    with repo.database.reading() as session:
        rows = [(row, exhibit, case) for row, exhibit, case in session.execute(query)]
        keys = keys_of_organisation(session, rows[0][0].recipient) if rows else []
    if not rows:
        _unknown(repo, caller, receipt)
    case, recipient = rows[0][2], rows[0][0].recipient
    if caller.person.organisation == recipient and caller.person.role != "submitter":
        actor = caller.actor()  # what they bring is signed: it says by itself whose it is
    else:
        actor, _ = on_case(
            repo, caller, Right.TRANSFER, case.code, attempted=Act.RECEIPT_ACKNOWLEDGED
        )
    for row, exhibit, _ in rows:
        entry = digest_of_entry(repo, row.index)
        if entry == receipt.answers:
            return _Answered(row, actor, exhibit, case.code, keys, entry)
    row, exhibit, _ = rows[0]  # it answers none of them: said where the transfer is
    return _Answered(row, actor, exhibit, case.code, keys, digest_of_entry(repo, row.index))


def _received(repo: Repository, caller: Caller, receipt: TransferReceipt) -> _Answered:
    """Return the receipt of ours that an acknowledgement is about."""
    query = (
        select(Quoted, Exhibit, Case)
        .join(Exhibit, Exhibit.id == Quoted.exhibit_id)
        .join(Case, Case.id == Quoted.case_id)
        .where(Quoted.transfer == receipt.submission, Quoted.received.is_not(None))
    )
    with repo.database.reading() as session:
        rows = [(row, exhibit, case) for row, exhibit, case in session.execute(query)]
        keys = keys_of_ledger(session, rows[0][0].origin) if rows else []
    if not rows:
        _unknown(repo, caller, receipt)
    case = rows[0][2]
    actor, _ = on_case(repo, caller, Right.IMPORT, case.code, attempted=Act.RECEIPT_ACKNOWLEDGED)
    for row, exhibit, _ in rows:
        entry = digest_of_entry(repo, row.received or 0)
        if entry == receipt.answers:
            return _Answered(row, actor, exhibit, case.code, keys, entry)
    row, exhibit, _ = rows[0]
    return _Answered(row, actor, exhibit, case.code, keys, digest_of_entry(repo, row.received or 0))


def _unknown(repo: Repository, caller: Caller, receipt: TransferReceipt) -> NoReturn:
    unknown = UnknownTransfer(
        f"there is no transfer {shown(receipt.submission)} that you have a part in"
    )
    refuse(
        repo, caller, Act.RECEIPT_ACKNOWLEDGED, ["unknown-transfer"], unknown,
        asked=receipt.submission,
    )  # fmt: skip


def _receipt(repo: Repository, index: int) -> TransferReceipt:
    cover(repo, index + 1)
    entry = repo.ledger.entry(index)
    receipt = repo.ledger.transfer_receipt(entry, repo.ledger.proof(index))
    return completed(repo, receipt)
