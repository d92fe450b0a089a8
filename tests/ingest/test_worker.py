"""Workers: what waits is done once, by whoever lives; what cannot be done is put off, and said."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ingest import duties as duties_module
from ingest.durable import Workflows
from ingest.duties import Duty, Waiting
from ingest.worker import workflow_id
from ingest.workflows import give_up
from repository import setbacks
from repository.exhibits import unprocessed
from repository.machines import MISSED, Place, Watch, beat
from repository.models import Machine, Setback
from tests.house import make_house
from tests.ingest.crew import Jobs, crew
from tests.ingest.uploading import Time
from tests.postgres import Server, find_or_skip
from tests.service import Running, evidence, free_port


def take_in(house, count, size=300):
    folder = house.data / "in"
    folder.mkdir(exist_ok=True)
    for n in range(count):
        (folder / f"{n:04d}").write_bytes(os.urandom(size))
    said = house.evidence("ingest", folder, "--case", "KRN", "--no-extract")
    assert said.code == 0, said.err
    return [line["exhibit"] for line in said.lines]


def waiting(house):
    with house.repo.database.reading() as session:
        return list(unprocessed(session, limit=10_000))


def wait_for(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.05)
    return found


def looked(house):
    """Return how often each exhibit was looked at, by number."""
    return Counter(
        e.fields["exhibit"]["number"]
        for e in house.entries()
        if e.fields["type"] == "metadata_extraction"
    )


def rows(house, kind):
    from sqlalchemy import select

    with house.repo.database.reading() as session:
        return list(session.scalars(select(kind)))


@pytest.fixture
def jobs(house):
    return Jobs(house.data)


@pytest.fixture
def workers(house):
    """Return a function that starts workers with the duty of the tests; all end with the test."""
    started = []

    def start(**environment):
        found = crew(house.data, log=house.data / "words", **environment)
        started.append(found.start())
        return found

    yield start
    for one in started:
        one.kill()


# -- the command


def test_once_does_everything_that_is_due_and_ends(house):
    numbers = take_in(house, 70)
    said = house.evidence("worker", "--once")
    assert said.code == 0, said.err
    assert looked(house) == Counter(numbers)
    assert next(house.repo.store.versions("ledger", "checkpoint/")).size
    assert set(said.lines[0].values()) == {0}
    before = len(house.entries())
    assert house.evidence("worker", "--once").code == 0
    assert len(house.entries()) == before


def test_once_says_what_could_not_be_done(house):
    take_in(house, 3)
    (house.data / "store").rename(house.data / "elsewhere")
    (house.data / "store").write_text("no folder")
    said = house.evidence("worker", "--once")
    assert said.code == 3
    assert said.lines[0]["look"] == 3
    (house.data / "store").unlink()
    (house.data / "elsewhere").rename(house.data / "store")
    assert len(waiting(house)) == 3
    wait_for(lambda: house.evidence("worker", "--once").code == 0)
    assert waiting(house) == []


def test_a_worker_stops_within_seconds_and_the_next_goes_on_at_once(house, jobs, workers):
    first = workers()
    jobs.add(*(f"slow-{n}" for n in range(6)))
    wait_for(jobs.begun)
    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < 8
    left = len(jobs.left())
    assert left
    workers()
    wait_for(lambda: not jobs.left(), 40)


def test_it_speaks_to_nobody_and_prints_nothing_of_its_own(house):
    """DBOS offers a hosted service, switched on by the environment; nothing of it is used."""
    environment = {
        **os.environ, "DBOS__CLOUD": "true", "DBOS__CONDUCTOR_KEY": "k", "DBOS_APP_NAME": "x",
        "DBOS__CONDUCTOR_URL": "ws://127.0.0.1:9", "DBOS_SYSTEM_DATABASE_URL": "sqlite:///no.db",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "--data", str(house.data), "worker", "--once"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "waiting: nothing\n", "")


# -- once


def engine(house, ran, name="me", **more):
    def attempt(duty, things, tries):
        ran.append((duty, tuple(things), tries))
        return {"left": {}}

    return Workflows(
        house.repo.settings, name=name, duties={"job": "finish"}, queues={"finish": (2, 0.2)},
        attempt=attempt, note=lambda *_: True, problem=pytest.fail, **more,
    )  # fmt: skip


def test_a_workflow_started_twice_under_one_id_runs_once(house):
    ran = []
    flows = engine(house, ran)
    try:
        assert flows.start("job", "job-1", ["a"], 0) is None
        assert flows.start("job", "job-1", ["a"], 0).state == "active"
        wait_for(lambda: not flows.open_runs())
        assert flows.start("job", "job-1", ["a"], 0).state == "done"
    finally:
        assert flows.close()
    flows = engine(house, ran, name="another")
    try:
        assert flows.start("job", "job-1", ["a"], 0).state == "done"
        time.sleep(1)
        assert ran == [("job", ("a",), 0)]
        assert flows.tidy(timedelta(days=1)) == 0
        assert flows.tidy(timedelta()) == 1
    finally:
        assert flows.close()


def test_the_id_of_a_workflow_is_made_of_its_things_and_their_state():
    duty = Duty("check", "keep", lambda _: [], lambda _: {}, together=8)
    two = [Waiting("a", "1"), Waiting("b", "2")]
    assert workflow_id(duty, [Waiting("a")]) == "check-a"
    assert workflow_id(duty, two) == workflow_id(duty, list(two))
    groups = ([Waiting("a")], [Waiting("a", "1")], two, [Waiting("a", "2"), Waiting("b", "2")])
    assert len({workflow_id(duty, found) for found in groups}) == 4


def test_two_workers_share_what_waits_and_each_thing_is_done_once(house, jobs, workers):
    jobs.add(*(f"slow-{n:02d}" for n in range(8)), *(f"quick-{n:02d}" for n in range(200)))
    beats = {"EVIDENCE_BEAT_SECONDS": "20"}  # nobody dies here: a busy machine is not taken for it
    one, two = workers(**beats), workers(**beats)
    wait_for(lambda: not jobs.left(), 60)
    assert set(jobs.done().values()) == {1}
    assert len(jobs.done()) == 208
    assert one.stop() == two.stop() == 0
    said = re.findall(r"jobs: (\d+)", (house.data / "words").read_text())
    assert sum(map(int, said)) == 208


# -- death


def test_a_killed_workers_work_is_taken_over_by_another(house, jobs, workers):
    first, second = workers(TOGETHER="1"), workers(TOGETHER="1")
    wait_for(lambda: len(rows(house, Machine)) == 2)
    jobs.add(*(f"slow-{n}" for n in range(8)))
    wait_for(lambda: jobs.in_hand(first))
    first.kill()
    wait_for(lambda: not jobs.left(), 30)
    assert re.search(r"a worker has died; [1-9][0-9]* of its", (house.data / "words").read_text())
    assert len(rows(house, Machine)) == 1
    assert second.stop() == 0
    assert rows(house, Machine) == []


def test_a_worker_that_starts_again_goes_on_with_what_it_had_begun(house, jobs, workers):
    """The place of the dead one is free at once: nobody has to wait for missed beats."""
    first = workers(EVIDENCE_BEAT_SECONDS="3600")
    jobs.add("slow-1", "slow-2")
    wait_for(jobs.begun)
    first.kill()
    workers(EVIDENCE_BEAT_SECONDS="3600")
    wait_for(lambda: not jobs.left(), 20)
    assert len(list((house.data / "workers").iterdir())) == 1
    assert "has died" not in (house.data / "words").read_text()


@pytest.mark.long
@pytest.mark.sqlite_only("on PostgreSQL it is what tests/faults/test_many_machines.py shows")
def test_with_the_real_command_and_its_real_beats_within_a_minute(house):
    """Two workers of `evidence worker`; the one that holds work is killed in the middle of it."""
    numbers = take_in(house, 150)
    both = [Running(evidence(house.data, "worker")).start() for _ in range(2)]
    try:
        wait_for(lambda: len(waiting(house)) < 140)
        both[0].kill()
        killed = time.monotonic()
        wait_for(lambda: not waiting(house), 60)
        assert time.monotonic() - killed < 60
    finally:
        codes = [both[1].stop(), both[0].kill()]
    assert codes[0] == 0
    assert looked(house) == Counter(numbers)
    assert house.evidence("verify", "--ledger").code == 0


# -- what cannot be done


def test_what_kills_every_worker_is_given_up_and_keeps_nobody_waiting(house, jobs, workers):
    jobs.add("crash-1", *(f"quick-{n:02d}" for n in range(20)), "slow-1")

    def next_worker():
        found = workers()
        wait_for(lambda: not found.alive or jobs.left("up"), 60)
        return not found.alive

    died = 0
    while next_worker():
        died += 1
        assert died < 30
    assert jobs.left("up") == ["crash-1"]
    assert (jobs.folder / "crash-1.up").read_text() == setbacks.DIED
    wait_for(lambda: not jobs.left(), 40)
    assert set(jobs.done().values()) == {1}
    assert jobs.begun()["crash-1"] == 6  # two deaths of a process in each of three tries
    [row] = [row for row in rows(house, Setback) if row.next_at is None]
    assert (row.duty, row.subject, row.tries) == ("job", "crash-1", 3)
    assert "given up: job crash-1" in (house.data / "words").read_text()
    assert duties_module.counts(house.repo)["given_up"] == 1


def test_what_nobody_expected_is_tried_alone_then_given_up(house, jobs, workers):
    jobs.add("wrong-1", *(f"quick-{n:02d}" for n in range(7)))
    workers()
    wait_for(lambda: jobs.left("up"), 30)
    assert jobs.left() == []
    assert (jobs.folder / "wrong-1.up").read_text() == "TypeError: this was never expected"
    assert set(jobs.done().values()) == {1}
    assert jobs.begun()["wrong-1"] == 3
    assert setbacks.try_again(house.repo) == 1
    assert duties_module.counts(house.repo)["given_up"] == 0


def test_what_was_done_without_effect_does_not_spin(house, jobs, workers):
    jobs.add("hollow-1", "quick-1")
    workers()
    wait_for(lambda: jobs.begun()["hollow-1"], 30)
    time.sleep(3)
    assert jobs.begun()["hollow-1"] <= 2
    assert jobs.left() == ["hollow-1"]


def test_a_store_that_is_away_is_waited_for_in_growing_pauses(house, jobs, workers):
    (jobs.folder / "away").write_text("")
    jobs.add(*(f"away-{n:03d}" for n in range(200)))
    workers()

    def pauses():
        return sum(row.tries for row in rows(house, Setback) if row.subject == setbacks.WHOLE)

    wait_for(lambda: pauses() >= 3, 60)  # of 1, 2, 4 … seconds
    assert sum(jobs.begun().values()) <= 4 + 4  # what was under way at first, then one at a time
    (jobs.folder / "away").unlink()
    wait_for(lambda: not jobs.left(), 60)
    assert set(jobs.done().values()) == {1}
    assert jobs.left("up") == []
    assert "not yet: the store is away" in (house.data / "words").read_text()


def test_an_exhibit_that_is_given_up_is_on_record_as_not_looked_at(house):
    [number] = take_in(house, 1)
    [exhibit_id] = waiting(house)
    with house.repo.database.writing() as session:
        give_up(house.repo, session, exhibit_id, "TypeError: boom")
    assert waiting(house) == []
    entry = house.last("metadata_extraction")
    assert (entry["outcome"], entry["reason"]) == ("error", "crash")
    assert house.last("format_identification")["outcome"] == "not-done"
    with house.repo.database.writing() as session:
        give_up(house.repo, session, exhibit_id, "TypeError: boom")
    assert len([e for e in house.entries() if e.fields["type"] == "metadata_extraction"]) == 1
    assert house.evidence("show", number).code == 0


# -- clocks and beats


def test_a_machine_is_dead_when_its_row_does_not_change_while_somebody_watches(house):
    now = [0.0]
    watch = Watch(house.repo, "me", steady=lambda: now[0])
    seconds = house.repo.settings.beat_seconds
    house.repo = replace(house.repo, clock=Time())
    beat(house.repo, "me")
    beat(house.repo, "other")

    def look(after):
        now[0] += after
        return watch.look()

    assert look(1) == []
    assert sorted(watch.alive) == ["me", "other"]
    assert watch.first
    for _ in range(2 * MISSED - 1):
        assert look(seconds / 2) == []
    assert look(seconds / 2) == ["other"]
    assert watch.alive == ["me"]
    house.repo.clock.passes(days=-3650)  # it lives, and its clock was set back ten years
    beat(house.repo, "other")
    watch.forget("other")  # too late: it said something
    assert len(rows(house, Machine)) == 2
    assert look(seconds / 2) == []


def test_nobody_is_judged_by_a_time_in_which_nobody_watched(house):
    now = [0.0]
    watch = Watch(house.repo, "me", steady=lambda: now[0])
    beat(house.repo, "other")
    assert watch.look() == []
    now[0] += 3600  # this machine slept, or the database was away
    assert watch.look() == []
    now[0] += house.repo.settings.beat_seconds
    assert watch.look() == []


def test_a_place_is_one_workers_own_until_it_dies(house):
    first, second = Place.take(house.repo), Place.take(house.repo)
    assert first.name != second.name
    first.leave()
    third = Place.take(house.repo)
    assert third.name == first.name
    second.leave()
    third.leave()


def test_pauses_grow_and_a_clock_set_back_ends_them(house):
    clock = Time()
    repo = replace(house.repo, clock=clock)
    pauses = []
    for tries in range(1, 9):
        with repo.database.writing() as session:
            pauses.append(setbacks.put_off(session, clock(), "look", "x", tries, "r") - clock())
    assert pauses[0] == setbacks.FIRST
    assert pauses == sorted(pauses)
    assert pauses[-1] == setbacks.LONGEST
    assert setbacks.standing(repo).rests("look", "x")
    clock.passes(days=-400)
    assert not setbacks.standing(repo).rests("look", "x")
    clock.passes(days=402)
    assert not setbacks.standing(repo).rests("look", "x")
    assert setbacks.forget_old(repo) == 0
    clock.passes(days=8)
    assert setbacks.forget_old(repo) == 1


def test_many_failures_at_one_time_are_one_setback_of_the_duty(house):
    clock = Time()
    for _ in range(5):
        with house.repo.database.writing() as session:
            setbacks.put_off_whole(session, clock(), "copy", "away")
    [row] = rows(house, Setback)
    assert row.tries == 1


def test_chores_are_due_again_when_the_clock_is_set_back(house):
    from repository.chores import done, is_due, last_done

    clock = Time()
    repo = replace(house.repo, clock=clock)
    done(repo, "publish")
    assert not is_due(last_done(repo, "publish"), clock(), timedelta(seconds=10))
    clock.passes(seconds=11)
    assert is_due(last_done(repo, "publish"), clock(), timedelta(seconds=10))
    clock.passes(days=-365)
    assert is_due(last_done(repo, "publish"), clock(), timedelta(seconds=10))


# -- the database, and the service


@pytest.mark.long
@pytest.mark.postgres
def test_a_database_that_is_away_for_some_seconds_stops_no_worker(tmp_path, monkeypatch):
    find_or_skip()
    tmp_path.chmod(0o755)
    server = Server()
    server.make()
    server.start()
    try:
        monkeypatch.setenv("EVIDENCE_DATABASE_URL", server.url)
        house = make_house(tmp_path)
        jobs = Jobs(house.data)
        jobs.add(*(f"slow-{n:02d}" for n in range(16)))
        worker = crew(house.data, log=house.data / "words", TOGETHER="1").start()
        try:
            wait_for(jobs.begun)
            server.kill()
            time.sleep(3)
            jobs.add("late-1")
            server.start()
            wait_for(lambda: not jobs.left(), 60)
            assert worker.alive
            assert worker.stop() == 0
        finally:
            worker.kill()
        # What was begun when the server died may have been done a second time, never not at all.
        assert set(jobs.done()) >= {f"slow-{n:02d}" for n in range(16)} | {"late-1"}
        assert "database" in (house.data / "words").read_text()
        house.repo.close()
    finally:
        server.stop()


def test_the_service_starts_its_worker_again(house):
    port = free_port()
    command = evidence(house.data, "serve", "--port", port)
    with Running(command).until_answered("127.0.0.1", port) as service:
        first = wait_for(lambda: worker_beside(service.pid))
        wait_for(lambda: rows(house, Machine))
        take_in(house, 3)
        wait_for(lambda: not waiting(house))
        os.kill(first, signal.SIGKILL)
        second = wait_for(lambda: another_beside(service.pid, first))
        take_in(house, 5)
        wait_for(lambda: not waiting(house), 30)
        assert service.stop() == 0
        assert not alive(second)


def worker_beside(service):
    """Return the process id of the worker that a service runs, if it runs one."""
    for keeper in children(service):
        for one in children(keeper):
            words = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
            if b"worker" in words:
                return one
    return None


def another_beside(service, than):
    found = worker_beside(service)
    return found if found != than else None


def children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
