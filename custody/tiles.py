"""The tree's stored hashes: full tiles of 256 hashes, byte-identical to C2SP tlog-tiles.

A tile of level L holds 256 roots of subtrees of 256^L leaves. Only full tiles are stored; what a
proof needs of a partial one is read from the entries (level 0) or from the tiles below.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody import tables
from custody.errors import LedgerDamaged
from custody.merkle import HASH_SIZE, node_hash, root_of
from custody.tables import as_bytes, insert_rows

TILE = 256


def write_tiles(session: Session, start: int, leaves: Sequence[bytes]) -> None:
    """Insert every tile that new leaves fill, from level 0 upwards.

    Args:
        session: the caller's write transaction; the entries' rows are in it already.
        start: how many leaves there were before.
        leaves: the new leaf hashes.
    """
    size = start + len(leaves)
    level, first, last = 0, start // TILE, size // TILE
    while first < last:
        rows = []
        for n in range(first, last):
            low = n * TILE
            if level:
                hashes = _tile_roots(session, level - 1, low, low + TILE)
            else:
                before = _leaves(session, low, min(start, low + TILE)) if low < start else []
                hashes = [*before, *leaves[max(low - start, 0) : low + TILE - start]]
            rows.append((level, n, root_of(hashes), b"".join(hashes)))
        insert_rows(session, tables.tile, rows)
        level, first, last = level + 1, first // TILE, last // TILE


class Nodes:
    """Roots of complete subtrees in a tree of one size; every tile is read once."""

    def __init__(self, session: Session, size: int) -> None:
        """Read on demand through the session, which must stay open."""
        self._session = session
        self._size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._known: dict[tuple[int, int], bytes] = {}  # neighbours' proofs share most of theirs

    def node(self, level: int, n: int) -> bytes:
        """Return the root of the n-th complete subtree of 2^level leaves.

        Raises:
            LedgerDamaged: stored hashes are missing.
        """
        known = self._known.get((level, n))
        if known is not None:
            return known
        height, inside = divmod(level, 8)
        start, span = n << inside, 1 << inside
        tile, offset = divmod(start, TILE)
        hashes = self._tile(height, tile)[offset : offset + span]
        if len(hashes) != span:
            raise LedgerDamaged(
                f"the ledger lacks hashes at level {height} from {start}; "
                "run: evidence verify --ledger"
            )
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        self._known[level, n] = hashes[0]
        return hashes[0]

    def _tile(self, height: int, n: int) -> list[bytes]:
        found = self._tiles.get((height, n))
        if found is None:
            found = self._tiles[height, n] = self._read(height, n)
        return found

    def _read(self, height: int, n: int) -> list[bytes]:
        low, high = n * TILE, min((n + 1) * TILE, self._size >> (8 * height))
        if high - low == TILE:
            joined = self._session.scalar(
                select(tables.tile.c.hashes).where(
                    tables.tile.c.level == height, tables.tile.c.n == n
                )
            )
            joined = as_bytes(joined or b"")
            return [joined[i : i + HASH_SIZE] for i in range(0, len(joined), HASH_SIZE)]
        if height:
            return _tile_roots(self._session, height - 1, low, high)
        return _leaves(self._session, low, high)


def _leaves(session: Session, start: int, stop: int) -> list[bytes]:
    rows = session.scalars(
        select(tables.entry.c.leaf)
        .where(tables.entry.c.idx >= start, tables.entry.c.idx < stop)
        .order_by(tables.entry.c.idx)
    )
    return [as_bytes(leaf) for leaf in rows]


def _tile_roots(session: Session, level: int, start: int, stop: int) -> list[bytes]:
    rows = session.scalars(
        select(tables.tile.c.root)
        .where(tables.tile.c.level == level, tables.tile.c.n >= start, tables.tile.c.n < stop)
        .order_by(tables.tile.c.n)
    )
    return [as_bytes(root) for root in rows]
