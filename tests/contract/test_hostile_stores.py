"""Against a store that lies everything fails closed: a proxy garbles what a real server says."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repository.chunks import ChunkDigests, verified
from repository.errors import (
    BadRequest,
    IntegrityError,
    Locked,
    NameTaken,
    NoSuchObject,
    StoreError,
    StoreUnavailable,
    StoreUnfit,
)
from repository.stores import Order, open_store
from tests.certificates import certificate
from tests.contract.test_stores import blocks, ceph_url, read
from tests.hostile import proxied

DATA = os.urandom(3_000_000)
LARGE = os.urandom((9 << 20) + 5)  # two parts

pytestmark = pytest.mark.ceph


@pytest.fixture
def lying(monkeypatch):
    """A store behind a proxy: set `proxy.mode`."""
    monkeypatch.setattr("repository.bounded_http.GRACE", 6.0)
    monkeypatch.setattr("repository.bounded_http.SLOWEST", 8 << 20)
    url, access = ceph_url(prefix="hostile-")
    host = url.split("//")[1].split("/")[0]
    with proxied(f"http://{host}") as proxy:
        store = open_store(url.replace(host, proxy.address), access)
        store.prepare()
        yield store, proxy


@pytest.fixture
def key():
    return f"o/aa/{os.urandom(32).hex()}"


def soon():
    return datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize("mode", ["flip", "cut", "extra", "drip"])
def test_what_does_not_read_back_as_it_was_written_is_not_stored(lying, key, mode):
    store, proxy = lying
    proxy.mode = mode
    with pytest.raises(StoreError):
        store.put(blocks(DATA), bucket="evidence", key=key, retain_until=soon())


@pytest.mark.parametrize("mode", ["flip", "cut", "extra", "drip", "down"])
def test_no_wrong_byte_passes_the_verified_reader(lying, key, mode):
    store, proxy = lying
    stored = store.put(blocks(DATA), bucket="evidence", key=key)
    proxy.mode = mode
    got: list[bytes] = []
    with ChunkDigests() as chunks:
        chunks.update(DATA)
        blocks_of = verified(
            lambda start, length: store.open(stored, start, length), chunks,
            size=len(DATA), first=0, last=len(DATA) - 1,
        )  # fmt: skip
        with pytest.raises((IntegrityError, StoreUnavailable)):
            got.extend(blocks_of)
    sent = b"".join(got)
    assert sent == DATA[: len(sent)]
    assert len(sent) < len(DATA)
    proxy.mode = "honest"
    assert read(store, stored) == DATA


@pytest.mark.parametrize("mode", ["flip", "cut", "extra"])
def test_a_full_check_of_garbled_bytes_is_no_pass(lying, key, mode):
    store, proxy = lying
    stored = store.put(blocks(DATA), bucket="evidence", key=key, retain_until=soon())
    proxy.mode = mode
    assert store.verify(stored).outcome in ("fail", "not-done")


@pytest.mark.parametrize(
    ("mode", "data"),
    [("no-lock", DATA), ("no-lock", LARGE), ("lose", DATA), ("down", DATA), ("down", LARGE)],
    ids=["no-lock", "no-lock-parts", "lose", "down", "down-parts"],
)
def test_a_lock_or_an_object_that_is_only_acknowledged_is_not_believed(lying, key, mode, data):
    store, proxy = lying
    proxy.mode = mode
    with pytest.raises(StoreError):
        store.put(blocks(data), bucket="evidence", key=key, retain_until=soon(), hold=True)


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["one", "parts"])
def test_stored_and_answered_500_is_an_error_and_a_retry_finds_what_is_there(lying, key, data):
    store, proxy = lying
    proxy.mode = "error-after"
    with pytest.raises(StoreUnavailable):
        store.put(blocks(data), bucket="evidence", key=key, retain_until=soon())
    proxy.mode = "honest"
    stored = store.put(blocks(data), bucket="evidence", key=key, retain_until=soon())
    assert read(store, stored) == data
    assert stored.retain_until is not None


def test_a_wrong_etag_is_believed_to_be_nothing(lying, key):
    store, proxy = lying
    proxy.mode = "wrong-etag"
    stored = store.put(blocks(DATA), bucket="evidence", key=key, retain_until=soon())
    assert read(store, stored) == DATA
    assert store.verify(stored).outcome == "pass"
    with pytest.raises(StoreUnavailable, match="InvalidPart"):  # the server was told wrong ones
        store.put(blocks(LARGE), bucket="evidence", key=f"{key}-large", retain_until=soon())
    proxy.mode = "honest"
    assert store.find("evidence", f"{key}-large") is None


def test_what_a_stale_list_leaves_out_is_neither_written_over_nor_taken_for_destroyed(lying, key):
    store, proxy = lying
    first = store.put([b"first"], bucket="evidence", key=key, retain_until=soon())
    wrapped = store.put([b"wrapped"], bucket="keys", key=key)
    proxy.mode = "stale-list"
    assert list(store.versions("keys", key)) == []
    with pytest.raises(NameTaken):
        store.put([b"other"], bucket="evidence", key=key, retain_until=soon())
    assert store.put([b"first"], bucket="evidence", key=key).version == first.version
    assert store.verify(first).outcome == "pass"
    order = Order("sha256:" + "0" * 64, "one", "another")
    with pytest.raises(Locked):
        store.destroy(first, order)
    store.destroy(store.find("keys", key), order)
    proxy.mode = "honest"
    assert list(store.versions("keys", key)) == []
    with pytest.raises(NoSuchObject):
        store.stat(wrapped)


def test_the_trial_refuses_a_store_whose_locks_are_only_said(lying):
    store, proxy = lying
    proxy.mode = "false-lock"
    with pytest.raises(StoreUnfit, match=r"could be (deleted|shortened)"):
        store.probe()


def test_the_trial_refuses_a_server_whose_clock_is_elsewhere(lying):
    store, proxy = lying
    proxy.mode = "slow-clock"
    with pytest.raises(StoreUnfit, match="clock"):
        store.probe()


def test_requests_refused_for_the_clock_are_said_to_be(lying, key):
    store, proxy = lying
    proxy.mode = "skewed"
    with pytest.raises(StoreUnfit, match="clock"):
        store.put([b"x"], bucket="evidence", key=key)


def test_a_store_that_is_down_is_said_in_bounded_time(lying, key):
    store, proxy = lying
    proxy.mode = "down"
    start = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.put([b"x"], bucket="evidence", key=key)
    assert time.monotonic() - start < 30  # a bound of the contract, not a figure


def test_tls_is_verified_against_the_authority_of_the_settings(tmp_path, key):
    certificate(tmp_path)
    url, access = ceph_url(prefix="hostile-")
    host = url.split("//")[1].split("/")[0]
    tls = (tmp_path / "server.pem", tmp_path / "server.key")
    with proxied(f"http://{host}", tls=tls) as proxy:
        secure = url.replace("s3+http:", "s3+https:").replace(host, proxy.address)
        store = open_store(secure, replace(access, ca_file=tmp_path / "ca.pem"))
        store.prepare()
        stored = store.put(blocks(LARGE), bucket="evidence", key=key, retain_until=soon())
        assert read(store, stored) == LARGE
        assert store.verify(stored).outcome == "pass"
        with pytest.raises(StoreUnavailable):
            open_store(secure, access).stat(stored)  # an authority that the system does not know
    with pytest.raises(BadRequest):
        open_store(secure, replace(access, ca_file=tmp_path / "absent.pem"))
