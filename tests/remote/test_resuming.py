"""Runs that end anywhere go on; lines and services that fail are waited for; nothing twice.

The real service, a relay that is a bad line, and `kill -9` of the real command.
"""

import os
import random
import re
import time
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from repository.models import Upload
from tests.house import CODE, make_house
from tests.machines import grow, small_disk
from tests.relay import relay
from tests.remote.sending import invited, results
from tests.service import Service, serving

MIB = 1 << 20


def fill(folder, count, size=20_000):
    """Make files that are all different; return their digests by the paths they will have."""
    folder.mkdir(parents=True, exist_ok=True)
    source = random.Random(size)
    digests = {}
    for n in range(count):
        data = source.randbytes(size)
        (folder / f"{n:05}-{size}.bin").write_bytes(data)
        digests[f"{folder.name}/{n:05}-{size}.bin"] = f"sha256:{sha256(data).hexdigest()}"
    return digests


def wait_for(condition, *, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.05)


def staged(house):
    """Return how many bytes of open uploads the service holds for good."""
    with house.repo.database.reading() as session:
        return session.scalar(select(func.coalesce(func.sum(Upload.offset), 0)))


def assert_whole(house, far, digests, out):
    """Every file is an exhibit, once, with its own bytes and its own receipt."""
    found = results(out)
    assert {row["path"]: row["sha256"] for row in found} == digests
    assert len(found) == len(digests)
    rows = house.evidence("list", "--case", CODE).lines
    assert {row["path"]: row["sha256"] for row in rows} == digests
    assert len(rows) == len(digests)
    [folder] = far.submissions
    assert len(list((folder / "receipts").glob(f"{CODE}-*.json"))) == len(digests)


def test_a_run_that_is_killed_again_and_again_sends_everything_once(house, tmp_path):
    digests = fill(tmp_path / "in", 60) | fill(tmp_path / "in", 1, 9 * MIB)
    size = 60 * 20_000 + 9 * MIB
    with serving(house.data, options=["--tls"]) as service:
        with relay(service.place, rtt=0.02, rate=6e6) as line:
            far = invited(house, line.address.replace("http:", "https:"), tmp_path)
            kills = 0
            for least in (0.05, 0.4, 0.75):
                run = far.start(tmp_path / "in")
                while run.running and line.told()["uploaded"] < least * size:
                    time.sleep(0.05)
                kills += run.running
                run.kill()
            assert kills == 3
            run = far.start(tmp_path / "in")
            assert run.wait() == 0, run.err
            sent = line.told()["uploaded"]
    assert_whole(house, far, digests, run.out)
    # What was on its way when it was killed is lost, and nothing else is sent again.
    assert sent < size + kills * 2 * MIB
    assert house.evidence("verify").code == 0


@pytest.mark.long
def test_a_run_that_is_killed_while_it_hashes_goes_on_there(house, tmp_path):
    digests = fill(tmp_path / "in", 20, 2 * MIB)
    with serving(house.data) as service:
        far = invited(house, service.address, tmp_path)
        run = far.start(tmp_path / "in")
        wait_for(lambda: far.submissions)
        run.kill()
        run = far.start(tmp_path / "in")
        assert run.wait() == 0, run.err
    assert_whole(house, far, digests, run.out)


def test_a_line_that_is_cut_all_the_time_costs_little_and_no_word(house, tmp_path):
    digests = fill(tmp_path / "in", 40) | fill(tmp_path / "in", 2, 9 * MIB)
    size = 40 * 20_000 + 18 * MIB
    with serving(house.data) as service:
        with relay(service.place, rtt=0.05, rate=10e6, cut_every=4 * MIB, how="reset") as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", say=True)
            assert run.wait(200) == 0, run.err
            told = line.told()
    assert told["cuts"] >= 3
    assert told["uploaded"] < size * 1.5
    assert re.search(r"the line broke [0-9]+ times", run.err)
    assert "trying again" not in run.err
    assert run.out.count("\n") == len(digests)
    rows = house.evidence("list", "--case", CODE).lines
    assert {row["path"]: row["sha256"] for row in rows} == digests
    assert len(rows) == len(digests)


@pytest.mark.parametrize("upwards", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_line_that_says_nothing_any_more_is_left_for_another(house, tmp_path, upwards):
    """Bytes that do not arrive, and answers that do not: neither side is told that it is over."""
    digests = fill(tmp_path / "in", 40) | fill(tmp_path / "in", 1, 9 * MIB)
    size = 40 * 20_000 + 9 * MIB
    with serving(house.data) as service:
        with relay(service.place, rtt=0.05, rate=4e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", "--patience", "120s", say=True, hasty=True)
            wait_for(lambda: line.told()["uploaded"] > MIB)
            line.cut_after(MIB if upwards else 1, "hang", upwards=upwards)
            assert run.wait() == 0, run.err
            told = line.told()
    assert told["cuts"] == 1
    assert told["uploaded"] < size + 5 * MIB
    assert re.search(r"the line broke [0-9]+ times", run.err)
    assert run.out.count("\n") == len(digests)
    rows = house.evidence("list", "--case", CODE).lines
    assert {row["path"]: row["sha256"] for row in rows} == digests
    assert len(rows) == len(digests)


def test_a_service_that_is_killed_and_started_again_is_waited_for(house, tmp_path):
    digests = fill(tmp_path / "in", 40) | fill(tmp_path / "in", 1, 9 * MIB)
    service = Service(house.data).start()
    try:
        with relay(service.place, rate=4e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", "--patience", "180s")  # a start takes its time
            wait_for(lambda: line.told()["uploaded"] > 3 * MIB)
            service.kill()
            time.sleep(1)
            assert run.running
            service.start()
            assert run.wait() == 0, run.err
        assert service.stop() == 0
    finally:
        service.kill()
    assert_whole(house, far, digests, run.out)


def test_a_token_that_is_revoked_in_the_middle_ends_the_run_and_a_new_one_goes_on(house, tmp_path):
    digests = fill(tmp_path / "in", 3, 9 * MIB)
    with serving(house.data) as service:
        with relay(service.place, rate=6e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in")
            wait_for(lambda: line.told()["uploaded"] > 5 * MIB)
            house.evidence("token", "revoke", far.token_id)
            line.cut()  # whoever is let in stays in until the request ends
            assert run.wait() == 4
            assert "does not accept this token" in run.err
            assert run.err.count("\n") == 1
            before = line.told()["uploaded"]
            again = invited(house, line.address, tmp_path)
            run = again.start(tmp_path / "in")
            assert run.wait() == 0, run.err
            assert line.told()["uploaded"] - before < 27 * MIB - 3 * MIB
    assert_whole(house, again, digests, run.out)


@pytest.mark.long
def test_a_full_disk_there_is_said_and_waited_for(tmp_path):
    digests = fill(tmp_path / "in", 2, 9 * MIB)
    with small_disk(tmp_path / "disk", "15m") as disk:
        url = f"file://{disk}/store"
        house = make_house(tmp_path, store_url=url)
        with serving(house.data, EVIDENCE_STORE_URL=url) as service:
            far = invited(house, service.address, tmp_path)
            run = far.start(tmp_path / "in", "--patience", "120s", say=True, hasty=True)
            wait_for(lambda: "trying again" in run.err or not run.running)
            assert "full" in run.err
            grow(disk, "200m")
            assert run.wait() == 0, run.err
            assert "it goes on, after" in run.err
        assert run.out.count("\n") == len(digests)
        house.repo.close()


def test_patience_ends_and_the_same_command_goes_on(house, tmp_path):
    digests = fill(tmp_path / "in", 2, 9 * MIB)
    with serving(house.data) as service:
        with relay(service.place, rate=6e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", "--patience", "3s", hasty=True)
            wait_for(lambda: line.told()["uploaded"] > 3 * MIB)
            line.half_open()
            line.cut()
            wait_for(lambda: staged(house) > 2 * MIB)  # the service keeps what a lost line brought
            service.kill()
            assert run.wait() == 3
            assert run.err.count("\n") == 1
        service.start()
        with relay(service.place) as line:
            again = invited(house, line.address, tmp_path)
            run = again.start(tmp_path / "in")
            assert run.wait() == 0, run.err
            assert line.told()["uploaded"] < 16 * MIB
    assert_whole(house, far, digests, run.out)


@pytest.mark.long
def test_a_file_that_changes_after_the_list_is_not_sent_under_its_old_digest(house, tmp_path):
    digests = fill(tmp_path / "in", 30) | fill(tmp_path / "in", 1, 9 * MIB)
    small, large = sorted(digests)[7], f"in/00000-{9 * MIB}.bin"
    with serving(house.data) as service:
        with relay(service.place, rate=2e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in")
            wait_for(lambda: line.told()["uploaded"] > 100_000)
            run.kill()
        for name in (small, large):
            with (tmp_path / name).open("r+b") as file:
                file.write(b"changed")
        (tmp_path / "in" / "new").write_bytes(b"came later")
        with relay(service.place) as line:
            again = invited(house, line.address, tmp_path)
            run = again.start(tmp_path / "in")
            assert run.wait() == 1  # files changed since; the new one is none of the list
            failed = {r["path"]: r["error"] for r in results(run.out) if r["status"] == "failed"}
            kept = {row["path"] for row in house.evidence("list", "--case", CODE).lines}
            assert failed.pop("in/new") == "not-listed"
            # The pack with the small one may have been on the way already, as it was.
            assert set(failed) <= {small, large}
            assert set(failed.values()) == {"source-changed"}
            assert large in failed
            assert kept == set(digests) - set(failed)
            motive = "two files were opened by mistake"
            run = again.start(tmp_path / "in", "--without-missing", motive)
            assert run.wait() == 1
    done = house.last("submission")
    assert (done["outcome"], done.get("reason")) == ("done", "without-missing")
    rows = house.evidence("list", "--case", CODE).lines
    assert all(row["sha256"] == digests[row["path"]] for row in rows)  # nothing was mixed


@pytest.mark.long
def test_two_runs_at_once_are_one_too_many(house, tmp_path):
    fill(tmp_path / "in", 2, 9 * MIB)
    with serving(house.data) as service:
        with relay(service.place) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", "--rate", "4Mbit")  # for half a minute, if it is let
            wait_for(lambda: line.told()["uploaded"] > MIB)
            said = far.send(tmp_path / "in")
            assert said.code == 3
            assert "another run is sending" in said.err
            assert run.interrupt() == 130
            assert "can be run again" in run.err
            assert far.start(tmp_path / "in").wait() == 0


@pytest.mark.long
def test_another_computer_goes_on_with_a_named_submission(house, tmp_path):
    """The memory of the first run is lost; the service knows what it has."""
    digests = fill(tmp_path / "in", 3, 9 * MIB)
    with serving(house.data) as service:
        with relay(service.place, rate=8e6) as line:
            far = invited(house, line.address, tmp_path)
            run = far.start(tmp_path / "in", "--connections", "1")
            wait_for(lambda: house.evidence("list", "--case", CODE).lines)
            run.kill()
            [lost] = far.submissions
        with relay(service.place) as line:
            other = invited(house, line.address, tmp_path / "other")
            run = other.start(tmp_path / "in", "--submission", lost.name)
            assert run.wait() == 0, run.err
            assert line.told()["uploaded"] < 20 * MIB  # of 27
    assert_whole(house, other, digests, run.out)


@pytest.mark.long
def test_the_rate_is_a_limit_for_all_connections_together(house, tmp_path):
    fill(tmp_path / "in", 4, 2 * MIB)
    with serving(house.data) as service:
        far = invited(house, service.address, tmp_path)
        begun = time.monotonic()
        run = far.start(tmp_path / "in", "--rate", "2M", "--connections", "4")
        assert run.wait() == 0, run.err
    assert time.monotonic() - begun > 8 * MIB / 2e6


@pytest.mark.long
def test_an_interceptor_in_the_middle_of_a_run_is_said_in_one_line_and_outlasted(
    house, tmp_path
):  # fmt: skip
    """The portal of a hotel wakes up at midnight, and somebody logs in again."""
    from tests.remote.false_servers import Authority, false_server, http_answer

    digests = fill(tmp_path / "in", 3, 9 * MIB)
    box = Authority(tmp_path, "Box").server()
    with serving(house.data, options=["--tls"]) as service, false_server(b"", box) as false:
        false.answer = http_answer("200 OK", b"log in")
        with relay(service.place, rate=6e6) as line:
            far = invited(house, line.address.replace("http:", "https:"), tmp_path)
            run = far.start(tmp_path / "in", say=True)
            wait_for(lambda: line.told()["uploaded"] > 5 * MIB)
            line.lead(("127.0.0.1", false.port))
            wait_for(lambda: "the line is intercepted" in run.err)
            line.lead(service.place)
            assert run.wait() == 0, run.err
    assert run.err.count("the line is intercepted") == 1
    assert "it goes on, after" in run.err
    assert false.connections
    assert false.heard == []  # not a byte after the handshake
    assert run.out.count("\n") == len(digests)


def test_no_evidence_is_left_where_runs_remember(house, tmp_path):
    secret = b"the name of the witness is " + os.urandom(32)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "statement").write_bytes(secret)
    with serving(house.data) as service:
        far = invited(house, service.address, tmp_path)
        assert far.send(tmp_path / "in").code == 0
    for path in far.state.rglob("*"):
        assert path.is_dir() or secret not in path.read_bytes()
        assert path.is_dir() or far.token.encode() not in path.read_bytes()
