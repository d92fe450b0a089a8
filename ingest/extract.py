"""Look at exhibits in the sandbox, keep the record and what was made, append what came of it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft
from custody.errors import LedgerDamaged
from ingest.extraction import Derivative, Extraction
from ingest.matchable import values_of
from ingest.sandbox import Sandbox
from ingest.working_copy import ends_of, served, working_copy
from repository import Repository, related
from repository.errors import Erased, IntegrityError
from repository.exhibits import by_entry, parts_of, ref
from repository.matching.index import expect
from repository.models import DerivedObject, Exhibit, ExtractionRun
from repository.people import SYSTEM
from repository.retrieve import Recorded, integrity_failure, part_key, recorded
from repository.sealed import put_document
from repository.search import index as search_index
from repository.stores import Stored

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
class Wish:
    """Who wants exhibits looked at, whether again, and what for beside the usual."""

    actor: Actor = SYSTEM
    again: bool = False
    extractors: Collection[str] = ()


@dataclass(slots=True)
class _Looked:
    """What one look came to: a record and where it is kept, or why the bytes were not read."""

    exhibit: Exhibit
    record: Extraction | None = None
    stored: Stored | None = None
    digest: str = ""  # of the record
    derived: list[tuple[Derivative, Stored]] = field(default_factory=list)
    damage: str | None = None
    run: ExtractionRun | None = None


def extract(
    repo: Repository, sandbox: Sandbox, exhibits: Sequence[Exhibit], wish: Wish | None = None
) -> list[ExtractionRun | None]:
    """Identify and read exhibits; return their runs; None where the bytes failed their check
    or another worker was quicker.

    The evidence is read through the verified reader; a damaged exhibit is never looked at and
    leaves an `integrity_failure`. All outcomes commit in one transaction.

    Raises:
        StoreUnavailable, LedgerUnavailable: nothing was recorded; it will be tried again.
        Erased: one of them was erased, and another look was asked for.
    """
    wish = wish or Wish(extractors=repo.settings.extract_with)
    parts = _recorded(repo, exhibits)
    looked = [_look(repo, sandbox, one, parts[one.id], wish) for one in exhibits]
    with repo.database.writing() as session:
        waiting = _waiting(session, exhibits, again=wish.again)
        looked = [one for one in looked if one.exhibit.id in waiting]
        for one in looked:
            one.run = _keep(repo, session, one, waiting[one.exhibit.id])
        expect(session, [one.exhibit.id for one in looked])
        search_index.expect(session, [one.exhibit.id for one in looked])
        for one in looked:
            if one.record is not None:
                parts_there = parts_of(session, [one.exhibit.id])
                values = values_of(parts_there, one.record.to_json())
                related.keep(repo, session, one.exhibit.id, values)
        session.flush()
        drafts = [(one, draft) for one in looked for draft in _entries(one, wish.actor)]
        entries = repo.ledger.append(session, [draft for _, draft in drafts])
        for (one, draft), entry in zip(drafts, entries, strict=True):
            if one.run is None:
                continue
            if draft.type == Act.METADATA_EXTRACTION:
                one.run.index = entry.index
            elif draft.type == Act.DERIVATIVE_CREATION:
                _keep_derived(session, one, draft.plain["outputs"], entry.index)
        session.flush()
    done = {one.exhibit.id: one.run for one in looked}
    return [done.get(exhibit.id) for exhibit in exhibits]


def _recorded(repo: Repository, exhibits: Sequence[Exhibit]) -> dict[str, Sequence[Recorded] | str]:
    """Return the parts of each exhibit as recorded, or why its record does not hold."""
    try:
        return dict(recorded(repo, exhibits))
    except LedgerDamaged as error:
        if len(exhibits) == 1:
            return {exhibits[0].id: str(error)}
    found: dict[str, Sequence[Recorded] | str] = {}
    for exhibit in exhibits:
        found.update(_recorded(repo, [exhibit]))
    return found


def _waiting(session: Session, exhibits: Sequence[Exhibit], *, again: bool) -> dict[str, int]:
    """Return the exhibits that are still to be looked at, and their earlier runs."""
    ids = [exhibit.id for exhibit in exhibits]
    rows = session.scalars(
        select(Exhibit).where(Exhibit.id.in_(ids)).with_for_update(key_share=True)
    )
    found = {
        row.id: 0 for row in rows if (again or row.processed_at is None) and row.erased_at is None
    }
    earlier = (
        select(ExtractionRun.exhibit_id, func.max(ExtractionRun.run))
        .where(ExtractionRun.exhibit_id.in_(ids))
        .group_by(ExtractionRun.exhibit_id)
    )
    found.update({name: run for name, run in session.execute(earlier) if name in found})
    return found


def _look(
    repo: Repository,
    sandbox: Sandbox,
    exhibit: Exhibit,
    parts: Sequence[Recorded] | str,
    wish: Wish,
) -> _Looked:
    if isinstance(parts, str):
        return _Looked(exhibit, damage=parts)
    try:
        key = part_key(repo, exhibit, parts[0])
        record = _run(repo, sandbox, exhibit, parts, key, wish.extractors)
    except IntegrityError as error:
        return _Looked(exhibit, damage=str(error))
    except Erased:
        if wish.again:
            raise
        return _Looked(exhibit)  # meanwhile: what came of it is dropped below
    stored, digest = put_document(repo, dumps(record.to_json()), key=key)
    derived = [(one, put_document(repo, one.data, key=key)[0]) for one in record.derivatives]
    return _Looked(exhibit, record, stored, digest, derived)


def _run(
    repo: Repository,
    sandbox: Sandbox,
    exhibit: Exhibit,
    parts: Sequence[Recorded],
    key: bytes | None,
    asked: Collection[str],
) -> Extraction:
    name = exhibit.path.decode("utf-8", "backslashreplace")
    if sum(part.size for part in parts) > repo.settings.extraction_copy_bytes:
        with ends_of(repo, exhibit, parts[0], key) as ends:
            pieces = [served(repo, exhibit, part, key) for part in parts]
            return sandbox.extract(ends, name_hint=name, served=pieces, asked=asked)
    with ExitStack() as open_copies:
        copies = [
            open_copies.enter_context(working_copy(repo, exhibit, part, key)) for part in parts
        ]
        return sandbox.extract(copies[0], name_hint=name, further=copies[1:], asked=asked)


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


def _keep_derived(session: Session, looked: _Looked, outputs: Collection[str], index: int) -> None:
    assert looked.run is not None
    wanted = set(outputs)
    for number, (one, stored) in enumerate(looked.derived, start=1):
        if stored.sha256 in wanted:
            session.add(
                DerivedObject(
                    exhibit_id=looked.exhibit.id,
                    run=looked.run.run,
                    number=number,
                    kind=one.kind,
                    mime=one.mime,
                    size=one.size,
                    stored=stored.to_json(),
                    index=index,
                )
            )


def _entries(looked: _Looked, actor: Actor) -> Iterator[Draft]:
    exhibit, record = looked.exhibit, looked.record
    if looked.damage is not None:
        yield integrity_failure(exhibit, SYSTEM, None, looked.damage)
    if record is None:
        return
    instrument = record.instrument()
    yield Draft(
        Act.FORMAT_IDENTIFICATION,
        actor,
        "done" if record.format else "not-done",
        reason=None if record.format else record.outcome,
        exhibit=ref(exhibit),
        plain={"instrument": instrument},
        withheld={"detail": record.format.summary()} if record.format else {},
    )
    yield Draft(
        Act.METADATA_EXTRACTION,
        actor,
        OUTCOMES[record.outcome],
        reason=record.outcome,
        exhibit=ref(exhibit),
        plain={"instrument": instrument, "inputs": [exhibit.sha256], "outputs": [looked.digest]},
    )
    # Digests of what is stored, which is encrypted: that of a short text would give it away.
    digests = [stored.sha256 for _, stored in looked.derived]
    for some in by_entry(digests) if digests else []:
        yield Draft(
            Act.DERIVATIVE_CREATION,
            actor,
            reason="extraction",
            exhibit=ref(exhibit),
            plain={
                "instrument": instrument,
                "inputs": [exhibit.sha256, looked.digest],
                "outputs": list(some),
                "count": len(digests),
            },
        )
