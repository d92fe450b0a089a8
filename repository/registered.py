"""What registrations left in the tables, as documents from which a lost database gets it again.

Rows, and the sealed openings of the entries of arrival with their wrapped keys. A data key is not
among it: it stands in the bucket `keys` of the store, where an erasure destroys it.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.orm import Session

from custody import tables
from custody.entry import Act, timestamp
from custody.static_log import bodies
from custody.tables import as_bytes
from repository.derivations import Derivation
from repository.handovers import Quoted
from repository.models import (
    Announced,
    Case,
    ChildExhibit,
    Exhibit,
    Intake,
    Part,
    Person,
    Quarantined,
    Submission,
)
from repository.rules import Marking, Organisation

VERSION = 1
_TOGETHER = 500
# In an order in which rows may refer to others.
_MODELS = (
    Organisation, Person, Case, Submission, Exhibit, Part, Intake, ChildExhibit, Derivation, Quoted,
    Marking, Announced, Quarantined,
)  # fmt: skip
TABLES: dict[str, Table] = {
    one.__tablename__: tables.metadata.tables[one.__tablename__] for one in _MODELS
}

Rows = dict[str, list[dict[str, Any]]]


def documents(
    session: Session, start: int, end: int, *, whole: Sequence[bytes] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what was registered or set apart by entries from `start` to before `end`.

    Args:
        session: reads.
        start: the first index.
        end: the first index that is not meant.
        whole: the bodies of these entries, if they were read already: then all in one document.
    """
    step = end - start if whole is not None else 4_096
    for first in range(start, end, max(1, step)):
        until = min(first + step, end)
        found = whole if whole is not None else bodies(session, first, until)
        document = _document(session, first, until, found)
        if document is not None:
            yield document


def to_text(document: Mapping[str, Any]) -> bytes:
    """Return a document as it is stored."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _document(
    session: Session, start: int, end: int, found: Sequence[bytes]
) -> dict[str, Any] | None:
    exhibits: dict[str, None] = {}
    about: list[tuple[int, str]] = []
    actors: set[str] = set()
    apart: list[int] = []
    for index, body in enumerate(found, start):
        fields = json.loads(body)
        exhibit = fields.get("exhibit")
        if exhibit is not None:
            about.append((index, exhibit["id"]))
        if fields["type"] == Act.REGISTRATION:
            exhibits[exhibit["id"]] = None
            actors.add(fields["actor"]["id"])
        elif fields["type"] == Act.QUARANTINE:
            apart.append(index)
            about.append((index, ""))
            actors.add(fields["actor"]["id"])
    if not exhibits and not apart:
        return None
    told = [index for index, exhibit in about if exhibit in exhibits or not exhibit]
    return {
        "v": VERSION,
        "start": start,
        "end": end,
        "rows": _rows(session, [*exhibits], apart, actors),
        **_openings(session, told),
    }


def _rows(
    session: Session, exhibits: Sequence[str], apart: Sequence[int], actors: set[str]
) -> Rows:
    rows: Rows = {name: [] for name in TABLES}

    def take(name: str, column: ColumnElement[Any], values: Sequence[Any]) -> list[dict[str, Any]]:
        table, found = TABLES[name], []
        for start in range(0, len(values), _TOGETHER):
            some = values[start : start + _TOGETHER]
            query = select(table).where(column.in_(some))
            found += [dict(row) for row in session.execute(query).mappings()]
        rows[name] += [{key: _plain(value) for key, value in row.items()} for row in found]
        return found

    column = {name: table.c for name, table in TABLES.items()}
    things = take("quarantined", column["quarantined"].index, apart)
    ids = [*exhibits, *(row["exhibit_id"] for row in things)]
    things += take("exhibit", column["exhibit"].id, exhibits)
    for name in ("part", "intake", "child_exhibit", "derivation", "quoted", "announced"):
        take(name, column[name].exhibit_id, ids)
    submissions = take(
        "submission", column["submission"].id, sorted({row["submission_id"] for row in things})
    )
    cases = take("case_file", column["case_file"].id, sorted({row["case_id"] for row in things}))
    take(
        "marking",
        column["marking"].subject,
        [*exhibits, *(row["id"] for row in (*submissions, *cases))],
    )
    people = take(
        "person", column["person"].id, sorted(actors | {row["person_id"] for row in submissions})
    )
    named = {row["organisation"] for row in (*people, *cases) if row["organisation"]}
    take("organisation", column["organisation"].name, sorted(named))
    return rows


def _openings(session: Session, indexes: Sequence[int]) -> dict[str, Any]:
    openings, subjects = [], set()
    for start in range(0, len(indexes), _TOGETHER):
        some = indexes[start : start + _TOGETHER]
        query = select(tables.opening).where(tables.opening.c.idx.in_(some))
        for row in session.execute(query):
            openings.append([row.idx, row.field, row.subject, _base64(row.sealed)])
            subjects.add(row.subject)
    wrapped, names = [], sorted(subjects)
    for start in range(0, len(names), _TOGETHER):
        some_names = names[start : start + _TOGETHER]
        keyed = select(tables.opening_key).where(tables.opening_key.c.subject.in_(some_names))
        wrapped += [[row.subject, _base64(row.wrapped)] for row in session.execute(keyed)]
    return {"openings": openings, "opening_keys": wrapped}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return _base64(value) if isinstance(value, bytes | memoryview) else value


def _base64(value: object) -> str:
    return base64.b64encode(as_bytes(value)).decode()
