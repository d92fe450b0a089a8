"""Cells of the earth and of time, nested in each other, and the tokens by which they meet.

Pure. What is kept is covered by a few cells, each kept under its own name and those of all the
cells around it; what is asked for is covered too. One meets the other where a cell of either lies
in a cell of the other: two questions by equal tokens. Cells only find; what is exact is compared
afterwards, on the values themselves.

The earth is divided as its degrees are: 4^n rows and columns at level n, over the poles and the
antimeridian. Time is divided in parts of 4^n times 68 minutes, since the year 1.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

Cell = tuple[int, int, int]  # level, row and column; of time: level, 0, number
Mark = tuple[str, str]  # kind and text of a token

LEVELS = 9  # of the earth: 0 is all of it, the last is 76 m high
LONGEST = 13  # levels of time below that of all years
FIRST = -62_135_596_800  # the begin of the year 1, in seconds of 1970
LAST = 253_402_300_800  # the end of the year 9999
_HOUR_OR_SO = 12  # bits of seconds in the shortest part of time
_FEW = 4  # cells that cover something that is kept
_RADIUS = 6_356_752.0  # of the earth at its poles, in metres: angles come out wide
_ROOM = 1.01
_LEAST = 0.01  # metres: what lies on a side of two cells is kept in both


def around(latitude: float, longitude: float, radius: float) -> list[Cell]:
    """Return at most four cells that cover a place and what lies within metres of it."""
    high, wide = reach(latitude, radius)
    south, north = max(-90.0, latitude - high), min(90.0, latitude + high)
    for level in range(LEVELS, -1, -1):
        side = 4**level
        rows = range(_row(south, side), _row(north, side) + 1)
        west = math.floor((longitude - wide + 180) / 360 * side)
        east = math.floor((longitude + wide + 180) / 360 * side)
        columns = sorted({one % side for one in range(west, min(east, west + side - 1) + 1)})
        if len(rows) * len(columns) <= _FEW:
            return [(level, row, column) for row in rows for column in columns]
    return [(0, 0, 0)]


def reach(latitude: float, radius: float) -> tuple[float, float]:
    """Return by how many degrees of latitude and longitude metres reach around, and a bit more."""
    high = math.degrees(max(radius, _LEAST) / _RADIUS) * _ROOM
    if abs(latitude) + high >= 90:
        return high, 180.0
    sine = math.sin(math.radians(high)) / math.cos(math.radians(latitude))
    return high, math.degrees(math.asin(sine)) * _ROOM if sine < 1 else 180.0


def _row(latitude: float, side: int) -> int:
    return min(side - 1, math.floor((latitude + 90) / 180 * side))


def bounds(cell: Cell) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a cell of the earth."""
    level, row, column = cell
    side = 4**level
    return (
        column / side * 360 - 180, row / side * 180 - 90,
        (column + 1) / side * 360 - 180, (row + 1) / side * 180 - 90,
    )  # fmt: skip


def quarters(cell: Cell) -> Iterator[Cell]:
    """Yield the sixteen cells of the earth in a cell."""
    level, row, column = cell
    if level < LEVELS:
        for n in range(16):
            yield level + 1, row * 4 + n // 4, column * 4 + n % 4


def spanning(first: int, last: int) -> list[Cell]:
    """Return at most four cells that cover a time between two seconds, both among it."""
    begin, end = max(first, FIRST) - FIRST, min(last, LAST) - FIRST
    for level in range(LONGEST, -1, -1):
        bits = _bits(level)
        if (end >> bits) - (begin >> bits) < _FEW:
            return [(level, 0, n) for n in range(begin >> bits, (end >> bits) + 1)]
    return []


def between(cell: Cell) -> tuple[int, int]:
    """Return the first second of a cell of time, and the first after it."""
    level, _, n = cell
    return FIRST + (n << _bits(level)), FIRST + ((n + 1) << _bits(level))


def parts(cell: Cell) -> Iterator[Cell]:
    """Yield the four cells of time in a cell."""
    level, _, number = cell
    if level < LONGEST:
        for n in range(4):
            yield level + 1, 0, number * 4 + n


def _bits(level: int) -> int:
    return _HOUR_OR_SO + 2 * (LONGEST - level)


WHOLE_EARTH: list[Cell] = [(0, 0, 0)]
ALL_YEARS: list[Cell] = [(0, 0, n) for n in range(((LAST - FIRST) >> _bits(0)) + 1)]


def cover(
    roots: Iterable[Cell],
    inside: Callable[[Cell], Iterator[Cell]],
    relation: Callable[[Cell], bool | None],
    *,
    most: int,
) -> list[Cell]:
    """Return cells that cover something, some `most` of them: the largest are divided first.

    Args:
        roots: cells that hold everything.
        inside: the cells in a cell.
        relation: whether a cell is wholly covered; None: it is not touched.
        most: beyond so many no cell is divided any more.
    """
    done: list[Cell] = []
    partly: list[Cell] = []
    for cell in roots:
        whole = relation(cell)
        if whole is not None:
            (done if whole else partly).append(cell)
    heapify(partly)
    while partly and len(done) + len(partly) < most:
        largest = heappop(partly)
        smaller = list(inside(largest))
        if not smaller:
            done.append(largest)
        for cell in smaller:
            whole = relation(cell)
            if whole:
                done.append(cell)
            elif whole is not None:
                heappush(partly, cell)
    return done + partly


def kept(kind: str, cells: Iterable[Cell]) -> set[Mark]:
    """Return under what something is kept that cells cover."""
    found: set[Mark] = set()
    for cell in cells:
        found.add((f"{kind} in", _text(cell)))
        found.update((f"{kind} of", _text(one)) for one in (cell, *_above(cell)))
    return found


def asked(kind: str, cells: Iterable[Cell]) -> tuple[Mark, ...]:
    """Return by what is found whatever is kept under a cell that meets one of these."""
    found: dict[Mark, None] = {}
    for cell in cells:
        found[f"{kind} of", _text(cell)] = None
        for one in _above(cell):
            found[f"{kind} in", _text(one)] = None
    return tuple(found)


def _above(cell: Cell) -> Iterator[Cell]:
    level, row, column = cell
    while level:
        level, row, column = level - 1, row // 4, column // 4
        yield level, row, column


def _text(cell: Cell) -> str:
    return " ".join(map(str, cell))
