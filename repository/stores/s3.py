"""Versioned objects in an S3-compatible service with Object Lock; the one home of minio.

What a server drops or garbles is caught here: the lock is set on the version and read back, the
bytes are read back and hashed, ETags are believed to be nothing. Objects are addressed by version.
Parts are uploaded while the next is filled: four buffers, whatever the size.
"""

import io
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.helpers import check_bucket_name
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig

from repository.bounded_http import pool, within
from repository.errors import (
    BadRequest,
    Locked,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
)
from repository.parts import Gathered, Uploads, ahead
from repository.stores import (
    BUCKETS,
    CANARY,
    LOCKED,
    Access,
    Block,
    Capabilities,
    Order,
    Report,
    Stored,
    check_staging,
    check_term,
    compare,
)

NAME = "s3"
DEFAULT_LOCK_DAYS = 1  # of the bucket: covers a crash between upload and lock
PART = 8 << 20
LATER_PART = 12 << 20  # from the part SMALL_PARTS on
SMALL_PARTS = 1024
LARGEST = 96 << 30  # 8,534 parts; what is longer becomes several objects
MAX_SKEW = 60.0  # seconds between the server's clock and ours
_BLOCK = 4 << 20
_MISSING = {"NoSuchKey", "NoSuchVersion", "NoSuchBucket"}
_FULL = {"QuotaExceeded", "StorageFull", "InsufficientStorage"}
_FORBIDDEN = {"AccessDenied", "InvalidRequest", "ObjectLocked", "InvalidRetentionPeriod"}


class S3Store:
    """Buckets are S3 buckets called prefix and name; one client per process."""

    name = NAME
    largest: int | None = LARGEST

    def __init__(
        self, client: Minio, prefix: str, mode: str, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._mode = mode
        self._clock = clock

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

    def probe(self) -> Capabilities:
        """Try to break the locks of objects of one part and of several; see `ObjectStore.probe`."""
        until = _whole_seconds(self._clock() + timedelta(days=DEFAULT_LOCK_DAYS + 1))
        skew = 0.0
        for size in (16, PART + 16):
            key = f"{CANARY}{os.urandom(16).hex()}"
            data = os.urandom(16) + bytes(size - 16)
            mine = self.put([data], bucket="evidence", key=key, retain_until=until)
            skew = self._skew(mine)
            if abs(skew) > MAX_SKEW:
                raise StoreUnfit(
                    f"the store's clock is {skew:+.0f} s from ours; set one of them right"
                )
            several = "an object of several parts" if size > PART else "an object of one part"
            for what, attempt in self._attacks(mine, until):
                if self._succeeds(attempt):
                    raise StoreUnfit(f"{several} under lock could be {what}: this is no write-once")
            self._overwrite(mine, several)
            held, mode = self._state(mine)
            if not _covers(held, mode, until, self._mode):
                raise StoreUnfit(f"{several} lost its lock while it was tried")
        return Capabilities(self._mode.lower(), skew)

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
        if size is not None and size > LARGEST:
            raise StoreUnfit(f"an object of {size} bytes is more than {LARGEST}; cut it")
        check_term(retain_until, self._clock)
        until = None if retain_until is None else _whole_seconds(retain_until)
        taken = self._newest(bucket, key)
        source = Gathered(blocks, hashing=digest is None)
        if taken is not None:
            # A writer may have died between upload and lock: a retry locks what it finds.
            return self._lock(self._again(taken, source, digest), until, hold=hold)
        version = self._upload(bucket, key, source)
        found = digest() if digest is not None else source.sha256
        stored = Stored(NAME, bucket, key, version, found, source.size, until, hold)
        held = self._lock(stored, until, hold=hold)
        if held.size != source.size or self._digest(held) != (found, source.size):
            raise StoreUnfit(f"{bucket}/{key} did not read back as it was written")
        return held

    def extend(self, stored: Stored, retain_until: datetime) -> Stored:
        """Lock longer; see `ObjectStore.extend`."""
        check_term(retain_until, self._clock)
        held = self.stat(stored)
        if held.retain_until is not None and retain_until < held.retain_until:
            raise Locked(f"{stored.bucket}/{stored.key} is locked for longer; locks only grow")
        return self._lock(stored, _whole_seconds(retain_until), hold=held.hold)

    def set_hold(self, stored: Stored, *, on: bool, authority: str = "") -> Stored:
        """Place or lift a legal hold; see `ObjectStore.set_hold`."""
        if not on and not authority:
            raise Locked("a legal hold is lifted by an authority; name it")
        where = (self._bucket(stored.bucket), stored.key)
        with _explained(f"{stored.bucket}/{stored.key}"):
            if on:
                self._client.enable_object_legal_hold(*where, version_id=stored.version)
            else:
                self._client.disable_object_legal_hold(*where, version_id=stored.version)
        held = self.stat(stored)
        if held.hold != on:
            raise StoreUnfit(f"the hold of {stored.bucket}/{stored.key} did not read back as set")
        return held

    def verify(self, stored: Stored) -> Report:
        """Re-hash the version, read its lock, look for a marker; see `ObjectStore.verify`."""
        try:
            held, mode = self._state(stored)
            digest, size = self._digest(stored)
            hidden = stored.key in set(self.hidden(stored.bucket, stored.key))
        except NoSuchObject as error:
            return Report("fail", str(error))
        except StoreError as error:
            return Report("not-done", str(error))
        found = compare(stored, held, digest, size)
        weaker = stored.retain_until is not None and mode not in (self._mode, COMPLIANCE)
        if found.outcome == "pass" and (hidden or weaker):
            why = "a delete marker hides it" if hidden else f"its lock is of the mode {mode}"
            return Report("fail", f"{stored.bucket}/{stored.key}: {why}")
        return found

    def destroy(self, stored: Stored, order: Order) -> None:
        """Destroy every version and marker of a name; see `ObjectStore.destroy`."""
        del order  # its making is the check; what it orders is recorded above
        listed = self.versions(stored.bucket, stored.key)
        versions = [one for one in listed if one.key == stored.key]
        with suppress(NoSuchObject):
            if stored.version not in {one.version for one in versions}:
                versions.append(self.stat(stored))  # the list is older than it
        for one in versions:
            held = self.stat(one)
            if held.hold:
                raise Locked(f"{one.bucket}/{one.key} is under a legal hold")
            if held.retain_until is not None and held.retain_until > self._clock():
                raise Locked(f"{one.bucket}/{one.key} is locked until {held.retain_until}")
        name = self._bucket(stored.bucket)
        with _explained(f"{stored.bucket}/{stored.key}", refused=Locked):
            for found in self._client.list_objects(name, prefix=stored.key, include_version=True):
                if found.object_name == stored.key:
                    self._client.remove_object(name, stored.key, version_id=found.version_id)
            for one in versions:
                self._client.remove_object(name, stored.key, version_id=one.version)
        left = self._newest(stored.bucket, stored.key)
        for one in versions if left is None else [left]:
            with suppress(NoSuchObject):
                self.stat(one)
                raise StoreUnfit(f"{one.bucket}/{one.key} was destroyed and is still there")

    def discard(self, stored: Stored) -> None:
        """Remove an object of the bucket `staging`; see `ObjectStore.discard`."""
        check_staging(stored)
        name = self._bucket(stored.bucket)
        with suppress(NoSuchObject), _explained(f"{stored.bucket}/{stored.key}"), within():
            self._client.remove_object(name, stored.key, version_id=stored.version)

    def abort_stale(self, older: timedelta) -> int:
        """Abort unfinished uploads nobody goes on with; see `ObjectStore.abort_stale`."""
        end = self._clock() - older
        count = 0
        for bucket in BUCKETS:
            name = self._bucket(bucket)
            with _explained(name):
                found = self._client._list_multipart_uploads(name, max_uploads=1000)
                for upload in found.uploads:
                    if upload.initiated_time is None or upload.initiated_time <= end:
                        self._client._abort_multipart_upload(
                            name, upload.object_name, upload.upload_id or ""
                        )
                        count += 1
        return count

    def hidden(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Yield the names whose newest version is a delete marker."""
        with _explained(f"{bucket}/{prefix}"):
            for found in self._client.list_objects(
                self._bucket(bucket), prefix=prefix, recursive=True, include_version=True
            ):
                # `is_latest` is the text "true" or "false" in this client.
                if found.is_delete_marker and str(found.is_latest).lower() == "true":
                    yield found.object_name or ""

    @contextmanager
    def open(self, stored: Stored, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """Yield the version's bytes from a position."""
        name = self._bucket(stored.bucket)
        if length == 0 or start >= stored.size:
            yield io.BytesIO()
            return
        with _explained(f"{stored.bucket}/{stored.key}"), within():
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
        return replace(held, sha256=self._digest(held)[0])

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

    def _upload(self, bucket: str, key: str, source: Gathered) -> str:
        name = self._bucket(bucket)
        first = source.fill(memoryview(mmap.mmap(-1, PART)))
        if len(first) < PART:
            with _explained(f"{bucket}/{key}"), within(len(first)):
                version = self._client._put_object(name, key, bytes(first)).version_id
        else:
            version = self._upload_parts(name, key, source, first)
        if not version:
            raise StoreUnfit(f"the bucket of {bucket} keeps no versions")
        return str(version)

    def _upload_parts(self, name: str, key: str, source: Gathered, first: memoryview) -> str | None:
        with _explained(key), within():
            upload = self._client._create_multipart_upload(name, key, {})

        def send(number: int, data: memoryview) -> Part:
            with _explained(key), within(len(data)):
                # Typed as bytes there; anything with a buffer is sent as it is.
                etag = self._client._upload_part(
                    name, key, cast("bytes", data), None, upload, number
                )
            return Part(number, etag)

        try:
            with Uploads(send) as uploads:
                uploads.submit(first, len(first))
                number = 1
                while True:
                    number += 1
                    buffer = uploads.buffer(PART if number <= SMALL_PARTS else LATER_PART)
                    part = source.fill(buffer)
                    if not part:
                        break
                    uploads.submit(buffer, len(part))
                parts = uploads.finish()
            with _explained(key), within():
                done = self._client._complete_multipart_upload(name, key, upload, parts)
            return done.version_id
        except BaseException:
            with suppress(StoreError), _explained(key), within():
                self._client._abort_multipart_upload(name, key, upload)
            raise

    def _again(self, taken: Stored, source: Gathered, digest: Callable[[], str] | None) -> Stored:
        """Compare with what stands under the name; nothing is uploaded."""
        source.drain()
        wanted = digest() if digest is not None else source.sha256
        held = self.stat(taken)
        if held.size != source.size or self._digest(held) != (wanted, source.size):
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
        for one in self.versions(bucket, key):
            if one.key == key:
                return one
        # A list may be older than what it should list: the name itself is asked too.
        with suppress(NoSuchObject), _explained(f"{bucket}/{key}"):
            found = self._client.stat_object(self._bucket(bucket), key)
            version, size = found.version_id or "", found.size or 0
            return Stored(NAME, bucket, key, version, "", size, None, hold=False)
        return None

    def _digest(self, stored: Stored) -> tuple[str, int]:
        """Read a version back and return its digest and size; several ranges at a time."""

        def read(start: int, length: int) -> bytes:
            with self.open(stored, start, length) as file:
                return file.read(length)

        digest, size = sha256(), 0
        for block in ahead(read, stored.size):
            digest.update(block)
            size += len(block)
        return f"sha256:{digest.hexdigest()}", size

    def _attacks(self, mine: Stored, until: datetime) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield what must be refused on a locked object, and how it is tried."""
        where = (self._bucket(mine.bucket), mine.key)
        soon = _whole_seconds(self._clock() + timedelta(minutes=5))

        def retain(mode: str, at: datetime) -> None:
            self._client.set_object_retention(*where, Retention(mode, at), version_id=mine.version)

        def multi_delete(*, bypass: bool) -> None:
            one = DeleteObject(mine.key, mine.version)
            for error in self._client.remove_objects(
                where[0], [one], bypass_governance_mode=bypass
            ):
                raise S3Error(None, error.code, error.message, None, None, None)  # type: ignore[arg-type]

        yield "deleted", lambda: self._client.remove_object(*where, version_id=mine.version)
        yield "deleted among several", lambda: multi_delete(bypass=False)
        yield "shortened", lambda: retain(self._mode, soon)
        if self._mode == COMPLIANCE:
            yield "deleted with a bypass", lambda: multi_delete(bypass=True)
            yield "downgraded", lambda: retain(GOVERNANCE, until)

    def _succeeds(self, attempt: Callable[[], object]) -> bool:
        """Say whether a forbidden act was done.

        Raises:
            StoreUnavailable: it was neither done nor refused.
        """
        try:
            with within():
                attempt()
        except S3Error as error:
            if error.code in _FORBIDDEN:
                return False
            raise StoreUnavailable(f"the store answered a trial with {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(f"the store does not answer: {error}") from error
        return True

    def _overwrite(self, mine: Stored, what: str) -> None:
        """Put other bytes under the name: the version must stay what it is."""
        with _explained(mine.key), within():
            self._client._put_object(self._bucket(mine.bucket), mine.key, b"other bytes")
        if self._digest(mine) != (mine.sha256, mine.size):
            raise StoreUnfit(f"{what} under lock could be overwritten")

    def _skew(self, stored: Stored) -> float:
        """Return the server's clock less ours, in seconds."""
        with _explained(stored.key), within():
            found = self._client.stat_object(
                self._bucket(stored.bucket), stored.key, version_id=stored.version
            )
            said = {name.lower(): value for name, value in (found.metadata or {}).items()}
            at = parsedate_to_datetime(str(said["date"]))
        return (at - self._clock()).total_seconds()

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


class _Answer(io.RawIOBase):
    """The body of an answer, whose errors are the store's; each read has its own end."""

    def __init__(self, answer: Any, name: str) -> None:
        self._answer = answer
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes."""
        with _explained(self._name), within(max(size, 0)):
            found: bytes = self._answer.read(None if size < 0 else size)
        return found


def open_store(url: str, access: Access) -> S3Store:
    """Return the store of `s3+https://host:port/?prefix=name-&mode=COMPLIANCE`.

    Raises:
        BadRequest: the URL names no host or an unknown mode, or the CA file cannot be read.
    """
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    mode = query.get("mode", COMPLIANCE)
    if not parts.netloc or mode not in (COMPLIANCE, GOVERNANCE):
        raise BadRequest("an S3 store is s3+https://host:port/?prefix=name")
    for bucket in BUCKETS:
        try:
            check_bucket_name(f"{query.get('prefix', '')}{bucket}", strict=True)
        except ValueError as error:
            raise BadRequest(f"prefix= of an S3 store makes no bucket's name: {error}") from error
    secure = parts.scheme.endswith("https")
    try:
        connections = pool(secure=secure, ca_file=access.ca_file)
    except OSError as error:
        raise BadRequest(f"the CA file {access.ca_file} cannot be read: {error}") from error
    try:
        client = Minio(
            parts.netloc,
            access_key=access.access_key,
            secret_key=access.secret_key,
            secure=secure,
            region=query.get("region", "us-east-1"),
            http_client=connections,
        )
    except ValueError as error:
        raise BadRequest(f"{parts.netloc} is no address of an S3 store: {error}") from error
    return S3Store(client, query.get("prefix", ""), mode, access.clock)


@contextmanager
def _explained(name: str, refused: type[StoreError] = StoreUnavailable) -> Iterator[None]:
    """Turn every error of client and network into one of the store's."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise NoSuchObject(f"{name} is not in the store") from error
        if error.code in _FULL:
            raise StoreFull("the object store is full; make room and try again") from error
        if error.code == "RequestTimeTooSkewed":
            raise StoreUnfit(
                "the store's clock and ours differ too much; set one of them right"
            ) from error
        raise refused(f"the store refused {name}: {error.code}") from error
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


def _whole_seconds(at: datetime) -> datetime:
    """Return a time in whole seconds, as servers keep it, and never earlier than asked."""
    return (at.astimezone(UTC) + timedelta(microseconds=999_999)).replace(microsecond=0)


def _covers(held: Stored, mode: str | None, until: datetime, wanted: str) -> bool:
    """Say whether a lock that was read back is at least what is wanted."""
    strong = mode in (wanted, COMPLIANCE)
    return strong and held.retain_until is not None and held.retain_until >= until
