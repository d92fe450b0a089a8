"""Section I of the custody report: what protects an exhibit and persons, and who holds the key."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    fact,
    facts_block,
    is_withheld,
    lines,
    name_of,
    role,
    text,
    time_and_index,
    title,
    type_label,
)
from repository.exports.report_words import word, word_or

MEASURES = frozenset(
    {"handling_change", "sealing", "unsealing", "identity_revealed", "consent_recorded",
     "consent_withdrawn", "access_grant", "access_revocation", "hold_placed", "hold_released",
     "approval_requested", "approval_given", "approval_refused"}
)  # fmt: skip
_IN_FORCE = ("handling_change", "sealing", "unsealing", "consent_recorded", "consent_withdrawn")


def protection(
    exhibits: Sequence[ExhibitFacts],
    rows: Sequence[Row],
    grouped: dict[str | None, list[Row]],
    key_name: str,
) -> Iterator[dict[str, Any]]:
    """Yield section I: per exhibit the measures, then pseudonyms and who can resolve them."""
    yield text("I.intro")
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        yield facts_block([_measures(own), _in_force(own), _sealed(own), _withheld(own)])
    yield title("I.persons")
    key = fact("I.key", word("I.key.says", key_name=key_name), form="text")
    yield facts_block([_pseudonyms(rows), key])


def _measures(rows: Sequence[Row]) -> Fact:
    found = []
    for row in rows:
        if row.type not in MEASURES:
            continue
        said = [type_label(row.type), *lines(row.body.get("reason"))]
        said += lines(row.body.get("attempted"))
        found.append(f"{', '.join(said)}: {time_and_index(row)}")
    return fact("I.measures", *(found or [word("I.measures.none")]), form="text")


def _in_force(rows: Sequence[Row]) -> Fact:
    """Return the codes of the last entry that changed the marking; privilege is no marking."""
    changed = [row for row in rows if row.type in _IN_FORCE and "handling" in row.body]
    changed = [row for row in changed if "privilege" not in row.body["handling"]]
    if not changed:
        return fact("I.in-force")
    last = changed[-1]
    said = lines(last.body["handling"])
    return fact("I.in-force", *(said or [word("none")]), note=time_and_index(last))


def _sealed(rows: Sequence[Row]) -> Fact:
    found = []
    for row in rows:
        where = time_and_index(row)
        privilege = row.body.get("handling", {}).get("privilege")
        if row.type == "sealing":
            found.append(word("I.sealed.yes", where=where))
        elif row.type == "unsealing" or privilege == "released":
            found.append(word("I.sealed.ended", where=where))
        elif privilege in ("possible", "confirmed"):
            found.append(_privileged(row, where))
    return fact("I.sealed", *(found or [word("I.sealed.none")]), form="text")


def _privileged(row: Row, where: str) -> str:
    if "path" in row.openings:
        return word("I.sealed.part", member=name_of(row.openings["path"]), where=where)
    if is_withheld(row, "path"):
        return word("I.sealed.withheld", where=where)
    return word("I.sealed.yes", where=where)


def _withheld(rows: Sequence[Row]) -> Fact:
    counted: dict[str, list[int]] = {}
    for row in rows:
        for name in row.withheld:
            counted.setdefault(name, []).append(row.index)
    said = [
        word("I.withheld.one", field=_field(name), entries=", ".join(map(str, _some(indexes))))
        for name, indexes in sorted(counted.items())
    ]
    return fact("I.withheld", *(said or [word("none")]), form="text")


def _some(indexes: Sequence[int]) -> list[object]:
    """Return indexes, the middle of a long list left out; each entry names its own fields."""
    return list(indexes) if len(indexes) <= 12 else [*indexes[:6], "…", *indexes[-5:]]


def _field(name: str) -> str:
    return word_or(f"field.{'actor' if name == 'actor_name' else name}", name)


def _pseudonyms(rows: Sequence[Row]) -> Fact:
    unnamed = Counter(
        (str(row.body.get("actor", {}).get("id", "")), role(row))
        for row in rows
        if is_withheld(row, "actor_name")
    )
    said = [
        word("I.pseudonym", id=id_, role=what, count=count)
        for (id_, what), count in sorted(unnamed.items())
    ]
    return fact("I.pseudonyms", *(said or [word("I.pseudonyms.none")]), form="text")
