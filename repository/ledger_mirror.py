"""Keep the ledger's checkpoints in the object store, outside the database.

A cut tail of the ledger shows only against memory outside it; the newest checkpoint in the
write-once store is that memory until witnesses are.
"""

from custody.checkpoint import SignedCheckpoint, open_checkpoint
from custody.errors import LedgerDamaged
from repository import Repository
from repository.errors import NameTaken

BUCKET = "ledger"
PREFIX = "checkpoint/"


def publish(repo: Repository) -> SignedCheckpoint | None:
    """Write the newest checkpoint to the store; return it, or None for an empty ledger.

    Raises:
        LedgerDamaged: another checkpoint of the same size was given out before: a fork.
        StoreUnavailable: the store does not take it.
    """
    signed = repo.ledger.checkpoint()
    if signed is None:
        return None
    note = signed.note.encode()
    key = f"{PREFIX}{signed.checkpoint.size:020d}"
    try:
        repo.store.put([note], bucket=BUCKET, key=key, size=len(note))
    except NameTaken as error:
        raise LedgerDamaged(
            f"another checkpoint of size {signed.checkpoint.size} was given out before: "
            "the ledger was rewritten; stop and compare with receipts and witnesses"
        ) from error
    return signed


def published(repo: Repository) -> list[SignedCheckpoint]:
    """Return every checkpoint kept in the store, verified with the ledger's key.

    Raises:
        MalformedNote, BadSignature: a kept checkpoint is damaged.
    """
    found = []
    for stored in repo.store.versions(BUCKET, PREFIX):
        with repo.store.open(stored) as file:
            note = file.read().decode("utf-8", "replace")
        found.append(open_checkpoint(note, [repo.ledger.key]))
    return found
