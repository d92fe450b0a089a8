"""What has to be done again and again so that evidence stays: the chores of the house.

What waits in rows (copies to make, objects to read again, locks to renew) is found there; see
`ingest.duties`. Chores are what only the clock calls for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from custody.errors import CustodyError
from repository import Repository, holds, once, setbacks
from repository.copies import replicate_ledger
from repository.erasure import forget_keys
from repository.errors import RepositoryError
from repository.fixity import ahead, check_exhibits
from repository.flows import close_ended
from repository.publication import announce, unpublished
from repository.reconcile import reconcile
from repository.terms import renew_mirror
from repository.trial import ensure_fit, try_locks

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)

Say = Callable[[str], None]
"""Told what did not work and is tried again, or what was found and is on record."""


@dataclass(frozen=True, slots=True)
class Chore:
    """One recurring task: how often, what it does, and whether there is anything to do."""

    name: str
    every: timedelta
    do: Callable[[Repository, Say], object]
    wanted: Callable[[Repository], bool] = lambda _: True


def chores(repo: Repository) -> list[Chore]:
    """Return the chores of a repository, in the order of their haste."""
    often = timedelta(seconds=repo.settings.publish_seconds)
    found = [
        Chore("publish", often, _publish, unpublished),
        Chore("flows", MINUTE, lambda repo, _: close_ended(repo)),
        Chore("holds", MINUTE, _holds, lambda repo: bool(holds.unfollowed(repo))),
        Chore("trials", HOUR, _trials),
        Chore("fixity", HOUR, _fixity),
        Chore("reconcile", DAY, _reconcile),
        Chore("renew-mirror", WEEK, lambda repo, _: renew_mirror(repo)),
        Chore("request-keys", HOUR, lambda repo, _: once.forget_old(repo)),
        Chore("setbacks", DAY, lambda repo, _: setbacks.forget_old(repo)),
    ]
    if repo.replica is not None:
        found.append(Chore("replicate-ledger", HOUR, lambda repo, _: replicate_ledger(repo)))
    return found


def begin(repo: Repository, say: Say) -> None:
    """Try the locks of every store once, when a machine begins to work."""
    for place in repo.stores:
        try:
            row = try_locks(repo, place)
        except (CustodyError, RepositoryError) as error:
            say(f"not yet: {place}: {error}")
        else:
            if row.outcome != "pass":
                say(f"{place}: {row.detail}; nothing is taken in")


def _publish(repo: Repository, say: Say) -> None:
    told = announce(repo)
    for problem in told.problems if told is not None else ():
        say(f"not yet: {problem}")


def _holds(repo: Repository, say: Say) -> None:
    for exhibit, problem in holds.follow(repo, holds.unfollowed(repo)).items():
        say(f"not yet: the legal hold of {exhibit}: {problem}")


def _trials(repo: Repository, _: Say) -> None:
    for place in repo.stores:
        ensure_fit(repo, place)


def _fixity(repo: Repository, say: Say) -> None:
    for found in check_exhibits(repo, ahead(repo, HOUR)):
        if found.outcome != "pass":
            say(f"{found.subject}: {found.detail}")


def _reconcile(repo: Repository, say: Say) -> None:
    for store in repo.stores.values():
        forget_keys(repo, store)
    for found in reconcile(repo):
        say(f"{found.subject}: {found.detail}")
