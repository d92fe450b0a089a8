"""JSON from outside: what every reader understands alike is read, everything else refused."""

import json
import time

import pytest

from api.errors import MalformedJson
from api.strict_json import read
from tests.shared import shared

# What RFC 8259 leaves open and no two readers agree on, but for a number too small to matter.
MAY_PASS = {"i_number_double_huge_neg_exp.json", "i_number_real_underflow.json"}
TWICE = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


def readable(data):
    try:
        read(data)
    except MalformedJson:
        return False
    return True


def test_the_json_test_suite_is_read_and_refused_as_it_must_be():
    files = sorted(shared("hostile", "json").glob("*.json"))
    assert len(files) == 318
    for file in files:
        wanted = file.name in MAY_PASS or (file.name.startswith("y_") and file.name not in TWICE)
        assert readable(file.read_bytes()) == wanted, file.name


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xef\xbb\xbf{}", b"{} {}", b"{}x", b"NaN", b"-Infinity", b"[1e999]",
        b'{"a":1,"a":1}',
        b"9007199254740992", b"-9007199254740992", b"1" * 5_000, b'"\\ud800"', b'{"\\udc00":1}',
        b"\xff", b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33, b"[" * 500_000,
    ],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_what_readers_differ_on_is_refused(data):
    assert not readable(data)


def test_what_is_at_the_edge_is_read():
    assert read(b"9007199254740991") == 2**53 - 1
    assert read(b"[" * 32 + b"]" * 32)
    assert read(b'"' + b"[" * 100 + b'"') == "[" * 100
    assert read(json.dumps("\U0001d11e").encode()) == "\U0001d11e"
    assert read(b"1.5e300") == 1.5e300


@pytest.mark.parametrize("unit", [b'"', b'\\"', b'"\\', b"[", b'["'])
def test_looking_for_the_depth_takes_no_longer_than_the_text_is_long(unit):
    """A second for a megabyte would be a way to stop the service; these take milliseconds."""
    began = time.process_time()
    assert not readable((unit * (1 << 20))[: 1 << 20])
    assert time.process_time() - began < 5
