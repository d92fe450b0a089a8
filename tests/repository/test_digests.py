"""Measuring a stream once: every digest is that of the bytes, however they arrive."""

import hashlib
import io
import os
import random
import resource
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.merkle import EMPTY_ROOT, leaf_hash, root_of
from repository.chunks import CHUNK
from repository.digests import BLOCK, Measure

SIZES = (
    0, 1, CHUNK - 1, CHUNK, CHUNK + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK,
    5 * BLOCK + CHUNK + 7,
)  # fmt: skip


class Drip:
    """A source that gives as much as it likes, never more than asked; it can only `read`."""

    def __init__(self, data: bytes, seed: int = 0) -> None:
        self._data = io.BytesIO(data)
        self._draw = random.Random(seed)

    def read(self, size: int) -> bytes:
        return self._data.read(self._draw.randint(1, size))


def measured(source, **options):
    """Return the bytes that passed and what was measured."""
    with Measure(source, **options) as measure:
        passed = b"".join(bytes(block) for block in measure)
        digests = list(measure.chunks)
        return passed, measure.size, measure.digests, digests, measure.chunk_root


def expected_root(data: bytes) -> str:
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    return f"sha256:{root_of(leaf_hash(hashlib.sha256(c).digest()) for c in chunks).hex()}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", [io.BytesIO, Drip])
def test_everything_measured_is_that_of_the_bytes(size, source):
    data = random.Random(size).randbytes(size)
    passed, length, digests, chunks, root = measured(source(data), also=("md5", "sha1"))
    assert passed == data
    assert length == size
    assert digests == {
        name: f"{name}:{hashlib.new(name, data).hexdigest()}"
        for name in ("sha256", "sha512", "md5", "sha1")
    }
    assert chunks == [
        hashlib.sha256(data[start : start + CHUNK]).digest() for start in range(0, size, CHUNK)
    ]
    assert root == expected_root(data)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(0, 2 * BLOCK), seed=st.integers(0, 1 << 30))
def test_how_the_bytes_arrive_changes_nothing(size, seed):
    data = random.Random(seed).randbytes(size)
    assert measured(Drip(data, seed)) == measured(io.BytesIO(data))


def test_a_pipe_is_read_to_its_end():
    data = os.urandom(BLOCK + 12_345)
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as out:
            out.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as source:
        assert measured(source)[0] == data
    thread.join()


def test_nothing_has_the_digests_of_nothing():
    _, size, digests, chunks, root = measured(io.BytesIO())
    assert (size, chunks) == (0, [])
    assert digests["sha256"] == f"sha256:{hashlib.sha256().hexdigest()}"
    assert root == f"sha256:{EMPTY_ROOT.hex()}"


def test_every_block_but_the_last_is_whole_and_page_aligned_in_length():
    with Measure(Drip(bytes(3 * BLOCK + 5))) as measure:
        assert [len(block) for block in measure] == [BLOCK] * 3 + [5]


@pytest.mark.parametrize("size", [10, BLOCK + 10])
def test_an_error_of_the_source_passes_through_and_leaves_no_thread(size):
    class SourceBroke(Exception):
        pass

    class Broken:
        left = size

        def read(self, wanted: int) -> bytes:
            if not self.left:
                raise SourceBroke
            wanted = min(wanted, self.left)
            self.left -= wanted
            return bytes(wanted)

    before = threading.active_count()
    with pytest.raises(SourceBroke), Measure(Broken()) as measure:
        for _ in measure:
            pass
    assert threading.active_count() == before


def test_a_source_that_has_nothing_yet_is_not_taken_for_one_that_ended():
    """A non-blocking stream answers None: what follows must not be cut off silently."""

    class NotYet(io.RawIOBase):
        answers = [5, None, 5, 0]  # noqa: RUF012

        def readinto(self, buffer) -> int | None:
            return self.answers.pop(0)

    with pytest.raises(BlockingIOError), Measure(NotYet()) as measure:
        for _ in measure:
            pass


def test_leaving_early_leaves_no_thread():
    before = threading.active_count()
    with Measure(io.BytesIO(bytes(6 * BLOCK))) as measure:
        next(iter(measure))
    assert threading.active_count() == before


def test_a_small_stream_starts_no_thread():
    with Measure(io.BytesIO(b"small")) as measure:
        before = threading.active_count()
        for _ in measure:
            assert threading.active_count() == before


def test_a_slow_reader_of_blocks_gets_unchanged_blocks():
    """A block stays what it was until the next is asked for, though the ring is filled ahead."""
    data = random.Random(3).randbytes(9 * BLOCK)
    with Measure(io.BytesIO(data)) as measure:
        for number, block in enumerate(measure):
            threading.Event().wait(0.005)
            assert block == data[number * BLOCK : (number + 1) * BLOCK]


def test_memory_does_not_grow_from_one_stream_to_the_next():
    def once() -> None:
        with Measure(io.BytesIO(data)) as measure:
            for _ in measure:
                pass

    data = bytes(5 * BLOCK)
    once()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(10):
        once()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB
