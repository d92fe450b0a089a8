"""Look through the ledger, newest first: entries, with those of their values that may be shown.

What an entry says openly every auditor sees. Its withheld values are shown as elsewhere: those
about an exhibit to whoever may see its history, the others as in the access log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, CustodyEntry, Draft, timestamp
from custody.ledger import checked_values
from repository import Repository
from repository.access import IDENTIFYING, Right, decide
from repository.access_log import first_at
from repository.authorise import Caller, on_house
from repository.exhibits import find_exhibit, ref
from repository.models import Case, Exhibit, Person
from repository.still import of_several

MOST = 20_000  # entries that are looked through for one page
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Sought:
    """Which entries are asked for; what is None does not matter."""

    type: str | None = None
    person: str | None = None  # id or name
    exhibit: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def told(self) -> dict[str, str]:
        """Return what the look records of it."""
        found = {
            "type": self.type,
            "person": self.person,
            "exhibit": self.exhibit,
            "since": timestamp(self.since) if self.since else None,
            "until": timestamp(self.until) if self.until else None,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry, and its withheld values; None: they are not for the caller."""

    entry: CustodyEntry
    opened: Mapping[str, Any] | None


def entries(
    repo: Repository, caller: Caller, sought: Sought, *, before: int | None = None, limit: int
) -> tuple[list[Shown], int | None]:
    """Return entries, newest first, and before which index it goes on; recorded first.

    Args:
        repo: the repository.
        caller: who looks.
        sought: which entries.
        before: those of smaller indexes alone.
        limit: at most so many; fewer where `MOST` were looked through, and there are more.

    Raises:
        AccessDenied: neither auditor nor custodian; recorded.
    """
    actor = on_house(repo, caller, Right.AUDIT, attempted=Act.CONSULTATION)
    size = repo.ledger.size()
    repo.ledger.record(
        Draft(Act.CONSULTATION, actor, reason="ledger", withheld={"detail": sought.told()})
    )
    end = size if before is None else min(before, size)
    if sought.until is not None:
        end = min(end, first_at(repo, timestamp(sought.until), size))
    start = 0 if sought.since is None else first_at(repo, timestamp(sought.since), size)
    with repo.database.reading() as session:
        named = (Person.id == sought.person) | (Person.name == sought.person)
        person = session.scalar(select(Person.id).where(named)) if sought.person else None
    found: list[CustodyEntry] = []
    following = None
    for looked, entry in enumerate(_backwards(repo, sought, start, end), start=1):
        if _fits(entry, sought, person):
            if len(found) == limit:
                following = found[-1].index
                break
            found.append(entry)
        if looked == MOST and entry.index > start:
            following = entry.index
            break
    return _opened(repo, caller, found), following


def entry(repo: Repository, caller: Caller, index: int) -> Shown:
    """Return one entry; the look is recorded first, in the history of what it is about.

    Raises:
        AccessDenied: neither auditor nor custodian; recorded.
        NoSuchEntry: there is none at this index.
    """
    actor = on_house(repo, caller, Right.AUDIT, attempted=Act.CONSULTATION)
    found = repo.ledger.entry(index)
    with repo.database.reading() as session:
        about = session.get(Exhibit, found.fields.get("exhibit", {}).get("id", ""))
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="ledger-entry",
            exhibit=ref(about) if about else None,
            withheld={"detail": {"entry": index}},
        )
    )
    [shown] = _opened(repo, caller, [found])
    return shown


def _backwards(repo: Repository, sought: Sought, start: int, end: int) -> Iterator[CustodyEntry]:
    if sought.exhibit is not None:
        with repo.database.reading() as session:
            exhibit = find_exhibit(session, sought.exhibit)
        if exhibit is not None:
            history = repo.ledger.history(exhibit.id, after=start - 1, size=end)
            yield from reversed(history)
        return
    while end > start:
        first = max(start, end - _TOGETHER)
        yield from reversed(list(repo.ledger.entries(first, end)))
        end = first


def _fits(entry: CustodyEntry, sought: Sought, person: str | None) -> bool:
    return (sought.type is None or entry.fields["type"] == sought.type) and (
        sought.person is None or entry.fields["actor"]["id"] == person
    )


def _opened(repo: Repository, caller: Caller, found: Sequence[CustodyEntry]) -> list[Shown]:
    openings = repo.ledger.openings([one.index for one in found])
    shown = []
    with repo.database.reading() as session:
        open_to = _exhibits(repo, session, caller, found)
        own = caller.person.organisation
        mine = select(Case.code).where(Case.organisation == own)
        codes = set(session.scalars(mine)) if own is not None else set()
    for one in found:
        values = checked_values(one, openings[one.index])
        values = {name: value for name, value in values.items() if name not in IDENTIFYING}
        known = open_to.get(one.fields.get("exhibit", {}).get("id", ""))
        if known is None:
            case = values.get("case")
            of_own = case in codes if case is not None else values.get("organisation") == own
            known = own is None or of_own
        shown.append(Shown(one, values if known else None))
    return shown


def _exhibits(
    repo: Repository, session: Session, caller: Caller, found: Sequence[CustodyEntry]
) -> dict[str, bool]:
    """Return of the exhibits that entries are about whether the caller may see their history."""
    ids = {one.fields["exhibit"]["id"] for one in found if "exhibit" in one.fields}
    exhibits = list(session.scalars(select(Exhibit).where(Exhibit.id.in_(ids))))
    now = repo.clock()
    return {
        exhibit.id: decide(asking, Right.HISTORY, thing, None, now).allowed
        for exhibit, asking, thing in of_several(session, caller, exhibits)
    }
