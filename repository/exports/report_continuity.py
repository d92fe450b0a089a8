"""Section D's head of each exhibit: continuity of custody as its entries state it, and the gaps."""

from collections.abc import Sequence

from repository.continuity import Gap, Passing, Statement, statement
from repository.exports.report_entries import Fact, Row, fact, not_recorded, word


def continuity_facts(rows: Sequence[Row]) -> list[Fact]:
    """Return who held an exhibit before receipt as declared, each release, and every gap."""
    found, untold = statement(rows), word("before.untold")
    before = [_declared(one) for one in found.declared]
    before += [
        word("before.quoted", **{k: v or untold for k, v in one.items()}) for one in found.quoted
    ]
    releases = [_release(one) for one in found.passings]
    gaps = [_gap(one) for one in found.gaps]
    return [
        fact("before", *before, form="text") if before else not_recorded("before"),
        fact("releases", *(releases or [word("releases.none")]), form="text"),
        fact("gaps", *_closed(found, gaps), form="text"),
    ]


def _closed(found: Statement, gaps: list[str]) -> list[str]:
    """Return the gaps; that there is none between releases and receipts is said where it is so."""
    between = [one for one in found.gaps if not one.kind.startswith("before-")]
    return gaps if between else [*gaps, word("gaps.none")]


def _declared(found: dict[str, object]) -> str:
    untold = word("before.untold")
    return word(
        "before.declared", by=found["collected_by"] or untold, at=found["at"] or untold,
        place=found["place"] or untold, entry=found["entry"],
    )  # fmt: skip


def _release(one: Passing) -> str:
    said = word(f"release.{one.state}", at=one.answered_at, answer=one.answer)
    to = one.to or word("withheld")
    return word("releases.one", to=to, at=one.released_at, entry=one.entry, said=said)


def _gap(one: Gap) -> str:
    until = one.until or word("gaps.still")
    return word(
        "gaps.one", what=word(f"gap.{one.kind}"), since=one.since or word("gaps.unknown"),
        until=until, entries=word("list").join(map(str, one.entries)) or word("none"),
    )  # fmt: skip
