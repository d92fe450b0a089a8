"""The plan, and the limit of the rate: pure parts of sending."""

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.remote.plan import LARGE, MANY, PACK, Parcel, in_order, parcels
from api.remote.rate import Limiter, parse_rate, parse_time, size_text, time_text
from repository.errors import BadRequest

SIZES = st.one_of(
    st.integers(0, 100), st.integers(0, 2 * LARGE), st.sampled_from([0, LARGE, LARGE + 1, 10**12])
)


@given(st.lists(SIZES, max_size=60), st.sets(st.integers(1, 60)))
def test_every_file_travels_once_and_none_that_is_left_out(sizes, left_out):
    files = [(n, size) for n, size in enumerate(sizes, 1) if n not in left_out]
    planned = list(parcels(files))
    covered = [n for one in planned for n in range(one.first, one.last + 1)]
    assert covered == [n for n, _ in files]
    lengths = dict(files)
    for one in planned:
        assert one.size == sum(lengths[n] for n in range(one.first, one.last + 1))
        if one.is_pack:
            assert one.size <= PACK
            assert all(lengths[n] <= LARGE for n in range(one.first, one.last + 1))


@given(st.lists(st.integers(0, LARGE), min_size=2, max_size=60))
def test_packs_are_full(sizes):
    planned = list(parcels(enumerate(sizes, 1)))
    for one, following in itertools.pairwise(planned):
        assert one.size + sizes[following.first - 1] > PACK


def test_a_pack_holds_so_many_files_and_no_more():
    assert [p.last - p.first + 1 for p in parcels((n, 0) for n in range(1, 2 * MANY + 2))] == [
        MANY, MANY, 1,
    ]  # fmt: skip


def test_a_large_file_travels_alone_and_ends_no_pack_it_does_not_touch():
    planned = list(parcels([(1, 5), (2, 6), (3, LARGE + 1), (4, 7)]))
    assert planned == [Parcel(1, 2, 11), Parcel(3, 3, LARGE + 1), Parcel(4, 4, 7)]
    assert [one.is_large for one in planned] == [False, True, False]


def test_small_files_come_first_and_parts_of_a_thing_stay_together():
    groups = [[("big", LARGE + 1)], [("a", 1)], [("ufd", 1), ("zip", LARGE + 1)], [("b", 2)]]
    assert in_order(groups) == ["a", "b", "big", "ufd", "zip"]


class Time:
    """A clock that only waiting moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@given(
    st.floats(100, 1e8),
    st.lists(st.tuples(st.integers(1, 4096), st.floats(0, 2)), min_size=1, max_size=50),
)
def test_no_stretch_of_time_carries_more_than_the_rate_and_one_block(rate, steps):
    time = Time()
    limiter = Limiter(rate, clock=time)
    sent = []
    for size, idle in steps:
        time.now += idle
        taken = min(size, limiter.block)
        limiter.take(taken, time.wait)
        sent.append((time.now, taken))
    for begin in range(len(sent)):
        for end in range(begin, len(sent)):
            span = sent[end][0] - sent[begin][0]
            carried = sum(size for _, size in sent[begin : end + 1])
            assert carried <= rate * span * 1.000001 + limiter.block + 1


def test_a_pause_is_not_followed_by_a_burst():
    time = Time()
    limiter = Limiter(1000.0, clock=time)
    time.now = 3600.0
    for _ in range(20):
        limiter.take(50, time.wait)
    assert time.now == pytest.approx(3600.0 + 19 * 0.05)


def test_all_connections_share_one_limit():
    waited = []
    limiter = Limiter(1000.0, clock=lambda: 0.0)
    threads = [threading.Thread(target=limiter.take, args=(10, waited.append)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waited) == pytest.approx([0.01 * n for n in range(1, 10)])


def test_whoever_gives_up_waiting_is_not_held():
    limiter = Limiter(1.0, clock=lambda: 0.0)
    limiter.take(1, lambda _: None)

    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        limiter.take(1, stop)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2M", 2e6), ("500k", 5e5), ("500k/s", 5e5), ("1.5M", 1.5e6), ("1MiB/s", 1 << 20),
        ("2MB/s", 2e6), ("100", 100), ("100 bytes/s", 100), ("8Mbit", 1e6), ("8 Mbit/s", 1e6),
        ("64 kbit", 8e3),
    ],
)  # fmt: skip
def test_rates_as_people_write_them(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "fast", "-1M", "1T", "M", "1e9", "1M/h", "NaN", "inf", "64kbps", "8Mb"]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(BadRequest):
        parse_rate(text)


def test_times_and_sizes_as_people_write_them():
    assert [parse_time(t) for t in ("90s", "20m", "12h", "3d")] == [90, 1200, 43200, 259200]
    for text in ("", "12", "h", "-1h", "1w"):
        with pytest.raises(BadRequest):
            parse_time(text)
    assert [size_text(n) for n in (0, 999, 1000, 3.2e9, 5e13)] == [
        "0 bytes", "999 bytes", "1.0 kB", "3.2 GB", "50.0 TB",
    ]  # fmt: skip
    assert [time_text(t) for t in (3, 600, 7200, 1e6)] == ["3 s", "10 min", "2.0 h", "11.6 days"]
