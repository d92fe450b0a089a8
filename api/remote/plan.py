"""The plan: which files travel together, and in which order they stand in the list.

Every upload costs a round trip and a transaction however small it is, so small files travel as
packs: one upload whose bytes are those of several files of the list (docs/decisions/0017).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

PACK = 8 << 20  # bytes of a pack, at most
LARGE = 4 << 20  # a file of more travels alone
MANY = 500  # files of a pack, at most: the service registers them in one go

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What travels as one upload: the files `first` to `last` of the list."""

    first: int
    last: int
    size: int

    @property
    def is_pack(self) -> bool:
        """Say whether it holds several files."""
        return self.last > self.first

    @property
    def is_large(self) -> bool:
        """Say whether it is a large file alone."""
        return not self.is_pack and self.size > LARGE


def in_order(groups: Iterable[Sequence[tuple[T, int]]]) -> list[T]:
    """Return the files in the order of the list: small ones together first, so that packs fill.

    Args:
        groups: files that are one thing stay together; each file with its size.
    """
    small: list[T] = []
    large: list[T] = []
    for group in groups:
        place = large if any(size > LARGE for _, size in group) else small
        place.extend(file for file, _ in group)
    return small + large


def parcels(files: Iterable[tuple[int, int]]) -> Iterator[Parcel]:
    """Yield what is to be sent, from (n, size) in rising order of n; gaps are files not to send."""
    first = last = size = 0
    for n, length in files:
        joins = (
            first
            and n == last + 1
            and length <= LARGE
            and size + length <= PACK
            and n - first < MANY
        )
        if joins:
            last, size = n, size + length
            continue
        if first:
            yield Parcel(first, last, size)
        first = last = n
        size = length
        if length > LARGE:
            yield Parcel(first, last, size)
            first = 0
    if first:
        yield Parcel(first, last, size)
