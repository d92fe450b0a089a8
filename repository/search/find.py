"""Find: exhibits by an expression, the newest first, only those of which the asker may know.

Rows come in the order of their registration and are decided about one after the other, until there
are enough: a common word costs what a page costs, not what it finds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    exists,
    func,
    not_,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session

from repository.models import Exhibit
from repository.rules import Marking
from repository.search import expression
from repository.search.expression import Expression, Live, arrays, fts, live
from repository.search.scope import Scope
from repository.search.tables import SearchExhibit
from repository.search.tokens import FACTS, OPEN, Keyed

_CHUNK = 250
_FTS = table("search_fts", column("rowid"), column("search_fts"))


@dataclass(frozen=True, slots=True)
class Hit:
    """An exhibit that was found, and in which tier."""

    n: int
    exhibit_id: str
    tier: str


class Finder:
    """Finds exhibits for one asker, on one snapshot of the database."""

    def __init__(self, session: Session, keyed: Keyed, scope: Scope) -> None:
        """Look on a session with a scope; changes nothing."""
        self._session = session
        self._keyed = keyed
        self._scope = scope
        self._sqlite = session.get_bind().dialect.name == "sqlite"

    def hits(self, node: Any, *, after: tuple[int, int] | None = None) -> Iterator[Hit]:
        """Yield what is found in order; `after` is the tier's number and `n` of the last shown."""
        of_facts = dict(expression.tiers(self._keyed, FACTS, node))
        of_open = dict(expression.tiers(self._keyed, OPEN, node))
        before: dict[str, list[Expression]] = {FACTS: [], OPEN: []}
        first, below = after or (0, None)
        for number, tier in enumerate(expression.TIERS):
            streams = []
            for level, made in ((FACTS, of_facts), (OPEN, of_open)):
                if tier not in made:
                    continue
                if number >= first:
                    asked = expression.beyond(made[tier], before[level])
                    streams.append(self._stream(level, asked, below if number == first else None))
                before[level].append(made[tier])
            for n, exhibit_id in merge(*streams, reverse=True):
                yield Hit(n, exhibit_id, tier)

    def _stream(
        self, level: str, asked: Expression, below: int | None
    ) -> Iterator[tuple[int, str]]:
        """Yield what one expression finds of the exhibits of which just so much may be known."""
        scope = self._scope
        case, one, submission = (
            SearchExhibit.case_id, SearchExhibit.exhibit_id, SearchExhibit.submission_id,
        )  # fmt: skip
        special = scope.special(one, submission)
        query = self._matching(level, asked).where(scope.within(case, one, submission, level))
        if level == OPEN and not scope.plainly(OPEN):  # few can be: those with a marking of theirs
            query = query.where(special)
        plainly = set(scope.plainly(level))
        size = _CHUNK
        while True:
            chunk = query.add_columns(special).order_by(SearchExhibit.n.desc()).limit(size)
            if below is not None:
                chunk = chunk.where(SearchExhibit.n < below)
            rows = self._session.execute(chunk).all()
            levels = scope.levels(self._session, [row[1] for row in rows if row[3]])
            for n, exhibit_id, case_id, is_special in rows:
                known = levels.get(exhibit_id) == level if is_special else case_id in plainly
                if known:
                    yield n, exhibit_id
            if len(rows) < size:
                return
            below, size = rows[-1][0], min(size * 2, 4 * _CHUNK)

    def _matching(self, level: str, asked: Expression) -> Select[Any, Any, Any]:
        found = select(SearchExhibit.n, SearchExhibit.exhibit_id, SearchExhibit.case_id)
        if not self._sqlite:
            return found.where(self._clause(level, asked))
        parts = asked.parts if isinstance(asked, expression.All) else (asked,)
        words = tuple(one for one in parts if not live(one))
        rest = [self._clause(level, one) for one in parts if live(one)]
        driver = fts(self._keyed, level, expression.All(words))
        return (
            found.join_from(_FTS, SearchExhibit, SearchExhibit.n == _FTS.c.rowid)
            .where(_FTS.c.search_fts.op("MATCH")(driver), *rest)
        )  # fmt: skip

    def _clause(self, level: str, asked: Expression) -> ColumnElement[bool]:
        """Return an expression as a condition on rows of `SearchExhibit`."""
        if isinstance(asked, Live):
            return self._live(asked)
        if not live(asked):
            if not self._sqlite:
                return arrays(asked)
            words = fts(self._keyed, level, asked)
            inner = select(_FTS.c.rowid).where(_FTS.c.search_fts.op("MATCH")(words))
            return SearchExhibit.n.in_(inner)
        if isinstance(asked, expression.Not):
            return not_(self._clause(level, asked.part))
        if isinstance(asked, expression.Token):
            raise TypeError("a word is never live")
        parts = [self._clause(level, one) for one in asked.parts]
        return and_(*parts) if isinstance(asked, expression.All) else or_(*parts)

    def _live(self, asked: Live) -> ColumnElement[bool]:
        if asked.field == "seal":
            subjects = (
                SearchExhibit.exhibit_id, SearchExhibit.submission_id, SearchExhibit.case_id,
            )  # fmt: skip
            found = exists().where(
                Marking.subject.in_(subjects), Marking.marking["sealed"].as_boolean()
            )
            return found if asked.value == "yes" else not_(found)
        erased = exists().where(
            Exhibit.id == SearchExhibit.exhibit_id, Exhibit.erased_at.is_not(None)
        )
        return erased if asked.value == "erased" else not_(erased)

    def unread(self, most: int) -> int:
        """Return how many exhibits of which the asker may know are not indexed as they are now."""
        scope = self._scope
        columns = (Exhibit.registration, Exhibit.id, Exhibit.case_id)
        special = scope.special(Exhibit.id, Exhibit.submission_id)
        known = or_(
            *(
                scope.within(Exhibit.case_id, Exhibit.id, Exhibit.submission_id, level)
                for level in (FACTS, OPEN)
            )
        )
        waits: ColumnElement[bool] = Exhibit.processed_at.is_(None)
        if self._sqlite:  # where all was looked at, its statistics speak for reading the table
            waits = func.unlikely(waits)
        later = select(*columns, special).where(known, waits)
        again = (
            select(*columns, special)
            .join(SearchExhibit, SearchExhibit.exhibit_id == Exhibit.id)
            .where(known, text("made < asked"), Exhibit.processed_at.is_not(None))
        )
        plainly = {*scope.plainly(FACTS), *scope.plainly(OPEN)}
        return sum(1 for _ in islice(self._known(plainly, (later, again)), most))

    def _known(
        self, plainly: set[str], queries: Iterable[Select[Any, Any, Any, Any]]
    ) -> Iterator[str]:
        for query in queries:
            below: int | None = None
            while True:
                some = query if below is None else query.where(Exhibit.registration < below)
                rows = self._session.execute(
                    some.order_by(Exhibit.registration.desc()).limit(_CHUNK)
                ).all()
                levels = self._scope.levels(self._session, [row[1] for row in rows if row[3]])
                for _, exhibit_id, case_id, is_special in rows:
                    if levels.get(exhibit_id) is not None if is_special else case_id in plainly:
                        yield exhibit_id
                if len(rows) < _CHUNK:
                    break
                below = rows[-1][0]
