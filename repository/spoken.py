"""What entries of annotations withhold: the words themselves, read from the ledger and proved."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from custody.ledger import checked_values
from repository import Repository
from repository.annotated import Annotation, AnnotationVersion


def opened_versions(
    repo: Repository, rows: Sequence[Annotation]
) -> list[tuple[Annotation, AnnotationVersion, dict[str, Any]]]:
    """Return all versions of annotations in their order, with what their entries withhold."""
    query = select(AnnotationVersion).order_by(AnnotationVersion.version)
    found: dict[str, list[AnnotationVersion]] = {}
    with repo.database.reading() as session:
        for start in range(0, len(rows), 500):
            ids = [row.id for row in rows[start : start + 500]]
            for one in session.scalars(query.where(AnnotationVersion.annotation_id.in_(ids))):
                found.setdefault(one.annotation_id, []).append(one)
    indexes = [one.index for row in rows for one in found.get(row.id, ())]
    entries = {entry.index: entry for entry in repo.ledger.proved(indexes)} if indexes else {}
    openings = repo.ledger.openings(indexes)
    return [
        (row, one, checked_values(entries[one.index], openings[one.index]))
        for row in rows
        for one in found.get(row.id, ())
    ]
