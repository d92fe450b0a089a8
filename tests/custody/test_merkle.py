"""The RFC 6962 tree: published vectors, exhaustive small trees, and an independent library."""

import base64
import json
from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.shared import shared

LEAVES = [leaf_hash(bytes([n])) for n in range(130)]


def naive(leaves):
    """MTH of RFC 6962 §2.1, by the letter."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive(leaves[:split]), naive(leaves[split:]))


def node(level, index):
    return naive(LEAVES[index << level : (index + 1) << level])


def vectors(family):
    for file in sorted(shared("vectors", "merkle", family).rglob("*.json")):
        yield file, json.loads(file.read_text())


def decoded(found, *names):
    return [base64.b64decode(found[name] or "") for name in names]


def test_the_root_of_every_small_tree_is_that_of_the_definition():
    for size in range(130):
        assert root_of(LEAVES[:size]) == naive(LEAVES[:size])


def test_every_inclusion_proof_of_every_small_tree_verifies_and_no_other_index():
    for size in (1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 64, 65, 100, 130):
        root = naive(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            assert verify_inclusion(LEAVES[index], index, size, proof, root)
            assert not verify_inclusion(LEAVES[index], index ^ 1, size, proof, root) or size == 1


def test_every_consistency_proof_of_every_small_tree_verifies():
    for second in range(1, 66):
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, node)
            roots = naive(LEAVES[:first]), naive(LEAVES[:second])
            assert verify_consistency(first, second, proof, *roots)
            if first < second:
                assert not verify_consistency(first, second, proof, roots[1], roots[0])


def test_published_inclusion_vectors():
    count = 0
    for file, found in vectors("inclusion"):
        leaf, root = decoded(found, "leafHash", "root")
        proof = [base64.b64decode(h) for h in found.get("proof") or []]
        said = verify_inclusion(leaf, found["leafIdx"], found["treeSize"], proof, root)
        assert said != found["wantErr"], file
        count += 1
    assert count == 98


def test_published_consistency_vectors():
    count = 0
    for file, found in vectors("consistency"):
        first, second = decoded(found, "root1", "root2")
        proof = [base64.b64decode(h) for h in found.get("proof") or []]
        said = verify_consistency(found["size1"], found["size2"], proof, first, second)
        assert said != found["wantErr"], file
        count += 1
    assert count == 98


def test_an_independent_library_computes_the_same_roots():
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 65):
        tree.append_entry(bytes([size - 1]))
        assert tree.get_root() == root_of(LEAVES[:size])


@given(st.integers(0, 129))
def test_a_frontier_survives_being_written_and_read(size):
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    again = Frontier.from_bytes(size, frontier.to_bytes())
    again.append(LEAVES[0])
    assert again.root() == naive([*LEAVES[:size], LEAVES[0]])


@pytest.mark.parametrize(("size", "joined"), [(1, b""), (3, b"x" * 32), (0, b"x"), (2, b"x" * 33)])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size, joined):
    with pytest.raises(ValueError, match=r"frontier|subtrees"):
        Frontier.from_bytes(size, joined)


@given(st.data())
def test_a_changed_proof_never_verifies(data):
    size = data.draw(st.integers(2, 130))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, node)
    root = naive(LEAVES[:size])
    position = data.draw(st.integers(0, len(proof) - 1))
    changed = list(proof)
    changed[position] = sha256(changed[position]).digest()
    assert not verify_inclusion(LEAVES[index], index, size, changed, root)
    assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], root)
    assert not verify_inclusion(LEAVES[index], index, size, [*proof, proof[0]], root)
