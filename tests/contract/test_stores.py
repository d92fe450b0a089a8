"""The contract of every object store: a local folder, and a real S3 server with Object Lock."""

import errno
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from repository.digests import Measure
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
from repository.stores import Access, ObjectStore, open_store
from tests.ceph import ceph

SIZES = (
    0,
    1,
    4095,
    4096,
    (1 << 20) - 1,
    1 << 20,
    (8 << 20) - 1,
    8 << 20,
    (8 << 20) + 1,
    (16 << 20) + 1,
)
SOON = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def ceph_url(**query: str) -> tuple[str, Access]:
    found = ceph()
    words = "&".join(f"{name}={value}" for name, value in query.items())
    host = found["S3_ENDPOINT"].removeprefix("http://")
    keys = Access(access_key=found["S3_ACCESS_KEY"], secret_key=found["S3_SECRET_KEY"])
    return f"s3+http://{host}/?{words}", keys


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.ceph)])
def store(request, tmp_path) -> ObjectStore:
    if request.param == "folder":
        found = open_store(f"file://{tmp_path}/store")
    else:
        # One set of buckets for the run: objects have names of their own.
        url, keys = ceph_url(prefix="contract-", mode="GOVERNANCE")
        found = open_store(url, keys)
    found.prepare()
    found.prepare()  # may be repeated
    return found


@pytest.fixture
def key() -> str:
    return f"o/{os.urandom(1).hex()}/{os.urandom(32).hex()}"


def blocks(data: bytes, size: int = 1 << 20):
    yield from (data[i : i + size] for i in range(0, len(data), size))


def read(store, stored, *span):
    with store.open(stored, *span) as file:
        found = b""
        while block := file.read(1 << 20):
            found += block
    return found


@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_comes_back(store, key, size):
    data = random.Random(size).randbytes(size)
    stored = store.put(blocks(data), bucket="evidence", key=key)
    assert (stored.size, stored.sha256) == (size, f"sha256:{sha256(data).hexdigest()}")
    assert read(store, stored) == data
    assert store.find("evidence", key) == stored


def test_a_range_equals_the_slice(store, key):
    data = random.Random(1).randbytes(3 << 20)
    stored = store.put(blocks(data), bucket="evidence", key=key, size=len(data))
    for start, length in ((0, 10), (1_000_000, 2_000_000), (len(data) - 1, 1)):
        with store.open(stored, start, length) as file:
            assert file.read(length) == data[start : start + length]


@pytest.mark.parametrize("size", [10, 20 << 20])
def test_lock_and_hold_read_back_as_set(store, key, size):
    stored = store.put(
        blocks(bytes(size)), bucket="evidence", key=key, retain_until=SOON, hold=True
    )
    held = store.stat(stored)
    assert abs(held.retain_until - SOON) < timedelta(seconds=1)
    assert held.hold
    assert held.size == size


def test_without_a_lock_nothing_says_locked(store, key):
    stored = store.put([b"x"], bucket="derived", key=key)
    assert (stored.retain_until, stored.hold) == (None, False)


def test_the_same_bytes_again_are_the_same_object(store, key):
    first = store.put([b"same"], bucket="evidence", key=key)
    again = store.put([b"sa", b"me"], bucket="evidence", key=key)
    assert (again.version, again.sha256) == (first.version, first.sha256)
    assert len([v for v in store.versions("evidence", key) if v.key == key]) == 1


def test_other_bytes_under_a_taken_name_are_refused_and_change_nothing(store, key):
    first = store.put([b"first"], bucket="evidence", key=key)
    for other in (b"other", b"first and more", b""):
        with pytest.raises(NameTaken):
            store.put([other], bucket="evidence", key=key)
    assert read(store, first) == b"first"


def test_a_source_that_fails_leaves_nothing_and_its_own_error(store, key):
    class SourceBroke(Exception):
        pass

    def broken():
        yield b"x" * (5 << 20)
        raise SourceBroke

    with pytest.raises(SourceBroke):
        store.put(broken(), bucket="evidence", key=key)
    assert store.find("evidence", key) is None
    assert list(store.versions("evidence", key)) == []


def test_a_digest_from_the_pipeline_is_taken_at_its_word_by_no_store_that_can_check(store, key):
    told = f"sha256:{'0' * 64}"
    if store.name == "s3":
        with pytest.raises(StoreUnfit):
            store.put([b"x"], bucket="evidence", key=key, digest=lambda: told)
    else:
        # The folder's proof is fsync; verified reads compare later.
        stored = store.put([b"x"], bucket="evidence", key=key, digest=lambda: told)
        assert store.find("evidence", key).sha256 != stored.sha256


def test_what_is_not_there_is_said(store, key):
    stored = store.put([b"x"], bucket="derived", key=key)
    absent = replace(stored, key=f"{key}0", version=stored.version)
    assert store.find("derived", f"{key}0") is None
    with pytest.raises(NoSuchObject):
        store.stat(absent)
    with pytest.raises(NoSuchObject), store.open(absent) as file:
        file.read()


def test_what_is_on_its_way_in_can_be_discarded_and_nothing_else(store, key):
    passing = store.put([b"a piece"], bucket="staging", key=key)
    store.discard(passing)
    store.discard(passing)  # what is gone stays gone
    assert store.find("staging", key) is None
    for bucket in ("evidence", "derived", "ledger", "keys"):
        kept = store.put([b"kept"], bucket=bucket, key=key)
        with pytest.raises(Locked):
            store.discard(kept)
        assert read(store, kept) == b"kept"


def test_versions_are_listed_by_prefix_in_the_order_of_names(store):
    folder = f"checkpoint/{os.urandom(8).hex()}"
    for n in (3, 1, 2):
        store.put([b"%d" % n], bucket="ledger", key=f"{folder}/{n:020d}", retain_until=None)
    found = [stored.key for stored in store.versions("ledger", f"{folder}/")]
    assert found == [f"{folder}/{n:020d}" for n in (1, 2, 3)]
    later = store.versions("ledger", f"{folder}/", after=f"{folder}/{2:020d}")
    assert [stored.key for stored in later] == [f"{folder}/{3:020d}"]
    assert list(store.versions("ledger", f"{folder}/", after=f"{folder}/{3:020d}")) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "the disk of the source"), ValueError("no")])
@pytest.mark.parametrize("size", [None, 1000])
def test_an_error_of_the_source_is_never_blamed_on_the_store(store, key, error, size):
    def broken():
        yield b"x" * 100
        raise error

    with pytest.raises(type(error)) as caught:
        store.put(broken(), bucket="evidence", key=key, size=size)
    assert caught.value is error
    assert store.find("evidence", key) is None


@pytest.mark.parametrize("told", [1, 8 << 20, 16 << 20, 40 << 20])
def test_a_source_that_changed_its_length_is_stored_whole(store, key, told):
    """The length told is a hint: a growing file is never cut, and its last check is run."""
    data = random.Random(told).randbytes(20 << 20)
    ended = []

    def source():
        yield from blocks(data, 4 << 20)
        ended.append(True)

    stored = store.put(source(), bucket="evidence", key=key, size=told)
    assert ended
    assert (stored.size, stored.sha256) == (len(data), f"sha256:{sha256(data).hexdigest()}")


@pytest.mark.parametrize("size", [1 << 20, 16 << 20])
def test_the_measuring_is_complete_before_its_digest_is_asked(store, key, size):
    data = os.urandom(size)
    seen = []
    with Measure(io.BytesIO(data)) as measure:

        def source():
            yield from measure
            seen.append("end")

        def digest() -> str:
            seen.append("digest")
            return measure.digests["sha256"]

        store.put(source(), bucket="evidence", key=key, size=size, digest=digest)
    assert seen == ["end", "digest"]


def test_an_empty_block_is_not_the_end(store, key):
    stored = store.put([b"one ", b"", b"two"], bucket="evidence", key=key)
    assert read(store, stored) == b"one two"


def test_a_stream_opened_for_a_length_ends_there(store, key):
    stored = store.put([b"0123456789"], bucket="evidence", key=key)
    for start, length, wanted in ((2, 3, b"234"), (8, 10, b"89"), (0, 0, b""), (10, 1, b"")):
        with store.open(stored, start, length) as file:
            assert file.read() == wanted


def test_a_retry_after_a_crash_before_the_lock_locks(store, key):
    """The writer died after the upload: what the retry finds is there, but unlocked."""
    store.put([b"x"], bucket="evidence", key=key)
    later = datetime.now(UTC) + timedelta(days=30)
    stored = store.put([b"x"], bucket="evidence", key=key, retain_until=later, hold=True)
    assert stored.retain_until is not None
    assert stored.retain_until >= later.replace(microsecond=later.microsecond // 1000 * 1000)
    assert stored.hold


def test_a_lock_is_never_shorter_than_asked(store, key):
    until = datetime(2030, 1, 2, 3, 4, 5, 999_000, tzinfo=UTC)
    stored = store.put([b"x"], bucket="evidence", key=key, retain_until=until)
    assert stored.retain_until >= until


def test_a_lock_without_a_time_zone_is_refused_and_nothing_is_stored(store, key):
    with pytest.raises(BadRequest):
        store.put([b"x"], bucket="evidence", key=key, retain_until=datetime(2030, 1, 1))
    assert store.find("evidence", key) is None


def test_names_are_listed_in_the_order_of_their_bytes(store):
    folder = os.urandom(8).hex()
    names = [f"{folder}/{name}" for name in ("q/b", "q-b", "q0", "q/a/z", "r")]
    for name in names:
        store.put([b"x"], bucket="derived", key=name)
    assert [found.key for found in store.versions("derived", f"{folder}/")] == sorted(names)
    assert [found.key for found in store.versions("derived", f"{folder}/q/")] == [
        f"{folder}/q/a/z", f"{folder}/q/b",
    ]  # fmt: skip


@pytest.mark.ceph
def test_a_lock_of_a_weaker_mode_is_not_taken_for_the_one_asked(key):
    url, keys = ceph_url(prefix="contract-", mode="GOVERNANCE")
    weaker = open_store(url, keys)
    weaker.prepare()
    until = datetime.now(UTC) + timedelta(days=2)
    weaker.put([b"x"], bucket="evidence", key=key, retain_until=until)
    stricter = open_store(url.replace("GOVERNANCE", "COMPLIANCE"), keys)
    with pytest.raises(StoreError):  # Ceph 16.2 turns no GOVERNANCE into COMPLIANCE
        stricter.put([b"x"], bucket="evidence", key=key, retain_until=until)


@pytest.mark.parametrize(
    "url", ["file://store", "file://host/x", "file:x", "file:///a#b/store", "file:///a?b/store",
            "s3+http://127.0.0.1/?prefix=UPPER_", "s3+http://127.0.0.1:99999/?prefix=x"],
)  # fmt: skip
def test_a_url_that_names_another_place_than_it_seems_is_refused(url):
    with pytest.raises(BadRequest):
        open_store(url)


def test_a_folder_with_an_awkward_name_is_the_folder_meant(tmp_path):
    folder = tmp_path / "50% a#b?c"
    store = open_store(folder.as_uri())
    store.prepare()
    assert (folder / "evidence").is_dir()


@pytest.mark.parametrize("bad", ["", ".", "a/", "a//b", "a/./b", "a/.hidden", "a\0b", "a.lock"])
def test_names_that_the_folder_keeps_for_itself_are_refused(tmp_path, bad):
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()
    with pytest.raises(StoreError):
        store.put([b"x"], bucket="evidence", key=bad)


def test_an_unfinished_write_is_no_object(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()
    stored = store.put([b"x"], bucket="evidence", key="o/aa/1", hold=True)
    (tmp_path / "store/evidence/o/aa/.2.17.0badcafe.part").write_bytes(b"half")
    assert [found.key for found in store.versions("evidence")] == [stored.key]


def test_without_unnamed_files_the_contract_holds(tmp_path, monkeypatch, key):
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # EISDIR, as file systems without it say
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()
    stored = store.put([b"x" * (2 << 20)], bucket="evidence", key=key)
    assert read(store, stored) == b"x" * (2 << 20)
    with pytest.raises(NameTaken):
        store.put([b"other"], bucket="evidence", key=key)
    files = [path for path in (tmp_path / "store/evidence").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [Path(key).name]


def test_a_digest_that_cannot_be_given_leaves_nothing_open(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()

    def broken() -> str:
        raise RuntimeError

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RuntimeError):
        store.put([b"x"], bucket="evidence", key="o/aa/1", digest=broken)
    assert len(os.listdir("/proc/self/fd")) == before
    assert store.find("evidence", "o/aa/1") is None


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("block", [64 << 10, 1 << 20, 8 << 20])
def test_a_full_disk_says_so_and_leaves_nothing(small_disk, block):
    store = open_store(f"file://{small_disk}/store")
    store.prepare()
    with pytest.raises(StoreFull):
        store.put(blocks(bytes(8 << 20), block), bucket="evidence", key="o/aa/1")
    assert store.find("evidence", "o/aa/1") is None
    assert store.put([b"fits"], bucket="evidence", key="o/aa/2").size == 4


@pytest.mark.parametrize("bad", ["../x", "/x", "a/../../x"])
def test_names_never_leave_the_store(tmp_path, bad):
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()
    with pytest.raises(StoreError):
        store.put([b"x"], bucket="evidence", key=bad)


def test_an_unknown_scheme_is_refused():
    for url in ("ftp://x", "nonsense", "s3+https:///?prefix=x"):
        with pytest.raises(BadRequest):
            open_store(url)


def test_a_store_that_is_down_says_so_in_bounded_time():
    store = open_store("s3+http://127.0.0.1:1/?prefix=x", Access("a", "b"))
    start = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.find("evidence", "x")
    assert time.monotonic() - start < 30  # a bound of the contract, not a figure


@pytest.mark.ceph
def test_wrong_credentials_are_refused():
    url, keys = ceph_url(prefix="contract-")
    store = open_store(url, replace(keys, secret_key="wrong"))
    with pytest.raises(StoreUnavailable):
        store.prepare()


@pytest.mark.ceph
def test_a_bucket_without_lock_is_unfit():
    from minio import Minio

    url, keys = ceph_url(prefix="unfit-")
    host = url.split("//")[1].split("/")[0]
    client = Minio(host, keys.access_key, keys.secret_key, secure=False)
    if not client.bucket_exists("unfit-evidence"):
        client.make_bucket("unfit-evidence")
    with pytest.raises(StoreUnfit):
        open_store(url, keys).prepare()


@pytest.mark.ceph
def test_a_locked_version_cannot_be_deleted(key):
    from minio import Minio
    from minio.error import S3Error

    url, keys = ceph_url(prefix="worm-")  # COMPLIANCE
    store = open_store(url, keys)
    store.prepare()
    until = datetime.now(UTC) + timedelta(days=2)
    stored = store.put([b"x"], bucket="evidence", key=key, retain_until=until)
    host = url.split("//")[1].split("/")[0]
    client = Minio(host, keys.access_key, keys.secret_key, secure=False)
    with pytest.raises(S3Error):
        client.remove_object("worm-evidence", key, version_id=stored.version)
    assert read(store, stored) == b"x"


@pytest.mark.ceph
def test_the_main_job_runs_on_s3(tmp_path):
    """Intake, verified retrieval, export and verification with evidence in Ceph."""
    from tests.house import make_house

    url, keys = ceph_url(prefix=f"house-{os.urandom(4).hex()}-", mode="GOVERNANCE")
    secrets = {name: tmp_path / name for name in ("access_key", "secret_key")}
    for name, file in secrets.items():
        file.write_text(getattr(keys, name) + "\n")
    house = make_house(
        tmp_path,
        store_url=url,
        store_access_key_file=secrets["access_key"],
        store_secret_key_file=secrets["secret_key"],
    )
    settings = house.data / "config.toml"
    settings.write_text(
        settings.read_text()
        + f'store_url = "{url}"\nstore_access_key_file = "{secrets["access_key"]}"\n'
        + f'store_secret_key_file = "{secrets["secret_key"]}"\n'
    )
    data = os.urandom(20 << 20)
    (tmp_path / "file").write_bytes(data)
    [line] = house.ingest(tmp_path / "file")
    parts = house.last("registration")["parts"]
    assert parts[0]["stored"]["store"] == "s3"
    assert parts[0]["stored"]["retain_until"]
    out = tmp_path / "out"
    said = house.evidence(
        "retrieve", line["exhibit"], "--out", out, "--purpose", "analysis", person="analyst"
    )
    assert said.code == 0, said.err
    assert out.read_bytes() == data
    bundle = tmp_path / "bundle"
    exported = house.evidence("export", "--case", "KRN", "--out", bundle, "--purpose", "court")
    assert exported.code == 0, exported.err
    assert house.evidence("verify", bundle).code == 0
    assert house.evidence("verify").code == 0
    house.repo.close()


def killed_put(folder: Path, delay: Callable[[], float]) -> None:
    """Write objects in another process and kill it in the middle."""
    script = (
        "import os, sys; from repository.stores import open_store\n"
        f"store = open_store('file://{folder}'); store.prepare(); n = 0\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    n += 1; size = (n % 5) * 700_001\n"
        "    block = bytes([n % 251]) * size\n"
        "    store.put([block], bucket='evidence', key=f'o/{n % 7}/{os.getpid()}-{n}-{size}')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay())
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_killed_writer_leaves_whole_objects_or_nothing():
    draw = random.Random(7)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for _ in range(8):
            killed_put(folder, lambda: draw.uniform(0.01, 0.3))
        files = [path for path in (folder / "evidence").rglob("*") if path.is_file()]
        assert files
        for file in files:
            number, size = map(int, file.name.split("-")[1:])
            assert file.read_bytes() == bytes([number % 251]) * size
            assert file.stat().st_mode & 0o777 == 0o444


def test_memory_stays_flat_however_long_the_stream():
    """512 MiB through measuring and storing: less than 32 MiB more memory."""
    script = """
import os, resource, tempfile
from repository.digests import Measure
from repository.stores import open_store
class Endless:
    left = int(os.environ["SIZE"])
    block = os.urandom(1 << 20)
    def read(self, size):
        size = min(size, self.left, 1 << 20); self.left -= size
        return self.block[:size]
with tempfile.TemporaryDirectory(dir=".") as folder:
    store = open_store(f"file://{os.path.abspath(folder)}"); store.prepare()
    store.put([b"warm"], bucket="evidence", key="o/warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Measure(Endless()) as measure:
        store.put(measure, bucket="evidence", key="o/x", digest=lambda: measure.digests["sha256"])
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "SIZE": str(512 << 20)},
    )  # fmt: skip
    assert int(done.stdout) < 32
