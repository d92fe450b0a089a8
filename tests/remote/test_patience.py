"""Patience: growing pauses, an end, and calm words."""

import pytest

from api.errors import LineIntercepted, LineLost, ServiceUnavailable
from api.remote.meter import Meter
from api.remote.patience import LONGEST, Line, Patience, patiently


def lost():
    raise LineLost("cut")


class Time:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.pauses.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def time():
    return Time()


def line(time, said, limit=3600.0):
    return Line(said.append, limit=limit, wait=time.wait, clock=time)


def test_pauses_grow_to_a_bound_and_patience_ends_with_the_reason(time):
    said = []
    with pytest.raises(LineLost, match="cut"):
        patiently(line(time, said), lost)
    assert time.pauses[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert max(time.pauses) == LONGEST
    assert time.now == pytest.approx(3600, abs=1)


def test_a_short_cut_is_not_worth_a_word_and_a_long_one_is_worth_one(time):
    said = []
    found = line(time, said)
    patience = Patience(found)
    patience.setback(LineLost("cut"))
    patience.progress()
    assert said == []
    for _ in range(6):
        patience.setback(LineLost("cut"))
    assert said == ["cut; trying again, for up to 60 min"]
    patience.progress()
    assert said[1:] == ["it goes on, after 31 s"]
    assert found.cuts == 7


def test_progress_makes_pauses_short_again_and_patience_whole(time):
    patience = Patience(line(time, []))
    for _ in range(100):
        patience.setback(LineLost("cut"))
        patience.setback(LineLost("cut"))
        time.now += 100
        patience.progress()
    assert set(time.pauses) == {0.0, 1.0}


def test_a_service_that_says_when_is_asked_then_and_not_before(time):
    said = []
    error = ServiceUnavailable("the service says: no room in the store")
    error.retry_after = 30
    patience = Patience(line(time, said))
    patience.setback(error)
    assert time.pauses == [30.0]
    patience.setback(error)
    assert said == ["the service says: no room in the store; trying again, for up to 60 min"]


def test_interception_is_said_at_once_and_once(time):
    said = []
    patience = Patience(line(time, said))
    for _ in range(3):
        patience.setback(LineIntercepted("the line is intercepted"))
    assert len(said) == 1


def test_what_is_tried_patiently_is_tried_until_it_works(time):
    tries = []

    def act():
        tries.append(1)
        if len(tries) < 4:
            raise LineLost("cut")
        return "done"

    assert patiently(line(time, []), act) == "done"
    assert len(tries) == 4


def test_the_meter_says_files_bytes_rate_and_time_left(time):
    meter = Meter(clock=time)
    meter.begin(40_000, 10_000_000, done_files=23_112, done_bytes=5_000_000)
    assert meter.text("sent") == "sent 23,112 of 40,000 files, 5.0 MB of 10.0 MB"
    moving = meter.moving(1)
    for _ in range(10):
        time.now += 1
        moving(100_000)
    assert meter.text("sent") == (
        "sent 23,112 of 40,000 files, 6.0 MB of 10.0 MB, 100.0 kB/s, 40 s left"
    )
    meter.at(1, 0)  # that connection begins again
    meter.done(1, 10, 1_000_000)
    assert "23,122 of 40,000" in meter.text("sent")


def test_what_was_told_is_over_when_everything_went_through_on_other_connections(time):
    said = []
    found = line(time, said)
    waits = Patience(found)
    for _ in range(6):
        waits.setback(LineLost("cut"))
    found.done()
    found.done()
    assert said[1:] == ["it goes on, after 31 s"]


def test_a_line_that_carried_something_before_it_was_cut_is_used_again_at_once(time):
    patience = Patience(line(time, []))
    for _ in range(3):
        time.now += 5
        patience.setback(LineLost("cut"))
    time.now += 5
    patience.setback(LineLost("cut"))
    assert time.pauses == [0.0, 0.0, 0.0, 0.0]
    patience.setback(LineLost("refused"))
    assert time.pauses[-1] == 8.0
