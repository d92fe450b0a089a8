"""Mirror the ledger to the object store, and rebuild it from there.

A cut tail of the ledger shows only against memory outside it: the write-once store is such memory.
Names are those of docs/format.md 8; nothing is ever replaced. Entries name exhibits and digests, so
what holds them is sealed with the house's key: whoever runs the storage learns nothing. A
checkpoint is written last, so one that is there has everything it needs beside it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import func, select

from custody import tables
from custody.checkpoint import Checkpoint, SignedCheckpoint
from custody.database import Database
from custody.errors import LedgerDamaged
from custody.heads import last_head
from custody.note import Note, VerifierKey
from custody.publish import keep_lines, keep_token
from custody.rebuild import rebuild as rebuild_ledger
from custody.static_log import ENTRIES, TileName, bodies, bundle, names, parse_bundle, read_tile
from custody.tables import fetch, insert_rows
from custody.tiles import TILE
from custody.timestamp import read as read_token
from repository import Repository, checkpoint_name, registered
from repository.envelope import HEADER
from repository.errors import IntegrityError, NameTaken, StoreError
from repository.keys import house_key
from repository.sealed import put_same, read_document
from repository.stores import STAGING, ObjectStore, Stored

BUCKET = "ledger"
REGISTERED = "registered/"
JOURNAL = "journal/"  # in the bucket `staging`; see `journal`
SEALED = ("tile/entries/", "tail/")  # names of what holds entries


def publish(repo: Repository) -> SignedCheckpoint | None:
    """Write the newest checkpoint and all it covers to the store; None for an empty ledger.

    Raises:
        LedgerDamaged: another checkpoint of the same size was given out before: a fork.
        StoreUnavailable: the store does not take it.
    """
    signed = repo.ledger.checkpoint()
    if signed is None:
        return None
    size = signed.checkpoint.size
    with repo.database.reading() as session:
        before = session.scalar(select(func.max(tables.published.c.size))) or 0
        if before >= size:
            return signed
        for name in names(before, size, partial=False):
            _put(repo, name.path, read_tile(session, size, name))
        start = max(before, size // TILE * TILE)
        if start < size:
            tail = bundle(bodies(session, start, size))
            _put(repo, f"tail/{checkpoint_name(start)}-{size:020d}", tail)
        for document in registered.documents(session, before, size):
            keep_registered(repo, document)
    try:
        _put(repo, f"checkpoint/{checkpoint_name(size)}", signed.note.encode())
    except NameTaken as error:
        raise LedgerDamaged(
            f"another checkpoint of size {size} was given out before: "
            "the ledger was rewritten; stop and compare with receipts and witnesses"
        ) from error
    _mark(repo.database, size)
    _discard_journals(repo, size)
    return signed


@dataclass(frozen=True, slots=True)
class Segment:
    """A journal in the store, and from which size to which it goes."""

    start: int
    end: int
    stored: Stored


def segments(repo: Repository, beyond: int) -> Iterator[Segment]:
    """Yield the journals that reach beyond a size, in the order of their ends."""
    after = f"{JOURNAL}{checkpoint_name(beyond)}"
    for stored in repo.store.versions(STAGING, JOURNAL, after=after):
        end, _, start = stored.key.removeprefix(JOURNAL).replace("/", "").partition("-")
        if int(end) > beyond:
            yield Segment(int(start), int(end), stored)


def _discard_journals(repo: Repository, size: int) -> None:
    """Remove the journals that the mirror has taken over; what stays goes the next time."""
    with suppress(StoreError):
        for segment in segments(repo, 0):
            if segment.end > size:
                return
            repo.store.discard(segment.stored)


def keep_registered(repo: Repository, document: Mapping[str, Any]) -> None:
    """Write what registrations left in the tables, so that a lost database gets it again."""
    name = f"{REGISTERED}{checkpoint_name(document['end'])}-{document['start']:020d}"
    days = repo.settings.lock_days
    until = repo.clock() + timedelta(days=days) if days else None
    if repo.store.find(BUCKET, name) is None:  # another process's is as good; its rows may differ
        with suppress(NameTaken):
            put_same(
                repo.store, lambda: [registered.to_text(document)], sealing=rows_key(repo),
                random=repo.random, bucket=BUCKET, key=name, retain_until=until,
            )  # fmt: skip


def read_registered(repo: Repository, beyond: int) -> Iterator[dict[str, Any]]:
    """Yield what `keep_registered` wrote of entries beyond a size, in their order.

    Raises:
        IntegrityError: a document does not open.
    """
    for stored in repo.store.versions(
        BUCKET, REGISTERED, after=REGISTERED + checkpoint_name(beyond)
    ):
        if int(stored.key.removeprefix(REGISTERED).replace("/", "").partition("-")[0]) > beyond:
            yield json.loads(read_document(repo.store, stored, key=rows_key(repo)))


def rows_key(repo: Repository) -> bytes:
    """Return the key of these documents: they hold names, and are sealed in every house."""
    return HKDF(SHA256(), length=32, salt=None, info=b"evidence registered").derive(
        repo.wrapping_key
    )


def keep_cosigned(repo: Repository, note: str) -> None:
    """Write a checkpoint with all the lines it has so far beside the log's own note."""
    size = Checkpoint.parse_text(Note.parse(note).text).size
    lines = len(Note.parse(note).signatures)
    _put(repo, f"cosigned/{checkpoint_name(size)}.{lines}", note.encode())


def keep_stamp(repo: Repository, size: int, der: bytes) -> None:
    """Write a time-stamp answer over the checkpoint of a size, named by its own digest."""
    _put(repo, f"token/{checkpoint_name(size)}.{sha256(der).hexdigest()[:16]}", der)


def published(repo: Repository) -> list[SignedCheckpoint]:
    """Return every checkpoint kept in the store, verified with the ledger's keys.

    Raises:
        MalformedNote, BadSignature: a kept checkpoint is damaged.
    """
    return [repo.ledger.open_checkpoint(note) for note in _notes(repo.store, 0)]


def rebuild(
    database: Database,
    store: ObjectStore,
    first: Sequence[VerifierKey],
    *,
    key: bytes | None = None,
) -> int:
    """Bring the ledger in a database forward to the newest checkpoint in a store.

    Args:
        database: holds the ledger's tables, empty or with a shorter ledger.
        store: where it was mirrored.
        first: the log's first keys; later ones are found among the entries.
        key: what the mirrored entries are sealed with, if they are.

    Returns:
        How many entries were added.

    Raises:
        LedgerDamaged: something is missing in the store, or does not lead to a checkpoint.
        MalformedNote, BadSignature: a checkpoint is not this ledger's.
    """
    with database.reading() as session:
        start = last_head(session).size
    notes = list(_notes(store, max(0, start - 1)))
    added = rebuild_ledger(database, _bodies(store, start, key), notes, first)
    with database.reading() as session:
        size = last_head(session).size
    if size:
        _mark(database, size)
        _restore_seals(database, store)
    return added


def _restore_seals(database: Database, store: ObjectStore) -> None:
    """Take back what stands on the checkpoints: cosignature lines and time-stamps.

    They are stored as they were kept; the audit judges them.
    """
    for stored in store.versions(BUCKET, "cosigned/"):
        note = Note.parse(_bytes(store, stored).decode("utf-8", "replace"))
        size = Checkpoint.parse_text(note.text).size
        keep_lines(database, size, note.signatures[1:])
    for stored in store.versions(BUCKET, "token/"):
        name = stored.key.removeprefix("token/").replace("/", "").partition(".")[0]
        token = read_token(_bytes(store, stored))
        keep_token(database, int(name), f"{token.authority}#{token.algorithm}", token, token.time)


def _notes(store: ObjectStore, beyond: int) -> Iterator[str]:
    after = f"checkpoint/{checkpoint_name(beyond)}" if beyond else ""
    for stored in store.versions(BUCKET, "checkpoint/", after=after):
        yield _bytes(store, stored).decode("utf-8", "replace")


def _bodies(store: ObjectStore, start: int, key: bytes | None) -> Iterator[bytes]:
    """Yield the mirrored bodies from an index on: full bundles, then the tails after them."""
    position = start
    while (stored := _stored(store, TileName(ENTRIES, position // TILE).path)) is not None:
        found = parse_bundle(_unsealed(store, stored, key))
        yield from found[position % TILE :]
        position += len(found) - position % TILE
    first = position // TILE * TILE
    for stored in store.versions(BUCKET, "tail/", after=f"tail/{checkpoint_name(first)}"):
        begin, _, end = stored.key.removeprefix("tail/").replace("/", "").partition("-")
        if int(begin) <= position < int(end):
            yield from parse_bundle(_unsealed(store, stored, key))[position - int(begin) :]
            position = int(end)


def _stored(store: ObjectStore, key: str) -> Stored | None:
    return next((found for found in store.versions(BUCKET, key) if found.key == key), None)


def _bytes(store: ObjectStore, stored: Stored) -> bytes:
    with store.open(stored) as file:
        return file.read()


def _unsealed(store: ObjectStore, stored: Stored, key: bytes | None) -> bytes:
    """Return mirrored entries; those of before encryption are not sealed."""
    if key is not None:
        try:
            return read_document(store, stored, key=key)
        except IntegrityError as error:
            plain = _bytes(store, stored)
            if plain[:1] == bytes([HEADER]):  # no bundle begins so: its first entry would be huge
                raise LedgerDamaged(f"{stored.key} in the store is damaged: {error}") from error
            return plain
    return _bytes(store, stored)


def _put(repo: Repository, key: str, data: bytes) -> None:
    days = repo.settings.lock_days
    until = repo.clock() + timedelta(days=days) if days else None
    sealing = house_key(repo) if repo.settings.encryption and key.startswith(SEALED) else None
    put_same(
        repo.store, lambda: [data], sealing=sealing, random=repo.random, bucket=BUCKET, key=key,
        retain_until=until,
    )  # fmt: skip


def _mark(database: Database, size: int) -> None:
    """Remember that everything up to a size is mirrored; another process may have been first."""
    with database.writing() as session:
        known = fetch(session, "SELECT size FROM published WHERE size = ?", [size])
        if not known:
            insert_rows(session, tables.published, [(size,)])
