"""Section F of the custody report: who looked at an exhibit, took it, was given or refused it."""

from collections.abc import Iterator, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Row,
    opened_or,
    role,
    said_outcome,
    subtitle,
    tables,
    text,
    time_and_index,
    title,
    type_label,
    who,
)
from repository.exports.report_words import word

ACCESSES = frozenset(
    {"consultation", "retrieval", "dissemination", "disclosure", "identity_revealed", "unsealing",
     "working_copy_creation", "report_generated"}
)  # fmt: skip


def access(
    exhibits: Sequence[ExhibitFacts], grouped: dict[str | None, list[Row]]
) -> Iterator[dict[str, Any]]:
    """Yield section F: per exhibit its accesses, counted by person and act, and each refusal."""
    yield text("F.intro")
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        yield from _accesses([row for row in own if row.type in ACCESSES])
        yield subtitle("F.refusals")
        refused = [row for row in own if row.type == "access_denied"]
        refused += [
            row for row in own if row.type in ACCESSES and row.body.get("outcome") == "refused"
        ]
        if not refused:
            yield text("F.refusals.none")
        yield from tables(
            ("F.person", "F.organisation", "F.attempted", "F.reasons", "F.purpose", "F.when"),
            [4, 3, 3, 3, 3, 5], ["name", "text", "text", "code", "text", "code"],
            [
                [_person(row), opened_or(row, "organisation"), _attempted(row), _reasons(row),
                 opened_or(row, "purpose"), time_and_index(row)]
                for row in sorted(refused, key=lambda row: row.index)
            ],
        )  # fmt: skip


def _accesses(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    if not rows:
        yield text("F.none")
        return
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        act = f"{type_label(row.type)}, {said_outcome(str(row.body.get('outcome', '')))}"
        organisation, purpose = opened_or(row, "organisation"), opened_or(row, "purpose")
        groups.setdefault((_person(row), organisation, act, purpose), []).append(row)
    yield from tables(
        ("F.person", "F.organisation", "F.act", "F.purpose", "F.times"),
        [5, 4, 4, 4, 6], ["name", "text", "text", "text", "code"],
        [[*key, _times(some)] for key, some in groups.items()],
    )  # fmt: skip


def _times(rows: Sequence[Row]) -> str:
    count = word("F.count", count=len(rows))
    if len(rows) == 1:
        return f"{count} {time_and_index(rows[0])}"
    span = word("F.first-last", first=time_and_index(rows[0]), last=time_and_index(rows[-1]))
    return f"{count} {span}"


def _person(row: Row) -> str:
    """Return name and role; where the name is not shown, the pseudonym tells persons apart."""
    name, known = who(row), "actor_name" in row.openings
    pseudonym = "" if known else f" {row.body.get('actor', {}).get('id', '')}"
    return f"{name}{pseudonym} ({role(row)})"


def _attempted(row: Row) -> str:
    return type_label(str(row.body.get("attempted", row.type)))


def _reasons(row: Row) -> str:
    reason = row.body.get("reason")
    return ", ".join(row.body.get("reasons") or ([reason] if reason else [])) or word("none")
