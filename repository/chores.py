"""When recurring tasks are due: one clock for all machines, in the database."""

from datetime import timedelta

from repository import Repository
from repository.models import Chore


def due(repo: Repository, name: str, every: timedelta) -> bool:
    """Say whether a task was not done for so long, and take it: nobody else is told so."""
    at = repo.clock()
    with repo.database.writing() as session:
        row = session.get(Chore, name, with_for_update=True)
        if row is None:
            session.add(Chore(name=name, done_at=at))
            return True
        # A clock that was set back makes a task due, not undone for years.
        if timedelta() <= at - row.done_at < every:
            return False
        row.done_at = at
        return True
