"""Back up: everything that is in no object store, as one file that only the recovery key opens.

The database as it stood at one moment, keys, secrets, settings and trust files. Objects stay in
their stores. The file gets its name when it was read back and found whole.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from config.settings import Settings
from custody.canonical import dumps
from custody.database import Database
from custody.entry import Act, Actor, Draft, timestamp
from custody.heads import last_head
from repository import (
    Repository,
    backup_file,
    chores,
    database_url,
    open_first_signer,
    passphrase_file,
    software,
)
from repository.backup_file import Head, no_room
from repository.carried import carried, elsewhere
from repository.dump import check, dump, revision_of, sqlite_file
from repository.errors import AlreadyExists, BackupDamaged, BadRequest, KeyUnavailable
from repository.keyring import in_modules, lacking
from repository.maintenance import alone
from repository.recovery import recovery_key
from repository.write_once import sync_folder

DATABASE = "database.sqlite"
SETTINGS = "settings.json"
KEY = 32

Tell = Callable[[str, int, int], None]
"""tell(step, done, of): how far a step has come."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made and read back."""

    file: Path
    sha256: str
    bytes: int
    size: int  # of the ledger in it
    recovery: str
    elsewhere: tuple[str, ...]  # keys that are in modules, and in no backup


def back_up(repo: Repository, actor: Actor, out: Path, tell: Tell) -> Backup:
    """Write a backup, read it back, name it and put it on record. The service goes on meanwhile.

    Args:
        repo: the repository.
        actor: who does it; may install.
        out: the file to make, or a folder in which it gets a name.
        tell: told how far it is.

    Raises:
        LedgerUnavailable: somebody else is at it.
        KeyUnavailable, AlreadyExists, BadRequest, DiskFull, BackupDamaged: as `write`.
    """
    with repo.database.reading() as session:
        away = lacking(session, repo.settings.data / "keys")
        modules = in_modules(session)
    if away:
        raise KeyUnavailable(
            f"{away[0]} is not on this machine, and no backup without it opens everything: copy it "
            "here, or make the backup where it is"
        )
    with alone(repo.settings.data, repo.database):
        made = write(repo.settings, out, tell, at=repo.clock(), random=repo.random)
    repo.ledger.record(entry(actor, made))
    chores.done(repo, chores.BACKUP)
    return replace(made, elsewhere=(*made.elsewhere, *modules))


def write(
    settings: Settings, out: Path, tell: Tell, *, at: datetime, random: Callable[[int], bytes]
) -> Backup:
    """Write a backup, read it back and name it; the caller is `alone`, and puts it on record.

    The database may be older than this program.

    Raises:
        KeyUnavailable: there is no recovery key, or a file of the settings cannot be read.
        AlreadyExists: the file is there already.
        BadRequest: its folder is not.
        DiskFull: no room; nothing is left.
        BackupDamaged: what was written is not what was read back; it got no name.
    """
    recovery = recovery_key(settings)
    files, said = carried(settings)
    passphrase = passphrase_file(settings).read_bytes().strip()
    first = open_first_signer(settings, passphrase).key
    if out.is_dir():
        out /= f"evidence-{at:%Y%m%dT%H%M%S}.{random(2).hex()}.backup"
    if out.exists():
        raise AlreadyExists(f"{out} is there already; a backup replaces nothing")
    if not out.parent.is_dir():
        raise BadRequest(f"there is no folder {out.parent}")
    # The database's own limit of time is for questions; a copy takes as long as it takes.
    source = Database(database_url(settings), timeout=settings.database_timeout)
    part = out.with_name(f".{out.name}.part")
    try:
        with (
            no_room(f"{out.name} was not made"),
            _scratch(settings.data / "work") as work,
            _removed(part),
        ):
            copy = work / DATABASE
            dump(source, copy, lambda done, total: tell("copying the database", done, total))
            size = check(copy, first)
            with sqlite_file(copy) as database, database.reading() as session:
                note = last_head(session).note or ""
            key = random(KEY)
            head = Head(
                first.name, timestamp(at), software(), revision_of(copy) or "", size, note,
                recovery, recovery.seal(key),
            )  # fmt: skip
            content: dict[str, Path | bytes] = {DATABASE: copy, SETTINGS: dumps(said), **files}
            total = copy.stat().st_size
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
                digest = backup_file.write(
                    file, head, key, content, random,
                    lambda done: tell("writing", min(done, total), total),
                )  # fmt: skip
                backup_file.sync(file)
            again = backup_file.verify(
                part, key, lambda done: tell("reading back", min(done, total), total)
            )
            if again != digest:
                raise BackupDamaged(
                    f"{out.name} reads back otherwise than it was written; it was not kept"
                )
            if out.exists():
                raise AlreadyExists(f"{out} is there already; a backup replaces nothing")
            part.rename(out)
            sync_folder(out.parent)
    finally:
        source.close()
    modules = tuple(elsewhere(settings))
    return Backup(out, digest, out.stat().st_size, size, recovery.id, modules)


def entry(actor: Actor, made: Backup) -> Draft:
    """Return the entry about a backup."""
    return Draft(
        Act.REPLICATION,
        actor,
        reason="backup",
        plain={
            "count": made.size,
            "outputs": [made.sha256],
            "location": {"store": "backup", "bucket": "", "key": made.sha256, "version": ""},
        },
        withheld={"detail": {"recovery": made.recovery, "bytes": made.bytes}},
    )


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield a folder of its own, gone at the end; what a killed run left in it goes first."""
    for left in folder.glob("backup-*"):
        shutil.rmtree(left)
    with TemporaryDirectory(dir=folder, prefix="backup-") as made:
        yield Path(made)


@contextmanager
def _removed(file: Path) -> Iterator[None]:
    """Leave nothing under a temporary name."""
    with suppress(FileNotFoundError):
        file.unlink()  # of a run that was killed: nobody else is at it
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            file.unlink()
