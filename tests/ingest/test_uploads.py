"""Resumable uploads: what came stays, one writer at a time, nothing mixed, nothing lost."""

import hashlib
import os
import random
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ingest import pieces, uploads, writer
from ingest.errors import (
    BadUpload,
    ChecksumMismatch,
    OffsetConflict,
    UnknownUpload,
    UploadEnded,
    UploadTaken,
    UploadTooLarge,
)
from ingest.finish import finish, waiting
from ingest.uploads import Checksum
from repository.errors import StoreFull, StoreUnavailable
from repository.models import Exhibit, Piece, Upload
from tests.hostile import FailsAt
from tests.house import make_house
from tests.ingest.uploading import Desk, Time, comes, desk_of, digest

LARGE = uploads.DIRECT + 12_345  # is staged, whatever one request brings


@pytest.fixture
def desk(house) -> Desk:
    return desk_of(house)


def exhibit_of(upload: Upload) -> str:
    [result] = upload.results or []
    assert result["status"] == "registered", result
    return result["exhibit"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 300_000), max_size=6), data=st.binary(min_size=1, max_size=40))
def test_bytes_that_come_in_any_pieces_are_the_same_exhibit(desk, cuts, data):
    whole = data * (300_000 // len(data))
    upload = desk.begin(length=len(whole), digests={"sha256": digest(whole)})
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)})
    start = 0
    for end in ends:
        if end > start:
            upload = desk.append(upload, start, whole[start:end])
            start = end
        assert upload.offset == start
    assert desk.content(exhibit_of(upload)) == whole
    assert upload.results[0]["sha256"] == digest(whole)


def test_what_came_before_the_line_was_lost_stays(desk):
    data = os.urandom(3_000_000)
    upload = desk.begin(length=len(data))
    upload = desk.append(upload, 0, data[:1])
    assert upload.offset == 1
    upload = desk.append(upload, 1, data[1:1_500_000], b"", data[1_500_000:1_999_999])
    assert upload.offset == 1_999_999
    upload = desk.append(upload, 1_999_999, data[1_999_999:])
    assert desk.content(exhibit_of(upload)) == data


def test_bytes_for_another_place_than_the_next_are_refused_with_the_right_one(desk):
    upload = desk.append(desk.begin(length=100), 0, bytes(40))
    for wrong in (0, 39, 41, 100):
        with pytest.raises(OffsetConflict) as refused:
            desk.append(upload, wrong, b"x")
        assert refused.value.offset == 40
    assert desk.row(upload).offset == 40


def test_nothing_that_is_on_its_way_can_be_read_from_the_store_and_nothing_of_it_remains(desk):
    data = b"the name of a witness " * 150_000
    upload = desk.append(desk.begin(length=len(data)), 0, data[:2_000_000])
    assert sum(map(len, desk.staged())) > 2_000_000
    assert not any(b"witness" in found for found in desk.staged())
    upload = desk.append(upload, 2_000_000, data[2_000_000:])
    assert desk.staged() == []
    assert upload.wrapped is None
    with desk.repo.database.reading() as session:
        assert session.scalars(select(Piece)).all() == []


def test_a_large_upload_is_left_to_the_workers_and_finished_once(desk, monkeypatch):
    monkeypatch.setattr(writer, "SMALL", 1_000_000)
    data = os.urandom(LARGE)
    upload = desk.append(desk.begin(length=len(data)), 0, data)
    assert (upload.state, upload.results) == ("arrived", None)
    assert waiting(desk.repo) == [upload.id]
    workers = [threading.Thread(target=finish, args=(desk.repo, upload.id)) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    done = desk.row(upload)
    assert desk.content(exhibit_of(done)) == data
    assert desk.registrations() == 1
    assert waiting(desk.repo) == []


def test_a_process_that_dies_at_the_last_byte_leaves_no_whole_upload_open(desk):
    upload = desk.begin(length=100)
    _, mine = writer.take(desk.repo, upload.id, 0, lambda _: None)
    mine.commit([pieces.write(desk.repo, upload.wrapped, [b"x" * 100])])  # and dies here
    assert desk.row(upload).state == "closing"
    assert desk.append(upload, 100).state == "done"  # asked again, it is finished at once
    later = desk.begin()
    desk.append(later, 0, b"abc")
    _, mine = writer.take(desk.repo, later.id, 3, lambda row: setattr(row, "length", 3))
    assert mine is None
    assert desk.row(later).state == "closing"


def test_a_request_that_died_while_it_finished_is_taken_over_by_the_workers(house):
    clock = Time()
    desk = desk_of(house, clock)
    data = os.urandom(LARGE)
    upload = desk.append(desk.begin(length=len(data)), 0, data[:-1])
    with desk.repo.database.writing() as session:  # the last byte came, and the process was killed
        row = session.get_one(Upload, upload.id)
        stored, size = pieces.write(desk.repo, row.wrapped, [data[-1:]])
        session.add(
            Piece(upload_id=row.id, start=row.offset, size=size, key=stored.key,
                  stored=stored.to_json())
        )  # fmt: skip
        row.offset, row.state = len(data), "closing"
    assert waiting(desk.repo) == []
    clock.passes(minutes=3)
    [found] = waiting(desk.repo)
    finish(desk.repo, found)
    assert desk.content(exhibit_of(desk.row(upload))) == data


# -- one writer at a time


class Hanging:
    """A request whose bytes come when the test lets them."""

    def __init__(self, desk: Desk, upload: Upload, at: int, first: bytes) -> None:
        self.go = threading.Event()
        self.error: Exception | None = None
        self.upload: Upload | None = None
        self.gave_way = False
        self._thread = threading.Thread(target=self._run, args=(desk, upload, at, first))
        self._thread.start()
        for _ in range(500):
            if desk.row(upload).writer is not None:
                break
            time.sleep(0.01)

    def _blocks(self, give_way, first):
        yield first
        while not self.go.wait(0.05):
            if give_way():
                self.gave_way = True
                return
        yield b"late"

    def _run(self, desk, upload, at, first):
        try:
            self.upload = uploads.append(
                desk.repo, upload.id, at, lambda give_way: self._blocks(give_way, first)
            )
        except Exception as error:
            self.error = error

    def join(self):
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_a_new_request_ends_one_that_hangs_and_keeps_its_bytes(desk):
    upload = desk.begin(length=LARGE)
    hanging = Hanging(desk, upload, 0, bytes(700_000))
    assert writer.look(desk.repo, upload.id).offset == 700_000
    hanging.join()
    assert hanging.gave_way
    assert isinstance(hanging.error, UploadTaken)
    upload = desk.append(upload, 700_000, os.urandom(LARGE - 700_000))
    assert upload.state == "done"


def test_one_that_does_not_yield_adds_nothing_any_more(desk, monkeypatch):
    monkeypatch.setattr(writer, "YIELD_SECONDS", 0.1)
    data = os.urandom(LARGE)
    upload = desk.begin(length=LARGE)
    with monkeypatch.context() as patch:
        patch.setattr(writer.Writer, "asked", lambda _self: False)
        deaf = Hanging(desk, upload, 0, b"zombie")
    assert writer.look(desk.repo, upload.id).offset == 0
    upload = desk.append(upload, 0, data[:100])
    deaf.go.set()
    deaf.join()
    assert isinstance(deaf.error, UploadTaken)
    upload = desk.append(upload, 100, data[100:])
    assert desk.content(exhibit_of(upload)) == data


def test_a_request_that_registers_is_not_taken_over(desk, monkeypatch):
    """It holds all bytes, and two answers that all is well would be one too many."""
    monkeypatch.setattr(writer, "YIELD_SECONDS", 0.1)
    upload = desk.begin(length=1_000)
    registering, go = threading.Event(), threading.Event()
    real = uploads.finish_now

    def slowly(*given):
        registering.set()
        assert go.wait(20)
        return real(*given)

    monkeypatch.setattr(uploads, "finish_now", slowly)
    first = Hanging(desk, upload, 0, b"a" * 996)  # and then "late"
    first.go.set()
    assert registering.wait(20)
    assert writer.look(desk.repo, upload.id).offset == 0
    with pytest.raises(OffsetConflict):
        desk.append(upload, 0, b"b" * 1_000)
    go.set()
    first.join()
    assert first.upload.state == "done"
    assert desk.content(exhibit_of(first.upload)) == b"a" * 996 + b"late"


def test_a_request_that_registers_for_long_is_not_taken_for_dead_even_by_a_clock_ahead(
    house, monkeypatch
):
    monkeypatch.setattr(writer, "YIELD_SECONDS", 1.0)
    monkeypatch.setattr(writer, "BEAT_SECONDS", 0.05)
    desk = desk_of(house)
    ahead = replace(desk.repo, clock=lambda: desk.repo.clock() + timedelta(hours=1))
    upload = desk.begin(length=3)
    _, mine = writer.take(desk.repo, upload.id, 0, lambda _row: None)
    with mine.finishing():
        assert writer.look(ahead, upload.id).state == "finishing"
    time.sleep(0.1)  # nothing says any more that it lives
    assert writer.look(ahead, upload.id).state == "open"


def test_an_upload_whose_request_died_while_it_registered_begins_again(house):
    clock = Time()
    desk = desk_of(house, clock)
    upload = desk.begin(length=3)
    _, mine = writer.take(desk.repo, upload.id, 0, lambda _row: None)
    mine.registers()  # and the process was killed
    clock.passes(seconds=20)
    uploads.expire(desk.repo)
    assert desk.row(upload).state == "finishing"
    clock.passes(seconds=20)
    uploads.expire(desk.repo)
    assert desk.row(upload).state == "open"
    assert desk.append(upload, 0, b"abc").state == "done"


@pytest.mark.parametrize("size", [1_000, LARGE])
def test_of_many_requests_at_one_offset_one_wins_and_no_bytes_are_mixed(desk, size):
    upload = desk.begin(length=size)
    said = []

    def offer(letter: bytes) -> None:
        try:
            said.append((letter, desk.append(upload, 0, letter * size).state))
        except (OffsetConflict, UploadTaken) as error:
            said.append((letter, error.code))

    threads = [threading.Thread(target=offer, args=(bytes([65 + n]),)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(said) == 8
    done = desk.row(upload)
    assert done.state == "done", said
    content = desk.content(exhibit_of(done))
    assert len(set(content)) == 1
    assert len(content) == size
    assert desk.registrations() == 1


# -- what the request says of its bytes


def test_bytes_with_another_checksum_than_said_leave_the_offset_where_it_was(desk):
    data = os.urandom(400_000)
    upload = desk.append(desk.begin(length=len(data)), 0, data[:100_000])
    rest = data[100_000:]
    wrong = Checksum("sha1", hashlib.sha1(b"other").digest())
    with pytest.raises(ChecksumMismatch):
        desk.append(upload, 100_000, rest, checksum=wrong)
    assert desk.row(upload).offset == 100_000
    right = Checksum("sha256", hashlib.sha256(rest).digest())
    with pytest.raises(ChecksumMismatch):  # and where not all of the bytes came
        desk.append(upload, 100_000, rest[:-1], checksum=right)
    assert desk.row(upload).offset == 100_000
    upload = desk.append(upload, 100_000, rest, checksum=right)
    assert desk.content(exhibit_of(upload)) == data
    assert desk.staged() == []


def test_a_length_is_told_once_and_never_below_what_is_here(desk):
    upload = desk.append(desk.begin(length=None), 0, b"12345")
    with pytest.raises(BadUpload):
        desk.append(upload, 5, b"", length=4)
    upload = desk.append(upload, 5, b"6", length=7)
    for other in (6, 8):
        with pytest.raises(BadUpload):
            desk.append(upload, 6, b"7", length=other)
    assert desk.content(exhibit_of(desk.append(upload, 6, b"7", length=7))) == b"1234567"


@pytest.mark.parametrize("length", [10, LARGE])
def test_more_bytes_than_announced_are_refused_and_the_upload_can_go_on(desk, length):
    upload = desk.begin(length=length)
    data = os.urandom(length)
    with pytest.raises(UploadTooLarge):
        desk.append(upload, 0, data + b"x")
    at = desk.row(upload).offset
    assert desk.content(exhibit_of(desk.append(upload, at, data[at:]))) == data


@pytest.mark.parametrize("length", [-1, 5 << 40])
def test_impossible_lengths_are_refused(desk, length):
    with pytest.raises((BadUpload, UploadTooLarge)):
        desk.begin(length=length)


def test_no_bytes_are_an_upload_too(desk):
    upload = desk.begin(length=0)
    assert desk.content(exhibit_of(upload)) == b""


@pytest.mark.parametrize("size", [1_000, LARGE])
def test_a_declared_digest_that_differs_means_quarantine_never_loss(desk, size):
    data = os.urandom(size)
    upload = desk.begin(length=size, digests={"sha256": digest(b"other")})
    upload = desk.append(upload, 0, data)
    [result] = upload.results
    assert (result["status"], result["exhibit"]) == ("quarantined", None)
    assert result["quarantine"].startswith("QUA-")
    assert result["sha256"] == digest(data)
    assert "quarantine/done" in desk.house.types()


def test_a_digest_declared_at_the_end_is_compared_before_anything_is_registered(desk):
    data = os.urandom(5_000)
    right, wrong = {"sha256": digest(data)}, {"sha256": digest(b"other")}
    upload = desk.append(desk.begin(length=len(data), sealed=False), 0, data)
    assert (upload.state, desk.registrations()) == ("open", 0)
    upload = uploads.seal(desk.repo, upload.id, right)
    number = exhibit_of(upload)
    assert exhibit_of(uploads.seal(desk.repo, upload.id, right)) == number  # again
    with pytest.raises(BadUpload):
        uploads.seal(desk.repo, upload.id, wrong)
    early = desk.begin(length=10, sealed=False)
    with pytest.raises(OffsetConflict):
        uploads.seal(desk.repo, early.id, right)
    other = desk.append(desk.begin(length=len(data), sealed=False), 0, data)
    assert uploads.seal(desk.repo, other.id, wrong).results[0]["status"] == "quarantined"


def test_the_same_path_and_bytes_again_in_one_submission_are_the_same_exhibit(desk):
    numbers = {
        exhibit_of(desk.append(desk.begin(path=b"a.jpg", length=3), 0, b"abc")) for _ in range(3)
    }
    assert len(numbers) == 1
    assert desk.registrations() == 1
    other = desk.append(desk.begin(path=b"a.jpg", length=3), 0, b"abd")
    assert exhibit_of(other) not in numbers


# -- partial uploads


def test_partial_uploads_are_joined_in_the_order_named(desk):
    first, second = os.urandom(900_000), os.urandom(LARGE)
    parts = [
        desk.append(desk.begin("partial", length=len(data)), 0, data) for data in (second, first)
    ]
    said = uploads.Said("whole", b"joined.bin", digests={"sha256": digest(first + second)})
    final = uploads.join(desk.repo, desk.actor, desk.case, desk.submission, said, parts[::-1])
    assert final.offset == final.length == len(first) + len(second)
    assert desk.content(exhibit_of(final)) == first + second
    assert desk.staged() == []
    with pytest.raises(BadUpload):  # they are used up
        uploads.join(desk.repo, desk.actor, desk.case, desk.submission, said, parts)


def test_what_is_incomplete_or_named_twice_cannot_be_joined(desk):
    whole = desk.append(desk.begin("partial", length=2), 0, b"ab")
    open_one = desk.append(desk.begin("partial", length=2), 0, b"a")
    ordinary = desk.begin(length=2)
    said = uploads.Said("whole")
    for parts in ([], [whole, whole], [whole, open_one], [whole, ordinary]):
        with pytest.raises(BadUpload):
            uploads.join(desk.repo, desk.actor, desk.case, desk.submission, said, parts)
    assert uploads.join(
        desk.repo, desk.actor, desk.case, desk.submission, said, [whole]
    ).state == "done"  # fmt: skip


# -- files of a list


def test_a_pack_brings_many_files_and_each_becomes_an_exhibit(desk):
    files = [(b"%d.jpg" % n, os.urandom(n * 1_000)) for n in range(40)]
    desk.announce(files)
    upload = desk.begin("pack", files=(3, 40))
    assert upload.length == sum(len(data) for _, data in files[2:])
    upload = desk.append(upload, 0, *[data for _, data in files[2:]])
    assert [r["status"] for r in upload.results] == ["registered"] * 38
    for result, (_, data) in zip(upload.results, files[2:], strict=True):
        assert (result["sha256"], result["size"]) == (digest(data), len(data))
        assert desk.content(result["exhibit"]) == data
    assert [row.state for row in desk.announced()] == ["announced"] * 2 + ["registered"] * 38
    again = desk.append(desk.begin("pack", files=(1, 40)), 0, b"".join(d for _, d in files))
    assert [r["exhibit"] for r in again.results[2:]] == [r["exhibit"] for r in upload.results]
    assert desk.registrations() == 40


def test_a_file_of_a_pack_with_another_digest_is_quarantined_alone(desk):
    files = [(b"a", b"aaa"), (b"b", b"bbb"), (b"c", b"ccc")]
    desk.announce(files)
    upload = desk.append(desk.begin("pack", files=(1, 3)), 0, b"aaaBBBccc")
    assert [r["status"] for r in upload.results] == ["registered", "quarantined", "registered"]
    assert [row.state for row in desk.announced()] == ["registered", "quarantined", "registered"]


@pytest.mark.parametrize(("files", "length"), [((1, 4), None), ((0, 1), None), ((1, 2), 7)])
def test_what_does_not_match_the_list_is_refused(desk, files, length):
    desk.announce([(b"a", b"aaa"), (b"b", b"bbb"), (b"c", b"ccc")])
    with pytest.raises(BadUpload):
        desk.begin("pack", files=files, length=length)


def test_the_parts_of_a_thing_become_one_exhibit_when_the_last_has_come(desk):
    files = [(b"disk.E01", os.urandom(70_000)), (b"x.txt", b"x"), (b"disk.E02", os.urandom(90_000))]
    desk.announce(files, things={1: (1, 1), 3: (1, 2)})
    second = desk.append(desk.begin(files=(3, 3)), 0, files[2][1])
    assert [r["status"] for r in second.results] == ["stored"]
    assert desk.registrations() == 0
    rest = desk.append(desk.begin("pack", files=(1, 2)), 0, files[0][1] + files[1][1])
    assert [r["status"] for r in rest.results] == ["registered", "registered"]
    assert desk.registrations() == 2
    assert len({row.exhibit_id for row in desk.announced()}) == 2
    with desk.repo.database.reading() as session:
        sizes = {one.size for one in session.scalars(select(Exhibit))}
    assert sizes == {160_000, 1}


@pytest.mark.parametrize("size", [30_000, LARGE], ids=["of-one-request", "staged"])
def test_a_store_that_fails_at_any_call_loses_and_doubles_nothing(house, size):
    """Each call of the store fails once, before or after it took effect; the client tries again."""
    data = random.Random(7).randbytes(size)
    n, tries = 1, 0
    while True:
        desk = desk_of(house)
        fails = FailsAt(house.repo.store, n, after=bool(n % 2))
        broken = replace(desk.repo, store=fails)
        upload = desk.begin(path=b"%d" % n, length=len(data), digests={"sha256": digest(data)})
        before = desk.registrations()
        for _ in range(10):
            at = writer.look(desk.repo, upload.id).offset
            try:
                uploads.append(broken, upload.id, at, comes(data[at:]))
                break
            except (StoreUnavailable, StoreFull):
                tries += 1
        for upload_id in waiting(desk.repo):
            finish(desk.repo, upload_id)
        done = desk.row(upload)
        assert desk.content(exhibit_of(done)) == data
        assert desk.registrations() == before + 1
        if not fails.failed:
            break
        n += 1
    assert n >= 4
    assert tries


# -- the end of an upload


def test_an_upload_that_is_given_up_says_so_and_leaves_nothing(desk):
    upload = desk.append(desk.begin(path=b"secret.txt", length=LARGE), 0, b"some bytes")
    uploads.end(desk.repo, desk.actor, upload.id, "terminated")
    uploads.end(desk.repo, desk.actor, upload.id, "terminated")
    assert desk.staged() == []
    assert desk.house.types().count("upload_abandoned/done") == 1
    assert desk.house.last("upload_abandoned")["reason"] == "terminated"
    with pytest.raises(UploadEnded):
        desk.append(upload, 10, b"more")


def test_what_was_registered_is_not_taken_back(desk):
    upload = desk.append(desk.begin(length=3), 0, b"abc")
    with pytest.raises(UploadEnded):
        uploads.end(desk.repo, desk.actor, upload.id, "terminated")
    assert desk.content(exhibit_of(desk.row(upload))) == b"abc"


def test_an_upload_terminated_while_its_bytes_come_adds_nothing_more(desk):
    upload = desk.begin(length=LARGE)
    hanging = Hanging(desk, upload, 0, bytes(1_000))
    uploads.end(desk.repo, desk.actor, upload.id, "terminated")
    hanging.go.set()
    hanging.join()
    assert isinstance(hanging.error, UploadEnded)
    assert desk.staged() == []


def test_expiry_counts_from_the_last_byte_and_weeks_of_daily_restarts_complete(house):
    clock = Time()
    desk = desk_of(house, clock)
    data = os.urandom(2_100_000)
    upload = desk.begin(length=len(data))
    for day in range(21):
        clock.passes(days=4)  # twelve weeks in all, more than upload_days
        assert uploads.expire(desk.repo) == 0
        at = writer.look(desk.repo, upload.id).offset
        upload = desk.append(upload, at, data[day * 100_000 : (day + 1) * 100_000])
    assert desk.content(exhibit_of(upload)) == data
    left = desk.append(desk.begin(length=10), 0, b"12345")
    clock.passes(days=desk.repo.settings.upload_days - 1)
    assert uploads.expire(desk.repo) == 0
    clock.passes(days=1)
    assert uploads.expire(desk.repo) == 1
    assert desk.row(left).reason == "expired"
    assert desk.house.last("upload_abandoned")["reason"] == "expired"
    assert desk.staged() == []


def test_the_sweep_removes_what_no_upload_names_and_nothing_else(house):
    clock = Time()
    desk = desk_of(house, clock)
    kept = desk.append(desk.begin(length=10), 0, b"12345")
    orphan, _ = pieces.write(desk.repo, pieces.draw_key(desk.repo), [b"of a killed process"])
    assert pieces.sweep(desk.repo) == 0  # it may be on its way to its row
    clock.passes(days=2)
    assert pieces.sweep(desk.repo) == 1
    assert desk.repo.store.find("staging", orphan.key) is None
    assert desk.content(exhibit_of(desk.append(kept, 5, b"67890"))) == b"1234567890"


def test_anothers_upload_looks_like_one_that_is_not_there(desk):
    upload = desk.begin(length=1)
    for name, wanted in (("stranger", upload.id), ("investigator", "nothing")):
        with pytest.raises(UnknownUpload) as refused:
            uploads.find(desk.repo, desk.house.caller(name), wanted)
        assert str(refused.value) == "there is no such upload of yours"
    assert desk.house.types().count("access_denied/refused") == 2
    assert uploads.find(desk.repo, desk.house.caller("investigator"), upload.id).id == upload.id


@pytest.mark.parametrize("encryption", [True, False])
def test_a_damaged_piece_is_found_before_anything_is_registered(tmp_path, encryption):
    house = make_house(tmp_path, encryption=encryption)
    desk = desk_of(house)
    upload = desk.append(desk.begin(length=2_000), 0, bytes(1_000))
    [file] = [f for f in (house.data / "store/staging").rglob("*") if f.is_file()]
    file.chmod(0o600)
    found = bytearray(file.read_bytes())
    found[500] ^= 1
    file.write_bytes(found)
    upload = desk.append(upload, 1_000, bytes(1_000))
    assert upload.state == "arrived"  # not finished: it says why, and evidence is untouched
    assert desk.registrations() == 0
    house.repo.close()
