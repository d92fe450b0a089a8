"""Areas of the earth as people ask for them, and what is said of a place against one.

Distances are those of the ellipsoid WGS 84 (PROJ's geodesics). The sides of a polygon are straight
between degrees, as GeoJSON says (RFC 7946); from one point to the next they take the shorter way,
over the antimeridian too. A place has a radius within which it lies: where that is wholly in the
area it is certainly inside, where it only meets it, possibly.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol

from repository.errors import BadQuery
from repository.naming import shown
from repository.search import cells
from repository.search.cells import Cell

MOST_METRES = 2_000_000.0
MOST_POINTS = 1_000  # of a polygon
_COVERED_BY = 48  # cells or some more
_SIDES = 180  # of what is drawn around a place
_POINT = 0.5  # metres: what is no wider is a point
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?")
_UNITS = {"m": 1.0, "": 1.0, "km": 1_000.0}


class Area(Protocol):
    """Part of the earth's surface."""

    @property
    def text(self) -> str:
        """Return it as records have it."""

    def holds(self, latitude: float, longitude: float, radius: float) -> bool | None:
        """Say whether a place is certainly inside; None: it certainly is not."""

    def metres(self, latitude: float, longitude: float) -> float | None:
        """Return how far a place is from the middle, where the area has one."""

    def cells(self) -> list[Cell]:
        """Return cells that cover it."""


@dataclass(frozen=True)
class Near:
    """What is within some metres of a point."""

    latitude: float
    longitude: float
    within: float

    @property
    def text(self) -> str:
        """Return it as records have it."""
        return f"within {self.within:g} m of {self.latitude},{self.longitude}"

    def holds(self, latitude: float, longitude: float, radius: float) -> bool | None:
        """Say whether a place is certainly inside; None: it certainly is not."""
        away = self.metres(latitude, longitude)
        if away + radius <= self.within:
            return True
        return False if away - radius <= self.within else None

    def metres(self, latitude: float, longitude: float) -> float:
        """Return how far a place is from the point."""
        found = _geodesics().inv(self.longitude, self.latitude, longitude, latitude)
        return float(found[2])

    def cells(self) -> list[Cell]:
        """Return cells that cover it."""
        return _cover(_disc(self.latitude, self.longitude, self.within))


@dataclass(frozen=True)
class Drawn:
    """A box or a polygon: what lies within its sides, and on them."""

    text: str
    shape: Any  # of shapely, between -180 and 180 degrees

    def holds(self, latitude: float, longitude: float, radius: float) -> bool | None:
        """Say whether a place is certainly inside; None: it certainly is not."""
        if radius > _POINT:
            frame = _frame(latitude, longitude, radius)
            if (
                frame is not None
            ):  # most are told by it; to draw a disc takes a hundred times longer
                if self._prepared.contains(frame):
                    return True
                if not self._prepared.intersects(frame):
                    return None
            disc = _disc(latitude, longitude, radius)
            if self._prepared.contains(disc):
                return True
            return False if self._prepared.intersects(disc) else None
        return True if self._prepared.intersects(_point(latitude, longitude)) else None

    def metres(self, latitude: float, longitude: float) -> None:
        """Return None: it has no middle that anybody named."""
        return

    def cells(self) -> list[Cell]:
        """Return cells that cover it."""
        return _cover(self.shape)

    @cached_property
    def _prepared(self) -> Any:
        _shapely().prepare(self.shape)
        return self.shape


# --- as people write them


def near(at: str, within: str) -> Near:
    """Read `50.45,30.52` and `5km`.

    Raises:
        BadQuery: it is no place, or no radius that can be searched.
    """
    latitude, longitude = position(at)
    found = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,6})?)\s*(m|km|)", within.strip())
    if found is None:
        raise BadQuery(f"{shown(within[:40])} is no distance; write 500m or 5km")
    return near_by(latitude, longitude, float(found[1]) * _UNITS[found[2]])


def near_by(latitude: float, longitude: float, within: float) -> Near:
    """Return what is within metres of a point.

    Raises:
        BadQuery: it is no place, or no radius that can be searched.
    """
    _check(latitude, longitude)
    if not 0 < within <= MOST_METRES:
        raise BadQuery(
            f"a radius is more than 0 and at most {MOST_METRES / 1000:g} km; for more, a box"
        )
    return Near(latitude, longitude, within)


def position(text: str) -> tuple[float, float]:
    """Read `50.45,30.52`: latitude and longitude in signed decimal degrees.

    Raises:
        BadQuery: it is no place.
    """
    numbers = [one.strip() for one in text.split(",")]
    if len(numbers) != 2 or not all(_NUMBER.fullmatch(one) for one in numbers):
        raise BadQuery(f"{shown(text[:60])} is no place; write LATITUDE,LONGITUDE: 50.45,30.52")
    latitude, longitude = map(float, numbers)
    _check(latitude, longitude)
    return latitude, longitude


def box(text: str) -> Drawn:
    """Read `SOUTH,WEST,NORTH,EAST`; where east is below west it goes over the antimeridian.

    Raises:
        BadQuery: it is no box.
    """
    numbers = [one.strip() for one in text.split(",")]
    if len(numbers) != 4 or not all(_NUMBER.fullmatch(one) for one in numbers):
        raise BadQuery(
            f"{shown(text[:60])} is no box; write SOUTH,WEST,NORTH,EAST: 50.3,30.2,50.6,30.8"
        )
    return box_of(*map(float, numbers))


def box_of(south: float, west: float, north: float, east: float) -> Drawn:
    """Return what lies between two latitudes and two longitudes.

    Raises:
        BadQuery: it is no box.
    """
    _check(south, west)
    _check(north, east)
    if south >= north:
        raise BadQuery("a box has its south below its north: SOUTH,WEST,NORTH,EAST")
    if west == east:
        raise BadQuery("a box has a width: its west is not its east")
    make = _shapely().box
    shape = (
        make(west, south, east, north)
        if west < east
        else _shapely().union(make(west, south, 180, north), make(-180, south, east, north))
    )
    return Drawn(f"box {south:g},{west:g},{north:g},{east:g}", shape)


def polygon(found: Mapping[str, Any]) -> Drawn:
    """Read GeoJSON: a Polygon or MultiPolygon, alone, as a Feature or in a collection of them.

    Raises:
        BadQuery: it is none, has too many points, crosses itself, or goes around a pole.
    """
    rings = list(_polygons(found, 0))
    points = sum(len(ring) for one in rings for ring in one)
    if points > MOST_POINTS:
        raise BadQuery(f"a polygon has at most {MOST_POINTS} points, this one has {points}")
    shapes = [_whole([_unwrapped(ring) for ring in one]) for one in rings]
    if not shapes:
        raise BadQuery("the polygon has no points")
    text = json.dumps(rings, separators=(",", ":"))
    return Drawn(f"polygon {text}", _shapely().union_all([_between(one) for one in shapes]))


def polygon_text(text: str) -> Drawn:
    """Read a file: GeoJSON, or one `LATITUDE,LONGITUDE` a line.

    Raises:
        BadQuery: it is neither, or as `polygon`.
    """
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadQuery(f"the polygon cannot be read as GeoJSON: {error}"[:200]) from error
        return polygon(found)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_POINTS:
        raise BadQuery(f"a polygon has at most {MOST_POINTS} points, this one has {len(lines)}")
    ring = [list(reversed(position(line))) for line in lines]
    return polygon({"type": "Polygon", "coordinates": [ring]})


def _check(latitude: float, longitude: float) -> None:
    if not abs(latitude) <= 90:
        raise BadQuery(
            f"a latitude is -90 to 90, not {latitude:g}; it comes first, but in GeoJSON second"
        )
    if not abs(longitude) <= 180:
        raise BadQuery(f"a longitude is -180 to 180, not {longitude:g}")


def _polygons(found: Any, depth: int) -> "Sequence[list[list[Any]]]":
    """Return the polygons of GeoJSON, each as rings of points that are still to be read."""
    kind = found.get("type") if isinstance(found, Mapping) else None
    try:
        if kind == "Polygon":
            return [[list(ring) for ring in found["coordinates"]]]
        if kind == "MultiPolygon":
            return [[list(ring) for ring in one] for one in found["coordinates"]]
        if kind == "Feature" and depth < 3:
            return _polygons(found["geometry"], depth + 1)
        if kind == "FeatureCollection" and depth < 3:
            return [one for each in found["features"] for one in _polygons(each, depth + 1)]
    except (KeyError, TypeError) as error:
        raise BadQuery(f"the {kind} is not as GeoJSON has it (RFC 7946)") from error
    raise BadQuery("an area to search is a Polygon or MultiPolygon of GeoJSON")


def _unwrapped(ring: Sequence[Any]) -> list[tuple[float, float]]:
    """Return a ring whose longitudes go on over 180 where it crosses the antimeridian."""
    found: list[tuple[float, float]] = []
    for point in ring:
        numbers = point[:2] if isinstance(point, list | tuple) else ()
        if len(numbers) != 2 or not all(
            isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
            for one in numbers
        ):
            raise BadQuery("a point of a polygon is [longitude, latitude] in decimal degrees")
        longitude, latitude = map(float, numbers)
        _check(latitude, longitude)
        if found:
            longitude += 360 * round((found[-1][0] - longitude) / 360)
        found.append((longitude, latitude))
    if len(set(found)) < 3:
        raise BadQuery("a polygon has three points or more")
    if abs(found[0][0] - found[-1][0]) > 180:
        raise BadQuery("the polygon goes around a pole; ask for a box or a radius there")
    return found


def _whole(rings: Sequence[list[tuple[float, float]]]) -> Any:
    """Return one polygon with its holes, or refuse it."""
    if not rings:
        raise BadQuery("the polygon has no points")
    outer, *holes = rings
    middle = (min(x for x, _ in outer) + max(x for x, _ in outer)) / 2
    moved = []
    for hole in holes:
        turn = 360 * round((middle - hole[0][0]) / 360)
        moved.append([(x + turn, y) for x, y in hole])
    found = _shapely().Polygon(outer, moved)
    if not found.is_valid:
        why = _shapely().is_valid_reason(found)
        at = re.search(r"\[(\S+) (\S+?)\]", why)
        where = f" near {float(at[2]):g},{float(at[1]):g}" if at else ""
        raise BadQuery(f"the polygon crosses or touches itself{where}; draw it without that")
    if not found.area:
        raise BadQuery("the polygon has no area")
    return found


# --- geometry: shapely and pyproj are loaded when an area is asked for, not with the service


@cache
def _shapely() -> Any:
    import shapely

    return shapely


@cache
def _geodesics() -> Any:
    from pyproj import Geod

    return Geod(ellps="WGS84")


def _point(latitude: float, longitude: float) -> Any:
    """Return a place as a shape: at the poles and on the antimeridian it has several longitudes."""
    if abs(latitude) == 90:
        return _shapely().LineString([(-180, latitude), (180, latitude)])
    if abs(longitude) == 180:
        return _shapely().MultiPoint([(-180, latitude), (180, latitude)])
    return _shapely().Point(longitude, latitude)


def _frame(latitude: float, longitude: float, radius: float) -> Any:
    """Return a box around all that is within metres of a place; None: it is no plain box."""
    high, wide = cells.reach(latitude, radius)
    if abs(latitude) + high >= 90 or abs(longitude) + wide >= 180:
        return None
    west, east = longitude - wide, longitude + wide
    return _shapely().box(west, latitude - high, east, latitude + high)


def _disc(latitude: float, longitude: float, radius: float) -> Any:
    """Return a shape around all that is within metres of a place, some hundredths wider."""
    wide = radius * 1.01
    turns = [360 * n / _SIDES for n in range(_SIDES)]
    ones = [1.0] * _SIDES
    found = _geodesics().fwd(
        [longitude * one for one in ones], [latitude * one for one in ones], turns,
        [wide * one for one in ones],
    )  # fmt: skip
    points = [(x + 360 * round((longitude - x) / 360), y) for x, y in zip(*found[:2], strict=True)]
    for pole in (90, -90):
        if _geodesics().inv(longitude, latitude, longitude, pole)[2] <= wide * 1.1:
            return _cap(points, pole)
    return _between(_shapely().Polygon(points))


def _cap(points: Sequence[tuple[float, float]], pole: int) -> Any:
    """Return a shape around a pole: up to its farthest latitude, all around."""
    farthest = min(points, key=lambda one: one[1] * math.copysign(1, pole))[1]
    south, north = sorted((farthest, float(pole)))
    return _shapely().box(-180, south, 180, north)


def _between(shape: Any) -> Any:
    """Return a shape whose longitudes are between -180 and 180: what is beyond comes in again."""
    from shapely.affinity import translate

    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    make = _shapely().box
    parts = [
        translate(_shapely().intersection(shape, make(turn - 180, -90, turn + 180, 90)), -turn)
        for turn in range(-720, 721, 360)
    ]
    return _shapely().union_all([one for one in parts if not one.is_empty])


def _cover(shape: Any) -> list[Cell]:
    _shapely().prepare(shape)
    return cells.cover(cells.WHOLE_EARTH, cells.quarters, _relation(shape), most=_COVERED_BY)


def _relation(shape: Any) -> Callable[[Cell], bool | None]:
    def relation(cell: Cell) -> bool | None:
        one = _shapely().box(*cells.bounds(cell))
        if shape.contains(one):
            return True
        return False if shape.intersects(one) else None

    return relation
