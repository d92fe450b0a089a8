"""Section E of the custody report: what the entries say about an exhibit's bytes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    by_exhibit,
    fact,
    lines,
    not_recorded,
    time_and_index,
    word,
)
from repository.exports.report_words import WORDS


def integrity(exhibits: Sequence[ExhibitFacts], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return section E: per exhibit what its entries say of its bytes."""
    blocks: list[dict[str, Any]] = [{"kind": "text", "text": word("E.intro")}]
    grouped = by_exhibit(rows)
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        blocks.append({"kind": "title", "text": word("exhibit", number=exhibit.number)})
        facts = [_continuity(own), _same_digest(own), *_checks(own), *_failures(own)]
        blocks.append({"kind": "facts", "facts": [*facts, _unclosed(own), _transfers(own)]})
    gone = fact("gone", word("gone.why"), form="text")
    return [*blocks, {"kind": "facts", "facts": [gone]}]


def _continuity(rows: Sequence[Row]) -> Fact:
    seen = Counter(row.exhibit["seq"] for row in rows if "seq" in row.exhibit)
    if not seen:
        return fact("continuity", word("continuity.none"), form="text")
    missing = [str(seq) for seq in range(1, max(seen) + 1) if seq not in seen]
    double = [str(seq) for seq, count in seen.items() if count > 1]
    if not missing and not double:
        return fact("continuity", word("continuity.whole", last=max(seen)), form="text")
    said = [", ".join(some) or word("none") for some in (missing, double)]
    return fact("continuity", word("continuity.gap", missing=said[0], double=said[1]), form="text")


def _same_digest(rows: Sequence[Row]) -> Fact:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        named = (str(row.exhibit.get("sha256")), str(row.exhibit.get("size")))
        found.setdefault(named, []).append(row)
    if len(found) == 1:
        (digest, size), some = next(iter(found.items()))
        note = word("same-digest.yes", count=len(some), size=word("bytes", count=size))
        return fact("same-digest", digest, note=note)
    if not found:
        return not_recorded("same-digest")
    said = [
        f"{digest} ({word('bytes', count=size)}): {', '.join(time_and_index(r) for r in some)}"
        for (digest, size), some in found.items()
    ]
    return fact("same-digest", *said, note=word("same-digest.no"))


def _checks(rows: Sequence[Row]) -> list[Fact]:
    checks = [row for row in rows if row.type == "fixity_check"]
    if not checks:
        return [fact("fixity", word("fixity.none"), form="text")]
    said = Counter(row.body.get("outcome") for row in checks)
    total = word(
        "fixity.count", passed=said["pass"], failed=said["fail"], error=said["error"],
        open=said["not-done"],
    )  # fmt: skip
    # Every check that did not pass is named; of those that passed, the first and the last.
    passed = [row for row in checks if row.body.get("outcome") == "pass"]
    named = {row.index: row for row in [*passed[:1], *passed[-1:]]}
    named |= {row.index: row for row in checks if row.body.get("outcome") != "pass"}
    return [
        fact("fixity", total, form="text"),
        *[_check_of(named[index]) for index in sorted(named)],
    ]


def _check_of(row: Row) -> Fact:
    compared = row.body.get("verification", {})
    said = [
        f"{WORDS['field.' + side]}: {', '.join(compared.get(side, [])) or word('none')}"
        for side in ("expected", "observed")
    ]
    outcome = str(row.body.get("outcome", ""))
    values = [WORDS.get(f"outcome.{outcome}", outcome), *said, *lines(row.openings.get("detail"))]
    who = word("list").join([time_and_index(row), *lines(row.body.get("actor", {}).get("role"))])
    return fact("type.fixity_check", *values, note=who)


def _failures(rows: Sequence[Row]) -> list[Fact]:
    failed = [row for row in rows if row.type == "integrity_failure"]
    if not failed:
        return [fact("failures", word("failures.none"), form="text")]
    return [
        fact(
            "failures",
            word("failures.some", count=len(failed)),
            *[
                word("list").join([time_and_index(row), *lines(row.body.get("reason")),
                                   *lines(row.openings.get("detail"))])
                for row in failed
            ],
            form="text",
        )
    ]  # fmt: skip


def _unclosed(rows: Sequence[Row]) -> Fact:
    opened: dict[tuple[str, str], Row] = {}
    for row in rows:
        flow = (row.type, str(row.body.get("request_id", row.index)))
        if row.body.get("outcome") == "started":
            opened[flow] = row
        else:
            opened.pop(flow, None)
    said = [f"{row.type}: {time_and_index(row)}" for row in opened.values()]
    return fact(
        "unclosed", *(said or [word("unclosed.none")]), form="text", note=word("unclosed.note")
    )


def _transfers(rows: Sequence[Row]) -> Fact:
    said = Counter(row.type.removeprefix("transfer_") for row in rows if "transfer_" in row.type)
    if not said:
        return fact("transfers", word("transfers.none"), form="text")
    some = {name: said[name] for name in ("released", "received", "refused")}
    return fact("transfers", word("transfers.some", **some), form="text")
