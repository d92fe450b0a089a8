"""Cited: exhibits by numbers that proceedings give them (ERN, Bates), that others gave, or ours.

A proceeding's numbers find, and are told, where the asker may list what it has, as on the page of
an exhibit; those of others in cases where the asker stands on no party's side. What is found is
decided about as everything is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, union
from sqlalchemy.orm import Session

from repository.access import EVERYWHERE, PARTIES, Right, decide
from repository.authorise import of_case
from repository.models import Case, Exhibit
from repository.naming import split_number
from repository.numbered import ExternalNumber, Numbering, NumberRange
from repository.search.grammar import NUMBER, All, Either, Node, Term
from repository.search.scope import Scope
from repository.search.tables import SearchExhibit

MOST_TOLD = 3  # numbers of one exhibit


@dataclass(frozen=True, slots=True)
class Cited:
    """The numbers of an exhibit in a proceeding that were asked for."""

    case: str
    first: str
    last: str
    page: int | None  # that one number means, where its pages are numbered

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return asdict(self)


def holds(session: Session, scope: Scope, asked: str) -> ColumnElement[bool]:
    """Return whether an exhibit has a number, or one of a range, as a condition on rows."""
    first, _, last = asked.partition("..")
    low, high = split_number(first), split_number(last or first)
    ways: list[Select[Any]] = [
        select(NumberRange.exhibit_id).where(of)
        for of in (_overlaps(scheme, *both) for scheme, _, both in _meant(session, scope, asked))
    ]
    if low is not None and high is not None and low[0] == high[0]:
        own = select(Exhibit.id).join(Case, Case.id == Exhibit.case_id)
        ways.append(own.where(Case.code == low[0], Exhibit.serial.between(low[1], high[1])))
    inside = [id_ for id_ in scope.cases if _on_no_side(scope, id_)]
    if inside and not last:
        others = select(Exhibit.id).join(ExternalNumber, ExternalNumber.exhibit_id == Exhibit.id)
        ways.append(
            others.where(
                or_(ExternalNumber.first == first, ExternalNumber.last == first),
                ExternalNumber.withdrawn.is_(False),
                Exhibit.case_id.in_(inside),
            )
        )
    if not ways:
        return false()
    return SearchExhibit.exhibit_id.in_(ways[0] if len(ways) == 1 else union(*ways))


def told(
    session: Session, scope: Scope, node: Node | None, exhibits: Sequence[str]
) -> dict[str, list[Cited]]:
    """Return which numbers that were asked for exhibits have in proceedings, by exhibit."""
    found: dict[str, list[Cited]] = {}
    for asked in dict.fromkeys(_asked(node)):
        for scheme, code, (low, high) in _meant(session, scope, asked):
            query = select(NumberRange).where(
                _overlaps(scheme, low, high), NumberRange.exhibit_id.in_(exhibits)
            )
            for row in session.scalars(query.order_by(NumberRange.first)):
                page = low - row.first + 1 if row.paged and low == high else None
                one = Cited(code, scheme.text(row.first), scheme.text(row.last), page)
                some = found.setdefault(row.exhibit_id, [])
                if len(some) < MOST_TOLD:
                    some.append(one)
    return found


def _asked(node: Node | None) -> Iterator[str]:
    """Yield the numbers that a query asks for and does not exclude."""
    if isinstance(node, Term):
        if node.field == NUMBER:
            yield node.text
    elif isinstance(node, All | Either):
        for part in node.parts:
            yield from _asked(part)


def _meant(
    session: Session, scope: Scope, asked: str
) -> Iterator[tuple[Numbering, str, tuple[int, int]]]:
    """Yield in which proceedings of the asker it is a number or a range, and which."""
    first, _, last = asked.partition("..")
    for scheme in session.scalars(select(Numbering).order_by(Numbering.case_id)):
        case = scope.cases.get(scheme.case_id)
        low, high = scheme.number(first), scheme.number(last or first)
        if case is None or low is None or high is None:
            continue
        thing = of_case(session, scope.caller, case)
        if decide(scope.asking[case.id], Right.LIST, thing, None, scope.now).allowed:
            yield scheme, case.code, (low, high)


def _overlaps(scheme: Numbering, low: int, high: int) -> ColumnElement[bool]:
    row = NumberRange
    return and_(row.case_id == scheme.case_id, row.first <= high, row.last >= low)


def _on_no_side(scope: Scope, case: str) -> bool:
    roles = {one.role for one in scope.asking[case].held}
    own = {scope.caller.person.role} & EVERYWHERE
    return bool((roles | own) - PARTIES) and not roles & PARTIES
