"""Sign-ins and registrations that a browser has begun: each is good once, for a few minutes."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete

from repository import Repository
from repository.credentials import Ceremony

MINUTES = 10


def begin(repo: Repository, kind: str, said: Mapping[str, Any]) -> str:
    """Keep what the end of a ceremony is compared with; return the secret for its cookie."""
    secret = secrets.token_urlsafe(32)
    at = repo.clock()
    row = Ceremony(
        secret_sha256=_digest(secret),
        kind=kind,
        said=dict(said),
        expires_at=at + timedelta(minutes=MINUTES),
    )
    with repo.database.writing() as session:
        session.execute(delete(Ceremony).where(Ceremony.expires_at <= at))
        session.add(row)
    return secret


def finish(repo: Repository, kind: str, secret: str | None) -> dict[str, Any] | None:
    """Return what was kept and forget it; None: nothing was begun so, or it was used or is over."""
    if not secret:
        return None
    at = repo.clock()
    with repo.database.writing() as session:
        row = session.get(Ceremony, _digest(secret), with_for_update={"key_share": True})
        if row is None:
            return None
        said, fits = dict(row.said), row.kind == kind and row.expires_at > at
        session.delete(row)
    return said if fits else None


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()
