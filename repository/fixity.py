"""Read every stored object and copy again, compare with what was recorded, repair, say what is.

Objects are compared as they are stored, so that no key is needed for it; then the exhibit's data
key is tried on its manifest. When each object and copy was last read is kept (`ObjectCheck`), and
the exhibit with the object that was not read for the longest is next. What a full run found so far
is kept: an interrupted one goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from custody.errors import EvidenceError, LedgerDamaged
from custody.findings import Finding
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit
from repository.copies import repair
from repository.errors import (
    Erased,
    IntegrityError,
    KeyUnavailable,
    NoSuchObject,
    RepositoryError,
    StoreError,
)
from repository.exhibits import by_entry, find_exhibit, parts_of, ref, repaired_objects
from repository.keys import in_store, keep_second_still, wrapped_key
from repository.models import Exhibit, FixityRun, ObjectCheck, ObjectCopy
from repository.naming import shown
from repository.people import SYSTEM
from repository.retrieve import (
    Recorded,
    integrity_failure,
    listed_chunks,
    part_key,
    range_of,
    recorded_parts,
)
from repository.stores import Stored

_WORST = ("pass", "not-done", "fail")


@dataclass
class _Found:
    """What the parts of one check came to."""

    outcome: str = "pass"
    said: list[str] = field(default_factory=list)
    compared: list[tuple[str, bool]] = field(default_factory=list)  # recorded digest, found equal
    objects: dict[tuple[str, str], str] = field(default_factory=dict)  # key, place: outcome
    computed: dict[int, str] | None = None  # by part, where the digest is made anew

    def add(self, outcome: str, detail: str) -> None:
        """Take in one result; the worst counts."""
        self.outcome = max(self.outcome, outcome, key=_WORST.index)
        if outcome != "pass":
            self.said.append(detail)


@dataclass(frozen=True, slots=True)
class Reread:
    """What reading an exhibit again came to, beside what was recorded of it."""

    exhibit: Exhibit
    finding: Finding
    digests: Sequence[tuple[int, str, str | None]]  # part, recorded, computed now; None: unreadable


def reread(repo: Repository, caller: Caller, number: str) -> Reread:
    """Read every byte of an exhibit again and make its digests anew; the finding is an entry.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        Erased: there is nothing left to read.
    """
    actor, _, exhibit = on_exhibit(repo, caller, Right.HISTORY, number, attempted=Act.FIXITY_CHECK)
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased; there is nothing left to read")
    computed: dict[int, str] = {}
    finding = _checked(repo, actor, exhibit, deep=True, run=None, computed=computed)
    with repo.database.reading() as session:
        parts = parts_of(session, [exhibit.id])
    found = [(one.part, str(one.digests["sha256"]), computed.get(one.part)) for one in parts]
    return Reread(exhibit, finding, found)


def check_objects(repo: Repository, actor: Actor, *, numbers: Sequence[str]) -> Iterator[Finding]:
    """Check exhibits by number, down to each chunk of the evidence; findings are entries.

    A damaged or missing object is a `fail`; a store or key that does not answer is `not-done`.
    """
    for number in numbers:
        with repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
        if exhibit is None:
            yield Finding("object", shown(number), "fail", "there is no such exhibit")
        else:
            yield _checked(repo, actor, exhibit, deep=True, run=None)


def open_run(repo: Repository) -> FixityRun:
    """Return the run over all exhibits that was interrupted, or a new one."""
    at = repo.clock()
    query = select(FixityRun).where(FixityRun.finished_at.is_(None))
    with repo.database.writing() as session:
        run = session.scalar(query.order_by(FixityRun.started_at.desc()).limit(1))
        if run is None:
            run = FixityRun(
                id=uuid7(at, repo.random), started_at=at, last="", checked=0, failed=0, undone=0
            )
            session.add(run)
        session.flush()
    return run


def check_all(repo: Repository, actor: Actor, run: FixityRun) -> Iterator[Finding]:
    """Check every exhibit that a run has not come to yet; each result is kept with its entry."""
    last = run.last
    while True:
        with repo.database.reading() as session:
            query = select(Exhibit).where(Exhibit.number > last).order_by(Exhibit.number)
            batch = list(session.scalars(query.limit(100)))
        if not batch:
            break
        for exhibit in batch:
            yield _checked(repo, actor, exhibit, deep=False, run=run.id)
            last = exhibit.number
    with repo.database.writing() as session:
        session.get_one(FixityRun, run.id).finished_at = repo.clock()


def before(run: FixityRun) -> list[Finding]:
    """Return what an interrupted run had found: nothing of it is forgotten by going on."""
    about = f"{run.checked} exhibits checked since {run.started_at:%Y-%m-%d %H:%M} UTC"
    if run.failed:
        detail = f"{run.failed} failed; see their fixity_check entries"
        return [Finding("object", about, "fail", detail)]
    if run.undone:
        detail = f"{run.undone} could not be checked; see their fixity_check entries"
        return [Finding("object", about, "not-done", detail)]
    return [Finding("object", about, "pass", "before the interruption")] if run.checked else []


def count_after(repo: Repository, last: str) -> int:
    """Return how many exhibits have a number after one."""
    with repo.database.reading() as session:
        query = select(func.count()).select_from(Exhibit).where(Exhibit.number > last)
        return session.scalar(query) or 0


def check_oldest(repo: Repository, *, most: int = 20) -> list[Finding]:
    """Check what was not read for `fixity_days`, the longest first."""
    return list(check_exhibits(repo, overdue(repo, limit=most)))


def overdue(repo: Repository, *, limit: int) -> list[str]:
    """Return the ids of exhibits with an object not read for `fixity_days`, the longest first."""
    return _unread(repo, timedelta(days=repo.settings.fixity_days), limit)


def ahead(repo: Repository, every: timedelta) -> list[str]:
    """Return the ids of what to check in so much time, so that all of it never is due at once.

    The rolling schedule: each turn takes its share of all exhibits, those not read for the longest,
    and nothing that was read in the first half of its term.
    """
    days = timedelta(days=repo.settings.fixity_days)
    with repo.database.reading() as session:
        count = session.scalar(select(func.count()).select_from(Exhibit)) or 0
    return _unread(repo, days / 2, ceil(count * (every / days)))


def _unread(repo: Repository, since: timedelta, limit: int) -> list[str]:
    query = (
        select(Exhibit.id)
        .where((Exhibit.checked_at <= repo.clock() - since) | Exhibit.checked_at.is_(None))
        .order_by(Exhibit.checked_at)
        .limit(limit)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def check_exhibits(repo: Repository, exhibit_ids: Sequence[str]) -> Iterator[Finding]:
    """Check exhibits as the house itself does; findings are entries."""
    for exhibit_id in exhibit_ids:
        with repo.database.reading() as session:
            exhibit = session.get_one(Exhibit, exhibit_id)
        yield _checked(repo, SYSTEM, exhibit, deep=False, run=None)


def verified(
    session: Session, exhibit_ids: Sequence[str]
) -> dict[tuple[str, str, str], ObjectCheck]:
    """Return by exhibit, registered name and place when objects were last read, and the outcome."""
    query = select(ObjectCheck).where(ObjectCheck.exhibit_id.in_(exhibit_ids))
    return {(row.exhibit_id, row.key, row.place): row for row in session.scalars(query)}


def _checked(
    repo: Repository,
    actor: Actor,
    exhibit: Exhibit,
    *,
    deep: bool,
    run: str | None,
    computed: dict[int, str] | None = None,
) -> Finding:
    found = _Found(computed=computed)
    try:
        parts = recorded_parts(repo, exhibit)
        bad = _objects(repo, exhibit, parts, found)
        if bad:
            parts = recorded_parts(repo, exhibit)  # some of it may lie elsewhere now: repaired
        _contents(
            repo, exhibit, parts, found, deep=frozenset(p.part for p in parts) if deep else bad
        )
        _keys(repo, exhibit, parts, found)
        ended = exhibit.locked_until is not None and exhibit.locked_until <= repo.clock()
        if ended and exhibit.erased_at is None:
            found.add("fail", "its locks have ended: let the worker run, it renews them")
        size = sum(part.size for part in parts)
        whole = f"{size} bytes match the registration"
        if exhibit.erased_at is not None:
            whole = "erased by order: what is left is sealed as registered; nobody can read it"
        detail = "; ".join(found.said) or whole
    except LedgerDamaged as error:
        found.add("fail", str(error))
        detail = str(error)
    except StoreError as error:
        found.add("not-done", str(error))
        detail = "; ".join(found.said)
    return _record(repo, actor, exhibit, found, detail, run)


def _objects(
    repo: Repository, exhibit: Exhibit, parts: Sequence[Recorded], found: _Found
) -> frozenset[int]:
    """Re-hash each object in each store, and repair what is bad; return the parts that had some."""
    with repo.database.reading() as session:
        copies = repaired_objects(session, [exhibit.id], "replica").get(exhibit.id, {})
    return frozenset(
        part.part for part in parts if not _sound_objects(repo, exhibit, part, copies, found)
    )


def _sound_objects(
    repo: Repository,
    exhibit: Exhibit,
    part: Recorded,
    copies: Mapping[str, Stored],
    found: _Found,
) -> bool:
    """Re-hash each object of a part in each store; what is bad is repaired from what is good."""
    sound = True
    for one in (*part.objects, part.manifest):
        places = {"primary": part.at(one)}
        if one.key in copies:
            places["replica"] = copies[one.key]
        reports = {}
        for place, stored in places.items():
            if place not in repo.stores:
                found.add("not-done", f"{place}: there is a copy, but no such store is configured")
                continue
            reports[place] = repo.stores[place].verify(_due(exhibit, stored))
            found.compared.append((one.sha256, reports[place].outcome == "pass"))
            found.objects[one.key, place] = reports[place].outcome
        good = [place for place, report in reports.items() if report.outcome == "pass"]
        for place, report in reports.items():
            found.add(report.outcome, f"{place}: {report.detail}")
            sound = sound and report.outcome != "fail"
            if report.outcome == "fail" and good:
                _repair(repo, exhibit, one, place, good[0], places, found)
    return sound


def _due(exhibit: Exhibit, stored: Stored) -> Stored:
    """Return what is to be found of an object: the locks of an erased exhibit run out."""
    if exhibit.erased_at is None:
        return stored
    return replace(stored, retain_until=None, hold=False)


def _repair(
    repo: Repository, exhibit: Exhibit, one: Stored, place: str, good: str,
    places: dict[str, Stored], found: _Found,
) -> None:  # fmt: skip
    try:
        repair(
            repo, exhibit, one.key, place=place, damaged=places[place], good=places[good],
            source=repo.stores[good],
        )  # fmt: skip
    except RepositoryError as error:
        found.said.append(f"{place}: not repaired: {error}")
    else:
        found.objects[one.key, place] = "pass"  # read back when it was written
        found.said.append(f"{place}: repaired from {good}")


def _contents(
    repo: Repository,
    exhibit: Exhibit,
    parts: Sequence[Recorded],
    found: _Found,
    *,
    deep: frozenset[int],
) -> None:
    """Open each manifest with the exhibit's key; of the parts in `deep` read every chunk."""
    if exhibit.erased_at is not None:
        return
    try:
        key = part_key(repo, exhibit, parts[0])  # one for all parts
    except KeyUnavailable as error:
        found.add("not-done", str(error))
        return
    for part in parts:
        try:
            with listed_chunks(repo, exhibit, part, key) as listed:
                if part.part in deep:
                    blocks = range_of(repo, exhibit, part, listed, key, 0, part.size - 1)
                    _read(part, blocks, found)
        except (IntegrityError, NoSuchObject) as error:
            found.add("fail", str(error))
        except KeyUnavailable as error:
            found.add("not-done", str(error))


def _read(part: Recorded, blocks: Iterator[bytes], found: _Found) -> None:
    """Read a part to its end; make its digest anew where that is asked for."""
    if found.computed is None:
        for _ in blocks:
            continue
        return
    digest = sha256()
    for block in blocks:
        digest.update(block)
    found.computed[part.part] = made = f"sha256:{digest.hexdigest()}"
    equal = made == part.digests["sha256"]
    found.add("pass" if equal else "fail", f"part {part.part}: another digest than recorded")


def _keys(repo: Repository, exhibit: Exhibit, parts: Sequence[Recorded], found: _Found) -> None:
    """See that the wrapped key stands in every place it should."""
    if exhibit.erased_at is not None or not any(part.encryption for part in parts):
        return
    try:
        wrapped = wrapped_key(repo, exhibit.id)
    except KeyUnavailable as error:
        found.add("fail", str(error))
        return
    for place, store in repo.stores.items():
        if place == "replica" and exhibit.copied_at is None:
            continue
        try:
            kept = in_store(repo, store, exhibit.id)
        except KeyUnavailable as error:
            found.add("fail", f"{place}: {error}")
            continue
        if kept is None:
            keep_second_still(repo, store, exhibit.id, wrapped)
            found.add("fail", f"{place}: the wrapped key was missing; it was written again")
        elif kept.wrapped != wrapped.wrapped and kept.kek == wrapped.kek:
            found.add("fail", f"{place}: the wrapped key is another than in the database")


def _record(
    repo: Repository, actor: Actor, exhibit: Exhibit, found: _Found, detail: str, run: str | None
) -> Finding:
    """Record a finding; if the ledger cannot take it, the finding says so and is no pass."""
    outcome = found.outcome
    drafts = [
        Draft(
            Act.FIXITY_CHECK,
            actor,
            outcome,
            exhibit=ref(exhibit),
            plain={
                "verification": {
                    "expected": [digest for digest, _ in some],
                    "observed": [digest for digest, equal in some if equal],
                }
            },
            withheld={"detail": detail},
        )
        for some in by_entry(found.compared)
    ]
    if outcome == "fail":
        drafts.append(integrity_failure(exhibit, actor, None, detail))
    try:
        with repo.database.writing() as session:
            _keep(session, exhibit, found, repo.clock())
            if run is not None:
                row = session.get_one(FixityRun, run)
                row.last, row.checked = exhibit.number, row.checked + 1
                row.failed += outcome == "fail"
                row.undone += outcome == "not-done"
            session.flush()
            repo.ledger.append(session, drafts)
    except EvidenceError as error:
        said = f"{detail}; this check could not be recorded: {error}"
        return Finding("object", exhibit.number, "fail" if outcome == "fail" else "not-done", said)
    return Finding("object", exhibit.number, outcome, detail)


def _keep(session: Session, exhibit: Exhibit, found: _Found, at: datetime) -> None:
    """Note when each object was read; the exhibit stands where the longest not read one stands."""
    for (key, place), outcome in found.objects.items():
        if outcome != "not-done":
            row = ObjectCheck(exhibit_id=exhibit.id, key=key, place=place, at=at, outcome=outcome)
            session.merge(row)
    session.flush()
    if not found.objects:
        return  # nothing could be read
    times = {key: row.at for key, row in verified(session, [exhibit.id]).items()}
    query = select(ObjectCopy).where(ObjectCopy.exhibit_id == exhibit.id)
    copied = {(exhibit.id, one.key, one.place): one.at for one in session.scalars(query)}
    session.get_one(Exhibit, exhibit.id).checked_at = min(
        times.get(name) or copied.get(name, exhibit.registered_at)
        for name in ((exhibit.id, *one) for one in found.objects)
    )
