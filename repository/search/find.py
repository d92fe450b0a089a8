"""Find: exhibits by an expression, the newest first, only those of which the asker may know.

Rows come in the order of their registration and are decided about in lots, until there are enough:
a common word costs what a page costs, not what it finds. Only tokens are asked for until a lot is
complete: no row of an exhibit is read that was not found.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    column,
    except_,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session

from repository.columns import among
from repository.models import Exhibit
from repository.search import cited, expression
from repository.search.expression import Expression, Live, arrays, fts, live
from repository.search.grammar import NUMBER
from repository.search.live import few, holds
from repository.search.scope import Scope
from repository.search.tables import SearchExhibit
from repository.search.tokens import LEVELS, Keyed

_CHUNK = 250
_CASES = 100  # as one question to the index; each costs FTS5 a step at every row
_FEW = 20_000  # exhibits that are looked up one by one, where something is so of them alone
_WINDOW = 5_000  # numbers of rows that PostgreSQL reads in their order before it knows better
_FAR = 1.5  # times as far as enough should be found
_SAMPLE = 1_000  # of them, to see how many have what is asked for with what is left out
_BEHIND = text(
    "SELECT EXISTS (SELECT 1 FROM exhibit WHERE processed_at IS NULL)"
    " OR EXISTS (SELECT 1 FROM search_exhibit WHERE made < asked)"
)
_BEHIND_SQLITE = text(
    str(_BEHIND).replace("processed_at IS NULL", "unlikely(processed_at IS NULL)")
)
_ROW = SearchExhibit.__table__.c  # columns of the table are asked for faster than mapped ones
_ROWS = select(_ROW.n, _ROW.exhibit_id, _ROW.case_id, _ROW.submission_id)
_FTS = table("search_fts", column("rowid"), column("search_fts"))


class Lookup(NamedTuple):
    """What asks the database for rows; on PostgreSQL also with what is left out, and that alone."""

    found: Select[Any]
    whole: Select[Any] | None = None
    out: Select[Any] | None = None


class Hit(NamedTuple):
    """An exhibit that was found, and in which tier."""

    n: int
    exhibit_id: str
    tier: str
    level: str  # how much the asker may know of it: one of `LEVELS`


class Finder:
    """Finds exhibits for one asker, on one snapshot of the database."""

    def __init__(self, session: Session, keyed: Keyed, scope: Scope) -> None:
        """Look on a session with a scope; changes nothing."""
        self._session = session
        self._keyed = keyed
        self._scope = scope
        self._sqlite = session.get_bind().dialect.name == "sqlite"
        self._few: dict[Live, list[str] | None] = {}
        self._top: int | None = None  # the newest row, once somebody asked
        self._rows: dict[int, Any] = {}  # that were read with their numbers
        self._odd = scope.elsewhere(session)

    def hits(
        self, node: Any, *, after: tuple[int, int] | None = None, together: int = _CHUNK
    ) -> Iterator[Hit]:
        """Yield what is found in order.

        Args:
            node: the query.
            after: the tier's number and `n` of the last shown.
            together: how many somebody wants; as many are looked at in one question.
        """
        of = {
            level: dict(expression.tiers(self._keyed, level, node))
            for level in self._scope.levels_of_roles
        }
        before: dict[str, list[Expression]] = {level: [] for level in of}
        first, below = after or (0, None)
        found: set[int] = set()
        for number, tier in enumerate(expression.TIERS):
            asked = {}
            for level, made in of.items():
                if tier not in made:
                    continue
                one: Expression | None = made[tier]
                if after is not None:
                    asked[level] = expression.beyond(made[tier], before[level])
                    before[level].append(made[tier])
                    continue
                # All that nearer tiers found is in `found`: only what is new is asked for.
                if before[level] and not live(made[tier]):
                    one = expression.gained(made[tier], before[level][-1])
                before[level].append(made[tier])
                if one is not None:
                    asked[level] = expression.beyond(one, ())
            if number >= first and asked:
                begin = below if number == first else None
                # A nearer tier found some, and what is asked for now may find a few of these again.
                size = min(together, max(_CHUNK, (together - len(found)) * 5 // 4))
                for n, id_, level in self._known_of(asked, begin, size, found):
                    found.add(n)
                    yield Hit(n, id_, tier, level)

    def _known_of(
        self, asked: dict[str, Expression], below: int | None, size: int, but: Collection[int]
    ) -> Iterator[tuple[int, str, str]]:
        """Yield what is found of the exhibits of which so much may be known as is asked for.

        Rows of `but` are left out.

        Each expression, in the cases that somebody takes part in and elsewhere, is asked for its
        newest; down to where all were asked, it is decided about what they found together. So a
        word that stands everywhere costs what a page costs, and one of nowhere nothing.
        """
        alike: dict[Expression, list[str]] = {}  # of names all levels ask the same
        for level, asks in asked.items():
            alike.setdefault(asks, []).append(level)
        queries = [
            (levels, *query)
            for asks, levels in alike.items()
            for query in self._within(levels[0], asks)
        ]
        while True:
            found: dict[str, set[int]] = {level: set() for level in asked}
            floor = 0
            for levels, query, wider in queries:
                ns = [] if wider is None else self._newest(wider, below, size)
                if wider is None or len(ns) == size:
                    ns = self._newest(query, below, size)
                for level in levels:
                    found[level].update(ns)
                if len(ns) == size:
                    floor = max(floor, ns[-1])
            every = {n for some in found.values() for n in some if n >= floor}
            ns = sorted(every.difference(but), reverse=True)
            for n, one, known in self._decided(ns):
                if known in found and n in found[known]:
                    yield n, one, known
            if not floor:
                return
            below = floor

    def _newest(self, asked: Lookup, below: int | None, size: int) -> list[int]:
        """Return the newest that a question finds, of all or of those below one.

        PostgreSQL reads rows from the newest on where it takes a word for common, by statistics
        that know nothing of where it stands: those of a word of other cases, all of them. So it
        reads some; by how many of them are found it is told how far to look for more, and how.
        """
        n = asked.found.selected_columns[0]
        if self._sqlite:
            some = asked.found if below is None else asked.found.where(n < below)
            return self._read(some.order_by(n.desc()).limit(size))
        end = (self._above() if below is None else below) - _WINDOW
        newest = asked.found.where(n >= end)
        if below is not None:
            newest = newest.where(n < below)
        ns = self._read(newest.order_by(n.desc()).limit(size))
        density = len(ns) / _WINDOW
        enough = int(_FAR * (size - len(ns)) / density) if ns else end
        for begin in (max(0, end - enough), 0):
            if len(ns) < size and end > begin:
                older = self._older(asked, range(begin, end), density, size - len(ns))
                ns += self._read(older)
            end = begin
        return ns

    def _read(self, query: Select[Any]) -> list[int]:
        """Return the numbers that a question finds; what it tells of their rows is kept."""
        rows = self._session.execute(query).all()
        if rows and len(rows[0]) > 1:
            self._rows.update({row[0]: row for row in rows})
        return [row[0] for row in rows]

    def _older(self, asked: Lookup, rows: range, density: float, wanted: int) -> Select[Any]:
        """Return the question for the newest of some older rows, as it costs least.

        Either rows are read in their order, until enough are found, or all that have the tokens
        are looked up in their index. That cannot leave anything out: it is asked for both, since to
        look at each row that has the others costs more.
        """
        n = asked.found.selected_columns[0]
        within = (n >= rows.start, n < rows.stop)
        looked_up = density * len(rows)
        if asked.whole is not None:
            looked_up = self._density(asked.whole, rows.stop) * len(rows) * 2
        if looked_up * density > wanted:
            return asked.found.where(*within).order_by(n.desc()).limit(wanted)
        if asked.whole is None or asked.out is None:  # no index has that order
            return asked.found.where(*within).order_by((n + 0).desc()).limit(wanted)
        left = except_(asked.whole.where(*within), asked.out.where(*within)).subquery()
        return select(left.c.n).order_by(left.c.n.desc()).limit(wanted)

    def _density(self, asked: Select[Any], below: int) -> float:
        """Return of which part of the rows a question finds, by the newest of those below one."""
        [n] = asked.selected_columns
        some = asked.where(n >= below - _SAMPLE, n < below).subquery()
        found: int = self._session.scalar(select(func.count()).select_from(some)) or 0
        return found / _SAMPLE

    def _above(self) -> int:
        """Return the number that the next row will have, or more."""
        if self._top is None:
            self._top = self._session.scalar(select(func.max(SearchExhibit.n))) or 0
        return self._top + 1

    def _within(self, level: str, asked: Expression) -> Iterator[tuple[Lookup, Lookup | None]]:
        """Yield the questions by which an expression is asked of all that may be known.

        With each, a wider one that is asked first: of all cases, where most is in those of the
        asker. To FTS5 a case is a word that very many have, and to compare them costs more than to
        decide about the few others that a rare word finds.
        """
        scope = self._scope
        plain = sorted(id_ for id_, known in scope.plain.items() if known is not None)
        if plain:
            if len(plain) == len(scope.plain) and scope.everywhere:
                yield self._matching(level, asked, None), None
            else:
                wider = self._sqlite and self._most_is_in(plain)
                yield (
                    self._matching(level, asked, plain),
                    self._matching(level, asked, None) if wider else None,
                )
        if self._odd is not None:
            query = self._matching(level, asked, None).found
            n = query.selected_columns[0]
            # What was found is compared with a set, not each of the set looked for among it.
            unindexed = literal_column("+search_fts.rowid") if n is _FTS.c.rowid else n
            yield Lookup(query.where(unindexed.in_(self._odd))), None

    def _most_is_in(self, cases: Sequence[str]) -> bool:
        """Say whether cases hold most exhibits of the house; each of these has a row."""
        return self._held(cases) * 2 > self._above()

    def _decided(self, ns: Sequence[int]) -> Iterator[tuple[int, str, str | None]]:
        """Yield of rows how much of each may be known."""
        if not ns:
            return
        more = [n for n in ns if n not in self._rows]
        if more:
            self._read(_ROWS.where(among(_ROW.n, more)))
        rows = [self._rows[n] for n in ns if n in self._rows]
        levels = self._scope.of_rows(self._session, rows)
        for n, id_, _, _ in rows:
            yield n, id_, levels[id_]

    def _matching(self, level: str, asked: Expression, cases: Sequence[str] | None) -> Lookup:
        """Return the question for the rows that an expression finds, in some cases or all."""
        parts = expression.parts_of(asked)
        words = [one for one in parts if not live(one)]
        some = self._few_of(asked) if live(asked) else None
        if live(asked) and (some is not None or not words):
            return Lookup(self._so_now(level, parts, some, cases))
        if not self._sqlite:
            return self._matching_arrays(level, parts, cases)
        rest = [self._clause(level, one) for one in parts if live(one)]
        found = select(_FTS.c.rowid)
        if rest or (cases is not None and len(cases) > _CASES):
            found = found.join_from(_FTS, SearchExhibit, SearchExhibit.n == _FTS.c.rowid)
            if cases is not None:
                rest.append(SearchExhibit.case_id.in_(cases))
        elif cases is not None:  # what is in no such case is passed over without being read
            words.append(expression.in_cases(self._keyed, level, self._scope.codes(cases)))
        driver = fts(self._keyed, level, expression.All(tuple(words)))
        return Lookup(found.where(_FTS.c.search_fts.op("MATCH")(driver), *rest))

    def _matching_arrays(
        self, level: str, parts: Sequence[Expression], cases: Sequence[str] | None
    ) -> Lookup:
        """Return the question as PostgreSQL is asked it: all parts, in some cases or all."""
        found = _ROWS  # of rows that are looked at anyhow: their case says more cheaply what it is
        if cases is not None and (len(cases) > _CASES or self._most_is_in(cases)):
            found = found.where(_ROW.case_id.in_(cases))
        elif cases is not None:
            codes = self._scope.codes(cases)
            found = found.where(arrays(expression.in_cases(self._keyed, level, codes)))
        without = [one.part for one in parts if isinstance(one, expression.Not)]
        with_ = [one for one in parts if not isinstance(one, expression.Not)]
        whole = found.where(*(self._clause(level, one) for one in with_))
        out = [self._clause(level, one) for one in without]
        if not with_ or not without or any(map(live, without)):
            return Lookup(whole.where(*map(not_, out)))
        numbers = whole.with_only_columns(_ROW.n)
        return Lookup(whole.where(*map(not_, out)), numbers, numbers.where(or_(*out)))

    def _so_now(
        self,
        level: str,
        parts: Sequence[Expression],
        some: Sequence[str] | None,
        cases: Sequence[str] | None,
    ) -> Select[Any]:
        """Return the question for rows by what is so now, not by words.

        Args:
            level: how much is to be known.
            parts: all of which are to be so.
            some: the exhibits of which alone they can be, which are looked up one by one; None:
                many, the newest are read until there are enough.
            cases: as `_matching`.
        """
        row = SearchExhibit
        # Where SQLite may not go by the index of cases: all of a case would be read and sorted.
        unindexed: Any = literal_column("+search_exhibit.case_id") if self._sqlite else row.case_id
        with_ = [one for one in parts if not live(one) and not isinstance(one, expression.Not)]
        rest = [self._clause(level, one) for one in parts if one not in with_]
        for id_, case in self._scope.cases.items():  # its word says of each row what the row says
            named = expression.in_case(self._keyed, level, case.code)
            if named in with_:
                with_.remove(named)
                rest.append(unindexed == id_)
        if with_:
            rest.append(self._worded(level, expression.All(tuple(with_)), each=some is not None))
        found = select(row.n).where(row.tokens != (), *rest)
        if some is not None:  # not in the order of an index, which would be read to its end
            found = select(row.n + 0).where(row.tokens != (), *rest)
            found = found.where(among(row.exhibit_id, some) if some else false())
        if cases is None:
            return found
        if some is not None or (len(cases) > 1 and self._held(cases) > _FEW):
            return found.where(unindexed.in_(cases))
        return found.where(row.case_id.in_(cases))

    def _few_of(self, asked: Expression) -> list[str] | None:
        """Return the exhibits of which alone an expression can be so, where they are few."""
        if isinstance(asked, Live) and asked.field != NUMBER:
            if asked == expression.NEVER:
                return []
            if asked not in self._few:
                said = few(self._session, self._scope, asked.field, asked.value, _FEW)
                self._few[asked] = said
            return self._few[asked]
        if not isinstance(asked, expression.All | expression.Either):
            return None
        found = [self._few_of(one) for one in asked.parts]
        if isinstance(asked, expression.All):
            return min((one for one in found if one is not None), key=len, default=None)
        either = {one for some in found if some is not None for one in some}
        return None if None in found or len(either) > _FEW else sorted(either)

    def _held(self, cases: Sequence[str]) -> int:
        """Return how many exhibits cases have."""
        return sum(self._scope.cases[one].exhibits for one in cases)

    def _clause(self, level: str, asked: Expression) -> ColumnElement[bool]:
        """Return an expression as a condition on rows of `SearchExhibit`."""
        if isinstance(asked, Live):
            return self._live(asked)
        if isinstance(asked, expression.Not):
            return not_(self._clause(level, asked.part))
        if not live(asked):
            return self._worded(level, asked, each=False)
        if isinstance(asked, expression.Token):
            raise TypeError("a word is never live")
        parts = [self._clause(level, one) for one in asked.parts]
        return and_(*parts) if isinstance(asked, expression.All) else or_(*parts)

    def _worded(self, level: str, asked: Expression, *, each: bool) -> ColumnElement[bool]:
        """Return words as a condition on rows: on SQLite all that have them, or asked of each."""
        if not self._sqlite:
            return arrays(asked)
        matches = _FTS.c.search_fts.op("MATCH")(fts(self._keyed, level, asked))
        if not each:
            return SearchExhibit.n.in_(select(_FTS.c.rowid).where(matches))
        found = select(_FTS.c.rowid).where(matches, _FTS.c.rowid == SearchExhibit.n)
        return found.correlate(SearchExhibit).exists()

    def _live(self, asked: Live) -> ColumnElement[bool]:
        if asked == expression.NEVER:
            return false()
        if asked.field == NUMBER:
            return cited.holds(self._session, self._scope, asked.value)
        return holds(self._scope, asked.field, asked.value)

    def unread(self, most: int) -> int:
        """Return how many exhibits of which the asker may know are not indexed as they are now."""
        if not self._session.scalar(_BEHIND_SQLITE if self._sqlite else _BEHIND):
            return 0  # of nobody, which is so nearly always
        scope = self._scope
        columns = (
            Exhibit.registration, Exhibit.id.label("exhibit_id"), Exhibit.case_id,
            Exhibit.submission_id,
        )  # fmt: skip
        known = or_(
            *(
                scope.within(Exhibit.case_id, Exhibit.id, Exhibit.submission_id, level)
                for level in LEVELS
            )
        )
        waits: ColumnElement[bool] = Exhibit.processed_at.is_(None)
        if self._sqlite:  # where all was looked at, its statistics speak for reading the table
            waits = func.unlikely(waits)
        later = select(*columns).where(known, waits)
        again = (
            select(*columns)
            .join(SearchExhibit, SearchExhibit.exhibit_id == Exhibit.id)
            .where(known, text("made < asked"), Exhibit.processed_at.is_not(None))
        )
        return sum(1 for _ in islice(self._known((later, again)), most))

    def _known(self, queries: Iterable[Select[int, str, str, str]]) -> Iterator[str]:
        for query in queries:
            below: int | None = None
            while True:
                some = query if below is None else query.where(Exhibit.registration < below)
                rows = self._session.execute(
                    some.order_by(Exhibit.registration.desc()).limit(_CHUNK)
                ).all()
                levels = self._scope.of_rows(self._session, rows)
                yield from (row.exhibit_id for row in rows if levels[row.exhibit_id] is not None)
                if len(rows) < _CHUNK:
                    break
                below = rows[-1][0]
