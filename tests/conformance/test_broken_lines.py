"""Lines that break, hang and come back; restarts, other machines, two writers, a full disk."""

import os
import select
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from ingest.finish import finish
from tests.conformance.conftest import Desk, running_desk, token_of
from tests.house import make_house
from tests.machines import copy_of, grow, small_disk
from tests.postgres import fresh_database, shared_server
from tests.relay import relay
from tests.service import Service
from tests.wire import Tus, all_read, read_answer, repr_digest, reset
from tests.wire import finish as end

SMALL = os.urandom(300_000)  # finished by the request that brings it
LARGE = os.urandom((9 << 20) + 1)  # staged in pieces


def complete(desk, place, data, *, tus=None):
    """Send what is missing, and compare what comes back."""
    tus = tus or desk.tus
    offset = tus.head(place).offset
    answer = tus.patch(place, offset, data[offset:])
    assert answer.status == 204, answer
    assert answer.offset == len(data)
    assert answer.headers["repr-digest"] == repr_digest(data)
    number = answer.headers["evidence-exhibit"]
    assert desk.content(number) == data
    return number


def until(true):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it never came to that")


class TestLostLines:
    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("cut", [1, 100_001, -1], ids=["first", "middle", "last"])
    def test_what_came_before_a_fin_stays_to_the_last_byte(self, desk, data, cut):
        cut = cut % len(data)
        place = desk.tus.create(len(data))
        end(desk.tus.begin_patch(place, 0, len(data), data[:cut]))
        assert desk.tus.head(place).offset == cut
        complete(desk, place, data)

    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("cut", [1, 100_001, -1], ids=["first", "middle", "last"])
    def test_what_was_read_before_a_reset_stays(self, desk, data, cut):
        cut = cut % len(data)
        place = desk.tus.create(len(data))
        line = desk.tus.begin_patch(place, 0, len(data), data[:cut])
        all_read(line)
        reset(line)
        assert desk.tus.head(place).offset == cut
        complete(desk, place, data)

    @pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("how", [end, reset])
    def test_a_line_lost_after_the_last_byte_loses_the_answer_alone(self, desk, data, how):
        place = desk.tus.create(len(data))
        line = desk.tus.begin_patch(place, 0, len(data), data)
        assert select.select([line], [], [], 60)[0]  # the answer is there, and nobody hears it
        how(line)
        head = desk.tus.head(place)
        assert (head.offset, head.headers["repr-digest"]) == (len(data), repr_digest(data))
        assert desk.content(head.headers["evidence-exhibit"]) == data

    def test_before_the_first_byte_nothing_has_come(self, desk):
        place = desk.tus.create(10)
        desk.tus.begin_patch(place, 0, 10).close()
        assert desk.tus.head(place).offset == 0
        complete(desk, place, b"0123456789")

    def test_head_ends_a_request_that_hangs_and_its_bytes_are_kept(self, desk):
        place = desk.tus.create(len(LARGE))
        with desk.tus.begin_patch(place, 0, len(LARGE), LARGE[:5_000_001]) as hanging:
            all_read(hanging)
            start = time.monotonic()
            assert desk.tus.head(place).offset == 5_000_001
            assert time.monotonic() - start < 5  # of the protocol's own advice, not a figure
            complete(desk, place, LARGE)
            with suppress(ConnectionError):  # it may be ended without a word
                assert read_answer(hanging).status in (204, 409, 410, 423)

    def test_a_new_patch_ends_a_request_that_hangs_too(self, desk):
        place = desk.tus.create(len(SMALL))
        with desk.tus.begin_patch(place, 0, len(SMALL), SMALL[:1000]) as line:
            all_read(line)
            # The client believes that nothing came; it is told where the next byte belongs.
            answer = desk.tus.patch(place, 0, SMALL)
            assert (answer.status, answer.offset) == (409, 1000)
            complete(desk, place, SMALL)

    def test_through_a_line_that_hangs_and_resets_everything_arrives_once(self, desk):
        with relay(desk.service.place, rtt=0.02, cut_every=1 << 20, how="mixed", seed=4) as line:
            tus = Tus(line.place, desk.tus.token, **desk.tus.said)
            place = tus_create(tus, len(LARGE))
            while True:
                try:
                    offset = patient(tus, lambda tus: tus.head(place)).offset
                    if offset == len(LARGE):
                        break
                    with tus.begin_patch(place, offset, len(LARGE) - offset) as own:
                        own.settimeout(0.5)
                        own.sendall(LARGE[offset:])
                        read_answer(own)
                except OSError:
                    continue
            assert line.told()["cuts"] > 2
        # Its last request may have been cut before it was finished: then a worker does that.
        until(lambda: "evidence-exhibit" in desk.tus.head(place).headers)
        assert desk.content(desk.tus.head(place).headers["evidence-exhibit"]) == LARGE


def tus_create(tus, length):
    return patient(tus, lambda tus: tus.create(length))


def patient(tus, act):
    """Try again until the line lets an answer through."""
    for _ in range(50):
        try:
            return act(tus)
        except OSError:
            continue
    pytest.fail("the line never let an answer through")


class TestTwoWriters:
    def test_of_two_at_one_offset_the_bytes_of_one_count_and_none_are_mixed(self, desk):
        blocks = [os.urandom(200_000), os.urandom(200_000)]
        for _ in range(6):
            place = desk.tus.create(400_000)
            answers = [None, None]

            def send(n, place=place, answers=answers):
                answers[n] = desk.tus.patch(place, 0, blocks[n])

            writers = [threading.Thread(target=send, args=(n,)) for n in range(2)]
            for one in writers:
                one.start()
            for one in writers:
                one.join()
            # The one that came first may be asked to yield by the other; its bytes count.
            assert {answer.status for answer in answers} <= {204, 409, 423}
            assert [answer.status for answer in answers].count(204) < 2
            kept = desk.tus.head(place).offset
            assert 0 < kept <= 200_000
            rest = os.urandom(400_000 - kept)
            answer = desk.tus.patch(place, kept, rest)
            found = desk.content(answer.headers["evidence-exhibit"])
            assert found in [block[:kept] + rest for block in blocks]


@pytest.fixture(scope="module")
def stopped_desk(tmp_path_factory):
    """Return a service that tests stop, and start again."""
    with running_desk(tmp_path_factory.mktemp("restart")) as found:
        yield found


class TestRestart:
    def test_an_upload_goes_on_after_restarts_in_the_middle_of_its_bytes(self, stopped_desk):
        desk = stopped_desk
        for how in ("stop", "kill"):
            place = desk.tus.create(len(LARGE))
            assert desk.tus.patch(place, 0, LARGE[:2_000_000]).offset == 2_000_000
            with desk.tus.begin_patch(
                place, 2_000_000, len(LARGE) - 2_000_000, LARGE[2_000_000:6_000_000]
            ) as line:
                all_read(line)
                if how == "stop":
                    assert desk.service.stop() == 0
                else:
                    desk.service.kill()
            desk.service.start()
            offset = desk.tus.head(place).offset
            # Told to stop, it brings in what came; killed, it keeps what it had acknowledged.
            assert offset == 6_000_000 if how == "stop" else 2_000_000 <= offset <= 6_000_000
            complete(desk, place, LARGE)

    def test_a_kill_right_after_the_last_byte_loses_none(self, stopped_desk):
        desk = stopped_desk
        before = desk.house.types().count("registration/done")
        place = desk.tus.create(len(LARGE))
        line = desk.tus.begin_patch(place, 0, len(LARGE), LARGE)
        until(lambda: desk.row(place).offset == len(LARGE))
        desk.service.kill()
        line.close()
        desk.service.start()
        assert desk.tus.head(place).offset == len(LARGE)
        finish(desk.house.repo, place.rpartition("/")[2])  # as a worker does, in its time
        number = desk.tus.head(place).headers["evidence-exhibit"]
        assert desk.content(number) == LARGE
        assert desk.house.types().count("registration/done") == before + 1


@contextmanager
def two_machines(folder):
    """Two services over one PostgreSQL and one store, with a data folder each."""
    with fresh_database(shared_server()) as url:
        store = (folder / "store").as_uri()
        house = make_house(folder, database_url=url, store_url=store)
        places = {"EVIDENCE_DATABASE_URL": url, "EVIDENCE_STORE_URL": store}
        datas = [house.data, copy_of(house.data, folder / "second" / "data")]
        services = [Service(data, log=folder / f"{data.parent.name}.log", **places)
                    for data in datas]  # fmt: skip
        token = token_of(house, "investigator")
        try:
            for one in services:
                one.start()
            yield [Desk(house, one, Tus(one.place, token)) for one in services]
        finally:
            for one in services:
                one.kill()
            house.repo.close()


@pytest.mark.postgres
class TestAnotherMachine:
    @pytest.mark.long
    def test_an_upload_goes_on_at_another_machine_even_while_the_first_still_waits(self, tmp_path):
        with two_machines(tmp_path) as (here, there):
            place = here.tus.create(len(LARGE))
            with here.tus.begin_patch(place, 0, len(LARGE), LARGE[:3_000_000]) as line:
                all_read(line)
                assert there.tus.head(place).offset == 3_000_000
                answer = there.tus.patch(place, 3_000_000, LARGE[3_000_000:5_000_000])
                assert answer.offset == 5_000_000
            here.service.kill()
            number = complete(there, place, LARGE)
            assert number == "KRN-000001"


class TestDiskFull:
    def test_a_full_disk_is_507_and_the_upload_goes_on_when_there_is_room(self, tmp_path):
        with small_disk(tmp_path / "disk", str(3 << 20)) as disk:
            store = (disk / "store").as_uri()
            with running_desk(
                tmp_path / "house", store_url=store, environment={"EVIDENCE_STORE_URL": store}
            ) as desk:
                for size, room in ((6 << 20, 24 << 20), (24 << 20, 96 << 20)):  # whole; in pieces
                    data = os.urandom(size)
                    place = desk.tus.create(size)
                    answer = desk.tus.patch(place, 0, data)
                    assert (answer.status, answer.headers["content-type"]) == (
                        507, "application/problem+json",
                    )  # fmt: skip
                    kept = desk.tus.head(place)
                    assert kept.status == 200
                    assert kept.offset < size
                    assert desk.tus.create(1)  # the ledger is elsewhere and goes on
                    grow(disk, str(room))
                    complete(desk, place, data)
