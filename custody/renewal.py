"""Evidence records that carry proofs across broken algorithms and ended authorities (RFC 4998).

A time-stamp is renewed by dating it before its authority or signature ends; a hash by dating the
data again with a sounder one, before the old one falls. Hash chains and token signatures are two
checks: `verify` makes the first itself and asks `check_token` for the second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from custody.algorithms import Algorithms, digest
from custody.errors import BadEvidenceRecord
from custody.evidence_record import (
    ArchiveTimeStamp,
    EvidenceRecord,
    build,
    chains_der,
    parse,
    stamp_of,
)

Stamp = Callable[[bytes, str], bytes]
"""stamp(imprint, algorithm): a time-stamp token (DER of its ContentInfo) over an imprint."""

CheckToken = Callable[[bytes, bytes, str, datetime], None]
"""check_token(token, imprint, algorithm, relied): raises unless the token is signed by a trusted
authority over the imprint and its certificate and signature still counted at the time `relied`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a record proves: how many of the data given, of how many hashes, and since when.

    `signatures` is False where the tokens' signatures were not checked: then it proves nothing yet.
    """

    covered: int
    given: int
    first: datetime
    last: datetime
    algorithms: tuple[str, ...]
    signatures: bool


def initial(groups: Sequence[Sequence[bytes]], *, algorithm: str, stamp: Stamp) -> list[bytes]:
    """Return one record per group of data objects, all under one time-stamp (§4.2).

    Args:
        groups: data objects; each group is proved by its own record.
        algorithm: name of the hash.
        stamp: gives the token.
    """
    leaves = [sorted({digest(algorithm, one) for one in group}) for group in groups]
    trees, imprint = _trees(leaves, algorithm)
    token = stamp(imprint, algorithm)
    return [build([[stamp_of(algorithm, tree, token)]]) for tree in trees]


def renew_timestamp(der: bytes, *, stamp: Stamp) -> bytes:
    """Return the record with its last token dated again, by the same hash (§5.2).

    Raises:
        MalformedEvidenceRecord: not a record.
    """
    chains = [list(chain) for chain in parse(der).chains]
    last = chains[-1][-1]
    imprint = digest(last.algorithm, last.token)
    token = stamp(imprint, last.algorithm)
    chains[-1].append(stamp_of(last.algorithm, [[imprint]], token))
    return build(chains)


def renew_hash_tree(
    records: Sequence[bytes], groups: Sequence[Sequence[bytes]], *, algorithm: str, stamp: Stamp
) -> list[bytes]:
    """Return the records with a new chain by another hash over data and all chains before (§5.2).

    Every data object is read again: this is the moment a change of it would be found.

    Raises:
        MalformedEvidenceRecord: not a record.
        BadEvidenceRecord: a record does not cover its data any more.
    """
    parsed = [parse(der) for der in records]
    leaves = []
    for record, group in zip(parsed, groups, strict=True):
        if _chains_cover(record, group) != len(group):
            raise BadEvidenceRecord("a record does not cover its data: nothing was renewed")
        leaves.append(sorted({_renewed(one, record, algorithm) for one in group}))
    trees, imprint = _trees(leaves, algorithm)
    token = stamp(imprint, algorithm)
    return [
        build([*record.chains, [stamp_of(algorithm, tree, token)]])
        for record, tree in zip(parsed, trees, strict=True)
    ]


def verify(
    der: bytes,
    data: Sequence[bytes],
    *,
    now: datetime,
    check_token: CheckToken | None,
    algorithms: Algorithms | None = None,
) -> Checked:
    """Return what a record proves of the data objects; each counts for itself.

    Args:
        der: the record.
        data: the objects to look for.
        now: the time at which it is judged.
        check_token: checks a token's signature; None: only the hash chains are checked.
        algorithms: until when algorithms count.

    Raises:
        MalformedEvidenceRecord: not a record.
        BadEvidenceRecord: the chains do not hold, none of the data is covered, or an algorithm or
            authority ended before it was renewed.
        BadTimestamp: a token does not verify.
    """
    record = parse(der)
    covered = _chains_cover(record, data)
    if not covered:
        raise BadEvidenceRecord("the record covers none of these data objects")
    _check_times(record, now, algorithms or Algorithms())
    if check_token is not None:
        for stamp, relied in _relied(record, now):
            check_token(stamp.token, stamp.imprint, stamp.algorithm, relied)
    stamps = [stamp for chain in record.chains for stamp in chain]
    return Checked(
        covered,
        len(data),
        stamps[0].time,
        stamps[-1].time,
        tuple(dict.fromkeys(stamp.algorithm for stamp in stamps)),
        check_token is not None,
    )


def _chains_cover(record: EvidenceRecord, data: Sequence[bytes]) -> int:
    """Return how many data objects every chain covers.

    Raises:
        BadEvidenceRecord: a later time-stamp of a chain does not cover the one before.
    """
    for chain in record.chains:
        for earlier, later in pairwise(chain):
            if later.algorithm != earlier.algorithm:
                raise BadEvidenceRecord("a chain changes its hash: that needs a new chain")
            if not _covers(later, digest(later.algorithm, earlier.token)):
                raise BadEvidenceRecord("a time-stamp does not cover the one before it")
    found = set(range(len(data)))
    for number, chain in enumerate(record.chains):
        first = chain[0]
        leaves = frozenset(first.tree[0]) if first.tree else frozenset([first.imprint])
        if not _leads(first):
            return 0
        before = digest(first.algorithm, record.before[number])
        for position in list(found):
            leaf = digest(first.algorithm, data[position])
            if number:
                leaf = digest(first.algorithm, leaf + before)
            if leaf not in leaves:
                found.discard(position)
    return len(found)


def _renewed(data: bytes, record: EvidenceRecord, algorithm: str) -> bytes:
    before = digest(algorithm, chains_der(record.chains))
    return digest(algorithm, digest(algorithm, data) + before)


def _covers(stamp: ArchiveTimeStamp, leaf: bytes) -> bool:
    """Say whether the token's imprint follows from a leaf and the lists (§4.3)."""
    if not stamp.tree:
        return leaf == stamp.imprint
    return leaf in stamp.tree[0] and _leads(stamp)


def _leads(stamp: ArchiveTimeStamp) -> bool:
    """Say whether the lists lead to the imprint that the token dates."""
    if not stamp.tree:
        return True
    found = _joined(stamp.tree[0], stamp.algorithm)
    for others in stamp.tree[1:]:
        found = _joined((*others, found), stamp.algorithm)
    return found == stamp.imprint


def _joined(hashes: Sequence[bytes], algorithm: str) -> bytes:
    """Return the hash of a list: sorted binary ascending and joined; of one it is the hash."""
    if len(hashes) == 1:
        return hashes[0]
    return digest(algorithm, b"".join(sorted(hashes)))


def _trees(
    leaves: Sequence[Sequence[bytes]], algorithm: str
) -> tuple[list[list[list[bytes]]], bytes]:
    """Return for each group the lists that lead to the root, and the root, of a binary tree."""
    trees: list[list[list[bytes]]] = [[list(group)] for group in leaves]
    level = [(_joined(group, algorithm), [number]) for number, group in enumerate(leaves)]
    while len(level) > 1:
        paired = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            for one, other in ((left, right), (right, left)):
                for number in one[1]:
                    trees[number].append([other[0]])
            both = _joined((left[0], right[0]), algorithm)
            paired.append((both, left[1] + right[1]))
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return trees, level[0][0]


def _relied(record: EvidenceRecord, now: datetime) -> list[tuple[ArchiveTimeStamp, datetime]]:
    """Return every time-stamp with the time until which it is relied on: that of the next one."""
    stamps = [stamp for chain in record.chains for stamp in chain]
    return list(zip(stamps, [*(stamp.time for stamp in stamps[1:]), now], strict=True))


def _check_times(record: EvidenceRecord, now: datetime, algorithms: Algorithms) -> None:
    for stamp, relied in _relied(record, now):
        if relied < stamp.time:
            raise BadEvidenceRecord("the time-stamps are not in the order of their times")
    starts = [chain[0].time for chain in record.chains]
    for chain, relied in zip(record.chains, [*starts[1:], now], strict=True):
        if not algorithms.counts(chain[0].algorithm, relied):
            raise BadEvidenceRecord(
                f"{chain[0].algorithm} no longer counted at {relied:%Y-%m-%d}, and the hash tree "
                "was not renewed before"
            )
