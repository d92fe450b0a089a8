"""RFC 6962 Merkle tree as pure functions on bytes: hash, append, prove, verify.

The tree of n leaves is never held whole. A `Frontier` keeps the roots of its complete subtrees
(at most 63) and is enough to append and to know the root; proofs ask a caller for single
complete subtrees, `node(level, index)`, wherever these are kept.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""node(level, index): root of the complete subtree of 2^level leaves starting at index·2^level."""


def leaf_hash(data: bytes) -> bytes:
    """Return the leaf hash of data (RFC 6962 §2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The complete subtrees of a growing tree, from the largest to the smallest."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Continue from a size and its subtree roots, the largest first.

        Raises:
            ValueError: the number of hashes does not fit the size.
        """
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(h) != HASH_SIZE for h in self.hashes):
            raise ValueError(
                f"a tree of {size} has {size.bit_count()} complete subtrees of 32 bytes"
            )

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: carry it upwards like a binary counter."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the whole tree: the subtrees folded from the right."""
        if not self.hashes:
            return EMPTY_ROOT
        found = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            found = node_hash(left, found)
        return found

    def to_bytes(self) -> bytes:
        """Return the subtree roots joined, the largest first."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, joined: bytes) -> "Frontier":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: the length does not fit the size.
        """
        if len(joined) % HASH_SIZE:
            raise ValueError("a frontier is a multiple of 32 bytes")
        return cls(size, [joined[i : i + HASH_SIZE] for i in range(0, len(joined), HASH_SIZE)])


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return the inclusion proof of the leaf at index in a tree of size, its sibling first.

    Raises:
        ValueError: index is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        split = low + _largest_power_below(high - low)
        if index < split:
            path.append(_subtree(split, high, node))
            high = split
        else:
            path.append(_subtree(low, split, node))
            low = split
    path.reverse()
    return path


def consistency_proof(first: int, second: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of second extends the tree of first (RFC 6962 §2.1.2).

    Raises:
        ValueError: not 0 < first <= second.
    """
    if not 0 < first <= second:
        raise ValueError(f"no consistency proof from {first} to {second}")
    path: list[bytes] = []
    low, high, whole = 0, second, True
    while first != high - low:
        split = _largest_power_below(high - low)
        if first <= split:
            path.append(_subtree(low + split, high, node))
            high = low + split
        else:
            path.append(_subtree(low, low + split, node))
            low += split
            first -= split
            whole = False
    if not whole:
        path.append(_subtree(low, high, node))
    path.reverse()
    return path


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Say whether the proof shows the leaf hash at index in the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or any(len(h) != HASH_SIZE for h in proof) or len(leaf) != HASH_SIZE:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Say whether the second tree extends the first (RFC 9162 §2.1.4.2).

    A first size of 0 is always False: such a check proves nothing.
    """
    if not 0 < first <= second or any(len(h) != HASH_SIZE for h in proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if not proof:
        return False
    rest = list(proof)
    if first & (first - 1) == 0:
        rest.insert(0, first_root)
    position, last = first - 1, second - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _largest_power_below(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(low: int, high: int, node: Node) -> bytes:
    """Return the root of leaves low…high-1, where low is a multiple of the subtree's span."""
    pieces: list[bytes] = []
    while low < high:
        level = (high - low).bit_length() - 1
        if low:
            level = min(level, (low & -low).bit_length() - 1)
        pieces.append(node(level, low >> level))
        low += 1 << level
    found = pieces[-1]
    for left in reversed(pieces[:-1]):
        found = node_hash(left, found)
    return found
