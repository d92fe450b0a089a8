"""Section J of the custody report: what the ledger supports of a statement, and its place."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from repository.exports.report_entries import (
    Row,
    comparison,
    fact,
    facts_block,
    said_outcome,
    text,
    title,
    type_label,
)
from repository.exports.report_words import word

_BLANK = "_" * 40


def certification(
    rows: Sequence[Row], statements: Sequence[tuple[str, str, int]]
) -> Iterator[dict[str, Any]]:
    """Yield section J.

    Args:
        rows: every entry of the report.
        statements: what custodians stated of these exhibits before: kind, report, its entry.
    """
    yield text("J.intro")
    made = [
        word("J.statements.one", kind=kind, report=report, entry=index)
        for kind, report, index in statements
    ]
    listed = fact("J.statements", *(made or [word("J.statements.none")]), form="text")
    yield facts_block([listed])
    yield title("J.system")
    failed = Counter(
        (row.type, str(row.body.get("outcome")))
        for row in rows
        if row.body.get("outcome") in ("error", "fail", "aborted")
    )
    errors = [
        word("J.errors.one", type=type_label(type_), outcome=said_outcome(outcome), count=count)
        for (type_, outcome), count in sorted(failed.items())
    ]
    clocks = {str(row.body.get("clock", {}).get("source", word("none"))) for row in rows}
    yield facts_block([
        fact("J.software", *sorted({str(row.body.get("by", word("none"))) for row in rows})),
        fact("J.clock", *sorted(clocks)),
        fact("J.count", str(len(rows))),
        fact("J.errors", *(errors or [word("J.errors.none")]), form="text"),
    ])  # fmt: skip
    yield title("J.hash")
    parts = [p for row in rows if row.type == "registration" for p in row.body.get("parts", [])]
    algorithms = Counter(name for part in parts for name in part.get("digests", {}))
    yield facts_block([
        fact("J.algorithms", *[f"{name}: {count}" for name, count in sorted(algorithms.items())]),
        fact("J.calculated", _compared(rows, "message_digest_calculation"), form="text"),
        fact("J.checks", _compared(rows, "fixity_check"), form="text"),
    ])  # fmt: skip
    yield title("J.place")
    names = ("name", "qualification", "where", "date", "signature")
    blank = [fact(f"J.{name}", _BLANK) for name in names]
    penalty = fact("J.penalty", word("J.penalty.says"), form="text")
    yield facts_block([*blank, penalty])
    yield text("J.other")


def _compared(rows: Sequence[Row], type_: str) -> str:
    said = Counter(
        comparison(row.body.get("verification", {})) for row in rows if row.type == type_
    )
    return word(
        "J.compared", passed=said["equal"], failed=said["different"], open=said["not-compared"]
    )
