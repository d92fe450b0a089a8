"""Keep the ledger provable for decades: make evidence records over it, renew and check them.

A record covers, each for itself, what stands between two sizes: the checkpoints' notes, their
cosignature lines and time-stamps, and the entries in bundles. It holds the bodies by its own hash,
so it still does when SHA-256 has fallen; the exhibits follow by the SHA-512 in their registration.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from custody import tables
from custody.algorithms import Algorithms
from custody.database import Database
from custody.errors import CustodyError
from custody.evidence_record import parse
from custody.findings import Finding, failed, passed, undone
from custody.heads import head_of
from custody.renewal import CheckToken, Stamp, initial, renew_hash_tree, renew_timestamp, verify
from custody.static_log import bodies, bundle
from custody.tables import as_bytes, fetch, insert_rows
from custody.tiles import TILE


@dataclass(frozen=True, slots=True)
class Record:
    """The newest record over the sizes lo < size <= hi."""

    lo: int
    hi: int
    der: bytes


def records(session: Session) -> list[Record]:
    """Return for every range its newest record: the one with the most time-stamps."""
    rows = fetch(session, "SELECT lo, hi, der FROM evidence_record ORDER BY lo, hi")
    newest: dict[tuple[int, int], bytes] = {}
    for row in rows:
        der = as_bytes(row.der)
        held = newest.get((row.lo, row.hi))
        if held is None or _stamps(der) > _stamps(held):
            newest[row.lo, row.hi] = der
    return [Record(lo, hi, der) for (lo, hi), der in newest.items()]


def make(database: Database, *, algorithm: str, stamp: Stamp) -> Record | None:
    """Make and keep the record over what was published since the last one; None if nothing was.

    Args:
        database: the ledger's.
        algorithm: name of the hash.
        stamp: gives a time-stamp token.
    """
    with database.reading() as session:
        lo = max((one.hi for one in records(session)), default=0)
        hi = fetch(session, "SELECT max(size) AS size FROM published")[0].size or 0
        if hi <= lo:
            return None
        group = list(data(session, lo, hi))
    [der] = initial([group], algorithm=algorithm, stamp=stamp)
    return _keep(database, Record(lo, hi, der))


def renew(database: Database, *, stamp: Stamp, algorithm: str | None = None) -> list[Record]:
    """Renew every record and keep the new ones beside the old.

    Args:
        database: the ledger's.
        stamp: gives a time-stamp token.
        algorithm: another hash: every entry is read again; None: only the tokens are dated again.

    Raises:
        BadEvidenceRecord: the ledger is not what a record covers; nothing was renewed.
    """
    with database.reading() as session:
        held = records(session)
        if algorithm is None:
            made = [renew_timestamp(one.der, stamp=stamp) for one in held]
        else:
            groups = [_covered(session, one) for one in held]
            ders = [one.der for one in held]
            made = renew_hash_tree(ders, groups, algorithm=algorithm, stamp=stamp) if held else []
    return [
        _keep(database, Record(one.lo, one.hi, der)) for one, der in zip(held, made, strict=True)
    ]


def check(
    session: Session,
    *,
    now: datetime,
    check_token: CheckToken | None,
    algorithms: Algorithms | None = None,
) -> list[Finding]:
    """Check every record against the ledger as it is now."""
    found: list[Finding] = []
    for one in records(session):
        name = f"{one.lo} to {one.hi}"
        group = list(data(session, one.lo, one.hi))
        try:
            checked = verify(
                one.der, group, now=now, check_token=check_token, algorithms=algorithms
            )
        except CustodyError as error:
            found.append(failed("evidence-records", name, str(error)))
            continue
        # Lines and tokens that came after the record stand beside it; bodies and notes must not.
        missing = checked.given - checked.covered - _later(session, one, checked.last)
        detail = f"{checked.covered} of {checked.given} covered since {checked.first:%Y-%m-%d}"
        if missing > 0:
            found.append(failed("evidence-records", name, f"{detail}: {missing} were changed"))
        elif not checked.signatures:
            found.append(undone("evidence-records", f"{detail}; tokens were not checked", name))
        else:
            found.append(passed("evidence-records", detail, name))
    return found


def data(session: Session, lo: int, hi: int) -> Iterator[bytes]:
    """Yield what a record over a range covers (docs/format.md 9)."""
    yield from _notes(session, lo, hi)
    yield from _bundles(session, lo, hi)
    yield from _beside(session, lo, hi)


def _covered(session: Session, record: Record) -> list[bytes]:
    """Return the data of a record that it covers: what came later is not its matter."""
    fixed = [*_notes(session, record.lo, record.hi), *_bundles(session, record.lo, record.hi)]
    parsed = parse(record.der)
    later = [
        one
        for one in _beside(session, record.lo, record.hi)
        if _holds(record.der, one, parsed.chains[-1][-1].time)
    ]
    return fixed + later


def _holds(der: bytes, one: bytes, now: datetime) -> bool:
    try:
        return verify(der, [one], now=now, check_token=None).covered == 1
    except CustodyError:
        return False


def _later(session: Session, record: Record, last: datetime) -> int:
    return sum(not _holds(record.der, one, last) for one in _beside(session, record.lo, record.hi))


def _notes(session: Session, lo: int, hi: int) -> Iterator[bytes]:
    rows = fetch(
        session, "SELECT size FROM published WHERE size > ? AND size <= ? ORDER BY size", (lo, hi)
    )
    for row in rows:
        yield (head_of(session, row.size).note or "").encode()


def _bundles(session: Session, lo: int, hi: int) -> Iterator[bytes]:
    start = lo
    while start < hi:
        stop = min(hi, (start // TILE + 1) * TILE)
        yield bundle(bodies(session, start, stop))
        start = stop


def _beside(session: Session, lo: int, hi: int) -> Iterator[bytes]:
    lines = "SELECT line AS found FROM cosignature WHERE size > ? AND size <= ? "
    lines += "ORDER BY size, key_name"
    tokens = "SELECT der AS found FROM timestamp_token WHERE size > ? AND size <= ? "
    tokens += "ORDER BY size, tsa"
    for query in (lines, tokens):
        for row in fetch(session, query, (lo, hi)):
            yield as_bytes(row.found)


def _keep(database: Database, record: Record) -> Record:
    with database.writing() as session:
        insert_rows(session, tables.evidence_record, [(record.lo, record.hi, record.der)])
    return record


def _stamps(der: bytes) -> int:
    return sum(len(chain) for chain in parse(der).chains)
