"""Re-hash every stored body and compare with every checkpoint ever given out.

Trusts nothing that is stored but the bytes of the bodies: leaves, tiles, heads, sequence numbers
and openings are all computed again. What only outside memory can show (a cut tail, a rewritten
and re-signed ledger) is compared with checkpoints and receipts given by the caller.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from custody import tables
from custody.checkpoint import SignedCheckpoint, open_checkpoint
from custody.commitment import unseal, unwrap_key
from custody.database import Database
from custody.entry import parse_body
from custody.errors import BadOpening, CustodyError, MalformedEntry
from custody.merkle import Frontier, leaf_hash
from custody.note import VerifierKey
from custody.receipt import Receipt
from custody.tables import as_bytes
from custody.tiles import TILE

_BATCH = 1_000

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was checked, on what, `pass | fail | not-done`, and the detail."""

    check: str
    subject: str
    outcome: str
    detail: str


@dataclass(slots=True)
class _Walk:
    """The state of one pass over the stored entries."""

    keys: Sequence[VerifierKey]
    frontier: Frontier = field(default_factory=Frontier)
    good_size: int = 0  # everything below is under a signed head that matches
    leaves: list[bytes] = field(default_factory=list)  # of the tile being filled
    seqs: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    tiles: int = 0
    heads: int = 0

    def fail(self, check: str, subject: str, detail: str) -> None:
        """Note a failure."""
        self.findings.append(Finding(check, subject, "fail", detail))


def audit(
    database: Database,
    *,
    keys: Sequence[VerifierKey],
    wrapping_key: bytes | None,
    outside: Sequence[SignedCheckpoint] = (),
    receipts: Sequence[Receipt] = (),
    progress: Progress = lambda _: None,
) -> list[Finding]:
    """Check the whole ledger and return one finding per check and one per failure.

    Args:
        database: where the ledger's tables are.
        keys: the log's verifier keys.
        wrapping_key: unwraps the keys of openings; None: openings are `not-done`.
        outside: verified checkpoints that were kept outside the database.
        receipts: receipts in someone's hand, already verified.
        progress: told the number of entries done.
    """
    walk = _Walk(keys)
    roots = _outside_roots(outside, receipts, keys)
    with database.reading() as session:
        for head in _stream(session, select(tables.head).order_by(tables.head.c.size)):
            _advance(session, walk, head.size, roots, progress)
            _check_head(walk, head)
            if walk.findings:
                break
        else:
            _check_beyond(session, walk)
            _check_outside(walk, roots)
            _check_side_tables(session, walk)
        findings = walk.findings or _passes(walk, len(roots))
        findings = [*findings, *_openings(session, wrapping_key)]
    if not outside and not receipts:
        detail = (
            "no checkpoint or receipt from outside the database was given: a cut tail is unseen"
        )
        findings.append(Finding("outside", "checkpoints", "not-done", detail))
    return findings


def _outside_roots(
    outside: Sequence[SignedCheckpoint], receipts: Sequence[Receipt], keys: Sequence[VerifierKey]
) -> dict[int, set[bytes]]:
    roots: dict[int, set[bytes]] = {}
    for signed in outside:
        roots.setdefault(signed.checkpoint.size, set()).add(signed.checkpoint.root)
    for receipt in receipts:
        head = receipt.verify(keys).checkpoint
        roots.setdefault(head.size, set()).add(head.root)
    return roots


def _stream(session: Session, query: Select[Any]) -> Iterator[Row[Any]]:
    yield from session.execute(query.execution_options(yield_per=_BATCH))


def _advance(
    session: Session, walk: _Walk, size: int, roots: dict[int, set[bytes]], progress: Progress
) -> None:
    """Read entries up to a head's size, stopping at the first that differs."""
    while walk.frontier.size < size and not walk.findings:
        start = walk.frontier.size
        stop = min(size, start + _BATCH)
        rows = session.execute(
            select(tables.entry, tables.entry_exhibit.c.exhibit, tables.entry_exhibit.c.seq)
            .outerjoin(tables.entry_exhibit, tables.entry_exhibit.c.idx == tables.entry.c.idx)
            .where(tables.entry.c.idx >= start, tables.entry.c.idx < stop)
            .order_by(tables.entry.c.idx)
        ).all()
        for expected, row in enumerate(rows, start):
            if row.idx != expected:
                walk.fail("entries", f"entry {expected}", "this entry is missing")
                return
            if not _check_entry(session, walk, row):
                return
            wanted = roots.get(walk.frontier.size)
            if wanted and wanted != {walk.frontier.root()}:
                detail = _between(walk.good_size, walk.frontier.size)
                walk.fail(
                    "outside", f"checkpoint {walk.frontier.size}", f"{detail} differs from it"
                )
                return
        if len(rows) < stop - start:
            missing = start + len(rows)
            walk.fail("entries", f"entry {missing}", "this entry is missing")
            return
        progress(walk.frontier.size)


def _check_entry(session: Session, walk: _Walk, row: Row[Any]) -> bool:
    body, leaf, name = as_bytes(row.body), as_bytes(row.leaf), f"entry {row.idx}"
    computed = leaf_hash(body)
    if computed != leaf:
        walk.fail("entries", name, "its bytes are not those that were hashed")
        return False
    try:
        fields = parse_body(body)
    except MalformedEntry as error:
        walk.fail("entries", name, str(error))
        return False
    about = fields.get("exhibit") or {}
    if fields.get("id") != row.id:
        walk.fail("entries", name, "its id column differs from its body")
        return False
    if (about.get("id"), about.get("seq")) != (row.exhibit, row.seq):
        walk.fail("exhibit.seq", name, "its exhibit or sequence number differs from its body")
        return False
    if about:
        expected = walk.seqs.get(row.exhibit, 0) + 1
        if row.seq != expected:
            walk.fail(
                "exhibit.seq", name, f"number {row.seq} of {about.get('number')}, not {expected}"
            )
            return False
        walk.seqs[row.exhibit] = expected
    walk.frontier.append(computed)
    walk.leaves.append(computed)
    return len(walk.leaves) < TILE or _check_tile(session, walk)


def _check_tile(session: Session, walk: _Walk) -> bool:
    """Compare the tile just filled with the stored one, and the tiles above it."""
    size = walk.frontier.size
    n, leaves = size // TILE - 1, walk.leaves
    walk.leaves = []
    stored = _tile(session, 0, n)
    if stored is None:
        walk.fail("tiles", f"tile 0/{n}", "this tile is missing")
        return False
    for position, leaf in enumerate(leaves):
        if stored.hashes[32 * position : 32 * position + 32] != leaf:
            walk.fail("tiles", f"entry {n * TILE + position}", "it differs from its tile")
            return False
    level = 0
    while True:
        walk.tiles += 1
        if not _check_tile_root(walk, level, n, stored):
            return False
        if (n + 1) % TILE:
            return True
        level, n = level + 1, n // TILE
        stored = _tile(session, level, n)
        below = session.scalars(
            select(tables.tile.c.root)
            .where(tables.tile.c.level == level - 1, tables.tile.c.n >= n * TILE)
            .where(tables.tile.c.n < (n + 1) * TILE)
            .order_by(tables.tile.c.n)
        )
        if stored is None or b"".join(as_bytes(root) for root in below) != as_bytes(stored.hashes):
            walk.fail("tiles", f"tile {level}/{n}", "missing, or not made of the tiles below")
            return False


def _tile(session: Session, level: int, n: int) -> Row[Any] | None:
    query = select(tables.tile).where(tables.tile.c.level == level, tables.tile.c.n == n)
    return session.execute(query).one_or_none()


def _check_tile_root(walk: _Walk, level: int, n: int, stored: Row[Any]) -> bool:
    frontier = Frontier()
    for position in range(TILE):
        frontier.append(as_bytes(stored.hashes[32 * position : 32 * position + 32]))
    if len(stored.hashes) == 32 * TILE and frontier.root() == as_bytes(stored.root):
        return True
    walk.fail("tiles", f"tile {level}/{n}", "its root is not that of its hashes")
    return False


def _check_head(walk: _Walk, head: Row[Any]) -> None:
    if walk.findings:
        return
    name = f"head {head.size}"
    where = _between(walk.good_size, head.size)
    if walk.frontier.root() != as_bytes(head.root):
        walk.fail("heads", name, f"{where} differs from what was signed")
        return
    if walk.frontier.to_bytes() != as_bytes(head.frontier):
        walk.fail("heads", name, "its frontier is not that of the entries")
        return
    try:
        signed = open_checkpoint(head.note or "", walk.keys).checkpoint
    except CustodyError as error:
        walk.fail("heads", name, f"its signature does not hold: {error}; {where} is unproved")
        return
    if (signed.size, signed.root) != (head.size, walk.frontier.root()):
        walk.fail("heads", name, f"its signed text says otherwise; {where} differs")
        return
    walk.good_size = head.size
    walk.heads += 1


def _between(start: int, stop: int) -> str:
    return f"entry {start}" if stop - start == 1 else f"one of the entries {start} to {stop - 1}"


def _check_beyond(session: Session, walk: _Walk) -> None:
    beyond = session.scalar(
        select(tables.entry.c.idx)
        .where((tables.entry.c.idx >= walk.frontier.size) | (tables.entry.c.idx < 0))
        .order_by(tables.entry.c.idx)
        .limit(1)
    )
    if beyond is not None:
        walk.fail("entries", f"entry {beyond}", "it stands under no signed head")


def _check_outside(walk: _Walk, roots: dict[int, set[bytes]]) -> None:
    largest = max(roots, default=0)
    if not walk.findings and largest > walk.frontier.size:
        detail = (
            f"the ledger ends at {walk.frontier.size} entries, but a checkpoint of {largest} "
            f"was given out: entry {walk.frontier.size} and what follows were cut off"
        )
        walk.fail("outside", f"checkpoint {largest}", detail)


def _check_side_tables(session: Session, walk: _Walk) -> None:
    """Find rows beside the entries that no entry accounts for."""
    if walk.findings:
        return
    size = walk.frontier.size
    extra = session.scalar(
        select(tables.entry_exhibit.c.idx).where(tables.entry_exhibit.c.idx >= size).limit(1)
    )
    if extra is not None:
        walk.fail("exhibit.seq", f"entry {extra}", "a sequence number without an entry")
    tile = session.execute(
        select(tables.tile.c.level, tables.tile.c.n)
        .where((tables.tile.c.level == 0) & (tables.tile.c.n >= size // TILE))
        .limit(1)
    ).one_or_none()
    if tile is not None:
        walk.fail("tiles", f"tile {tile.level}/{tile.n}", "a tile beyond the entries")


def _passes(walk: _Walk, outside: int) -> list[Finding]:
    size = walk.frontier.size
    findings = [
        Finding("entries", "all", "pass", f"{size} entries hash to the signed root"),
        Finding("heads", "all", "pass", f"{walk.heads} signed heads match"),
        Finding("tiles", "all", "pass", f"{walk.tiles} full tiles match"),
        Finding("exhibit.seq", "all", "pass", f"{len(walk.seqs)} histories without a gap"),
    ]
    if outside:
        detail = f"{outside} checkpoints kept outside the database match"
        findings.append(Finding("outside", "checkpoints", "pass", detail))
    return findings


def _openings(session: Session, wrapping_key: bytes | None) -> list[Finding]:
    """Check that every stored opening opens its commitment."""
    if wrapping_key is None:
        return [Finding("openings", "all", "not-done", "the wrapping key was not given")]
    keys: dict[str, bytes] = {}
    for row in session.execute(select(tables.opening_key)):
        try:
            keys[row.subject] = unwrap_key(wrapping_key, as_bytes(row.wrapped))
        except BadOpening as error:
            return [Finding("openings", f"key of {row.subject}", "fail", str(error))]
    opened = erased = 0
    body_index = -1
    commitments: dict[str, str] = {}
    query = (
        select(tables.opening, tables.entry.c.body)
        .outerjoin(tables.entry, tables.entry.c.idx == tables.opening.c.idx)
        .order_by(tables.opening.c.idx, tables.opening.c.field)
    )
    for row in _stream(session, query):
        if row.subject not in keys:
            erased += 1
            continue
        try:
            if row.idx != body_index:
                commitments = parse_body(as_bytes(row.body or b"")).get("_sd") or {}
                body_index = row.idx
            opening = unseal(
                as_bytes(row.sealed), keys[row.subject], index=row.idx, field=row.field
            )
            fits = opening.opens(commitments.get(row.field, ""))
        except CustodyError as error:
            return [Finding("openings", f"entry {row.idx}", "fail", f"{row.field}: {error}")]
        if not fits:
            detail = f"the opening of {row.field} does not open its commitment"
            return [Finding("openings", f"entry {row.idx}", "fail", detail)]
        opened += 1
    detail = f"{opened} openings open their commitments; {erased} were erased"
    return [Finding("openings", "all", "pass", detail)]
