"""Successor ledgers: where entries that were given out are lost, another goes on and says so.

The tree goes on: every entry that is left keeps its index, and every proof and receipt over them
holds. Heads from there on carry another origin and another key, so that nothing is ever signed
twice under one name, and a witness is never asked for less than it cosigned before. The first entry
of the successor quotes the last checkpoint that is left and names the entries that are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from custody import tables
from custody.append import take_lock
from custody.checkpoint import open_checkpoint
from custody.entry import Act, Actor, CustodyEntry, Draft, parse_body
from custody.errors import CustodyError, MalformedEntry
from custody.findings import Finding, failed, passed, undone
from custody.heads import last_head
from custody.keys import KeyState, TrustedKey, events, keys_for, vouch
from custody.ledger import Ledger
from custody.note import VerifierKey
from custody.tables import as_bytes, fetch, insert_rows

SUCCEEDED = "ledger-succeeded"  # the reason of the entry


@dataclass(frozen=True, slots=True)
class Gap:
    """What is lost: the entries of a ledger from one index to before another."""

    entry: int  # of the successor, which says so: its first
    origin: str  # of the ledger before
    start: int
    end: int

    @property
    def lost(self) -> str:
        """Name the lost entries."""
        last = self.end - 1
        return f"entry {last}" if last == self.start else f"entries {self.start} to {last}"

    def __str__(self) -> str:
        return f"{self.lost} of {self.origin} are lost: entry {self.entry} says so"


def gap_of(index: int, fields: dict[str, Any]) -> Gap | None:
    """Return the gap that an entry names, or None if it begins no successor."""
    said = fields.get("succession")
    if not isinstance(said, dict):
        return None
    return Gap(index, str(said["origin"]), int(said["size"]), int(said["to"]))


def gaps(session: Session) -> list[Gap]:
    """Return every gap that the ledger names, the oldest first."""
    names = {event.index: event.key.name for event in events(session)}
    found = []
    for index in names:
        rows = fetch(session, "SELECT body FROM entry WHERE idx = ?", (index,))
        gap = gap_of(index, parse_body(as_bytes(rows[0].body))) if rows else None
        if gap is not None:
            found.append(gap)
    return found


def begin(
    ledger: Ledger,
    session: Session,
    actor: Actor,
    key: VerifierKey,
    *,
    succession: Mapping[str, Any],
    motive: str,
    then: Sequence[Draft] = (),
) -> CustodyEntry:
    """Let another ledger go on from here, inside the caller's write transaction, at its end.

    Its first entry says what it succeeds and what is lost; from its own head on, the ledger has
    another origin and key. The present key, which signs no more, vouches for the new one.

    Args:
        ledger: the one that lost entries.
        session: the caller's.
        actor: who decides it.
        key: the successor's, of another name; the ledger must be able to open its signer.
        succession: what it succeeds, as `gaps` and the audit read it (docs/format.md 4.4).
        motive: why.
        then: what is recorded after it, in one head with it.

    Raises:
        MalformedEntry: the key is of this very ledger.
    """
    if key.name == ledger.origin:
        raise MalformedEntry(f"a successor has another origin than {ledger.origin}")
    take_lock(session)
    index = last_head(session).size
    about = vouch(ledger.signer_for(session, index), KeyState.ADDED, key, index + 1)
    row = (index, str(key), str(KeyState.ADDED), index + 1, None)
    insert_rows(session, tables.key_event, [row])  # before: its own head is the successor's
    first = Draft(
        Act.KEY_ROTATION,
        actor,
        reason=SUCCEEDED,
        plain={"key": about, "succession": dict(succession)},
        withheld={"motive": motive},
    )
    return ledger.append(session, [first, *then], admitted=True)[0]


def audit_succession(session: Session, keys: Sequence[TrustedKey]) -> list[Finding]:
    """Check what the first entries of successors quote; what is lost is said, never passed over."""
    found = []
    for gap in gaps(session):
        name = f"entry {gap.entry}"
        [row] = fetch(session, "SELECT body FROM entry WHERE idx = ?", (gap.entry,))
        said = parse_body(as_bytes(row.body))["succession"]
        heads = fetch(session, "SELECT root FROM head WHERE size = ?", (gap.start,))
        try:
            quoted = open_checkpoint(str(said["note"]), keys_for(str(said["note"]), keys))
        except CustodyError as error:
            found.append(failed("succession", name, f"the checkpoint it quotes: {error}"))
            continue
        point = quoted.checkpoint
        same = bool(heads) and bytes(heads[0].root) == point.root and gap.start == gap.entry
        if not same or (point.origin, point.size) != (gap.origin, gap.start):
            found.append(failed("succession", name, "it quotes another checkpoint than was signed"))
            continue
        detail = f"it goes on from {gap.origin}, {gap.start} entries, as that was signed"
        found.append(passed("succession", detail, name))
        lost = f"{gap.lost} of {gap.origin}"
        found.append(undone("gap", f"lost, and nothing can check them; {name} says so", lost))
    return found
