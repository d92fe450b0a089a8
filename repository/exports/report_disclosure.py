"""Section H of the custody report: what was reviewed, disclosed and withheld, by the entries."""

from collections.abc import Mapping, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Row,
    by_exhibit,
    fact,
    time_and_index,
    word,
)


def disclosure(exhibits: Sequence[ExhibitFacts], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return section H: the counts of the proceeding, then what entries say of each exhibit."""
    blocks: list[dict[str, Any]] = [{"kind": "text", "text": word("H.intro")}]
    blocks += _counts(rows)
    grouped = by_exhibit(rows)
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        blocks.append({"kind": "title", "text": word("exhibit", number=exhibit.number)})
        blocks.append({"kind": "facts", "facts": [*_reviewed(own), *_given(own)]})
    return blocks


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
