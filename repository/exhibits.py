"""Register, find and list exhibits."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import ExhibitRef
from repository.models import Case, Exhibit, ExtractionRun, ObjectCopy, Part
from repository.naming import split_number
from repository.stores import Stored


def ref(exhibit: Exhibit) -> ExhibitRef:
    """Return the exhibit as entries name it."""
    return ExhibitRef(exhibit.id, exhibit.number, exhibit.sha256, exhibit.size)


def find_exhibit(session: Session, number: str) -> Exhibit | None:
    """Return the exhibit of a number, whoever asks; see `authorise` for who may know of it."""
    if split_number(number) is None:
        return None
    return session.scalar(select(Exhibit).where(Exhibit.number == number))


def parts_of(session: Session, exhibit_ids: Sequence[str]) -> list[Part]:
    """Return the parts of exhibits, those of each in order."""
    query = (
        select(Part).where(Part.exhibit_id.in_(exhibit_ids)).order_by(Part.exhibit_id, Part.part)
    )
    return list(session.scalars(query))


def repaired_objects(
    session: Session, exhibit_ids: Sequence[str], place: str = "primary"
) -> dict[str, dict[str, Stored]]:
    """Return by exhibit and registered name where objects are in a place beside registration."""
    query = select(ObjectCopy).where(
        ObjectCopy.exhibit_id.in_(exhibit_ids), ObjectCopy.place == place
    )
    found: dict[str, dict[str, Stored]] = {}
    for row in session.scalars(query):
        found.setdefault(row.exhibit_id, {})[row.key] = Stored.from_json(row.stored)
    return found


def exhibits_of(
    session: Session, case: Case, *, after: int = 0, limit: int | None = None
) -> list[Exhibit]:
    """Return a case's exhibits in the order of their numbers, after a serial number."""
    query = (
        select(Exhibit)
        .where(Exhibit.case_id == case.id, Exhibit.serial > after)
        .order_by(Exhibit.serial)
        .limit(limit)
    )
    return list(session.scalars(query))


def latest_run(session: Session, exhibit_id: str) -> ExtractionRun | None:
    """Return the newest extraction run of an exhibit."""
    return session.scalar(
        select(ExtractionRun)
        .where(ExtractionRun.exhibit_id == exhibit_id)
        .order_by(ExtractionRun.run.desc())
        .limit(1)
    )


def known_as(
    session: Session, sha256: str, *, cases: list[str] | None, but: str | None = None
) -> list[str]:
    """Return the numbers under which the same bytes are registered.

    Args:
        session: a session.
        sha256: the digest.
        cases: ids of the cases the asker takes part in; None: all (a custodian).
        but: an exhibit id to leave out.
    """
    query = select(Exhibit.number).where(Exhibit.sha256 == sha256).order_by(Exhibit.number)
    if cases is not None:
        query = query.where(Exhibit.case_id.in_(cases))
    if but is not None:
        query = query.where(Exhibit.id != but)
    return list(session.scalars(query))


def unprocessed(session: Session, *, limit: int) -> Iterator[str]:
    """Yield ids of exhibits that extraction has not looked at, oldest first."""
    query = (
        select(Exhibit.id)
        .where(Exhibit.processed_at.is_(None))
        .order_by(Exhibit.registration)
        .limit(limit)
    )
    yield from session.scalars(query).all()


def part_json(part: Part) -> dict[str, Any]:
    """Return a part as the `registration` entry records it (docs/format.md 2.3)."""
    found: dict[str, Any] = {
        "part": part.part,
        "size": part.size,
        "digests": part.digests,
        "chunks": {
            "size": 1 << 20,
            "count": part.chunk_count,
            "root": part.chunk_root,
            "manifest": part.manifest["plain_sha256"],
        },
        "stored": part.stored,
        "manifest": {name: part.manifest[name] for name in part.manifest if name != "plain_sha256"},
    }
    if part.further:
        found["further"] = part.further
    if part.encryption:
        found["encryption"] = part.encryption
    return found
