"""The disclosure register: one row for each exhibit of a proceeding, and the warnings it carries.

What was reviewed, by whom and under which rule; to whom it was disclosed, in which form; what is
withheld and why. Each change is an entry. The list has a row for every number that was given, so
that nothing is missing from it unseen, and the entry about a look at it has its digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Draft, timestamp
from repository import Repository
from repository.access import Right, Thing, kept_by_provider
from repository.associations import is_in, known_associated
from repository.authorise import Caller, of_exhibits, on_case, on_exhibit, refuse
from repository.consents import request_within
from repository.consult import consulted, known
from repository.errors import BadRequest
from repository.exhibits import exhibits_of, ref
from repository.marking import Subject, together
from repository.models import Case, Exhibit, Person
from repository.naming import exhibit_number
from repository.proceedings import Review
from repository.purpose import Purpose
from repository.rules import Consent, ConsentSubject, Disclosed
from repository.stated import stated_motive

CLASSIFICATIONS = (
    "incriminating", "potentially-exculpatory", "rule-77", "lead-only", "other", "not-reviewed",
)  # fmt: skip
WARNING = "potentially exculpatory, provider forbids"
NOT_SHOWN = "not-shown"  # of a number that was given and that the caller may not know more of
MAX_TEXT = 2_000
MAX_REDACTIONS = 100
_TOGETHER = 2_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer says of an exhibit in a proceeding."""

    classification: str
    rule: str | None = None  # under which it is disclosed, or is not
    withheld: str | None = None  # why, in words; None: it is not withheld
    redactions: tuple[tuple[str, str], ...] = ()  # code and basis of each

    def to_json(self) -> dict[str, Any]:
        """Return it as entries and programs have it."""
        return {
            "classification": self.classification,
            "rule": self.rule,
            "withheld": self.withheld,
            "redactions": [{"code": code, "basis": basis} for code, basis in self.redactions],
        }


# Where a row stands: first those of the case itself, under no code, then those of other cases.
Place = tuple[str, int]
START: Place = ("", 0)


@dataclass(frozen=True, slots=True)
class Register:
    """Rows of a proceeding's register, how many of what they are, and their digest on record."""

    case: str
    rows: list[dict[str, Any]]
    digest: str
    counts: dict[str, int] = field(default_factory=dict)
    following: Place | None = None  # after which place there is more

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            "case": self.case,
            "count": len(self.rows),
            "digest": self.digest,
            "counts": self.counts,
            "items": self.rows,
        }


def review(
    repo: Repository, caller: Caller, number: str, code: str, said: Judgement, *, motive: str
) -> dict[str, Any]:
    """Classify an exhibit in a proceeding, and return its row.

    What is potentially exculpatory and kept by its provider has its owners asked at once.

    Raises:
        UnknownExhibit, UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive or no reason for withholding (recorded), another word, another case.
    """
    actor, case, exhibit = on_exhibit(repo, caller, Right.REVIEW, number, attempted=Act.ANNOTATION)
    _, proceeding = on_case(repo, caller, Right.REVIEW, code, attempted=Act.ANNOTATION)
    stated_motive(repo, caller, motive, Act.ANNOTATION, case=case, exhibit=exhibit)
    try:
        _check(said)
    except BadRequest as error:
        refuse(repo, caller, Act.ANNOTATION, ["bad-request"], error, case=case, exhibit=exhibit)
    at = repo.clock()
    with repo.database.writing() as session:
        take_lock(session)
        if not is_in(session, exhibit, proceeding):
            raise BadRequest(f"{exhibit.number} does not belong to the case {proceeding.code}")
        row = session.get(Review, (exhibit.id, proceeding.id))
        before = row.said if row else None
        if before != said.to_json():
            if row is None:
                row = Review(exhibit_id=exhibit.id, case_id=proceeding.id, index=-1)
                session.add(row)
            row.said, row.reviewer, row.at = said.to_json(), actor.id, at
            session.flush()
            draft = Draft(
                Act.ANNOTATION,
                actor,
                reason="disclosure-review",
                exhibit=ref(exhibit),
                withheld={
                    "case": proceeding.code,
                    "motive": motive,
                    "detail": {**said.to_json(), "before": before},
                },
            )
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
        [thing] = of_exhibits(session, caller, case, [exhibit])
        if said.classification == "potentially-exculpatory" and barred(repo, thing):
            request_within(
                repo, session, actor, [Subject(exhibit.id, exhibit.number, case, exhibit)],
                recipient="defence", purpose="disclosure", until=None,
                motive=f"{WARNING}: {motive}",
            )  # fmt: skip
        [found] = _rows(repo, session, proceeding, [(exhibit, thing)])
    return found


def register(
    repo: Repository, caller: Caller, code: str, *, after: Place = START, limit: int | None = None
) -> Register:
    """Return the register of a proceeding after a place; recorded with its count and digest.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=Act.CONSULTATION)
    home, serial = after
    with repo.database.reading() as session:
        case = session.get_one(Case, case.id)
        left = range(serial + 1, case.exhibits + 1) if not home else range(0)
        own = left[:limit]
        rows = _own_rows(repo, session, caller, case, own)
        following = ("", own[-1]) if len(own) < len(left) else None
        if following is None:
            room = None if limit is None else limit - len(rows)
            others = [
                one
                for one in known_associated(repo, session, caller, case)
                if not home or _place(one) > after
            ]
            for exhibit in others[:room]:
                origin = session.get_one(Case, exhibit.case_id)
                [thing] = of_exhibits(session, caller, origin, [exhibit])
                rows += _rows(repo, session, case, [(exhibit, thing)])
            if room is not None and len(others) > room:
                following = _place(others[room - 1]) if room else ("", case.exhibits)
    digest = consulted(repo, actor, rows, "disclosure-register", case=case)
    return Register(case.code, rows, digest, counted(rows), following)


def _place(exhibit: Exhibit) -> Place:
    return exhibit.number.partition("-")[0], exhibit.serial


def _own_rows(
    repo: Repository, session: Session, caller: Caller, case: Case, serials: range
) -> list[dict[str, Any]]:
    """Return a row for each number of a case: that one was given is nobody's secret."""
    rows: list[dict[str, Any]] = []
    for start in range(0, len(serials), _TOGETHER):
        some = serials[start : start + _TOGETHER]
        exhibits = exhibits_of(session, case, after=some[0] - 1, limit=len(some))
        shown = known(repo, session, caller, case, exhibits)
        things = of_exhibits(session, caller, case, shown) if shown else []
        made = _rows(repo, session, case, list(zip(shown, things, strict=True)))
        by_number = {one["exhibit"]: one for one in made}
        numbers = [exhibit_number(case.code, n) for n in some]
        rows += [by_number.get(number) or _unseen(number) for number in numbers]
    return rows


def counted(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return how many rows are of each classification, withheld, disclosed, warned of."""
    found = {"all": len(rows)}
    for row in rows:
        name = row["classification"]
        found[name] = found.get(name, 0) + 1
    found["withheld"] = sum(row["withheld"] is not None for row in rows)
    found["disclosed"] = sum(bool(row["disclosed"]) for row in rows)
    found["warnings"] = sum(row["warning"] is not None for row in rows)
    return found


def summary(session: Session, case: Case) -> dict[str, int]:
    """Return the counts of a proceeding's register for the entry of an export: no names."""
    reviews = list(session.scalars(select(Review).where(Review.case_id == case.id)))
    found = {"exhibits": session.get_one(Case, case.id).exhibits, "reviewed": 0, "withheld": 0}
    for row in reviews:
        found["reviewed"] += row.said["classification"] != "not-reviewed"
        found["withheld"] += row.said["withheld"] is not None
    return found


def barred(repo: Repository, thing: Thing) -> list[str]:
    """Return what keeps an exhibit from the defence, if no consent for any party of it helps."""
    now, found = repo.clock(), []
    for recipient in (None, *(one.recipient for one in thing.consents)):
        purpose = Purpose("disclosure", "", recipient=recipient)
        against = kept_by_provider(thing, purpose, now)
        if not against:
            return []
        found += against
    return list(dict.fromkeys(found))


def _rows(
    repo: Repository, session: Session, case: Case, pairs: Sequence[tuple[Exhibit, Thing]]
) -> list[dict[str, Any]]:
    ids = [exhibit.id for exhibit, _ in pairs]
    reviews = select(Review).where(Review.case_id == case.id, Review.exhibit_id.in_(ids))
    reviewed = {row.exhibit_id: row for row in session.scalars(reviews)}
    names = select(Person.id, Person.name).where(
        Person.id.in_({row.reviewer for row in reviewed.values()})
    )
    people = {row.id: row.name for row in session.execute(names)}
    given: dict[str, list[Disclosed]] = {}
    disclosed = select(Disclosed).where(Disclosed.case_id == case.id, Disclosed.exhibit_id.in_(ids))
    for one in session.scalars(disclosed.order_by(Disclosed.at, Disclosed.party)):
        given.setdefault(one.exhibit_id, []).append(one)
    asked: dict[str, list[dict[str, Any]]] = {}
    consents = (
        select(ConsentSubject.subject, Consent)
        .join(Consent, Consent.id == ConsentSubject.consent_id)
        .where(ConsentSubject.subject.in_(ids))
        .order_by(Consent.requested_at)
    )
    for subject, consent in session.execute(consents):
        asked.setdefault(subject, []).append({"consent": consent.id, "state": consent.state})
    found = []
    for exhibit, thing in pairs:
        row = reviewed.get(exhibit.id)
        said = row.said if row else Judgement("not-reviewed").to_json()
        against = barred(repo, thing)
        exculpatory = said["classification"] == "potentially-exculpatory"
        found.append(
            {
                "exhibit": exhibit.number,
                **said,
                "reviewer": people.get(row.reviewer) if row else None,
                "reviewed_at": timestamp(row.at) if row else None,
                "disclosed": [_disclosed(one) for one in given.get(exhibit.id, ())],
                "conditions": together(thing.markings),
                "barred": against,
                "warning": WARNING if exculpatory and against else None,
                "consents": asked.get(exhibit.id, []),
                "erased_at": timestamp(exhibit.erased_at) if exhibit.erased_at else None,
            }
        )
    return found


def _disclosed(row: Disclosed) -> dict[str, Any]:
    return {
        "party": row.party,
        "form": row.form,
        "at": timestamp(row.at),
        "acknowledged_at": timestamp(row.acknowledged_at) if row.acknowledged_at else None,
        "entry": row.index,
    }


def _unseen(number: str) -> dict[str, Any]:
    """Return the row of a number that was given and of which the caller may not know more."""
    said = Judgement(NOT_SHOWN).to_json()
    return {
        "exhibit": number, **said, "reviewer": None, "reviewed_at": None, "disclosed": [],
        "conditions": {}, "barred": [], "warning": None, "consents": [], "erased_at": None,
    }  # fmt: skip


def _check(said: Judgement) -> None:
    if said.classification not in CLASSIFICATIONS:
        raise BadRequest(f"a classification is one of {', '.join(CLASSIFICATIONS)}")
    texts = [said.rule, said.withheld, *(one for pair in said.redactions for one in pair)]
    for text in texts:
        if text is not None and not (text.strip() and len(text) <= MAX_TEXT):
            raise BadRequest(
                f"rule, reason for withholding, code and basis have 1 to {MAX_TEXT} characters"
            )
    if len(said.redactions) > MAX_REDACTIONS:
        raise BadRequest(f"at most {MAX_REDACTIONS} redactions are listed")
