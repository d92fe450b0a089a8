"""Section C of the custody report: how an exhibit was acquired, as declared; what is not recorded.

What a `collection` entry declares stands in fields of its own, and further fields of `detail` under
their own names. Every field that is asked for and that no entry has is listed by its name.
"""

from collections.abc import Iterator, Sequence
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
    text,
    time_and_index,
    title,
    withheld,
)
from repository.exports.report_words import word

ASKED = (  # what a court asks of an acquisition, in the order it is read
    "collected_by", "collector_role", "collector_organisation", "competence", "start", "end",
    "place", "method", "authority", "source", "device_make", "device_model", "serial", "imei",
    "url", "account", "machine_ip", "virtual_identity", "tool", "tool_version", "settings",
    "clock_offset", "digest", "condition", "photographs", "changes", "justification", "conditions",
    "note",
)  # fmt: skip
OBJECT_ID = (
    "photographs", "type", "materials", "measurements", "inscriptions", "features", "title",
    "subject", "date", "maker", "description",
)  # fmt: skip


def acquisition(
    exhibits: Sequence[ExhibitFacts], grouped: dict[str | None, list[Row]]
) -> Iterator[dict[str, Any]]:
    """Yield section C: what was declared of each exhibit, and what was not."""
    yield text("C.intro")
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        declared = [row for row in own if row.type == "collection"]
        if not declared:
            yield text("C.none")
            yield facts_block(_fields(None, own))
        for row in declared:
            yield facts_block(_fields(row, own))


def _fields(row: Row | None, own: Sequence[Row]) -> list[Fact]:
    """Return what one declaration says, and the names of all that it does not say."""
    found = [fact("C.declared-in", time_and_index(row), form="text")] if row else []
    missing = []
    for name in ASKED:
        one = _digest(own) if name == "digest" else _field(row, name)
        if one is None:
            missing.append(word(f"C.{name}"))
        else:
            found.append(one)
    further = sorted(set(detail(row)) - {*ASKED, "collected_at"}) if row else []
    found += [fact(name, *lines(detail(row)[name]), form="text") for name in further if row]
    if missing:
        found.append(fact("not-said", word("list").join(missing), form="text"))
    objects = word("list").join(word(f"O.{name}") for name in OBJECT_ID)
    return [*found, fact("C.object", objects, form="text")]


def _field(row: Row | None, name: str) -> Fact | None:
    if row is None:
        return None
    if name == "start":
        said = [row.body.get("occurred_at"), detail(row).get("collected_at")]
        given = list(dict.fromkeys(str(one) for one in said if one))
        return fact("C.start", *given) if given else None
    if name in row.openings:
        return fact(f"C.{name}", *lines(row.openings[name]), form="text")
    if detail(row).get(name):
        return fact(f"C.{name}", *lines(detail(row)[name]), form="text")
    return withheld(f"C.{name}") if is_withheld(row, name) else None


def _digest(own: Sequence[Row]) -> Fact | None:
    """Return the digests declared before receipt, as the entry that compared them has them."""
    rows = [row for row in own if row.type == "message_digest_calculation"]
    said = {d: row for row in rows for d in row.body.get("verification", {}).get("expected", [])}
    note = word("list").join(dict.fromkeys(time_and_index(row) for row in said.values()))
    return fact("C.digest", *said, note=note) if said else None
