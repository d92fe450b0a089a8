"""The first part of the audit: re-hash every stored body, every tile and every head.

Nothing stored is believed but the bytes of the bodies. A block is one tile of 256 entries: its
leaves, its inner nodes and its root are computed once, and every head inside it is read off them.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from custody.findings import Finding, Progress, failed, passed
from custody.merkle import EMPTY_ROOT, Frontier, node_hash
from custody.tables import as_bytes, fetch, fetch_plain
from custody.tiles import TILE

_BLOCKS = 16  # tiles read at a time

Roots = Mapping[int, set[bytes]]


@dataclass(slots=True)
class _Tree:
    """What the entries hash to, up to the last full tile."""

    upper: Frontier = field(default_factory=Frontier)  # over the roots of full tiles
    good: int = 0  # everything below stands under a head that matches
    size: int = 0
    tiles: int = 0
    heads: int = 0


@dataclass(frozen=True, slots=True)
class TreeResult:
    """How large the tree is that the entries hash to, up to where it is good, what was found."""

    size: int
    good: int
    findings: list[Finding]


def audit_tree(session: Session, roots: Roots, progress: Progress) -> TreeResult:
    """Re-hash entries, tiles and heads, and compare with roots kept outside.

    Stops at the first difference, which it names as exactly as the stored hashes allow.

    Args:
        session: a reading session.
        roots: by tree size, the roots of checkpoints kept outside the database.
        progress: told the number of entries done.
    """
    tree = _Tree()
    problem = _walk(session, tree, roots, progress) or _beyond(session, tree, roots)
    if problem is not None:
        return TreeResult(tree.size, tree.good, [problem])
    found = [
        passed("entries", f"{tree.size} entries hash to the signed root"),
        passed("heads", f"{tree.heads} heads match"),
        passed("tiles", f"{tree.tiles} full tiles match"),
    ]
    if roots:
        found.append(
            passed("outside", f"{len(roots)} checkpoints from outside match", "checkpoints")
        )
    return TreeResult(tree.size, tree.good, found)


def _walk(session: Session, tree: _Tree, roots: Roots, progress: Progress) -> Finding | None:
    heads = _heads(session)
    head = next(heads, None)
    last = fetch(session, "SELECT max(size) AS size FROM head")[0].size or 0
    for start, blocks in _ahead(session, last):
        stop = min(start + TILE * _BLOCKS, last)
        for low, block in zip(range(start, stop, TILE), blocks, strict=True):
            problem, levels = _check_block(session, low, block)
            high = low + len(block.bodies)
            # Heads before the first bad entry are still checked: they say from where on it is bad.
            for size, wanted in _sizes(roots, low, high):
                computed = _root_at(tree.upper, levels, size - low)
                if wanted != {computed}:
                    return problem or _differs_outside(tree, size)
            while head is not None and head[0] <= high and problem is None:
                problem = _check_head(tree, head, levels, head[0] - low)
                head = next(heads, None)
            tree.size = high
            if problem is None and high < min(low + TILE, stop):
                problem = failed("entries", f"entry {high}", "this entry is missing")
            if problem is None and len(block.bodies) == TILE:
                problem = _check_tiles(session, tree, low // TILE, levels)
            if problem is not None:
                return problem
        progress(tree.size)
    return None


@dataclass(frozen=True, slots=True)
class _Block:
    """The stored rows of one tile; `whole`: their numbers follow each other from its first on."""

    whole: bool
    leaves: bytes  # joined
    bodies: Sequence[bytes]


def _ahead(session: Session, last: int) -> Iterator[tuple[int, list[_Block]]]:
    """Yield the blocks of several tiles; while they are hashed, a server can send the next.

    SQLite reads in this process, under the same interpreter lock: there nothing is gained.
    """
    starts = range(0, last, TILE * _BLOCKS)
    bind = session.get_bind()
    if bind.dialect.name == "sqlite":
        yield from ((n, _read(session, n, min(n + TILE * _BLOCKS, last))) for n in starts)
        return
    with Session(bind.engine) as own, ThreadPoolExecutor(1) as pool:

        def read(start: int) -> list[_Block]:
            return _read_grouped(own, start, min(start + TILE * _BLOCKS, last))

        coming = pool.submit(read, 0) if last else None
        for start in starts:
            assert coming is not None
            blocks = coming.result()
            following = start + TILE * _BLOCKS
            coming = pool.submit(read, following) if following < last else None
            yield start, blocks


def _read(session: Session, start: int, stop: int) -> list[_Block]:
    rows = _rows(session, start, stop)
    blocks = []
    for low in range(start, stop, TILE):
        high = min(low + TILE, stop)
        some = rows[low - start : high - start]
        if not some or some[0][0] != low or some[-1][0] != low + len(some) - 1:
            some = [row for row in rows if low <= row[0] < high]  # rows before it are missing
        whole = [row[0] for row in some] == list(range(low, low + len(some)))
        leaves = [row[1] for row in some]
        whole = whole and all(type(one) is bytes and len(one) == 32 for one in leaves)
        bodies = [as_bytes(row[2]) for row in some]
        blocks.append(_Block(whole, b"".join(leaves) if whole else b"", bodies))
    return blocks


def _read_grouped(session: Session, start: int, stop: int) -> list[_Block]:
    """Read as `_read`, joined by the server: rows one by one are half of the work on PostgreSQL."""
    found = fetch_plain(
        session,
        f"SELECT idx / {TILE}, count(*), min(idx), max(idx), bool_and(length(leaf) = 32), "  # noqa: S608 - a number of ours
        "string_agg(leaf, ''::bytea), array_agg(body) FROM (SELECT idx, leaf, body FROM entry "
        f"WHERE idx >= ? AND idx < ? ORDER BY idx) AS ordered GROUP BY idx / {TILE}",
        (start, stop),
    )
    by_tile = {row[0]: row for row in found}
    blocks = []
    for low in range(start, stop, TILE):
        _, count, first, last, sized, leaves, bodies = by_tile.get(
            low // TILE, (0, 0, low, low - 1, True, b"", [])
        )
        whole = first == low and last - first + 1 == count and sized
        blocks.append(_Block(whole, leaves, bodies))
    return blocks


def _rows(session: Session, start: int, stop: int) -> Sequence[tuple[Any, ...]]:
    return fetch_plain(
        session,
        "SELECT idx, leaf, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
        (start, stop),
    )


def _heads(session: Session) -> Iterator[Any]:
    """Yield (size, root, frontier) of every head in order."""
    after = -1
    while True:
        rows = fetch(
            session,
            "SELECT size, root, frontier FROM head WHERE size > ? ORDER BY size LIMIT 2048",
            (after,),
        )
        if not rows:
            return
        yield from rows
        after = rows[-1].size


def _check_block(
    session: Session, low: int, block: _Block
) -> tuple[Finding | None, list[list[bytes]]]:
    """Return the first difference in a block, and its hashes level by level."""
    levels = _levels(block.bodies)
    if block.whole and block.leaves == b"".join(levels[0]):
        return None, levels
    # Row by row: it names the entry, and the order inside an aggregate is a promise of no standard.
    rows = _rows(session, low, low + len(block.bodies))
    levels = _levels([as_bytes(row[2]) for row in rows])
    for position, (row, leaf) in enumerate(zip(rows, levels[0], strict=True)):
        if row[0] != low + position:
            return failed("entries", f"entry {low + position}", "this entry is missing"), levels
        if as_bytes(row[1]) != leaf:
            detail = "its bytes are not those that were hashed"
            return failed("entries", f"entry {low + position}", detail), levels
    if len(rows) < len(block.bodies):
        return failed("entries", f"entry {low + len(rows)}", "this entry is missing"), levels
    return None, levels


def _levels(bodies: Sequence[bytes]) -> list[list[bytes]]:
    """Return leaves, inner nodes and so on up to the root, as far as they are complete."""
    levels = [[sha256(b"\x00" + body).digest() for body in bodies]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append(
            [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(below[::2], below[1::2], strict=False)
            ]
        )
    return levels


def _root_at(upper: Frontier, levels: list[list[bytes]], count: int) -> bytes:
    hashes = upper.hashes + _partial(levels, count)
    if not hashes:
        return EMPTY_ROOT
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def _partial(levels: list[list[bytes]], count: int) -> list[bytes]:
    """Return the complete subtrees of the first `count` entries of a block, the largest first."""
    found, position = [], 0
    for level in range(count.bit_length() - 1, -1, -1):
        if count >> level & 1:
            found.append(levels[level][position >> level])
            position += 1 << level
    return found


def _sizes(roots: Roots, low: int, high: int) -> list[tuple[int, set[bytes]]]:
    return sorted((size, wanted) for size, wanted in roots.items() if low < size <= high)


def _check_head(tree: _Tree, head: Any, levels: list[list[bytes]], count: int) -> Finding | None:
    size, root, frontier = head
    where = between(tree.good, size)
    computed = _root_at(tree.upper, levels, count)
    if computed != as_bytes(root):
        return failed("heads", f"head {size}", f"{where} differs from what was signed")
    # A full block is one subtree of the frontier's next level, carried up in `_check_tiles`.
    carried = Frontier(tree.upper.size, tree.upper.hashes)
    if count == TILE:
        carried.append(levels[-1][0])
        whole = carried.hashes
    else:
        whole = [*carried.hashes, *_partial(levels, count)]
    if b"".join(whole) != as_bytes(frontier):
        return failed("heads", f"head {size}", "its frontier is not that of the entries")
    tree.good = size
    tree.heads += 1
    return None


def _check_tiles(
    session: Session, tree: _Tree, n: int, levels: list[list[bytes]]
) -> Finding | None:
    """Compare the tile just filled with the stored one, and the tiles above it."""
    problem = _check_tile(session, 0, n, levels[0], levels[-1][0])
    tree.upper.append(levels[-1][0])
    level = 0
    while problem is None:
        tree.tiles += 1
        if (n + 1) % TILE:
            return None
        level, n = level + 1, n // TILE
        below = fetch(
            session,
            "SELECT root FROM tile WHERE level = ? AND n >= ? AND n < ? ORDER BY n",
            (level - 1, n * TILE, (n + 1) * TILE),
        )
        hashes = [as_bytes(row.root) for row in below]
        frontier = Frontier()
        for one in hashes:
            frontier.append(one)
        problem = _check_tile(session, level, n, hashes, frontier.root())
    return problem


def _check_tile(
    session: Session, level: int, n: int, hashes: list[bytes], root: bytes
) -> Finding | None:
    name = f"tile {level}/{n}"
    rows = fetch(session, "SELECT root, hashes FROM tile WHERE level = ? AND n = ?", (level, n))
    if len(rows) != 1:
        return failed("tiles", name, "this tile is missing")
    stored = as_bytes(rows[0].hashes)
    if stored != b"".join(hashes):
        for position, one in enumerate(hashes):
            if stored[32 * position : 32 * position + 32] != one:
                what = f"entry {n * TILE + position}" if level == 0 else name
                return failed("tiles", what, "it differs from its tile")
        return failed("tiles", name, "it holds more than its hashes")
    if as_bytes(rows[0].root) != root:
        return failed("tiles", name, "its root is not that of its hashes")
    return None


def _differs_outside(tree: _Tree, size: int) -> Finding:
    detail = f"{between(tree.good, size)} differs from it"
    return failed("outside", f"checkpoint {size}", detail)


def _beyond(session: Session, tree: _Tree, roots: Roots) -> Finding | None:
    """Find what stands beyond the last head, or should and does not."""
    size = tree.size
    rows = fetch(
        session,
        "SELECT idx FROM entry WHERE idx >= ? OR idx < 0 ORDER BY idx LIMIT 1",
        (size,),
    )
    if rows:
        return failed("entries", f"entry {rows[0].idx}", "it stands under no signed head")
    largest = max(roots, default=0)
    if largest > size:
        return failed(
            "outside",
            f"checkpoint {largest}",
            f"the ledger ends at {size} entries, but a checkpoint of {largest} "
            f"was given out: entry {size} and what follows were cut off",
        )
    rows = fetch(
        session, "SELECT level, n FROM tile WHERE level = 0 AND n >= ? LIMIT 1", (size // TILE,)
    )
    if rows:
        return failed("tiles", f"tile {rows[0].level}/{rows[0].n}", "a tile beyond the entries")
    return None


def between(start: int, stop: int) -> str:
    """Say which entries a difference lies among."""
    return f"entry {start}" if stop - start == 1 else f"one of the entries {start} to {stop - 1}"
