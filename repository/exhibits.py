"""Register, find and list exhibits."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import ExhibitRef
from repository.derivations import Derivation
from repository.errors import PartRequired, UnknownPart
from repository.handovers import Quoted
from repository.models import (
    Case,
    ChildExhibit,
    DerivedObject,
    Exhibit,
    ExtractionRun,
    Intake,
    ObjectCopy,
    Part,
)
from repository.naming import name_digest, split_number
from repository.stores import Stored

T = TypeVar("T")
_TOGETHER = 500  # in one question to the database
LISTED = 300  # a pair of digests takes 150 bytes of an entry's 65,535


def ref(exhibit: Exhibit) -> ExhibitRef:
    """Return the exhibit as entries name it."""
    return ExhibitRef(exhibit.id, exhibit.number, exhibit.sha256, exhibit.size)


def about_part(part: int | None) -> dict[str, Any]:
    """Return how an entry says which part it is about; nothing for an exhibit of one part."""
    return {} if part is None else {"part": part}


def by_entry(values: Sequence[T]) -> list[Sequence[T]]:
    """Return values, each a digest or a pair of them, in lots that fit into one entry."""
    return [values[n : n + LISTED] for n in range(0, len(values), LISTED)] or [values]


def digest_of_parts(digests: Sequence[str]) -> str:
    """Return the digest an exhibit is known by, from the SHA-256 digests of its parts in order.

    Of one part it is the part's own, of several that of their canonical list (docs/format.md 2.3).
    """
    return digests[0] if len(digests) == 1 else f"sha256:{sha256(dumps(list(digests))).hexdigest()}"


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


def count_parts(session: Session, number: str) -> int:
    """Return how many parts an exhibit has, whoever asks; 0 if there is none of this number."""
    exhibit = find_exhibit(session, number)
    return 0 if exhibit is None else len(parts_of(session, [exhibit.id]))


def part_names(session: Session, exhibit_id: str) -> dict[int, bytes]:
    """Return the original paths of an exhibit's parts, by their numbers."""
    query = select(Intake.part, Intake.path).where(Intake.exhibit_id == exhibit_id)
    return {part: bytes(path) for part, path in session.execute(query)}


def meant_part(
    exhibit: Exhibit, parts: Sequence[Part], number: int | None
) -> tuple[Part, int | None]:
    """Return which of an exhibit's parts is meant, and its number where there are several.

    Raises:
        PartRequired: there are several, and none was named.
        UnknownPart: there is no such part.
    """
    count = len(parts)
    if number is None and count > 1:
        raise PartRequired(f"{exhibit.number} has {count} parts; name one, from 1 to {count}")
    wanted = 1 if number is None else number
    if not 1 <= wanted <= count:
        has = "one part" if count == 1 else f"{count} parts, counted from 1"
        raise UnknownPart(f"{exhibit.number} has {has}")
    return parts[wanted - 1], wanted if count > 1 else None


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


def derived_objects(session: Session, exhibit_id: str) -> list[Stored]:
    """Return all that was made of an exhibit: records of runs, previews; and what is quoted."""
    runs = select(ExtractionRun.record).where(ExtractionRun.exhibit_id == exhibit_id)
    made = select(DerivedObject.stored).where(DerivedObject.exhibit_id == exhibit_id)
    quoted = select(Quoted.stored).where(Quoted.exhibit_id == exhibit_id)
    queries = (runs, made, quoted)
    return [Stored.from_json(one) for query in queries for one in session.scalars(query)]


def parent_of(session: Session, exhibit_id: str) -> Exhibit | None:
    """Return the exhibit that this one was taken out of, if it was."""
    query = select(Exhibit).join(ChildExhibit, ChildExhibit.parent_id == Exhibit.id)
    return session.scalar(query.where(ChildExhibit.exhibit_id == exhibit_id))


def children_of(session: Session, exhibit_id: str) -> list[Exhibit]:
    """Return the exhibits that were taken out of this one, in the order of their numbers."""
    query = select(Exhibit).join(ChildExhibit, ChildExhibit.exhibit_id == Exhibit.id)
    query = query.where(ChildExhibit.parent_id == exhibit_id).order_by(Exhibit.serial)
    return list(session.scalars(query))


def child_of(session: Session, exhibit_id: str, member: str) -> Exhibit | None:
    """Return the exhibit that was made of a member of this one, if it was."""
    query = select(Exhibit).join(ChildExhibit, ChildExhibit.exhibit_id == Exhibit.id)
    digest = name_digest(member.encode("utf-8", "backslashreplace"))
    return session.scalar(
        query.where(ChildExhibit.parent_id == exhibit_id, ChildExhibit.member_sha256 == digest)
    )


def derived_of(session: Session, parent_ids: Sequence[str]) -> dict[str, list[tuple[Exhibit, str]]]:
    """Return what people made of exhibits, each with its kind, by the id of the parent."""
    query = (
        select(ChildExhibit.parent_id, Exhibit, Derivation.kind)
        .join(Derivation, Derivation.exhibit_id == ChildExhibit.exhibit_id)
        .join(Exhibit, Exhibit.id == ChildExhibit.exhibit_id)
        .order_by(Exhibit.serial)
    )
    found: dict[str, list[tuple[Exhibit, str]]] = {}
    for start in range(0, len(parent_ids), 500):
        some = query.where(ChildExhibit.parent_id.in_(parent_ids[start : start + 500]))
        for parent, exhibit, kind in session.execute(some):
            found.setdefault(parent, []).append((exhibit, kind))
    return found


def latest_run(session: Session, exhibit_id: str) -> ExtractionRun | None:
    """Return the newest extraction run of an exhibit."""
    return session.scalar(
        select(ExtractionRun)
        .where(ExtractionRun.exhibit_id == exhibit_id)
        .order_by(ExtractionRun.run.desc())
        .limit(1)
    )


def latest_runs(session: Session, exhibit_ids: Sequence[str]) -> dict[str, ExtractionRun]:
    """Return the newest extraction run of each of many exhibits that has one."""
    found: dict[str, ExtractionRun] = {}
    for start in range(0, len(exhibit_ids), _TOGETHER):
        lot = exhibit_ids[start : start + _TOGETHER]
        query = select(ExtractionRun).where(ExtractionRun.exhibit_id.in_(lot))
        for row in session.scalars(query.order_by(ExtractionRun.exhibit_id, ExtractionRun.run)):
            found[row.exhibit_id] = row
    return found


def known_as(
    session: Session, digests: Mapping[str, str], *, cases: list[str] | None
) -> dict[str, tuple[str, ...]]:
    """Return under which other numbers the same bytes are registered.

    Args:
        session: a session.
        digests: the digest of each exhibit asked about, by its id.
        cases: ids of the cases the asker takes part in; None: all (a custodian).
    """
    wanted = sorted(set(digests.values()))
    query = select(Exhibit.sha256, Exhibit.number, Exhibit.id).order_by(Exhibit.number)
    if cases is not None:
        query = query.where(Exhibit.case_id.in_(cases))
    same: dict[str, list[tuple[str, str]]] = {}
    for start in range(0, len(wanted), _TOGETHER):
        lot = wanted[start : start + _TOGETHER]
        for digest, number, name in session.execute(query.where(Exhibit.sha256.in_(lot))):
            same.setdefault(digest, []).append((number, name))
    return {
        exhibit: tuple(number for number, name in same.get(digest, ()) if name != exhibit)
        for exhibit, digest in digests.items()
    }


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
