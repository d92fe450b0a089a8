"""Exhibits as lists show them: one question for a page, which whole rows would make thrice as dear.

What is shown of one exhibit alone is `consult.Described`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from custody.entry import timestamp
from repository.columns import Many, among
from repository.models import Case, Exhibit, ExtractionRun
from repository.naming import recorded_name


class Line(NamedTuple):
    """What a list says of an exhibit, as its row has it."""

    id: str
    number: str
    case_id: str
    serial: int
    submission_id: str
    path: bytes
    sha256: str
    size: int
    family: str
    registered_at: datetime
    registration: int
    erased_at: datetime | None


class Looked(NamedTuple):
    """What it says of the newest time that the exhibit was looked at."""

    outcome: str
    mime: str | None
    mismatch: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """An exhibit in a list, the code of its case, and how it was looked at, if it was."""

    exhibit: Line
    case: str
    run: Looked | None

    def to_json(self) -> dict[str, Any]:
        """Return the exhibit as the API answers it."""
        return told(self.exhibit, self.case, self.run)


def told(exhibit: Exhibit | Line, case: str, run: ExtractionRun | Looked | None) -> dict[str, Any]:
    """Return what the API says of an exhibit wherever it names it."""
    found = {
        "exhibit": exhibit.number,
        "case": case,
        "submission": exhibit.submission_id,
        "path": recorded_name(exhibit.path),
        "sha256": exhibit.sha256,
        "size": exhibit.size,
        "family": exhibit.family,
        "registered_at": timestamp(exhibit.registered_at),
        "entry": exhibit.registration,
        "type": run.mime if run else None,
        "mismatch": run.mismatch if run else None,
        "extraction": run.outcome if run else None,
    }
    if exhibit.erased_at is not None:
        found["erased_at"] = timestamp(exhibit.erased_at)
    return found


_LATER = aliased(ExtractionRun)
_NEWEST = select(func.max(_LATER.run)).where(_LATER.exhibit_id == Exhibit.id).scalar_subquery()
_LISTED = (
    select(
        *(getattr(Exhibit, name) for name in Line._fields),
        Case.code,
        *(getattr(ExtractionRun, name) for name in Looked._fields),
    )
    .join(Case, Case.id == Exhibit.case_id)
    .outerjoin(
        ExtractionRun, and_(ExtractionRun.exhibit_id == Exhibit.id, ExtractionRun.run == _NEWEST)
    )
)  # fmt: skip
_SOME = _LISTED.where(among(Exhibit.id, bindparam("ids", type_=Many())))
_PAGE = (
    _LISTED.where(Exhibit.case_id == bindparam("case"), Exhibit.serial > bindparam("after"))
    .order_by(Exhibit.serial)
    .limit(bindparam("most"))
)
_WIDE = len(Line._fields)


def page_of(session: Session, case: Case, *, after: int = 0, limit: int) -> list[Listed]:
    """Return a case's exhibits in the order of their numbers, after a serial number."""
    rows = session.execute(_PAGE, {"case": case.id, "after": after, "most": limit})
    return list(map(_listed, rows))


def some_of(session: Session, exhibits: Sequence[str]) -> dict[str, Listed]:
    """Return exhibits of any cases, by id."""
    rows = session.execute(_SOME, {"ids": exhibits})
    return {one.exhibit.id: one for one in map(_listed, rows)}


def _listed(row: Row[*tuple[Any, ...]]) -> Listed:
    line, (case, outcome, *looked) = row[:_WIDE], row[_WIDE:]
    return Listed(Line(*line), case, None if outcome is None else Looked(outcome, *looked))
