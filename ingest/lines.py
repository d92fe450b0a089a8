"""The files of a submission one by one, as they are now or as they stood at an entry of the ledger.

First those of its list, in the list's order; then further ones, in the order of their entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from custody.canonical import dumps
from ingest.staging import Received
from repository import Repository
from repository.models import Announced, Exhibit, Intake, Part, Quarantined, Submission
from repository.naming import recorded_name

NOW = 2**62  # beyond every index of the ledger
STATES = ("announced", "stored", "incomplete", "registered", "quarantined")
_ROWS = 2_000  # of a query at a time


@dataclass(frozen=True, slots=True)
class Line:
    """One file of a submission and what became of it."""

    n: int
    path: bytes
    size: int
    state: str
    sha256: str | None = None
    exhibit: str | None = None
    quarantine: str | None = None
    entry: int | None = None
    part: int | None = None  # of an exhibit of several
    further: bool = False  # not announced
    after: tuple[int, int] | None = None  # where a page of further files goes on

    def in_receipt(self) -> bytes:
        """Return the canonical text that the final receipt has (docs/format.md 6.1)."""
        status = "not-arrived" if self.state == "announced" else self.state
        found: dict[str, Any] = {
            "n": self.n,
            "path": recorded_name(self.path),
            "size": self.size,
            "status": status,
        }
        for name in ("sha256", "exhibit", "quarantine", "entry", "part"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        if self.further:
            found["further"] = True
        return dumps(found)


def lines(
    repo: Repository, submission_id: str, upto: int, *, closing: bool = False
) -> Iterator[Line]:
    """Yield every file as it stood before an index of the ledger; some rows at a time.

    It holds a connection to the database until it is exhausted: write what it yields to a file.

    Args:
        repo: the repository.
        submission_id: the submission.
        upto: the index.
        closing: count stored parts of unfinished things as they will when the submission ends.
    """
    with repo.database.reading() as session:
        n = 0
        for row in _stream(session, _listed(submission_id)):
            n = row.n
            yield _of_list(row, upto, closing=closing)
        for row in _stream(session, _further(submission_id)):
            line = _beside(row, n + 1, upto)
            if line is not None:
                n += 1
                yield line


def page(
    repo: Repository,
    submission_id: str,
    *,
    state: str | None,
    after: tuple[int, tuple[int, int] | None],
    limit: int,
) -> list[Line]:
    """Return some files as they are now, after a number and, beyond the list, after a place."""
    n, place = after
    with repo.database.reading() as session:
        found: list[Line] = []
        if place is None:
            query = _listed(submission_id).where(Announced.n > n).limit(limit)
            if state is not None:
                query = query.where(Announced.state == state)
            found = [_of_list(row, NOW) for row in session.execute(query)]
            last = select(func.max(Announced.n)).where(Announced.submission_id == submission_id)
            n = session.scalar(last) or 0
        query = _further(submission_id).limit(limit - len(found))
        if place is not None:
            query = query.where(tuple_(_ORDER, Intake.part) > tuple_(*place))
        if len(found) == limit:
            return found
        for row in session.execute(query):
            n += 1
            line = _beside(row, n, NOW)
            if line is not None and state in (None, line.state):
                found.append(line)
    return found


def newest(session: Session, submission_id: str) -> int:
    """Return the index of the newest entry that registered or quarantined a file; -1 for none."""
    exhibits = select(func.max(Exhibit.registration)).where(Exhibit.submission_id == submission_id)
    kept = select(func.max(Quarantined.index)).where(Quarantined.submission_id == submission_id)
    found = (session.scalar(exhibits), session.scalar(kept))
    return max((index for index in found if index is not None), default=-1)


_ORDER = func.coalesce(Quarantined.index, Exhibit.registration)


def _listed(submission_id: str) -> Select[Any]:
    recorded = select(Submission.id).where(
        Submission.id == submission_id, Submission.list_index.is_not(None)
    )
    return (
        select(
            Announced.n, Announced.path, Announced.size, Announced.state, Announced.staged,
            Exhibit.number, Exhibit.registration, Quarantined.id, Quarantined.index,
        )
        .outerjoin(Exhibit, Exhibit.id == Announced.exhibit_id)
        .outerjoin(Quarantined, Quarantined.exhibit_id == Announced.exhibit_id)
        .where(Announced.submission_id.in_(recorded))
        .order_by(Announced.n)
    )  # fmt: skip


def _further(submission_id: str) -> Select[Any]:
    """Return the query for files that the list does not name; their own list may not exist."""
    listed = select(Announced.n).where(Announced.exhibit_id == Intake.exhibit_id).exists()
    each = aliased(Part)
    parts = select(func.count()).where(each.exhibit_id == Intake.exhibit_id).scalar_subquery()
    return (
        select(
            Intake.exhibit_id, Intake.part, Intake.path, Part.size, Part.digests,
            parts.label("parts"), Exhibit.number, Exhibit.registration,
            Quarantined.id, Quarantined.index, Quarantined.staged,
        )
        .outerjoin(Exhibit, Exhibit.id == Intake.exhibit_id)
        .outerjoin(Part, (Part.exhibit_id == Intake.exhibit_id) & (Part.part == Intake.part))
        .outerjoin(Quarantined, Quarantined.exhibit_id == Intake.exhibit_id)
        .where(
            Intake.submission_id == submission_id,
            Intake.state.in_(("registered", "quarantined")),
            ~listed,
        )
        .order_by(_ORDER, Intake.part)
    )  # fmt: skip


def _stream(session: Session, query: Select[Any]) -> Iterator[Row[Any]]:
    yield from session.execute(query.execution_options(yield_per=_ROWS))


def _of_list(row: Row[Any], upto: int, *, closing: bool = False) -> Line:
    n, path, size, state, known, number, registration, quarantine, index = tuple(row)
    known = known or {}
    sha256 = known.get("digests", {}).get("sha256")
    common: dict[str, Any] = {"sha256": sha256, "part": known.get("part")}
    if registration is not None and registration < upto:
        return Line(n, path, size, "registered", exhibit=number, entry=registration, **common)
    if index is not None and index < upto:
        return Line(n, path, size, "quarantined", quarantine=quarantine, entry=index, **common)
    if state == "incomplete" or (state == "stored" and closing):
        return Line(n, path, size, "incomplete", sha256=sha256)
    if state == "stored" and upto == NOW:
        return Line(n, path, size, state, sha256=sha256)
    return Line(n, path, size, "announced")


def _beside(row: Row[Any], n: int, upto: int) -> Line | None:
    exhibit_id, part, path, size, digests, parts, number, registration, *kept = tuple(row)
    quarantine, index, staged = kept
    place = (registration if index is None else index, part)
    common: dict[str, Any] = {"further": True, "after": place}
    if registration is not None and registration < upto:
        return Line(
            n, path, size, "registered", digests["sha256"], number, entry=registration,
            part=part if parts > 1 else None, **common,
        )  # fmt: skip
    if index is None or index >= upto:
        return None
    received = Received.from_json(staged, exhibit_id=exhibit_id, path=path)
    mine = received.parts[part - 1]
    return Line(
        n, path, mine.size, "quarantined", mine.digests["sha256"], quarantine=quarantine,
        entry=index, part=part if len(received.parts) > 1 else None, **common,
    )  # fmt: skip
