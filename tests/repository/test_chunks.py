"""Chunks: manifests to the byte, and reads that never give out what was not compared."""

import hashlib
import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.chunks import CHUNK, ChunkDigests, load, manifest_blocks, verified
from repository.errors import IntegrityError
from repository.stores import ObjectStore, Stored, open_store

EXHIBIT = "019e6d4e-0000-7000-8000-000000000001"
SIZE = 3 * CHUNK + 1234
DATA = random.Random(11).randbytes(SIZE)
ENDS = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, SIZE - 2, SIZE - 1)


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


OPENED: list[ChunkDigests] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def opened(chunks: ChunkDigests) -> ChunkDigests:
    """Return chunk digests that are closed after the test."""
    OPENED.append(chunks)
    return chunks


def chunks_of(data: bytes) -> ChunkDigests:
    found = opened(ChunkDigests())
    found.update(data)
    return found


def manifest_of(data: bytes, chunks: ChunkDigests) -> bytes:
    pieces = manifest_blocks(
        exhibit=EXHIBIT, part=1, size=len(data), digests={"sha256": sha(data)}, chunks=chunks
    )
    return b"".join(pieces)


def reader(data: bytes):
    @contextmanager
    def read(start: int, length: int) -> Iterator[io.BytesIO]:
        yield io.BytesIO(data[start : start + length])

    return read


def given_out(
    read, chunks, *, size=SIZE, first=0, last=SIZE - 1, whole=None
) -> tuple[bytes, str | None]:
    """Return the bytes that came out before the end or the error, and the error."""
    out = bytearray()
    try:
        for block in verified(read, chunks, size=size, first=first, last=last, whole=whole):
            out += block
    except IntegrityError as error:
        return bytes(out), str(error)
    return bytes(out), None


class Hostile:
    """A store that gives the bytes of another one back changed."""

    def __init__(self, store: ObjectStore, change) -> None:
        self._store = store
        self._change = change

    @contextmanager
    def open(self, stored: Stored, start: int = 0, length: int | None = None):
        with self._store.open(stored) as file:
            whole = self._change(file.read())
        # It also gives more than was asked for, as a server that ignores ranges would.
        yield io.BytesIO(whole[start:])


def flipped(at: int):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# --- the manifest ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, SIZE])
def test_a_manifest_is_the_canonical_json_of_the_format(size):
    data = DATA[:size]
    chunks = chunks_of(data)
    written = manifest_of(data, chunks)
    parsed = json.loads(written)
    assert parsed == {
        "v": 1,
        "exhibit": EXHIBIT,
        "part": 1,
        "size": size,
        "digests": {"sha256": sha(data)},
        "chunk_size": CHUNK,
        "chunks": [
            hashlib.sha256(data[start : start + CHUNK]).hexdigest()
            for start in range(0, size, CHUNK)
        ],
    }
    assert written == rfc8785.dumps(parsed)


def many(count: int) -> ChunkDigests:
    found = opened(ChunkDigests())
    for number in range(count):
        found.add(hashlib.sha256(number.to_bytes(8, "big")).digest())
    return found


def written_manifest(chunks: ChunkDigests) -> bytes:
    size = chunks.count * CHUNK
    pieces = manifest_blocks(
        exhibit=EXHIBIT, part=1, size=size, digests={"sha256": sha(b"")}, chunks=chunks
    )
    return b"".join(pieces)


@pytest.mark.parametrize("count", [0, 1, 2, 15_650, 15_651, 40_000])
def test_a_manifest_reads_back_as_written_wherever_the_blocks_are_cut(count):
    chunks = many(count)
    text = written_manifest(chunks)
    found = opened(
        load(io.BytesIO(text), root=chunks.root, size=count * CHUNK, manifest_digest=sha(text))
    )
    assert list(found) == list(chunks)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 300), seed=st.integers(0, 1 << 30))
def test_a_manifest_that_comes_in_pieces_of_any_length_reads_back(count, seed):
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(draw.randint(1, 200))

    draw = random.Random(seed)
    chunks = many(count)
    text = written_manifest(chunks)
    found = opened(
        load(Pieces(text), root=chunks.root, size=count * CHUNK, manifest_digest=sha(text))
    )
    assert list(found) == list(chunks)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_of_a_manifest_is_refused(at, bit):
    chunks = many(40)
    text = bytearray(written_manifest(chunks))
    whole = sha(text)
    text[at % len(text)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        load(io.BytesIO(text), root=chunks.root, size=40 * CHUNK, manifest_digest=whole)


@settings(max_examples=60, deadline=None)
@given(garbage=st.binary(max_size=4000))
def test_garbage_is_no_manifest(garbage):
    with pytest.raises(IntegrityError):
        load(io.BytesIO(garbage), root=many(1).root, size=1, manifest_digest=sha(b"recorded"))


def test_a_cut_manifest_is_refused():
    chunks = many(40)
    text = written_manifest(chunks)
    for length in (0, 1, 100, len(text) - 1):
        with pytest.raises(IntegrityError):
            load(
                io.BytesIO(text[:length]),
                root=chunks.root, size=40 * CHUNK, manifest_digest=sha(text),
            )  # fmt: skip


def test_a_manifest_with_its_own_digest_but_another_root_is_refused():
    """Whoever changes the manifest and the digest beside it still meets the root in the ledger."""
    chunks, others = many(40), many(41)
    text = written_manifest(others)
    with pytest.raises(IntegrityError):
        load(io.BytesIO(text), root=chunks.root, size=40 * CHUNK, manifest_digest=sha(text))


def test_a_manifest_of_another_number_of_chunks_than_the_size_is_refused():
    chunks = many(40)
    text = written_manifest(chunks)
    for size in (39 * CHUNK, 40 * CHUNK + 1):
        with pytest.raises(IntegrityError):
            load(io.BytesIO(text), root=chunks.root, size=size, manifest_digest=sha(text))


@pytest.mark.parametrize(
    "piece", [b"0", b'"%s",' % (b"0" * 64), b'"'], ids=["zeros", "digests", "quotes"]
)
def test_a_manifest_replaced_by_something_endless_is_not_read_to_its_end(piece):
    class Endless:
        given = 0

        def read(self, size: int) -> bytes:
            self.given += size
            assert self.given < 8 << 20
            return (piece * (size // len(piece) + 1))[:size]

    with pytest.raises(IntegrityError):
        load(Endless(), root=many(1).root, size=1, manifest_digest=sha(b"recorded"))


# --- reading -----------------------------------------------------------------------------------


def test_the_whole_comes_out_as_it_was():
    assert given_out(reader(DATA), chunks_of(DATA)) == (DATA, None)


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("last", ENDS)
def test_a_range_with_awkward_ends_equals_the_slice(first, last):
    wanted = DATA[first : last + 1]
    assert given_out(reader(DATA), chunks_of(DATA), first=first, last=last) == (wanted, None)


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, SIZE - 1), length=st.integers(1, SIZE))
def test_any_range_equals_the_slice(first, length):
    last = min(first + length, SIZE) - 1
    wanted = DATA[first : last + 1]
    assert given_out(reader(DATA), chunks_of(DATA), first=first, last=last) == (wanted, None)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, SIZE - 1))
def test_of_a_changed_chunk_no_byte_is_given_out_and_the_error_names_it(at):
    out, error = given_out(reader(flipped(at)(DATA)), chunks_of(DATA))
    index = at // CHUNK
    assert out == DATA[: index * CHUNK]
    end = min(SIZE, (index + 1) * CHUNK) - 1
    assert error is not None
    assert f"chunk {index} " in error
    assert f"{index * CHUNK} to {end}" in error


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, SIZE - 1), first=st.integers(0, SIZE - 1), length=st.integers(1, SIZE))
def test_a_range_out_of_a_changed_object_is_right_or_refused(at, first, length):
    last = min(first + length, SIZE) - 1
    out, error = given_out(reader(flipped(at)(DATA)), chunks_of(DATA), first=first, last=last)
    assert DATA[first : last + 1].startswith(out)
    touched = first // CHUNK <= at // CHUNK <= last // CHUNK
    assert (error is not None) == touched


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, SIZE])
def test_what_is_digested_on_its_way_is_the_whole_and_a_changed_chunk_still_stops_it(size):
    data, whole = DATA[:size], hashlib.sha256()
    asked = {"size": size, "last": size - 1}
    assert given_out(reader(data), chunks_of(data), whole=whole, **asked) == (data, None)
    assert f"sha256:{whole.hexdigest()}" == sha(data)
    for at in range(0, size, CHUNK):
        changed = reader(flipped(at)(data))
        out, error = given_out(changed, chunks_of(data), whole=hashlib.sha256(), **asked)
        assert out == data[:at]
        assert error is not None
        assert f"chunk {at // CHUNK} " in error


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, SIZE - 1])
def test_a_cut_object_is_refused_where_it_is_cut(length):
    out, error = given_out(reader(DATA[:length]), chunks_of(DATA))
    assert out == DATA[: length // CHUNK * CHUNK]
    assert error is not None


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, SIZE])
def test_a_longer_object_is_refused_before_its_last_chunk(size):
    data = DATA[:size]
    out, error = given_out(reader(data + b"x"), chunks_of(data), size=size, last=size - 1)
    assert out == data[: (size - 1) // CHUNK * CHUNK]
    assert error is not None


def test_swapped_chunks_are_refused():
    swapped = DATA[CHUNK : 2 * CHUNK] + DATA[:CHUNK] + DATA[2 * CHUNK :]
    out, error = given_out(reader(swapped), chunks_of(DATA))
    assert out == b""
    assert error is not None


def test_short_reads_of_a_store_change_nothing():
    class Short(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 10_007))

    @contextmanager
    def read(start: int, length: int):
        yield Short(DATA[start : start + length])

    assert given_out(read, chunks_of(DATA)) == (DATA, None)


def test_an_empty_part_has_nothing_to_give():
    assert given_out(reader(b""), chunks_of(b""), size=0, last=-1) == (b"", None)


def test_an_empty_part_that_has_bytes_is_refused():
    out, error = given_out(reader(b"x"), chunks_of(b""), size=0, last=-1)
    assert out == b""
    assert error is not None


@pytest.mark.parametrize(
    "change",
    [flipped(0), flipped(SIZE - 1), flipped(2 * CHUNK), lambda data: data[:-1],
     lambda data: data + b"x", lambda _: b"", lambda data: data[1:]],
    ids=["first bit", "last bit", "middle", "truncated", "appended", "emptied", "shifted"],
)  # fmt: skip
def test_a_hostile_store_gives_out_no_wrong_byte(tmp_path, change):
    store = open_store(f"file://{tmp_path}/store")
    store.prepare()
    stored = store.put([DATA], bucket="evidence", key="o/aa/1")
    hostile = Hostile(store, change)
    out, error = given_out(
        lambda start, length: hostile.open(stored, start, length), chunks_of(DATA)
    )
    assert error is not None
    assert DATA.startswith(out)
    assert len(out) % CHUNK == 0
    assert len(out) < SIZE
