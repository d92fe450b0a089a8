"""The ledger as files that any C2SP tlog-tiles client reads: hash tiles and entry bundles.

https://c2sp.org/tlog-tiles. A tile is named by level and number, 256 wide unless it is the partial
one at the right edge. Hash tiles disclose nothing; entry bundles hold bodies.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody import tables
from custody.entry import MAX_BODY
from custody.errors import LedgerDamaged, MalformedEntry, NoSuchEntry
from custody.tables import as_bytes
from custody.tiles import TILE, Nodes

ENTRIES = -1  # the level of entry bundles, named `entries` in paths
MAX_LEVEL = 5  # of 256^6 leaves
_PATH = re.compile(
    r"(entries|[0-9]|[1-5][0-9])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile: level (`ENTRIES` for a bundle), number, and width in hashes or entries."""

    level: int
    n: int
    width: int = TILE

    @property
    def path(self) -> str:
        """Return the path below `tile/`, itself included."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE else ""
        return f"tile/{level}/{_grouped(self.n)}{partial}"

    @classmethod
    def parse(cls, path: str) -> "TileName":
        """Read what follows `tile/` in a path.

        Raises:
            NoSuchEntry: no tile can have this name.
        """
        match = _PATH.fullmatch(path)
        width = int(match[3] or TILE) if match else 0
        if match is None or (match[3] and width >= TILE):
            raise NoSuchEntry(f"no tile is called {path[:80]!r}")
        name = cls(
            ENTRIES if match[1] == "entries" else int(match[1]),
            int(match[2].replace("x", "").replace("/", "")),
            width,
        )
        if name.path != f"tile/{path}":
            raise NoSuchEntry(f"no tile is called {path[:80]!r}")
        return name


def read_tile(session: Session, size: int, name: TileName) -> bytes:
    """Return a tile or bundle of the tree of a size.

    Raises:
        NoSuchEntry: the tree does not reach so far, or the tile would be empty.
        LedgerDamaged: stored rows are missing.
    """
    start = name.n * TILE
    if name.level == ENTRIES:
        if start + name.width > size:
            raise NoSuchEntry(f"the ledger of {size} entries has no {name.path}")
        return bundle(bodies(session, start, start + name.width))
    if name.level > MAX_LEVEL or (start + name.width) << (8 * name.level) > size:
        raise NoSuchEntry(f"the ledger of {size} entries has no {name.path}")
    nodes = Nodes(session, size)
    return b"".join(nodes.node(8 * name.level, start + k) for k in range(name.width))


def names(start: int, size: int, *, partial: bool) -> Iterator[TileName]:
    """Yield the tiles and bundles that a tree got between two sizes.

    Args:
        start: the size before; its full tiles are not repeated.
        size: the size now.
        partial: also those at the right edge.
    """
    for level in range(ENTRIES, MAX_LEVEL + 1):
        span = TILE ** (max(level, 0) + 1)
        yield from (TileName(level, n) for n in range(start // span, size // span))
        width = (size % span) // (span // TILE)
        if partial and width:
            yield TileName(level, size // span, width)


def bodies(session: Session, start: int, stop: int) -> list[bytes]:
    """Return the bodies of entries from start to before stop.

    Raises:
        LedgerDamaged: one is missing.
    """
    rows = session.scalars(
        select(tables.entry.c.body)
        .where(tables.entry.c.idx >= start, tables.entry.c.idx < stop)
        .order_by(tables.entry.c.idx)
    ).all()
    if len(rows) != stop - start:
        raise LedgerDamaged(
            f"an entry between {start} and {stop} is missing; run: evidence verify --ledger"
        )
    return [as_bytes(body) for body in rows]


def bundle(found: Iterable[bytes]) -> bytes:
    """Return bodies as an entry bundle: each after its length as a big-endian uint16."""
    return b"".join(len(body).to_bytes(2, "big") + body for body in found)


def parse_bundle(data: bytes) -> list[bytes]:
    """Return the bodies of an entry bundle.

    Raises:
        MalformedEntry: a length leads beyond the end.
    """
    found, position = [], 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if position > len(data) or not start < position <= start + MAX_BODY:
            raise MalformedEntry("an entry bundle is cut, or holds an empty entry")
        found.append(data[start:position])
    return found


def _grouped(n: int) -> str:
    digits = str(n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
