"""What the stores hold, with the digests of the stored bytes: an audit of storage needs no key."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Draft, timestamp
from repository import Repository
from repository.authorise import Caller
from repository.fixity import verified
from repository.models import Exhibit, ObjectCheck, ObjectCopy, Part
from repository.moving import moved

_BATCH = 500


def holdings(repo: Repository, caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield every object of every exhibit, and its copies, as stored; recorded as a consultation.

    No number, name or digest of evidence is among it. `verified_at` says when the object was last
    read and compared, and `verified` what that came to: `stored` is its reading back at first.
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
            checks = verified(session, ids)
            objects = [one for part in parts for one in _objects(part)]
            places = moved(session, objects)
            taken = select(Exhibit.id, Exhibit.registered_at).where(Exhibit.id.in_(ids))
            stored_at = {row.id: row.registered_at for row in session.execute(taken)}
        if not ids:
            return
        for part in parts:
            for stored in _objects(part):
                last_read = checks.get((part.exhibit_id, stored["key"], "primary"))
                now = places.get((stored["key"], stored["version"]), stored)
                yield _plain(now, "primary", last_read, stored_at[part.exhibit_id])
        for copy in copies:
            last_read = checks.get((copy.exhibit_id, copy.key, copy.place))
            yield _plain(copy.stored, copy.place, last_read, copy.at)
        last = ids[-1]


def _objects(part: Part) -> list[dict[str, Any]]:
    return [part.stored, *(part.further or ()), part.manifest]


def _plain(
    stored: dict[str, Any], place: str, last_read: ObjectCheck | None, at: datetime
) -> dict[str, Any]:
    found = {name: stored[name] for name in stored if name != "plain_sha256"}
    return {
        **found,
        "place": place,
        "verified_at": timestamp(last_read.at if last_read else at),
        "verified": last_read.outcome if last_read else "stored",
    }
