"""Look at one exhibit in the sandbox, keep the record of the run, and append what came of it."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Draft
from ingest.extraction import Extraction
from ingest.sandbox import Sandbox
from repository import Repository
from repository.errors import IntegrityError
from repository.exhibits import ref
from repository.models import Exhibit, ExtractionRun
from repository.people import SYSTEM
from repository.retrieve import Recorded, integrity_failure, recorded_parts, working_copy
from repository.stores import Stored

BUCKET = "derived"
HEAD = 64 << 20  # what is looked at of a file beyond the limit

# An extraction's own word, and the outcome of its entry (01-domain, section 1).
OUTCOMES = {
    "ok": "done",
    "partial": "done",
    "timeout": "error",
    "crash": "error",
    "refused": "not-done",
    "unsupported": "not-done",
}


def extract(repo: Repository, sandbox: Sandbox, exhibit: Exhibit) -> ExtractionRun | None:
    """Identify and read one exhibit; return the run, or None if its bytes failed their check.

    The evidence is read through the verified reader; a damaged exhibit is never looked at and
    leaves an `integrity_failure`.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; it will be tried again.
    """
    try:
        recorded = recorded_parts(repo, exhibit)[0]
        record = _run(repo, sandbox, exhibit, recorded)
    except IntegrityError as error:
        with repo.database.writing() as session:
            session.get_one(Exhibit, exhibit.id).processed_at = repo.clock()
            session.flush()
            repo.ledger.append(session, [integrity_failure(exhibit, SYSTEM, None, str(error))])
        return None
    document = dumps(record.to_json())
    name = repo.random(32).hex()
    stored = repo.store.put(
        [document], bucket=BUCKET, key=f"o/{name[:2]}/{name}", size=len(document)
    )
    with repo.database.writing() as session:
        return _keep(repo, session, exhibit, record, stored)


def _run(repo: Repository, sandbox: Sandbox, exhibit: Exhibit, recorded: Recorded) -> Extraction:
    limit = repo.settings.extraction_max_bytes
    whole = recorded.size <= limit
    with working_copy(repo, exhibit, recorded, limit=recorded.size if whole else HEAD) as copy:
        return sandbox.extract(
            copy,
            name_hint=exhibit.path.decode("utf-8", "backslashreplace"),
            identify_only=not whole,
        )


def _keep(
    repo: Repository,
    session: Session,
    exhibit: Exhibit,
    record: Extraction,
    stored: Stored,
) -> ExtractionRun:
    last = session.scalar(
        select(func.max(ExtractionRun.run)).where(ExtractionRun.exhibit_id == exhibit.id)
    )
    run = ExtractionRun(
        exhibit_id=exhibit.id,
        run=(last or 0) + 1,
        outcome=record.outcome,
        mime=record.format.mime if record.format else None,
        mismatch=bool(record.format and record.format.mismatch),
        facts=len(record.facts),
        record=stored.to_json(),
        record_sha256=stored.sha256,
        index=-1,  # set when the entry has its index
        at=repo.clock(),
    )
    session.add(run)
    session.get_one(Exhibit, exhibit.id).processed_at = run.at
    session.flush()
    run.index = repo.ledger.append(session, _entries(exhibit, record, stored))[-1].index
    session.flush()
    return run


def _entries(exhibit: Exhibit, record: Extraction, stored: Stored) -> list[Draft]:
    about = ref(exhibit)
    found: dict[str, Any] | None = record.format.to_json() if record.format else None
    identified = Draft(
        Act.FORMAT_IDENTIFICATION,
        SYSTEM,
        "done" if found else "not-done",
        reason=None if found else record.outcome,
        exhibit=about,
        plain={"instrument": record.instrument()},
        withheld={"detail": found} if found else {},
    )
    extracted = Draft(
        Act.METADATA_EXTRACTION,
        SYSTEM,
        OUTCOMES[record.outcome],
        reason=record.outcome,
        exhibit=about,
        plain={
            "instrument": record.instrument(),
            "inputs": [exhibit.sha256],
            "outputs": [stored.sha256],
        },
    )
    return [identified, extracted]
