"""Facets: by what found exhibits are counted and narrowed; by facts only where one may see them.

Case, family, type, state and markings are told of whatever is found. Times, places, devices,
accounts and the file's own signatures are facts: counted, and found, only for whoever may see those
of the exhibit; what assessments say, for whoever may read these. Of them the index keeps a token
for each value, to narrow by, and beside the tokens the values, sealed, to count. What is doubted is
in no facet.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import Repository
from repository.columns import among
from repository.errors import BadQuery
from repository.models import Case, Exhibit, ExtractionRun
from repository.naming import shown
from repository.search import cells, live
from repository.search.expression import OF_THE_TEAM
from repository.search.find import Hit
from repository.search.grammar import VALUES, Either, Exactly, Node, Term
from repository.search.scope import Scope
from repository.search.sealing import opened, sealed
from repository.search.sightings import Place, Sighting, Time
from repository.search.tables import SearchExhibit
from repository.search.tokens import FACTS, OPEN, TEAM, Keyed
from repository.search.words import words

TOLD = (
    "case", "family", "type", "state", "seal", "marking", "year", "month", "place", "device",
    "account", "signature",
)  # fmt: skip
MOST_VALUES = 100  # told of one facet: the most frequent; of years and months the first
MOST_KEPT = 300  # values of one facet of one exhibit
MOST_ASKED = 50  # values in one search
MOST_CHARACTERS = 300
LONGEST = 366 * 86_400  # seconds: what was some time within more than a year is in no month
FARTHEST = 100_000.0  # metres: what was somewhere within more is in no square
_IN_ORDER = frozenset({"year", "month"})
_FORMS = {
    "year": (re.compile(r"[0-9]{4}"), "a year is four digits: 2022"),
    "month": (re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])"), "a month is written 2022-02"),
    "place": (
        re.compile(r"[NS][0-9]{2}[EW][0-9]{3}"),
        "a place is a square of one degree, named by its south-western corner: N48E037",
    ),
}
_OF_KIND = {"device": "device", "account": "account", "telephone": "account", "mail": "account"}
_LOT = 1_000
_CALLED = "facets"


@dataclass(frozen=True, slots=True)
class Kept:
    """The values of an exhibit's facets: of its facts, and what only assessments say of it."""

    facts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    team: Mapping[str, Sequence[str]] = field(default_factory=dict)
    more: bool = False  # it has more than `MOST_KEPT` of a facet


# --- of an exhibit


def of(record: Mapping[str, Any] | None, seen: Sequence[Sighting]) -> Kept:
    """Return the values of an exhibit's facets.

    Args:
        record: what was read out of it.
        seen: where and when it was.
    """
    found: dict[str, dict[str, None]] = {}
    for fact in (record or {}).get("facts", ()):
        name = _OF_KIND.get(fact["kind"] or "")
        if name is not None and fact["suspect"] is None and len(fact["value"]) <= MOST_CHARACTERS:
            found.setdefault(name, {})[fact["value"]] = None
    for seal in (record or {}).get("seals", ()):
        found.setdefault("signature", {})[f"{seal['kind']}: {seal['verdict']}"] = None
    team: dict[str, dict[str, None]] = {}
    for one in seen:
        told = team if one.origin == "assessed" else found
        for place in one.places:
            told.setdefault("place", {}).update(dict.fromkeys(squares(place)))
        for time in one.times:
            told.setdefault("month", {}).update(dict.fromkeys(months(time)))
    many = [len(values) for each in (found, team) for values in each.values()]
    return Kept(_cut(found), _cut(team), any(one > MOST_KEPT for one in many))


def _cut(found: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: some for name, values in found.items() if (some := list(values)[:MOST_KEPT])}


def squares(place: Place) -> Iterator[str]:
    """Yield the squares of one degree in which a place may lie, by their south-western corners.

    >>> list(squares(Place(48.2, 37.9, 500.0, "48.2 37.9", "GPS", "a file")))
    ['N48E037']
    """
    if place.suspect is not None or place.radius > FARTHEST:
        return
    high, wide = cells.reach(place.latitude, place.radius)
    if wide >= 180:  # at a pole: every meridian
        return
    south, north = max(-90.0, place.latitude - high), min(89.9, place.latitude + high)
    for row in range(floor(south), floor(north) + 1):
        for column in range(floor(place.longitude - wide), floor(place.longitude + wide) + 1):
            east = (column + 180) % 360 - 180
            sides = "S" if row < 0 else "N", "W" if east < 0 else "E"
            yield f"{sides[0]}{abs(row):02d}{sides[1]}{abs(east):03d}"


def months(time: Time) -> Iterator[str]:
    """Yield the months in which a time may lie, when what it is of took place then."""
    if time.suspect is not None or not time.taken or time.last - time.first > LONGEST:
        return
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    first, last = (begin + timedelta(seconds=one) for one in (time.first, time.last - 1))
    for n in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield f"{n // 12:04d}-{n % 12 + 1:02d}"


def tokens(keyed: Keyed, kept: Kept, mime: str | None) -> Iterator[int]:
    """Yield the tokens by which an exhibit is found by the values of its facets."""
    for level, told in ((FACTS, kept.facts), (TEAM, kept.team)):
        for name, values in told.items():
            for value in values:
                yield keyed.token(level, f"facet {name}", value)
        for year in {month[:4] for month in told.get("month", ())}:
            yield keyed.token(level, "facet year", year)
    if mime is not None:
        yield keyed.token(OPEN, "facet type", mime)
        yield keyed.token(FACTS, "facet type", mime)


def packed(repo: Repository, exhibit_id: str, kept: Kept) -> bytes | None:
    """Return the values sealed for their exhibit; None: there are none."""
    if not kept.facts and not kept.team:
        return None
    plain = json.dumps([dict(kept.facts), dict(kept.team)], separators=(",", ":"))
    return sealed(repo, exhibit_id, _CALLED, zlib.compress(plain.encode(), 1))


def unpacked(repo: Repository, exhibit_id: str, found: bytes) -> Kept:
    """Return the values that `packed` sealed.

    Raises:
        IntegrityError: they are not what was sealed for this exhibit.
    """
    return Kept(*json.loads(zlib.decompress(opened(repo, exhibit_id, _CALLED, found))))


# --- asked for


def narrowed(asked: Mapping[str, Sequence[str]]) -> list[Node]:
    """Return what finds exhibits that have, of each facet named, one of its values.

    Raises:
        BadQuery: there is no such facet or value, or too many are asked for.
    """
    if sum(map(len, asked.values())) > MOST_ASKED:
        raise BadQuery(f"a search is narrowed to at most {MOST_ASKED} values of facets")
    found: list[Node] = []
    for name, values in asked.items():
        if name not in TOLD:
            raise BadQuery(f"there is no facet {shown(name[:60])}; facets are {', '.join(TOLD)}")
        some = tuple(_one(name, value) for value in values)
        if not some:
            raise BadQuery(f"name a value of the facet {name}, or leave it out")
        found.append(some[0] if len(some) == 1 else Either(some))
    return found


def _one(name: str, value: str) -> Node:
    if not value or len(value) > MOST_CHARACTERS:
        raise BadQuery(f"a value of the facet {name} has 1 to {MOST_CHARACTERS} characters")
    if name in VALUES:
        if value not in VALUES[name]:
            raise BadQuery(f"{name} is one of {', '.join(VALUES[name])}")
        return Term(value, name)
    form, how = _FORMS.get(name, (None, ""))
    if form is not None and not form.fullmatch(value):
        raise BadQuery(f"{shown(value[:60])} is no {name}; {how}")
    if name in ("case", "family"):
        if not any(True for _ in words(value)):
            raise BadQuery(f"{shown(value[:60])} is no {name}")
        return Term(value, name)
    return Exactly(name, value)


def written(asked: Mapping[str, Sequence[str]]) -> str:
    """Return what is asked of facets as records have it."""
    return "; ".join(f"{name}={' or '.join(values)}" for name, values in asked.items())


# --- counted


def counted(
    repo: Repository, session: Session, scope: Scope, hits: Sequence[Hit]
) -> dict[str, list[dict[str, Any]]]:
    """Return how many of some exhibits have each value of each facet, as far as one may know it."""
    counts: dict[str, Counter[str | None]] = {name: Counter() for name in TOLD}
    for start in range(0, len(hits), _LOT):
        _count(repo, session, scope, {one.exhibit_id: one for one in hits[start : start + _LOT]},
               counts)  # fmt: skip
    found = {}
    for name, of_it in counts.items():
        ordered = sorted(of_it.items(), key=lambda one: (-one[1], one[0] or ""))[:MOST_VALUES]
        if name in _IN_ORDER:
            ordered.sort(key=lambda one: one[0] or "")
        found[name] = [{"value": value, "count": count} for value, count in ordered]
    return found


def _count(
    repo: Repository,
    session: Session,
    scope: Scope,
    hits: Mapping[str, Hit],
    counts: Mapping[str, Counter[str | None]],
) -> None:
    ids = list(hits)
    query = (
        select(
            SearchExhibit.exhibit_id, SearchExhibit.submission_id, SearchExhibit.case_id,
            SearchExhibit.facets, Case.code, Exhibit.family,
        )
        .join(Exhibit, Exhibit.id == SearchExhibit.exhibit_id)
        .join(Case, Case.id == SearchExhibit.case_id)
        .where(among(SearchExhibit.exhibit_id, ids))
    )  # fmt: skip
    rows = session.execute(query).all()
    states = live.states_of(session, scope, ids)
    marked = live.markings_of(
        session, {one for row in rows for one in (row.exhibit_id, row.submission_id, row.case_id)}
    )
    runs = select(ExtractionRun.exhibit_id, ExtractionRun.mime).order_by(ExtractionRun.run)
    looked_at = session.execute(runs.where(among(ExtractionRun.exhibit_id, ids)))
    mimes = {one.exhibit_id: one.mime for one in looked_at}
    counts["case"].update(row.code for row in rows)
    counts["family"].update(row.family for row in rows)
    counts["type"].update(mimes.get(row.exhibit_id) for row in rows)
    for row in rows:
        level = hits[row.exhibit_id].level
        held = states[row.exhibit_id]
        counts["state"].update(held if level == TEAM else held - OF_THE_TEAM)
        said: set[str] = set()
        for one in (row.exhibit_id, row.submission_id, row.case_id):
            if one in marked:
                said |= marked[one]
        counts["seal"]["yes" if live.SEALED in said else "no"] += 1
        if said:
            counts["marking"].update(said - {live.SEALED})
        if row.facets is None or level == OPEN:
            continue
        kept = unpacked(repo, row.exhibit_id, row.facets)
        for name in ("month", "place", "device", "account", "signature"):
            values = {
                *kept.facts.get(name, ()),
                *(kept.team.get(name, ()) if level == TEAM else ()),
            }
            counts[name].update(values)
            if name == "month":
                counts["year"].update({one[:4] for one in values})
