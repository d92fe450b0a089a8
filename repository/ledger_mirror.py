"""Mirror the ledger to the object store, and rebuild it from there.

A cut tail of the ledger shows only against memory outside it: the write-once store is such memory.
Names are those of docs/format.md 8; nothing is ever replaced. Entries name exhibits and digests, so
what holds them is sealed with the house's key: whoever runs the storage learns nothing. A
checkpoint is written last, so one that is there has everything it needs beside it.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import func, select

from custody import tables
from custody.checkpoint import Checkpoint, SignedCheckpoint
from custody.database import Database
from custody.errors import EntriesMissing, LedgerDamaged
from custody.heads import last_head
from custody.note import Note, VerifierKey
from custody.publish import keep_lines, keep_token
from custody.rebuild import rebuild as rebuild_ledger
from custody.static_log import ENTRIES, TileName, bodies, bundle, names, parse_bundle, read_tile
from custody.tables import fetch, insert_rows
from custody.tiles import TILE
from custody.timestamp import read as read_token
from repository import SUCCESSOR, Repository, checkpoint_name, mirror_of, registered
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
    size, origin = signed.checkpoint.size, signed.checkpoint.origin
    with repo.database.reading() as session:
        before = session.scalar(select(func.max(tables.published.c.size))) or 0
        if before >= size:
            return signed
        for name in names(before, size, partial=False):
            _put(repo, origin, name.path, read_tile(session, size, name))
        start = max(before, size // TILE * TILE)
        if start < size:
            tail = bundle(bodies(session, start, size))
            _put(repo, origin, f"tail/{checkpoint_name(start)}-{size:020d}", tail)
        for document in registered.documents(session, before, size):
            keep_registered(repo, document, origin)
    try:
        _put(repo, origin, f"checkpoint/{checkpoint_name(size)}", signed.note.encode())
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
    for one in stretches(repo.store, STAGING):
        prefix = one.prefix + JOURNAL
        after = prefix + checkpoint_name(beyond)
        for stored in repo.store.versions(STAGING, prefix, after=after):
            end, _, start = stored.key.removeprefix(prefix).replace("/", "").partition("-")
            if beyond < int(end) <= one.end:
                yield Segment(int(start), int(end), stored)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The mirror or the journals of one ledger of those that went on from each other."""

    prefix: str  # of its names
    end: int  # its size when the next one went on: what is beyond is lost, and named so


ENDLESS = 2**62  # beyond every size


def stretches(store: ObjectStore, bucket: str = BUCKET) -> list[Stretch]:
    """Return the ledgers that a bucket holds, in the order in which they went on."""
    starts: list[int] = []
    after = ""
    while (stored := next(store.versions(bucket, SUCCESSOR, after=after), None)) is not None:
        prefix = "/".join(stored.key.split("/")[:2])
        starts.append(int(prefix.removeprefix(SUCCESSOR)))
        after = f"{prefix}/~"
    prefixes = ["", *(f"{SUCCESSOR}{start:020d}/" for start in starts)]
    return [Stretch(*one) for one in zip(prefixes, [*starts, ENDLESS], strict=True)]


def origin_in(note: str | None) -> str:
    """Return the origin of a checkpoint, which is its first line."""
    return (note or "").partition("\n")[0]


def _discard_journals(repo: Repository, size: int) -> None:
    """Remove the journals that the mirror has taken over; what stays goes the next time."""
    with suppress(StoreError):
        for segment in segments(repo, 0):
            if segment.end > size:
                return
            repo.store.discard(segment.stored)


def keep_registered(repo: Repository, document: Mapping[str, Any], origin: str) -> None:
    """Write what registrations left in the tables, so that a lost database gets it again."""
    span = f"{checkpoint_name(document['end'])}-{document['start']:020d}"
    name = f"{mirror_of(origin)}{REGISTERED}{span}"
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
    for one in stretches(repo.store):
        prefix = one.prefix + REGISTERED
        after = prefix + checkpoint_name(beyond)
        for stored in repo.store.versions(BUCKET, prefix, after=after):
            if beyond < int(stored.key.removeprefix(prefix).replace("/", "")[:20]) <= one.end:
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
    _put(repo, origin_in(note), f"cosigned/{checkpoint_name(size)}.{lines}", note.encode())


def keep_stamp(repo: Repository, size: int, der: bytes) -> None:
    """Write a time-stamp answer over the checkpoint of a size, named by its own digest."""
    name = f"token/{checkpoint_name(size)}.{sha256(der).hexdigest()[:16]}"
    _put(repo, repo.ledger.origin, name, der)


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
        EntriesMissing: entries up to a checkpoint are not in the store; those before are added.
        LedgerDamaged: what is there does not lead to a checkpoint.
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
    for one in stretches(store):
        prefix = f"{one.prefix}cosigned/"
        for stored in store.versions(BUCKET, prefix):
            if _size_in(stored.key, prefix) <= one.end:
                note = Note.parse(_bytes(store, stored).decode("utf-8", "replace"))
                size = Checkpoint.parse_text(note.text).size
                keep_lines(database, size, note.signatures[1:])
        prefix = f"{one.prefix}token/"
        for stored in store.versions(BUCKET, prefix):
            size = _size_in(stored.key, prefix)
            if size <= one.end:
                token = read_token(_bytes(store, stored))
                name = f"{token.authority}#{token.algorithm}"
                keep_token(database, size, name, token, token.time)


def _size_in(key: str, prefix: str) -> int:
    return int(key.removeprefix(prefix).replace("/", "")[:20])


def last_note(store: ObjectStore, beyond: int) -> str | None:
    """Return the checkpoint of the largest size beyond one, of the ledger that goes on."""
    notes = deque(_notes_of(store, stretches(store)[-1], beyond), maxlen=1)
    return notes[0] if notes else None


def _notes(store: ObjectStore, beyond: int) -> Iterator[str]:
    for one in stretches(store):
        yield from _notes_of(store, one, beyond)


def _notes_of(store: ObjectStore, one: Stretch, beyond: int) -> Iterator[str]:
    prefix = f"{one.prefix}checkpoint/"
    after = prefix + checkpoint_name(beyond) if beyond else ""
    for stored in store.versions(BUCKET, prefix, after=after):
        if _size_in(stored.key, prefix) <= one.end:
            yield _bytes(store, stored).decode("utf-8", "replace")


def _bodies(store: ObjectStore, start: int, key: bytes | None) -> Iterator[bytes]:
    """Yield the mirrored bodies from an index on, of each ledger up to where the next went on."""
    position = start
    for one in stretches(store):
        if position >= one.end:
            continue
        for body in islice(_bodies_of(store, one.prefix, position, key), one.end - position):
            yield body
            position += 1


def _bodies_of(store: ObjectStore, prefix: str, start: int, key: bytes | None) -> Iterator[bytes]:
    """Yield the bodies of one mirror: full bundles, then the tails after them."""
    position = start
    while True:
        stored = _stored(store, prefix + TileName(ENTRIES, position // TILE).path)
        if stored is None:
            break
        found = parse_bundle(_unsealed(store, stored, key))
        yield from found[position % TILE :]
        position += len(found) - position % TILE
    tails = f"{prefix}tail/"
    after = tails + checkpoint_name(position // TILE * TILE)
    for stored in store.versions(BUCKET, tails, after=after):
        begin, _, end = stored.key.removeprefix(tails).replace("/", "").partition("-")
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
                raise EntriesMissing(f"{stored.key} in the store is damaged: {error}") from error
            return plain
    return _bytes(store, stored)


def _put(repo: Repository, origin: str, key: str, data: bytes) -> None:
    days = repo.settings.lock_days
    until = repo.clock() + timedelta(days=days) if days else None
    sealing = house_key(repo) if repo.settings.encryption and key.startswith(SEALED) else None
    put_same(
        repo.store, lambda: [data], sealing=sealing, random=repo.random, bucket=BUCKET,
        key=mirror_of(origin) + key, retain_until=until,
    )  # fmt: skip


def _mark(database: Database, size: int) -> None:
    """Remember that everything up to a size is mirrored; another process may have been first."""
    with database.writing() as session:
        known = fetch(session, "SELECT size FROM published WHERE size = ?", [size])
        if not known:
            insert_rows(session, tables.published, [(size,)])
