"""Policies: read strictly, satisfied by enough witnesses and no fewer."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import MalformedPolicy
from custody.note import COSIGNATURE_ED25519, ED25519, VerifierKey
from custody.quorum import parse, unwitnessed

LOG = VerifierKey("log.example/l", ED25519, bytes(32))
W = [VerifierKey(f"w{n}.example/w", COSIGNATURE_ED25519, bytes([n + 1]) * 32) for n in range(4)]
HEAD = f"log {LOG}\nwitness A {W[0]} https://a.example/\nwitness B {W[1]}\nwitness C {W[2]}\n"
TWO = HEAD + "group courts 2 A B C\nquorum courts\n"


def test_two_of_three_are_enough_and_one_is_not():
    policy = parse(TWO)
    assert [one.url for one in policy.witnesses] == ["https://a.example/", None, None]
    for cosigners, met in (
        ([], False),
        ([0], False),
        ([0, 1], True),
        ([0, 2], True),
        ([0, 1, 2], True),
    ):
        assert policy.satisfied({W[n] for n in cosigners}) is met
    assert not policy.satisfied({W[0], W[3]})


def test_groups_may_hold_groups():
    text = HEAD + f"witness D {W[3]}\ngroup x any A B\ngroup y all C D\ngroup z all x y\nquorum z\n"
    policy = parse(text)
    assert policy.satisfied({W[0], W[2], W[3]})
    assert not policy.satisfied({W[0], W[1], W[2]})


def test_none_demands_nothing():
    assert parse(f"log {LOG}\nquorum none\n").satisfied(set())
    assert str(unwitnessed([LOG])) == f"log {LOG}\nquorum none\n"


def test_what_is_printed_is_read_back():
    policy = parse("# comment\n\n" + TWO.replace(" ", "\t"))
    assert parse(str(policy)) == policy


@pytest.mark.parametrize(
    "text",
    [
        HEAD, HEAD + "quorum courts\n", TWO + "quorum none\n",
        HEAD + "group g 4 A B C\nquorum g\n", HEAD + "group g 0 A\nquorum g\n",
        HEAD + "group g 1 A Z\nquorum g\n", HEAD + "group g 1 A A\nquorum g\n",
        HEAD + "group g 1 A\ngroup h 1 A\nquorum g\n", HEAD + "group none 1 A\nquorum none\n",
        HEAD + "group A 1 B\nquorum A\n", HEAD + f"witness A {W[3]}\nquorum none\n",
        HEAD + f"witness D {W[0]}\nquorum none\n", HEAD + f"witness D {LOG}\nquorum none\n",
        f"log {W[0]}\nquorum none\n", f"log {LOG}\nlog {LOG}\nquorum none\n",
        "quorum\n", "log\n", "what is this\n", "group g x A\n", "",
    ],
)  # fmt: skip
def test_a_policy_that_two_readers_could_take_differently_is_refused(text):
    with pytest.raises(MalformedPolicy):
        parse(text)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_crash(text):
    with suppress(MalformedPolicy):
        parse(text)
