"""Bring back into the tables what registrations had left there, where it is lacking."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, Table, insert, select, update
from sqlalchemy.orm import Session

from custody import tables
from custody.tables import as_bytes
from repository import Repository, keys
from repository.columns import Moment
from repository.keyring import Wrapped
from repository.models import Announced, Case, DataKey, Exhibit, Quarantined, Submission
from repository.registered import TABLES, Rows
from repository.rules import Marking
from repository.search import index as search_index


def remake(repo: Repository, document: Mapping[str, Any]) -> list[str]:
    """Write the rows of a document that the database lacks; return the exhibits it got back.

    Raises:
        StoreUnavailable: a store does not answer; nothing of the document was written.
    """
    rows = {name: [_read(TABLES[name], row) for row in document["rows"][name]] for name in TABLES}
    wrapped = {row["id"]: _wrapped(repo, row["id"]) for row in rows["exhibit"]}
    wrapped |= {row["exhibit_id"]: _wrapped(repo, row["exhibit_id"]) for row in rows["quarantined"]}
    with repo.database.writing() as session:
        got = _lacking(session, Exhibit.id, [row["id"] for row in rows["exhibit"]])
        apart = _lacking(session, Quarantined.id, [row["id"] for row in rows["quarantined"]])
        _remake_submissions(session, rows)
        for row in rows["exhibit"]:  # whoever looks at exhibits, copies and reads them, does again
            row.update(processed_at=None, copied_at=None, checked_at=None, erased_at=None)
        for name in ("organisation", "person", "exhibit", "part", "intake", "child_exhibit",
                     "derivation", "quoted", "quarantined"):  # fmt: skip
            _add(session, TABLES[name], rows[name])
        _remake_markings(session, rows["marking"])
        _remake_openings(session, document)
        for subject, found in wrapped.items():
            if found is not None and session.get(DataKey, subject) is None:
                keys.keep(repo, session, subject, found)
        session.flush()
        search_index.expect(session, got)
    return [*got, *apart]


def _remake_openings(session: Session, document: Mapping[str, Any]) -> None:
    """Write openings of entries that are there; where a subject has another key, none of it."""
    for subject, wrapped in document["opening_keys"]:
        _add(session, tables.opening_key, [{"subject": subject, "wrapped": _bytes(wrapped)}])
    theirs = {subject: _bytes(wrapped) for subject, wrapped in document["opening_keys"]}
    ours = {
        row.subject: as_bytes(row.wrapped)
        for row in session.execute(
            select(tables.opening_key).where(tables.opening_key.c.subject.in_(theirs))
        )
    }
    _add(
        session,
        tables.opening,
        [
            {"idx": index, "field": field, "subject": subject, "sealed": _bytes(sealed)}
            for index, field, subject, sealed in document["openings"]
            if ours.get(subject) == theirs.get(subject)
        ],
    )


def _remake_submissions(session: Session, rows: Rows) -> None:
    _add(session, TABLES["organisation"], rows["organisation"])
    _add(session, TABLES["person"], rows["person"])
    _add(session, TABLES["case_file"], rows["case_file"])
    for row in rows["case_file"]:  # a number that was given is not given again
        session.execute(
            update(Case)
            .where(Case.id == row["id"], Case.exhibits < row["exhibits"])
            .values(exhibits=row["exhibits"])
        )
    fresh = set(_lacking(session, Submission.id, [row["id"] for row in rows["submission"]]))
    listed = {row["id"] for row in rows["submission"] if row["id"] not in fresh}
    for row in rows["submission"]:
        if row["id"] in fresh and row["completed_at"] is None:
            # The rest of its list is lost: the client announces it again.
            row.update(list_sha256=None, list_index=None)
        elif row["id"] not in fresh:
            session.execute(update(Submission).where(Submission.id == row["id"]).values(row))
    _add(session, TABLES["submission"], rows["submission"])
    for row in rows["announced"]:
        if row["submission_id"] in listed:
            session.execute(
                update(Announced)
                .where(Announced.submission_id == row["submission_id"], Announced.n == row["n"])
                .values(row)
            )


def _remake_markings(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    _add(session, TABLES["marking"], rows)
    for row in rows:
        session.execute(
            update(Marking)
            .where(Marking.subject == row["subject"], Marking.index < row["index"])
            .values(row)
        )


def _add(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows whose keys are not there."""
    names = [column.name for column in table.primary_key]
    known = set()
    for row in rows:
        key = [table.c[name] == row[name] for name in names]
        if session.execute(select(*table.primary_key).where(*key)).first() is None:
            if tuple(row[name] for name in names) in known:
                continue
            known.add(tuple(row[name] for name in names))
            session.execute(insert(table), [row])


def _lacking(session: Session, column: Any, ids: Sequence[str]) -> list[str]:
    known = set(session.scalars(select(column).where(column.in_(ids))))
    return [one for one in ids if one not in known]


def _wrapped(repo: Repository, subject: str) -> Wrapped | None:
    for store in repo.stores.values():
        found = keys.in_store(repo, store, subject)
        if found is not None:
            return found
    return None


def _read(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, told in row.items():
        value: Any = told
        if name not in table.c:
            continue  # of another program
        kind = table.c[name].type
        if isinstance(kind, LargeBinary) and value is not None:
            value = _bytes(value)
        elif isinstance(kind, Moment) and value is not None:
            value = datetime.fromisoformat(value)
        found[name] = value
    return found


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
