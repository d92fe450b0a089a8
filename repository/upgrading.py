"""Upgrade: a backup first, then every migration in one transaction, then the record of both.

Broken off before the migrations are committed, the database is as it was; after that, what is left
to do stands in a file of the data folder. The same command goes on, whatever the clock says.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from config.settings import Settings
from custody.database import Database
from custody.entry import Act, Actor, Clock, Draft
from repository import Repository, backup, chores, database_url, now
from repository.backup import Backup, Tell
from repository.errors import NotInitialised, WrongDatabase
from repository.maintenance import alone
from repository.migrations import check_revision, newest, revision, upgrade
from repository.replacing import replacing


@dataclass(frozen=True, slots=True)
class Upgraded:
    """From which revision to which, and the backup that was made before."""

    before: str
    after: str
    file: str
    sha256: str
    bytes: int
    size: int
    recovery: str


def migrate(
    settings: Settings,
    out: Path,
    tell: Tell,
    *,
    clock: Clock = now,
    random: Callable[[int], bytes] = os.urandom,
) -> bool:
    """Back up and bring the database to this program's revision; say whether there was need to.

    `recorded` has to follow, with the repository open.

    Raises:
        NotInitialised: there is no repository.
        WrongDatabase: the database is a newer program's.
        LedgerUnavailable, KeyUnavailable, DiskFull, AlreadyExists, BadRequest: as `backup.write`;
            the database is as it was.
    """
    database = Database(database_url(settings), timeout=settings.database_timeout)
    try:
        before = revision(database)
        if before is None:
            raise NotInitialised(f"there is no repository in {settings.data} to upgrade")
        if before == newest():
            return _marker(settings).exists()
        if before > newest():
            check_revision(database)
        with alone(settings.data, database):
            made = backup.write(settings, out, tell, at=clock(), random=random)
            _note(settings, before, made)
            tell("migrating", 0, 1)
            upgrade(database)
            tell("migrating", 1, 1)
    finally:
        database.close()
    return True


def recorded(repo: Repository, actor: Actor) -> Upgraded | None:
    """Put an upgrade and its backup on record; None if there is none that was not."""
    marker = _marker(repo.settings)
    with suppress(FileNotFoundError):
        found = Upgraded(**json.loads(marker.read_bytes()))
        made = Backup(Path(found.file), found.sha256, found.bytes, found.size, found.recovery, ())
        if found.after != newest():
            raise WrongDatabase(
                f"an upgrade to revision {found.after} was begun, and this program is at {newest()}"
            )
        change = Draft(
            Act.CONFIGURATION_CHANGE,
            actor,
            reason="upgraded",
            withheld={"detail": {"from": found.before, "to": found.after}},
        )
        repo.ledger.record(backup.entry(actor, made), change)
        chores.done(repo, chores.BACKUP)
        marker.unlink()
        return found
    return None


def _note(settings: Settings, before: str, made: Backup) -> None:
    found = Upgraded(
        before, newest(), str(made.file), made.sha256, made.bytes, made.size, made.recovery
    )
    with replacing(_marker(settings)) as file:
        file.write(json.dumps(asdict(found)).encode())


def _marker(settings: Settings) -> Path:
    return settings.data / "upgrade.json"
