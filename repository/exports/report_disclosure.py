"""Section H of the custody report: what was reviewed, disclosed and withheld, by the entries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Row,
    detail,
    fact,
    facts_block,
    lines,
    text,
    time_and_index,
    title,
)
from repository.exports.report_words import word


def disclosure(
    exhibits: Sequence[ExhibitFacts], rows: Sequence[Row], grouped: dict[str | None, list[Row]]
) -> Iterator[dict[str, Any]]:
    """Yield section H: the counts of the proceeding, then what entries say of each exhibit."""
    yield text("H.intro")
    yield from _counts(rows)
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        yield facts_block([*_reviewed(own), *_given(own), _conditions(own)])


def _counts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what the export's own entry counted in the register of the whole proceeding."""
    for row in rows:
        detail = row.openings.get("detail")
        found = detail.get("register") if isinstance(detail, Mapping) else None
        if row.type == "report_generated" and isinstance(found, Mapping):
            names = ("exhibits", "reviewed", "withheld")
            facts = [fact(f"register.{name}", str(found.get(name, 0))) for name in names]
            return [{"kind": "facts", "facts": facts}]
    return []


def _reviewed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the last review of this proceeding that may be shown; none: it is not recorded."""
    own = [
        row
        for row in rows
        if row.type == "annotation" and row.body.get("reason") == "disclosure-review"
    ]
    shown = [row for row in own if isinstance(row.openings.get("detail"), Mapping)]
    if not shown:
        state = fact("register.classification")
        return [{**state, "state": "withheld"} if own else state]
    last = shown[-1]
    said: Mapping[str, Any] = last.openings["detail"]
    facts = [fact("register.classification", str(said.get("classification")), form="text")]
    for name, value in (("rule", said.get("rule")), ("withheld", said.get("withheld"))):
        if value is not None:
            facts.append(fact(f"register.{name}-why", str(value), form="text"))
    redactions = [f"{one['code']}: {one['basis']}" for one in said.get("redactions", [])]
    if redactions:
        facts.append(fact("register.redactions", *redactions, form="text"))
    who = last.openings.get("actor_name")
    facts.append(fact("register.reviewer", who, time_and_index(last), form="text"))
    return facts


def _given(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return to whom the exhibit was disclosed, and who acknowledged it."""
    found = []
    for type_, name in (("disclosure", "given"), ("receipt_acknowledged", "acknowledged")):
        said = []
        for row in rows:
            if row.type != type_ or row.body.get("outcome") != "done":
                continue
            detail = row.openings.get("detail")
            form = detail.get("form") if isinstance(detail, Mapping) else None
            whom = str(row.openings.get("recipient", word("withheld")))
            said.append(", ".join(filter(None, (whom, form, time_and_index(row)))))
        found.append(fact(f"register.{name}", *said, form="text"))
    return found


def _conditions(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what restricted the exhibit when it was given, as the entries of giving say."""
    said = []
    for row in rows:
        if row.type in ("disclosure", "dissemination") and "handling" in row.body:
            words = [*lines(row.body["handling"]), *lines(detail(row).get("marking"))]
            said.append(f"{word('list').join(words)}: {time_and_index(row)}")
    return fact("register.conditions", *dict.fromkeys(said), form="text")
