"""The access log: who looked at what, why and when, and what was refused, read from the ledger.

It is the ledger's own entries, opened, and nothing beside them. Reading it is an access too.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import select

from custody.entry import Act, CustodyEntry, Draft, timestamp
from custody.ledger import checked_values
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house
from repository.models import Case

ACCESSES = frozenset(
    {
        Act.CONSULTATION, Act.RETRIEVAL, Act.ACCESS_DENIED, Act.SIGN_IN, Act.DISSEMINATION,
        Act.DISCLOSURE, Act.REPORT_GENERATED, Act.UNSEALING, Act.IDENTITY_REVEALED,
    }
)  # fmt: skip
COLUMNS = (
    "index", "at", "type", "attempted", "outcome", "reasons", "person", "name", "role",
    "organisation", "assurance", "case", "exhibit", "purpose", "justification", "authority",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accesses are asked for; what is None does not matter."""

    person: str | None = None  # id or name
    exhibit: str | None = None
    purpose: str | None = None  # code
    since: datetime | None = None
    until: datetime | None = None
    refused: bool = False

    def fits(self, row: dict[str, Any]) -> bool:
        """Say whether an access is among those asked for."""
        return (
            (self.person is None or self.person in (row["person"], row["name"]))
            and (self.exhibit is None or self.exhibit == row["exhibit"])
            and (self.purpose is None or self.purpose == row["purpose"])
            and (not self.refused or row["outcome"] == "refused")
        )


def access_log(
    repo: Repository,
    caller: Caller,
    wanted: Wanted,
    *,
    after: int = -1,
    size: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield accesses in the order of the ledger; that they are read is recorded first.

    Whoever belongs to an institution is shown what is about its cases, and, where an access is
    about no case, what its own people did.

    Args:
        repo: the repository.
        caller: who reads.
        wanted: which accesses.
        after: those of entries after this one.
        size: of a ledger of so many entries; None: all there are before this look.

    Raises:
        AccessDenied: neither auditor nor custodian; recorded.
        LedgerUnavailable: it could not be recorded, so nothing is shown.
    """
    actor = on_house(repo, caller, Right.AUDIT, attempted=Act.CONSULTATION)
    asked = {
        "person": wanted.person,
        "exhibit": wanted.exhibit,
        "purpose": wanted.purpose,
        "since": timestamp(wanted.since) if wanted.since else None,
        "until": timestamp(wanted.until) if wanted.until else None,
        "refused": wanted.refused,
    }
    size = repo.ledger.size() if size is None else size
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="access-log",
            withheld={"detail": {name: one for name, one in asked.items() if one}},
        )
    )
    rows = _accesses(repo, wanted, after + 1, size)
    own = caller.person.organisation
    if own is None:
        return rows
    with repo.database.reading() as session:
        codes = set(session.scalars(select(Case.code).where(Case.organisation == own)))
    return (
        row
        for row in rows
        if (row["organisation"] == own if row["case"] is None else row["case"] in codes)
    )


def _accesses(repo: Repository, wanted: Wanted, start: int, size: int) -> Iterator[dict[str, Any]]:
    if wanted.since is not None:
        start = max(start, first_at(repo, timestamp(wanted.since), size))
    stop = size if wanted.until is None else first_at(repo, timestamp(wanted.until), size)
    chosen = (
        entry for entry in repo.ledger.entries(start, stop) if entry.fields["type"] in ACCESSES
    )
    while some := list(islice(chosen, _BATCH)):
        openings = repo.ledger.openings([entry.index for entry in some])
        for entry in some:
            row = _row(entry, checked_values(entry, openings[entry.index]))
            if wanted.fits(row):
                yield row


def first_at(repo: Repository, at: str, size: int) -> int:
    """Return the index of the first entry recorded at a time or later: entries are in order."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        [entry] = repo.ledger.entries(middle, middle + 1)
        low, high = (middle + 1, high) if entry.fields["at"] < at else (low, middle)
    return low


def _row(entry: CustodyEntry, opened: dict[str, Any]) -> dict[str, Any]:
    fields, actor = entry.fields, entry.fields["actor"]
    purpose = opened.get("purpose") or {}
    reason = fields.get("reason")
    return {
        "index": entry.index,
        "at": fields["at"],
        "type": fields["type"],
        "attempted": fields.get("attempted"),
        "outcome": fields["outcome"],
        "reasons": fields.get("reasons") or ([reason] if reason else []),
        "person": actor["id"],
        "name": opened.get("actor_name"),
        "role": actor["role"],
        "organisation": opened.get("organisation"),
        "assurance": actor["assurance"],
        "case": opened.get("case"),
        "exhibit": fields.get("exhibit", {}).get("number") or opened.get("asked"),
        "purpose": purpose.get("code"),
        "justification": purpose.get("text"),
        "authority": opened.get("authority"),
    }


def as_csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield CSV (RFC 4180), a head and then a line for each row; no cell is a formula."""
    yield csv_line(COLUMNS)
    for row in rows:
        yield csv_line([row[name] for name in COLUMNS])


def cell(value: object) -> str:
    """Return the text of a cell; what a spreadsheet would take for a formula gets a `'` first."""
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def uncell(text: str) -> str:
    """Return the text that `cell` wrote: it stays text, whatever a spreadsheet would make of it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def csv_line(values: Iterable[object]) -> str:
    """Return a line of CSV in which no cell is a formula."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([cell(value) for value in values])
    return out.getvalue()
