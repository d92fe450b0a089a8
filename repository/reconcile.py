"""Find what a crash left half done: objects that were stored under an intent, never registered.

Nothing is deleted. The next run of the same submission adopts them; what nobody comes back for
is put on record as abandoned, with the place of its bytes.
"""

from datetime import timedelta

from sqlalchemy import select

from repository import Repository
from repository.models import Intake

PATIENCE = timedelta(days=7)


def unfinished(repo: Repository, *, older: timedelta = timedelta()) -> list[Intake]:
    """Return intents that never came to a registration, oldest first."""
    query = (
        select(Intake)
        .where(Intake.state == "open", Intake.started_at <= repo.clock() - older)
        .order_by(Intake.started_at)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))
