"""Section D of the custody report: continuity of each exhibit, then every entry in order.

What was declared of the time before receipt stands apart from what the ledger recorded since, and
every interval that nothing explains is named with its length in hours.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from repository.continuity import Gap, Passing, Statement, statement
from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    entry_block,
    fact,
    facts_block,
    not_recorded,
    opened_or,
    said_outcome,
    subtitle,
    tables,
    text,
    time_and_index,
    title,
    type_label,
    who,
)
from repository.exports.report_words import word

_HALVES = ("transfer_released", "transfer_received", "transfer_refused", "receipt_acknowledged")


def custody(
    exhibits: Sequence[ExhibitFacts], grouped: dict[str | None, list[Row]], generated_at: str
) -> Iterator[dict[str, Any]]:
    """Yield section D: per exhibit its continuity, both halves of transfers, and each entry."""
    yield text("D.intro")
    ids = {exhibit.id for exhibit in exhibits}
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        yield facts_block(continuity_facts(own, generated_at))
        yield from _halves(own)
        if not own:
            yield text("D.none-exhibit")
        for row in own:
            yield entry_block(row)
    house = [row for id_, some in grouped.items() if id_ not in ids for row in some]
    if house:
        yield title("D.house")
    elif not exhibits:
        yield text("D.none")
    for row in sorted(house, key=lambda row: row.index):
        yield entry_block(row)


def continuity_facts(rows: Sequence[Row], generated_at: str) -> list[Fact]:
    """Return who held an exhibit before receipt as declared, each release, and every gap."""
    found, untold = statement(rows), word("before.untold")
    before = [_declared(one) for one in found.declared]
    before += [
        word("before.quoted", **{k: v or untold for k, v in one.items()}) for one in found.quoted
    ]
    receipts = [word("proved.one", where=time_and_index(r)) for r in rows if r.type == "receipt"]
    releases = [_release(one) for one in found.passings]
    gaps = [_gap(one, generated_at) for one in found.gaps]
    return [
        fact("before", *before, form="said") if before else not_recorded("before"),
        fact("unexplained", *_unexplained(found), form="text"),
        fact("proved", *receipts, form="text"),
        fact("releases", *(releases or [word("releases.none")]), form="said"),
        fact("gaps", *_closed(found, gaps), form="text"),
    ]


def hours(since: str, until: str) -> str | None:
    """Return the length of an interval in hours; None where one of them is no time with a zone.

    Rounded up to a tenth: an interval is never said to be shorter than it is.
    """
    try:
        span = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    except (ValueError, TypeError):
        return None
    seconds = span.days * 86_400 + span.seconds + (span.microseconds > 0)
    tenths = -(-seconds // 360)
    return word("hours", hours=f"{tenths // 10}.{tenths % 10}")


def _unexplained(found: Statement) -> list[str]:
    """Return the intervals between what was declared and the receipt that no entry explains."""
    until = found.received_at
    if until is None:
        return [word("releases.none")] if found.declared else []
    times = sorted({str(one["at"]) for one in found.declared if one["at"]})
    if not times:
        return [word("unexplained.unknown", until=until)]
    said = []
    for since, next_ in zip(times, [*times[1:], until], strict=True):
        if datetime.fromisoformat(since) < datetime.fromisoformat(next_):
            length = hours(since, next_) or word("hours.unknown")
            said.append(word("unexplained.one", since=since, until=next_, hours=length))
    return said or [word("unexplained.none")]


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


def _gap(one: Gap, generated_at: str) -> str:
    length = hours(one.since, one.until or generated_at) if one.since else None
    return word(
        "gaps.one", what=word(f"gap.{one.kind}"), since=one.since or word("gaps.unknown"),
        until=one.until or word("gaps.still"), hours=length or word("hours.unknown"),
        entries=", ".join(map(str, one.entries)) or word("none"),
    )  # fmt: skip


def _halves(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield each half of each transfer: by whom, to whom, and the digest it read again."""
    found = [row for row in rows if row.type in _HALVES and row.body.get("outcome") != "started"]
    found = [row for row in found if row.body.get("reason") != "disclosure"]
    if found:
        yield subtitle("halves")
    yield from tables(
        ("half", "D.time", "half.who", "half.to", "half.digest"), [4, 6, 4, 4, 7],
        ["text", "code", "name", "text", "code"],
        [
            [
                f"{type_label(row.type)}, {said_outcome(str(row.body.get('outcome', '')))}",
                time_and_index(row), who(row), opened_or(row, "recipient"), _read(row),
            ]
            for row in found
        ],
    )  # fmt: skip


def _read(row: Row) -> str:
    compared = row.body.get("verification", {})
    digests = dict.fromkeys([*compared.get("expected", []), *compared.get("observed", [])])
    return ", ".join(digests) or word("not-recorded")
