"""Where and when: what a search asks of places and times, found by cells and then compared.

Cells of the index find (`cells`); what an exhibit's sightings say, opened, decides (`sightings`).
Found by cells are only exhibits whose facts the asker may see, and no other is ever opened; what
stands in assessments counts for whoever may read them. What rests on something doubted is told
apart, beside the first page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, who
from repository.errors import BadQuery
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.search import cells, places, sealing
from repository.search.find import Finder, Hit
from repository.search.grammar import All, Either, Marks, Node, Not, Term
from repository.search.places import Area
from repository.search.sightings import (
    MOST_PLACES,
    MOST_TIMES,
    Place,
    Sighting,
    Time,
    packed,
    unpacked,
)
from repository.search.tables import SearchExhibit
from repository.search.times import Range, written

FIELDS = ("near", "box", "after", "before", "between")  # of a query; what is asked of all of it
MOST_LOOKED = 20_000  # exhibits opened for one page
MOST_TOLD = 5  # sightings of one exhibit
MOST_DOUBTED = 50
_MOST_TIMES = 24  # cells of a range
_TOGETHER = 100
_CALLED = "places and times"


# --- what is asked


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """An area, a range of time, or both; `certain`: only what is certainly so."""

    area: Area | None = None
    when: Range | None = None
    certain: bool = False

    @classmethod
    def of(
        cls,
        *,
        area: Area | None = None,
        after: str | None = None,
        before: str | None = None,
        between: str | None = None,
        certain: bool = False,
    ) -> "Whereabouts":
        """Read what was asked beside the words.

        Raises:
            BadQuery: a time cannot be read; `certain` without place or time.
        """
        timed = any(one is not None for one in (after, before, between))
        when = Range.of(after=after, before=before, between=between) if timed else None
        if certain and area is None and when is None:
            raise BadQuery("certain is asked of a place or a time; name one")
        return cls(area, when, certain)

    def __bool__(self) -> bool:
        """Say whether a place or a time is asked for."""
        return self.area is not None or self.when is not None

    def and_of(self, told: Mapping[str, str]) -> "Whereabouts":
        """Return it with what fields of the query ask too.

        Raises:
            BadQuery: one cannot be read, or asks for a second place.
        """
        areas = [self.area] if self.area is not None else []
        if "near" in told:
            at, _, within = told["near"].rpartition(",")
            if told["near"].count(",") != 2:
                what = shown(told["near"][:60])
                raise BadQuery(f"{what} is no place and distance; write near:50.45,30.52,5km")
            areas.append(places.near(at, within))
        if "box" in told:
            areas.append(places.box(told["box"]))
        if len(areas) > 1:
            raise BadQuery("a search is for one place: near, a box or a polygon")
        when = self.when
        timed = {name: told[name] for name in ("after", "before", "between") if name in told}
        if timed:
            asked = Range.of(**timed)
            before = when or Range()
            when = Range(max(asked.begin, before.begin), min(asked.end, before.end))
            if when.end <= when.begin:
                raise BadQuery("the times asked for have nothing in common")
        return replace(self, area=areas[0] if areas else None, when=when)

    @property
    def text(self) -> str:
        """Return it as records have it."""
        said = [one.text for one in (self.area, self.when) if one is not None]
        return "; ".join([*said, *(["certainly"] if self.certain else [])])

    def nodes(self) -> tuple[Node, Node]:
        """Return what finds all that may be meant: by what is sound, and by something doubted."""
        covered: list[tuple[str, list[cells.Cell]]] = []
        if self.area is not None:
            covered.append(("place", self.area.cells()))
        if self.when is not None:
            years = cells.cover(cells.ALL_YEARS, cells.parts, self._relation, most=_MOST_TIMES)
            covered.append(("time", years))
        sound = [Marks(cells.asked(kind, found)) for kind, found in covered]
        doubted = [Marks(cells.asked(f"{kind}?", found)) for kind, found in covered]
        if len(sound) == 1:
            return sound[0], doubted[0]
        here, then = sound
        odd_place, odd_time = doubted
        either = Either((All((odd_place, Either((then, odd_time)))), All((here, odd_time))))
        return All((here, then)), either

    def _relation(self, cell: cells.Cell) -> bool | None:
        first, end = cells.between(cell)
        return (self.when or Range()).holds(first, end)

    def said_by(self, one: Sighting, *, doubted: bool) -> Iterator["Match"]:
        """Yield what in a sighting says that it was there and then.

        Args:
            one: the sighting.
            doubted: by something doubted, instead of by what nobody doubts.
        """
        wanted = one.places if self.area is not None else (None,)
        if self.when is None:
            times: Sequence[Time | None] = (None,)
        else:
            times = [time for time in one.times if time.taken or self.area is None]
        many = len(one.places) > MOST_PLACES or len(one.times) > MOST_TIMES
        together = not (many and self.area is not None and self.when is not None)
        near = {}
        for place in wanted:
            if place is not None and self.area is not None:
                near[place] = self.area.holds(place.latitude, place.longitude, place.radius)
        then = {}
        for time in times:
            if time is not None and self.when is not None:
                then[time] = self.when.holds(time.first, time.last)
        for place in wanted:
            for time in times:
                there, at = near.get(place, True), then.get(time, True)  # type: ignore[arg-type]
                doubt = any(part is not None and part.suspect for part in (place, time))
                if there is None or at is None or doubt != doubted:
                    continue
                sure = there and at and together
                if sure or not self.certain:
                    away = None
                    if place is not None and self.area is not None:
                        away = self.area.metres(place.latitude, place.longitude)
                    yield Match(sure, one.origin, one.locator, place, time, away)


@dataclass(frozen=True, slots=True)
class Match:
    """What says that something was there and then, and whether that is certain if it is right."""

    certain: bool
    origin: str  # file, declared, assessed
    locator: str | None
    place: Place | None
    time: Time | None
    metres: float | None  # from the middle of what was asked

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        place, time = self.place, self.time
        return {
            "certain": self.certain,
            "origin": self.origin,
            "locator": self.locator,
            "place": place and {
                "latitude": place.latitude, "longitude": place.longitude,
                "radius_m": place.radius,
                "away_m": None if self.metres is None else round(self.metres, 1),
                "said": place.said, "fact": place.fact, "source": place.source,
                "suspect": place.suspect,
            },
            "time": time and {
                "earliest": None if time.first <= cells.FIRST else written(time.first),
                "latest": None if time.last >= cells.LAST else written(time.last),
                "said": time.said, "fact": time.fact, "source": time.source,
                "suspect": time.suspect,
            },
        }  # fmt: skip


def split(node: Node) -> tuple[Node | None, dict[str, str]]:
    """Return the words of a query, and its fields that ask for a place or a time of all of it.

    Raises:
        BadQuery: such a field stands in parentheses, with OR or NOT, or twice.
    """
    told: dict[str, str] = {}
    rest: list[Node] = []
    for part in node.parts if isinstance(node, All) else (node,):
        if isinstance(part, Term) and part.field in FIELDS:
            if part.field in told:
                raise BadQuery(f"{part.field}: stands twice; say it once")
            told[part.field] = part.text
            continue
        if any(one.field in FIELDS for one in _terms(part)):
            raise BadQuery(
                f"{', '.join(f'{one}:' for one in FIELDS)} ask of the whole search; write them "
                "beside the other words, not in parentheses, after NOT or with OR"
            )
        rest.append(part)
    if not rest:
        return None, told
    return rest[0] if len(rest) == 1 else All(tuple(rest)), told


def _terms(node: Node) -> Iterator[Term]:
    if isinstance(node, Term):
        yield node
    elif isinstance(node, Not):
        yield from _terms(node.part)
    elif isinstance(node, All | Either):
        for part in node.parts:
            yield from _terms(part)


# --- what is kept, sealed


def sealed(repo: Repository, exhibit_id: str, found: Sequence[Sighting]) -> bytes | None:
    """Return sightings sealed for their exhibit under a key of the house; None: there are none."""
    return sealing.sealed(repo, exhibit_id, _CALLED, packed(found)) if found else None


def opened(repo: Repository, exhibit_id: str, found: bytes | None) -> list[Sighting]:
    """Return the sightings of an exhibit.

    Raises:
        IntegrityError: they are not what was sealed for it.
    """
    return unpacked(sealing.opened(repo, exhibit_id, _CALLED, found)) if found else []


# --- looking


class Looking:
    """Compares what cells found with what was asked, for one asker, on one snapshot."""

    def __init__(
        self, repo: Repository, session: Session, caller: Caller, asked: Whereabouts
    ) -> None:
        """Look on a session for what is asked; changes nothing."""
        self._repo = repo
        self._session = session
        self._caller = caller
        self._asked = asked
        self._nodes: tuple[Node, ...] = asked.nodes() if asked else ()
        self.said: dict[str, list[Match]] = {}  # by exhibit
        self.stopped: Hit | None = None  # the last one that was opened, where it was enough

    def node(self, words: Node | None) -> Node:
        """Return what finds all that may be meant, with the words that were asked for."""
        return All(tuple(one for one in (words, *self._nodes[:1]) if one is not None))

    def over(self, hits: Iterable[Hit], *, doubted: bool = False) -> Iterator[Hit]:
        """Yield those hits that were there and then."""
        if not self._asked:
            yield from hits
            return
        waiting = iter(hits)
        looked = 0
        while some := list(islice(waiting, _TOGETHER)):
            yield from self._compared(some, doubted=doubted)
            looked += len(some)
            if looked >= MOST_LOOKED:
                self.stopped = some[-1]
                return

    def doubted(self, finder: Finder, words: Node | None) -> list[Hit]:
        """Return what is there and then by something doubted alone; one more than is told."""
        hits = finder.hits(self._nodes[1] if words is None else All((words, self._nodes[1])))
        stopped = self.stopped  # of the page; this list has no next one
        found = list(islice(self.over(hits, doubted=True), MOST_DOUBTED + 1))
        self.stopped = stopped
        return found

    def _compared(self, some: Sequence[Hit], *, doubted: bool) -> Iterator[Hit]:
        ids = [one.exhibit_id for one in some]
        query = select(SearchExhibit.exhibit_id, SearchExhibit.sightings)
        rows = self._session.execute(query.where(SearchExhibit.exhibit_id.in_(ids)))
        said = {row.exhibit_id: opened(self._repo, *row) for row in rows}
        assessed = [one for one in ids if any(x.origin == "assessed" for x in said.get(one, ()))]
        team = self._team(assessed) if assessed else set()
        for hit in some:
            known = [
                one
                for one in said.get(hit.exhibit_id, ())
                if one.origin != "assessed" or hit.exhibit_id in team
            ]
            if doubted and any(True for one in known for _ in self._said(one, doubted=False)):
                continue  # it is found without what is doubted
            found = [match for one in known for match in self._said(one, doubted=doubted)]
            if found:
                found.sort(key=lambda one: not one.certain)
                self.said[hit.exhibit_id] = found[:MOST_TOLD]
                yield hit

    def _said(self, one: Sighting, *, doubted: bool) -> Iterator[Match]:
        return self._asked.said_by(one, doubted=doubted)

    def _team(self, ids: Sequence[str]) -> set[str]:
        """Return the exhibits of which the asker may read what people said of them."""
        session, now = self._session, self._repo.clock()
        homes: dict[str, list[Exhibit]] = {}
        for exhibit in session.scalars(select(Exhibit).where(Exhibit.id.in_(ids))):
            homes.setdefault(exhibit.case_id, []).append(exhibit)
        found = set()
        for case_id, exhibits in homes.items():
            case = session.get_one(Case, case_id)
            asking = who(session, self._caller, case)
            things = of_exhibits(session, self._caller, case, exhibits)
            found |= {
                one.id
                for one, thing in zip(exhibits, things, strict=True)
                if decide(asking, Right.ANNOTATE, thing, None, now).allowed
            }
        return found
