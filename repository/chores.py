"""When recurring tasks were last done: one clock for all machines, in the database."""

from datetime import datetime, timedelta

from repository import Repository
from repository.models import Chore

BACKUP = "backup"
DRILL = "restore-drill"


def last_done(repo: Repository, name: str) -> datetime | None:
    """Return when a task was last done, whichever machine did it."""
    with repo.database.reading() as session:
        row = session.get(Chore, name)
        return None if row is None else row.done_at


def is_due(last: datetime | None, at: datetime, every: timedelta) -> bool:
    """Say whether a task is to be done."""
    # A clock that was set back makes a task due, not undone for years.
    return last is None or not timedelta() <= at - last < every


def done(repo: Repository, name: str) -> None:
    """Note that a task is done now."""
    with repo.database.writing() as session:
        session.merge(Chore(name=name, done_at=repo.clock()))
