"""What has to be done again and again so that evidence stays: one turn of it, for the worker."""

from collections.abc import Callable
from datetime import timedelta

from custody.errors import CustodyError
from repository import Repository
from repository.chores import due
from repository.copies import replicate, replicate_ledger
from repository.erasure import finish_all
from repository.errors import RepositoryError
from repository.fixity import check_oldest
from repository.flows import close_ended
from repository.reconcile import reconcile
from repository.terms import renew, renew_mirror
from repository.trial import ensure_fit, try_locks

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


def turn(repo: Repository, problem: Callable[[str], None]) -> int:
    """Do a little of everything that is due; return how much was done.

    Args:
        repo: the repository.
        problem: told what did not work and is tried again later.
    """
    done = 0
    chores: list[Callable[[], int]] = [
        lambda: close_ended(repo),
        lambda: finish_all(repo),
        lambda: _trials(repo),
        lambda: renew(repo),
        lambda: replicate(repo, most=20),
        lambda: _oldest(repo, problem),
    ]
    if due(repo, "reconcile", DAY):
        chores.append(lambda: _reconciled(repo, problem))
    if repo.replica is not None and due(repo, "replicate-ledger", HOUR):
        chores.append(lambda: replicate_ledger(repo))
    if due(repo, "renew-mirror", WEEK):
        chores.append(lambda: renew_mirror(repo))
    for chore in chores:
        try:
            done += chore()
        except (CustodyError, RepositoryError) as error:
            problem(str(error))
    return done


def begin(repo: Repository, problem: Callable[[str], None]) -> None:
    """Try the locks of every store once, when a machine begins to work."""
    for place in repo.stores:
        try:
            row = try_locks(repo, place)
        except (CustodyError, RepositoryError) as error:
            problem(f"{place}: {error}")
        else:
            if row.outcome != "pass":
                problem(f"{place}: {row.detail}; nothing is taken in")


def _trials(repo: Repository) -> int:
    for place in repo.stores:
        ensure_fit(repo, place)
    return 0


def _oldest(repo: Repository, problem: Callable[[str], None]) -> int:
    findings = check_oldest(repo)
    for found in findings:
        if found.outcome != "pass":
            problem(f"{found.subject}: {found.detail}")
    return len(findings)


def _reconciled(repo: Repository, problem: Callable[[str], None]) -> int:
    findings = reconcile(repo)
    for found in findings:
        problem(f"{found.subject}: {found.detail}")
    return len(findings)
