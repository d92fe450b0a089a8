"""The second part of the audit: what the bodies say, the side tables, and the openings."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from custody import tables
from custody.commitment import unseal, unwrap_key
from custody.entry import Act, parse_body
from custody.errors import BadOpening, CustodyError, MalformedEntry
from custody.findings import Finding, Progress, failed, passed, undone
from custody.keys import TrustedKey, vouched
from custody.side_by_side import side_by_side
from custody.tables import as_bytes, fetch

_BATCH = 1_000


class Stored(NamedTuple):
    """An entry as it is stored, with what the tables beside it say."""

    idx: int
    body: bytes
    id: str
    exhibit: str | None
    seq: int | None
    vkey: str | None
    state: str | None
    size: int | None


def audit_form(
    session: Session, size: int, keys: Sequence[TrustedKey], progress: Progress
) -> list[Finding]:
    """Check that every body is canonical and agrees with the tables beside it.

    Args:
        session: a reading session.
        size: how many entries there are; their hashes are checked already.
        keys: the log's keys, for entries about keys.
        progress: told the number of entries done.
    """
    problem = malformed(session, 0, size, keys, progress) or _gaps(session) or _extra(session, size)
    if problem is not None:
        return [problem]
    return [
        passed("canonical", f"{size} bodies are canonical"),
        passed("exhibit.seq", "histories without a gap"),
    ]


def malformed(
    session: Session, start: int, size: int, keys: Sequence[TrustedKey], progress: Progress
) -> Finding | None:
    """Return the first entry of a range that is not canonical or not what its tables say."""
    check = partial(_first_malformed, keys=tuple(keys))
    done = start
    for count, problem in side_by_side(check, _bodies(session, start, size)):
        if problem is not None:
            return problem
        done += count
        progress(done)
    return None


def _bodies(session: Session, start: int, size: int) -> Iterator[list[Stored]]:
    for low in range(start, size, _BATCH):
        rows = fetch(
            session,
            "SELECT e.idx, e.body, e.id, x.exhibit, x.seq, k.vkey, k.state, k.size FROM entry e "
            "LEFT JOIN entry_exhibit x ON x.idx = e.idx LEFT JOIN key_event k ON k.idx = e.idx "
            "WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx",
            (low, min(low + _BATCH, size)),
        )
        yield [Stored._make((row.idx, as_bytes(row.body), *row[2:])) for row in rows]


def _first_malformed(
    rows: Sequence[Stored], keys: Sequence[TrustedKey]
) -> tuple[int, Finding | None]:
    problems = (_check(row, keys) for row in rows)
    return len(rows), next((one for one in problems if one is not None), None)


def _check(row: Stored, keys: Sequence[TrustedKey]) -> Finding | None:
    name = f"entry {row.idx}"
    try:
        fields = parse_body(row.body)
    except MalformedEntry as error:
        return failed("canonical", name, str(error))
    about = fields.get("exhibit") or {}
    if fields.get("id") != row.id:
        return failed("entries", name, "its id column differs from its body")
    if (about.get("id"), about.get("seq")) != (row.exhibit, row.seq):
        return failed("exhibit.seq", name, "its exhibit or sequence number differs from its body")
    if fields.get("type") == Act.KEY_ROTATION or row.vkey is not None:
        return _check_key(row, fields, keys)
    return None


def _check_key(row: Stored, fields: dict[str, Any], keys: Sequence[TrustedKey]) -> Finding | None:
    name = f"entry {row.idx}"
    # The key before vouches for that of a successor, whose own head already covers the entry.
    size = row.idx if "succession" in fields else row.idx + 1
    signing = [one.key for one in keys if one.signs(size)]
    try:
        key = vouched(fields, signing)
    except MalformedEntry as error:
        return failed("keys", name, str(error))
    said = (str(key), fields["key"]["state"], fields["key"]["size"])
    if said != (row.vkey, row.state, row.size):
        return failed("keys", name, "the table of keys differs from this entry")
    return None


def _gaps(session: Session) -> Finding | None:
    rows = fetch(
        session,
        "SELECT idx, seq, expected FROM (SELECT idx, seq, row_number() OVER "
        "(PARTITION BY exhibit ORDER BY idx) AS expected FROM entry_exhibit) AS numbered "
        "WHERE seq <> expected ORDER BY idx LIMIT 1",
    )
    if not rows:
        return None
    row = rows[0]
    return failed("exhibit.seq", f"entry {row.idx}", f"number {row.seq}, not {row.expected}")


def _extra(session: Session, size: int) -> Finding | None:
    for table, check in (("entry_exhibit", "exhibit.seq"), ("key_event", "keys")):
        rows = fetch(session, f"SELECT idx FROM {table} WHERE idx >= ? LIMIT 1", (size,))  # noqa: S608 - our own names
        if rows:
            return failed(check, f"entry {rows[0].idx}", f"a row of {table} without an entry")
    return None


def audit_openings(session: Session, wrapping_key: bytes | None) -> list[Finding]:
    """Check that every stored opening opens its commitment."""
    if wrapping_key is None:
        return [undone("openings", "the wrapping key was not given")]
    opened = erased = 0
    check = partial(_open, wrapping_key=wrapping_key)
    for fit, gone, problem in side_by_side(check, _sealed(session)):
        if problem is not None:
            return [problem]
        opened, erased = opened + fit, erased + gone
    return [passed("openings", f"{opened} openings open their commitments; {erased} were erased")]


class Sealed(NamedTuple):
    """An opening as it is stored, and the key of its subject; None: that was destroyed."""

    field: str
    subject: str
    sealed: bytes
    wrapped: bytes | None


Openings = list[tuple[int, bytes, list[Sealed]]]
"""Of some entries: their indexes, bodies, and openings."""


def _sealed(session: Session) -> Iterator[Openings]:
    piece: Openings = []
    count = 0
    for row in _stream(session, _openings()):
        if not piece or piece[-1][0] != row.idx:
            if count >= _BATCH:
                yield piece
                piece, count = [], 0
            piece.append((row.idx, as_bytes(row.body or b""), []))
        wrapped = None if row.wrapped is None else as_bytes(row.wrapped)
        piece[-1][2].append(Sealed(row.field, row.subject, as_bytes(row.sealed), wrapped))
        count += 1
    if piece:
        yield piece


def _open(some: Openings, wrapping_key: bytes) -> tuple[int, int, Finding | None]:
    """Return how many openings fit, how many have lost their key, and the first that does not."""
    opened = erased = 0
    keys: dict[bytes, bytes] = {}
    for index, body, openings in some:
        commitments: dict[str, str] | None = None
        for field, subject, sealed, wrapped in openings:
            if wrapped is None:
                erased += 1
                continue
            try:
                if wrapped not in keys:
                    keys[wrapped] = unwrap_key(wrapping_key, wrapped)
            except BadOpening as error:
                return opened, erased, failed("openings", f"key of {subject}", str(error))
            name = f"entry {index}"
            try:
                if commitments is None:
                    commitments = parse_body(body).get("_sd") or {}
                opening = unseal(sealed, keys[wrapped], index=index, field=field)
                fits = opening.opens(commitments.get(field, ""))
            except CustodyError as error:
                return opened, erased, failed("openings", name, f"{field}: {error}")
            if not fits:
                detail = f"the opening of {field} does not open its commitment"
                return opened, erased, failed("openings", name, detail)
            opened += 1
    return opened, erased, None


def _openings() -> Select[Any]:
    return (
        select(tables.opening, tables.entry.c.body, tables.opening_key.c.wrapped)
        .outerjoin(tables.entry, tables.entry.c.idx == tables.opening.c.idx)
        .outerjoin(tables.opening_key, tables.opening_key.c.subject == tables.opening.c.subject)
        .order_by(tables.opening.c.idx, tables.opening.c.field)
    )


def _stream(session: Session, query: Select[Any]) -> Any:
    result = session.execute(query.execution_options(yield_per=_BATCH))
    try:
        yield from result
    finally:
        result.close()  # a cursor on the server, when the reader stops early
