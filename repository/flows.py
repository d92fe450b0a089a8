"""Flows: ranges of one exhibit, read by one person for one purpose within 15 minutes.

They share one opening entry, committed before the first byte, and one closing entry with the union
of what was sent. A range is noted before it is sent: what a dying process had begun is counted as
begun, never forgotten.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository
from repository.exhibits import about_part, ref
from repository.models import Exhibit, Flow, FlowRange

SHARED = timedelta(minutes=15)
SETTLED = timedelta(hours=1)  # after which a range that says nothing was left by a dead process
REASON = "ranges"  # of the entries of a flow
MOST = 1000  # ranges of one flow, so that its closing entry can list them


def join(
    repo: Repository,
    actor: Actor,
    exhibit: Exhibit,
    *,
    part: int | None,
    conditions: dict[str, Any],
    withheld: dict[str, Any],
    first: int,
    last: int,
) -> FlowRange:
    """Return the noted range in the flow it belongs to, whose opening entry is committed.

    `part` is None for an exhibit of one; `conditions` are those in force, for the entry.

    Raises:
        LedgerUnavailable: nothing could be recorded, so nothing may be given out.
    """
    at = repo.clock()
    said = dumps([asdict(actor), exhibit.id, part, conditions, withheld])
    fingerprint = sha256(said).hexdigest()
    query = (
        select(Flow)
        .where(
            Flow.fingerprint == fingerprint,
            Flow.closed_at.is_(None),
            Flow.opened_at > at - SHARED,
            Flow.opened_at <= at,
        )
        .order_by(Flow.opened_at.desc())
        .limit(1)
    )
    with repo.database.writing() as session:
        flow = session.scalar(query)
        if flow is None or _full(session, flow):
            flow = Flow(
                request_id=uuid7(at, repo.random),
                person_id=actor.id,
                exhibit_id=exhibit.id,
                fingerprint=fingerprint,
                part=part,
                actor=asdict(actor),
                withheld=withheld,
                opened_at=at,
                closed_at=None,
            )
            session.add(flow)
            session.flush()
            opening = Draft(
                Act.RETRIEVAL,
                actor,
                "started",
                reason=REASON,
                exhibit=ref(exhibit),
                request_id=flow.request_id,
                plain={**about_part(part), **conditions},
                withheld=withheld,
            )
            repo.ledger.append(session, [opening])
        noted = FlowRange(
            id=uuid7(at, repo.random),
            request_id=flow.request_id,
            first=first,
            last=last,
            sent=None,
            outcome=None,
        )
        session.add(noted)
        session.flush()
    return noted


def _full(session: Session, flow: Flow) -> bool:
    noted = select(func.count()).where(FlowRange.request_id == flow.request_id)
    return (session.scalar(noted) or 0) >= MOST


def leave(repo: Repository, noted: FlowRange, sent: int, outcome: str) -> None:
    """Note how much of a range was sent, and how it ended: `done` or the reason why not."""
    with repo.database.writing() as session:
        row = session.get_one(FlowRange, noted.id)
        row.sent, row.outcome = sent, outcome


def close_ended(repo: Repository) -> int:
    """Write the closing entries of flows whose time is over; return how many.

    A flow in which something is still being sent waits for it, but not for ever.
    """
    at = repo.clock()
    query = select(Flow).where(Flow.closed_at.is_(None), Flow.opened_at <= at - SHARED)
    closed = 0
    with repo.database.reading() as session:
        waiting = [flow.request_id for flow in session.scalars(query.limit(100))]
    for request_id in waiting:
        with repo.database.writing() as session:
            flow = session.get_one(Flow, request_id, with_for_update={"key_share": True})
            if flow.closed_at is None and _close(repo, session, flow):
                closed += 1
    return closed


def _close(repo: Repository, session: Session, flow: Flow) -> bool:
    rows = list(session.scalars(select(FlowRange).where(FlowRange.request_id == flow.request_id)))
    at = repo.clock()
    busy = [row for row in rows if row.outcome is None]
    if busy and at - flow.opened_at < SETTLED:
        return False
    reasons = {row.outcome or "process-ended" for row in rows} - {"done"}
    ranges = union(
        (row.first, row.last if row.sent is None else row.first + row.sent - 1) for row in rows
    )
    draft = Draft(
        Act.RETRIEVAL,
        Actor(**flow.actor),
        "aborted" if reasons else "done",
        reason=min(reasons, default=REASON),
        exhibit=ref(session.get_one(Exhibit, flow.exhibit_id)),
        request_id=flow.request_id,
        plain={"ranges": ranges, "count": len(rows), **about_part(flow.part)},
        withheld=flow.withheld,
    )
    flow.closed_at = at
    flow.withheld = {}
    session.flush()
    repo.ledger.append(session, [draft])
    return True


def union(ranges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return inclusive ranges joined and sorted; empty ones (last before first) are left out."""
    found: list[list[int]] = []
    for first, last in sorted(one for one in ranges if one[1] >= one[0]):
        if found and first <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], last)
        else:
            found.append([first, last])
    return found
