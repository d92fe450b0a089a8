"""Note in a submission's list what became of its files, in the transaction that registers them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from repository.models import Announced, Exhibit, Intake, Part, Submission
from repository.naming import name_digest

_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class File:
    """A file that came: its path, how many bytes it has, and their digests."""

    path: bytes
    size: int
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Settled:
    """A thing that was registered or quarantined: its files in order, and the entry about it."""

    exhibit_id: str
    state: str
    index: int
    files: tuple[File, ...]


def settle(session: Session, submission_id: str, things: Sequence[Settled]) -> None:
    """Note what became of things, once their entries have indexes; without a list, nothing is.

    A file is the one of the list that reserved its exhibit. A thing that came another way counts
    too, if the list names each of its files: the same path and size and no other digest, and not
    arrived yet. Otherwise it is a further one.
    """
    listed = select(Submission.list_index).where(Submission.id == submission_id)
    if not things or session.scalar(listed) is None:
        return
    ids = [thing.exhibit_id for thing in things]
    query = select(Announced.exhibit_id).where(Announced.exhibit_id.in_(ids)).distinct()
    reserved = set(session.scalars(query))
    by_exhibit = [
        {"of": thing.exhibit_id, "number": part, **_values(thing, part)}
        for thing in things
        if thing.exhibit_id in reserved
        for part in range(1, len(thing.files) + 1)
    ]
    if by_exhibit:
        session.connection().execute(_BY_EXHIBIT, by_exhibit)
    _match(session, submission_id, (one for one in things if one.exhibit_id not in reserved))


def settle_earlier(session: Session, submission_id: str) -> None:
    """Find in a list the files that were registered before it came."""
    query = (
        select(
            Intake.exhibit_id, Exhibit.registration, Intake.path, Part.size, Part.digests
        )
        .join(Exhibit, Exhibit.id == Intake.exhibit_id)
        .join(Part, (Part.exhibit_id == Intake.exhibit_id) & (Part.part == Intake.part))
        .where(Intake.submission_id == submission_id, Intake.state == "registered")
        .order_by(Exhibit.registration, Intake.part)
    )  # fmt: skip
    things = (
        Settled(exhibit, "registered", index, tuple(File(bytes(r[2]), r[3], r[4]) for r in rows))
        for (exhibit, index), rows in groupby(session.execute(query).all(), lambda row: row[:2])
    )
    _match(session, submission_id, things)


_BY_EXHIBIT = (
    update(Announced)
    .where(Announced.exhibit_id == bindparam("of"), Announced.part == bindparam("number"))
    .values(state=bindparam("now"), index=bindparam("at"), staged=bindparam("known"))
)


def _values(thing: Settled, part: int) -> dict[str, Any]:
    """Return what is kept of a settled file: of its bytes the digest, and its part of several."""
    known: dict[str, Any] = {"digests": {"sha256": thing.files[part - 1].digests["sha256"]}}
    if len(thing.files) > 1:
        known["part"] = part
    return {"now": thing.state, "at": thing.index, "known": known}


def _match(session: Session, submission_id: str, things: Iterable[Settled]) -> None:
    """Settle things by the paths, sizes and digests of their files."""
    for lot in _lots(iter(things)):
        waiting = _waiting(session, submission_id, lot)
        for thing in lot:
            rows = [_taken(waiting, file) for file in thing.files]
            if None in rows:
                for row in filter(None, rows):
                    waiting[row.path].insert(0, row)
                continue
            for part, row in enumerate(filter(None, rows), 1):
                values = _values(thing, part)
                row.exhibit_id, row.state = thing.exhibit_id, values["now"]
                row.index, row.staged = values["at"], values["known"]
    session.flush()


def _waiting(
    session: Session, submission_id: str, things: Sequence[Settled]
) -> dict[bytes, list[Announced]]:
    """Return the files of the list that have not arrived, by the paths that these things have."""
    paths = sorted({name_digest(file.path) for thing in things for file in thing.files})
    found: dict[bytes, list[Announced]] = {}
    for start in range(0, len(paths), _TOGETHER):
        query = (
            select(Announced)
            .where(
                Announced.submission_id == submission_id,
                Announced.path_sha256.in_(paths[start : start + _TOGETHER]),
                Announced.state == "announced",
                Announced.exhibit_id.is_(None),
            )
            .order_by(Announced.n)
        )
        for row in session.scalars(query):
            found.setdefault(row.path, []).append(row)
    return found


def _taken(waiting: Mapping[bytes, list[Announced]], file: File) -> Announced | None:
    """Take the first row of the list that a file can be."""
    rows = waiting.get(file.path, [])
    for place, row in enumerate(rows):
        if row.size == file.size and row.digests.items() <= file.digests.items():
            return rows.pop(place)
    return None


def _lots(things: Iterator[Settled]) -> Iterator[list[Settled]]:
    while lot := list(islice(things, _TOGETHER)):
        yield lot
