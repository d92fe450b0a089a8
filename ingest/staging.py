"""Measure, encrypt and store bytes under a durable intent, before anything is registered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from sqlalchemy import select

from custody.entry import Act, Actor, Draft, uuid7
from ingest.errors import SourceIncomplete
from repository import Repository, chunks
from repository.digests import Measure
from repository.envelope import SCHEME, plain_size, seal, sealed_size
from repository.errors import NameTaken
from repository.keys import Wrapped, draw, keep, keep_second
from repository.models import DataKey, Intake, Submission
from repository.naming import name_digest, recorded_name
from repository.sealed import digest_of, plain_reader, put_objects, put_same, settled
from repository.stores import Block, Stored
from repository.trial import ensure_fit

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
    objects: tuple[Stored, ...]
    manifest: Stored
    manifest_sha256: str  # of its plaintext
    encryption: str | None
    declared: dict[str, str]  # algorithm -> "algorithm:hex", as the submitter declared

    @property
    def stored(self) -> Stored:
        """Return the first object, where the bytes begin."""
        return self.objects[0]

    @property
    def mismatches(self) -> list[str]:
        """Return the algorithms whose declared digest is not the observed one."""
        return [name for name, value in self.declared.items() if self.digests[name] != value]

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, exhibit_id: str, path: bytes) -> "Staged":
        """Read what `to_json` wrote."""
        values = dict(found)
        values["objects"] = tuple(Stored.from_json(one) for one in values["objects"])
        values["manifest"] = Stored.from_json(values["manifest"])
        return cls(exhibit_id=exhibit_id, path=path, **values)

    def to_json(self) -> dict[str, Any]:
        """Return what the quarantine table keeps, the path apart."""
        return {
            "size": self.size,
            "digests": self.digests,
            "chunk_count": self.chunk_count,
            "chunk_root": self.chunk_root,
            "objects": [one.to_json() for one in self.objects],
            "manifest": self.manifest.to_json(),
            "manifest_sha256": self.manifest_sha256,
            "encryption": self.encryption,
            "declared": self.declared,
        }


@dataclass(frozen=True, slots=True)
class Intent:
    """The durable intent to store one file: its row, and the data key its bytes are sealed with."""

    row: Intake
    wrapped: Wrapped | None  # None: not encrypted
    key: bytes | None  # None while only the wrapped form is known

    def opened(self, repo: Repository) -> bytes | None:
        """Return the data key; that of an interrupted run is unwrapped."""
        if self.wrapped is None or self.key is not None:
            return self.key
        return repo.kek.unwrap(self.wrapped.wrapped)


def intend(repo: Repository, submission: Submission, paths: Sequence[bytes]) -> list[Intent]:
    """Return the durable intents for paths; those of an interrupted run are used again. (1)

    The data key is drawn here, and stands wrapped in the same transaction.

    Raises:
        StoreUnfit: the store's locks did not hold when they were tried: nothing is taken in.
    """
    ensure_fit(repo)
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
            if intent is not None:
                row = session.get(DataKey, intent.exhibit_id)
                wrapped = Wrapped(row.kek, bytes(row.wrapped)) if row else None
                found.append(Intent(intent, wrapped, None))
                continue
            intent = _new_intent(repo, submission, path)
            session.add(intent)
            if not repo.settings.encryption:
                found.append(Intent(intent, None, None))
                continue
            key, wrapped = draw(repo)
            keep(repo, session, intent.exhibit_id, wrapped)
            found.append(Intent(intent, wrapped, key))
        session.flush()
    return found


def stage(
    repo: Repository,
    intent: Intent,
    source: BinaryIO,
    *,
    size: int | None,
    declared: Mapping[str, str],
    unchanged: Unchanged = lambda _: None,
) -> Staged:
    """Measure, encrypt and store one file under its intent's name. (2, 3)

    Raises:
        NameTaken: other bytes stand under the name from an interrupted run; see `abandon`.
        SourceIncomplete: other than `size` bytes came; not stored.
        StoreFull, StoreUnavailable: not stored.
    """
    retain_until = None
    if repo.settings.lock_days:
        retain_until = repo.clock() + timedelta(days=repo.settings.lock_days)
    lock: dict[str, Any] = {"retain_until": retain_until, "hold": repo.settings.legal_hold}
    with Measure(source, size=size, also=set(declared) - {"sha256", "sha512"}) as measure:

        def blocks() -> Iterator[Block]:
            yield from measure
            unchanged(measure.size)
            if size is not None and measure.size != size:
                raise SourceIncomplete(
                    f"{measure.size} of {size} bytes arrived; nothing was registered, send it again"
                )

        key = intent.opened(repo)
        objects = _put(repo, intent, blocks(), measure, key, size=size, lock=lock)
        manifest, manifest_sha256 = put_same(
            repo.store,
            lambda: chunks.manifest_blocks(
                exhibit=intent.row.exhibit_id,
                part=1,
                size=measure.size,
                digests=measure.digests,
                chunks=measure.chunks,
            ),
            sealing=key,
            random=repo.random,
            bucket=BUCKET,
            key=f"{intent.row.key}.manifest",
            **lock,
        )
        if intent.wrapped is not None:
            keep_second(repo.store, intent.row.exhibit_id, intent.wrapped)
        return Staged(
            exhibit_id=intent.row.exhibit_id,
            path=intent.row.path,
            size=measure.size,
            digests=dict(measure.digests),
            chunk_count=measure.chunk_count,
            chunk_root=measure.chunk_root,
            objects=tuple(objects),
            manifest=manifest,
            manifest_sha256=manifest_sha256,
            encryption=SCHEME if key is not None else None,
            declared=dict(declared),
        )


def _put(
    repo: Repository,
    intent: Intent,
    plain: Iterator[Block],
    measure: Measure,
    key: bytes | None,
    *,
    size: int | None,
    lock: Mapping[str, Any],
) -> list[Stored]:
    """Store the measured bytes, or take what an interrupted run stored of the same."""
    blocks = plain
    if key is not None:
        blocks = seal(plain, key=key, name=intent.row.key, random=repo.random)
        size = None if size is None else sealed_size(size)
    try:
        return put_objects(repo.store, blocks, bucket=BUCKET, key=intent.row.key, size=size, **lock)
    except NameTaken:
        for _ in plain:  # measured to its end, to be compared
            continue
        found = _left(repo, intent)
        length = sum(one.size for one in found)
        length = length if key is None else plain_size(length)
        read = plain_reader(repo.store, found, key=key, name=intent.row.key, size=length)
        if length != measure.size or digest_of(read, length) != measure.digests["sha256"]:
            raise
        return [settled(repo.store, one, **lock) for one in found]


def _left(repo: Repository, intent: Intent) -> list[Stored]:
    """Return the objects that an interrupted run stored under an intent's name, in order."""
    found: list[Stored] = []
    key = intent.row.key
    while (one := repo.store.find(BUCKET, key)) is not None:
        found.append(one)
        key = f"{intent.row.key}.{len(found) + 1}"
    return found


def abandon(repo: Repository, actor: Actor, intent: Intake, *, reason: str) -> None:
    """Give up an intent; bytes stored under its name stay where they are, and an entry says so."""
    draft = _abandoned(repo, actor, intent, reason)
    with repo.database.writing() as session:
        session.get_one(Intake, (intent.exhibit_id, intent.part)).state = "abandoned"
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
        part=1,
        submission_id=submission.id,
        path=path,
        path_sha256=name_digest(path),
        key=f"o/{name[:2]}/{name}",
        started_at=at,
        state="open",
    )
