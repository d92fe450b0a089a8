"""What the case team says of exhibits, as far as an exporter chose it: `annotations.json`.

By itself nothing of it leaves. Chosen are kinds (of each exhibit what stands) or single ones by
their names, with their whole history; of these the openings stay in `custody.json` too, so that
whoever reads the bundle can check that the words are those that were signed.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from custody.entry import timestamp
from repository import Repository
from repository.annotated import Annotation
from repository.annotations import KINDS
from repository.errors import BadRequest, ExportBlocked
from repository.models import Exhibit
from repository.naming import shown
from repository.spoken import opened_versions

FILE = "annotations.json"
MOST = 1_000  # that are named one by one
MAX_RECIPIENT = 500


@dataclass(frozen=True, slots=True)
class Said:
    """What was chosen: the versions as the file lists them, and the entries they stand in."""

    rows: list[dict[str, Any]]
    entries: frozenset[int]

    def document(self) -> bytes:
        """Return the file of a bundle."""
        found = {"v": 1, "kind": "annotations", "annotations": self.rows}
        return json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n"


def check_recipient(recipient: str | None) -> None:
    """Refuse words for a recipient that are none, or longer than a list shows.

    Raises:
        BadRequest: so it is.
    """
    if recipient is not None and not (recipient.strip() and len(recipient) <= MAX_RECIPIENT):
        raise BadRequest(f"a recipient has 1 to {MAX_RECIPIENT} characters")


def check_choice(repo: Repository, exhibits: Collection[Exhibit], chosen: Sequence[str]) -> None:
    """Refuse a choice of annotations that names none of these exhibits'.

    Raises:
        BadRequest: neither a kind nor the name of an annotation, or too many.
        ExportBlocked: an annotation that is of none of these exhibits; nothing was exported.
    """
    named = [one for one in dict.fromkeys(chosen) if one not in KINDS]
    if len(named) > MOST:
        raise BadRequest(f"at most {MOST} annotations are named one by one; name their kind")
    for one in named:
        if not one.startswith("ANN-"):
            raise BadRequest(f"{shown(one[:60])} is neither {', '.join(KINDS)} nor ANN-…")
    there = {row.id for row in _rows(repo, exhibits, named)}
    for one in named:
        if one not in there:
            raise ExportBlocked(f"none of these exhibits has an annotation {shown(one[:60])}")


def said_of(
    repo: Repository, exhibits: Sequence[Exhibit], chosen: Sequence[str], *, size: int
) -> Said:
    """Return what was chosen of what is said of exhibits, as it stood in a tree of this size."""
    if not chosen:
        return Said([], frozenset())
    numbers = {one.id: one.number for one in exhibits}
    every = opened_versions(repo, _rows(repo, exhibits, chosen))
    every = [one for one in every if one[1].index < size]
    last = {row.id: values for row, _, values in every}  # versions come in their order
    rows, entries = [], set()
    for row, version, values in every:
        if row.id not in chosen and "withdrawn" in last[row.id].get("detail", {}):
            continue
        said = {
            name: value
            for name, value in values.get("detail", {}).items()
            if name not in ("annotation", "version")
        }
        entries.add(version.index)
        rows.append(
            {
                "exhibit": numbers[str(row.exhibit_id)],
                "annotation": row.id,
                "kind": row.kind,
                "version": version.version,
                "author": values.get("actor_name"),
                "at": timestamp(version.at),
                "entry": version.index,
                "said": said,
            }
        )
    return Said(rows, frozenset(entries))


def _rows(
    repo: Repository, exhibits: Collection[Exhibit], chosen: Sequence[str]
) -> list[Annotation]:
    """Return the annotations of exhibits that are of a chosen kind or chosen by name."""
    ids = [one.id for one in exhibits]
    found: list[Annotation] = []
    kinds = [one for one in chosen if one in KINDS]
    with repo.database.reading() as session:
        for start in range(0, len(ids), 500):
            query = select(Annotation).where(
                Annotation.exhibit_id.in_(ids[start : start + 500]),
                Annotation.kind.in_(kinds) | Annotation.id.in_(set(chosen) - set(kinds)),
            )
            found += session.scalars(query.order_by(Annotation.at, Annotation.id))
    return found
