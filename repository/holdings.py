"""What the stores hold, with the digests of the stored bytes: an audit of storage needs no key."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Draft
from repository import Repository
from repository.authorise import Caller
from repository.models import Exhibit, ObjectCopy, Part

_BATCH = 500


def holdings(repo: Repository, caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield every object of every exhibit, and its copies, as stored; recorded as a consultation.

    No number, name or digest of evidence is among it.
    """
    repo.ledger.record(Draft(Act.CONSULTATION, caller.actor(), reason="holdings"))
    last = ""
    while True:
        with repo.database.reading() as session:
            ids = session.scalars(
                select(Exhibit.id).where(Exhibit.id > last).order_by(Exhibit.id).limit(_BATCH)
            ).all()
            parts = list(session.scalars(select(Part).where(Part.exhibit_id.in_(ids))))
            copies = list(session.scalars(select(ObjectCopy).where(ObjectCopy.exhibit_id.in_(ids))))
        if not ids:
            return
        for part in parts:
            for stored in (part.stored, *(part.further or ()), part.manifest):
                yield _plain(stored, "primary")
        for copy in copies:
            yield _plain(copy.stored, copy.place)
        last = ids[-1]


def _plain(stored: dict[str, Any], place: str) -> dict[str, Any]:
    found = {name: stored[name] for name in stored if name != "plain_sha256"}
    return {**found, "place": place}
