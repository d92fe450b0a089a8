"""When an entry was logged: not before one time and not after another, and what proves each side.

Not after: the earliest token, or quorum of cosignatures, on a head that holds it. Not before: the
newest token recorded in a `checkpoint_anchored` entry that stands before it, for that token existed
when the entry was given its place. Both bound the logging, not the fact that is logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from custody.cosignature import cosignatures, moment
from custody.entry import Act
from custody.errors import CustodyError
from custody.heads import head_of, note_with_lines
from custody.ledger import Ledger
from custody.note import VerifierKey
from custody.publish import first_witnessed
from custody.quorum import Policy
from custody.tables import fetch
from custody.timestamp import Token
from custody.timestamp import verify as verify_token

_LOOK = 4_096  # entries looked back for an anchor at a time


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a bracket: a time, what proves it, and where that stands."""

    time: datetime
    proof: str
    size: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """Both sides; None where nothing proves one yet. `problems` could not be used as proof."""

    not_before: Bound | None
    not_after: Bound | None
    problems: tuple[str, ...]


def bracket(ledger: Ledger, index: int, *, policy: Policy, roots: Sequence[str]) -> Bracket:
    """Return the bracket of the entry at an index; every token and line in it is verified again.

    Raises:
        NoSuchEntry: no entry stands there.
    """
    ledger.entry(index)
    problems: list[str] = []
    before = _not_before(ledger, index, roots, problems)
    after = _not_after(ledger, index, policy, roots, problems)
    return Bracket(before, after, tuple(problems))


def _not_after(
    ledger: Ledger, index: int, policy: Policy, roots: Sequence[str], problems: list[str]
) -> Bound | None:
    found: list[Bound] = []
    with ledger.database.reading() as session:
        tokens = fetch(
            session,
            "SELECT size, tsa, der FROM timestamp_token WHERE size > ? ORDER BY size LIMIT 16",
            (index,),
        )
        lines = fetch(
            session,
            "SELECT DISTINCT size FROM cosignature WHERE size > ? ORDER BY size LIMIT 16",
            (index,),
        )
        notes = {row.size: head_of(session, row.size).note or "" for row in tokens}
        cosigned = {row.size: note_with_lines(session, row.size) for row in lines}
    for row in tokens:
        token = _verified(bytes(row.der), notes[row.size], roots, row.tsa, problems)
        if token is not None:
            found.append(Bound(token.time, f"time-stamp of {token.authority}", row.size))
    early = first_witnessed(ledger, policy, index)
    if early and early not in cosigned:
        with ledger.database.reading() as session:
            cosigned[early] = note_with_lines(session, early)
    for size, note in cosigned.items():
        bound = _quorum_bound(note, size, policy)
        if bound is not None:
            found.append(bound)
    return min(found, key=lambda bound: bound.time, default=None)


def _quorum_bound(note: str, size: int, policy: Policy) -> Bound | None:
    """Return when a quorum had cosigned: one witness with a bent clock dates nothing alone."""
    so_far: set[VerifierKey] = set()
    for key, seconds in sorted(cosignatures(note, policy.keys).items(), key=lambda one: one[1]):
        so_far.add(key)
        if policy.satisfied(so_far):
            names = ", ".join(sorted(one.name for one in so_far))
            return Bound(moment(seconds), f"cosignatures of {names}", size)
    return None


def _not_before(
    ledger: Ledger, index: int, roots: Sequence[str], problems: list[str]
) -> Bound | None:
    stop = index
    while stop > 0:
        start = max(0, stop - _LOOK)
        anchors = [
            entry
            for entry in ledger.entries(start, stop)
            if entry.fields["type"] == Act.CHECKPOINT_ANCHORED
        ]
        for entry in reversed(anchors):
            about = entry.fields["anchor"]
            token = _anchored(ledger, about["size"], entry.fields["outputs"], roots, problems)
            if token is not None:
                proof = f"time-stamp of {token.authority}, recorded in entry {entry.index}"
                return Bound(token.time, proof, about["size"])
        stop = start
    return None


def _anchored(
    ledger: Ledger, size: int, digests: Sequence[str], roots: Sequence[str], problems: list[str]
) -> Token | None:
    with ledger.database.reading() as session:
        rows = fetch(session, "SELECT tsa, der FROM timestamp_token WHERE size = ?", (size,))
        note = head_of(session, size).note or ""
    for row in rows:
        der = bytes(row.der)
        if f"sha256:{sha256(der).hexdigest()}" in digests:
            return _verified(der, note, roots, row.tsa, problems)
    problems.append(f"the token that an anchor over {size} entries names is not kept here")
    return None


def _verified(
    der: bytes, note: str, roots: Sequence[str], name: str, problems: list[str]
) -> Token | None:
    try:
        return verify_token(der, note.encode(), roots=roots)
    except CustodyError as error:
        problems.append(f"{name}: {error}")
        return None
