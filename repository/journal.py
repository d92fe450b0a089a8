"""What is acknowledged is outside the database first: entries since the mirror, and their rows.

A receipt leaves when an object of the bucket `staging` holds every entry from the mirror's end up
to it, the head that signs them, and what the registrations among them left in the tables. The
mirror takes all of it over some seconds later (`ledger_mirror.publish`), and the journal goes.
"""

import json
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select

from custody import tables
from custody.heads import head_beyond
from custody.static_log import bodies
from repository import Repository, checkpoint_name, mirror_of
from repository.errors import NameTaken
from repository.ledger_mirror import JOURNAL, Segment, origin_in, publish, rows_key
from repository.registered import documents, to_text
from repository.sealed import put_same, read_document
from repository.stores import STAGING

LONGEST = 8_192  # entries; beyond that the mirror itself is brought up to date


def cover(repo: Repository, size: int) -> None:
    """Return when a ledger of this size, and its registrations, stand in the store.

    Args:
        repo: the repository.
        size: at most the ledger's; every entry before it is covered.

    Raises:
        StoreUnavailable, StoreFull: it does not take it; nothing may be acknowledged yet.
        LedgerDamaged: the mirror holds another history.
    """
    with repo.database.reading() as session:
        mirrored = session.scalar(select(func.max(tables.published.c.size))) or 0
    start = max([mirrored, *repo.journalled])
    if size <= start:
        return
    if size - start > LONGEST:
        publish(repo)
        return
    with repo.database.reading() as session:
        head = head_beyond(session, size - 1)
        size = head.size
        whole = bodies(session, start, size)
        found = {
            "v": 1,
            "start": start,
            "end": size,
            "note": head.note,
            "bodies": [body.decode() for body in whole],
            "registered": next(documents(session, start, size, whole=whole), None),
        }
    with suppress(NameTaken):  # another process wrote these entries; it knew no less of their rows
        put_same(
            repo.store, lambda: [to_text(found)], sealing=rows_key(repo), random=repo.random,
            bucket=STAGING,
            key=f"{mirror_of(origin_in(head.note))}{JOURNAL}{checkpoint_name(size)}-{start:020d}",
        )  # fmt: skip
    repo.journalled[:] = [max([size, *repo.journalled])]


def read(repo: Repository, segment: Segment) -> dict[str, Any]:
    """Return what a journal holds.

    Raises:
        IntegrityError: it does not open.
    """
    found: dict[str, Any] = json.loads(
        read_document(repo.store, segment.stored, key=rows_key(repo))
    )
    return found
