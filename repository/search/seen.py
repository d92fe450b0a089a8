"""Where and when the exhibits of a case were, as their facts, submitters and the case team say.

Opened for whoever may see the facts, and what people assessed for whoever may read that. What is
shown is listed in one entry. A case is looked at up to `MOST` exhibits, the newest first; search
narrows further.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from custody.entry import Act
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.consult import consulted
from repository.models import Case, Exhibit
from repository.search.cells import FIRST, LAST
from repository.search.scope import Scope
from repository.search.sightings import Place, Sighting, Time
from repository.search.tables import SearchExhibit
from repository.search.tokens import FACTS, TEAM
from repository.search.whereabouts import opened

MOST = 5_000  # exhibits of one view
EACH = 12  # places or times told of one exhibit


@dataclass(frozen=True, slots=True)
class Seen:
    """A place or a time, and the exhibit of which something says it."""

    number: str
    path: bytes
    origin: str  # file, declared, assessed
    locator: str | None
    place: Place | None = None
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What one page of a timeline or map shows."""

    case: Case
    seen: Sequence[Seen]
    count: int  # of all there are
    looked: int  # how many exhibits were looked at
    partial: bool  # the case has more


def timeline(repo: Repository, caller: Caller, code: str, *, first: int, limit: int) -> Shown:
    """Return times of a case's exhibits in their order, some from a place in the list on; recorded.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    return _shown(repo, caller, code, "timeline", first, limit)


def places(repo: Repository, caller: Caller, code: str, *, first: int, limit: int) -> Shown:
    """Return places of a case's exhibits, the newest exhibits first; recorded.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    return _shown(repo, caller, code, "map", first, limit)


def _shown(
    repo: Repository, caller: Caller, code: str, reason: str, first: int, limit: int
) -> Shown:
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        query = (
            select(Exhibit.id, Exhibit.number, Exhibit.path, SearchExhibit.sightings)
            .join(SearchExhibit, SearchExhibit.exhibit_id == Exhibit.id)
            .where(Exhibit.case_id == case.id, SearchExhibit.sightings.is_not(None))
            .order_by(Exhibit.serial.desc())
            .limit(MOST + 1)
        )
        rows = session.execute(query).all()
        partial, rows = len(rows) > MOST, rows[:MOST]
        scope = Scope.of(session, caller, repo.clock())
        levels = scope.levels(session, [row.id for row in rows])
    found: list[Seen] = []
    for row in rows:
        level = levels.get(row.id)
        if level not in (FACTS, TEAM):
            continue
        for one in opened(repo, row.id, row.sightings):
            if one.origin != "assessed" or level == TEAM:
                found += _of(row.number, bytes(row.path), one, reason)
    if reason == "timeline":
        found.sort(key=lambda one: (one.time.first, one.time.last) if one.time else (0, 0))
    page = found[first : first + limit]
    consulted(repo, actor, list(dict.fromkeys(one.number for one in page)), reason, case=case)
    return Shown(case, page, len(found), len(rows), partial)


def _of(number: str, path: bytes, one: Sighting, reason: str) -> Iterator[Seen]:
    if reason == "map":
        time = one.times[0] if len(one.times) == 1 else None
        for place in one.places[:EACH]:
            yield Seen(number, path, one.origin, one.locator, place, time)
        return
    there = one.places[0] if len(one.places) == 1 else None
    for taken in [time for time in one.times if time.taken][:EACH]:
        yield Seen(number, path, one.origin, one.locator, there, taken)


def ends(time: Time) -> tuple[int | None, int | None]:
    """Return the first and the last second that a time may be; None: it is open there."""
    return (
        None if time.first <= FIRST else time.first,
        None if time.last >= LAST else time.last,
    )
