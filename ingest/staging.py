"""Measure, encrypt and store bytes under a durable intent, before anything is registered.

A thing is what becomes one exhibit: mostly one file, sometimes several parts in an order (a split
disk image). Its parts share the id of the exhibit to be and one data key; each has objects of its
own, under a random name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from ingest.errors import SourceIncomplete
from ingest.origin import Origin
from ingest.quoted import Quoted
from repository import Repository, chunks
from repository.digests import Measure
from repository.envelope import SCHEME, plain_size, seal, sealed_size
from repository.errors import NameTaken, WrongUse
from repository.exhibits import digest_of_parts
from repository.keyring import Wrapped
from repository.keys import draw, keep, keep_second
from repository.models import DataKey, Intake, Submission
from repository.naming import name_digest, recorded_name
from repository.sealed import digest_of, plain_reader, put_objects, put_same, settled
from repository.stores import Block, Stored
from repository.submissions import Declaration
from repository.trial import ensure_fit

BUCKET = "evidence"

Unchanged = Callable[[int], None]
"""Told the number of bytes read; raises if the source changed while it was read."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One file, or one part of a thing, that is measured and stored, but not registered yet."""

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
    part: int = 1

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
        """Return everything but the exhibit's id and the path, as tables keep it."""
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
            "part": self.part,
        }


@dataclass(frozen=True, slots=True)
class Received:
    """One thing to register: its stored parts in order, and what is declared of it alone.

    `declaration` None: what the submission declares holds for it. `origin` None: it was handed in.
    """

    parts: tuple[Staged, ...]
    declaration: Declaration | None = None
    origin: Origin | None = None
    held: str | None = None  # why it is set apart whatever its digests are
    quoted: Quoted | None = None  # what another repository recorded of it; kept with it

    def __post_init__(self) -> None:
        ids = {part.exhibit_id for part in self.parts}
        numbers = [part.part for part in self.parts]
        if len(ids) != 1 or numbers != list(range(1, len(numbers) + 1)):
            raise WrongUse(f"parts {numbers} of {len(ids)} exhibits are no thing")

    @property
    def exhibit_id(self) -> str:
        """Return the id of the exhibit it becomes."""
        return self.parts[0].exhibit_id

    @property
    def path(self) -> bytes:
        """Return the path it goes by: that of its first part."""
        return self.parts[0].path

    @property
    def size(self) -> int:
        """Return the number of bytes of all parts."""
        return sum(part.size for part in self.parts)

    @property
    def sha256(self) -> str:
        """Return the digest it is known by (docs/format.md 2.3)."""
        return digest_of_parts([part.digests["sha256"] for part in self.parts])

    @property
    def mismatches(self) -> bool:
        """Say whether a declared digest of any part is not the observed one."""
        return any(part.mismatches for part in self.parts)

    @property
    def declared(self) -> list[dict[str, str]]:
        """Return the declared digests, part by part."""
        return [part.declared for part in self.parts]

    def to_json(self) -> dict[str, Any]:
        """Return what the quarantine table keeps: all that registration needs."""
        return {
            "parts": [{**part.to_json(), "path": part.path.hex()} for part in self.parts],
            "declaration": self.declaration.to_json() if self.declaration else None,
            **({"origin": self.origin.to_json()} if self.origin else {}),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, exhibit_id: str, path: bytes) -> "Received":
        """Read what `to_json` wrote, or what was kept when a thing was always one file."""
        if "parts" not in found:
            return cls((Staged.from_json(found, exhibit_id=exhibit_id, path=path),))
        parts = [dict(one) for one in found["parts"]]
        return cls(
            tuple(
                Staged.from_json(one, exhibit_id=exhibit_id, path=bytes.fromhex(one.pop("path")))
                for one in parts
            ),
            Declaration.from_json(found["declaration"]) if found["declaration"] else None,
            Origin.from_json(found["origin"]) if "origin" in found else None,
        )


@dataclass(frozen=True, slots=True)
class Intent:
    """The durable intent to store one part: its row, and the data key its bytes are sealed with."""

    row: Intake
    wrapped: Wrapped | None  # None: not encrypted
    key: bytes | None  # None while only the wrapped form is known

    def opened(self, repo: Repository) -> bytes | None:
        """Return the data key; that of an interrupted run is unwrapped."""
        if self.wrapped is None or self.key is not None:
            return self.key
        return repo.kek.unwrap(self.wrapped)


def intend(
    repo: Repository, submission: Submission, things: Sequence[Sequence[bytes]]
) -> list[tuple[Intent, ...]]:
    """Return the durable intents for things, each given by the paths of its parts in order. (1)

    The data key of a thing is drawn here, and stands wrapped in the same transaction. Those that an
    interrupted run made for the same paths in the same order are used again.

    Raises:
        StoreUnfit: the store's locks did not hold when they were tried: nothing is taken in.
    """
    ensure_fit(repo)
    with repo.database.writing() as session:
        open_ones = _open_intents(session, submission, things)
        found = []
        for paths in things:
            rows = open_ones.pop(tuple(paths), None)
            if rows is not None:
                row = session.get(DataKey, rows[0].exhibit_id)
                wrapped = Wrapped(row.kek, bytes(row.wrapped)) if row else None
                found.append(tuple(Intent(one, wrapped, None) for one in rows))
                continue
            found.append(draw_intents(repo, session, submission, paths))
        session.flush()
        # Bytes are about to come: one that expires counts its days from here.
        session.execute(
            update(Submission)
            .where(Submission.id == submission.id, Submission.touched_at.is_not(None))
            .values(touched_at=repo.clock())
        )
    return found


def draw_intents(
    repo: Repository, session: Session, submission: Submission, paths: Sequence[bytes]
) -> tuple[Intent, ...]:
    """Make the intents of one thing, and its data key, in the caller's transaction."""
    rows = _new_intents(repo, submission, paths)
    session.add_all(rows)
    if not repo.settings.encryption:
        return tuple(Intent(one, None, None) for one in rows)
    key, wrapped = draw(repo, session)
    keep(repo, session, rows[0].exhibit_id, wrapped)
    return tuple(Intent(one, wrapped, key) for one in rows)


def intents_of(session: Session, exhibit_id: str) -> tuple[Intent, ...]:
    """Return the intents made for an exhibit to be, in the order of its parts."""
    query = select(Intake).where(Intake.exhibit_id == exhibit_id).order_by(Intake.part)
    row = session.get(DataKey, exhibit_id)
    wrapped = Wrapped(row.kek, bytes(row.wrapped)) if row else None
    return tuple(Intent(one, wrapped, None) for one in session.scalars(query))


def renewed(repo: Repository, actor: Actor, intent: Intent) -> Intent:
    """Give an intent another name, where an earlier attempt stored other bytes under the first.

    They stay where they are, and an entry says so.
    """
    draft = _abandoned(repo, actor, intent.row, "source-changed")
    with repo.database.writing() as session:
        row = session.get_one(Intake, (intent.row.exhibit_id, intent.row.part))
        row.key = _new_name(repo)
        session.flush()
        repo.ledger.append(session, [draft])
    return Intent(row, intent.wrapped, intent.key)


def joined_before(repo: Repository, submission: Submission) -> frozenset[tuple[bytes, ...]]:
    """Return the things of several parts that a submission has met, by the paths of their parts."""
    several = select(Intake.exhibit_id).where(
        Intake.submission_id == submission.id, Intake.part == 2, Intake.state != "abandoned"
    )
    query = (
        select(Intake.exhibit_id, Intake.path)
        .where(Intake.exhibit_id.in_(several))
        .order_by(Intake.exhibit_id, Intake.part)
    )
    found: dict[str, list[bytes]] = {}
    with repo.database.reading() as session:
        for exhibit_id, path in session.execute(query):
            found.setdefault(exhibit_id, []).append(bytes(path))
    return frozenset(tuple(paths) for paths in found.values())


def _open_intents(
    session: Session, submission: Submission, things: Sequence[Sequence[bytes]]
) -> dict[tuple[bytes, ...], list[Intake]]:
    """Return the open intents of an interrupted run by the paths of all their parts."""
    begun = select(Intake.exhibit_id).where(
        Intake.submission_id == submission.id,
        Intake.path_sha256.in_([name_digest(paths[0]) for paths in things]),
        Intake.part == 1,
        Intake.state == "open",
    )
    query = (
        select(Intake)
        .where(Intake.exhibit_id.in_(begun), Intake.state == "open")
        .order_by(Intake.exhibit_id, Intake.part)
    )
    rows: dict[str, list[Intake]] = {}
    for row in session.scalars(query):
        rows.setdefault(row.exhibit_id, []).append(row)
    return {tuple(row.path for row in some): some for some in rows.values()}


def stage(
    repo: Repository,
    intent: Intent,
    source: BinaryIO,
    *,
    size: int | None,
    declared: Mapping[str, str],
    unchanged: Unchanged = lambda _: None,
) -> Staged:
    """Measure, encrypt and store one part under its intent's name. (2, 3)

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
                part=intent.row.part,
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
        if intent.wrapped is not None and intent.row.part == 1:  # once for the thing
            keep_second(repo, repo.store, intent.row.exhibit_id, intent.wrapped)
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
            part=intent.row.part,
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


def abandon(repo: Repository, actor: Actor, rows: Sequence[Intake], *, reason: str) -> None:
    """Give up the intents of a thing; bytes stored under their names stay where they are.

    An entry for each part says so.
    """
    drafts = [_abandoned(repo, actor, row, reason) for row in rows]
    with repo.database.writing() as session:
        for row in rows:
            session.get_one(Intake, (row.exhibit_id, row.part)).state = "abandoned"
        session.flush()
        repo.ledger.append(session, drafts)


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


def _new_intents(repo: Repository, submission: Submission, paths: Sequence[bytes]) -> list[Intake]:
    at = repo.clock()
    exhibit_id = uuid7(at, repo.random)
    return [
        Intake(
            exhibit_id=exhibit_id,
            part=part,
            submission_id=submission.id,
            path=path,
            path_sha256=name_digest(path),
            key=_new_name(repo),
            started_at=at,
            state="open",
        )
        for part, path in enumerate(paths, 1)
    ]


def _new_name(repo: Repository) -> str:
    name = repo.random(32).hex()
    return f"o/{name[:2]}/{name}"
