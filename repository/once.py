"""The same request sent twice has one effect: what a client's key for it stands for.

A key belongs to one person. With it the id is drawn of what the request makes, so that a request
whose answer was lost, or whose process died, finds what it made; no answer is kept. Two at once:
one is dealt with, the other is told to ask again. After `LIFE` a key is forgotten.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from custody.entry import uuid7
from repository import Repository
from repository.credentials import RequestKey
from repository.errors import IdempotencyKeyInUse, IdempotencyKeyReused

LIFE = timedelta(days=2)
LEASE = timedelta(seconds=30)  # after which a request that has not ended is taken for dead


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to deal with a request: the id of what it makes, and what was answered before."""

    person_id: str
    key_sha256: str
    made: str
    at: datetime  # when the key came first
    again: bool


def claim(repo: Repository, person_id: str, key: str, fingerprint: str) -> Claim:
    """Take a request with a key in hand; `settle` ends it.

    Raises:
        IdempotencyKeyReused: the key came before, with another request.
        IdempotencyKeyInUse: the same request is being dealt with.
    """
    at = repo.clock()
    dialect = postgresql if repo.database.dialect == "postgresql" else sqlite
    name = sha256(key.encode()).hexdigest()
    fresh = {
        "person_id": person_id, "key_sha256": name, "fingerprint": fingerprint,
        "made": uuid7(at, repo.random), "at": at, "busy_until": None,
    }  # fmt: skip
    insert = dialect.insert(RequestKey.__table__).values(fresh).on_conflict_do_nothing()
    with repo.database.writing() as session:
        old = (RequestKey.person_id == person_id, RequestKey.key_sha256 == name)
        session.execute(delete(RequestKey).where(*old, RequestKey.at < at - LIFE))
        session.connection().execute(insert)
        row = session.get_one(RequestKey, (person_id, name), with_for_update={"key_share": True})
        if row.fingerprint != fingerprint:
            raise IdempotencyKeyReused(
                "this Idempotency-Key came before with another request; draw a new one"
            )
        if row.busy_until is not None and row.busy_until > at:
            raise IdempotencyKeyInUse("the same request is being dealt with; ask again")
        row.busy_until = at + LEASE
        return Claim(person_id, name, row.made, row.at, again=row.made != fresh["made"])


def settle(repo: Repository, held: Claim) -> None:
    """End dealing with a request; what it made is found by the claim's id."""
    with repo.database.writing() as session:
        row = session.get(RequestKey, (held.person_id, held.key_sha256))
        if row is not None:
            row.busy_until = None


def forget_old(repo: Repository) -> int:
    """Forget the keys whose time is over; return how many."""
    with repo.database.writing() as session:
        found = session.execute(delete(RequestKey).where(RequestKey.at < repo.clock() - LIFE))
        return int(found.rowcount)  # type: ignore[attr-defined]  # of a DELETE it is there
