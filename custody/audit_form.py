"""The second part of the audit: what the bodies say, the side tables, and the openings."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from custody import tables
from custody.commitment import unseal, unwrap_key
from custody.entry import Act, parse_body
from custody.errors import BadOpening, CustodyError, MalformedEntry
from custody.findings import Finding, Progress, failed, passed, undone
from custody.keys import TrustedKey, vouched
from custody.tables import as_bytes, fetch

_BATCH = 1_000


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
    for low in range(start, size, _BATCH):
        rows = fetch(
            session,
            "SELECT e.idx, e.body, e.id, x.exhibit, x.seq, k.vkey, k.state, k.size FROM entry e "
            "LEFT JOIN entry_exhibit x ON x.idx = e.idx LEFT JOIN key_event k ON k.idx = e.idx "
            "WHERE e.idx >= ? AND e.idx < ? ORDER BY e.idx",
            (low, min(low + _BATCH, size)),
        )
        for row in rows:
            problem = _check(row, keys)
            if problem is not None:
                return problem
        progress(low + len(rows))
    return None


def _check(row: Row[Any], keys: Sequence[TrustedKey]) -> Finding | None:
    name = f"entry {row.idx}"
    try:
        fields = parse_body(as_bytes(row.body))
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


def _check_key(row: Row[Any], fields: dict[str, Any], keys: Sequence[TrustedKey]) -> Finding | None:
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
    body_index = -1
    commitments: dict[str, str] = {}
    keys: dict[str, bytes] = {}
    for row in _stream(session, _openings()):
        if row.wrapped is None:
            erased += 1
            continue
        try:
            if row.subject not in keys:
                if len(keys) > _KEYS:
                    keys.clear()  # bounded memory: unwrapping again is cheap
                keys[row.subject] = unwrap_key(wrapping_key, as_bytes(row.wrapped))
        except BadOpening as error:
            return [failed("openings", f"key of {row.subject}", str(error))]
        try:
            if row.idx != body_index:
                commitments = parse_body(as_bytes(row.body or b"")).get("_sd") or {}
                body_index = row.idx
            opening = unseal(
                as_bytes(row.sealed), keys[row.subject], index=row.idx, field=row.field
            )
            fits = opening.opens(commitments.get(row.field, ""))
        except CustodyError as error:
            return [failed("openings", f"entry {row.idx}", f"{row.field}: {error}")]
        if not fits:
            detail = f"the opening of {row.field} does not open its commitment"
            return [failed("openings", f"entry {row.idx}", detail)]
        opened += 1
    return [passed("openings", f"{opened} openings open their commitments; {erased} were erased")]


_KEYS = 100_000


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
