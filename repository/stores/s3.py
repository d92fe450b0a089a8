"""Write-once objects under S3 Object Lock; the only file that imports minio.

The lock is set on the version after the upload and read back, because servers drop lock headers of
multipart uploads; the bytes are read back by version and hashed, because the client compares
nothing. An object is always addressed by its version. Any error of the client or the network
becomes one of the store's own, in bounded time.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE
from minio.error import MinioException, S3Error
from minio.helpers import check_bucket_name
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig

from repository.errors import (
    BadRequest,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
)
from repository.stores import BUCKETS, Block, Stored

NAME = "s3"
LOCKED = ("evidence", "ledger")
DEFAULT_LOCK_DAYS = 1  # of the bucket: covers a crash between upload and lock
_PART = 16 << 20
_MAX_PARTS = 10_000
_BLOCK = 4 << 20
_TIMEOUT = 20.0
_MISSING = {"NoSuchKey", "NoSuchVersion", "NoSuchBucket"}
_FULL = {"QuotaExceeded", "StorageFull", "InsufficientStorage"}


class S3Store:
    """Buckets are S3 buckets called prefix and name; one client per process."""

    name = NAME

    def __init__(self, client: Minio, prefix: str, mode: str) -> None:
        self._client = client
        self._prefix = prefix
        self._mode = mode

    def prepare(self) -> None:
        """Make the buckets; evidence and ledger with Object Lock.

        Raises:
            StoreUnfit: a bucket exists without lock or versioning.
        """
        for bucket in BUCKETS:
            name = self._bucket(bucket)
            with _explained(name):
                if not self._client.bucket_exists(name):
                    self._client.make_bucket(name, object_lock=bucket in LOCKED)
                    self._configure(bucket, name)
                self._check(bucket, name)

    def put(
        self,
        blocks: Iterable[Block],
        *,
        bucket: str,
        key: str,
        size: int | None = None,
        retain_until: datetime | None = None,
        hold: bool = False,
        digest: Callable[[], str] | None = None,
    ) -> Stored:
        """Write once, lock, read back; see `ObjectStore.put`."""
        if size is not None and size > _PART * _MAX_PARTS:
            raise StoreUnfit(f"an object of {size} bytes needs more than {_MAX_PARTS} parts")
        until = _seconds(retain_until)
        taken = self._newest(bucket, key)
        source = _Stream(blocks)
        if taken is not None:
            # A writer may have died between upload and lock: a retry locks what it finds.
            return self._lock(self._again(taken, source, digest), until, hold=hold)
        version = self._upload(bucket, key, source)
        found = digest() if digest is not None else source.sha256
        stored = Stored(NAME, bucket, key, version, found, source.size, until, hold)
        held = self._lock(stored, until, hold=hold)
        if held.size != source.size or self._digest(held) != found:
            raise StoreUnfit(f"{bucket}/{key} did not read back as it was written")
        return held

    @contextmanager
    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """Yield the version's bytes from a position."""
        name = self._bucket(stored.bucket)
        if length == 0 or start >= stored.size:
            yield io.BytesIO()
            return
        with _explained(f"{stored.bucket}/{stored.key}"):
            answer = self._client.get_object(
                name,
                stored.key,
                offset=start,
                length=length or 0,  # not cut at the recorded size: a longer object must show
                version_id=stored.version,
            )
        try:
            yield cast("BinaryIO", _Answer(answer, f"{stored.bucket}/{stored.key}"))
        finally:
            answer.close()
            answer.release_conn()

    def stat(self, stored: Stored) -> Stored:
        """Return size and lock of the version, as the server has them."""
        return self._state(stored)[0]

    def _state(self, stored: Stored) -> tuple[Stored, str | None]:
        """Return the version's size and lock, and the mode of the lock."""
        with _explained(f"{stored.bucket}/{stored.key}"):
            found = self._client.stat_object(
                self._bucket(stored.bucket), stored.key, version_id=stored.version
            )
            metadata = {name.lower(): value for name, value in (found.metadata or {}).items()}
            until = _until(metadata.get("x-amz-object-lock-retain-until-date"))
        held = metadata.get("x-amz-object-lock-legal-hold") == "ON"
        mode = metadata.get("x-amz-object-lock-mode")
        return replace(stored, size=found.size or 0, retain_until=until, hold=held), mode

    def find(self, bucket: str, key: str) -> Stored | None:
        """Return the newest version under a name, read and hashed, or None."""
        found = self._newest(bucket, key)
        if found is None:
            return None
        held = self.stat(found)
        return replace(held, sha256=self._digest(held))

    def versions(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Yield every version under a prefix, in the order of names; delete markers are not."""
        with _explained(f"{bucket}/{prefix}"):
            for found in self._client.list_objects(
                self._bucket(bucket),
                prefix=prefix,
                recursive=True,
                include_version=True,
                start_after=after or None,
            ):
                if not found.is_delete_marker and (found.object_name or "") > after:
                    yield Stored(
                        NAME,
                        bucket,
                        found.object_name or "",
                        found.version_id or "",
                        "",
                        found.size or 0,
                        None,
                        hold=False,
                    )

    def _upload(self, bucket: str, key: str, source: "_Stream") -> str:
        try:
            with _explained(f"{bucket}/{key}"):
                # Never told the length: the client would stop there, and neither what follows nor
                # the end of the source (its digests, its last check) would be seen.
                result = self._client.put_object(
                    self._bucket(bucket),
                    key,
                    cast("BinaryIO", source),
                    length=-1,
                    part_size=_PART,
                    num_parallel_uploads=1,
                )
        except Exception:
            if source.error is not None:  # the source failed: its error is the one that counts
                raise source.error from None
            raise
        if not result.version_id:
            raise StoreUnfit(f"the bucket of {bucket} keeps no versions")
        return str(result.version_id)

    def _again(self, taken: Stored, source: "_Stream", digest: Callable[[], str] | None) -> Stored:
        """Compare with what stands under the name; nothing is uploaded."""
        while source.read(_BLOCK):
            continue
        wanted = digest() if digest is not None else source.sha256
        held = self.stat(taken)
        if held.size != source.size or self._digest(held) != wanted:
            raise NameTaken(
                f"other bytes are stored as {taken.bucket}/{taken.key}; nothing was changed"
            )
        return replace(held, sha256=wanted)

    def _lock(self, stored: Stored, until: datetime | None, *, hold: bool) -> Stored:
        """Lock at least until then, never shorter than it is, and return what reads back."""
        where = (self._bucket(stored.bucket), stored.key)
        held, mode = self._state(stored)
        with _explained(f"{stored.bucket}/{stored.key}"):
            if until is not None and not _covers(held, mode, until, self._mode):
                longest = max(until, held.retain_until or until)
                retention = Retention(self._mode, longest)
                self._client.set_object_retention(*where, retention, version_id=stored.version)
            if hold and not held.hold:
                self._client.enable_object_legal_hold(*where, version_id=stored.version)
        held, mode = self._state(stored)
        locked = until is None or _covers(held, mode, until, self._mode)
        if not locked or (hold and not held.hold):
            raise StoreUnfit(
                f"{stored.bucket}/{stored.key} is stored, but its lock did not read back as set"
            )
        return held

    def _newest(self, bucket: str, key: str) -> Stored | None:
        same = [found for found in self.versions(bucket, key) if found.key == key]
        return same[0] if same else None

    def _digest(self, stored: Stored) -> str:
        digest = sha256()
        with self.open(stored) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return f"sha256:{digest.hexdigest()}"

    def _configure(self, bucket: str, name: str) -> None:
        if bucket in LOCKED:
            default = ObjectLockConfig(self._mode, DEFAULT_LOCK_DAYS, DAYS)
            self._client.set_object_lock_config(name, default)
        else:
            self._client.set_bucket_versioning(name, VersioningConfig(ENABLED))

    def _check(self, bucket: str, name: str) -> None:
        if self._client.get_bucket_versioning(name).status != ENABLED:
            raise StoreUnfit(f"bucket {name} keeps no versions; name a bucket prefix of our own")
        if bucket in LOCKED:
            try:
                self._client.get_object_lock_config(name)
            except S3Error as error:
                raise StoreUnfit(f"bucket {name} has no Object Lock; it cannot be added") from error

    def _bucket(self, bucket: str) -> str:
        if bucket not in BUCKETS:
            raise StoreError(f"there is no bucket {bucket}")
        return f"{self._prefix}{bucket}"


class _Stream(io.RawIOBase):
    """Blocks as a file that the client reads; keeps the source's own error."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")
        self._digest = sha256()
        self.size = 0
        self.error: BaseException | None = None

    @property
    def sha256(self) -> str:
        """Return the digest of everything read."""
        return f"sha256:{self._digest.hexdigest()}"

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes; empty at the end, or when the source failed."""
        while not self._rest:  # an empty block is not the end
            try:
                self._rest = memoryview(next(self._blocks))
            except StopIteration:
                return b""
            except BaseException as error:
                self.error = error
                raise
        # Copied: the block is only valid until the next is asked for.
        part = bytes(self._rest if size < 0 else self._rest[:size])
        self._rest = self._rest[len(part) :]
        self._digest.update(part)
        self.size += len(part)
        return part


class _Answer(io.RawIOBase):
    """The body of an answer, whose errors are the store's."""

    def __init__(self, answer: Any, name: str) -> None:
        self._answer = answer
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes."""
        with _explained(self._name):
            found: bytes = self._answer.read(None if size < 0 else size)
        return found


def open_store(url: str, *, access_key: str | None, secret_key: str | None) -> S3Store:
    """Return the store of `s3+https://host:port/?prefix=name-&mode=COMPLIANCE`.

    Raises:
        BadRequest: the URL names no host or an unknown mode.
    """
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    mode = query.get("mode", COMPLIANCE)
    if not parts.netloc or mode not in (COMPLIANCE, GOVERNANCE):
        raise BadRequest("an S3 store is s3+https://host:port/?prefix=name")
    secure = parts.scheme.endswith("https")
    for bucket in BUCKETS:
        try:
            check_bucket_name(f"{query.get('prefix', '')}{bucket}", strict=True)
        except ValueError as error:
            raise BadRequest(f"prefix= of an S3 store makes no bucket's name: {error}") from error
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5.0, read=_TIMEOUT),
        retries=urllib3.Retry(total=1, backoff_factor=0.2, status_forcelist=(502, 503, 504)),
        maxsize=16,
        cert_reqs="CERT_REQUIRED" if secure else "CERT_NONE",
    )
    try:
        client = Minio(
            parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=query.get("region", "us-east-1"),
            http_client=pool,
        )
    except ValueError as error:
        raise BadRequest(f"{parts.netloc} is no address of an S3 store: {error}") from error
    return S3Store(client, query.get("prefix", ""), mode)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn every error of client and network into one of the store's."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise NoSuchObject(f"{name} is not in the store") from error
        if error.code in _FULL:
            raise StoreFull("the object store is full; make room and try again") from error
        raise StoreUnavailable(f"the store refused {name}: {error.code}") from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(f"the store does not answer about {name}: {error}") from error
    except ValueError as error:  # the client's word for names it refuses and answers it cannot read
        raise StoreError(f"the store cannot be asked about {name}: {error}") from error


def _until(text: str | None) -> datetime | None:
    """Read a server's time of any precision; the client's own reader fails on nine digits."""
    if text is None:
        return None
    whole = text.rstrip("Z").partition(".")[0]
    return datetime.fromisoformat(whole).replace(tzinfo=UTC)


def _seconds(at: datetime | None) -> datetime | None:
    """Return a time in whole seconds, as servers keep it, and never earlier than asked.

    Raises:
        BadRequest: the time names no zone.
    """
    if at is None:
        return None
    if at.tzinfo is None:
        raise BadRequest("a lock needs a time with a zone")
    return (at.astimezone(UTC) + timedelta(microseconds=999_999)).replace(microsecond=0)


def _covers(held: Stored, mode: str | None, until: datetime, wanted: str) -> bool:
    """Say whether a lock that was read back is at least what is wanted."""
    strong = mode in (wanted, COMPLIANCE)
    return strong and held.retain_until is not None and held.retain_until >= until
