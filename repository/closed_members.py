"""Members of a container that may be privileged: whoever names one is refused."""

from collections.abc import Sequence

from custody.entry import Act
from repository import Repository, facts
from repository.authorise import Caller, refuse
from repository.errors import AccessDenied
from repository.models import Case, Exhibit
from repository.naming import shown


def check_open(
    repo: Repository,
    caller: Caller,
    case: Case,
    exhibit: Exhibit,
    members: Sequence[str],
    attempted: Act,
) -> None:
    """Refuse members of a container that are closed, hold what is closed, or are in it.

    Raises:
        AccessDenied: one of them is; recorded.
    """
    with repo.database.reading() as session:
        lines = facts.lines(session, [exhibit.id])
        closed = facts.closed_in(session, lines).get(exhibit.id, set())
    for one in members:
        if any(facts.within(one, shut) or facts.within(shut, one) for shut in closed):
            error = AccessDenied(f"{shown(one)} may be privileged; a reviewer decides about it")
            refuse(repo, caller, attempted, ["privileged"], error, case=case, exhibit=exhibit)
