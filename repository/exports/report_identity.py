"""Sections B and C of the custody report: what the entries say an exhibit is."""

from collections.abc import Mapping, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    by_exhibit,
    fact,
    is_withheld,
    lines,
    name_of,
    not_recorded,
    time_and_index,
    withheld,
    word,
)

_NAMED_BY = ("collection", "submission", "receipt", "registration")


def identities(exhibits: Sequence[ExhibitFacts], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return section B: per exhibit its identity, and how it was acquired, as declared."""
    blocks: list[dict[str, Any]] = []
    grouped = by_exhibit(rows)
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        blocks.append({"kind": "title", "text": word("exhibit", number=exhibit.number)})
        blocks.append({"kind": "facts", "facts": _identity(exhibit, own)})
        blocks.extend(_acquisition(own))
    return blocks


def _identity(exhibit: ExhibitFacts, rows: Sequence[Row]) -> list[Fact]:
    parts = [part for row in rows if row.type == "registration" for part in row.body["parts"]]
    sizes = dict.fromkeys(str(row.exhibit["size"]) for row in rows if "size" in row.exhibit)
    return [
        fact("number", exhibit.number),
        fact("exhibit_id", exhibit.id),
        not_recorded("root_number"),
        not_recorded("external"),
        not_recorded("submitter_reference"),
        _opened(rows, "title", "description", form="text"),
        fact("quantity", *([word("parts_count", count=len(parts))] if parts else []), form="text"),
        _opened(rows, "name", "original_name"),
        _opened(rows, "path", "original_path"),
        fact("size", *[word("bytes", count=size) for size in sizes]),
        *_format(rows),
        *_digests(rows),
        *[
            fact(name, *[time_and_index(row) for row in rows if row.type == type_])
            for name, type_ in (("received", "receipt"), ("registered", "registration"))
        ],
        *[
            not_recorded(name)
            for name in ("original_or_copy", "original_place", "edited", "languages",
                         "sensitive")
        ],
        _related(rows),
        fact("files", *exhibit.files, form="name"),
    ]  # fmt: skip


def _opened(rows: Sequence[Row], field: str, name: str, *, form: str = "name") -> Fact:
    """Return what the entries of arrival say of a field; the entry is named beside it."""
    arriving = [row for row in rows if row.type in _NAMED_BY]
    found: dict[str, Row] = {}
    for row in arriving:
        if field in row.openings:
            found.setdefault(name_of(row.openings[field]), row)
    if found:
        note = word("list").join(dict.fromkeys(time_and_index(row) for row in found.values()))
        return fact(name, *found, form=form, note=note)
    if any(is_withheld(row, field) for row in arriving):
        return withheld(name)
    return not_recorded(name)


def _related(rows: Sequence[Row]) -> Fact:
    """Return what was taken out of this exhibit, and out of which one it was taken itself."""
    made = [row for row in rows if row.type == "derivative_creation"]
    made = [row for row in made if row.body.get("reason") == "member"]
    said = []
    for row in made:
        detail, member = row.openings.get("detail"), row.openings.get("path")
        if not isinstance(detail, Mapping) or member is None:
            return withheld("related")
        for name in ("parent", "child"):
            if name in detail:
                number = detail[name]["exhibit"]
                said.append(word(f"related.{name}", number=number, member=name_of(member)))
    note = word("list").join(time_and_index(row) for row in made)
    return fact("related", *said, form="name", note=note) if said else not_recorded("related")


def _format(rows: Sequence[Row]) -> list[Fact]:
    identified = [row for row in rows if row.type == "format_identification"]
    opened = [row for row in identified if isinstance(row.openings.get("detail"), Mapping)]
    if not opened:
        closed = any(is_withheld(row, "detail") for row in identified)
        return [(withheld if closed else not_recorded)(name) for name in ("detected", "claimed")]
    found = []
    for row in opened:
        detail = row.openings["detail"]
        kind = [str(detail[key]) for key in ("mime", "description") if detail.get(key)]
        note = word("list").join([*lines(row.body.get("instrument", {})), time_and_index(row)])
        found.append(fact("detected", *kind, form="name", note=note))
        found.append(fact("claimed", detail.get("claimed_extension") or None, form="name"))
        if "mismatch" in detail:
            agreed = "mismatch.yes" if detail["mismatch"] else "mismatch.no"
            found.append(fact("mismatch", word(agreed), form="text"))
    return found


def _digests(rows: Sequence[Row]) -> list[Fact]:
    """Return each digest with where it stands: declared, calculated at receipt, registered."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for digest, said in _said(row):
            found.setdefault(digest, []).append(f"{said}: {time_and_index(row)}")
    facts = [fact("digest", value, note=word("list").join(notes)) for value, notes in found.items()]
    return facts or [not_recorded("digest")]


def _said(row: Row) -> list[tuple[str, str]]:
    if row.type == "message_digest_calculation":
        compared = row.body.get("verification", {})
        return [(digest, word("declared")) for digest in compared.get("expected", [])] + [
            (digest, word("calculated")) for digest in compared.get("observed", [])
        ]
    if row.type == "registration":
        return [
            (digest, word("in-registration", part=part["part"]))
            for part in row.body.get("parts", [])
            for digest in part.get("digests", {}).values()
        ]
    return []


def _acquisition(rows: Sequence[Row]) -> list[dict[str, Any]]:
    declared = [row for row in rows if row.type == "collection"]
    if not declared:
        return [{"kind": "text", "text": word("no-acquisition")}]
    blocks: list[dict[str, Any]] = [{"kind": "title", "text": word("acquisition")}]
    for row in declared:
        facts = [
            _field(row, name)
            for name in ("collected_by", "place", "method", "authority", "source", "note")
        ]
        facts.insert(1, fact("field.occurred_at", row.body.get("occurred_at")))
        detail = row.openings.get("detail")
        facts += [
            fact(f"field.{name}", *lines(detail[name]), form="text")
            for name in ("collected_at", "conditions")
            if isinstance(detail, Mapping) and detail.get(name)
        ]
        facts.append(fact("field.recorded_at", time_and_index(row)))
        blocks.append({"kind": "facts", "facts": facts})
    return [*blocks, {"kind": "text", "text": word("acquisition-note")}]


def _field(row: Row, name: str) -> Fact:
    if name in row.openings:
        return fact(f"field.{name}", *lines(row.openings[name]), form="text")
    return (withheld if is_withheld(row, name) else not_recorded)(f"field.{name}")
