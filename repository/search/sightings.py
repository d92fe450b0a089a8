"""Sightings: where and when something was, as an exhibit's facts, its submitter or somebody says.

A sighting holds what stands together: the places and times of one message, of a picture, of one
assessment. A place lies within a radius: half a step of its last digit, or what the device stated
if that is more. A time lies between two seconds. What somebody doubts stays marked, with the
reason, and so does everything in a file whose own seal is broken. Pure.
"""

import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import pairwise
from typing import Any

from repository.search import cells
from repository.search.cells import FIRST, LAST, Mark
from repository.search.times import stated

MOST = 20_000  # places and times kept of one exhibit
MOST_PLACES, MOST_TIMES = 4, 8  # beyond so many, nobody said which belong together
FASTEST = 340.0  # metres a second: no aircraft that takes passengers is faster
STALE = 3_600  # seconds: a satellite's time so far from the camera's tells an old position
_FILE, _DECLARED, _ASSESSED = "file", "declared", "assessed"
# Times of the file, not of what it shows: found alone, not with a place.
_NOT_TAKEN = re.compile(r"(?i)modif|access|metadata|digiti|sidecar|action|signature")
_NO_TIME = re.compile(r"(?i)profile")  # of a colour profile: thousands of pictures share one
_ERROR = "GPS:GPSHPositioningError"
_SATELLITE = "Composite:GPSDateTime"
_TAKEN = "Composite:DateTimeOriginal"
_SEALS = frozenset({"c2pa"})  # seals over all of a file, its facts included
_INVENTED = re.compile(r"(?i)\bsource (?:composite\w*trained|trained)\w*")  # IPTC's word, in C2PA
_DEGREE = 111_320.0  # metres


@dataclass(frozen=True, slots=True)
class Place:
    """A place that something states, and how many metres around it that means."""

    latitude: float
    longitude: float
    radius: float
    said: str
    fact: str
    source: str
    suspect: str | None = None

    @property
    def metres(self) -> int:
        """The radius as people are told it: whole metres, rounded up; no place is a point."""
        return max(1, math.ceil(self.radius))


@dataclass(frozen=True, slots=True)
class Time:
    """A time that something states, and between which seconds of 1970 that is."""

    first: int
    last: int
    said: str
    fact: str
    source: str
    taken: bool = True  # when what it shows took place, as far as the file says
    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Places and times that stand together, who says so, and where in the exhibit."""

    origin: str  # file, declared, assessed
    locator: str | None
    places: tuple[Place, ...] = ()
    times: tuple[Time, ...] = ()


# --- from what is said


def of_record(record: Mapping[str, Any]) -> list[Sighting]:
    """Return what the facts of a record say."""
    doubt = _doubt(record)
    together: dict[str | None, list[Mapping[str, Any]]] = {}
    for fact in record.get("facts", ()):
        if fact["kind"] in ("place", "time") or fact["name"] == _ERROR:
            together.setdefault(fact["locator"], []).append(fact)
    found = [
        Sighting(_FILE, locator, tuple(_places(facts, doubt)), tuple(_times(facts, doubt)))
        for locator, facts in together.items()
    ]
    return _too_fast([_stale(one) for one in found if one.places or one.times])


def of_declaration(said: Mapping[str, Any]) -> list[Sighting]:
    """Return what was declared of the collecting: its time, and its place where that is numbers."""
    places, times = [], []
    numbers = re.fullmatch(
        r"\s*([+-]?[0-9.]+)\s*[,;\s]\s*([+-]?[0-9.]+)\s*", said.get("place") or ""
    )
    if numbers is not None:
        place = _place(f"{numbers[1]} {numbers[2]}", "place", "declared by the submitter", None)
        places = [place] if place else []
    at = said.get("collected_at")
    seconds = stated(at) if at else None
    if at and seconds:
        times = [Time(*seconds, at, "collected_at", "declared by the submitter")]
    return [Sighting(_DECLARED, None, tuple(places), tuple(times))] if places or times else []


def of_assessment(annotation: str, said: Mapping[str, Any]) -> list[Sighting]:
    """Return where and when somebody found that something was made."""
    source = f"{annotation}: {said.get('method', 'no method')}"
    position = said.get("position")
    place = None
    if position:
        place = _place(" ".join(position.replace(",", " ").split()), "position", source, None)
    begins, ends = (stated(said[one]) if said.get(one) else None for one in ("begins", "ends"))
    times = []
    if begins or ends:
        written = f"{said.get('begins') or '…'} to {said.get('ends') or '…'}"
        first, last = begins[0] if begins else FIRST, ends[1] if ends else LAST
        times = [Time(first, last, written, "begins, ends", source)]
    if not place and not times:
        return []
    return [Sighting(_ASSESSED, None, (place,) if place else (), tuple(times))]


def _doubt(record: Mapping[str, Any]) -> str | None:
    """Return why nothing that stands in a file deserves trust, if something says so."""
    for seal in record.get("seals", ()):
        if seal["kind"].lower() in _SEALS and seal["verdict"] == "broken":
            return f"the file's own seal ({seal['kind']}) is broken"
    for fact in record.get("facts", ()):
        if fact["name"] == "C2PA:Action" and _INVENTED.search(fact["value"]):
            return "its C2PA manifest says that a trained model made it"
    return None


def _places(facts: Sequence[Mapping[str, Any]], doubt: str | None) -> Iterator[Place]:
    stated_error = 0.0
    for fact in facts:
        if fact["name"] == _ERROR and re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,12})?", fact["value"]):
            stated_error = float(fact["value"])
    seen = set()
    for fact in facts:
        if fact["kind"] != "place":
            continue
        place = _place(fact["value"], fact["name"], fact["source"], fact["suspect"] or doubt)
        if place is not None and (place.latitude, place.longitude, place.suspect) not in seen:
            seen.add((place.latitude, place.longitude, place.suspect))
            yield replace(place, radius=max(place.radius, stated_error))


def _place(value: str, fact: str, source: str, suspect: str | None) -> Place | None:
    """Return the place of two decimals; what is beyond the earth's degrees is on no map."""
    numbers = value.split()
    try:
        latitude, longitude = map(float, numbers)
    except ValueError:
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    digits = max(len(one.partition(".")[2]) for one in numbers)
    radius = round(_DEGREE * 10.0**-digits / 2 * math.sqrt(2), 3)
    if latitude == longitude == 0 and suspect is None:
        suspect = "exactly 0,0: the device had no position"
    return Place(latitude, longitude, radius, value, fact, source, suspect)


def _times(facts: Sequence[Mapping[str, Any]], doubt: str | None) -> Iterator[Time]:
    seen = set()
    for fact in facts:
        if fact["kind"] != "time" or _NO_TIME.search(fact["name"]):
            continue
        seconds = stated(fact["value"])
        taken = not _NOT_TAKEN.search(fact["name"])
        if seconds is None or (seconds, taken) in seen:
            continue
        seen.add((seconds, taken))
        yield Time(
            *seconds, fact["value"], fact["name"], fact["source"], taken, fact["suspect"] or doubt
        )


def _stale(one: Sighting) -> Sighting:
    """Doubt a position whose satellites' time is not the camera's: it is an old one, or moved."""
    satellite = [time for time in one.times if time.fact == _SATELLITE]
    camera = [time for time in one.times if time.fact == _TAKEN]
    if not satellite or not camera or not one.places:
        return one
    apart = max(camera[0].first - satellite[0].last, satellite[0].first - camera[0].last)
    if apart <= STALE:
        return one
    why = f"the satellites' time and the camera's are {apart // 3600} hours apart or more"
    places = tuple(replace(place, suspect=place.suspect or why) for place in one.places)
    return replace(one, places=places)


def _too_fast(found: list[Sighting]) -> list[Sighting]:
    """Doubt positions of one exhibit between which nobody can have travelled in the time."""
    single = [
        n
        for n, one in enumerate(found)
        if len(one.places) == 1 and len(one.times) == 1 and one.locator is not None
        and one.places[0].suspect is None and one.times[0].suspect is None
    ]  # fmt: skip
    single.sort(key=lambda n: found[n].times[0].first)
    doubted = set()
    for before, then in pairwise(single):
        here, there = found[before], found[then]
        took = there.times[0].last - here.times[0].first
        far = _apart(here.places[0], there.places[0])
        if far - here.places[0].radius - there.places[0].radius > FASTEST * max(took, 1):
            doubted |= {before, then}
    why = "faster than anybody travels from the position before it, or to the one after it"
    return [
        replace(one, places=tuple(replace(place, suspect=why) for place in one.places))
        if n in doubted
        else one
        for n, one in enumerate(found)
    ]


def _apart(one: Place, other: Place) -> float:
    """Return metres between two places along a sphere: near enough to tell what is impossible."""
    up, down = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(other.longitude - one.longitude)
    half = math.sin((down - up) / 2) ** 2 + math.cos(up) * math.cos(down) * (
        math.sin(across / 2) ** 2
    )
    return 2 * 6_371_000.0 * math.asin(min(1.0, math.sqrt(half)))


# --- what is kept of them


def marks(found: Sequence[Sighting]) -> set[Mark]:
    """Return the kinds and texts of the tokens that sightings are found by; doubted ones apart."""
    made: set[Mark] = set()
    for one in found:
        for place in one.places:
            kind = "place" if place.suspect is None else "place?"
            around = cells.around(place.latitude, place.longitude, place.radius)
            made |= cells.kept(kind, around)
        for time in one.times:
            kind = "time" if time.suspect is None else "time?"
            made |= cells.kept(kind, cells.spanning(time.first, time.last - 1))
    return made


def cut(found: Sequence[Sighting]) -> tuple[list[Sighting], bool]:
    """Return sightings up to `MOST` places and times, and whether there are more."""
    kept: list[Sighting] = []
    total = 0
    for one in found:
        total += len(one.places) + len(one.times)
        if total > MOST:
            return kept, True
        kept.append(one)
    return kept, False


def packed(found: Sequence[Sighting]) -> bytes:
    """Return sightings as bytes."""
    plain = [
        [one.origin, one.locator, [*map(astuple, one.places)], [*map(astuple, one.times)]]
        for one in found
    ]
    return zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 1)


def unpacked(found: bytes) -> list[Sighting]:
    """Return the sightings of bytes that `packed` made."""
    return [
        Sighting(
            origin, locator, tuple(Place(*place) for place in places),
            tuple(Time(*time) for time in times),
        )
        for origin, locator, places, times in json.loads(zlib.decompress(found))
    ]  # fmt: skip
