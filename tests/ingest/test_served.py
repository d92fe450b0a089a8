"""Evidence that is too large to copy is read where it lies, piece by piece, each checked."""

import io
import os
import random
import socket
import struct
import tempfile
import threading
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import pronom
from ingest.extract import Wish, extract
from ingest.extraction import LONG
from ingest.extractors import image
from ingest.sandbox import Sandbox, grown
from ingest.served import PIECE, Part, answer, opened
from repository.errors import IntegrityError
from repository.extractions import show_record
from tests.ingest.test_extract import exhibit_of, taken_in

FAULTS = Path(__file__).parent / "faults"


def part_of(content):
    return Part(len(content), lambda first, last: content[first : last + 1])


@pytest.fixture
def asked():
    """Return a function that opens parts as the locked process has them; they are served aside."""
    pairs = []

    def open_parts(*contents):
        ours, theirs = socket.socketpair()
        parts = [part_of(content) for content in contents]
        thread = threading.Thread(target=lambda: all(iter(lambda: answer(ours, parts), False)))
        thread.start()
        pairs.append((ours, theirs, thread))
        return [opened(theirs.fileno(), n, part.size) for n, part in enumerate(parts)]

    yield open_parts
    for ours, theirs, thread in pairs:
        theirs.close()
        thread.join()
        ours.close()


def test_a_served_part_reads_as_a_file_does(asked):
    content = random.Random(1).randbytes(3 * PIECE + 77)
    [file], plain = asked(content), io.BytesIO(content)
    chance = random.Random(2)
    for _ in range(200):
        place, length = chance.randrange(len(content) + 99), chance.choice((1, 7, 4096, 2 * PIECE))
        assert file.seek(place) == plain.seek(place)
        assert file.read(length) == plain.read(length)
    assert file.seek(-5, os.SEEK_END) == len(content) - 5
    assert file.read() == content[-5:]
    assert file.read() == b""
    file.seek(0)
    assert file.read() == content


def test_several_parts_and_an_empty_one_are_told_apart(asked):
    first, second, third = asked(b"first", b"", b"third")
    assert (third.read(), first.read(), second.read()) == (b"third", b"first", b"")
    with pytest.raises(OSError, match="before the beginning"):
        first.seek(-1)


@pytest.mark.parametrize(
    "request_", [struct.pack(">IQI", 9, 0, 1), b"", b"x", struct.pack(">IQI", 1, 0, 1)]
)
def test_what_is_no_request_for_this_exhibit_is_not_answered(request_):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(request_)
        theirs.shutdown(socket.SHUT_WR)
        assert answer(ours, [part_of(b"evidence")]) is False


def test_no_request_gets_more_than_a_piece():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(struct.pack(">IQI", 0, 5, 0xFFFFFFFF))
        assert answer(ours, [part_of(b"evidence")])
        assert theirs.recv(100) == struct.pack(">I", 3) + b"nce"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(clock=lambda: datetime.now(UTC), extractors=[FAULTS / "makers"]) as sandbox:
        yield sandbox


def look(sandbox, *contents):
    """Look at parts that are served, identified by the ends of the first."""
    with tempfile.TemporaryFile() as ends:
        ends.write(contents[0])
        return sandbox.extract(ends, name_hint="", served=[part_of(one) for one in contents])


def test_extractors_read_what_is_served_and_find_the_same(sandbox):
    record = look(sandbox, image.SAMPLE)
    assert record.outcome in {"ok", "partial"}
    names = {fact.name: fact.value for fact in record.facts}
    assert names["Composite:DateTimeOriginal"] == "2008-10-22T16:28:39.24+02:00"
    assert record.format.witnesses[1].endswith("MiB)")
    several = look(sandbox, b"first", b"second")
    assert [f.value for f in several.facts if f.name == "Test:Part"] == ["second"]


def test_an_archive_is_listed_by_its_real_end(sandbox):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("filler.bin", bytes(3 * PIECE))
        archive.writestr("report.xml", "<project/>")
    content = out.getvalue()
    with tempfile.TemporaryFile() as ends:
        ends.write(content[:PIECE])  # the directory at the end is not among them
        record = sandbox.extract(ends, name_hint="a.ufdr", served=[part_of(content)])
    assert {"filler.bin", "report.xml"} <= {one.path for one in record.members}


def test_a_piece_that_fails_its_check_stops_the_look_and_the_next_file_is_read(sandbox):
    def read(first, last):
        raise IntegrityError("chunk 0 differs")

    with tempfile.TemporaryFile() as ends:
        ends.write(b"hello")
        with pytest.raises(IntegrityError, match="chunk 0 differs"):
            sandbox.extract(ends, name_hint="", served=[Part(5, read)])
    assert look(sandbox, b"hello").outcome == "ok"


def test_programs_do_not_run_on_what_is_served_and_the_record_says_so(sandbox):
    record = look(sandbox, b"%PDF-1.4\n%%EOF\n")
    assert "pages: not done: the file is too large for a program" in record.problems


def test_limits_grow_with_what_is_to_be_read_and_end():
    assert grown(LONG, 0) == LONG
    assert grown(LONG, 64 << 30).wall_ms == LONG.wall_ms + 2184 * 1000
    assert grown(LONG, 1 << 60).cpu_seconds == LONG.cpu_seconds + 7200


# --- the whole way ---


@pytest.fixture
def small_copies(house):
    settings = house.repo.settings.model_copy(update={"extraction_copy_bytes": 10})
    return replace(house, repo=replace(house.repo, settings=settings))


def test_a_large_exhibit_is_looked_at_like_a_small_one(small_copies, tmp_path, sandbox):
    number = taken_in(small_copies, tmp_path, image.SAMPLE, "a.tif")
    [run] = extract(small_copies.repo, sandbox, [exhibit_of(small_copies, number)])
    record = show_record(small_copies.repo, small_copies.caller("analyst"), number)
    assert run.mime == "image/tiff"
    assert "ExifIFD:DateTimeOriginal" in {fact["name"] for fact in record["facts"]}
    assert "first 48 and last 16 MiB" in record["format"]["witnesses"][1]


def test_damage_in_the_middle_of_a_large_exhibit_is_found_when_it_is_read(
    small_copies, tmp_path, sandbox, monkeypatch
):
    monkeypatch.setattr(pronom, "MOST", 3 << 20)
    content = b"a\n" * (8 << 19)
    number = taken_in(small_copies, tmp_path, content)
    place = small_copies.stored_file(number)
    place.chmod(0o600)
    stored = bytearray(place.read_bytes())
    stored[len(stored) // 2] ^= 1
    place.write_bytes(stored)
    runs = extract(small_copies.repo, sandbox, [exhibit_of(small_copies, number)], Wish())
    assert runs == [None]
    assert small_copies.last("integrity_failure")["outcome"] == "fail"
