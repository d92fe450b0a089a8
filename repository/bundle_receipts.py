"""Finished bundles and the receipts of those who got them: listed, taken in, given on the site.

A receipt answers the entry that closed its bundle. It is kept as it came and leaves an entry of the
house and one in the history of each exhibit: both halves of a delivery are on record then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import undefer

from custody import verify
from custody.bundle_receipt import BundleReceipt
from custody.entry import Act, Actor, Draft, timestamp
from custody.errors import CustodyError
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, refuse
from repository.bundle import BundleMade
from repository.consult import consulted
from repository.errors import AnswerRefused, BadRequest, UnknownExport
from repository.exhibits import ref
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.sealed import put_document

_TOGETHER = 500  # in one question to the database
SIGNED, ON_SITE = "bundle", "bundle-on-site"  # reasons of the entries


@dataclass(frozen=True, slots=True)
class Made:
    """A finished bundle as it is told."""

    row: BundleMade
    case: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it; `receipt` is null until one came."""
        row = self.row
        return {
            "report": row.report_id,
            "case": self.case,
            "made_at": timestamp(row.made_at),
            "entry": row.index,
            "tree_size": row.tree_size,
            "manifests": row.manifests,
            "exhibits": row.count,
            "recipient": row.recipient,
            "receipt": receipt_json(row),
        }


def receipt_json(row: BundleMade | None) -> dict[str, Any] | None:
    """Return the receipt of a bundle as programs are told it; None: none came so far."""
    if row is None or row.receipt is None or row.received_at is None:
        return None
    told = {name: value for name, value in row.receipt.items() if name != "file"}
    return {**told, "recorded_at": timestamp(row.received_at), "entry": row.receipt_index}


def of_case(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    waiting: bool = False,
    after: int = -1,
    limit: int | None = None,
) -> list[Made]:
    """Return the finished bundles of a case, oldest first; recorded.

    Args:
        repo: the repository.
        caller: who asks.
        code: the case.
        waiting: those alone of which no receipt came.
        after: the closing entry after which the list goes on.
        limit: how many at most.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.TRANSFER, code, attempted=Act.CONSULTATION)
    query = select(BundleMade).where(BundleMade.case_id == case.id, BundleMade.index > after)
    if waiting:
        query = query.where(BundleMade.receipt_index.is_(None))
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(BundleMade.index).limit(limit)))
    consulted(repo, actor, [row.report_id for row in rows], "bundle-list", case=case)
    return [Made(row, case.code) for row in rows]


def of_report(repo: Repository, report_id: str | None) -> BundleMade | None:
    """Return the finished bundle of a report, if there is one."""
    if report_id is None:
        return None
    with repo.database.reading() as session:
        return session.get(BundleMade, report_id)


def take(repo: Repository, caller: Caller, data: bytes, *, fingerprint: str | None = None) -> Made:
    """Check the signed receipt of a bundle and record it; the same one again changes nothing.

    Args:
        repo: the repository.
        caller: who brings it.
        data: the file.
        fingerprint: of the recipient's key, as it came another way; None: it was not compared,
            and the record says so.

    Raises:
        UnknownExport: it is of no bundle of this house; recorded.
        UnknownCase, AccessDenied: not for this caller; recorded.
        AnswerRefused: it does not fit; recorded, and nothing changed.
    """
    attempted = Act.RECEIPT_ACKNOWLEDGED
    try:
        receipt = BundleReceipt.parse(data)
    except CustodyError as error:
        refused = AnswerRefused(str(error))
        refuse(repo, caller, attempted, ["receipt-malformed"], refused)
    found, exhibits = _found(repo, caller, receipt.bundle.report)
    actor, case = on_case(repo, caller, Right.TRANSFER, found.case, attempted=attempted)
    kept = bytes(receipt).decode()
    again = found.row.receipt is not None and found.row.receipt.get("file") == kept
    if again and fingerprint is None:
        return found
    against = _against(repo, receipt, found.row, fingerprint)
    if against is None and again:
        return found
    if against is None and found.row.receipt is not None:
        against = "answered-before", "another receipt of this bundle was recorded before"
    if against is not None:
        _refused(repo, actor, case, found.row, f"sha256:{sha256(data).hexdigest()}", against)
    told = {
        "how": "signed",
        "name": receipt.name,
        "organisation": receipt.organisation,
        "at": receipt.at,
        "certificate": receipt.holder(),
        "key": receipt.fingerprint,
        "key_compared": fingerprint is not None,
    }
    return _keep(repo, actor, case, found, exhibits, {**told, "file": kept}, SIGNED)


def acknowledge(repo: Repository, caller: Caller, report_id: str, *, manifest: str) -> Made:
    """Say, as somebody who has an account here, that one got a bundle.

    Args:
        repo: the repository.
        caller: who got it.
        report_id: which.
        manifest: the SHA-256 of its tag manifest, which only who has it can know.

    Raises:
        UnknownExport: there is none; recorded.
        UnknownCase, AccessDenied: not for this caller; recorded.
        AnswerRefused: that is not its tag manifest, or it was acknowledged before; recorded.
    """
    found, exhibits = _found(repo, caller, report_id)
    attempted = Act.RECEIPT_ACKNOWLEDGED
    actor, case = on_case(repo, caller, Right.CONFIRM, found.case, attempted=attempted)
    receipt = found.row.receipt
    if manifest not in found.row.manifests:
        why = "that is not the SHA-256 of the bundle's tagmanifest-sha256.txt"
        _refused(repo, actor, case, found.row, None, ("other-bundle", why))
    if receipt is not None and receipt.get("person") == actor.id:
        return found
    if receipt is not None:
        why = "another receipt of this bundle was recorded before"
        _refused(repo, actor, case, found.row, None, ("answered-before", why))
    told = {
        "how": "on-site",
        "name": caller.person.name,
        "organisation": caller.person.organisation,
        "at": timestamp(repo.clock()),
        "certificate": None,
        "key": None,
        "key_compared": False,
        "person": actor.id,
    }
    return _keep(repo, actor, case, found, exhibits, told, ON_SITE)


def _found(repo: Repository, caller: Caller, report_id: str) -> tuple[Made, list[str]]:
    query = (
        select(BundleMade, Case.code)
        .join(Case, Case.id == BundleMade.case_id)
        .where(BundleMade.report_id == report_id)
        .options(undefer(BundleMade.exhibits))
    )
    with repo.database.reading() as session:
        row = session.execute(query).first()
    if row is None:
        unknown = UnknownExport(f"no bundle {shown(report_id)} was made in this house")
        attempted = Act.RECEIPT_ACKNOWLEDGED
        refuse(repo, caller, attempted, ["unknown-export"], unknown, asked=report_id)
    return Made(row[0], row[1]), list(row[0].exhibits)


def _against(
    repo: Repository, receipt: BundleReceipt, row: BundleMade, fingerprint: str | None
) -> tuple[str, str] | None:
    """Return what speaks against a receipt: a code, and words."""
    try:
        receipt.verify()
    except CustodyError as error:
        return "receipt-unproved", str(error)
    said, head = receipt.bundle, repo.ledger.checkpoint_at(row.tree_size).checkpoint
    own = digest_of(repo, row.index)
    if said.answers != own or list(said.manifests) != row.manifests:
        return "other-bundle", "it is of another bundle than the one that was made here"
    if (said.checkpoint, said.exhibits) != (head.text(), row.count):
        return "other-bundle", "it names another tree, or another number of exhibits"
    passed = {claim for claim, outcome in receipt.checks if outcome == "pass"}
    lacking = [claim for claim in verify.REQUIRED if claim not in passed]
    if lacking or any(outcome == "fail" for _, outcome in receipt.checks):
        return "checks-failed", f"not every required claim passed there: {', '.join(lacking)}"
    if fingerprint is not None and _hexed(fingerprint) != _hexed(receipt.fingerprint):
        return "key-unknown", "it is signed with another key than the one whose fingerprint came"
    return None


def digest_of(repo: Repository, index: int) -> str:
    """Return the SHA-256 of the body of an entry."""
    return f"sha256:{sha256(repo.ledger.entry(index).body).hexdigest()}"


def _hexed(fingerprint: str) -> str:
    text = fingerprint.lower().removeprefix("sha256:")
    found = "".join(text.replace(":", "").split())
    if len(found) != 64:
        raise BadRequest("a fingerprint is 64 hex digits (SHA-256)")
    return found


def _refused(
    repo: Repository,
    actor: Actor,
    case: Case,
    row: BundleMade,
    digest: str | None,
    against: tuple[str, str],
) -> NoReturn:
    """Record that a receipt does not fit.

    Raises:
        AnswerRefused: always.
    """
    code, why = against
    draft = Draft(
        Act.RECEIPT_ACKNOWLEDGED,
        actor,
        "refused",
        reason=code,
        request_id=row.report_id,
        plain={"outputs": [digest]} if digest else {},
        withheld={"case": case.code, "detail": {"why": why}},
        subject=case.id,
    )
    repo.ledger.record(draft)
    raise AnswerRefused(f"the receipt is refused: {why}")


def _keep(
    repo: Repository,
    actor: Actor,
    case: Case,
    found: Made,
    exhibits: Sequence[str],
    told: Mapping[str, Any],
    reason: str,
) -> Made:
    """Write the entries and the row, unless another receipt came meanwhile."""
    plain: dict[str, Any] = {"inputs": [digest_of(repo, found.row.index)]}
    if "file" in told:
        stored, digest = put_document(repo, told["file"].encode())
        plain |= {"outputs": [digest], "location": stored.location()}
    said = {k: v for k, v in told.items() if k != "file" and v is not None}
    organisation = told["organisation"]
    whom = f"{told['name']}, {organisation}" if organisation else told["name"]
    withheld = {"case": case.code, "recipient": whom, "detail": said}

    def draft(exhibit: Exhibit | None) -> Draft:
        return Draft(
            Act.RECEIPT_ACKNOWLEDGED,
            actor,
            reason=reason,
            exhibit=ref(exhibit) if exhibit else None,
            request_id=found.row.report_id,
            plain=plain if exhibit else {**plain, "count": len(exhibits)},
            withheld=withheld,
            subject=None if exhibit else case.id,
        )

    with repo.database.writing() as session:
        row = session.get_one(BundleMade, found.row.report_id, with_for_update={"key_share": True})
        if row.receipt_index is not None:
            raise AnswerRefused("another receipt of this bundle was recorded meanwhile")
        some: list[Exhibit] = []
        for start in range(0, len(exhibits), _TOGETHER):
            ids = exhibits[start : start + _TOGETHER]
            some += session.scalars(select(Exhibit).where(Exhibit.id.in_(ids)))
        entries = repo.ledger.append(session, [*map(draft, some), draft(None)])
        row.receipt, row.received_at = dict(told), repo.clock()
        row.receipt_index = entries[-1].index
    return Made(row, found.case)
