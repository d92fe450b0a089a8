"""What a search asks, whole and as text: so it is kept, and asked again years later.

Each part stands as a person writes it, and is read again whenever it is asked: nothing is kept of
what was found, and no number is rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from repository.errors import BadQuery
from repository.naming import shown
from repository.search import facets, places
from repository.search.grammar import parse
from repository.search.places import Area
from repository.search.whereabouts import Whereabouts, split

VIEWS = ("list", "gallery")


@dataclass(frozen=True, slots=True)
class Question:
    """Words, one place, times, values of facets, and how the answer is looked at."""

    query: str = ""
    near: str | None = None  # LATITUDE,LONGITUDE,DISTANCE
    box: str | None = None  # SOUTH,WEST,NORTH,EAST
    polygon: str | None = None  # GeoJSON, or LATITUDE,LONGITUDE a line
    after: str | None = None
    before: str | None = None
    between: str | None = None
    certain: bool = False
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    view: str = "list"

    def where(self) -> Whereabouts:
        """Return where and when is asked for, beside what the words say of that.

        Raises:
            BadQuery: a place or time cannot be read, or there are two places.
        """
        areas: list[Area] = []
        if self.near is not None:
            at, _, within = self.near.rpartition(",")
            areas.append(places.near(at, within))
        if self.box is not None:
            areas.append(places.box(self.box))
        if self.polygon is not None:
            areas.append(places.polygon_text(self.polygon))
        if len(areas) > 1:
            raise BadQuery("a search is for one place: near, a box or a polygon")
        return Whereabouts.of(
            area=areas[0] if areas else None, after=self.after,
            before=self.before, between=self.between, certain=self.certain,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """Return it as records of searches have it."""
        told = (self.query, self.where().text, facets.written(self.filters))
        return "; ".join(filter(None, told))

    def check(self) -> None:
        """Refuse what could not be asked.

        Raises:
            BadQuery: part of it cannot be read, or nothing is asked.
        """
        where = self.where()
        facets.narrowed(self.filters)
        if self.query.strip() or not (where or self.filters):
            where.and_of(split(parse(self.query))[1])
        if self.view not in VIEWS:
            raise BadQuery(f"{shown(self.view[:40])} is no view; views are {', '.join(VIEWS)}")

    def to_json(self) -> dict[str, Any]:
        """Return its query and whatever else is asked: as entries have it."""
        unsaid = asdict(Question())
        told = asdict(self).items()
        return {one: value for one, value in told if one == "query" or value != unsaid[one]}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Question":
        """Return what an entry kept; the first ones kept words alone."""
        return cls(**{name: said[name] for name in cls.__dataclass_fields__ if name in said})
