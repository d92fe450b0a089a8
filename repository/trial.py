"""The canary: try to break the stores' own locks, and take nothing in where that succeeds."""

from datetime import timedelta

from custody.entry import Act, Draft
from repository import Repository
from repository.errors import StoreUnfit
from repository.models import StoreTrial
from repository.people import SYSTEM
from repository.stores import ObjectStore

EVERY = timedelta(days=1)


def ensure_fit(repo: Repository, place: str = "primary") -> StoreTrial:
    """Return the last trial of a store, tried now if that was more than a day ago.

    Raises:
        StoreUnfit: its locks did not hold: nothing may be taken in.
        StoreUnavailable: it does not answer.
    """
    with repo.database.reading() as session:
        row = session.get(StoreTrial, place)
    if row is None or not timedelta() <= repo.clock() - row.at < EVERY:
        row = try_locks(repo, place)
    if row.outcome != "pass":
        raise StoreUnfit(
            f"{row.detail}; nothing is taken in until `evidence store check` passes again"
        )
    return row


def try_locks(repo: Repository, place: str) -> StoreTrial:
    """Try to break a store's locks, record what came of it, and return that.

    Raises:
        StoreUnavailable: it does not answer: nothing was found out.
    """
    store: ObjectStore = repo.stores[place]
    try:
        found = store.probe()
        outcome, strength, detail = (
            "pass",
            found.lock_strength,
            f"locks hold: {found.lock_strength}",
        )
    except StoreUnfit as error:
        outcome, strength, detail = "fail", "none", str(error)
    made = StoreTrial(
        place=place, at=repo.clock(), outcome=outcome, strength=strength, detail=detail
    )
    draft = Draft(
        Act.STORE_CHECK,
        SYSTEM,
        outcome,
        reason="lock-trial",
        plain={"location": {"store": store.name, "place": place}},
        withheld={"detail": detail},
    )
    with repo.database.writing() as session:
        session.merge(made)
        session.flush()
        repo.ledger.append(session, [draft])
    return made
