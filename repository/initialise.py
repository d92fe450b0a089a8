"""Make a repository: folder, keys, database, store and the first person, all or nothing."""

import base64
import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from config.settings import Settings
from custody.database import Database
from custody.entry import Clock
from custody.note import COSIGNATURE_ML_DSA_44, valid_name
from custody.signers import file as file_signer
from repository import (
    Repository,
    database_url,
    kek_uri,
    now,
    open_replica,
    open_repository,
    open_settings_store,
    second_key,
    wrapping_key,
)
from repository.errors import (
    AlreadyInitialised,
    BadRequest,
    DiskFull,
    KeyUnavailable,
    RepositoryError,
)
from repository.keys import house_key
from repository.ledger_mirror import publish
from repository.migrations import revision, upgrade
from repository.people import SYSTEM, new_person
from repository.trial import try_locks
from repository.vault import open_vault, vault_key_uri, vault_passphrase_file
from repository.wrapping import KeyWrapper, create_wrapper, open_wrapper

_BUILDING = ".init-"


def initialise(
    settings: Settings,
    *,
    login: str,
    clock: Clock = now,
    random: Callable[[int], bytes] = os.urandom,
) -> Repository:
    """Make the repository that the settings describe and return it open.

    Everything local is built in a folder of another name and moved at the end, the settings last,
    so an interrupted run leaves nothing that looks like a repository.

    Args:
        settings: `data` is the folder to make; `origin` may be empty.
        login: the operating system's account; becomes the first person, a custodian.
        clock: gives aware times.
        random: n random bytes.

    Raises:
        AlreadyInitialised: the folder holds anything.
        BadRequest: the origin cannot name a ledger.
        RepositoryError: the folder cannot be made.
    """
    data = settings.data
    if data.exists() and not (data.is_dir() and all(map(_left, data.iterdir()))):
        raise AlreadyInitialised(f"{data} is not empty; nothing was changed")
    origin = settings.origin or f"evidence.invalid/{uuid4()}"
    if not valid_name(origin) or len(origin) > 200:
        raise BadRequest("an origin is a name like evidence.example/ledger: no spaces, no plus")
    # Within the folder where it is there already: it may be a disk of its own, and what is around
    # it another's.
    name = f"{_BUILDING}{os.getpid()}"
    building = data / name if data.is_dir() else data.with_name(f".{data.name}{name}")
    made = settings.model_copy(update={"data": building, "origin": origin})
    try:
        _build(made, origin)
        if building.parent == data:
            # Folders first: of two runs at once the second cannot put its own over them.
            for one in sorted(building.iterdir(), key=_order):
                one.rename(data / one.name)
        else:
            building.rename(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room to make {data}; nothing was left behind") from error
        raise RepositoryError(f"{data} cannot be made: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    repo = open_repository(made.model_copy(update={"data": data}), clock=clock, random=random)
    if settings.encryption:
        house_key(repo)
    new_person(repo, SYSTEM, name=login, role="custodian", login=login)
    for place in repo.stores:
        try_locks(repo, place)
    publish(repo)
    return repo


def _left(file: Path) -> bool:
    """Say whether a run that was interrupted left it."""
    return file.name.startswith(_BUILDING)


def _order(file: Path) -> tuple[bool, bool]:
    return file.is_file(), file.name == "config.toml"


def _build(settings: Settings, origin: str) -> None:
    folder = settings.data
    folder.mkdir(parents=True, mode=0o700)
    for name in ("keys", "secrets", "receipts", "work"):
        (folder / name).mkdir(mode=0o700)
    passphrase = _passphrase(settings, folder / "secrets" / "passphrase")
    file_signer.create(folder / "keys" / "log.pem", name=origin, passphrase=passphrase)
    file_signer.create(
        second_key(settings), name=origin, passphrase=passphrase, kind=COSIGNATURE_ML_DSA_44
    )
    _key_encryption_key(settings, passphrase)
    make_vault_key(settings)
    (folder / "config.toml").write_text(
        f'# Settings of this repository; see docs/operate.md for all keys.\norigin = "{origin}"\n'
    )
    database = Database(database_url(settings), timeout=settings.database_timeout)
    try:
        if revision(database) is not None:
            raise AlreadyInitialised(
                "the database of `database_url` holds a repository already; nothing was changed"
            )
        upgrade(database)
    finally:
        database.close()
    wrapping = wrapping_key(passphrase, origin)
    open_settings_store(settings, wrapping).prepare()
    replica = open_replica(settings, wrapping)
    if replica is not None:
        replica.prepare()


def _key_encryption_key(settings: Settings, passphrase: bytes) -> None:
    """Make the key-encryption key; one that the settings name and that is there is used."""
    uri = kek_uri(settings)
    if settings.kek_uri:
        with suppress(KeyUnavailable):
            open_wrapper(uri, passphrase=passphrase)
            return
    create_wrapper(uri, passphrase=passphrase)


def make_vault_key(settings: Settings) -> KeyWrapper:
    """Make the key of the vault of identities, under a passphrase of its own; or use what is there.

    Raises:
        KeyUnavailable: what the settings name cannot be made or opened.
    """
    file, uri = vault_passphrase_file(settings), vault_key_uri(settings)
    if not file.exists() and settings.identity_passphrase_file is None:
        new_passphrase(file)
    with suppress(KeyUnavailable):
        return open_vault(settings)
    try:
        passphrase = file.read_bytes().strip()
    except OSError as error:
        raise KeyUnavailable(f"{file} cannot be read: {error.strerror}") from error
    return create_wrapper(uri, passphrase=passphrase)


def _passphrase(settings: Settings, file: Path) -> bytes:
    if settings.key_passphrase_file is not None:
        return settings.key_passphrase_file.read_bytes().strip()
    return new_passphrase(file)


def new_passphrase(file: Path) -> bytes:
    """Draw a passphrase of 256 bits and write it to a new file of mode 0600."""
    passphrase = base64.b64encode(os.urandom(32))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(passphrase + b"\n")
    return passphrase
