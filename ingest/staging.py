"""Measure and store bytes under a durable intent, before anything is registered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from sqlalchemy import select

from custody.entry import Act, Actor, Draft, uuid7
from ingest.errors import SourceIncomplete
from repository import Repository, chunks
from repository.digests import Measure
from repository.models import Intake, Submission
from repository.naming import name_digest, recorded_name
from repository.stores import Stored

BUCKET = "evidence"

Unchanged = Callable[[int], None]
"""Told the number of bytes read; raises if the source changed while it was read."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Bytes that are measured and stored, but not registered yet."""

    exhibit_id: str
    path: bytes
    size: int
    digests: dict[str, str]
    chunk_count: int
    chunk_root: str
    stored: Stored
    manifest: Stored
    declared: dict[str, str]  # algorithm -> "algorithm:hex", as the submitter declared

    @property
    def mismatches(self) -> list[str]:
        """Return the algorithms whose declared digest is not the observed one."""
        return [name for name, value in self.declared.items() if self.digests[name] != value]

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, exhibit_id: str, path: bytes) -> "Staged":
        """Read what `to_json` wrote."""
        values = dict(found)
        values["stored"] = Stored.from_json(values["stored"])
        values["manifest"] = Stored.from_json(values["manifest"])
        return cls(exhibit_id=exhibit_id, path=path, **values)

    def to_json(self) -> dict[str, Any]:
        """Return what the quarantine table keeps, the path apart."""
        return {
            "size": self.size,
            "digests": self.digests,
            "chunk_count": self.chunk_count,
            "chunk_root": self.chunk_root,
            "stored": self.stored.to_json(),
            "manifest": self.manifest.to_json(),
            "declared": self.declared,
        }


def intend(repo: Repository, submission: Submission, paths: Sequence[bytes]) -> list[Intake]:
    """Return the durable intents for paths; those of an interrupted run are used again. (1)"""
    digests = [name_digest(path) for path in paths]
    query = select(Intake).where(
        Intake.submission_id == submission.id,
        Intake.path_sha256.in_(digests),
        Intake.state == "open",
    )
    with repo.database.writing() as session:
        open_ones = {intent.path_sha256: intent for intent in session.scalars(query)}
        found = []
        for path, digest in zip(paths, digests, strict=True):
            intent = open_ones.get(digest)
            if intent is None:
                intent = _new_intent(repo, submission, path)
                session.add(intent)
            found.append(intent)
        session.flush()
    return found


def stage(
    repo: Repository,
    intent: Intake,
    source: BinaryIO,
    *,
    size: int | None,
    declared: Mapping[str, str],
    unchanged: Unchanged = lambda _: None,
) -> Staged:
    """Measure and store one file under its intent's name. (2, 3)

    Raises:
        NameTaken: other bytes stand under the name from an interrupted run; see `abandon`.
        SourceIncomplete: other than `size` bytes came; not stored.
        StoreFull, StoreUnavailable: not stored.
    """
    retain_until = None
    if repo.settings.lock_days:
        retain_until = repo.clock() + timedelta(days=repo.settings.lock_days)
    with Measure(source, size=size, also=set(declared) - {"sha256", "sha512"}) as measure:

        def blocks() -> Iterator[Any]:
            yield from measure
            unchanged(measure.size)
            if size is not None and measure.size != size:
                raise SourceIncomplete(
                    f"{measure.size} of {size} bytes arrived; nothing was registered, send it again"
                )

        stored = repo.store.put(
            blocks(),
            bucket=BUCKET,
            key=intent.key,
            size=size,
            retain_until=retain_until,
            digest=lambda: measure.digests["sha256"],
        )
        manifest = repo.store.put(
            chunks.manifest_blocks(
                exhibit=intent.exhibit_id,
                part=1,
                size=measure.size,
                digests=measure.digests,
                chunks=measure.chunks,
            ),
            bucket=BUCKET,
            key=f"{intent.key}.manifest",
            retain_until=retain_until,
        )
        return Staged(
            exhibit_id=intent.exhibit_id,
            path=intent.path,
            size=measure.size,
            digests=dict(measure.digests),
            chunk_count=measure.chunk_count,
            chunk_root=measure.chunk_root,
            stored=stored,
            manifest=manifest,
            declared=dict(declared),
        )


def location(stored: Stored) -> dict[str, str]:
    """Return where an object is, as entries name it."""
    return {
        "store": stored.store,
        "bucket": stored.bucket,
        "key": stored.key,
        "version": stored.version,
    }


def abandon(repo: Repository, actor: Actor, intent: Intake, *, reason: str) -> None:
    """Give up an intent; bytes stored under its name stay where they are, and an entry says so."""
    draft = _abandoned(repo, actor, intent, reason)
    with repo.database.writing() as session:
        session.get_one(Intake, intent.exhibit_id).state = "abandoned"
        session.flush()
        repo.ledger.append(session, [draft])


def _abandoned(repo: Repository, actor: Actor, intent: Intake, reason: str) -> Draft:
    """Return the entry about an object that was stored but never registered."""
    stored = repo.store.find(BUCKET, intent.key)
    plain: dict[str, Any] = {
        "location": {"store": repo.store.name, "bucket": BUCKET, "key": intent.key}
    }
    if stored is not None:
        plain["location"]["version"] = stored.version
        plain["outputs"] = [stored.sha256]
    withheld = {"name": recorded_name(intent.path)}
    return Draft(
        Act.UPLOAD_ABANDONED,
        actor,
        reason=reason,
        plain=plain,
        withheld=withheld,
        subject=intent.exhibit_id,
    )


def _new_intent(repo: Repository, submission: Submission, path: bytes) -> Intake:
    name = repo.random(32).hex()
    at = repo.clock()
    return Intake(
        exhibit_id=uuid7(at, repo.random),
        submission_id=submission.id,
        path=path,
        path_sha256=name_digest(path),
        key=f"o/{name[:2]}/{name}",
        started_at=at,
        state="open",
    )
