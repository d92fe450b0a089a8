"""What a party of a proceeding had at any date, and what came since any of its batches.

Both follow from the rows: nothing of a batch is ever taken out again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from custody.entry import Act, timestamp
from repository import Repository
from repository.access import PARTIES, Right
from repository.access_log import csv_line
from repository.authorise import Caller, on_case, refuse, who
from repository.consult import consulted, known
from repository.errors import AccessDenied, BadRequest
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.numbered import Numbering, NumberRange, ranges_of
from repository.rules import Batch, Disclosed

COLUMNS = ("exhibit", "sha256", "batch", "form", "disclosed_at", "acknowledged_at", "entry",
           "first_number", "last_number")  # fmt: skip
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class State:
    """What a party had at a time, or what came since a batch; the digest is on record."""

    case: str
    party: str
    batches: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            "case": self.case,
            "party": self.party,
            "batches": self.batches,
            "count": len(self.rows),
            "digest": self.digest,
            "items": self.rows,
        }

    def as_csv(self) -> Iterator[str]:
        """Yield it as CSV, a head and then a line for each exhibit; no cell is a formula."""
        yield csv_line(COLUMNS)
        for row in self.rows:
            yield csv_line([row[name] for name in COLUMNS])


def disclosed_to(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    party: str | None = None,
    at: datetime | None = None,
    since: int | None = None,
) -> State:
    """Return what a party of a case had at a time, or what it got after a batch; recorded.

    Counsel and experts are told of their own party. An exhibit that the caller may not know of any
    more is not told.

    Raises:
        UnknownCase, AccessDenied: not for this caller, or of another party; recorded.
        BadRequest: no party, or no such batch.
    """
    actor, case = on_case(repo, caller, Right.DISCLOSED, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        if actor.role in PARTIES:
            held = [one for one in who(session, caller, case).held if one.role == actor.role]
            party = held[0].party if party is None else party
            own = party in {one.party for one in held}
        else:
            own = True
    if not own:
        error = AccessDenied("counsel and experts are told what was disclosed to their own party")
        refuse(repo, caller, Act.CONSULTATION, ["not-own"], error, case=case)
    if party is None:
        raise BadRequest("name the party")
    query = (
        select(Exhibit, Disclosed)
        .join(Disclosed, Disclosed.exhibit_id == Exhibit.id)
        .where(Disclosed.case_id == case.id, Disclosed.party == party)
        .order_by(Disclosed.index)
    )
    if at is not None:
        query = query.where(Disclosed.at <= at)
    batches = select(Batch).where(Batch.case_id == case.id, Batch.party == party)
    with repo.database.reading() as session:
        made = list(session.scalars(batches.order_by(Batch.number)))
        scheme = session.get(Numbering, case.id)
        if since is not None:
            before = [one for one in made if one.number == since]
            if not before:
                raise BadRequest(f"{shown(party)} has no batch {since} in {case.code}")
            query = query.where(Disclosed.index > before[0].index)
        rows: list[dict[str, Any]] = []
        for some in session.execute(query).partitions(_TOGETHER):
            seen = set()
            homes: dict[str, list[Exhibit]] = {}
            for exhibit, _ in some:
                homes.setdefault(exhibit.case_id, []).append(exhibit)
            for home, exhibits in homes.items():
                of_home = session.get_one(Case, home)
                seen |= {one.id for one in known(repo, session, caller, of_home, exhibits)}
            numbers = ranges_of(session, case.id, [one.id for one, _ in some])
            rows += [
                _row(one, row, at) | _cited(scheme, numbers.get(one.id), at)
                for one, row in some
                if one.id in seen
            ]
    told = [batch_json(one) for one in made if at is None or one.at <= at]
    reason = "disclosure-state" if since is None else "disclosure-difference"
    digest = consulted(repo, actor, rows, reason, case=case)
    return State(case.code, party, told, rows, digest)


def batch_json(one: Batch) -> dict[str, Any]:
    """Return a batch as programs are told it."""
    return {
        "batch": one.number,
        "party": one.party,
        "made_at": timestamp(one.at),
        "form": one.form,
        "count": one.count,
        "digest": one.digest,
        "entry": one.index,
    }


def _row(one: Exhibit, row: Disclosed, at: datetime | None) -> dict[str, Any]:
    known_then = row.acknowledged_at and (at is None or row.acknowledged_at <= at)
    return {
        "exhibit": one.number,
        "sha256": one.sha256,
        "batch": row.batch,
        "form": row.form,
        "disclosed_at": timestamp(row.at),
        "acknowledged_at": timestamp(row.acknowledged_at) if known_then else None,
        "entry": row.index,
    }


def _cited(
    scheme: Numbering | None, row: NumberRange | None, at: datetime | None
) -> dict[str, Any]:
    """Return the numbers of an exhibit in the proceeding, as they were at a time."""
    if scheme is None or row is None or (at is not None and row.at > at):
        return {"first_number": None, "last_number": None}
    return {"first_number": scheme.text(row.first), "last_number": scheme.text(row.last)}
