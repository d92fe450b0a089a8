"""Entries as an export keeps them while it works: without salts, what is equal held once.

An entry with its bytes and all that is parsed of it takes some 8 KB, as it is kept here some 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from custody.commitment import Opening
from custody.entry import CustodyEntry
from custody.errors import LedgerDamaged
from custody.tables import bodies, histories
from repository import Repository
from repository.models import Exhibit

_TOGETHER = 500
_ALIKE = frozenset({"actor", "clock", "handling", "instrument", "purpose"})  # in many entries


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry: what it says, of its commitments the names alone, and the digest of its bytes."""

    index: int
    fields: Mapping[str, Any]
    digest: bytes

    def is_of(self, body: bytes) -> bool:
        """Say whether these are the bytes it was made of."""
        return sha256(body).digest() == self.digest


@dataclass(slots=True)
class Entries:
    """All entries about some exhibits, by index."""

    history: list[Kept] = field(default_factory=list)
    openings: dict[int, dict[str, Opening]] = field(default_factory=dict)  # by index and field
    unfit: list[tuple[int, str]] = field(default_factory=list)  # those that open no commitment
    count: dict[str, int] = field(default_factory=dict)  # of the entries about each exhibit


def entries_of(
    repo: Repository, exhibits: Sequence[Exhibit], size: int, *, house: int | None = None
) -> Entries:
    """Return every entry about some exhibits in a tree of a size, and one about the house.

    Raises:
        LedgerDamaged: one that is listed is not there.
    """
    found, keeper = Entries(), _Keeper()
    with repo.database.reading() as session:
        about = histories(session, [one.id for one in exhibits], size)
    found.count = {exhibit: len(indexes) for exhibit, indexes in about.items()}
    every = sorted(index for indexes in about.values() for index in indexes)
    every += [] if house is None else [house]
    for start in range(0, len(every), _TOGETHER):  # no more at once: what is parsed is large
        some = every[start : start + _TOGETHER]
        with repo.database.reading() as session:
            stored = bodies(session, some)
        opened = repo.ledger.openings(some)
        for index in some:
            if index not in stored:
                raise LedgerDamaged(f"the ledger has no entry {index}, and should")
            entry = CustodyEntry(index, stored[index])
            commitments = entry.fields.get("_sd", {})
            found.unfit += [
                (index, name)
                for name, one in opened[index].items()
                if name not in commitments or not one.opens(commitments[name])
            ]
            found.history.append(keeper.entry(entry))
            found.openings[index] = keeper.openings(opened[index])
    return found


class _Keeper:
    """Makes entries and openings that have equal values in common."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}  # by how it is written
        self._texts: dict[str | bytes, str | bytes] = {}

    def entry(self, entry: CustodyEntry) -> Kept:
        """Return an entry as it is kept."""
        fields = {
            self._one(name): self._value(name, value)
            for name, value in entry.fields.items()
            if name not in ("salt", "_sd")
        }
        if "_sd" in entry.fields:
            fields["_sd"] = self._whole(dict.fromkeys(entry.fields["_sd"], ""))
        return Kept(entry.index, fields, sha256(entry.body).digest())

    def openings(self, openings: Mapping[str, Opening]) -> dict[str, Opening]:
        """Return the openings of an entry as they are kept."""
        return {
            self._one(name): Opening(
                one.salt, self._value(name, one.value), self._one(one.canonical_value)
            )
            for name, one in openings.items()
        }

    def _value(self, name: str, value: Any) -> Any:
        return self._whole(value) if name in _ALIKE else self._parts(value)

    def _parts(self, value: Any) -> Any:
        """Return a value whose names and texts are those met before."""
        if isinstance(value, str):
            return self._one(value)
        if isinstance(value, dict):
            return {self._one(name): self._parts(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._parts(one) for one in value]
        return value

    def _whole(self, value: Any) -> Any:
        """Return an equal value met before, so that both are one."""
        key = repr(value)
        if key not in self._seen:
            self._seen[key] = self._parts(value)
        return self._seen[key]

    def _one(self, value: Any) -> Any:
        return self._texts.setdefault(value, value)
