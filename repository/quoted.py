"""Earlier custody of an exhibit as another repository recorded it: quoted, apart from our own."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit
from repository.errors import IntegrityError, NoSuchObject, StoreUnavailable
from repository.exhibits import ref
from repository.handovers import Quoted
from repository.keys import unwrap
from repository.models import Exhibit
from repository.sealed import read_document
from repository.stores import Stored

_TOGETHER = 500  # exhibits in one question to the database


def show_quoted(repo: Repository, caller: Caller, number: str) -> dict[str, Any] | None:
    """Return the quoted history of an exhibit, None if it came otherwise; recorded.

    Raises:
        UnknownExhibit: not for this caller; recorded.
        IntegrityError: it is not what was recorded.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.HISTORY, number, attempted=Act.CONSULTATION
    )
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="quoted-custody",
            exhibit=ref(exhibit),
            withheld={"case": case.code},
        )
    )
    found = quoted_document(repo, exhibit)
    return None if found is None else {**json.loads(found), "number": number}


def quoted_document(repo: Repository, exhibit: Exhibit) -> bytes | None:
    """Return the quoted history as it was kept, checked against its digest; records nothing.

    Raises:
        IntegrityError, Erased: as `quoted_documents`.
    """
    return next((document for _, document in quoted_documents(repo, [exhibit])), None)


def quoted_documents(
    repo: Repository, exhibits: Sequence[Exhibit]
) -> Iterator[tuple[Exhibit, bytes]]:
    """Yield each of these exhibits that came with a quoted history, with that history.

    Raises:
        IntegrityError: it is in no store as it was recorded.
        Erased: the exhibit's key was destroyed, and with it this.
    """
    for start in range(0, len(exhibits), _TOGETHER):
        some = exhibits[start : start + _TOGETHER]
        query = select(Quoted).where(Quoted.exhibit_id.in_([one.id for one in some]))
        with repo.database.reading() as session:
            rows = {row.exhibit_id: row for row in session.scalars(query)}
        for exhibit in some:
            if exhibit.id in rows:
                yield exhibit, _read(repo, exhibit, rows[exhibit.id])


def _read(repo: Repository, exhibit: Exhibit, row: Quoted) -> bytes:
    stored = Stored.from_json(row.stored)
    key = unwrap(repo, exhibit.id) if repo.settings.encryption else None
    for store in repo.stores.values():
        try:
            there = store.find(stored.bucket, stored.key)
            data = b"" if there is None else read_document(store, there, key=key)
        except (IntegrityError, NoSuchObject, StoreUnavailable):
            continue  # the other store may have it; that none has is said below
        if f"sha256:{sha256(data).hexdigest()}" == row.sha256:
            return data
    raise IntegrityError(f"the quoted history of {exhibit.number} is not what was recorded")
