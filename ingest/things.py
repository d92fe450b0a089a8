"""Which files form one thing: proposed from their names alone, for the submitter to confirm.

Proposed, for files of one folder whose names differ in their endings alone (in whatever case), with
their parts in this order:

- segments of an image: `.E01` to `.E99`, then `.EAA` to `.ZZZ`; so too `.Ex01`, `.L01`, `.Lx01` and
  `.s01`; `.000` or `.001` and on; `.aa`, `.ab` and on, also `.aaa`, where the first is there;
- volumes of an archive: `.z01`, `.z02` …, `.zip` last; `.part1.rar` …; `.rar`, `.r00`, `.r01` …;
- a VMware disk: `X.vmdk`, then `X-flat.vmdk`, or `X-s001.vmdk` (`-f001`) and on;
- a telephone extraction: `X.ufd`, `X.ufdx`, then `X.zip` with its volumes, `.tar`, `.bin`, `.img`;
- an SQLite database: `X`, then `X-journal`, `X-wal`, `X-shm`.

Not proposed: what no name shows (volumes of AFF4, folders of a telephone's backup, a page and its
pictures), and descriptions beside a thing (`.txt`, `.log`, `.xml`, `.pdf`, `.xmp`), which are
exhibits of their own. A set with a gap is named with what it lacks, and cannot be joined.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Proposal:
    """Files that seem to form one thing: their places among the names given, in order of parts.

    `missing` are the names that a set lacks, `doubled` those that are there twice.
    """

    kind: str
    parts: tuple[int, ...]
    missing: tuple[bytes, ...] = ()
    doubled: tuple[bytes, ...] = ()

    @property
    def whole(self) -> bool:
        """Say whether it can be joined."""
        return not self.missing and not self.doubled


@dataclass(frozen=True, slots=True)
class _Series:
    """One way to number segments. All names are in small letters.

    `pattern` finds a numbered segment: what comes before, which kind, the number; `ending` gives
    that of the n-th. `lead` and `tail` are the parts without a number. Of sets that need not begin
    with their first a gap at the beginning is named too. `ahead`: how many further names are tried
    where the numbers do not tell how far the set goes.
    """

    kind: str
    pattern: re.Pattern[bytes]
    ending: Callable[[bytes, int], bytes]
    starts: tuple[int, ...] = (1,)
    lead: bytes | None = None
    tail: bytes | None = None
    from_first: bool = True
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class _Companions:
    """A file, found by its ending, and others beside it that belong to it."""

    kind: str
    first: bytes
    others: tuple[bytes, ...]


def propose(names: Sequence[bytes]) -> list[Proposal]:
    """Return the things that files seem to form, by their paths; no file is in two of them.

    Pure: nothing is opened, and no name is compared with what its file holds.
    """
    folders: dict[bytes, list[int]] = {}
    for place, name in enumerate(names):
        folders.setdefault(os.path.dirname(name), []).append(place)
    found: list[Proposal] = []
    for places in folders.values():
        folder = _Folder(names, places)
        for series in _SERIES:
            folder.add_series(series)
        for companions in _COMPANIONS:
            folder.add_companions(companions)
        found += folder.found
    return sorted(found, key=lambda one: min(one.parts))


class _Folder:
    """The files of one folder by their names in small letters, and what was found among them."""

    def __init__(self, names: Sequence[bytes], places: Sequence[int]) -> None:
        self.found: list[Proposal] = []
        self._names = {place: os.path.basename(names[place]) for place in places}
        self._places: dict[bytes, list[int]] = {}
        for place, name in self._names.items():
            self._places.setdefault(name.lower(), []).append(place)

    def add_series(self, series: _Series) -> None:
        """Find the numbered sets of one kind."""
        stems: dict[tuple[bytes, bytes], set[int]] = {}
        for name in self._places:
            match = series.pattern.fullmatch(name)
            if match:
                number = int(match[3]) if match[3].isdigit() else series.starts[0]
                stems.setdefault((match[1], match[2]), set()).add(number)
        for (stem, kind), numbers in stems.items():
            endings = self._endings(series, stem, kind, numbers)
            self._add(series.kind, stem, endings)

    def _endings(self, series: _Series, stem: bytes, kind: bytes, numbers: set[int]) -> list[bytes]:
        """Return the endings that the set should have, up to the last one that is there."""
        start = next((n for n in series.starts if n in numbers), None)
        if start is None:
            if series.from_first:
                return []
            start = series.starts[0]
        last, n = max(numbers), max(numbers)
        while n <= last + series.ahead:
            n += 1
            if stem + series.ending(kind, n) in self._places:
                last = n
        numbered = [series.ending(kind, n) for n in range(start, last + 1)]
        there = sum(stem + ending in self._places for ending in numbered)
        if series.from_first and there * 2 < len(numbered):
            return []  # more is missing than there is: other files that happen to end in numbers
        lead, tail = ([one] if one else [] for one in (series.lead, series.tail))
        return [*lead, *numbered, *tail]

    def add_companions(self, companions: _Companions) -> None:
        """Find files with others beside them; volumes found before come along."""
        for name in list(self._places):
            stem = name.removesuffix(companions.first)
            if name == stem + companions.first:
                beside = [one for one in companions.others if stem + one in self._places]
                self._add(companions.kind, stem, [companions.first, *beside])

    def _add(self, kind: str, stem: bytes, endings: Sequence[bytes]) -> None:
        if len(endings) < 2:
            return
        places = [self._places.get(stem + ending, []) for ending in endings]
        parts = [place for some in places for place in some]
        like = self._names[parts[0]]
        missing = [
            like[: len(stem)] + _spelled_like(one, like[len(stem) :])
            for one, some in zip(endings, places, strict=True)
            if not some
        ]
        doubled = [self._names[some[0]] for some in places if len(some) > 1]
        for other in [one for one in self.found if set(one.parts) & set(parts)]:
            if parts[0] in other.parts:
                return  # a segment of something else is not the beginning of a thing
            self.found.remove(other)
            parts = [part for part in parts if part not in other.parts] + list(other.parts)
            missing += other.missing
            doubled += other.doubled
        self.found.append(Proposal(kind, tuple(parts), tuple(missing), tuple(doubled)))


def _spelled(value: int, length: int) -> bytes:
    signs = []
    for _ in range(length):
        value, rest = divmod(value, _LETTERS)
        signs.append(ord("a") + rest)
    return bytes(reversed(signs))


def _spelled_like(ending: bytes, other: bytes) -> bytes:
    """Return an ending in the case of another one: Ex02 like Ex01, EAA like E01."""
    first = next((sign for sign in other if bytes([sign]).isalpha()), 0)
    signs = []
    for n, sign in enumerate(ending):
        beside = other[n] if n < len(other) and bytes([other[n]]).isalpha() else first
        signs.append(bytes([sign]).upper() if bytes([beside]).isupper() else bytes([sign]))
    return b"".join(signs)


def _encase(kind: bytes, n: int) -> bytes:
    """Return the ending of an EnCase segment: e01 to e99, eaa to ezz, faa to zzz."""
    if n < 100:
        return b".%s%02d" % (kind, n)
    letter, rest = divmod(n - 100, _LETTERS * _LETTERS)
    return b".%s%c%s" % (kind[:-1], kind[-1] + letter, _spelled(rest, 2))


def _split(length: int) -> Callable[[bytes, int], bytes]:
    """Return how split(1) names its pieces: aa, ab … or aaa, aab …"""
    return lambda _, n: b"." + _spelled(n - 1, length)


def _volume(width: int) -> Callable[[bytes, int], bytes]:
    return lambda _, n: b".part%0*d.rar" % (width, n)


def _pattern(text: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(.+)" + text, re.DOTALL)


_SERIES = (
    _Series(
        "segments of an image (EnCase)",
        _pattern(rb"\.(ex|lx|e|l)([0-9]{2})"),
        _encase,
        from_first=False,
        ahead=20,
    ),
    _Series("segments of an image (SMART)", _pattern(rb"\.(s)([0-9]{2})"), _encase, ahead=20),
    _Series(
        "segments of a file",
        _pattern(rb"\.()([0-9]{3,4})"),
        lambda _, n: b".%03d" % n,
        starts=(0, 1),
    ),
    *(
        _Series("pieces of a file", _pattern(rb"\.()(%s)" % (b"a" * n)), _split(n), ahead=26)
        for n in (2, 3)
    ),
    _Series(
        "volumes of an archive (zip)",
        _pattern(rb"\.(z)([0-9]{2,3})"),
        lambda _, n: b".z%02d" % n,
        tail=b".zip",
        from_first=False,
    ),
    *(
        _Series(
            "volumes of an archive (rar)", _pattern(rb"\.(part)([0-9]{%d})\.rar" % n), _volume(n)
        )
        for n in (1, 2, 3, 4)
    ),
    _Series(
        "volumes of an archive (rar)",
        _pattern(rb"\.(r)([0-9]{2})"),
        lambda _, n: b".r%02d" % n,
        starts=(0,),
        lead=b".rar",
    ),
    _Series(
        "segments of a VMware disk",
        _pattern(rb"-(s|f)([0-9]{3})\.vmdk"),
        lambda kind, n: b"-%s%03d.vmdk" % (kind, n),
        lead=b".vmdk",
    ),
)
_COMPANIONS = (
    _Companions("VMware disk", b".vmdk", (b"-flat.vmdk",)),
    _Companions(
        "telephone extraction (UFD)", b".ufd", (b".ufdx", b".zip", b".tar", b".bin", b".img")
    ),
    _Companions("SQLite database", b"", (b"-journal", b"-wal", b"-shm")),
)
