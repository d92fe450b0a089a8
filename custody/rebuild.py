"""Bring a ledger forward from bodies and checkpoints that were kept outside its database.

Every checkpoint is checked against the root computed from the bodies before its head is written,
so what is rebuilt is what was given out, or nothing. Withheld values are not among it: their
openings live in the database alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from custody import tables
from custody.append import take_lock
from custody.checkpoint import Checkpoint, open_checkpoint
from custody.database import Database
from custody.entry import Act, parse_body
from custody.errors import EntriesMissing, LedgerDamaged
from custody.heads import last_head
from custody.keys import events, history, keys_for, vouched
from custody.merkle import leaf_hash
from custody.note import Note, VerifierKey
from custody.tables import insert_rows
from custody.tiles import write_tiles

_BATCH = 4_096


def rebuild(
    database: Database,
    bodies: Iterable[bytes],
    notes: Iterable[str],
    first: Sequence[VerifierKey],
) -> int:
    """Append what is missing up to the last checkpoint and return how many entries that was.

    Args:
        database: holds the ledger's tables, empty or with a shorter ledger.
        bodies: every body from the present size on.
        notes: checkpoints in the order of their sizes.
        first: the log's first keys; later ones are found among the entries.

    Raises:
        MalformedNote, BadSignature: a checkpoint is not this log's.
        EntriesMissing: there are no more bodies; nothing of that checkpoint is written.
        LedgerDamaged: the bodies do not lead to a checkpoint's root; neither.
        MalformedEntry: a body is no entry.
    """
    source = iter(bodies)
    added = 0
    for note in notes:
        try:
            with database.writing() as session:
                added += _upto(session, source, note, first)
        except IntegrityError as error:
            raise LedgerDamaged(
                "the database holds entries under no head; run: evidence verify --ledger"
            ) from error
    return added


def _upto(
    session: Session, source: Iterator[bytes], note: str, first: Sequence[VerifierKey]
) -> int:
    take_lock(session)
    last = last_head(session)
    frontier, start = last.frontier, last.size
    head = Checkpoint.parse_text(Note.parse(note).text)
    if head.size < start:
        return 0
    if head.size == start:
        if frontier.root() != head.root:
            raise LedgerDamaged(f"the ledger differs from the checkpoint of size {start}")
        return 0
    while frontier.size < head.size:
        some = list(islice(source, min(_BATCH, head.size - frontier.size)))
        if not some:
            raise EntriesMissing(
                f"the bodies end at {frontier.size}, but a checkpoint of {head.size} was given out"
            )
        leaves = [leaf_hash(body) for body in some]
        _write(session, frontier.size, some, leaves, first)
        write_tiles(session, frontier.size, leaves)
        for leaf in leaves:
            frontier.append(leaf)
    if frontier.root() != head.root:
        raise LedgerDamaged(
            f"the bodies up to {head.size} do not lead to the root of the checkpoint of that size"
        )
    open_checkpoint(note, keys_for(note, history(first, events(session))))
    row = (head.size, head.root, frontier.to_bytes(), note)
    insert_rows(session, tables.head, [row])
    return head.size - start


def _write(
    session: Session,
    start: int,
    some: list[bytes],
    leaves: list[bytes],
    first: Sequence[VerifierKey],
) -> None:
    rows, exhibits = [], []
    for index, (body, leaf) in enumerate(zip(some, leaves, strict=True), start):
        fields = parse_body(body)
        rows.append((index, leaf, body, fields["id"]))
        about = fields.get("exhibit")
        if about:
            exhibits.append((about["id"], about["seq"], index))
        if fields["type"] == Act.KEY_ROTATION:
            known = [one.key for one in history(first, events(session))]
            key = vouched(fields, known)
            state, size = fields["key"]["state"], fields["key"]["size"]
            insert_rows(session, tables.key_event, [(index, str(key), state, size, None)])
    insert_rows(session, tables.entry, rows)
    insert_rows(session, tables.entry_exhibit, exhibits)
