"""Section E of the custody report: what the entries say about an exhibit's bytes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from repository.exports.report_entries import (
    ExhibitFacts,
    Fact,
    Row,
    fact,
    facts_block,
    lines,
    not_recorded,
    place_of,
    role,
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


def integrity(
    exhibits: Sequence[ExhibitFacts],
    grouped: dict[str | None, list[Row]],
    files: Mapping[str, str],
) -> Iterator[dict[str, Any]]:
    """Yield section E: per exhibit what its entries say of its bytes, and each check of them."""
    yield text("E.intro")
    for exhibit in exhibits:
        own = grouped.get(exhibit.id, [])
        yield title("exhibit", number=exhibit.number)
        yield facts_block([
            _continuity(own), _same_digest(own), _checks(own), _at_report(exhibit, own, files),
            _failures(own), _objects(own), _unclosed(own), _transfers(own),
        ])  # fmt: skip
        checks = [row for row in own if row.type == "fixity_check"]
        if checks:
            yield subtitle("checks")
        yield from tables(
            ("F.when", "check.who", "check.tool", "outcome", "check.observed"),
            [6, 4, 4, 3, 7], ["code", "name", "text", "text", "code"],
            [_check(row) for row in checks],
        )  # fmt: skip


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


def _checks(rows: Sequence[Row]) -> Fact:
    checks = [row for row in rows if row.type == "fixity_check"]
    if not checks:
        return fact("fixity", word("fixity.none"), form="text")
    said = Counter(row.body.get("outcome") for row in checks)
    total = word(
        "fixity.count", passed=said["pass"], failed=said["fail"], error=said["error"],
        open=said["not-done"],
    )  # fmt: skip
    return fact("fixity", total, form="text")


def _check(row: Row) -> list[str]:
    """Return one check as a row of the table; what it found, where it differs from expected."""
    compared = row.body.get("verification", {})
    expected, observed = (list(compared.get(side, [])) for side in ("expected", "observed"))
    found = [word("equal")]
    if not expected or expected != observed:
        sides = (("field.expected", expected), ("field.observed", observed))
        found = [f"{word(name)}: {', '.join(some) or word('none')}" for name, some in sides]
    tool = row.body.get("instrument", {}).get("tool", row.body.get("by", word("none")))
    told = row.openings.get("detail")
    return [
        time_and_index(row),
        f"{who(row)} ({role(row)})",
        str(tool),
        said_outcome(str(row.body.get("outcome", ""))),
        word("list").join([*found, *lines(told)]),
    ]


def _at_report(exhibit: ExhibitFacts, rows: Sequence[Row], files: Mapping[str, str]) -> Fact:
    """Return how the bytes that went into the bundle compare with what was registered."""
    parts = [part for row in rows if row.type == "registration" for part in row.body["parts"]]
    registered = {digest for part in parts for digest in part.get("digests", {}).values()}
    said = []
    for path in exhibit.files:
        if path in files:
            same = "today.equal" if files[path] in registered else "today.differs"
            said.append(f"{path}: {word(same if registered else 'today.nothing')}")
    return fact("report-check", *said, form="text")


def _objects(rows: Sequence[Row]) -> Fact:
    """Return the stored objects that entries name: version, lock and hold as recorded then."""
    said, noted = [], []
    for row in rows:
        parts = row.body.get("parts", [])
        stored = [part["stored"] for part in parts if part.get("stored")]
        stored += [row.body["location"]] if row.type in ("replication", "migration") else []
        for one in stored:
            until = one.get("retain_until", word("none"))
            hold = word("hold.yes" if one.get("hold") else "hold.no")
            said.append(word("objects.one", place=place_of(one), until=until, hold=hold))
        noted += [time_and_index(row)] if stored else []
    if not said:
        return fact("objects", word("objects.none"), form="text")
    note = word("list").join([word("objects.note"), *noted])
    return fact("objects", *said, form="text", note=note)


def _failures(rows: Sequence[Row]) -> Fact:
    failed = [row for row in rows if row.type == "integrity_failure"]
    if not failed:
        return fact("failures", word("failures.none"), form="text")
    said = [
        word("list").join(
            [
                time_and_index(row),
                *lines(row.body.get("reason")),
                *lines(row.openings.get("detail")),
            ]
        )
        for row in failed
    ]
    return fact("failures", word("failures.some", count=len(failed)), *said, form="text")


def _unclosed(rows: Sequence[Row]) -> Fact:
    opened: dict[tuple[str, str], Row] = {}
    for row in rows:
        flow = (row.type, str(row.body.get("request_id", row.index)))
        if row.body.get("outcome") == "started":
            opened[flow] = row
        else:
            opened.pop(flow, None)
    said = [f"{type_label(row.type)}: {time_and_index(row)}" for row in opened.values()]
    return fact(
        "unclosed", *(said or [word("unclosed.none")]), form="text", note=word("unclosed.note")
    )


def _transfers(rows: Sequence[Row]) -> Fact:
    said = Counter(row.type.removeprefix("transfer_") for row in rows if "transfer_" in row.type)
    if not said:
        return fact("transfers", word("transfers.none"), form="text")
    some = {name: said[name] for name in ("released", "received", "refused")}
    return fact("transfers", word("transfers.some", **some), form="text")
