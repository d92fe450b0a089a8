"""The disclosure register: one row for each exhibit of a proceeding, and the warnings it carries.

What was reviewed, by whom and under which rule; to whom it was disclosed, in which form; what is
withheld and why. Each change is an entry. The list has a row for every number that was given, so
that nothing is missing from it unseen, and the entry about a look at it has its digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, timestamp
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
from repository.numbered import cited
from repository.proceedings import Review, SecondReview
from repository.purpose import Purpose
from repository.review_bulk import Looked, entry_about
from repository.review_rule import asks_second
from repository.rules import Consent, ConsentSubject, Disclosed
from repository.stated import stated_motive

CLASSIFICATIONS = (
    "incriminating", "potentially-exculpatory", "rule-77", "lead-only", "other", "not-reviewed",
)  # fmt: skip
WARNED = "potentially-exculpatory"
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

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Judgement":
        """Return a judgement that was kept."""
        pairs = tuple((one["code"], one["basis"]) for one in found["redactions"])
        return cls(found["classification"], found["rule"], found["withheld"], pairs)


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
    repo: Repository,
    caller: Caller,
    number: str,
    code: str,
    said: Judgement,
    *,
    motive: str,
    second: bool = False,
) -> dict[str, Any]:
    """Classify an exhibit in a proceeding, and return its row.

    What is potentially exculpatory and kept by its provider has its owners asked at once. `second`:
    it is the second review, by another person, which the proceeding asks for.

    Raises:
        UnknownExhibit, UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive or no reason for withholding (recorded), another word, another case,
            or no second review is asked for, or the first was this person's.
    """
    actor, case, exhibit = on_exhibit(repo, caller, Right.REVIEW, number, attempted=Act.ANNOTATION)
    _, proceeding = on_case(repo, caller, Right.REVIEW, code, attempted=Act.ANNOTATION)
    stated_motive(repo, caller, motive, Act.ANNOTATION, case=case, exhibit=exhibit)
    try:
        check_judgement(said)
    except BadRequest as error:
        refuse(repo, caller, Act.ANNOTATION, ["bad-request"], error, case=case, exhibit=exhibit)
    with repo.database.writing() as session:
        take_lock(session)
        if not is_in(session, exhibit, proceeding):
            raise BadRequest(f"{exhibit.number} does not belong to the case {proceeding.code}")
        [thing] = of_exhibits(session, caller, case, [exhibit])
        before = reviews_of(session, proceeding, [exhibit.id], second=second).get(exhibit.id)
        other = reviews_of(session, proceeding, [exhibit.id], second=not second).get(exhibit.id)
        proposed = Proposed(exhibit, case, thing, said, before, other, second=second)
        proposed.check(session, proceeding, caller)
        apply(repo, session, actor, proceeding, [proposed], motive=motive)
        [found] = rows_of(repo, session, proceeding, [(exhibit, thing)])
    return found


@dataclass(frozen=True, slots=True)
class Proposed:
    """A judgement of an exhibit that is to be put down, and what was said of it before."""

    exhibit: Exhibit
    home: Case
    thing: Thing
    said: Judgement
    before: Review | SecondReview | None
    other: Review | SecondReview | None  # the second review, or the first where this is the second
    second: bool = False

    def check(self, session: Session, proceeding: Case, caller: Caller) -> None:
        """Refuse a second review where none is due, and both reviews by one person.

        Raises:
            BadRequest: so it is.
        """
        first = self.other.said["classification"] if self.other is not None else "not-reviewed"
        if self.second and not asks_second(session, proceeding):
            raise BadRequest(f"{proceeding.code} asks for no second review")
        if self.second and first == "not-reviewed":
            raise BadRequest(f"{self.exhibit.number} has no first review yet")
        if self.other is not None:
            person = session.get_one(Person, self.other.reviewer)
            if person.one == caller.person.one:
                which = "first" if self.second else "second"
                raise BadRequest(
                    f"the {which} review of {self.exhibit.number} is yours; another person makes "
                    "the other one"
                )


def apply(
    repo: Repository,
    session: Session,
    actor: Actor,
    proceeding: Case,
    some: Sequence[Proposed],
    *,
    motive: str,
    request_id: str | None = None,
) -> int:
    """Put judgements down with their entries, in a transaction; return how many changed."""
    at, rows, drafts = repo.clock(), [], []
    for one in some:
        before = one.before.said if one.before is not None else None
        if before == one.said.to_json():
            continue
        row = one.before
        if row is None:
            kind = SecondReview if one.second else Review
            row = kind(exhibit_id=one.exhibit.id, case_id=proceeding.id, index=-1)
            session.add(row)
        row.said, row.reviewer, row.at = one.said.to_json(), actor.id, at
        rows.append(row)
        looked = Looked(ref(one.exhibit), one.said.to_json(), before)
        drafts.append(
            entry_about(
                actor, proceeding, looked, second=one.second, motive=motive, request_id=request_id
            )
        )
    session.flush()
    for row, entry in zip(rows, repo.ledger.append(session, drafts), strict=True):
        row.index = entry.index
    for one in some:
        if one.said.classification == WARNED and barred(repo, one.thing):
            request_within(
                repo, session, actor,
                [Subject(one.exhibit.id, one.exhibit.number, one.home, one.exhibit)],
                recipient="defence", purpose="disclosure", until=None,
                motive=f"{WARNING}: {motive}",
            )  # fmt: skip
    session.flush()
    return len(rows)


def reviews_of(
    session: Session, case: Case, ids: Sequence[str], *, second: bool
) -> dict[str, Review] | dict[str, SecondReview]:
    """Return the first or the second reviews of exhibits in a proceeding, by exhibit."""
    if second:
        seconds = select(SecondReview).where(
            SecondReview.case_id == case.id, SecondReview.exhibit_id.in_(ids)
        )
        return {row.exhibit_id: row for row in session.scalars(seconds)}
    firsts = select(Review).where(Review.case_id == case.id, Review.exhibit_id.in_(ids))
    return {row.exhibit_id: row for row in session.scalars(firsts)}


def state_of(first: Review | None, second: SecondReview | None) -> str:
    """Return how far the review of an exhibit is; `conflict`: two persons say different things."""
    if first is None or first.said["classification"] == "not-reviewed":
        return "not-reviewed"
    if second is None or second.said["classification"] == "not-reviewed":
        return "first-review"
    return "second-review" if first.said == second.said else "conflict"


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
                rows += rows_of(repo, session, case, [(exhibit, thing)])
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
        made = rows_of(repo, session, case, list(zip(shown, things, strict=True)))
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


def rows_of(
    repo: Repository, session: Session, case: Case, pairs: Sequence[tuple[Exhibit, Thing]]
) -> list[dict[str, Any]]:
    """Return the rows of exhibits in a proceeding's register; a few questions for all."""
    ids = [exhibit.id for exhibit, _ in pairs]
    reviewed: dict[str, Any] = dict(reviews_of(session, case, ids, second=False))
    seconds: dict[str, Any] = dict(reviews_of(session, case, ids, second=True))
    names = select(Person.id, Person.name).where(
        Person.id.in_({row.reviewer for row in (*reviewed.values(), *seconds.values())})
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
    numbers = cited(session, case.id, ids)
    found = []
    for exhibit, thing in pairs:
        row = reviewed.get(exhibit.id)
        said = row.said if row else Judgement("not-reviewed").to_json()
        against = barred(repo, thing)
        exculpatory = said["classification"] == WARNED
        found.append(
            {
                "exhibit": exhibit.number,
                "number": numbers.get(exhibit.id),
                **said,
                "reviewer": people.get(row.reviewer) if row else None,
                "reviewed_at": timestamp(row.at) if row else None,
                "review": state_of(row, seconds.get(exhibit.id)),
                "second": _second(seconds.get(exhibit.id), people),
                "privilege": _privilege(thing),
                "disclosed": [_disclosed(one) for one in given.get(exhibit.id, ())],
                "conditions": together(thing.markings),
                "barred": against,
                "warning": WARNING if exculpatory and against else None,
                "consents": asked.get(exhibit.id, []),
                "erased_at": timestamp(exhibit.erased_at) if exhibit.erased_at else None,
            }
        )
    return found


def _second(row: SecondReview | None, people: Mapping[str, str]) -> dict[str, Any] | None:
    if row is None:
        return None
    return {**row.said, "reviewer": people[row.reviewer], "reviewed_at": timestamp(row.at)}


def _privilege(thing: Thing) -> str | None:
    return "closed" if thing.privileged else "member-closed" if thing.holds_privileged else None


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
        "exhibit": number, "number": None, **said, "reviewer": None, "reviewed_at": None,
        "review": NOT_SHOWN,
        "second": None, "privilege": None, "disclosed": [], "conditions": {}, "barred": [],
        "warning": None, "consents": [], "erased_at": None,
    }  # fmt: skip


def check_judgement(said: Judgement) -> None:
    """Refuse words that are none of the register's.

    Raises:
        BadRequest: another classification, an empty text, or too much of it.
    """
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
