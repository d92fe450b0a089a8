"""Re-hash every stored body and compare with every checkpoint ever given out.

Trusts nothing that is stored but the bytes of the bodies: leaves, tiles, heads, signatures,
sequence numbers and openings are all checked again. What only outside memory can show (a cut tail,
a rewritten and re-signed ledger) is compared with checkpoints and receipts given by the caller.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy.orm import Session

from custody.audit_form import audit_form, audit_openings, malformed
from custody.audit_seals import audit_keys, audit_lines, audit_tokens
from custody.audit_tree import audit_tree, between
from custody.checkpoint import SignedCheckpoint, open_checkpoint
from custody.database import Database
from custody.errors import CustodyError
from custody.findings import Finding, Progress, failed, passed, undone
from custody.keys import TrustedKey, keys_for
from custody.longevity import check as check_records
from custody.longevity import records
from custody.note import VerifierKey
from custody.quorum import Policy
from custody.receipt import AnyReceipt, Proof
from custody.renewal import CheckToken
from custody.side_by_side import side_by_side
from custody.succession import audit_succession
from custody.tables import fetch
from custody.timestamp import check_token

_LATER = ("canonical", "exhibit.seq", "signatures", "cosignatures", "time-stamps")


def audit(
    database: Database,
    *,
    keys: Sequence[TrustedKey],
    wrapping_key: bytes | None,
    now: datetime | None = None,
    outside: Sequence[SignedCheckpoint] = (),
    receipts: Sequence[AnyReceipt] = (),
    policy: Policy | None = None,
    second: VerifierKey | None = None,
    roots: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> list[Finding]:
    """Check the whole ledger and return one finding per check and one per failure.

    Args:
        database: where the ledger's tables are.
        keys: the log's keys and the sizes each may sign.
        wrapping_key: unwraps the keys of openings; None: openings are `not-done`.
        now: the time at which evidence records are judged; None: they are `not-done`.
        outside: verified checkpoints that were kept outside the database.
        receipts: receipts in someone's hand, already verified.
        policy: names the witnesses whose cosignatures are judged.
        second: the log's own ML-DSA key.
        roots: PEM certificates that time-stamps must lead to.
        progress: told the number of entries done.
    """
    held = outside_roots(outside, receipts, keys)
    with database.reading(snapshot=True) as session:  # what comes in meanwhile is no damage
        tree = audit_tree(session, held, progress)
        findings = list(tree.findings)
        if any(found.outcome == "fail" for found in findings):
            if findings[0].check in ("heads", "outside"):
                # Only that some entry differs is known: perhaps one betrays itself.
                named = malformed(session, tree.good, tree.size, keys, lambda _: None)
                findings = [named] if named else findings
            findings += [undone(check, "not looked at after the failure above") for check in _LATER]
        else:
            findings += audit_form(session, tree.size, keys, lambda _: None)
            findings += audit_signatures(session, keys)
            findings += audit_keys(session, keys, policy or Policy(()))
            findings += audit_succession(session, keys)
            findings += audit_lines(session, policy or Policy(()), second)
            findings += audit_tokens(session, roots)
            findings += _records(session, now, roots)
        findings += audit_openings(session, wrapping_key)
    if not outside and not receipts:
        detail = (
            "no checkpoint or receipt from outside the database was given: a cut tail is unseen"
        )
        findings.append(undone("outside", detail, "checkpoints"))
    return findings


def _records(session: Session, now: datetime | None, roots: Sequence[str]) -> list[Finding]:
    if now is None:
        held = records(session)
        return [undone("evidence-records", "no time to judge them at")] if held else []
    return check_records(session, now=now, check_token=_checker(roots))


def _checker(roots: Sequence[str]) -> CheckToken | None:
    if not roots:
        return None

    def check(token: bytes, imprint: bytes, _: str, relied: datetime) -> None:
        check_token(token, imprint, roots=roots, relied=relied)

    return check


def outside_roots(
    outside: Sequence[SignedCheckpoint], receipts: Sequence[AnyReceipt], keys: Sequence[TrustedKey]
) -> dict[int, set[bytes]]:
    """Return the roots that memory outside the database holds, by tree size."""
    roots: dict[int, set[bytes]] = {}
    for signed in outside:
        roots.setdefault(signed.checkpoint.size, set()).add(signed.checkpoint.root)
    for receipt in receipts:
        head = receipt.verify(keys_for(Proof.parse(receipt.proof).note, keys)).checkpoint
        roots.setdefault(head.size, set()).add(head.root)
    return roots


def audit_signatures(session: Session, keys: Sequence[TrustedKey]) -> list[Finding]:
    """Check the signature of every head with the key that counts for its size."""
    count = 0
    check = partial(_first_unsigned, keys=tuple(keys))
    for signed, problem in side_by_side(check, _heads(session)):
        if problem is not None:
            return [problem]
        count += signed
    return [passed("signatures", f"{count} heads are signed by the log's keys")]


class Head(NamedTuple):
    """A head as it is stored."""

    size: int
    root: bytes
    note: str | None


def _heads(session: Session) -> Iterator[tuple[int, list[Head]]]:
    """Yield heads in the order of their sizes; with some the size of the one before them."""
    good, after = 0, -1
    while True:
        rows = fetch(
            session,
            "SELECT size, root, note FROM head WHERE size > ? ORDER BY size LIMIT 512",
            (after,),
        )
        if not rows:
            return
        yield good, [Head(row.size, bytes(row.root), row.note) for row in rows]
        good = after = rows[-1].size


def _first_unsigned(
    some: tuple[int, Sequence[Head]], keys: Sequence[TrustedKey]
) -> tuple[int, Finding | None]:
    good, heads = some
    for head in heads:
        valid = [known.key for known in keys if known.signs(head.size)]
        problem = _check_signature(head.size, head.root, head.note, valid, good)
        if problem is not None:
            return 0, problem
        good = head.size
    return len(heads), None


def _check_signature(
    size: int, root: bytes, note: str | None, keys: Sequence[VerifierKey], good: int
) -> Finding | None:
    name, where = f"head {size}", between(good, size)
    try:
        signed = open_checkpoint(note or "", keys).checkpoint
    except CustodyError as error:
        return failed(
            "signatures", name, f"its signature does not hold: {error}; {where} is unproved"
        )
    if (signed.size, signed.root) != (size, root):
        return failed("signatures", name, f"its signed text says otherwise; {where} differs")
    return None
