"""Move everything to another store: object by object, read back, resumable after any interruption.

The old store is left as it is. What was copied stands in `moved_object`, so a run goes on where
another was cut off; an exhibit's objects are noted together with its `migration` entry. Two runs at
once do the same work twice and note it once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from custody.checkpoint import Checkpoint
from custody.entry import Act, Actor, Draft, uuid7
from custody.errors import EvidenceError, MalformedNote
from custody.note import Note
from repository import Repository, open_target, store_url
from repository.erasure import forget_keys
from repository.errors import (
    BadRequest,
    IntegrityError,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreUnavailable,
    StoreUnfit,
)
from repository.exhibits import by_entry, ref
from repository.ledger_mirror import publish
from repository.models import Erasure, Exhibit
from repository.moving import HouseStore, MovedObject, Places, StoreMove, last_move
from repository.people import SYSTEM
from repository.retrieve import recorded
from repository.rewrapping import refuse_while_wrapping
from repository.stores import BUCKETS, CANARY, LOCKED, STAGING, ObjectStore, Order, Stored
from repository.stores.copying import copy_object
from repository.trial import try_locks

STRENGTHS = ("none", "mode", "immutable", "governance", "compliance")
_TOGETHER = 40  # exhibits or objects between two notes in the database
_THREADS = 8  # copying waits for disks and servers; each may hold four buffers of 12 MiB

Pair = tuple[Stored, Stored]  # an object in the old store, and in the new one
Tell = Callable[["Progress"], None]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to move, and the files of its credentials, which every machine of the house has."""

    url: str
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move has come: objects and bytes, of those that were there when it began."""

    move: StoreMove
    objects: int
    size: int


@dataclass(slots=True)
class Outcome:
    """What a run came to: by name what could not be moved, and why."""

    problems: dict[str, str] = field(default_factory=dict)
    left: set[tuple[str, str]] = field(default_factory=set)  # bucket and key of what these are of


def begin(repo: Repository, actor: Actor, target: Target) -> StoreMove:
    """Begin to move to a store, or go on: from now on it takes what is new.

    Raises:
        BadRequest: another move is under way, or this is where everything is.
        StoreUnfit: it lacks what evidence needs, has weaker locks, or holds what is not ours.
        StoreUnavailable: it does not answer.
    """
    with repo.database.reading() as session:
        last = last_move(session)
    if last is not None and last.target == target.url and store_url(repo.settings) == last.source:
        return last  # goes on; after its end this looks once more for what came late
    if last is not None and last.finished_at is None:
        raise BadRequest(
            f"a move to {last.target} is under way; end it first: "
            f"evidence store move --to {last.target}"
        )
    refuse_while_wrapping(repo)
    if target.url in (store_url(repo.settings), repo.settings.replica_store_url):
        raise BadRequest(f"{target.url} is a store of this repository already")
    move = StoreMove(
        id=uuid7(repo.clock(), repo.random),
        source=store_url(repo.settings),
        target=target.url,
        access_key_file=_text(target.access_key_file),
        secret_key_file=_text(target.secret_key_file),
        ca_file=_text(target.ca_file),
        started_at=repo.clock(),
        objects=0,
        size=0,
        finished_at=None,
    )
    opened = open_target(repo.settings, move, repo.wrapping_key, repo.clock)
    opened.prepare()
    try:
        _check_ours(repo, opened, target.url)
    except (StoreUnavailable, StoreUnfit):
        raise
    except StoreError as error:  # a folder's lock records are not under our key
        raise StoreUnfit(f"{target.url} is another repository's: {error}") from error
    _check_locks(repo, opened, target.url)
    for bucket in BUCKETS:
        for one in repo.store.versions(bucket):
            if not one.key.startswith(CANARY):
                move.objects += 1
                move.size += one.size
    draft = Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason="store-move-begun",
        plain={"count": move.objects},
        withheld={"detail": {"from": move.source, "to": move.target}},
    )
    with repo.database.writing() as session:
        other = last_move(session)
        if other is not None and other.finished_at is None:
            raise BadRequest(f"somebody else has just begun to move to {other.target}")
        session.add(move)
        session.flush()
        repo.ledger.append(session, [draft])
    _house_store(repo).places(anew=True)
    try_locks(repo, "primary")  # of the store that takes things in from now on
    return move


def run(repo: Repository, actor: Actor, move: StoreMove, tell: Tell) -> Outcome:
    """Copy what is not in the new store yet, and end the move if all of it is there.

    Raises:
        StoreFull, StoreUnavailable: as far as it came it is noted; run it again.
        StoreUnfit: something did not read back from the new store as it was written.
    """
    places = _house_store(repo).places(anew=True)
    if places.source is None:
        raise BadRequest("this move has ended, and the settings name the new store")
    outcome = Outcome()
    _exhibits(repo, places, move, outcome, tell)
    for bucket in BUCKETS:
        _others(repo, places, move, bucket, outcome, tell)
    forget_keys(repo, places.target)  # should it still know a key of before
    if outcome.problems or move.finished_at is not None:
        return outcome
    draft = Draft(
        Act.CONFIGURATION_CHANGE,
        actor,
        reason="store-moved",
        plain={"count": progress(repo, move).objects},
        withheld={"detail": {"from": move.source, "to": move.target}},
    )
    with repo.database.writing() as session:
        row = session.get_one(StoreMove, move.id, with_for_update={"key_share": True})
        if row.finished_at is None:
            row.finished_at = repo.clock()
            session.flush()
            repo.ledger.append(session, [draft])
    publish(repo)
    return outcome


def progress(repo: Repository, move: StoreMove) -> Progress:
    """Return how far a move has come."""
    count = select(func.count(), func.coalesce(func.sum(MovedObject.size), 0))
    with repo.database.reading() as session:
        objects, size = session.execute(count.where(MovedObject.move == move.id)).one()
        again = session.get_one(StoreMove, move.id)
    return Progress(again, int(objects), int(size))


def latest(repo: Repository) -> Progress | None:
    """Return how far the move that goes on has come, or how the last one ended."""
    with repo.database.reading() as session:
        found = last_move(session)
    return None if found is None else progress(repo, found)


def _check_ours(repo: Repository, store: ObjectStore, url: str) -> None:
    """Let nothing be mixed with what another repository, or somebody else, keeps there."""
    for one in store.versions("ledger", "checkpoint/"):
        with store.open(one) as file:
            text = file.read().decode("utf-8", "replace")
        try:
            origin = Checkpoint.parse_text(Note.parse(text).text).origin
        except MalformedNote:
            origin = "something that is no checkpoint"
        if origin != repo.settings.origin:
            raise StoreUnfit(f"{url} is another repository's: it holds the ledger of {origin}")
        return  # a store of ours of before
    for bucket in BUCKETS:
        if any(not one.key.startswith(CANARY) for one in islice(store.versions(bucket), 100)):
            raise StoreUnfit(f"{url} is not empty and holds no ledger of ours; name an empty one")


def _check_locks(repo: Repository, store: ObjectStore, url: str) -> None:
    """Let the move weaken no lock."""
    new = store.probe().lock_strength
    old = try_locks(repo, "primary").strength
    if STRENGTHS.index(new) < STRENGTHS.index(old):
        raise StoreUnfit(f"the locks of {url} are weaker ({new}) than those of now ({old})")


def _exhibits(
    repo: Repository, places: Places, move: StoreMove, outcome: Outcome, tell: Tell
) -> None:
    """Move the objects of every exhibit; what came of each stands in an entry of its own."""
    last = -1
    while True:
        query = select(Exhibit).where(Exhibit.registration > last).order_by(Exhibit.registration)
        with repo.database.reading() as session:
            batch = list(session.scalars(query.limit(_TOGETHER)))
        if not batch:
            return
        last = batch[-1].registration
        parts = recorded(repo, batch)
        objects = {
            exhibit.id: [
                part.at(one) for part in parts[exhibit.id] for one in (*part.objects, part.manifest)
            ]
            for exhibit in batch
        }
        with repo.database.reading() as session:
            known = _known(session, move, [one for some in objects.values() for one in some])
        todo = [
            exhibit
            for exhibit in batch
            if any(known.get(_name(one)) is None for one in objects[exhibit.id])
        ]
        done, failed = _together(
            [(one, objects[one.id]) for one in todo],
            lambda found: (found[0], _of_exhibit(repo, places, *found, outcome)),
        )
        with repo.database.writing() as session:
            for exhibit, pairs in done:
                _note_exhibit(repo, session, move, exhibit, pairs)
        _settle(repo, places, [pair for _, pairs in done for pair in pairs])
        if failed is not None:
            raise failed
        if todo:
            tell(progress(repo, move))


def _of_exhibit(
    repo: Repository,
    places: Places,
    exhibit: Exhibit,
    objects: Sequence[Stored],
    outcome: Outcome,
) -> list[Pair]:
    """Copy the objects of an exhibit that are in the old store; none of them if one is damaged."""
    pairs = []
    for one in objects:
        try:
            pairs.append((one, _carry(repo, places, one)))
        except (NoSuchObject, IntegrityError) as error:
            gone = isinstance(error, NoSuchObject)
            if gone and (exhibit.erased_at is not None or _is_there(places.target, one)):
                continue  # destroyed by order; or taken in, or repaired, since the move began
            advice = f"evidence verify {exhibit.number} repairs it from a second store"
            outcome.problems[exhibit.number] = f"{error}; {advice}"
            outcome.left |= {(one.bucket, one.key) for one in objects}
            return []
    return pairs


def _note_exhibit(
    repo: Repository, session: Session, move: StoreMove, exhibit: Exhibit, pairs: Sequence[Pair]
) -> None:
    known = _known(session, move, [old for old, _ in pairs])
    if all(known.get(_name(old)) is not None for old, _ in pairs):
        return  # nothing was there to copy, or another run was quicker
    drafts = [
        Draft(
            Act.MIGRATION,
            SYSTEM,
            reason="store-move",
            exhibit=ref(exhibit),
            plain={
                "location": {**some[0][1].location(), "place": "primary"},
                "inputs": [old.sha256 for old, _ in some],
                "outputs": [new.sha256 for _, new in some],
            },
        )
        for some in by_entry(pairs)
    ]
    entries = repo.ledger.append(session, drafts)
    for old, new in pairs:
        _note(session, move, old, new, entries[0].index)


def _others(
    repo: Repository, places: Places, move: StoreMove, bucket: str, outcome: Outcome, tell: Tell
) -> None:
    """Move what is of no exhibit: the ledger, keys, what was derived, pieces, strays."""
    assert places.source is not None
    listed = (
        one
        for one in places.source.versions(bucket)
        if not one.key.startswith(CANARY) and (bucket, one.key) not in outcome.left
    )
    while batch := list(islice(listed, _TOGETHER)):
        with repo.database.reading() as session:
            known = _known(session, move, batch)
        todo = [one for one in batch if _name(one) not in known]
        done, failed = _together(todo, lambda one: _other(repo, places, one, outcome))
        pairs = [pair for pair in done if pair is not None]
        with repo.database.writing() as session:
            for old, new in pairs:
                _note(session, move, old, new, None)
        _settle(repo, places, pairs)
        if failed is not None:
            raise failed
        if todo:
            tell(progress(repo, move))


def _other(repo: Repository, places: Places, one: Stored, outcome: Outcome) -> Pair | None:
    try:
        return one, _carry(repo, places, one)
    except NoSuchObject:
        return None  # destroyed by order, or dealt with, meanwhile
    except NameTaken:
        return None  # an interrupted intake was taken up again since: its new bytes count
    except IntegrityError as error:
        outcome.problems[f"{one.bucket}/{one.key}"] = str(error)
        return None


def _carry(repo: Repository, places: Places, one: Stored) -> Stored:
    """Copy one object and read it back from where it is now."""
    assert places.source is not None
    new = copy_object(places.source, one, places.target, one.key, at=repo.clock())
    found = places.target.verify(new)
    if found.outcome != "pass":
        raise StoreUnfit(f"the new store did not give back what it was given: {found.detail}")
    return new


def _settle(repo: Repository, places: Places, pairs: Sequence[Pair]) -> None:
    """Do to the copies what was done to the originals while they were copied.

    From when an object is noted, whoever changes a lock or destroys it does so in both stores.
    """
    assert places.source is not None
    for old, new in pairs:
        there = places.target.stat(new)
        try:
            held = places.source.stat(old)
        except NoSuchObject:
            _destroyed(repo, places.target, new)
            continue
        if held.hold != there.hold:
            places.target.set_hold(new, on=held.hold, authority="as in the store of before")
        until = held.retain_until
        shortest = max(there.retain_until or repo.clock(), repo.clock())
        if until is not None and until > shortest:
            places.target.extend(new, until)


def _destroyed(repo: Repository, target: ObjectStore, new: Stored) -> None:
    """Destroy a copy whose original was destroyed by order; what a stranger removed stays here."""
    if new.bucket == STAGING:
        target.discard(new)
        return
    query = select(Erasure).where(Erasure.state.in_(("approved", "erased")))
    with repo.database.reading() as session:
        row = session.scalar(query.order_by(Erasure.decided_at.desc()).limit(1))
    if row is not None and row.decided_by is not None and new.bucket not in LOCKED:
        target.destroy(new, Order(row.document, row.requested_by, row.decided_by))


def _together(items: Sequence[T], copy: Callable[[T], R]) -> tuple[list[R], EvidenceError | None]:
    """Return what copying several at once came to, and the first error: what was done is noted."""
    done, failed = [], None
    with ThreadPoolExecutor(_THREADS) as pool:
        for future in [pool.submit(copy, one) for one in items]:
            try:
                done.append(future.result())
            except EvidenceError as error:
                failed = failed or error
    return done, failed


def _known(
    session: Session, move: StoreMove, objects: Sequence[Stored]
) -> dict[tuple[str, str, str], int | None]:
    """Return what of some objects a move has noted, with the entry where there is one."""
    query = select(MovedObject).where(
        MovedObject.move == move.id, MovedObject.key.in_({one.key for one in objects})
    )
    return {(row.bucket, row.key, row.version): row.entry for row in session.scalars(query)}


def _note(session: Session, move: StoreMove, old: Stored, new: Stored, entry: int | None) -> None:
    """Note where an object is now, for every version under which it was ever recorded."""
    stored = new.to_json()
    earlier = (MovedObject.bucket == old.bucket) & (MovedObject.key == old.key)
    session.execute(update(MovedObject).where(earlier).values(stored=stored))
    row = MovedObject(
        bucket=old.bucket, key=old.key, version=old.version, stored=stored, size=new.size,
        move=move.id, entry=entry,
    )  # fmt: skip
    session.merge(row)


def _name(one: Stored) -> tuple[str, str, str]:
    return one.bucket, one.key, one.version


def _is_there(store: ObjectStore, one: Stored) -> bool:
    try:
        store.stat(one)
    except NoSuchObject:
        return False
    return True


def _house_store(repo: Repository) -> HouseStore:
    assert isinstance(repo.store, HouseStore)
    return repo.store


def _text(file: Path | None) -> str | None:
    return None if file is None else str(file.absolute())
