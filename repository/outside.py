"""What memory outside shows beyond the ledger: witnesses, kept checkpoints, receipts.

It is kept in the store (`outside/`, docs/format.md 8), so that every process refuses its
first append until the entries are back, or a successor names them as lost (`succession`).
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from custody.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from custody.errors import LedgerBehind
from custody.keys import keys_for
from custody.note import Note
from custody.publish import compare
from custody.receipt import AnyReceipt, Proof
from repository import Repository, checkpoint_name, outside_of
from repository.sealed import put_same

BUCKET = "ledger"


@dataclass(frozen=True, slots=True)
class Shown:
    """A size that somebody outside knows this ledger to have had."""

    origin: str
    size: int
    by: str
    note: str = ""  # the checkpoint; a witness tells its size alone


def beyond(repo: Repository) -> list[Shown]:
    """Return what is known outside beyond the ledger as it is here, the largest size first."""
    origin, size = repo.ledger.origin, repo.ledger.size()
    prefix = outside_of(origin)
    found = []
    for stored in repo.store.versions(BUCKET, prefix, after=prefix + checkpoint_name(size)):
        with repo.store.open(stored) as file:
            said: dict[str, Any] = json.loads(file.read())
        if said["size"] > size:
            found.append(Shown(**said))
    return sorted(found, key=lambda one: one.size, reverse=True)


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody brings from outside: checkpoints and receipts that were kept there."""

    notes: tuple[str, ...] = ()
    receipts: tuple[AnyReceipt, ...] = ()


NOTHING = Known()


def look(repo: Repository, known: Known = NOTHING) -> tuple[list[Shown], list[str]]:
    """Compare the ledger with the witnesses and with what is given; keep what is beyond it.

    A witness is asked about our newest checkpoint: where it knows a larger size, it says so and
    signs nothing.

    Args:
        repo: the repository.
        known: what is given.

    Returns:
        All that is known beyond the ledger, the largest first; and who could not be asked.

    Raises:
        MalformedNote, BadSignature, MalformedEntry, BadProof: one that is given is not this
            ledger's.
    """
    keys = repo.ledger.key_history()
    for receipt in known.receipts:
        note = Proof.parse(receipt.proof).note
        keep(repo, _shown(receipt.verify(keys_for(note, keys)), "a receipt"))
    for note in known.notes:
        keep(repo, _shown(open_checkpoint(note, keys_for(note, keys)), "a kept checkpoint"))
    problems = _ask(repo)
    return beyond(repo), problems


def keep(repo: Repository, shown: Shown) -> None:
    """Keep in the store what is beyond the ledger: no process appends from then on."""
    if shown.size <= repo.ledger.size():
        return
    said = json.dumps(asdict(shown), sort_keys=True).encode() + b"\n"
    name = f"{checkpoint_name(shown.size)}-{sha256(said).hexdigest()[:16]}"
    put_same(
        repo.store, lambda: [said], sealing=None, random=repo.random,
        bucket=BUCKET, key=outside_of(shown.origin) + name,
    )  # fmt: skip


def keep_witnessed(repo: Repository, error: LedgerBehind) -> None:
    """Keep what a witness told."""
    if error.size:
        keep(repo, Shown(repo.ledger.origin, error.size, error.by))


def keep_mirrored(repo: Repository, note: str | None) -> None:
    """Keep the checkpoint of the mirror itself whose entries are not there any more.

    Raises:
        MalformedNote, BadSignature: it is not this ledger's.
    """
    if note is not None and Checkpoint.parse_text(Note.parse(note).text).size > repo.ledger.size():
        signed = open_checkpoint(note, keys_for(note, repo.ledger.key_history()))
        keep(repo, _shown(signed, "a checkpoint in the store"))


def _ask(repo: Repository) -> list[str]:
    signed = repo.ledger.checkpoint()
    if signed is None or not repo.policy.witnesses:
        return []
    try:
        return compare(
            repo.ledger, signed, policy=repo.policy, clock=repo.clock,
            timeout=repo.settings.witness_timeout,
        )  # fmt: skip
    except LedgerBehind as error:
        keep_witnessed(repo, error)
        return []


def _shown(signed: SignedCheckpoint, by: str) -> Shown:
    return Shown(signed.checkpoint.origin, signed.checkpoint.size, by, signed.note)
