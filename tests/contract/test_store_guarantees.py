"""What a store may never do, whoever asks: the other half of the contract of every store."""

import os
import random
import signal
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repository.errors import BadRequest, Locked, NoSuchObject, StoreError, StoreUnavailable
from repository.stores import CANARY, Access, Order, Stored, open_store
from tests.contract.test_stores import blocks, ceph_url, read

DOCUMENT = "sha256:" + "ab" * 32
ORDER = Order(DOCUMENT, "one", "another")
DAY = timedelta(days=1)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.ceph)])
def store(request, tmp_path):
    if request.param == "folder":
        found = open_store(f"file://{tmp_path}/store", Access(secret_key="mac"))
    else:
        url, keys = ceph_url(prefix="worm-")  # COMPLIANCE, as evidence is kept
        found = open_store(url, keys)
    found.prepare()
    return found


@pytest.fixture
def key():
    return f"o/{os.urandom(1).hex()}/{os.urandom(32).hex()}"


def soon(days: float = 2) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.mark.parametrize("size", [10, 17 << 20])
def test_nothing_under_retention_is_destroyed(store, key, size):
    data = os.urandom(size)
    stored = store.put(blocks(data), bucket="evidence", key=key, retain_until=soon())
    with pytest.raises(Locked):
        store.destroy(stored, ORDER)
    assert read(store, stored) == data


def test_nothing_under_a_hold_is_destroyed_and_a_hold_goes_by_authority(store, key):
    stored = store.put([b"x"], bucket="derived" if store.name == "folder" else "evidence", key=key)
    held = store.set_hold(stored, on=True)
    assert held.hold
    with pytest.raises(Locked):
        store.destroy(stored, ORDER)
    with pytest.raises(Locked):
        store.set_hold(stored, on=False)
    assert store.stat(stored).hold
    assert not store.set_hold(stored, on=False, authority="order 7").hold


@pytest.mark.parametrize("first", ["hold", "retention"])
def test_hold_and_retention_are_independent(store, key, first):
    stored = store.put([b"x"], bucket="evidence", key=key)
    until = soon(5)
    if first == "hold":
        store.set_hold(stored, on=True)
        store.extend(stored, until)
    else:
        store.extend(stored, until)
        store.set_hold(stored, on=True)
    found = store.stat(stored)
    assert found.hold
    assert found.retain_until >= until.replace(microsecond=until.microsecond // 1000 * 1000)
    found = store.set_hold(stored, on=False, authority="order 7")
    assert found.retain_until >= until.replace(microsecond=until.microsecond // 1000 * 1000)


def test_retention_moves_forward_only(store, key):
    stored = store.put([b"x"], bucket="evidence", key=key, retain_until=soon(5))
    longer = store.extend(stored, soon(9))
    assert longer.retain_until > stored.retain_until
    with pytest.raises(Locked):
        store.extend(stored, soon(7))
    with pytest.raises(BadRequest):
        store.extend(stored, datetime(2099, 1, 1))
    with pytest.raises(BadRequest):
        store.extend(stored, datetime(2001, 1, 1, tzinfo=UTC))
    assert store.stat(stored).retain_until == longer.retain_until


def test_a_lock_in_the_past_is_refused_by_us(store, key):
    with pytest.raises(BadRequest):
        store.put([b"x"], bucket="evidence", key=key, retain_until=soon(-1))
    assert store.find("evidence", key) is None


def test_an_order_names_its_document_and_two_persons():
    for bad in (("", "a", "b"), (DOCUMENT, "a", "a"), (DOCUMENT, "", "b"), (DOCUMENT, "a", "")):
        with pytest.raises(BadRequest):
            Order(*bad)


def test_by_order_an_unlocked_object_is_destroyed_whole(store, key):
    stored = store.put([b"x"], bucket="keys", key=key)
    store.destroy(stored, ORDER)
    assert store.find("keys", key) is None
    assert list(store.versions("keys", key)) == []
    with pytest.raises(NoSuchObject):
        store.stat(stored)


def test_a_full_check_passes_whole_objects_and_fails_others(store, key):
    data = random.Random(1).randbytes(3 << 20)
    stored = store.put([data], bucket="evidence", key=key, retain_until=soon())
    assert store.verify(stored).outcome == "pass"
    for wrong in (
        replace(stored, sha256="sha256:" + "0" * 64),
        replace(stored, size=stored.size + 1),
        replace(stored, retain_until=soon(50)),
        replace(stored, hold=True),
        replace(stored, key=stored.key[:-1] + ("0" if stored.key[-1] != "0" else "1")),
    ):
        assert store.verify(wrong).outcome == "fail"


def test_the_trial_of_the_locks_passes_a_fit_store(store):
    found = store.probe()
    assert found.lock_strength == ("compliance" if store.name == "s3" else "mode")
    if store.name == "s3":
        assert abs(found.clock_skew) < 5


def test_concurrent_writers_of_the_same_bytes_make_one_object(store, key):
    data = os.urandom(100_000)
    made, errors = [], []

    def write() -> None:
        try:
            made.append(store.put([data], bucket="evidence", key=key))
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(read(store, one) == data for one in made)
    assert {one.sha256 for one in made} == {store.find("evidence", key).sha256}


def test_a_copy_between_two_stores_keeps_digest_lock_and_hold(store, key, tmp_path):
    other = open_store(f"file://{tmp_path}/other", Access(secret_key="second"))
    other.prepare()
    data = os.urandom(5 << 20)
    until = soon(9)
    first = store.put([data], bucket="evidence", key=key, retain_until=until, hold=True)
    with store.open(first) as file:
        copy = other.put(
            iter(lambda: file.read(1 << 20), b""), bucket="evidence", key=key,
            retain_until=first.retain_until, hold=first.hold,
        )  # fmt: skip
    assert (copy.sha256, copy.size, copy.hold) == (first.sha256, first.size, True)
    assert copy.retain_until == first.retain_until
    back = store.put(
        [read(other, copy)], bucket="evidence", key=f"{key}-b", retain_until=copy.retain_until,
        hold=copy.hold,
    )  # fmt: skip
    assert (back.sha256, back.hold) == (first.sha256, True)


def test_a_fresh_upload_is_not_taken_for_a_stale_one(store):
    assert store.abort_stale(timedelta(days=30)) == 0


def test_what_a_killed_trial_of_the_locks_left_is_collected_later(tmp_path, monkeypatch):
    store = open_store(f"file://{tmp_path}/store", Access(secret_key="mac"))
    store.prepare()
    child = os.fork()
    if child == 0:
        try:
            store._remove = lambda _: os.kill(os.getpid(), signal.SIGKILL)
            store.probe()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = store.root / "evidence" / CANARY
    assert len(list(left.iterdir())) == 2  # the object and the record of its lock
    assert store.abort_stale(timedelta()) == 0  # a trial may be at work on it
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 7200)
    assert store.abort_stale(timedelta()) == 1
    assert list(left.iterdir()) == []


def test_a_lock_record_that_somebody_edited_is_not_believed(tmp_path):
    store = open_store(f"file://{tmp_path}/store", Access(secret_key="mac"))
    store.prepare()
    stored = store.put([b"x"], bucket="evidence", key="o/aa/1", retain_until=soon(9))
    record = tmp_path / "store/evidence/o/aa/1.1.lock"
    text = record.read_text()
    record.chmod(0o600)
    record.write_text(text.replace(f"{stored.retain_until.year}", "1999"))
    with pytest.raises(StoreError):
        store.stat(stored)
    assert store.verify(stored).outcome == "fail"
    record.write_text(text)
    assert store.verify(stored).outcome == "pass"
    foreign = open_store(f"file://{tmp_path}/store", Access(secret_key="another"))
    with pytest.raises(StoreError, match="not written by this repository"):
        foreign.stat(stored)


def test_where_it_is_permitted_files_are_immutable_even_for_root(tmp_path):
    store = open_store(f"file://{tmp_path}/store", Access(secret_key="mac", immutable=True))
    store.prepare()
    if store.probe().lock_strength != "immutable":
        pytest.skip("the immutable attribute cannot be set here")
    stored = store.put([b"x"], bucket="evidence", key="o/aa/1", retain_until=soon(0.00001))
    path = tmp_path / "store/evidence/o/aa/1"
    for attempt in (
        lambda: path.open("r+b"), path.unlink, lambda: path.chmod(0o600),
        lambda: path.rename(path.with_name("2")),
    ):  # fmt: skip
        with pytest.raises(PermissionError):
            attempt()
    time.sleep(1)
    store.destroy(stored, ORDER)  # the store lifts what it set, once the term is over
    assert not path.exists()


@pytest.mark.ceph
def test_a_delete_marker_is_found_and_the_version_still_reads(key):
    from minio import Minio

    url, keys = ceph_url(prefix="worm-")
    store = open_store(url, keys)
    store.prepare()
    stored = store.put([b"x"], bucket="evidence", key=key, retain_until=soon())
    host = url.split("//")[1].split("/")[0]
    Minio(host, keys.access_key, keys.secret_key, secure=False).remove_object("worm-evidence", key)
    assert list(store.hidden("evidence", key)) == [key]
    assert "marker" in store.verify(stored).detail
    assert read(store, stored) == b"x"


def dripping(at_once: bytes, then: bytes) -> int:
    """Answer every connection, first at once and then a byte at a time; return the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(at_once)
                    for position in range(len(then)):
                        connection.sendall(then[position : position + 1])
                        time.sleep(0.1)
                except OSError:
                    continue  # the client has had enough, as it should

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_store_that_drips_is_given_up(part, monkeypatch):
    monkeypatch.setattr("repository.bounded_http.GRACE", 1.0)
    headers = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    port = dripping(headers, b"x" * 1000) if part == "body" else dripping(b"", headers)
    store = open_store(f"s3+http://127.0.0.1:{port}/?prefix=x", Access("a", "b"))
    stored = Stored("s3", "evidence", "o/1", "v", "sha256:" + "0" * 64, 1000000, None, hold=False)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable), store.open(stored) as file:
        file.read(10_000)
    assert time.monotonic() - start < 20  # a bound of the contract, not a figure
