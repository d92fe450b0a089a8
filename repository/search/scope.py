"""Of which exhibits somebody may know, and of whose facts: `decide`, asked as seldom as possible.

Within a case `decide` says the same of all exhibits that nothing was said of: no marking of theirs,
their submission or what they were taken out of, no disclosure, further case, consent or permission.
So it is asked once for a case about such an exhibit (`Scope.plain`), and one by one about all
others (`Scope.levels`), which the database names (`special`). `test_search` compares with
`decide` on every exhibit.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    bindparam,
    exists,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.orm import Session

from repository import facts
from repository.access import ALLOWED, EVERYWHERE, Held, Right, Thing, Who, decide
from repository.authorise import Caller, of_exhibits
from repository.columns import Many, among
from repository.models import Case, ChildExhibit, Exhibit, Grant, Submission
from repository.proceedings import Association, Privilege
from repository.rules import Approval, ConsentSubject, Disclosed, Marking
from repository.search.tables import SearchExhibit
from repository.search.tokens import FACTS, OPEN, TEAM

_Row = Row[int, str, str, str]  # of search: number, exhibit, case and submission


class _Asked(NamedTuple):
    """An exhibit that is decided about by itself."""

    id: str
    submission_id: str
    case_id: str


@dataclass(slots=True)
class Scope:
    """What somebody may know, at one moment."""

    caller: Caller
    now: datetime
    cases: dict[str, Case]  # those that somebody takes part in, by id
    asking: dict[str, Who]  # as whom, in each
    plain: dict[str, str | None] = field(default_factory=dict)  # what may be known of a plain one
    _asked: CompoundSelect[str] | None = None

    @classmethod
    def of(cls, session: Session, caller: Caller, now: datetime) -> "Scope":
        """Return the scope of somebody, from a few questions to the database."""
        person = caller.person
        found = facts.of_cases(session, person.id, every=person.role in EVERYWHERE)
        cases = {one.case.id: one.case for one in found}
        scope = cls(caller, now, cases, {one.case.id: _who(caller, one.held) for one in found})
        for one in found:
            thing = Thing(
                "exhibit",
                organisation=one.case.organisation,
                markings=() if one.marking is None else (one.marking,),
                permitted=one.permitted,
            )
            scope.plain[one.case.id] = _level(scope.asking[one.case.id], thing, now)
        return scope

    @property
    def everywhere(self) -> bool:
        """Say whether all cases are somebody's to know of."""
        return self.caller.person.role in EVERYWHERE

    @property
    def levels_of_roles(self) -> list[str]:
        """Return how much somebody may know of any exhibit, by the roles they have anywhere."""
        roles = {one.role for who in self.asking.values() for one in who.held}
        roles.add(self.caller.person.role)
        team, facts = ALLOWED[Right.ANNOTATE], ALLOWED[Right.FACTS]
        return [
            *([TEAM] if roles & team else []),
            *([FACTS] if roles & (facts - team) else []),
            OPEN,
        ]

    def codes(self, cases: Sequence[str]) -> list[str]:
        """Return the codes of cases."""
        return [self.cases[one].code for one in cases]

    def plainly(self, level: str) -> list[str]:
        """Return the cases of whose plain exhibits so much may be known, and no more."""
        return sorted(id_ for id_, found in self.plain.items() if found == level)

    @property
    def _own(self) -> bool:
        """Say whether somebody may know of exhibits because they handed them over."""
        roles = {one.role for who in self.asking.values() for one in who.held}
        return "submitter" in roles | {self.caller.person.role}

    @property
    def _reviews(self) -> bool:
        """Say whether somebody judges what may be privileged."""
        return any(one.role == "reviewer" for who in self.asking.values() for one in who.held)

    @property
    def _parties(self) -> list[str]:
        return sorted({one.party for who in self.asking.values() for one in who.held if one.party})

    def _said(self) -> list[tuple[Any, str, tuple[ColumnElement[bool], ...]]]:
        """Return where something is said of exhibits or their submissions, and what of it counts.

        Each is a column, of which ids it is, and conditions.
        """
        person = self.caller.person.id
        found: list[tuple[Any, str, tuple[ColumnElement[bool], ...]]] = [
            (Marking.subject, "either", ()),
            (ChildExhibit.exhibit_id, "exhibit", ()),
            (Privilege.exhibit_id, "exhibit", ()),
            (ConsentSubject.subject, "either", ()),
            (Approval.subject, "either",
             (Approval.requested_by == person, Approval.state == "approved")),
            (Association.exhibit_id, "exhibit", (self._further(),)),
        ]  # fmt: skip
        if self._parties:
            counts = (Disclosed.party.in_(self._parties),)
            found.append((Disclosed.exhibit_id, "exhibit", counts))
        if self._own:
            found.append((Submission.id, "submission", (Submission.person_id == person,)))
        return found

    def special(self, exhibit: Any, submission: Any) -> ColumnElement[bool]:
        """Return whether something was said of an exhibit, for which `decide` is asked about it."""
        ids = {"exhibit": [exhibit], "submission": [submission], "either": [exhibit, submission]}
        return or_(
            *(exists().where(column.in_(ids[of]), *counts) for column, of, counts in self._said())
        )

    def specials(
        self, session: Session, exhibits: Collection[str], submissions: Collection[str]
    ) -> set[str]:
        """Return of which exhibits and submissions something was said, as `special` has it.

        One question with all of them: asked of each row, PostgreSQL reads whole tables for it.
        """
        ids = {"exhibit": sorted(exhibits), "submission": sorted(submissions)}
        ids["either"] = ids["exhibit"] + ids["submission"]
        if self._asked is None:  # put together once: to do that costs as much as to answer it
            self._asked = union_all(*(
                select(column).where(among(column, bindparam(of, type_=Many())), *counts)
                for column, of, counts in self._said()
            ))  # fmt: skip
        return set(session.scalars(self._asked, ids))

    def _further(self) -> ColumnElement[bool]:
        """Return whether a further case is one that somebody takes part in."""
        mine = select(Grant.case_id).where(Grant.person_id == self.caller.person.id)
        return Association.case_id.in_(mine)

    def _associated(self, exhibit: Any) -> ColumnElement[bool]:
        return exists().where(Association.exhibit_id == exhibit, self._further())

    def elsewhere(self, session: Session) -> Select[Any] | None:
        """Return which rows of search may be known beside cases of whose plain exhibits one knows.

        There somebody is told only of what was said to be theirs: handed over, disclosed,
        permitted, associated with a case of theirs, or for an independent reviewer to judge; None
        where there is no such exhibit. Of each it is still to be decided.
        """
        person = self.caller.person.id
        permitted = select(Approval.subject).where(
            Approval.requested_by == person, Approval.state == "approved"
        )
        mine = select(Grant.case_id).where(Grant.person_id == person)
        of_submissions = select(Exhibit.id).where(Exhibit.submission_id.in_(permitted))
        associated = select(Association.exhibit_id).where(Association.case_id.in_(mine))
        # What there has to be of each, and the exhibits that follow from it.
        ways: list[tuple[Select[Any], list[Select[Any]]]] = [
            (permitted, [permitted, of_submissions]), (associated, [associated]),
        ]  # fmt: skip
        others = sorted(id_ for id_, level in self.plain.items() if level is None)
        if others and self._parties:
            disclosed = select(Disclosed.exhibit_id).where(Disclosed.party.in_(self._parties))
            ways.append((disclosed, [disclosed]))
        if others and self._own:
            handed = select(Submission.id).where(Submission.person_id == person)
            ways.append((handed, [select(Exhibit.id).where(Exhibit.submission_id.in_(handed))]))
        if others and self._reviews:
            ways += [(one, [one]) for one in (
                select(Privilege.exhibit_id), select(ChildExhibit.exhibit_id)
            )]  # fmt: skip
        # Most of them hold nothing; rows of search are looked up by those that do, never read over.
        there = session.execute(select(*(needed.exists() for needed, _ in ways))).one()
        ids = [one for (_, some), is_ in zip(ways, there, strict=True) if is_ for one in some]
        if not ids:
            return None
        row = SearchExhibit
        found = select(row.n).where(row.exhibit_id.in_(ids[0] if len(ids) == 1 else union(*ids)))
        plain = [id_ for id_, level in self.plain.items() if level is not None]
        if plain:
            found = found.where(row.case_id.not_in(plain))
        return found if session.scalar(found.limit(1)) is not None else None

    def within(self, case: Any, exhibit: Any, submission: Any, level: str) -> ColumnElement[bool]:
        """Return which exhibits may be known so far; of special ones it is still to be decided."""
        others = sorted(set(self.plain) - set(self.plainly(level)))
        found = [case.in_(self.plainly(level)), self._associated(exhibit)]
        if others:
            found.append(case.in_(others) & self.special(exhibit, submission))
        return or_(*found)

    def levels(self, session: Session, exhibits: Sequence[str]) -> dict[str, str | None]:
        """Return what may be known of exhibits: one of `LEVELS`, or nothing at all."""
        query = select(Exhibit.id, Exhibit.submission_id, Exhibit.case_id)
        rows = session.execute(query.where(among(Exhibit.id, exhibits)))
        return self._levels(session, [_Asked(*row) for row in rows])

    def _levels(self, session: Session, exhibits: Sequence["_Asked"]) -> dict[str, str | None]:
        by_case: dict[str, list[_Asked]] = {}
        for one in exhibits:
            by_case.setdefault(one.case_id, []).append(one)
        found: dict[str, str | None] = {}
        for id_, of_it in by_case.items():
            case = self.cases.get(id_) or session.get_one(Case, id_)
            asking = self.asking.get(id_) or _who(self.caller, ())
            things = of_exhibits(session, self.caller, case, of_it)
            alike: dict[int, str | None] = {}  # `decide` is asked once of those that are one thing
            for row, thing in zip(of_it, things, strict=True):
                if id(thing) not in alike:
                    alike[id(thing)] = _level(asking, thing, self.now)
                found[row.id] = alike[id(thing)]
        return found

    def of_rows(self, session: Session, rows: Sequence[_Row]) -> dict[str, str | None]:
        """Return what may be known of the exhibits of rows of search, as `levels`."""
        plain = self.plain
        found = {exhibit: plain.get(case) for _, exhibit, case, _ in rows}
        if not rows:
            return found
        said = self.specials(session, found, {submission for _, _, _, submission in rows})
        if said:
            special = [
                _Asked(id_, of, case) for _, id_, case, of in rows if id_ in said or of in said
            ]
            found |= self._levels(session, special)
        return found


def _who(caller: Caller, held: Sequence[Held]) -> Who:
    person = caller.person
    return Who(
        person.id, person.role, person.organisation, tuple(held), person.ended_at,
        only=caller.only, recent_until=caller.recent_until,
    )  # fmt: skip


def _level(asking: Who, thing: Thing, now: datetime) -> str | None:
    if not decide(asking, Right.CONSULT, thing, None, now).allowed:
        return None
    if not decide(asking, Right.FACTS, thing, None, now).allowed:
        return OPEN
    return TEAM if decide(asking, Right.ANNOTATE, thing, None, now).allowed else FACTS
