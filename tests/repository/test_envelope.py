"""The encrypted form: Tink reads ours, we read Tink's, any range, and nothing that was changed."""

import io
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import cleartext_keyset_handle, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from repository import envelope
from repository.errors import IntegrityError

FIRST = envelope.SEGMENT - 56
SIZES = (0, 1, FIRST - 1, FIRST, FIRST + 1, envelope.SEGMENT, FIRST + envelope.SEGMENT - 16,
         FIRST + envelope.SEGMENT - 15, (5 << 20) + 3, (9 << 20))  # fmt: skip
KEY = bytes(range(32))


def sealed(data: bytes, *, key: bytes = KEY, name: str = "o/aa/1", block: int = 4 << 20) -> bytes:
    blocks = (data[i : i + block] for i in range(0, len(data), block))
    return b"".join(bytes(b) for b in envelope.seal(blocks, key=key, name=name, random=os.urandom))


def reader(stored: bytes, size: int, *, key: bytes = KEY, name: str = "o/aa/1"):
    def read(start: int, length: int):
        return io.BytesIO(stored[start : start + length])

    return envelope.opened(read, key=key, name=name, size=size)


def whole(stored: bytes, size: int, **more) -> bytes:
    with reader(stored, size, **more)(0, size) as file:
        return file.read()


def primitive(key: bytes) -> streaming_aead.StreamingAead:
    streaming_aead.register()
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=1 << 20, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    value = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0, params=params, key_value=key
    )
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=value.SerializeToString(), key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )  # fmt: skip
    keyset = tink_pb2.Keyset(
        primary_key_id=1,
        key=[
            tink_pb2.Keyset.Key(
                key_data=data, status=tink_pb2.ENABLED, key_id=1,
                output_prefix_type=tink_pb2.RAW,
            )
        ],
    )  # fmt: skip
    handle = cleartext_keyset_handle.from_keyset(keyset)
    found: streaming_aead.StreamingAead = handle.primitive(streaming_aead.StreamingAead)
    return found


class Kept(io.BytesIO):
    """A file whose bytes outlive its closing."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


@pytest.mark.parametrize("size", SIZES)
def test_tink_reads_what_we_write(size):
    data = random.Random(size).randbytes(size)
    stored = sealed(data)
    assert len(stored) == envelope.sealed_size(size)
    assert envelope.plain_size(len(stored)) == size
    with primitive(KEY).new_decrypting_stream(io.BytesIO(stored), b"o/aa/1") as file:
        assert file.read() == data


@pytest.mark.parametrize("size", SIZES)
def test_we_read_what_tink_writes(size):
    data = random.Random(size).randbytes(size)
    target = Kept()
    with primitive(KEY).new_encrypting_stream(target, b"o/aa/1") as file:
        file.write(data)
    assert whole(target.kept, size) == data


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3 << 20), st.integers(1, 3 << 20), st.integers(10_000, 2 << 20))
def test_any_range_is_the_slice(start, length, block):
    data = random.Random(7).randbytes(3 << 20)
    stored = sealed(data, block=block)
    with reader(stored, len(data))(start, length) as file:
        assert file.read() == data[start : start + length]


def test_blocks_of_any_size_give_the_same_plaintext():
    data = random.Random(3).randbytes((6 << 20) + 11)
    for block in (1000, 1 << 16, FIRST, FIRST + 1, 4 << 20):
        assert whole(sealed(data, block=block), len(data)) == data


def test_a_block_stays_valid_until_the_next_but_two_is_asked_for():
    data = random.Random(3).randbytes(40 << 20)
    blocks = (data[i : i + (4 << 20)] for i in range(0, len(data), 4 << 20))
    held, copies = [], []
    for block in envelope.seal(blocks, key=KEY, name="n", random=os.urandom):
        held.append(block)
        copies.append(bytes(block))
        for n in range(max(0, len(held) - 3), len(held)):
            assert held[n] == copies[n]


@pytest.mark.parametrize("size", [0, 1, FIRST, (3 << 20) + 5])
def test_no_changed_byte_is_read(size):
    data = random.Random(size).randbytes(size)
    stored = sealed(data)
    places = {0, 1, 20, 39, 40, len(stored) - 1, *random.Random(1).sample(range(len(stored)), 20)}
    for place in places:
        bad = bytearray(stored)
        bad[place] ^= 1
        with pytest.raises(IntegrityError):
            whole(bytes(bad), size)


def test_cut_extended_swapped_and_foreign_objects_do_not_open():
    data = random.Random(5).randbytes((3 << 20) + 5)
    stored = sealed(data)
    mebi = envelope.SEGMENT
    swapped = stored[:mebi] + stored[2 * mebi : 3 * mebi] + stored[mebi : 2 * mebi]
    for bad in (
        stored[:-1], stored[:mebi], stored[:10], b"", stored + b"x",
        swapped + stored[3 * mebi :],
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            whole(bad, len(data))
    with pytest.raises(IntegrityError):
        whole(stored, len(data), key=bytes(32))
    with pytest.raises(IntegrityError):
        whole(stored, len(data), name="o/aa/2")


def test_sizes_that_no_object_has_are_refused():
    for bad in (0, 1, 55, envelope.SEGMENT + 1, envelope.SEGMENT + 16):
        with pytest.raises(IntegrityError):
            envelope.plain_size(bad)


def test_the_same_bytes_twice_have_nothing_in_common():
    first, second = sealed(bytes(5000)), sealed(bytes(5000))
    assert first[1:33] != second[1:33]
    assert first[40:] != second[40:]


def test_a_range_reads_no_more_than_its_segments():
    data = random.Random(5).randbytes(8 << 20)
    stored = sealed(data)
    asked = []

    def read(start, length):
        asked.append((start, length))
        return io.BytesIO(stored[start : start + length])

    ranged = envelope.opened(read, key=KEY, name="o/aa/1", size=len(data))
    with ranged(5_000_000, 1024) as file:
        assert file.read() == data[5_000_000:5_001_024]
    assert sum(length for _, length in asked) <= envelope.SEGMENT + envelope.HEADER
