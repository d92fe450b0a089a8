"""Restore a repository from a backup on a bare machine, and bring it forward from its stores.

1. Shares open the backup; every file in it is compared; the database and its ledger are checked.
2. All is built beside the data folder and moved in at the end, the settings last.
3. The ledger, the exhibits registered since and the erasures since come from the object store.
4. Exhibits are read back, down to each chunk; the restore is put on record.
"""

import json
import os
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import func, select, text

from config.settings import Settings
from config.settings import load as load_settings
from custody.checkpoint import Checkpoint
from custody.database import Database
from custody.entry import Act, Actor, Draft
from custody.errors import EvidenceError
from custody.findings import Finding
from custody.note import Note
from repository import (
    Repository,
    backup_file,
    chores,
    dump,
    open_first_signer,
    open_repository,
    open_settings_store,
    passphrase_file,
    wrapping_key,
)
from repository.backup import DATABASE, SETTINGS, Tell
from repository.backup_file import Head, no_room
from repository.carried import as_toml, inside, placed
from repository.errors import (
    AlreadyInitialised,
    BackupDamaged,
    BackupRefused,
    StoreError,
    StoreUnavailable,
)
from repository.fixity import check_objects
from repository.forward import Forward, bring_forward
from repository.maintenance import alone
from repository.migrations import newest, revision, upgrade
from repository.models import Exhibit
from repository.outside import NOTHING, Known
from repository.people import SYSTEM
from repository.readback import ReadBack, read_back
from repository.recovery import combined
from repository.stores import ObjectStore
from repository.write_once import digest_of, sync_folder

MOST_SETTINGS = 1 << 20
_BLOCK = 1 << 20
_BUILDING = ".restore"
_STORE = "store"  # may be in an otherwise empty data folder: it survived


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore."""

    backup: int  # the size of the ledger in the backup
    sha256: str
    forward: Forward
    findings: list[Finding] = field(default_factory=list)  # of exhibits that were read back
    read_in_drill: list[ReadBack] = field(default_factory=list)  # not yet on record anywhere

    @property
    def whole(self) -> bool:
        """Say whether everything that was read back is what was registered."""
        return all(found.outcome == "pass" for found in self.findings)


def opened(file: Path, shares: Sequence[str]) -> tuple[Head, bytes]:
    """Return the first line of a backup and the key of its content.

    Raises:
        BackupRefused: no backup, or one of a newer program.
        BackupRefused: too few, or of another recovery key.
        BackupDamaged: it was cut or changed.
    """
    head = backup_file.read_head(file)
    if head.revision > newest():
        raise BackupRefused(
            f"this backup was made by a newer program ({head.by}, database revision "
            f"{head.revision}); this one knows revisions up to {newest()}: use that version"
        )
    secret = combined(head.recovery, shares)
    return head, head.recovery.open(head.sealed_key, secret)


def unpack(
    file: Path,
    shares: Sequence[str],
    data: Path,
    tell: Tell,
    *,
    changes: Mapping[str, Any] | None = None,
    database: str | None = None,
) -> Settings:
    """Write what a backup holds into a bare data folder, and into a bare database.

    Args:
        file: the backup.
        shares: of its recovery key.
        data: the folder; absent, empty, or with nothing but `store`.
        tell: told how far it is.
        changes: settings that are other ones here.
        database: the URL of the database; empty: SQLite in the folder; None: as the environment
            or the settings say.

    Returns:
        The settings of the restored repository; its ledger is as old as the backup.

    Raises:
        BackupRefused, BackupDamaged: as `opened`.
        AlreadyInitialised: folder or database hold something; nothing was changed.
        LedgerUnavailable: somebody else is at it.
        DiskFull: no room; nothing is left.
    """
    head, key = opened(file, shares)
    _bare(data, head)
    data.parent.mkdir(parents=True, exist_ok=True)
    # Within the folder where it is there already: it may be a disk of its own.
    building = data / _BUILDING if data.is_dir() else data.with_name(f".{data.name}.restore")
    building.mkdir(mode=0o700, exist_ok=True)
    with alone(building), no_room(f"{data} was not restored"):
        try:
            _clear(building)
            settings = _unpacked(file, head, key, building, data, tell, changes or {}, database)
            _bare(data, head)
            for made in sorted(building.iterdir(), key=lambda one: one.name == "config.toml"):
                if not made.name.startswith("."):
                    made.rename(_folder(data) / made.name)
            sync_folder(data)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return settings


def restore(
    settings: Settings,
    file: Path,
    tell: Tell,
    *,
    read: int | None,
    drill: bool = False,
    known: Known = NOTHING,
) -> tuple[Repository, Restored]:
    """Bring an unpacked repository forward, read exhibits back, put it on record.

    Args:
        settings: as `unpack` returned them.
        file: the backup.
        tell: told how far it is.
        read: how many exhibits to read back, beside those that the backup did not have; None: all.
        drill: it is only tried: nothing is written to the stores, and nothing is recorded there.
        known: checkpoints and receipts from outside; where they show more than came back, nothing
            is recorded either.

    Returns:
        The open repository, and what came of it.
    """
    repo = open_repository(settings)
    try:
        first = open_first_signer(settings, passphrase_file(settings).read_bytes().strip())
        size = repo.ledger.size()
        digest = digest_of(file)[0]
        forward = bring_forward(repo, first.key, record=not drill, known=known)
        drill = drill or bool(forward.beyond)
        numbers = [*forward.exhibits, *_some(repo, read, set(forward.exhibits))]
        findings, read_in_drill = [], []
        for n, number in enumerate(numbers, 1):
            if drill:
                [one] = read_back(repo, [number])
                read_in_drill.append(one)
                findings.append(one.finding)
            else:
                findings += check_objects(repo, SYSTEM, numbers=[number])
            tell("reading exhibits back", n, len(numbers))
        done = Restored(size, digest, forward, findings, read_in_drill)
        if not drill:
            repo.ledger.record(entry(SYSTEM, done, "backup"))
        return repo, done
    except BaseException:
        repo.close()
        raise


def entry(actor: Actor, done: Restored, reason: str) -> Draft:
    """Return the entry about a restore, or about a drill of one."""
    passed = sum(found.outcome == "pass" for found in done.findings)
    return Draft(
        Act.RESTORED,
        actor,
        outcome="done" if done.whole else "error",
        reason=reason,
        plain={"inputs": [done.sha256], "count": passed},
        withheld={
            "detail": {
                "backup": done.backup,
                "read_back": len(done.findings),
                "registered_since": len(done.forward.exhibits),
            }
        },
    )


def drilled(repo: Repository, actor: Actor, done: Restored) -> None:
    """Put a drill on record in the repository that it was about."""
    repo.ledger.record(*(one.entry(actor) for one in done.read_in_drill))
    repo.ledger.record(entry(actor, done, "drill"))
    if done.whole:
        chores.done(repo, chores.DRILL)


def _unpacked(
    file: Path,
    head: Head,
    key: bytes,
    building: Path,
    data: Path,
    tell: Tell,
    changes: Mapping[str, Any],
    url: str | None,
) -> Settings:
    total = file.stat().st_size
    said: dict[str, Any] | None = None
    database = building / "evidence.db"
    progress = lambda done: tell("unpacking", min(done, total), total)  # noqa: E731
    for name, size, content in backup_file.members(file, key, progress):
        if name == SETTINGS and size <= MOST_SETTINGS:
            said = json.loads(_all(content))
        else:
            _write(database if name == DATABASE else building / inside(name), content)
    if said is None or not database.exists():
        raise BackupDamaged("the backup holds no database, or no settings")
    for name in ("receipts", "work"):
        (building / name).mkdir(mode=0o700)
    settings = Settings(**{**placed(said, building), **changes, "data": building})
    passphrase = passphrase_file(settings).read_bytes().strip()
    found = dump.check(database, open_first_signer(settings, passphrase).key)
    if found != head.size:
        raise BackupDamaged(f"the backup says {head.size} entries, its ledger has {found}")
    where = settings.store_url or (data / _STORE).as_uri()
    key_of_records = wrapping_key(passphrase, settings.origin)
    here = settings.model_copy(update={"store_url": where})
    _same_ledger(open_settings_store(here, key_of_records), head)
    if dump.revision_of(database) != newest():
        with dump.sqlite_file(database) as older:
            upgrade(older)
    written = building / "config.toml"
    written.touch(mode=0o600)
    written.write_text(as_toml({**placed(said, data), **changes}))
    found_settings = load_settings(data, written)
    if url is not None:
        found_settings = found_settings.model_copy(update={"database_url": url})
    if found_settings.database_url:
        _load(database, found_settings.database_url, tell)
        database.unlink()
    return found_settings


def _load(database: Path, url: str, tell: Tell) -> None:
    target = Database(url)
    try:
        if revision(target) is None:
            upgrade(target)
        elif revision(target) != newest() or not _empty(target):
            raise AlreadyInitialised(
                "the database holds a repository already; nothing was changed. A backup is "
                "restored into an empty database"
            )
        dump.load(database, target, lambda done, of: tell("filling the database", done, of))
    finally:
        target.close()


def _empty(database: Database) -> bool:
    with database.reading() as session:
        return not session.scalar(text("SELECT count(*) FROM head"))


def _bare(data: Path, head: Head) -> None:
    """Refuse a folder in which something is, and say what.

    Raises:
        AlreadyInitialised: it is not empty.
        BackupRefused: a repository is in it, newer than the backup or another one.
    """
    there = {one.name for one in data.iterdir()} - {_BUILDING} if data.is_dir() else set()
    if not data.is_dir() and data.exists():
        raise AlreadyInitialised(f"{data} is no folder; nothing was changed")
    if there <= {_STORE}:
        return
    if "config.toml" in there:
        _repository_there(data, head)
    raise AlreadyInitialised(
        f"{data} is not empty; nothing was changed. A backup is restored into an empty folder (a "
        f"surviving `{_STORE}` may be in it)"
    )


def _repository_there(data: Path, head: Head) -> None:
    try:
        repo = open_repository(load_settings(data))
    except EvidenceError:
        return  # whatever it is, it is in the way
    with_it = f"the repository in {data} is"
    try:
        if repo.settings.origin != head.origin:
            raise BackupRefused(
                f"{with_it} {repo.settings.origin}, this backup is of {head.origin}; nothing was "
                "changed"
            )
        size = repo.ledger.size()
        if size >= head.size:
            raise BackupRefused(
                f"{with_it} newer than this backup: {size} entries, the backup has {head.size}; "
                "nothing was changed"
            )
    finally:
        repo.close()


def _same_ledger(store: ObjectStore, head: Head) -> None:
    """Refuse a store that holds another ledger's checkpoints.

    Raises:
        BackupRefused: it is another repository's.
    """
    other = (
        f"the object store is not that of {head.origin}, of which this backup is: name the one "
        "that is (--store)"
    )
    try:
        stored = next(store.versions("ledger", "checkpoint/"), None)
    except StoreUnavailable:
        raise
    except StoreError as error:
        raise BackupRefused(f"{other}; {error}") from error
    if stored is None:
        return
    with store.open(stored) as file:
        origin = Checkpoint.parse_text(Note.parse(file.read().decode()).text).origin
    if origin != head.origin:
        raise BackupRefused(f"{other}; it holds the ledger {origin}")


def _some(repo: Repository, most: int | None, without: set[str]) -> list[str]:
    """Return exhibits to read back, drawn at random; all of them where no number is given."""
    with repo.database.reading() as session:
        there = select(Exhibit.number).where(Exhibit.erased_at.is_(None))
        if most is None:
            return [one for one in session.scalars(there) if one not in without]
        count = session.scalar(select(func.count()).select_from(there.subquery())) or 0
        chosen = sorted(random.SystemRandom().sample(range(count), min(most, count)))
        ordered = there.order_by(Exhibit.id)
        found = [session.scalars(ordered.offset(n).limit(1)).one() for n in chosen]
    return [one for one in found if one not in without]


def _folder(data: Path) -> Path:
    data.mkdir(mode=0o700, exist_ok=True)
    return data


def _clear(building: Path) -> None:
    """Remove what a killed run left."""
    for left in building.iterdir():
        if left.name != ".maintenance":
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _write(path: Path, content: BinaryIO) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while block := content.read(_BLOCK):
            out.write(block)
        backup_file.sync(out)


def _all(content: BinaryIO) -> bytes:
    blocks = []
    while block := content.read(_BLOCK):
        blocks.append(block)
    return b"".join(blocks)
