"""The central repository: cases, people, access, storage, verified reads, exports.

>>> repo = open_repository(load(Path("evidence-data")))   # doctest: +SKIP
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from sqlalchemy import URL

from config.settings import Settings
from custody.database import Database
from custody.entry import Clock
from custody.errors import LedgerBehind, LedgerUnavailable
from custody.ledger import Ledger
from custody.note import COSIGNATURE_ML_DSA_44, VerifierKey
from custody.quorum import Policy, unwitnessed
from custody.quorum import parse as parse_policy
from custody.signers import Signer, open_signer
from repository.errors import BadRequest, NotInitialised, StoreUnavailable
from repository.keyring import KeyRing
from repository.migrations import check_revision
from repository.moving import HouseStore, StoreMove
from repository.stores import Access, ObjectStore, open_store

SYSTEM_ID = "00000000-0000-7000-8000-000000000000"  # the actor of automatic acts


def now() -> datetime:
    """Return the machine's time in UTC: the clock where none is given.

    Raises:
        LedgerUnavailable: it gives none, so nothing can be recorded.
    """
    try:
        return datetime.now(UTC)
    except (OSError, OverflowError, ValueError) as error:
        raise LedgerUnavailable(
            f"this machine's clock gives no time that could be recorded ({error}); set it, then "
            "ask again"
        ) from error


@dataclass(frozen=True)
class Repository:
    """The open repository: everything a function needs to act on it, passed as `repo`."""

    settings: Settings
    database: Database
    ledger: Ledger
    store: ObjectStore
    clock: Clock
    random: Callable[[int], bytes]
    wrapping_key: bytes
    policy: Policy
    kek: KeyRing
    replica: ObjectStore | None = None
    tsa_roots: tuple[str, ...] = ()
    second: Signer | None = None  # the log's ML-DSA-44 key, for published checkpoints
    held: list[bytes] = field(default_factory=list, repr=False)  # the house's data key, once used
    journalled: list[int] = field(default_factory=list, repr=False)  # see `journal`
    match_keys: dict[str, bytes] = field(default_factory=dict, repr=False)  # of matching, once used

    @property
    def receipts(self) -> Path:
        """Return the folder of receipts."""
        return self.settings.data / "receipts"

    @property
    def stores(self) -> Mapping[str, ObjectStore]:
        """Return the stores by their place: `primary`, and `replica` if there is one."""
        found = {"primary": self.store}
        return found if self.replica is None else {**found, "replica": self.replica}

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()


def open_repository(
    settings: Settings,
    *,
    clock: Clock = now,
    random: Callable[[int], bytes] = os.urandom,
) -> Repository:
    """Open the repository that `settings` describe.

    Raises:
        NotInitialised: `evidence init` was never run there.
        WrongDatabase: the database was made by another version.
        SignerUnavailable: the signing key or its passphrase cannot be read.
        KeyUnavailable: the key-encryption key cannot be opened.
        StoreUnavailable: the object store cannot be reached.
        LedgerUnavailable: the database cannot be opened.
    """
    if not settings.origin or not passphrase_file(settings).exists():
        raise NotInitialised(f"there is no repository in {settings.data}; make one: evidence init")
    for name in ("receipts", "work"):
        # Another machine has copies of keys, secrets and settings alone.
        (settings.data / name).mkdir(mode=0o700, exist_ok=True)
    passphrase = passphrase_file(settings).read_bytes().strip()
    database = Database(
        database_url(settings),
        timeout=settings.database_timeout,
        statement=settings.database_statement_seconds,
    )
    try:
        return _open(settings, database, passphrase, clock, random)
    except BaseException:
        database.close()
        raise


def _open(
    settings: Settings,
    database: Database,
    passphrase: bytes,
    clock: Clock,
    random: Callable[[int], bytes],
) -> Repository:
    check_revision(database)
    signer = open_first_signer(settings, passphrase)
    key = wrapping_key(passphrase, settings.origin)
    store = HouseStore(
        open_settings_store(settings, key, clock),
        store_url(settings),
        database,
        lambda move: open_target(settings, move, key, clock),
        clock,
    )
    ledger = Ledger(
        database,
        signer,
        wrapping_key=key,
        clock=clock,
        by=software(),
        random=random,
        open_key=lambda event: open_signer(
            event.uri or default_key(settings, event.key).as_uri(),
            name=event.key.name,
            passphrase=passphrase,
        ),
        outside=lambda size: compare(store, size, ledger.origin),
    )
    return Repository(
        settings,
        database,
        ledger,
        store,
        clock,
        random,
        key,
        policy=_policy(settings, signer),
        kek=KeyRing(database, kek_uri(settings), settings.data / "keys", passphrase),
        replica=open_replica(settings, key, clock),
        tsa_roots=_roots(settings),
        second=_second(settings, passphrase),
    )


def compare(store: ObjectStore, size: int, origin: str = "") -> None:
    """Refuse a ledger that is shorter than a checkpoint in the store, or known outside.

    Args:
        store: the house's.
        size: of the ledger.
        origin: of the ledger; empty: only what the store itself has of it is looked at.

    Raises:
        LedgerBehind: the store keeps a checkpoint of a larger size.
        StoreUnavailable: the store does not answer, so nothing can be compared.
    """
    prefix = outside_of(origin)
    after = prefix + checkpoint_name(size)
    for stored in store.versions("ledger", prefix, after=after) if origin else ():
        known = int(stored.key.removeprefix(prefix).replace("/", "").partition("-")[0])
        if known > size:
            raise LedgerBehind(
                f"this ledger has {size} entries, but {known} were given out, as is known outside: "
                "nothing is recorded until they are brought back with: evidence ledger rebuild; "
                "what nothing can bring back is named as lost with: evidence ledger succeed"
            )
    own = mirror_of(origin)
    for bucket, name in (("ledger", "checkpoint/"), ("staging", "journal/")):
        prefix = own + name
        after = prefix + checkpoint_name(size)
        larger = next(
            (
                int(stored.key.removeprefix(prefix).replace("/", "").partition("-")[0])
                for stored in store.versions(bucket, prefix, after=after)
                if not stored.key.startswith(f"{after}-")  # a journal up to this very size
            ),
            None,
        )
        if larger is None and origin:
            later = next(store.versions(bucket, SUCCESSOR, after=f"{own}~" if own else ""), None)
            larger = None if later is None else int(later.key.split("/")[1]) + 1
        if larger is None:
            continue
        raise LedgerBehind(
            f"this ledger has {size} entries, but a checkpoint of {larger} was given out: the "
            "database was restored from an older copy; nothing is recorded until it is brought "
            "forward with: evidence ledger rebuild"
        )


SUCCESSOR = "successor/"


def mirror_of(origin: str) -> str:
    """Return what the names of a ledger's mirror and journals begin with in the store.

    Nothing for the first; a successor has a place of its own, as names of the one before may stand
    there for entries that are lost.
    """
    _, successor, size = origin.rpartition("/successor-")
    return f"{SUCCESSOR}{int(size):020d}/" if successor and size.isdigit() else ""


def outside_of(origin: str) -> str:
    """Return the prefix of what is known outside about the ledger of an origin."""
    return f"outside/{sha256(origin.encode()).hexdigest()[:16]}/"


def checkpoint_name(size: int) -> str:
    """Return a tree size as 20 digits (docs/format.md 8); the last three apart: small folders."""
    text = f"{size:020d}"
    return f"{text[:17]}/{text[17:]}"


def second_key(settings: Settings) -> Path:
    """Return the file of the log's ML-DSA-44 key."""
    return settings.data / "keys" / "log-ml-dsa-44.pem"


def _second(settings: Settings, passphrase: bytes) -> Signer | None:
    file = second_key(settings)
    if not file.exists():  # a repository of before 0.2 has none
        return None
    return open_signer(
        file.as_uri(), name=settings.origin, passphrase=passphrase, kind=COSIGNATURE_ML_DSA_44
    )


def _policy(settings: Settings, signer: Signer) -> Policy:
    file = settings.witness_policy_file
    return unwitnessed([signer.key]) if file is None else parse_policy(_text(file))


def _roots(settings: Settings) -> tuple[str, ...]:
    if settings.tsa_urls and settings.tsa_roots_file is None:
        raise BadRequest(
            "tsa_urls is set but tsa_roots_file is not: no token could be verified; name a PEM "
            "file of the authorities' roots"
        )
    return () if settings.tsa_roots_file is None else (_text(settings.tsa_roots_file),)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"the file {file} of the settings cannot be read: {error}") from error


def open_first_signer(settings: Settings, passphrase: bytes) -> Signer:
    """Return the signer of the log's first key.

    Raises:
        SignerUnavailable: it cannot be opened.
    """
    uri = (settings.data / "keys" / "log.pem").as_uri()
    return open_signer(uri, name=settings.origin, passphrase=passphrase)


def default_key(settings: Settings, key: VerifierKey) -> Path:
    """Return the file of a key of the log that was added later."""
    return settings.data / "keys" / f"log-{key.key_id.hex()}.pem"


def open_settings_store(settings: Settings, wrapping: bytes, clock: Clock = now) -> ObjectStore:
    """Return the object store that the settings name: by default the folder `store`.

    Args:
        settings: name the store and the files of its credentials.
        wrapping: the 32-byte wrapping key; a folder's lock records are authenticated with a key
            made from it.
        clock: gives aware times.
    """
    files = (settings.store_access_key_file, settings.store_secret_key_file)
    return _store(store_url(settings), files, settings.store_ca_file, settings, wrapping, clock)


def store_url(settings: Settings) -> str:
    """Return where the object store is: by default the folder `store` in the data folder."""
    return settings.store_url or (settings.data / "store").as_uri()


def open_target(
    settings: Settings, move: StoreMove, wrapping: bytes, clock: Clock = now
) -> ObjectStore:
    """Return the store that a move goes to.

    Raises:
        StoreUnavailable: this machine lacks a file of its credentials.
    """
    files = tuple(
        Path(one) if one else None for one in (move.access_key_file, move.secret_key_file)
    )
    ca_file = Path(move.ca_file) if move.ca_file else None
    try:
        return _store(move.target, (files[0], files[1]), ca_file, settings, wrapping, clock)
    except OSError as error:
        raise StoreUnavailable(
            f"the store moves to {move.target}, and this machine cannot read {error.filename}: "
            f"{error.strerror}"
        ) from error


def open_replica(settings: Settings, wrapping: bytes, clock: Clock = now) -> ObjectStore | None:
    """Return the second store, if the settings name one."""
    url = settings.replica_store_url
    files = (settings.replica_access_key_file, settings.replica_secret_key_file)
    return _store(url, files, settings.replica_ca_file, settings, wrapping, clock) if url else None


def _store(
    url: str,
    files: tuple[Path | None, Path | None],
    ca_file: Path | None,
    settings: Settings,
    wrapping: bytes,
    clock: Clock,
) -> ObjectStore:
    access, secret = files
    found = Access(
        access_key=_secret(access),
        secret_key=_secret(secret) or _record_key(wrapping),
        ca_file=ca_file,
        immutable=settings.immutable_files,
        clock=clock,
    )
    return open_store(url, found)


def _record_key(wrapping: bytes) -> str:
    return (
        HKDF(SHA256(), length=32, salt=None, info=b"evidence lock records").derive(wrapping).hex()
    )


def kek_uri(settings: Settings) -> str:
    """Return where the key-encryption key is: by default a file in the data folder."""
    return settings.kek_uri or (settings.data / "keys" / "kek.json").as_uri()


def database_url(settings: Settings) -> str | URL:
    """Return the database's URL: by default SQLite in the data folder, whatever its name."""
    file = settings.data / "evidence.db"
    return settings.database_url or URL.create("sqlite", database=str(file))


def passphrase_file(settings: Settings) -> Path:
    """Return the file that holds the passphrase of all keys."""
    return settings.key_passphrase_file or settings.data / "secrets" / "passphrase"


def wrapping_key(passphrase: bytes, origin: str) -> bytes:
    """Return the 32-byte key that wraps the keys of openings (scrypt, RFC 7914)."""
    return Scrypt(salt=origin.encode(), length=32, n=2**14, r=8, p=1).derive(passphrase)


def software() -> str:
    """Return the name and version that entries carry."""
    try:
        return f"central-evidence-repository {version('central-evidence-repository')}"
    except PackageNotFoundError:
        return "central-evidence-repository (not installed)"


def _secret(file: Path | None) -> str | None:
    return None if file is None else file.read_text().strip()
