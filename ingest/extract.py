"""Look at exhibits in the sandbox, keep the record of each run, append what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Draft
from custody.errors import LedgerDamaged
from ingest.extraction import Extraction
from ingest.sandbox import Sandbox
from ingest.working_copy import working_copy
from repository import Repository
from repository.errors import IntegrityError
from repository.exhibits import ref
from repository.models import Exhibit, ExtractionRun
from repository.people import SYSTEM
from repository.retrieve import (
    Recorded,
    integrity_failure,
    part_key,
    recorded,
)
from repository.sealed import put_document
from repository.stores import Stored

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


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look came to: a record and where it is kept, or why the bytes were not read."""

    exhibit: Exhibit
    record: Extraction | None
    stored: Stored | None
    digest: str = ""  # of the record
    source: str = ""  # digest of what was looked at: the first part
    damage: str | None = None


def extract(
    repo: Repository, sandbox: Sandbox, exhibits: Sequence[Exhibit]
) -> list[ExtractionRun | None]:
    """Identify and read exhibits; return their runs; None where the bytes failed their check
    or another worker was quicker.

    The evidence is read through the verified reader; a damaged exhibit is never looked at and
    leaves an `integrity_failure`. All outcomes commit in one transaction.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; it will be tried again.
    """
    parts = _recorded(repo, exhibits)
    looked = [_look(repo, sandbox, one, parts[one.id]) for one in exhibits]
    with repo.database.writing() as session:
        waiting = _waiting(session, exhibits)
        looked = [one for one in looked if one.exhibit.id in waiting]
        runs = [_keep(repo, session, one, waiting[one.exhibit.id]) for one in looked]
        session.flush()
        drafts = [draft for one in looked for draft in _entries(one)]
        entries = {e.fields["exhibit"]["id"]: e for e in repo.ledger.append(session, drafts)}
        for run in runs:
            if run is not None:
                run.index = entries[run.exhibit_id].index  # the last of its two
        session.flush()
    done = {run.exhibit_id: run for run in runs if run is not None}
    return [done.get(exhibit.id) for exhibit in exhibits]


def _recorded(repo: Repository, exhibits: Sequence[Exhibit]) -> dict[str, Recorded | str]:
    """Return the first part of each exhibit as recorded, or why its record does not hold."""
    try:
        return {name: parts[0] for name, parts in recorded(repo, exhibits).items()}
    except LedgerDamaged as error:
        if len(exhibits) == 1:
            return {exhibits[0].id: str(error)}
    found: dict[str, Recorded | str] = {}
    for exhibit in exhibits:
        found.update(_recorded(repo, [exhibit]))
    return found


def _waiting(session: Session, exhibits: Sequence[Exhibit]) -> dict[str, int]:
    """Return the exhibits that nobody else has finished meanwhile, and their earlier runs."""
    ids = [exhibit.id for exhibit in exhibits]
    rows = session.scalars(select(Exhibit).where(Exhibit.id.in_(ids)).with_for_update())
    found = {row.id: 0 for row in rows if row.processed_at is None}
    earlier = (
        select(ExtractionRun.exhibit_id, func.max(ExtractionRun.run))
        .where(ExtractionRun.exhibit_id.in_(ids))
        .group_by(ExtractionRun.exhibit_id)
    )
    found.update({name: run for name, run in session.execute(earlier) if name in found})
    return found


def _look(repo: Repository, sandbox: Sandbox, exhibit: Exhibit, part: Recorded | str) -> _Looked:
    if isinstance(part, str):
        return _Looked(exhibit, None, None, damage=part)
    key = part_key(repo, exhibit, part)
    try:
        record = _run(repo, sandbox, exhibit, part, key)
    except IntegrityError as error:
        return _Looked(exhibit, None, None, damage=str(error))
    stored, digest = put_document(repo, dumps(record.to_json()), key=key)
    return _Looked(exhibit, record, stored, digest, part.digests["sha256"])


def _run(
    repo: Repository, sandbox: Sandbox, exhibit: Exhibit, part: Recorded, key: bytes | None
) -> Extraction:
    limit = repo.settings.extraction_max_bytes
    whole = part.size <= limit
    with working_copy(repo, exhibit, part, key, limit=part.size if whole else HEAD) as copy:
        return sandbox.extract(
            copy,
            name_hint=exhibit.path.decode("utf-8", "backslashreplace"),
            identify_only=not whole,
        )


def _keep(
    repo: Repository, session: Session, looked: _Looked, earlier: int
) -> ExtractionRun | None:
    at = repo.clock()
    session.get_one(Exhibit, looked.exhibit.id).processed_at = at
    if looked.record is None or looked.stored is None:
        return None
    record, stored = looked.record, looked.stored
    run = ExtractionRun(
        exhibit_id=looked.exhibit.id,
        run=earlier + 1,
        outcome=record.outcome,
        mime=record.format.mime if record.format else None,
        mismatch=bool(record.format and record.format.mismatch),
        facts=len(record.facts),
        record=stored.to_json(),
        record_sha256=looked.digest,
        index=-1,  # set when the entry has its index
        at=at,
    )
    session.add(run)
    return run


def _entries(looked: _Looked) -> list[Draft]:
    exhibit, record = looked.exhibit, looked.record
    if record is None or looked.stored is None:
        return [integrity_failure(exhibit, SYSTEM, None, looked.damage or "")]
    found: dict[str, Any] | None = record.format.to_json() if record.format else None
    identified = Draft(
        Act.FORMAT_IDENTIFICATION,
        SYSTEM,
        "done" if found else "not-done",
        reason=None if found else record.outcome,
        exhibit=ref(exhibit),
        plain={"instrument": record.instrument()},
        withheld={"detail": found} if found else {},
    )
    extracted = Draft(
        Act.METADATA_EXTRACTION,
        SYSTEM,
        OUTCOMES[record.outcome],
        reason=record.outcome,
        exhibit=ref(exhibit),
        plain={
            "instrument": record.instrument(),
            "inputs": [looked.source],
            "outputs": [looked.digest],
        },
    )
    return [identified, extracted]
