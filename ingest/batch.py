"""Take in many files as one submission: in batches, resumable, one result per file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select

from custody.entry import Actor
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.register import Outcome, quarantined_before, register, registered_before
from ingest.sources import Source, Watch, opened
from ingest.staging import Intent, Staged, abandon, intend, stage
from repository import Repository
from repository.errors import NameTaken, StoreError
from repository.models import Case, Intake, Submission
from repository.naming import name_digest, shown
from repository.submissions import held_back, registered

BATCH_FILES = 64
BATCH_BYTES = 32 << 20
THREADS = 4  # they mostly wait for the disk
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not taken in, and why."""

    path: bytes
    error: EvidenceError


def ingest(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    sources: Iterator[Source],
    *,
    declared: Mapping[str, str],
) -> Iterator[Outcome | Failure]:
    """Yield what became of each source, in order; acknowledged means committed.

    A path and digest that this submission has registered before comes out with the same number.
    One file's failure does not stop the others; a full or unreachable store or ledger does.

    Raises:
        StoreFull, StoreUnavailable, LedgerUnavailable: going on makes no sense.
    """
    seen: Counter[tuple[bytes, str]] = Counter()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="intake") as pool:
        for group in _groups(sources):
            touched = _touched(repo, submission, group)
            results: list[Outcome | Failure | None] = [
                _before(repo, submission, source, declared, seen, touched) for source in group
            ]
            waiting = [n for n, result in enumerate(results) if result is None]
            intents = intend(repo, submission, [group[n].path for n in waiting])
            jobs = [
                pool.submit(_stage, repo, actor, group[n], intent, declared)
                for n, intent in zip(waiting, intents, strict=True)
            ]
            staged = [job.result() for job in jobs]
            stored = [one for one in staged if isinstance(one, Staged)]
            made = register(repo, actor, case, submission, stored, seen=seen) if stored else []
            seen.update((one.path, one.sha256) for one in made)
            done = iter(made)
            for n, one in zip(waiting, staged, strict=True):
                results[n] = next(done) if isinstance(one, Staged) else one
            for source, result in zip(group, results, strict=True):
                if result is None:
                    raise EvidenceError(f"{shown(source.path)} was left without a result")
                yield result


def _groups(sources: Iterator[Source]) -> Iterator[list[Source]]:
    """Yield batches: many small files together, a large one alone, and a path only once."""
    group: list[Source] = []
    paths: set[bytes] = set()
    size = 0
    for source in sources:
        length = BATCH_BYTES if source.size is None else source.size
        full = len(group) >= BATCH_FILES or size + length > BATCH_BYTES
        if group and (full or source.path in paths):
            yield group
            group, paths, size = [], set(), 0
        group.append(source)
        paths.add(source.path)
        size += length
    if group:
        yield group


def _touched(repo: Repository, submission: Submission, group: list[Source]) -> set[str]:
    """Return the digests of those paths that this submission has met before."""
    query = select(Intake.path_sha256).where(
        Intake.submission_id == submission.id,
        Intake.path_sha256.in_([name_digest(source.path) for source in group]),
    )
    with repo.database.reading() as session:
        return set(session.scalars(query))


def _before(
    repo: Repository,
    submission: Submission,
    source: Source,
    declared: Mapping[str, str],
    seen: Counter[tuple[bytes, str]],
    touched: set[str],
) -> Outcome | Failure | None:
    """Return the result of an earlier run, or the problem found while looking, else None."""
    if source.problem is not None:
        return _unreadable(source, source.problem)
    if source.file is None:
        return None  # a stream is read once; see _stage
    if name_digest(source.path) not in touched:
        return None
    with repo.database.reading() as session:
        known = registered(session, submission, source.path)
        kept = held_back(session, submission, source.path)
    if not known and not kept:
        return None
    try:
        with opened(source) as file:
            digest = sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
    except EvidenceError as error:
        return Failure(source.path, error)
    wanted = f"sha256:{digest.hexdigest()}"
    for one in kept:
        if one.staged["digests"]["sha256"] == wanted and one.staged["declared"] == dict(declared):
            return quarantined_before(repo, one)
    same = [exhibit for exhibit in known if exhibit.sha256 == wanted]
    turn = seen[source.path, wanted]
    if turn >= len(same):
        return None
    seen[source.path, wanted] += 1
    return registered_before(repo, same[turn])


def _unreadable(source: Source, why: str) -> Failure:
    return Failure(source.path, SourceUnreadable(f"{shown(source.path)}: {why}"))


def _stage(
    repo: Repository,
    actor: Actor,
    source: Source,
    intent: Intent,
    declared: Mapping[str, str],
) -> Staged | Outcome | Failure:
    try:
        staged = _store(repo, source, intent, declared)
        if source.file is None:
            return _stream_again(repo, actor, intent, staged) or staged
        return staged
    except NameTaken:
        # An interrupted run stored other bytes under the name: the file changed since.
        abandon(repo, actor, intent.row, reason="source-changed")
        with repo.database.reading() as session:
            submission = session.get_one(Submission, intent.row.submission_id)
        [fresh] = intend(repo, submission, [source.path])
        return _store(repo, source, fresh, declared)
    except StoreError:
        raise
    except EvidenceError as error:
        return Failure(source.path, error)
    except OSError as error:
        return _unreadable(source, error.strerror or str(error))


def _stream_again(repo: Repository, actor: Actor, intent: Intent, staged: Staged) -> Outcome | None:
    """Return the earlier result of a stream whose bytes this submission holds already.

    A stream can be compared only once it is read, so its second copy is stored; an entry says so.
    """
    with repo.database.reading() as session:
        submission = session.get_one(Submission, intent.row.submission_id)
        known = registered(session, submission, staged.path)
    same = [exhibit for exhibit in known if exhibit.sha256 == staged.digests["sha256"]]
    if not same:
        return None
    abandon(repo, actor, intent.row, reason="already-registered")
    return registered_before(repo, same[0])


def _store(repo: Repository, source: Source, intent: Intent, declared: Mapping[str, str]) -> Staged:
    with opened(source) as file:
        watch = Watch(source, file)
        return stage(repo, intent, file, size=source.size, declared=declared, unchanged=watch)
