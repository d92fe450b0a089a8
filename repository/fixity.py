"""Read stored objects again, compare with what the ledger recorded, say what was found."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from custody.entry import Act, Actor, Draft
from custody.errors import EvidenceError, LedgerDamaged
from custody.findings import Finding
from repository import Repository
from repository.errors import IntegrityError, NoSuchObject, StoreError
from repository.exhibits import find_exhibit, ref
from repository.models import Exhibit
from repository.naming import shown
from repository.retrieve import Recorded, integrity_failure, recorded_parts, verified_bytes


def check_objects(
    repo: Repository, actor: Actor, *, numbers: Sequence[str] = ()
) -> Iterator[Finding]:
    """Re-read exhibits (all, if none is named) and yield one finding each; findings are entries.

    A damaged or missing object is a `fail`; a store that does not answer is `not-done`.
    """
    for number in _numbers(repo, numbers):
        with repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
        if exhibit is None:
            yield Finding("object", shown(number), "fail", "there is no such exhibit")
        else:
            yield _check(repo, actor, exhibit)


def count(repo: Repository, numbers: Sequence[str] = ()) -> int:
    """Return how many exhibits `check_objects` would read."""
    return len(_numbers(repo, numbers))


def _numbers(repo: Repository, numbers: Sequence[str]) -> Sequence[str]:
    if numbers:
        return numbers
    with repo.database.reading() as session:
        return list(session.scalars(select(Exhibit.number).order_by(Exhibit.number)))


def _check(repo: Repository, actor: Actor, exhibit: Exhibit) -> Finding:
    try:
        parts = recorded_parts(repo, exhibit)
        for part in parts:
            _read(repo, exhibit, part)
    except (IntegrityError, NoSuchObject, LedgerDamaged) as error:
        return _found(repo, actor, exhibit, "fail", str(error))
    except StoreError as error:
        return _found(repo, actor, exhibit, "not-done", str(error))
    detail = f"{sum(part.size for part in parts)} bytes match the registration"
    return _found(repo, actor, exhibit, "pass", detail)


def _read(repo: Repository, exhibit: Exhibit, part: Recorded) -> None:
    repo.store.stat(part.stored)
    for _ in verified_bytes(repo, exhibit, part, 0, part.size - 1):
        continue


def _found(repo: Repository, actor: Actor, exhibit: Exhibit, outcome: str, detail: str) -> Finding:
    """Record a finding; if the ledger cannot take it, the finding says so and is no pass."""
    about = ref(exhibit)
    observed = [exhibit.sha256] if outcome == "pass" else []
    draft = Draft(
        Act.FIXITY_CHECK,
        actor,
        outcome,
        exhibit=about,
        plain={"verification": {"expected": [exhibit.sha256], "observed": observed}},
        withheld={"detail": detail},
    )
    drafts = [draft]
    if outcome == "fail":
        drafts.append(integrity_failure(exhibit, actor, None, detail))
    try:
        repo.ledger.record(*drafts)
    except EvidenceError as error:
        said = f"{detail}; this check could not be recorded: {error}"
        return Finding("object", exhibit.number, "fail" if outcome == "fail" else "not-done", said)
    return Finding("object", exhibit.number, outcome, detail)
