"""What exhibits have in common: a token for each thing that one names, to find the others by.

The values are those of matching (`matching.values`), the tokens made under a key of the house's
own, and nothing of them leaves it. Hashes of pictures, and places with their times, stand sealed
beside their tokens: how far two are apart is part of the answer.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from repository import Repository
from repository.matching.key import Key
from repository.matching.tables import RelatedToken, RelatedValue
from repository.matching.values import VERIFIED, Value, alike, asked, kept
from repository.models import Exhibit
from repository.proceedings import Association

MOST = 5_000  # values of one exhibit
_CHUNK = 300  # tokens in one question: those of a picture's hash are 272
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """An exhibit that shares a value, whoever may know of it, and the value as it stands there."""

    exhibit: Exhibit
    there: Value | None  # of a picture or place


def keep(repo: Repository, session: Session, exhibit_id: str, values: Sequence[Value]) -> None:
    """Replace what an exhibit is found by, in the caller's transaction."""
    forget(session, exhibit_id)
    key, items, rows = _key(repo), [], []
    for value in values[:MOST]:
        item = int.from_bytes(repo.random(8)) >> 1
        sealed = key.seal(item, value, repo.random(12)) if value.kind in VERIFIED else None
        items.append({"id": item, "exhibit_id": exhibit_id, "sealed": sealed})
        tokens = {_short(one) for one in kept(key.tokens, value)}
        rows += [{"token": one, "value": item} for one in tokens]
    if items:
        session.execute(insert(RelatedValue), items)
        session.execute(insert(RelatedToken), rows)


def forget(session: Session, exhibit_id: str) -> None:
    """Destroy what an exhibit is found by, in the caller's transaction."""
    items = select(RelatedValue.id).where(RelatedValue.exhibit_id == exhibit_id)
    session.execute(delete(RelatedToken).where(RelatedToken.value.in_(items)))
    session.execute(delete(RelatedValue).where(RelatedValue.exhibit_id == exhibit_id))


def sharing(
    repo: Repository,
    session: Session,
    exhibit_id: str,
    value: Value,
    *,
    cases: Sequence[str] | None,
) -> Iterator[list[Candidate]]:
    """Yield the exhibits that share a value with one, the newest first, some at a time.

    Args:
        repo: the repository.
        session: reads the database.
        exhibit_id: the one.
        value: what it names.
        cases: only of these, or associated with them; None: of every case.
    """
    key = _key(repo)
    tokens = sorted({_short(one) for one in asked(key.tokens, value)})
    seen = {exhibit_id}
    for start in range(0, len(tokens), _CHUNK):
        query = (
            select(Exhibit, RelatedValue.id, RelatedValue.sealed)
            .join(RelatedValue, RelatedValue.exhibit_id == Exhibit.id)
            .join(RelatedToken, RelatedToken.value == RelatedValue.id)
            .where(RelatedToken.token.in_(tokens[start : start + _CHUNK]))
            .order_by(Exhibit.registration.desc())
        )
        if cases is not None:
            further = select(Association.exhibit_id).where(Association.case_id.in_(cases))
            query = query.where(or_(Exhibit.case_id.in_(cases), Exhibit.id.in_(further)))
        for some in session.execute(query).partitions(_TOGETHER):
            found = []
            for exhibit, item, sealed in some:
                there = None if sealed is None else key.unseal(item, bytes(sealed))
                if exhibit.id in seen or (there is not None and not alike(value, there)):
                    continue
                seen.add(exhibit.id)
                found.append(Candidate(exhibit, there))
            if found:
                yield found


def _key(repo: Repository) -> Key:
    return Key("related", hmac.digest(repo.wrapping_key, b"related exhibits", "sha256"))


def _short(token: bytes) -> int:
    return int.from_bytes(token[:8], signed=True)
