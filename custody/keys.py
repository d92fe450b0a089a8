"""Keys of the log over time: added, retired, compromised; validity by tree size, never by a clock.

The first key of each kind is given by whoever opens the ledger; every later event is an entry
`key_rotation` (docs/format.md 4.3), repeated in the table `key_event` so that nothing scans.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from custody.checkpoint import Checkpoint
from custody.errors import MalformedEntry, MalformedNote
from custody.note import ED25519, Note, VerifierKey
from custody.signers import Signer
from custody.tables import fetch


class KeyState(StrEnum):
    """What can happen to a key of the log."""

    ADDED = "added"
    RETIRED = "retired"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One event: the entry that records it, the key, its state from a tree size on, and its URI."""

    index: int
    key: VerifierKey
    state: KeyState
    size: int
    uri: str | None


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key and the tree sizes it may sign: start <= size < stop (None: no end)."""

    key: VerifierKey
    start: int = 0
    stop: int | None = None
    compromised: int | None = None

    @property
    def trusted_until(self) -> int | None:
        """Return the size from which the key alone convinces nobody: its end, or its theft."""
        ends = [end for end in (self.stop, self.compromised) if end is not None]
        return min(ends, default=None)

    def signs(self, size: int) -> bool:
        """Say whether the key may sign a head of this size."""
        return self.start <= size and (self.stop is None or size < self.stop)


def statement(origin: str, state: KeyState, key: VerifierKey, size: int) -> bytes:
    """Return the text that the vouching key signs (docs/format.md 4.3)."""
    return f"evidence-log-key/v1\n{origin}\n{state}\n{key}\n{size}\n".encode()


def vouch(voucher: Signer, state: KeyState, key: VerifierKey, size: int) -> dict[str, object]:
    """Return the field `key` of an entry: what happens to a key from a size on, vouched for."""
    signature = voucher.sign(statement(voucher.key.name, state, key, size))
    return {
        "vkey": str(key),
        "state": str(state),
        "size": size,
        "by": str(voucher.key),
        "signature": base64.b64encode(signature).decode(),
    }


def events(session: Session) -> list[KeyEvent]:
    """Return every event, the oldest first."""
    rows = fetch(session, "SELECT idx, vkey, state, size, uri FROM key_event ORDER BY idx")
    return [
        KeyEvent(row.idx, VerifierKey.parse(row.vkey), KeyState(row.state), row.size, row.uri)
        for row in rows
    ]


def history(first: Sequence[VerifierKey], later: Sequence[KeyEvent]) -> list[TrustedKey]:
    """Return every key with the sizes it may sign.

    A key that is added ends the one of its kind before it; a retired key ends there; a
    compromised one keeps its range and carries the size from which witnesses must vouch.
    """
    found = {key: TrustedKey(key) for key in first}
    for event in later:
        old = found.get(event.key)
        if event.state is KeyState.ADDED:
            for key, known in found.items():
                if key.type == event.key.type and (known.stop is None or known.stop > event.size):
                    found[key] = TrustedKey(key, known.start, event.size, known.compromised)
            found[event.key] = TrustedKey(event.key, event.size)
        elif old is None:
            raise MalformedEntry(f"entry {event.index} is about a key that was never added")
        elif event.state is KeyState.RETIRED:
            found[event.key] = TrustedKey(old.key, old.start, event.size, old.compromised)
        else:
            found[event.key] = TrustedKey(old.key, old.start, old.stop, event.size)
    return list(found.values())


def keys_for(note: str, trusted: Sequence[TrustedKey]) -> list[VerifierKey]:
    """Return the log's keys that may sign the checkpoint in a note, by its size.

    Raises:
        MalformedNote: not a checkpoint.
    """
    size = Checkpoint.parse_text(Note.parse(note).text).size
    return [known.key for known in trusted if known.key.type == ED25519 and known.signs(size)]


def vouched(fields: dict[str, object], by: Sequence[VerifierKey]) -> VerifierKey:
    """Return the key a `key_rotation` entry is about, if one of `by` vouches for it.

    A key of another name is that of a successor ledger, which the entry must then begin.

    Raises:
        MalformedEntry: the field `key` is missing, malformed, or its signature does not hold.
    """
    found = fields.get("key")
    if not isinstance(found, dict):
        raise MalformedEntry("a key_rotation entry names its key")
    try:
        key = VerifierKey.parse(str(found.get("vkey")))
        voucher = VerifierKey.parse(str(found.get("by")))
        state, size = KeyState(str(found.get("state"))), found.get("size")
        signature = base64.b64decode(str(found.get("signature")), validate=True)
    except (MalformedNote, ValueError) as error:
        raise MalformedEntry(f"the key of a key_rotation entry is malformed: {error}") from error
    if not isinstance(size, int) or voucher not in by:
        raise MalformedEntry("a key_rotation entry is vouched for by no key of this log")
    if key.name != voucher.name and "succession" not in fields:
        raise MalformedEntry("a key_rotation entry is about a key of another ledger")
    if not voucher.verify(statement(voucher.name, state, key, size), signature):
        raise MalformedEntry("the signature under a key_rotation entry does not hold")
    return key
