"""Find what a crash or a stranger left in the store, and put it on record; nothing is deleted.

The next run of a submission adopts what its interrupted run stored. What nobody comes back for,
and what no intent of ours names, becomes an entry with the place and digest of its bytes.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from sqlalchemy import select

from custody.entry import Act, Draft
from custody.findings import Finding
from repository import Repository
from repository.models import COMING, Intake, Stray, Submission, Upload
from repository.naming import recorded_name
from repository.people import SYSTEM
from repository.stores import CANARY, Stored

PATIENCE = timedelta(days=7)
BUCKET = "evidence"
_BATCH = 500


def unfinished(repo: Repository, *, older: timedelta = timedelta()) -> list[Intake]:
    """Return intents that never came to a registration, oldest first.

    Those of a submission whose files still come in, or wait to be finished, are not among them.
    """
    coming = select(Upload.submission_id).where(Upload.state.in_(COMING))
    awaited = select(Submission.id).where(
        Submission.list_index.is_not(None), Submission.completed_at.is_(None)
    )
    query = (
        select(Intake)
        .where(
            Intake.state == "open",
            Intake.started_at <= repo.clock() - older,
            Intake.submission_id.not_in(awaited),
            Intake.submission_id.not_in(coming.where(Upload.submission_id.is_not(None))),
        )
        .order_by(Intake.started_at)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def reconcile(repo: Repository, *, older: timedelta = PATIENCE) -> list[Finding]:
    """Abandon old intents, put strays on record, collect unfinished uploads.

    Raises:
        StoreUnavailable: the store does not answer; it is tried again later.
    """
    findings = [_abandon(repo, intent) for intent in unfinished(repo, older=older)]
    findings += strays(repo)
    collected = sum(store.abort_stale(older) for store in repo.stores.values())
    if collected:
        detail = (
            f"{collected} unfinished uploads of before were collected; nothing of them was whole"
        )
        findings.append(Finding("intake", "uploads", "pass", detail))
    return findings


def strays(repo: Repository) -> Iterator[Finding]:
    """Yield the objects that nothing of ours names, each put on record, and delete markers."""
    for key in repo.store.hidden(BUCKET):
        if not key.startswith(CANARY):
            yield Finding("store", key, "fail", "a delete marker hides it; its version still reads")
    listed = (one for one in repo.store.versions(BUCKET) if not one.key.startswith(CANARY))
    while batch := list(islice(listed, _BATCH)):
        bases = {one.key.partition(".")[0] for one in batch}
        with repo.database.reading() as session:
            known = set(session.scalars(select(Intake.key).where(Intake.key.in_(bases))))
            query = select(Stray.key, Stray.version).where(Stray.key.in_({o.key for o in batch}))
            noted = {(key, version) for key, version in session.execute(query)}
        for one in batch:
            if one.key.partition(".")[0] in known or (one.key, one.version) in noted:
                continue
            yield _stray(repo, one)


def _stray(repo: Repository, one: Stored) -> Finding:
    found = repo.store.find(BUCKET, one.key)
    draft = Draft(
        Act.UPLOAD_ABANDONED,
        SYSTEM,
        reason="unknown-object",
        plain={
            "location": one.location(),
            **({"outputs": [found.sha256]} if found is not None else {}),
        },
    )
    with repo.database.writing() as session:
        row = Stray(key=one.key, version=one.version, index=-1)
        session.add(row)
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
    return Finding("store", one.key, "fail", f"no intent of ours names it; entry {entry.index}")


def _abandon(repo: Repository, intent: Intake) -> Finding:
    abandon(repo, intent)
    detail = "an interrupted submission that nobody came back for; put on record as abandoned"
    return Finding("intake", intent.exhibit_id, "pass", detail)


def abandon(repo: Repository, intent: Intake) -> None:
    """Give up an intent that nobody came back for; an entry says where its bytes are, if any."""
    stored = repo.store.find(BUCKET, intent.key)
    location = {"store": repo.store.name, "bucket": BUCKET, "key": intent.key}
    draft = Draft(
        Act.UPLOAD_ABANDONED,
        SYSTEM,
        reason="nobody-came-back",
        plain={"location": location}
        if stored is None
        else {"location": stored.location(), "outputs": [stored.sha256]},
        withheld={"name": recorded_name(intent.path)},
        subject=intent.exhibit_id,
    )
    with repo.database.writing() as session:
        row = session.get_one(
            Intake, (intent.exhibit_id, intent.part), with_for_update={"key_share": True}
        )
        if row.state != "open":
            return  # somebody came back meanwhile
        row.state = "abandoned"
        session.flush()
        repo.ledger.append(session, [draft])
