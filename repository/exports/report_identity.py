"""Section B of the custody report: what the entries say an exhibit is."""

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
    role,
    time_and_index,
    title,
    withheld,
)
from repository.exports.report_words import word

_NAMED_BY = ("collection", "submission", "receipt", "registration")


def identities(
    exhibits: Sequence[ExhibitFacts],
    grouped: dict[str | None, list[Row]],
    files: Mapping[str, str],
    generated_at: str,
    *,
    elsewhere: bool,
) -> Iterator[dict[str, Any]]:
    """Yield section B: per exhibit its identity.

    Args:
        exhibits: in the order of the report.
        grouped: their entries, by exhibit.
        files: path -> digest of the files of the bundle, as they were written.
        generated_at: when that was.
        elsewhere: the exhibits' files are not in it.
    """
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        named = fact("files.elsewhere" if elsewhere else "files", *exhibit.files, form="name")
        today = _today(exhibit, own, files, generated_at)
        yield facts_block([*_identity(exhibit, own), named, *today])


def _identity(exhibit: ExhibitFacts, rows: Sequence[Row]) -> list[Fact]:
    parts = [part for row in rows if row.type == "registration" for part in row.body["parts"]]
    sizes = dict.fromkeys(str(row.exhibit["size"]) for row in rows if "size" in row.exhibit)
    made = _made_of(rows)
    return [
        fact("number", exhibit.number),
        fact("exhibit_id", exhibit.id),
        _root(exhibit, rows, made),
        _numbers(rows),
        not_recorded("submitter_reference"),
        _opened(rows, "title", "description", form="text"),
        not_recorded("kind"),
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
        fact("original_or_copy", *[_derived(row) for row in made], form="text"),
        not_recorded("original_place"),
        fact("edited", *[_derived(row) for row in made if row.body["reason"] != "member"],
             form="text"),
        fact("languages", *[str(detail(row)["language"]) for row in made
                            if detail(row).get("language")], form="text"),
        not_recorded("sensitive"),
        _related(rows),
    ]  # fmt: skip


def _numbers(rows: Sequence[Row]) -> Fact:
    """Return the numbers that this proceeding or somebody else gave it, each with its entry."""
    rows = [row for row in rows if row.body.get("reason") in ("number-given", "external-number")]
    said = []
    for row in rows:
        told = detail(row)
        if "first" in told:
            span = dict.fromkeys(str(told[end]) for end in ("first", "last") if end in told)
            whose = [str(told["issuer"])] if told.get("issuer") else []
            said.append(word("list").join([" – ".join(span), *whose, time_and_index(row)]))
    if said:
        return fact("external", *said, form="name")
    return withheld("external") if rows else not_recorded("external")


def _made_of(rows: Sequence[Row]) -> list[Row]:
    """Return the entries by which this exhibit was made of another one."""
    return [
        row
        for row in rows
        if row.type == "derivative_creation" and isinstance(detail(row).get("parent"), Mapping)
    ]


def _derived(row: Row) -> str:
    number = detail(row)["parent"]["exhibit"]
    return word("derived", kind=row.body.get("reason", word("none")), number=number)


def _root(exhibit: ExhibitFacts, rows: Sequence[Row], made: Sequence[Row]) -> Fact:
    """Return where it comes from: the exhibit it was made of, or its own number."""
    closed = [row for row in rows if row.type == "derivative_creation" and not detail(row)]
    closed = [row for row in closed if row.body.get("reason") != "extraction"]
    if made:
        numbers = [word("root.from", number=detail(row)["parent"]["exhibit"]) for row in made]
        return fact("root_number", *numbers, note=word("list").join(map(time_and_index, made)))
    if any(is_withheld(row, "detail") for row in closed):
        return withheld("root_number")
    return fact("root_number", exhibit.number, note=word("root.itself"))


def _today(
    exhibit: ExhibitFacts, rows: Sequence[Row], files: Mapping[str, str], at: str
) -> list[Fact]:
    """Return the digests of its files as the bundle was written, compared with those registered."""
    parts = [part for row in rows if row.type == "registration" for part in row.body["parts"]]
    registered = {digest for part in parts for digest in part.get("digests", {}).values()}
    facts = []
    for path in exhibit.files:
        digest = files.get(path)
        if digest is None:
            continue
        same = "today.equal" if digest in registered else "today.differs"
        said = word(same if registered else "today.nothing")
        note = word("list").join([word("today.says", at=at, path=path), said])
        facts.append(fact("today", digest, note=note))
    return facts or [not_recorded("today")]


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
    """Return what was taken out or made of this exhibit, and of which one it was itself."""
    made = [row for row in rows if row.type == "derivative_creation"]
    made = [row for row in made if row.body.get("reason") != "extraction" and "outputs" in row.body]
    said = []
    for row in made:
        told = detail(row)
        if not told:
            return withheld("related")
        sides = [name for name in ("parent", "child") if name in told]
        said += [_relation(row, name, told[name]["exhibit"]) for name in sides]
    note = word("list").join(time_and_index(row) for row in made)
    return fact("related", *said, form="text", note=note) if said else not_recorded("related")


def _relation(row: Row, name: str, number: str) -> str:
    if row.body.get("reason") == "member":
        member = row.openings.get("path")
        shown = name_of(member) if member is not None else word("withheld")
        return word(f"related.{name}", number=number, member=shown)
    kind = row.body.get("reason", word("none"))
    return word("derived" if name == "parent" else "derived.child", kind=kind, number=number)


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
            where = word(
                "digest.where", algorithm=digest.split(":")[0], how=said,
                who=word("digest.whom", role=role(row)), where=time_and_index(row),
            )  # fmt: skip
            found.setdefault(digest, []).append(where)
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
