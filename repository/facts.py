"""What the database knows for `access.decide`: few questions, each built once, all by an index.

A question costs most in being put together (SQLAlchemy) and in its way to the database, so they are
made when the module is loaded, and what belongs to one case is asked in one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Select,
    and_,
    bindparam,
    cast,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from repository.access import Held
from repository.agreed import Consent
from repository.columns import Many, among
from repository.conditions import Marking
from repository.derivations import Derivation
from repository.models import Case, ChildExhibit, Exhibit, Grant, Submission
from repository.naming import split_number
from repository.proceedings import Association, Privilege
from repository.rules import Approval, ConsentSubject, Disclosed
from repository.rules import Consent as ConsentRow
from repository.rules import Marking as MarkingRow

Permitted = dict[str, dict[str, datetime]]  # subject -> act -> until when

_PERSON: BindParameter[str] = bindparam("person")
_IDS: BindParameter[Sequence[str]] = bindparam("ids", type_=Many())
_EFFECT = and_(
    Approval.requested_by == _PERSON, Approval.state == "approved", Approval.until.is_not(None)
)
_GRANT = and_(Grant.case_id == Case.id, Grant.person_id == _PERSON)
_CASES = (
    select(
        Case, Grant.role, Grant.party, Grant.until, MarkingRow.marking, Approval.act,
        Approval.until.label("permitted"),
    )
    .outerjoin(Grant, _GRANT)
    .outerjoin(MarkingRow, MarkingRow.subject == Case.id)
    .outerjoin(Approval, and_(Approval.subject == Case.id, _EFFECT))
)  # fmt: skip
CASE = _CASES.where(Case.code == bindparam("code"))
CASES_HELD = _CASES.where(Grant.role.is_not(None))
EXHIBIT = (
    select(Exhibit, Case, Grant.role, Grant.party, Grant.until)
    .join(Case, Case.id == Exhibit.case_id)
    .outerjoin(Grant, _GRANT)
    .where(Exhibit.number == bindparam("number"))
)
GRANTS = select(Grant.role, Grant.party, Grant.until).where(
    Grant.case_id == bindparam("case"), Grant.person_id == _PERSON
)
MARKINGS = select(MarkingRow.subject, MarkingRow.marking).where(among(MarkingRow.subject, _IDS))
PERMITTED = select(Approval.subject, Approval.act, Approval.until).where(
    among(Approval.subject, _IDS), _EFFECT
)
CONSENTS = (
    select(
        ConsentSubject.subject, ConsentRow.owner, ConsentRow.recipient, ConsentRow.purpose,
        ConsentRow.until, ConsentRow.state,
    )
    .join(ConsentRow, ConsentRow.id == ConsentSubject.consent_id)
    .where(among(ConsentSubject.subject, _IDS), ConsentRow.state.in_(("given", "withdrawn")))
)  # fmt: skip
_CLOSED = Privilege.state.in_(("possible", "confirmed"))
PRIVILEGED = select(Privilege.exhibit_id, Privilege.member).where(
    among(Privilege.exhibit_id, _IDS), _CLOSED
)
PATHS = select(Exhibit.id, Exhibit.path).where(among(Exhibit.id, _IDS))
_DERIVED = Derivation.exhibit_id == ChildExhibit.exhibit_id
_INHERITS = Derivation.own.is_not(True)
PARENTS = (
    select(ChildExhibit.exhibit_id, ChildExhibit.parent_id)
    .outerjoin(Derivation, _DERIVED)
    .where(among(ChildExhibit.exhibit_id, _IDS), _INHERITS)
)


def _kind(what: str, subject: Any, **said: Any) -> Select[*tuple[Any, ...]]:
    """Return one kind of what is said of subjects, in the columns that all kinds share."""
    empty = {name: cast(null(), like.type) for name, like in _SHARED.items()}
    columns = [(said.get(name, one)).label(name) for name, one in empty.items()]
    return select(literal(what).label("what"), subject.label("subject"), *columns).where(
        among(subject, _IDS)
    )


_SHARED = {
    "of": MarkingRow.subject, "role": Grant.role, "party": Grant.party, "until": Approval.until,
    "marking": MarkingRow.marking,
}  # fmt: skip
_HELD = and_(Grant.case_id == Association.case_id, Grant.person_id == _PERSON)
SAID = union_all(
    _kind("marking", MarkingRow.subject, marking=MarkingRow.marking),
    _kind("permitted", Approval.subject, of=Approval.act, until=Approval.until).where(_EFFECT),
    _kind("submitter", Submission.id, of=Submission.person_id),
    _kind("party", Disclosed.exhibit_id, of=Disclosed.case_id, party=Disclosed.party),
    _kind(
        "associated", Association.exhibit_id,
        of=Association.case_id, role=Grant.role, party=Grant.party, until=Grant.until,
    ).join(Grant, _HELD),
    _kind("privileged", Privilege.exhibit_id, of=Privilege.member).where(_CLOSED),
    _kind("parent", ChildExhibit.exhibit_id, of=ChildExhibit.parent_id)
    .outerjoin(Derivation, _DERIVED)
    .where(_INHERITS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OfCase:
    """A case, what a person was granted on it, and what was said about it."""

    case: Case
    held: tuple[Held, ...]
    marking: Marking | None
    permitted: dict[str, datetime]


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of cases, submissions and exhibits, by their ids."""

    markings: dict[str, Marking] = field(default_factory=dict)
    permitted: Permitted = field(default_factory=dict)
    submitters: dict[str, str] = field(default_factory=dict)
    parties: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # in which case, to whom
    associated: dict[str, list[tuple[str, Held]]] = field(default_factory=dict)  # further cases
    privileged: dict[str, list[str]] = field(default_factory=dict)  # paths in an exhibit
    parents: dict[str, str] = field(default_factory=dict)  # whose markings they inherit

    def read(self, session: Session, ids: Sequence[str], person: str) -> "Said":
        """Learn, in one question, what is said of more, with what somebody was granted of it."""
        for row in session.execute(SAID, {"ids": ids, "person": person}).all():
            match row.what:
                case "marking":
                    self.markings[row.subject] = Marking.from_json(row.marking)
                case "permitted":
                    _permit(self.permitted, row.subject, row.of, row.until)
                case "submitter":
                    self.submitters[row.subject] = row.of
                case "party":
                    self.parties.setdefault(row.subject, set()).add((row.of, row.party))
                case "associated":
                    held = Held(row.role, row.party, row.until)
                    self.associated.setdefault(row.subject, []).append((row.of, held))
                case "privileged":
                    self.privileged.setdefault(row.subject, []).append(row.of)
                case "parent":
                    self.parents[row.subject] = row.of
        return self


def of_code(session: Session, code: str, person: str) -> OfCase | None:
    """Return the case of a code and all that is known of it for a person, or None: one question."""
    found = _of_cases(session.execute(CASE, {"code": code, "person": person}).all())
    return found[0] if found else None


def of_cases(session: Session, person: str, *, every: bool) -> list[OfCase]:
    """Return the same of the cases that a person takes part in, or of all: one question."""
    return _of_cases(session.execute(_CASES if every else CASES_HELD, {"person": person}).all())


def _of_cases(rows: Sequence[Any]) -> list[OfCase]:
    by_case: dict[str, list[Any]] = {}
    for row in rows:
        by_case.setdefault(row[0].id, []).append(row)
    found = []
    for some in by_case.values():
        marked, permitted = some[0].marking, Permitted()
        for row in some:
            if row.permitted is not None:
                _permit(permitted, row[0].id, row.act, row.permitted)
        marking = None if marked is None else Marking.from_json(marked)
        found.append(OfCase(some[0][0], _held(some), marking, permitted.get(some[0][0].id, {})))
    return found


def of_number(
    session: Session, number: str, person: str
) -> tuple[Exhibit, Case, tuple[Held, ...]] | None:
    """Return the exhibit of a number, its case, and what a person was granted on that, or None."""
    if split_number(number) is None:
        return None
    rows = session.execute(EXHIBIT, {"number": number, "person": person}).all()
    return (rows[0][0], rows[0][1], _held(rows)) if rows else None


def _held(rows: Sequence[Any]) -> tuple[Held, ...]:
    """Return the grants of rows, each once: rows repeat them for whatever else they join."""
    return tuple(
        dict.fromkeys(Held(row.role, row.party, row.until) for row in rows if row.role is not None)
    )


def granted(session: Session, case: str, person: str) -> tuple[Held, ...]:
    """Return what a person was granted on a case."""
    return _held(session.execute(GRANTS, {"case": case, "person": person}).all())


def markings(session: Session, ids: Sequence[str]) -> dict[str, Marking]:
    """Return the markings of cases, submissions and exhibits that have one, by id."""
    rows = session.execute(MARKINGS, {"ids": ids})
    return {row.subject: Marking.from_json(row.marking) for row in rows}


def permitted(session: Session, ids: Sequence[str], person: str) -> Permitted:
    """Return what two persons permitted to somebody on these subjects, and until when."""
    found: Permitted = {}
    for row in session.execute(PERMITTED, {"ids": ids, "person": person}):
        _permit(found, row.subject, row.act, row.until)
    return found


def _permit(found: Permitted, subject: str, act: str, until: datetime) -> None:
    acts = found.setdefault(subject, {})
    acts[act] = max(until, acts.get(act, until))


def consents(session: Session, ids: Sequence[str]) -> dict[str, list[Consent]]:
    """Return what owners agreed to about submissions and exhibits, in force or not."""
    found: dict[str, list[Consent]] = {}
    for row in session.execute(CONSENTS, {"ids": ids}):
        one = Consent(row.owner, row.recipient, row.purpose, row.until, row.state == "withdrawn")
        found.setdefault(row.subject, []).append(one)
    return found


def lines(
    session: Session, ids: Sequence[str], known: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Return what exhibits were taken out or made of, up to the root: they inherit its markings.

    What was agreed to be handled on its own marking inherits none. `known` is what each of them
    was taken out of, where that has been asked.
    """
    parents = dict(known or {})
    wanted = set(ids) if known is None else set(parents.values()) - set(ids)
    while wanted:
        rows = session.execute(PARENTS, {"ids": sorted(wanted)})
        found = {row.exhibit_id: row.parent_id for row in rows}
        parents |= found
        wanted = set(found.values()) - parents.keys()
    found_lines: dict[str, list[str]] = {}
    for one in ids:
        line, child = found_lines.setdefault(one, []), one
        while child in parents:
            child = parents[child]
            line.append(child)
    return found_lines


def closed_in(
    session: Session,
    lines: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, set[str]]:
    """Return what may be privileged in exhibits, as paths in each; empty for all of it.

    Args:
        session: a session.
        lines: the exhibits, with what each was taken out of, up to the root.
        known: what was named in any of these as possibly privileged, where that has been asked.
    """
    if known == {}:
        return {}
    every = sorted({*lines, *(one for up in lines.values() for one in up)})
    closed: dict[str, list[str]] = {id_: list(members) for id_, members in (known or {}).items()}
    if known is None:
        for row in session.execute(PRIVILEGED, {"ids": every}):
            closed.setdefault(row.exhibit_id, []).append(row.member)
    if not closed:
        return {}
    names = {
        row.id: bytes(row.path).decode("utf-8", "backslashreplace")
        for row in session.execute(PATHS, {"ids": every})
    }
    found: dict[str, set[str]] = {}
    for one, up in lines.items():
        path = ""  # of the exhibit, in what is looked at
        for above in (one, *up):
            for member in closed.get(above, ()):
                if not path:
                    found.setdefault(one, set()).add(member)
                elif not member or within(path, member):
                    found.setdefault(one, set()).add("")
                elif within(member, path):
                    found.setdefault(one, set()).add(member.removeprefix(f"{path}!/"))
            path = f"{names[above]}!/{path}" if path else names[above]
    return found


def within(path: str, member: str) -> bool:
    """Say whether a path in a container is a member, or is in it."""
    return path == member or path.startswith(f"{member}!/")
