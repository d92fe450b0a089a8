"""One custody entry as the report prints it: every field it has, and which are withheld.

An entry of an unknown type, or with unknown fields, is printed as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repository.exports.report_words import type_words, word, word_or

Fact = dict[str, Any]

TABLE_ROWS = 300  # of one table: a volume may end after it

_ACTOR = ("actor_name", "organisation", "country")
_PLAIN = (  # the order in which the fields of a body are printed
    "verification", "instrument", "parts", "inputs", "outputs", "location", "part", "ranges",
    "count", "handling", "corrects",
)  # fmt: skip
_OPENED = (
    "case", "title", "purpose", "authority", "recipient", "name", "path", "source", "collected_by",
    "place", "method", "asked", "motive", "detail", "note",
)  # fmt: skip
_NAMES = frozenset({"name", "path", "asked", "title"})
_ELSEWHERE = frozenset(  # printed in the block's head or record line, or not for reading
    {"v", "id", "at", "occurred_at", "type", "attempted", "outcome", "reason", "actor",
     "request_id", "by", "clock", "exhibit", "salt", "_sd"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One custody entry as the report may show it.

    `body` is the parsed body (format.md section 2), `openings` the values that may be shown by
    field, already opened and checked.
    """

    index: int
    body: Mapping[str, Any]
    openings: Mapping[str, Any]

    @property
    def type(self) -> str:
        """Return the type of the entry, known or not."""
        return str(self.body.get("type", ""))

    @property
    def at(self) -> str:
        """Return when it was recorded."""
        return str(self.body.get("at", ""))

    @property
    def exhibit(self) -> Mapping[str, Any]:
        """Return what the entry says of its exhibit; empty for acts on the house."""
        found: Mapping[str, Any] = self.body.get("exhibit") or {}
        return found

    @property
    def withheld(self) -> list[str]:
        """Return the fields that are committed to but not opened here."""
        return sorted(set(self.body.get("_sd", {})) - set(self.openings))


@dataclass(frozen=True, slots=True)
class ExhibitFacts:
    """Which exhibit the report is about, and its files in the bundle; the rest is in the rows."""

    number: str
    id: str
    files: tuple[str, ...]


def by_exhibit(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    """Return the rows by the id of their exhibit; those of the house under None."""
    found: dict[str | None, list[Row]] = {}
    for row in rows:
        found.setdefault(row.exhibit.get("id"), []).append(row)
    return found


def entry_block(row: Row) -> dict[str, Any]:
    """Return an entry with all it may show, in the order people read it."""
    body = row.body
    facts = [
        *_given("occurred_at", body.get("occurred_at")),
        *_given("attempted", body.get("attempted")),
        *_given("reason", body.get("reason")),
        *_actor(row),
    ]
    opened = (*_OPENED, *sorted(set(row.openings) - {*_OPENED, *_ACTOR}))
    facts.extend(_opened(name, row.openings[name]) for name in opened if name in row.openings)
    for name in (*_PLAIN, *sorted(set(body) - {*_PLAIN, *_ELSEWHERE})):
        if name in body:
            facts.extend(_SHAPES.get(name, _as_it_is)(name, body[name]))
    facts.append(_record(body))
    outcome = str(body.get("outcome", ""))
    return {
        "kind": "entry",
        "index": row.index,
        "seq": row.exhibit.get("seq"),
        "at": row.at,
        "type": row.type,
        "label": type_label(row.type),
        "outcome": outcome,
        "said": said_outcome(outcome),
        "facts": facts,
        "withheld": row.withheld,
        "withheld_text": word("list").join(_label(name) for name in row.withheld) or word("none"),
        "withheld_label": word("field.withheld"),
    }


def fact(label: str, *values: str | None, form: str = "code", note: str = "") -> Fact:
    """Return a field with its values; without any it is not recorded."""
    given = [value if value else word("empty") for value in values if value is not None]
    name = label.removeprefix("field.")
    return {
        "name": name,
        "label": word_or(label, name),
        "state": "given" if given else "not-recorded",
        "form": form,
        "values": given,
        "note": note,
    }


def not_recorded(label: str) -> Fact:
    """Return a field no entry has."""
    return fact(label)


def withheld(label: str) -> Fact:
    """Return a field that an entry has but that may not be shown."""
    return {**fact(label), "state": "withheld"}


def is_withheld(row: Row, field: str) -> bool:
    """Say whether the entry has the field without showing it."""
    return field in row.withheld


def type_label(type_: str) -> str:
    """Return what a type of entry is called; one not known by its code."""
    found = type_words(type_)
    return found[0] if found else type_


def said_outcome(outcome: str) -> str:
    """Return an outcome in words; one not known by its code."""
    return word_or(f"outcome.{outcome}", outcome)


def section_label(label: str, name: str) -> str:
    """Return the label of a field of a section; a field not known by its own name."""
    return word_or(f"{label}.{name}", name)


def who(row: Row) -> str:
    """Return who acted as the entry shows it: name, else what stands for it."""
    if "actor_name" in row.openings:
        return name_of(row.openings["actor_name"])
    return word("withheld" if is_withheld(row, "actor_name") else "not-recorded")


def role(row: Row) -> str:
    """Return in which role somebody acted."""
    return str(row.body.get("actor", {}).get("role") or word("role-none"))


def opened_or(row: Row, field: str) -> str:
    """Return a field in one line; withheld or not recorded where it is that."""
    if field in row.openings:
        value = row.openings[field]
        if isinstance(value, Mapping) and set(value) >= {"code", "text"}:
            value = [value["code"], *([value["text"]] if value["text"] else [])]
        return word("list").join(lines(value)) or word("empty")
    return word("withheld" if is_withheld(row, field) else "not-recorded")


def detail(row: Row) -> Mapping[str, Any]:
    """Return what an entry tells in its field `detail`, where it may be shown."""
    found = row.openings.get("detail")
    return found if isinstance(found, Mapping) else {}


def comparison(verification: Mapping[str, Any]) -> str:
    """Say what a comparison of digests came to: equal, different, or not-compared."""
    expected, observed = (list(verification.get(side, [])) for side in ("expected", "observed"))
    algorithms = {digest.split(":")[0] for digest in expected}
    if not expected or not algorithms <= {digest.split(":")[0] for digest in observed}:
        return "not-compared"
    return "equal" if set(expected) <= set(observed) else "different"


def text(name: str, **values: object) -> dict[str, Any]:
    """Return a paragraph."""
    return {"kind": "text", "text": word(name, **values)}


def title(name: str, **values: object) -> dict[str, Any]:
    """Return a heading within a section; of an exhibit it names the number."""
    about = {"exhibit": values["number"]} if "number" in values else {}
    return {"kind": "title", "text": word(name, **values), **about}


def subtitle(name: str) -> dict[str, Any]:
    """Return a heading within what is said of one exhibit."""
    return {"kind": "subtitle", "text": word(name)}


def facts_block(facts: list[Fact]) -> dict[str, Any]:
    """Return labels with their values."""
    return {"kind": "facts", "facts": facts}


def tables(
    head: Sequence[str], widths: list[int], forms: list[str], rows: Sequence[Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Yield a table, as several of `TABLE_ROWS` rows where it is long."""
    said = [word(name) for name in head]
    for start in range(0, len(rows), TABLE_ROWS):
        some = [list(one) for one in rows[start : start + TABLE_ROWS]]
        yield {"kind": "table", "head": said, "widths": widths, "forms": forms, "rows": some}


def time_and_index(row: Row) -> str:
    """Return how another part of the report names an entry."""
    return word("where", index=row.index, at=row.at)


def lines(value: object) -> list[str]:
    """Return any value of an entry as lines of text."""
    if value is None:
        return []
    if isinstance(value, str):
        return value.split("\n")
    if isinstance(value, bool):
        return [word("hold.yes" if value else "hold.no")]
    if isinstance(value, Mapping):
        return [f"{name}: {line}" for name, inner in value.items() for line in lines(inner)]
    if isinstance(value, list | tuple):
        return [line for inner in value for line in lines(inner)]
    return [str(value)]


def name_of(value: object) -> str:
    """Return a name of evidence: text on one line, or what says that it is not UTF-8."""
    if isinstance(value, Mapping) and set(value) == {"base64"}:
        return word("not-utf-8", base64=value["base64"])
    return value if isinstance(value, str) else word("list").join(lines(value))


def _given(name: str, value: str | None) -> list[Fact]:
    return [] if value is None else [fact(f"field.{name}", value)]


def _label(name: str) -> str:
    return word_or(f"field.{'actor' if name == 'actor_name' else name}", name)


def _actor(row: Row) -> list[Fact]:
    actor = row.body.get("actor", {})
    known = str(actor.get("assurance") or word("role-none"))
    said = word("actor", role=role(row), id=actor.get("id", word("role-none")), assurance=known)
    facts = [fact("field.actor", who(row), said, form="text")]
    more = [field for field in ("organisation", "country") if field in row.openings]
    return [*facts, *[_opened(field, row.openings[field]) for field in more]]


def _opened(name: str, value: object) -> Fact:
    if name in _NAMES:
        return fact(f"field.{name}", name_of(value), form="name")
    if isinstance(value, Mapping) and set(value) == {"code", "text"}:
        said = [str(value["code"]), *(str(value["text"]).split("\n") if value["text"] else [])]
        return fact(f"field.{name}", *said, form="text")
    return fact(f"field.{name}", *(lines(value) or [""]), form="text")


def _record(body: Mapping[str, Any]) -> Fact:
    nothing = word("none")
    said = word(
        "field.record-value", id=body.get("id", nothing), request=body.get("request_id", nothing),
        by=body.get("by", nothing), clock=body.get("clock", {}).get("source", nothing),
    )  # fmt: skip
    return {**fact("field.record", said), "form": "small"}


def _as_it_is(name: str, value: object) -> list[Fact]:
    return [fact(f"field.{name}", *lines(value))]


def _verification(_: str, value: Mapping[str, Any]) -> list[Fact]:
    expected, observed = (list(value.get(side, [])) for side in ("expected", "observed"))
    facts = [fact("field.expected", *expected), fact("field.observed", *observed)]
    return [*facts, fact("field.comparison", word(comparison(value)), form="text")]


def _part(_: str, value: object) -> list[Fact]:
    return [{**fact("field.part-meant", *lines(value)), "name": "part"}]


def _parts(_: str, value: list[Mapping[str, Any]]) -> list[Fact]:
    facts = []
    for part in value:
        chunks, stored = part.get("chunks"), part.get("stored")
        said = list(part.get("digests", {}).values())
        if chunks:
            said.append(word("field.chunks", **chunks))
        said += [_stored(one) for one in (stored, *part.get("further", [])) if one]
        if "manifest" in part:
            said.append(word("field.manifest", stored=_stored(part["manifest"])))
        if "size" in part:
            scheme = part.get("encryption", word("none"))
            said.append(word("field.encryption", size=part["size"], scheme=scheme))
        label = word("field.part", part=part.get("part"))
        facts.append({**fact("field.part", *said), "label": label})
    return facts


def _stored(stored: Mapping[str, Any]) -> str:
    return word(
        "field.stored", place=place_of(stored), sha256=stored.get("sha256"),
        size=stored.get("size"), until=stored.get("retain_until", word("none")),
        hold=word("hold.yes" if stored.get("hold") else "hold.no"),
    )  # fmt: skip


def _location(name: str, value: Mapping[str, Any]) -> list[Fact]:
    return [fact(f"field.{name}", place_of(value))]


def place_of(value: Mapping[str, Any]) -> str:
    """Return where a stored object lies, by the names of its place."""
    names = ("place", "store", "bucket", "key", "version")
    said = [f"{key} {value[key]}" for key in names if key in value]
    return ", ".join(said) or word("none")


def _ranges(name: str, value: list[list[int]]) -> list[Fact]:
    said = [word("range", first=first, last=last, count=last - first + 1) for first, last in value]
    return [fact(f"field.{name}", *(said or [word("none")]))]


_SHAPES: Mapping[str, Callable[[str, Any], list[Fact]]] = {
    "verification": _verification,
    "part": _part,
    "parts": _parts,
    "location": _location,
    "ranges": _ranges,
}
