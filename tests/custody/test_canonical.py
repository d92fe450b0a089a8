"""Canonical JSON: one object, one sequence of bytes, and nothing else is read back."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from custody.canonical import MAX_INTEGER, dumps, loads, loads_any
from custody.errors import NotCanonical
from tests.shared import shared

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_our_writer_agrees_with_the_published_one(value):
    assert dumps(value) == rfc8785.dumps(value)


@given(values)
def test_what_is_written_is_read_back(value):
    assert loads(dumps(value)) == value


def test_keys_are_sorted_by_utf16_units_not_by_code_points():
    value = {"\ufb33": 1, "\U0001f600": 2}
    assert dumps(value) == rfc8785.dumps(value)
    assert list(loads(dumps(value))) == ["\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        "\ud800",
        {1: 2},
        {"a": b"x"},
        pytest.param(object(), id="an object"),
    ],
    ids=str,
)
def test_what_two_readers_could_disagree_on_is_not_written(value):
    with pytest.raises(NotCanonical):
        dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b"1.0", b"1e2", b"NaN", b"-0",
        b"\xef\xbb\xbf{}", b'"\\u0041"', b"[1,]", b"", b"\xff", b'"\\ud800"', b"9007199254740992",
        b"9" * 5000,
    ],
)  # fmt: skip
def test_other_forms_of_the_same_value_are_not_read(data):
    with pytest.raises(NotCanonical):
        loads(data)


def test_every_text_of_the_json_test_suite_is_read_or_refused_cleanly():
    for file in sorted(shared("hostile", "json").glob("[yni]_*.json")):
        try:
            loads_any(file.read_bytes())
        except NotCanonical:
            continue
        assert not file.name.startswith("n_"), file.name


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_crash(data):
    try:
        value = loads(data)
    except NotCanonical:
        return
    assert dumps(value) == data
