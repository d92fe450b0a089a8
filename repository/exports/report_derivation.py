"""Section G of the custody report: what was made of an exhibit, and working copies of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    detail,
    fact,
    facts_block,
    is_withheld,
    lines,
    name_of,
    not_recorded,
    opened_or,
    said_outcome,
    text,
    time_and_index,
    title,
    type_label,
    who,
    withheld,
)

_MAKING = ("derivative_creation", "migration")


def derivations(
    exhibits: Sequence[ExhibitFacts], grouped: dict[str | None, list[Row]]
) -> Iterator[dict[str, Any]]:
    """Yield section G: per exhibit each derivative and working copy, in the order of the ledger."""
    yield text("G.intro")
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        made = [row for row in own if row.type in (*_MAKING, "working_copy_creation")]
        if not made:
            yield text("G.none")
        for row in made:
            yield facts_block(_derivative(row) if row.type in _MAKING else _copies(row))


def _derivative(row: Row) -> list[Fact]:
    tool = row.body.get("instrument", {})
    told = detail(row)
    facts = [
        _kind(row),
        *[_other(row, side) for side in ("parent", "child")],
        _opened(row, "path", "G.member", form="name"),
        fact("G.parent-digest", *row.body.get("inputs", [])),
        fact("G.result-digest", *row.body.get("outputs", [])),
        fact("G.tool", *lines(tool.get("tool")), form="text"),
        fact("G.version", *lines(tool.get("version"))),
        fact("G.parameters", *lines(tool.get("parameters"))),
        _opened(row, "motive", "G.reason"),
        *[
            fact(f"G.{name}", *lines(told[name]), form="text")
            for name in ("author", "language", "codes")
            if told.get(name)
        ],
        fact("G.where", time_and_index(row), who(row), form="text"),
    ]
    always = {"G.parent-digest", "G.result-digest", "G.tool", "G.version", "G.parameters",
              "G.reason"}  # fmt: skip
    return [one for one in facts if one["state"] != "not-recorded" or one["name"] in always]


def _copies(row: Row) -> list[Fact]:
    told = detail(row)
    parent = row.exhibit.get("sha256")
    return [
        _kind(row),
        fact("G.parent-digest", *lines(parent)),
        _opened(row, "recipient", "G.holder"),
        fact("G.copies", *lines(told.get("count"))),
        fact("G.out", *lines(row.body.get("count"))),
        fact("G.reason", opened_or(row, "motive" if "motive" in row.openings else "purpose"),
             form="text"),
        fact("G.where", time_and_index(row), who(row), form="text"),
    ]  # fmt: skip


def _kind(row: Row) -> Fact:
    said = [type_label(row.type), *lines(row.body.get("reason"))]
    return fact("G.kind", *said, said_outcome(str(row.body.get("outcome", ""))), form="text")


def _other(row: Row, side: str) -> Fact:
    other = detail(row).get(side)
    return fact(f"G.{side}", other["exhibit"] if isinstance(other, Mapping) else None)


def _opened(row: Row, field: str, label: str, *, form: str = "text") -> Fact:
    if field in row.openings:
        value = row.openings[field]
        said = [name_of(value)] if form == "name" else lines(value)
        return fact(label, *said, form=form)
    return withheld(label) if is_withheld(row, field) else not_recorded(label)
