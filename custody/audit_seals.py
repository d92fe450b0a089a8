"""The third part of the audit: cosignatures and time-stamps on the checkpoints."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from custody.cosignature import cosignatures, parse_line
from custody.errors import CustodyError
from custody.findings import Finding, failed, passed, undone
from custody.heads import head_of, note_with_lines
from custody.keys import TrustedKey
from custody.note import VerifierKey
from custody.quorum import Policy
from custody.tables import as_bytes, fetch
from custody.timestamp import verify


def audit_keys(session: Session, keys: Sequence[TrustedKey], policy: Policy) -> list[Finding]:
    """Check that a quorum vouches for what a compromised key signed after its theft."""
    found = []
    last = fetch(session, "SELECT max(size) AS size FROM head")[0].size or 0
    for known in keys:
        if known.compromised is None:
            continue
        end = min(last, known.stop - 1) if known.stop is not None else last
        name = f"heads {known.compromised} to {end}"
        if end < known.compromised:
            found.append(passed("keys", "nothing was signed after the theft", known.key.name))
        elif _vouched(session, end, policy):
            found.append(passed("keys", "a quorum of witnesses cosigned what follows them", name))
        else:
            detail = "signed with a key recorded as compromised, and no quorum cosigned them"
            found.append(failed("keys", name, detail))
    return found


def _vouched(session: Session, size: int, policy: Policy) -> bool:
    if not policy.witnesses:
        return False
    rows = fetch(
        session,
        "SELECT DISTINCT size FROM cosignature WHERE size >= ? ORDER BY size LIMIT 200",
        (size,),
    )
    return any(
        policy.satisfied(cosignatures(note_with_lines(session, row.size), policy.keys))
        for row in rows
    )


def audit_lines(session: Session, policy: Policy, second: VerifierKey | None) -> list[Finding]:
    """Check every stored cosignature of the policy's witnesses and of the log's second key.

    Lines of keys that are in neither are counted, not judged.
    """
    keys = [*policy.keys, *([second] if second else [])]
    after, good, unknown = -1, 0, 0
    while True:
        rows = fetch(
            session,
            "SELECT DISTINCT size FROM cosignature WHERE size > ? ORDER BY size LIMIT 500",
            (after,),
        )
        if not rows:
            break
        for row in rows:
            name = f"checkpoint {row.size}"
            try:
                note = note_with_lines(session, row.size)
                found = cosignatures(note, keys)
                lines = fetch(
                    session, "SELECT key_name, line FROM cosignature WHERE size = ?", (row.size,)
                )
                named = [(one.key_name, parse_line(one.line)) for one in lines]
            except CustodyError as error:
                return [failed("cosignatures", name, str(error))]
            for key_name, line in named:
                if key_name != f"{line.name}+{line.key_id.hex()}":
                    return [failed("cosignatures", name, f"the line of {key_name} is another's")]
            good += len(found)
            unknown += len(lines) - len(found)
        after = rows[-1].size
    if not good and not unknown:
        return (
            [] if not policy.witnesses else [undone("cosignatures", "no witness has answered yet")]
        )
    if not good:
        return [undone("cosignatures", f"{unknown} lines are of keys nobody named: not judged")]
    detail = f"{good} cosignatures verify"
    if unknown:
        detail += f"; {unknown} of keys that the policy does not name were not judged"
    return [passed("cosignatures", detail)]


def audit_tokens(session: Session, roots: Sequence[str]) -> list[Finding]:
    """Check every stored time-stamp over its checkpoint, under the pinned roots."""
    count = fetch(session, "SELECT count(*) AS n FROM timestamp_token")[0].n
    if count and not roots:
        return [
            undone("time-stamps", f"{count} tokens are kept, but no root is pinned to judge them")
        ]
    after, good = ("", -1), 0
    while True:
        rows = fetch(
            session,
            "SELECT size, tsa, der FROM timestamp_token WHERE size > ? OR (size = ? AND tsa > ?) "
            "ORDER BY size, tsa LIMIT 200",
            (after[1], after[1], after[0]),
        )
        if not rows:
            return [passed("time-stamps", f"{good} tokens verify")] if good else []
        for row in rows:
            try:
                note = head_of(session, row.size).note or ""
                verify(as_bytes(row.der), note.encode(), roots=roots)
            except CustodyError as error:
                return [failed("time-stamps", f"{row.tsa} on {row.size}", str(error))]
            good += 1
        after = (rows[-1].tsa, rows[-1].size)
