"""Take in many things as one submission: in batches, resumable, one result for each."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Actor
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.register import (
    Outcome,
    quarantined_before,
    received_of,
    register,
    registered_before,
)
from ingest.sources import Source, Thing, Watch, opened
from ingest.staging import Intent, Received, Staged, abandon, intend, stage
from repository import Repository
from repository.errors import AlreadyExists, DigestMismatch, NameTaken, StoreError
from repository.exhibits import digest_of_parts
from repository.models import Case, Exhibit, Intake, Quarantined, Submission
from repository.naming import name_digest, shown
from repository.submissions import Declaration, held_back, registered

BATCH_FILES = 64
BATCH_BYTES = 32 << 20
THREADS = 4  # they mostly wait for the disk
_BLOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A thing that was not taken in, and why; the path is that of the part that failed."""

    path: bytes
    error: EvidenceError


def ingest(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    things: Iterable[Thing],
) -> Iterator[Outcome | Failure]:
    """Yield what became of each thing, in order; acknowledged means committed.

    What this submission has registered before, by path and digest, comes out with the same number.
    One thing's failure does not stop the others; a full or unreachable store or ledger does. Of a
    thing one part of which fails, nothing is registered.

    Raises:
        StoreFull, StoreUnavailable, LedgerUnavailable: going on makes no sense.
    """
    seen: Counter[tuple[bytes, str]] = Counter()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="intake") as pool:
        for group in _groups(things):
            touched = _touched(repo, submission, group)
            results: list[Outcome | Failure | None] = [
                _before(repo, submission, thing, seen, touched) for thing in group
            ]
            waiting = [n for n, result in enumerate(results) if result is None]
            intents = intend(
                repo, submission, [[one.path for one in group[n].sources] for n in waiting]
            )
            jobs = [
                [
                    pool.submit(_stage, repo, source, intent)
                    for source, intent in zip(group[n].sources, some, strict=True)
                ]
                for n, some in zip(waiting, intents, strict=True)
            ]
            staged = [
                _together(repo, actor, submission, group[n], some, [job.result() for job in parts])
                for n, some, parts in zip(waiting, intents, jobs, strict=True)
            ]
            stored = [one for one in staged if isinstance(one, Received)]
            made = register(repo, actor, case, submission, stored, seen=seen) if stored else []
            seen.update((one.path, one.sha256) for one in made)
            done = iter(made)
            for n, one in zip(waiting, staged, strict=True):
                results[n] = next(done) if isinstance(one, Received) else one
            for thing, result in zip(group, results, strict=True):
                if result is None:
                    raise EvidenceError(f"{shown(thing.path)} was left without a result")
                yield result


def _groups(things: Iterable[Thing]) -> Iterator[list[Thing]]:
    """Yield batches: many small things together, a large one alone, and a path only once."""
    group: list[Thing] = []
    paths: set[bytes] = set()
    files, size = 0, 0
    for thing in things:
        length = sum(BATCH_BYTES if one.size is None else one.size for one in thing.sources)
        names = {one.path for one in thing.sources}
        full = files + len(thing.sources) > BATCH_FILES or size + length > BATCH_BYTES
        if group and (full or names & paths):
            yield group
            group, paths, files, size = [], set(), 0, 0
        group.append(thing)
        paths |= names
        files += len(thing.sources)
        size += length
    if group:
        yield group


def _touched(repo: Repository, submission: Submission, group: list[Thing]) -> set[str]:
    """Return the digests of those paths that this submission has met before."""
    query = select(Intake.path_sha256).where(
        Intake.submission_id == submission.id,
        Intake.path_sha256.in_([name_digest(thing.path) for thing in group]),
    )
    with repo.database.reading() as session:
        return set(session.scalars(query))


def _before(
    repo: Repository,
    submission: Submission,
    thing: Thing,
    seen: Counter[tuple[bytes, str]],
    touched: set[str],
) -> Outcome | Failure | None:
    """Return the result of an earlier run, or the problem found while looking, else None."""
    for source in thing.sources:
        if source.problem is not None:
            return _unreadable(source, source.problem)
    if thing.sources[0].file is None:
        return None  # a stream is read once; see _together
    if name_digest(thing.path) not in touched:
        return None
    with repo.database.reading() as session:
        known = registered(session, submission, thing.path)
        kept = held_back(session, submission, thing.path)
    if not known and not kept:
        return None
    digests = []
    differing = None
    for source in thing.sources:
        try:
            found = _digests(source)
        except EvidenceError as error:
            return Failure(source.path, error)
        digests.append(found["sha256"])
        if any(found[name] != said for name, said in source.declared.items()):
            differing = source.path
    wanted = digest_of_parts(digests)
    declared = [dict(source.declared) for source in thing.sources]
    for one in kept:
        received = received_of(one)
        if (received.sha256, received.declared) == (wanted, declared):
            return quarantined_before(repo, one)
    same = [exhibit for exhibit in known if exhibit.sha256 == wanted]
    turn = seen[thing.path, wanted]
    if turn >= len(same):
        return None
    seen[thing.path, wanted] += 1
    if differing is not None and not _released(repo, same[turn], declared):
        number = same[turn].number
        return Failure(differing, DigestMismatch(
            f"{shown(differing)}: registered before as {number}; the digest declared now is another"
        ))  # fmt: skip
    if others := _declared_otherwise(repo, thing, same[turn]):
        return Failure(thing.path, AlreadyExists(
            f"{shown(thing.path)}: registered before as {same[turn].number} with another "
            f"{', '.join(others)}; that stays on record: give it back its words here, or put the "
            "new ones on record as a note"
        ))  # fmt: skip
    return registered_before(repo, same[turn])


def _declared_otherwise(repo: Repository, thing: Thing, exhibit: Exhibit) -> list[str]:
    """Return what a list declares of a thing now, and its first entries do not say."""
    if not thing.claims or exhibit.erased_at is not None:  # then nothing is left to compare with
        return []
    said: dict[str, Any] = {}
    for entry in repo.ledger.history(exhibit.id, limit=10):  # quarantine may stand before it
        if entry.fields["type"] == Act.COLLECTION:
            said |= repo.ledger.opened(entry)
            said |= said.get("detail", {})
    said["family"] = exhibit.family
    return [
        name.replace("_", " ") for name, value in thing.claims.items() if said.get(name) != value
    ]


def _released(repo: Repository, exhibit: Exhibit, declared: list[dict[str, str]]) -> bool:
    """Say whether a custodian registered an exhibit although these digests were declared."""
    query = select(Quarantined).where(Quarantined.exhibit_id == exhibit.id)
    with repo.database.reading() as session:
        kept = session.scalar(query)
    return kept is not None and received_of(kept).declared == declared


def _digests(source: Source) -> dict[str, str]:
    """Return the SHA-256 of a file, and its digests by the algorithms that were declared."""
    made = {name: hashlib.new(name) for name in ("sha256", *source.declared)}
    with opened(source) as file:
        while block := file.read(_BLOCK):
            for one in made.values():
                one.update(block)
    return {name: f"{name}:{one.hexdigest()}" for name, one in made.items()}


def _unreadable(source: Source, why: str) -> Failure:
    return Failure(source.path, SourceUnreadable(f"{shown(source.path)}: {why}"))


def _stage(repo: Repository, source: Source, intent: Intent) -> Staged | Failure:
    """Store one part; what stands in the way of it alone is its result."""
    try:
        with opened(source) as file:
            watch = Watch(source, file)
            return stage(
                repo, intent, file, size=source.size, declared=source.declared, unchanged=watch
            )
    except NameTaken as error:
        return Failure(source.path, error)
    except StoreError:
        raise
    except EvidenceError as error:
        return Failure(source.path, error)
    except OSError as error:
        return _unreadable(source, error.strerror or str(error))


def _together(
    repo: Repository,
    actor: Actor,
    submission: Submission,
    thing: Thing,
    intents: Sequence[Intent],
    parts: Sequence[Staged | Failure],
) -> Received | Outcome | Failure:
    """Return what its parts came to: a thing to register, an earlier result, or what failed."""
    if any(isinstance(part, Failure) and isinstance(part.error, NameTaken) for part in parts):
        # An interrupted run stored other bytes under a name: a file changed since.
        abandon(repo, actor, [intent.row for intent in intents], reason="source-changed")
        [intents] = intend(repo, submission, [[source.path for source in thing.sources]])
        parts = [_stage(repo, *pair) for pair in zip(thing.sources, intents, strict=True)]
    failed = [part for part in parts if isinstance(part, Failure)]
    if failed:
        return failed[0]
    declaration = None
    if thing.claims:
        declaration = Declaration.from_json({**submission.declared, **thing.claims})
    stored = tuple(part for part in parts if isinstance(part, Staged))
    quoted = thing.quoted and thing.quoted.kept(repo, intents[0].opened(repo))
    received = Received(stored, declaration, held=thing.held, quoted=quoted)
    if thing.sources[0].file is None:
        return _stream_again(repo, actor, submission, intents[0], received) or received
    return received


def _stream_again(
    repo: Repository, actor: Actor, submission: Submission, intent: Intent, received: Received
) -> Outcome | None:
    """Return the earlier result of a stream whose bytes this submission holds already.

    A stream can be compared only once it is read, so its second copy is stored; an entry says so.
    """
    with repo.database.reading() as session:
        known = registered(session, submission, received.path)
    same = [exhibit for exhibit in known if exhibit.sha256 == received.sha256]
    if not same:
        return None
    abandon(repo, actor, [intent.row], reason="already-registered")
    return registered_before(repo, same[0])
