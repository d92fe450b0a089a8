"""Section A of the custody report: what the report says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from repository.exports.report_entries import ExhibitFacts, Fact, Row, fact, not_recorded, withheld
from repository.exports.report_words import Language, spoken, word

VERSION = 2
MANY = 300  # exhibits


@dataclass(frozen=True, slots=True)
class Heading:
    """What the report says about itself; the caller's word, there is no clock here.

    `generated_at` is a time of format.md section 1; `root` and `key_fingerprint` are as shown.
    `witnesses` and `time_stamps` say in one line each who cosigned or dated the checkpoint, when;
    `keys` are the ledger's public keys as the exporter states them.
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
    keys: tuple[str, ...] = ()
    closed: frozenset[str] = frozenset()  # facts of it that are withheld by choice


def header(
    heading: Heading, exhibits: Sequence[ExhibitFacts], rows: Sequence[Row], spoke: Language
) -> list[Fact]:
    """Return section A: who asked, for what, of which ledger, made when and how."""
    span = [row.at for row in rows[:1]] + [row.at for row in rows[-1:]]
    numbers = [exhibit.number for exhibit in exhibits]
    return [
        fact("report_id", heading.report_id),
        fact("report_version", str(VERSION)),
        fact("language", spoke.name, form="text",
             note="" if spoke.reviewed else word("not-reviewed")),
        fact("case", heading.case, form="name"),
        *(
            withheld(name) if name in heading.closed else fact(name, value, form=form)
            for name, value, form in (
                ("case_title", heading.case_title, "name"),
                ("asked_by", heading.asked_by, "name"),
                ("recipient", heading.recipient, "name"),
                ("purpose", heading.purpose, "text"),
                ("authority", heading.authority, "text"),
            )
        ),
        fact("scope", *_scope(numbers)),
        fact("entries", str(len(rows))),
        fact("span", *span),
        fact("marking", heading.marking, form="name"),
        fact("generated_at", heading.generated_at),
        fact("generator", heading.generator, form="name"),
        fact("tree_size", str(heading.tree_size)),
        fact("root", heading.root),
        fact("closing", word("closing.says", size=heading.tree_size), form="text"),
        fact("key_name", heading.key_name, form="name"),
        fact("key_fingerprint", heading.key_fingerprint),
        fact("witnesses", *map(spoken, heading.witnesses), form="text"),
        fact("time_stamp", *map(spoken, heading.time_stamps), form="text")
        if heading.time_stamps
        else not_recorded("time_stamp"),
    ]  # fmt: skip


def _scope(numbers: Sequence[str]) -> list[str]:
    """Return the numbers in one line; of very many the first and the last, each being in B."""
    if len(numbers) <= MANY:
        return [word("list").join(numbers)] if numbers else []
    span = word("V.range", first=numbers[0], last=numbers[-1])
    return [f"{span} ({word('exhibits.count', count=len(numbers))})"]
