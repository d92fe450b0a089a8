"""What is so now, by the tables and not by the index: custody states, seals and markings.

That something is on hold, disclosed, copied or passed on is told to the case team alone, and
disclosures only of the asker's own cases; for all others it is as if it were not so.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    bindparam,
    exists,
    literal,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from repository.access import EVERYWHERE
from repository.columns import Many, among
from repository.derivations import WorkingCopy
from repository.handovers import WAITING, Transfer
from repository.models import Case, Exhibit, Grant, Quarantined, Submission
from repository.proceedings import Hold, Privilege
from repository.rules import Disclosed, Marking
from repository.search.scope import Scope
from repository.search.tables import SearchExhibit

SEALED = "sealed"
_SAID: InstrumentedAttribute[dict[str, Any]] = Marking.marking


def _is(name: str, value: str) -> ColumnElement[bool]:
    said: ColumnElement[bool] = _SAID[name].as_string() == value
    return said


def _some(name: str) -> ColumnElement[bool]:
    said: ColumnElement[bool] = _SAID[name].as_string().is_not(None)
    return said


# What a marking says, as facets tell it; `SEALED` is a facet of its own.
_MARKINGS: Mapping[str, ColumnElement[bool]] = {
    SEALED: _SAID[SEALED].as_boolean(),
    **{f"handling-{one.lower()}": _is("handling", one) for one in ("H0", "H1", "H2", "H3")},
    **{
        f"tlp-{one.lower()}": _is("tlp", one)
        for one in ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
    },
    "lead-only": _SAID["lead_only"].as_boolean(),
    "consent-withdrawn": _SAID["withdrawn"].as_boolean(),
    "authority-required": _SAID["authority_required"].as_boolean(),
    "conditions": or_(_some("conditions"), _some("restriction")),
    "owner-consent": _some("owner"),
    "excluded-uses": _SAID[("excluded_uses", 0)].as_string().is_not(None),
}


def _states(scope: Scope) -> dict[str, tuple[Any, tuple[ColumnElement[bool], ...]]]:
    """Return of each state but `kept` where it stands: a column of exhibits, and what makes it."""
    return {
        "erased": (Exhibit.id, (Exhibit.erased_at.is_not(None),)),
        "privileged": (Privilege.exhibit_id, (Privilege.state.in_(("possible", "confirmed")),)),
        "hold": (Hold.exhibit_id, (Hold.released_at.is_(None),)),
        "disclosed": (Disclosed.exhibit_id, (_own_case(scope),)),
        "copies-out": (WorkingCopy.exhibit_id, (WorkingCopy.out > 0,)),
        "in-transfer": (Transfer.exhibit_id, (Transfer.state.in_(WAITING),)),
        "transferred": (Transfer.exhibit_id, (Transfer.state == "received",)),
        "quarantined": (Quarantined.exhibit_id, ()),
    }


def states(scope: Scope) -> dict[str, ColumnElement[bool]]:
    """Return, as conditions on rows of `SearchExhibit`, what may be so of an exhibit."""
    found: dict[str, ColumnElement[bool]] = {
        name: exists().where(column == SearchExhibit.exhibit_id, *so).correlate(SearchExhibit)
        for name, (column, so) in _states(scope).items()
    }
    return {"kept": not_(found["erased"]), **found}


def states_of(session: Session, scope: Scope, exhibits: Sequence[str]) -> dict[str, set[str]]:
    """Return what of it is so of each of some exhibits, by id: one question about all of them."""
    asked: BindParameter[Sequence[str]] = bindparam("ids", type_=Many())
    some = [
        select(literal(name), column).where(among(column, asked), *so)
        for name, (column, so) in _states(scope).items()
    ]
    found: dict[str, set[str]] = {one: set() for one in exhibits}
    for name, exhibit in session.execute(union_all(*some), {"ids": exhibits}).all():
        found[exhibit].add(name)
    for said in found.values():
        if "erased" not in said:
            said.add("kept")
    return found


def _own_case(scope: Scope) -> ColumnElement[bool]:
    """Return whether a disclosure was in a case that the asker takes part in."""
    person = scope.caller.person
    granted = select(Grant.case_id).where(
        Grant.person_id == person.id, or_(Grant.until.is_(None), Grant.until > scope.now)
    )
    mine = Disclosed.case_id.in_(granted)
    if person.role not in EVERYWHERE:
        return mine
    governed = select(Case.id)
    if person.organisation is not None:
        governed = governed.where(Case.organisation == person.organisation)
    return or_(mine, Disclosed.case_id.in_(governed))


def holds(scope: Scope, field: str, value: str) -> ColumnElement[bool]:
    """Return whether a field of `grammar.VALUES` is so, as a condition on rows."""
    if field == "state":
        return states(scope)[value]
    marking = SEALED if field == "seal" else value
    said = exists().where(
        Marking.subject.in_(
            (SearchExhibit.exhibit_id, SearchExhibit.submission_id, SearchExhibit.case_id)
        ),
        _MARKINGS[marking],
    )
    return not_(said) if (field, value) == ("seal", "no") else said


def few(session: Session, scope: Scope, field: str, value: str, most: int) -> list[str] | None:
    """Return the exhibits for which a field of `grammar.VALUES` is so, if they are few.

    None: there are more than `most`, or it is so of whatever nothing was said of.
    """
    if (field, value) in (("state", "kept"), ("seal", "no")):
        return None
    if field == "state":
        column, so = _states(scope)[value]
        found = set(session.scalars(select(column).where(*so).limit(most + 1)).all())
        return None if len(found) > most else sorted(found)
    said = _MARKINGS[SEALED if field == "seal" else value]
    subjects = session.scalars(select(Marking.subject).where(said).limit(most + 1)).all()
    if len(subjects) > most or session.scalar(
        select(Case.id).where(among(Case.id, subjects)).limit(1)
    ):
        return None  # of a whole case it is so of all that is in it
    found = set(session.scalars(select(Exhibit.id).where(among(Exhibit.id, subjects))).all())
    handed = session.scalars(select(Submission.id).where(among(Submission.id, subjects))).all()
    if handed:
        of_them = select(Exhibit.id).where(among(Exhibit.submission_id, handed)).limit(most + 1)
        found.update(session.scalars(of_them).all())
    return None if len(found) > most else sorted(found)


def markings_of(session: Session, subjects: Collection[str]) -> dict[str, set[str]]:
    """Return what is marked of exhibits, submissions and cases, by id."""
    columns = [one.label(f"is_{n}") for n, one in enumerate(_MARKINGS.values())]
    query = select(Marking.subject, *columns).where(among(Marking.subject, sorted(subjects)))
    return {
        subject: {name for name, holds in zip(_MARKINGS, said, strict=True) if holds}
        for subject, *said in session.execute(query)
    }
