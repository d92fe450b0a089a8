"""What is handed over: files, with what a list declares of each, joined into things.

Nothing is stored or opened here; what is wrong is said before anything is taken in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.errors import BadManifest
from ingest.manifests.matching import Matching
from ingest.manifests.rows import MOST_PARTS, Row
from ingest.sources import Source, Thing
from ingest.things import Proposal, propose
from repository.naming import shown

_FEW = 8  # names that are shown of many


@dataclass(slots=True)
class Gathered:
    """The files that are handed over, and what is said of them, before they are taken in.

    `rows` are by the place of their file among the sources, as `things` of the list are.
    """

    sources: list[Source]
    rows: dict[int, Row] = field(default_factory=dict)
    listed: list[tuple[int, ...]] = field(default_factory=list)  # things that the list confirms

    @property
    def unlisted(self) -> list[Source]:
        """Return the files that no row names."""
        return [s for n, s in enumerate(self.sources) if n not in self.rows and s.file is not None]

    def paths(self, places: Iterable[int]) -> list[bytes]:
        """Return the paths of files by their places."""
        return [self.sources[n].path for n in places]

    def proposals(self) -> list[Proposal]:
        """Return the things that the files seem to form, beside those that the list confirms."""
        places = [n for n, source in enumerate(self.sources) if source.file is not None]
        confirmed = {n for parts in self.listed for n in parts}
        found = propose([self.sources[n].file or b"" for n in places])
        meant = [replace(one, parts=tuple(places[part] for part in one.parts)) for one in found]
        return [one for one in meant if not confirmed & set(one.parts)]

    def things(self, joined: Iterable[Proposal] = ()) -> list[Thing]:
        """Return what becomes an exhibit each, in the order of the files.

        Args:
            joined: the proposals that the submitter confirmed.

        Raises:
            BadManifest: what the list declares of the parts of one thing differs.
        """
        parts = {some[0]: some for some in (*self.listed, *(one.parts for one in joined))}
        later = {n for some in parts.values() for n in some[1:]}
        first = {min(some): some for some in parts.values()}
        members = later | set(parts)
        return [
            self._thing(first.get(n, (n,)))
            for n in range(len(self.sources))
            if n in first or n not in members
        ]

    def _thing(self, parts: Sequence[int]) -> Thing:
        if len(parts) > MOST_PARTS:
            name = shown(self.sources[parts[0]].path)
            raise BadManifest(f"{name}: a thing has at most {MOST_PARTS} parts, not {len(parts)}")
        claims: dict[str, tuple[str, Row]] = {}
        for row in [self.rows[n] for n in parts if n in self.rows]:
            for name, text in row.claims.items():
                other, first = claims.setdefault(name, (text, row))
                if other != text:
                    raise BadManifest(
                        f"{first.shown} and {row.shown} are parts of one thing, and declare two "
                        f"different {name.replace('_', ' ')}; nothing was taken in"
                    )
        said = {name: text for name, (text, _) in claims.items()}
        return Thing(tuple(self.sources[n] for n in parts), said)


def gather(sources: Iterable[Source], matching: Matching | None = None) -> Gathered:
    """Return the files with what the list declares of them.

    Raises:
        BadManifest: rows about one file contradict each other, or a thing of the list lacks a part.
    """
    found = Gathered(list(sources))
    if matching is None:
        return found
    interned: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    words: dict[str, list[tuple[int, int]]] = {}
    for n, line, row in matching.rows():
        claims = interned.setdefault(tuple(row.claims.items()), row.claims)
        found.rows[n] = replace(row, claims=claims)
        found.sources[n] = _declared(found.sources[n], row)
        if row.thing is not None:
            words.setdefault(row.thing, []).append((line, n))
    for row in matching.unmatched():
        if row.thing is not None:
            raise BadManifest(
                f"{row.shown} is a part of {shown(row.thing)}, and no such file was named; "
                "nothing was taken in"
            )
    found.listed = [
        parts for some in words.values() if len(parts := _ordered(found, sorted(some))) > 1
    ]
    return found


def _declared(source: Source, row: Row) -> Source:
    differs = row.size is not None and source.size is not None and row.size != source.size
    problem = f"it has {source.size} bytes, {row.where} says {row.size}" if differs else None
    return replace(source, declared=row.digests, problem=source.problem or problem)


def _ordered(found: Gathered, some: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the parts of a thing: by their numbers, or else in the order of the rows."""
    rows = [(found.rows[n].part, n) for _, n in some]
    numbers = [part for part, _ in rows if part is not None]
    if not numbers:
        return tuple(n for _, n in rows)
    if sorted(numbers) != list(range(1, len(rows) + 1)):
        first = found.rows[rows[0][1]]
        raise BadManifest(
            f"{first.shown}: the parts of {shown(first.thing)} are numbered "
            f"{', '.join(map(str, sorted(numbers)[:_FEW]))}, where 1 to {len(rows)} is meant"
        )
    return tuple(n for _, n in sorted(rows, key=lambda one: one[0] or 0))
