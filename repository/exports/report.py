"""The custody report as facts, from entries alone: plain data, the twin of the PDF.

Rules: every value comes from the entry it is printed with, never from another entry or from live
data; what is missing is printed as "not recorded", what may not be shown as "withheld"; nothing is
concluded. Pure: no clock, no files, no database. The words are in `report_words`.

The result is `{"v", "kind", "heading", "words", "left_out", "sections"}`. A section holds blocks:
`text`, `title`, `facts`, `entry`, `table`, `code`, `qr`. A fact is `{"name", "label", "state",
"form", "values", "note"}`, `state` being `given`, `withheld` or `not-recorded`, `form` being `text`
(words), `name` (evidence text) or `code` (numbers, digests, times).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repository.errors import WrongUse
from repository.exports.report_continuity import continuity_facts
from repository.exports.report_disclosure import disclosure
from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    by_exhibit,
    entry_block,
    fact,
    not_recorded,
    time_and_index,
    word,
)
from repository.exports.report_identity import identities
from repository.exports.report_integrity import integrity
from repository.exports.report_words import TYPES, WORDS

__all__ = ["COMMANDS", "PRINTED_ROWS", "ExhibitFacts", "Heading", "Row", "compose"]

VERSION = 1
PRINTED_ROWS = 2_000  # beyond this the page count and the memory of rendering are of no use
ROUTINE = (  # the acts that are counted, not printed, when there are more rows than that
    ("consultation", "done"), ("fixity_check", "pass"), ("retrieval", "started"),
    ("retrieval", "done"),
)  # fmt: skip
SECTIONS_NOT_MADE = ("C", "F", "G", "I", "J")
COMMANDS = {
    "bundle": ["python3 -I verify.py ."],
    "trust": ["python3 -I verify.py . --trust FILE"],
    "files": ["sha256sum -c manifest-sha256.txt", "sha256sum -c tagmanifest-sha256.txt"],
    "key": ["sed -n 's/^log //p' ledger/policy | tr -d '\\n' | sha256sum"],
}


@dataclass(frozen=True, slots=True)
class Heading:
    """What the report says about itself; the caller's word, there is no clock here.

    `generated_at` is a time of format.md section 1; `root` and `key_fingerprint` are as shown.
    `witnesses` and `time_stamps` say in one line each who cosigned or dated the checkpoint, when.
    """

    report_id: str
    case: str
    case_title: str
    asked_by: str
    recipient: str | None
    purpose: str
    authority: str | None
    generated_at: str
    generator: str
    tree_size: int
    root: str
    key_name: str
    key_fingerprint: str
    checkpoint: str
    marking: str | None
    witnesses: tuple[str, ...] = ()
    time_stamps: tuple[str, ...] = ()


def compose(
    heading: Heading,
    exhibits: Sequence[ExhibitFacts],
    rows: Sequence[Row],
    left_out: Sequence[tuple[str, str]],
    files: Sequence[tuple[str, str, int]],
) -> dict[str, Any]:
    """Return the report as plain data without floats.

    `files` lists path, digest and size of the bundle's files. That rows are genuine entries and
    openings fit is *not* checked here, only that each opening has a commitment to fit.

    Raises:
        WrongUse: an opening without a commitment, the same entry twice, or the same exhibit twice.
    """
    _check(exhibits, rows)
    rows = sorted(rows, key=lambda row: row.index)
    printed, counted = _selected(rows)
    return {
        "v": VERSION,
        "kind": "custody-report",
        "language": "en",
        "heading": {
            "report_id": heading.report_id,
            "case": heading.case,
            "marking": heading.marking,
            "generated_at": heading.generated_at,
        },
        "words": {
            name: WORDS[name]
            for name in ("title", "page", "report", "entry", "not-recorded", "withheld", "left_out",
                         "what", "why", "code_points", "why.code_points", "more")
        },
        "intro": [word("intro"), word("limits")],
        "left_out": [
            {"what": what, "why": why} for what, why in _left_out(rows, printed, left_out)
        ],
        "sections": [
            _section("A", [{"kind": "facts", "facts": _header(heading, exhibits, rows)}]),
            _section("B", identities(exhibits, rows)),
            _section("D", _custody(exhibits, rows, printed, counted)),
            _section("E", integrity(exhibits, rows)),
            _section("H", disclosure(exhibits, rows)),
            _section("K", _verify(heading, rows, files)),
        ],
    }  # fmt: skip


def _check(exhibits: Sequence[ExhibitFacts], rows: Sequence[Row]) -> None:
    for row in rows:
        strange = sorted(set(row.openings) - set(row.body.get("_sd", {})))
        if strange:
            raise WrongUse(f"entry {row.index} has no commitment for {', '.join(strange)}")
    for what, seen in (
        ("entry", Counter(row.index for row in rows)),
        ("exhibit", Counter(exhibit.id for exhibit in exhibits)),
    ):
        double = [str(name) for name, count in seen.items() if count > 1]
        if double:
            raise WrongUse(f"the report was given twice: {what} {', '.join(double)}")


def _selected(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows printed one by one, and those only counted because there are too many."""
    if len(rows) <= PRINTED_ROWS:
        return list(rows), []
    kept = [row for row in rows if not _routine(row)]
    return kept[:PRINTED_ROWS], sorted(
        [row for row in rows if _routine(row)] + kept[PRINTED_ROWS:], key=lambda row: row.index
    )


def _routine(row: Row) -> bool:
    return (row.type, row.body.get("outcome")) in ROUTINE


def _section(name: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": name, "title": word(name), "blocks": blocks}


# What is left out


def _left_out(
    rows: Sequence[Row], printed: Sequence[Row], given: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    found = list(given)
    for name in SECTIONS_NOT_MADE:
        why = f"why.{name}" if f"why.{name}" in WORDS else "why.section"
        found.append((word("section", name=word(f"name.{name}")), word(why)))
    closed = [len(row.withheld) for row in rows if row.withheld]
    if closed:
        what = word("fields", fields=sum(closed), entries=len(closed))
        found.append((what, word("why.fields")))
    routine = sum(1 for row in rows if _routine(row)) if len(rows) > PRINTED_ROWS else 0
    if routine:
        acts = ", ".join(f"{type_} ({outcome})" for type_, outcome in ROUTINE)
        found.append(
            (
                word("condensed", left=routine, total=len(rows)),
                word("why.condensed", limit=PRINTED_ROWS, acts=acts),
            )
        )
    cut = len(rows) - routine - len(printed)
    if cut:
        found.append((word("cut", left=cut, total=len(rows)), word("why.cut", limit=PRINTED_ROWS)))
    return [*found, (word("salts"), word("why.salts"))]


# A


def _header(heading: Heading, exhibits: Sequence[ExhibitFacts], rows: Sequence[Row]) -> list[Fact]:
    span = [row.at for row in rows[:1]] + [row.at for row in rows[-1:]]
    return [
        fact("report_id", heading.report_id),
        fact("report_version", str(VERSION)),
        fact("case", heading.case, form="name"),
        fact("case_title", heading.case_title, form="name"),
        fact("asked_by", heading.asked_by, form="name"),
        fact("recipient", heading.recipient, form="name"),
        fact("purpose", heading.purpose, form="text"),
        fact("authority", heading.authority, form="text"),
        fact("scope", *[exhibit.number for exhibit in exhibits]),
        fact("entries", str(len(rows))),
        fact("span", *span),
        fact("marking", heading.marking, form="name"),
        fact("generated_at", heading.generated_at),
        fact("generator", heading.generator, form="name"),
        fact("tree_size", str(heading.tree_size)),
        fact("root", heading.root),
        fact("key_name", heading.key_name, form="name"),
        fact("key_fingerprint", heading.key_fingerprint),
        fact("witnesses", *heading.witnesses, form="text"),
        fact("time_stamp", *heading.time_stamps, form="text")
        if heading.time_stamps
        else not_recorded("time_stamp"),
    ]


# B

# D


def _custody(
    exhibits: Sequence[ExhibitFacts],
    rows: Sequence[Row],
    printed: Sequence[Row],
    counted: Sequence[Row],
) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"kind": "text", "text": word("D.intro")}]
    ids = {exhibit.id for exhibit in exhibits}
    shown, summed, every = by_exhibit(printed), by_exhibit(counted), by_exhibit(rows)
    for exhibit in exhibits:
        blocks.append({"kind": "title", "text": word("exhibit", number=exhibit.number)})
        blocks.append({"kind": "facts", "facts": continuity_facts(every.get(exhibit.id, []))})
        own, others = shown.get(exhibit.id, []), summed.get(exhibit.id, [])
        blocks.extend(entry_block(row) for row in own)
        if not own and not others:
            blocks.append({"kind": "text", "text": word("D.none-exhibit")})
        blocks.extend(_counted(others))
    house = [row for row in printed if row.exhibit.get("id") not in ids]
    more = [row for row in counted if row.exhibit.get("id") not in ids]
    if house or more:
        blocks.append({"kind": "title", "text": word("D.house")})
        blocks.extend(entry_block(row) for row in house)
        blocks.extend(_counted(more))
    elif not exhibits:
        blocks.append({"kind": "text", "text": word("D.none")})
    return blocks


def _counted(rows: Sequence[Row]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.type, str(row.body.get("outcome", ""))), []).append(row)
    if not groups:
        return []
    return [
        {"kind": "title", "text": word("D.condensed")},
        {
            "kind": "table",
            "head": [word(name) for name in ("act", "outcome", "count", "first", "last")],
            "widths": [4, 2, 2, 5, 5],
            "forms": ["code", "text", "code", "code", "code"],
            "rows": [
                [type_, outcome, str(len(some)), time_and_index(some[0]), time_and_index(some[-1])]
                for (type_, outcome), some in groups.items()
            ],
        },
    ]


# E

# K


def _verify(
    heading: Heading, rows: Sequence[Row], files: Sequence[tuple[str, str, int]]
) -> list[dict[str, Any]]:
    compared = f"{heading.key_name}\n{heading.key_fingerprint}\n{heading.tree_size}\n{heading.root}"
    used = sorted({row.type for row in rows})
    unknown = ("", WORDS["unknown-type"])
    return [
        _text("K.intro"),
        _title("K.bundle"), {"kind": "code", "lines": COMMANDS["bundle"]}, _text("K.bundle.says"),
        _title("K.files"), {"kind": "code", "lines": COMMANDS["files"]},
        _title("K.key"), {"kind": "code", "lines": [heading.key_fingerprint]},
        {"kind": "code", "lines": COMMANDS["key"]}, _text("K.key.says"),
        _text("K.trust"), {"kind": "code", "lines": COMMANDS["trust"]},
        _title("K.checkpoint"),
        {"kind": "code", "lines": heading.checkpoint.removesuffix("\n").split("\n")},
        _text("K.checkpoint.says"),
        {
            "kind": "qr", "content": compared, "text": word("K.qr"), "lines": compared.split("\n"),
            "alt": word("K.qr.alt", content=compared.replace("\n", ", ")),
        },
        _title("K.listing"),
        *(
            [_table(("path", "size", "digest"), [5, 2, 14], ["name", "code", "code"],
                    [[path, str(size), digest] for path, digest, size in files])]
            if files else [_text("K.listing.none")]
        ),
        _text("K.listing.says"),
        _title("K.types"),
        _table(("type", "meaning"), [4, 8], ["code", "text"],
               [[name, TYPES.get(name, unknown)[1]] for name in used]),
        _title("K.not"), _text("K.not.says"),
    ]  # fmt: skip


def _text(name: str) -> dict[str, Any]:
    return {"kind": "text", "text": word(name)}


def _title(name: str) -> dict[str, Any]:
    return {"kind": "title", "text": word(name)}


def _table(
    head: Sequence[str], widths: list[int], forms: list[str], rows: list[list[str]]
) -> dict[str, Any]:
    said = [word(name) for name in head]
    return {"kind": "table", "head": said, "widths": widths, "forms": forms, "rows": rows}
