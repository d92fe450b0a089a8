"""The custody report as facts, from entries alone: plain data, the twin of the PDF.

Rules: every value comes from the entry it is printed with, never from another entry or from live
data; what is missing is printed as "not recorded", what may not be shown as "withheld"; nothing is
concluded. Pure: no clock, no files, no database. The words are in `report_words`.

The result is `{"v", "kind", "language", "heading", "words", "left_out", "sections"}`. A section
holds blocks: `text`, `title`, `facts`, `entry`, `table`, `code`, `qr`. A fact is `{"name", "label",
"state", "form", "values", "note"}`, `state` being `given`, `withheld` or `not-recorded`, `form`
being `text` (words), `said` (a sentence of the report with names in it), `name` (evidence text) or
`code` (numbers, digests, times). A long report is bound in volumes (`volumes`), each such a result
with `volume` and, in the first, an index.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from repository.errors import WrongUse
from repository.exports.report_access import access
from repository.exports.report_acquisition import acquisition
from repository.exports.report_certification import certification
from repository.exports.report_custody import custody
from repository.exports.report_derivation import derivations
from repository.exports.report_disclosure import disclosure
from repository.exports.report_entries import ExhibitFacts, Row, by_exhibit, facts_block, tables
from repository.exports.report_heading import VERSION, Heading, header
from repository.exports.report_identity import identities
from repository.exports.report_integrity import integrity
from repository.exports.report_protection import protection
from repository.exports.report_verify import COMMANDS, verify
from repository.exports.report_words import Language, Phrase, speaking, spoken, word

__all__ = ["COMMANDS", "FULL", "ExhibitFacts", "Heading", "Row", "Source", "compose", "volumes"]

Block = dict[str, Any]
FULL = 5_000  # lines of a volume: what a typesetter lays out within 250 MiB
_PAGE_WORDS = (
    "title", "page", "report", "entry", "not-recorded", "withheld", "left_out", "what", "why",
    "code_points", "why.code_points", "more", "volumes", "volume", "not-reviewed", "V.says",
)  # fmt: skip


@dataclass(slots=True)
class Source:
    """All that a report is made of.

    `files` lists path, digest and size of the bundle's files, `statements` the paths of the
    certificates in it; `by_reference`: the exhibits' files are not. That rows are genuine entries
    and openings fit is *not* checked here, only that each opening has a commitment to fit.

    Raises:
        WrongUse: an opening without a commitment, the same entry twice, or the same exhibit twice.
    """

    heading: Heading
    exhibits: Sequence[ExhibitFacts]
    rows: Sequence[Row]
    left_out: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str, int]]
    language: str = "en"
    statements: Sequence[tuple[str, str, int]] = ()  # kind, report, index of its entry
    by_reference: bool = False
    grouped: dict[str | None, list[Row]] = field(init=False)
    digests: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        _check(self.exhibits, self.rows)
        self.rows = sorted(self.rows, key=lambda row: row.index)
        self.grouped = by_exhibit(self.rows)
        self.digests = {path: digest for path, digest, _ in self.files}


Maker = Callable[[Source, Language], Iterator[Block]]
SECTIONS: tuple[tuple[str, Maker], ...] = (
    ("A", lambda of, spoke: iter(
        [facts_block(header(of.heading, of.exhibits, of.rows, spoke))])),
    ("B", lambda of, _: identities(
        of.exhibits, of.grouped, of.digests, of.heading.generated_at,
        elsewhere=of.by_reference)),
    ("C", lambda of, _: acquisition(of.exhibits, of.grouped)),
    ("D", lambda of, _: custody(of.exhibits, of.grouped, of.heading.generated_at)),
    ("E", lambda of, _: integrity(of.exhibits, of.grouped, of.digests)),
    ("F", lambda of, _: access(of.exhibits, of.grouped)),
    ("G", lambda of, _: derivations(of.exhibits, of.grouped)),
    ("H", lambda of, _: disclosure(of.exhibits, of.rows, of.grouped)),
    ("I", lambda of, _: protection(of.exhibits, of.rows, of.grouped, of.heading.key_name)),
    ("J", lambda of, _: certification(of.rows, of.statements)),
    ("K", lambda of, _: verify(
        of.heading, of.rows, of.files, elsewhere=of.by_reference)),
)  # fmt: skip


def compose(source: Source) -> dict[str, Any]:
    """Return the report as one: plain data without floats."""
    with speaking(source.language) as spoke:
        return _bound(source, spoke, _stream(source, spoke))


def volumes(
    source: Source, file_name: Callable[[int], str], *, full: int = FULL
) -> Iterator[dict[str, Any]]:
    """Yield the report in volumes of bounded length; a short one is a single volume.

    The first holds sections A to C and an index of all; what is too long for a volume goes on in
    the next. Two passes over the same blocks, so that no more than one volume is in memory.

    Args:
        source: what the report is made of.
        file_name: of a volume, by its number.
        full: how many lines a volume has before the next begins.
    """
    with speaking(source.language) as spoke:
        plan = _planned(_stream(source, spoke), full)
        blocks = _stream(source, spoke)
    for number, one in enumerate(plan, 1):
        with speaking(source.language) as spoke:
            mine = [next(blocks) for _ in range(one.count)]
            mine = one.carried_on + mine
            made = _bound(source, spoke, iter(mine))
            if len(plan) > 1:
                made["volume"] = {"number": number, "of": len(plan)}
                made["words"]["volume"] = word("volume", volume=number, volumes=len(plan))
                if not one.begins:
                    first = made["sections"][0]
                    first["title"] = word("continued", title=first["title"])
                if number == 1:
                    made["index"] = list(_index(plan, file_name))
                else:
                    made["left_out"] = []
        yield made


# One stream of (section, block), of which volumes are cut


@dataclass(slots=True)
class _Volume:
    """What one volume holds: so many blocks of the stream, of which sections and exhibits."""

    carried_on: list[tuple[str, Block]] = field(default_factory=list)
    count: int = 0
    lines: int = 0
    sections: dict[str, None] = field(default_factory=dict)
    exhibits: dict[str, dict[str, None]] = field(default_factory=dict)  # by section
    indexes: list[int] = field(default_factory=list)  # lowest and highest entry of section D
    begins: bool = True  # with a section, not within one


def _stream(source: Source, spoke: Language) -> Iterator[tuple[str, Block]]:
    for name, maker in SECTIONS:
        for block in maker(source, spoke):
            yield name, block


def _planned(blocks: Iterator[tuple[str, Block]], full: int) -> list[_Volume]:
    """Return where the stream is cut: before section D, and where a volume is full.

    Never right after a title. What a volume goes on with stands under its exhibit's title again.
    """
    plan = [_Volume()]
    before, after_title = "A", False
    head: Block | None = None  # the title under which a block stands
    for section, block in blocks:
        begins = section != before
        if begins:
            head = None
        if (plan[-1].lines >= full and not after_title) or (begins and section == "D"):
            plan.append(_Volume(begins=begins))
            if head is not None and block["kind"] != "title":
                carried = {**head, "text": word("continued", title=head["text"])}
                plan[-1].carried_on.append((section, carried))
        if block["kind"] == "title":
            head = block
        _counted(plan[-1], section, block)
        if head is not None and "exhibit" in head:
            plan[-1].exhibits.setdefault(section, {})[head["exhibit"]] = None
        before, after_title = section, block["kind"] in ("title", "subtitle")
    return plan if sum(one.lines for one in plan) > full else [_together(plan)]


def _together(plan: Sequence[_Volume]) -> _Volume:
    return _Volume(count=sum(one.count for one in plan))


def _counted(volume: _Volume, section: str, block: Block) -> None:
    volume.count += 1
    volume.lines += _lines(block)
    volume.sections[section] = None
    if block["kind"] == "entry":
        every = [*volume.indexes, block["index"]]  # one exhibit after the other, not by index
        volume.indexes = [min(every), max(every)]


def _lines(block: Block) -> int:
    """Return about how much of a page a block takes."""
    if block["kind"] in ("facts", "entry"):
        return 3 + sum(max(1, len(fact["values"])) for fact in block["facts"])
    if block["kind"] == "table":
        return 1 + 2 * len(block["rows"])
    return 1 + len(block.get("lines", ()))


def _index(plan: Sequence[_Volume], file_name: Callable[[int], str]) -> Iterator[Block]:
    rows = []
    for number, one in enumerate(plan, 1):
        spans = [f"{section} {_span(list(some))}" for section, some in one.exhibits.items()]
        shown = word("list").join(_on_one_line(span) for span in spans) or word("none")
        rows.append(
            [str(number), file_name(number), ", ".join(one.sections), shown, _span(one.indexes)]
        )
    yield from tables(
        ("V.volume", "V.file", "V.sections", "V.exhibits", "V.entries"), [2, 6, 3, 6, 4],
        ["code", "name", "code", "code", "code"], rows,
    )  # fmt: skip


def _on_one_line(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _span(some: Sequence[object]) -> str:
    return word("V.range", first=some[0], last=some[-1]) if some else word("none")


def _bound(source: Source, spoke: Language, blocks: Iterator[tuple[str, Block]]) -> dict[str, Any]:
    """Return blocks as one report or volume."""
    sections: dict[str, list[Block]] = {}
    for section, block in blocks:
        sections.setdefault(section, []).append(block)
    heading = source.heading
    return {
        "v": VERSION,
        "kind": "custody-report",
        "language": spoke.code,
        "direction": spoke.direction,
        "reviewed": spoke.reviewed,
        "heading": {
            "report_id": heading.report_id,
            "case": heading.case,
            "marking": spoken(heading.marking) if heading.marking else None,
            "generated_at": heading.generated_at,
        },
        "words": {name: spoke.words[name] for name in _PAGE_WORDS},
        "intro": [word("intro"), word("limits")],
        "left_out": [{"what": spoken(what), "why": spoken(why)} for what, why in _left_out(source)],
        "index": [],
        "sections": [
            {"id": name, "title": word(name), "blocks": some} for name, some in sections.items()
        ],
    }


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


def _left_out(source: Source) -> list[tuple[str, str]]:
    found = list(source.left_out)
    closed = [len(row.withheld) for row in source.rows if row.withheld]
    if closed:
        found.append(
            (Phrase("fields", fields=sum(closed), entries=len(closed)), Phrase("why.fields"))
        )
    return [*found, (Phrase("salts"), Phrase("why.salts"))]
