"""What a run remembers, what it hashes, and what it reads to send."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import pytest

from api.errors import RunningAlready
from api.remote.hashing import Hashed, Unreadable, hash_all
from api.remote.listing import Known, check_declared, known, make_list
from api.remote.plan import LARGE, Parcel
from api.remote.reading import Unsendable, read_parcel
from api.remote.send import planned
from api.remote.state import Listed, Register, State, state_folder
from api.remote.wire import Stopped
from api.told import Stop
from ingest.sources import Source, Thing, find
from repository.errors import BadRequest, DiskFull
from repository.naming import recorded_name


@pytest.fixture
def state(tmp_path):
    found = State(tmp_path / "state" / "SUB-1")
    yield found
    found.close()


def hashed(state, *paths, stop=None):
    read = []
    found = list(
        hash_all(
            state, find([str(path) for path in paths]), told=read.append,
            stop=stop or Stop(),
        )
    )  # fmt: skip
    return found, sum(read)


def listed(state, *paths):
    found, _ = hashed(state, *paths)
    files = make_list([Known(Thing((one.source,)), (one,)) for one in found])
    state.fix_list(files)
    return files


def test_files_are_hashed_in_their_order_and_what_is_none_is_named(state, files):
    (files / "link").symlink_to("a.txt")
    os.mkfifo(files / "pipe")
    found, _ = hashed(state, files)
    assert [one.sha256 for one in found if isinstance(one, Hashed)] == [
        sha256(path.read_bytes()).hexdigest()
        for path in (files / "a.txt", files / "empty", files / "sub" / "b.bin")
    ]
    said = [str(one.error) for one in found if isinstance(one, Unreadable)]
    assert len(said) == 2
    assert "a symbolic link to a.txt, not followed" in said[0]
    assert "not a regular file" in said[1]


def test_a_second_run_reads_nothing_that_has_not_changed(state, files):
    first, _ = hashed(state, files)
    before = (files / "a.txt").stat()
    (files / "a.txt").write_bytes(b"FIRST")  # which only reading could find out
    os.utime(files / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    second, _ = hashed(state, files)
    assert second == first


def test_a_file_of_another_time_or_size_is_hashed_again(state, files):
    hashed(state, files)
    (files / "a.txt").write_bytes(b"other")
    found, _ = hashed(state, files)
    assert found[0].sha256 == sha256(b"other").hexdigest()


def test_hashing_that_is_stopped_remembers_what_was_done(tmp_path, files):
    stop = Stop()
    state = State(tmp_path / "state" / "SUB-2")
    big = files / "zz"
    with big.open("wb") as file:
        file.truncate(1 << 30)
    results = hash_all(state, find([str(files)]), told=lambda _: None, stop=stop)
    first = next(results)
    stop.set()
    with pytest.raises(Stopped):
        list(results)
    assert state.known_digest(first.source.file, first.size, first.changed) == first.sha256
    state.close()


def test_names_travel_byte_for_byte(state, tmp_path):
    folder = tmp_path / "names"
    folder.mkdir()
    names = [
        b"\xff\xfe", b"\xe2\x80\xaegpj.exe", b"new\nline", b"\xed\xa0\x80", "صورة.jpg".encode(),
        b"a" * 255,
    ]  # fmt: skip
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    files = listed(state, folder)
    assert sorted(os.path.basename(one.path) for one in files) == sorted(names)
    lines = [
        json.loads(line) for line in state.list_file.read_text(encoding="utf-8").split("\n")[:-1]
    ]
    assert [one["path"] for one in lines] == [recorded_name(one.path) for one in files]
    assert [one["n"] for one in lines] == list(range(1, len(names) + 1))


def test_a_name_too_long_for_a_line_is_said(state):
    source = Source(b"/x", b"n" * 70_000, 1)
    with pytest.raises(BadRequest, match="too long"):
        make_list([thing_of(source)])


def thing_of(*sources, claims=()):
    files = tuple(Hashed(source, source.size, 1, "00" * 32) for source in sources)
    return Known(Thing(sources, dict(claims)), files)


def test_parts_of_one_thing_stand_together_and_claims_stand_at_the_first():
    declared = {"md5": "md5:11"}
    phone = (
        Source(b"/a.ufd", b"a.ufd", 1, declared=declared),
        Source(b"/a.zip", b"a.zip", LARGE + 1),
    )
    own = {"collected_by": "B. Scout"}
    made = make_list([thing_of(*phone, claims=own), thing_of(Source(b"/b", b"b", 1))])
    lines = [json.loads(one.line) for one in made]
    assert [(one["path"], one.get("thing"), one.get("part")) for one in lines] == [
        ("b", None, None), ("a.ufd", None, None), ("a.zip", 2, 2),
    ]  # fmt: skip
    assert [one.get("claims") for one in lines] == [None, own, None]
    assert lines[1]["digests"] == {"sha256": "00" * 32, "md5": "11"}
    assert [one.thing for one in made] == [1, 2, 2]
    by_source = {one.source: one.line for one in made}
    check_declared(by_source, [Thing(phone, own)])
    for other in ({}, {"collected_by": "Somebody Else"}):
        with pytest.raises(BadRequest, match="what is declared of it"):
            check_declared(by_source, [Thing(phone, other)])
    changed = replace(phone[0], declared={"md5": "md5:22"})
    with pytest.raises(BadRequest, match="what is declared of it"):
        check_declared(by_source, [Thing((changed, phone[1]), own)])


def test_a_thing_with_a_part_that_cannot_be_read_is_not_announced():
    good, bad = (Source(b"/%d" % n, b"%d" % n, 1) for n in (1, 2))
    one = Hashed(good, 1, 1, "00" * 32)
    things = [Thing((good, bad)), Thing((good,))]
    assert list(known(things, iter([one, None, one]))) == [things[0], Known(things[1], (one,))]


def test_what_was_sent_is_remembered_and_begun_uploads_go_on_as_they_were(state, files):
    listed(state, files)
    state.upload_begun(1, 2, "up-1")
    state.close()
    again = State(state.folder)
    assert again.to_send() == [(1, 5), (2, 0), (3, 2_560_000)]
    begun, fresh = planned(again.to_send(), [(1, 2)])
    assert (begun, list(fresh)) == ([Parcel(1, 2, 5)], [Parcel(3, 3, 2_560_000)])
    again.sent(1, 2)
    assert again.to_send() == [(3, 2_560_000)]
    assert again.uploads() == []
    assert again.uploads(sent=True) == [(1, 2, "up-1")]
    again.upload_over(1, 2)
    assert len(again.to_send()) == 3
    again.settle([([1], "registered", {"exhibit": "KRN-000001"})], 7)
    again.upload_over(1, 2)
    assert [n for n, _ in again.to_send()] == [2, 3]  # what is settled is never sent again
    assert again.kept("receipts_after") == "7"
    again.close()


def test_a_begun_upload_of_files_that_were_sent_since_is_not_gone_on_with():
    sizes = [(n, 1) for n in (1, 2, 4, 5)]
    begun, fresh = planned(sizes, [(2, 4), (1, 1), (1, 2)])
    assert (begun, list(fresh)) == ([Parcel(1, 1, 1)], [Parcel(2, 2, 1), Parcel(4, 5, 2)])


def test_one_run_at_a_time(state):
    code = (
        "import sys; from pathlib import Path; from api.remote.state import State\n"
        "State(Path(sys.argv[1]))"
    )
    with pytest.raises(RunningAlready):
        State(state.folder)
    done = subprocess.run(
        [sys.executable, "-c", code, state.folder], capture_output=True, text=True, check=False
    )
    assert "RunningAlready" in done.stderr


def test_the_state_is_for_its_owner_alone_and_a_full_disk_is_said(state, files):
    listed(state, files)
    assert state.folder.stat().st_mode & 0o077 == 0
    state._database.execute("PRAGMA max_page_count=1")
    with pytest.raises(DiskFull):
        state.keep_digests((os.urandom(500), 1, 1, "00") for _ in range(1000))


def test_a_command_finds_its_submission_until_it_is_done(tmp_path, monkeypatch):
    register = Register(tmp_path)
    assert register.find("f") is None
    register.begin("f", "SUB-1")
    assert Register(tmp_path).find("f") == "SUB-1"
    register.end("f")
    register.end("f")
    assert register.find("f") is None
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder(None) == tmp_path / "evidence"
    assert state_folder(tmp_path / "x") == tmp_path / "x"


def whole(files, offset, length):
    return b"".join(bytes(block) for block in read_parcel(files, offset, length, lambda _: None))


def test_a_parcel_is_read_from_any_place_on(state, files):
    found = listed(state, files)
    data = b"".join((files / os.fsdecode(one.path).split("/", 1)[1]).read_bytes() for one in found)
    for offset in (0, 1, 4, 5, 6, 1_000_000, len(data) - 1, len(data)):
        assert whole(found, offset, len(data) - offset) == data[offset:]
        assert whole(found, offset, min(10, len(data) - offset)) == data[offset : offset + 10]


@pytest.mark.parametrize("change", [b"First", b"", b"first!", None])
def test_a_small_file_that_is_not_what_it_was_is_not_sent(state, files, change):
    found = listed(state, files)
    before = (files / "a.txt").stat()
    if change is None:
        (files / "a.txt").unlink()
    else:
        (files / "a.txt").write_bytes(change)
        os.utime(files / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))  # unnoticed by time
    with pytest.raises(Unsendable) as refused:  # before the first block
        next(read_parcel(found, 0, 2_560_005, lambda _: None))
    assert refused.value.n == 1


def test_a_large_file_that_changes_while_it_is_sent_ends_there(state, tmp_path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(LARGE * 2)
    [one] = listed(state, big)
    blocks = read_parcel([one], 0, one.size, lambda _: None)
    next(blocks)
    with big.open("r+b") as file:
        file.write(b"changed")
    with pytest.raises(Unsendable, match="changed since the list was sent"):
        list(blocks)


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(3 << 30)
    found = big.stat()
    one = Listed(1, os.fsencode(big), b"big", found.st_size, found.st_mtime_ns, "", "{}", 1)
    largest = max(
        len(b) for b in read_parcel([one], (3 << 30) - (1 << 26), 1 << 26, lambda _: None)
    )
    assert largest <= 1 << 20
