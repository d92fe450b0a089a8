"""Disclosure in numbered batches: made of what was reviewed, for one party of a proceeding.

A batch is one act: all of its exhibits are disclosed in one transaction, each with its entry, and
the house's entry after them names the list of them all by its digest. Batches of a party are
numbered 1, 2, 3 … and nothing of one is ever taken out again, so what a party had at any date, and
what came since any batch, follows from the rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import Repository
from repository.access import PARTIES, Right, decide
from repository.access_log import csv_line
from repository.associations import is_in
from repository.authorise import Caller, of_exhibits, on_case, on_exhibit, refuse, who
from repository.consult import consulted, known
from repository.disclose import check_words
from repository.errors import AccessDenied, BadRequest
from repository.exhibits import find_exhibit, ref
from repository.marking import handling
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.numbered import Numbering, NumberRange, ranges_of
from repository.proceedings import Association
from repository.purpose import Purpose
from repository.register import reviews_of, state_of
from repository.review_rule import asks_second
from repository.rules import Batch, Disclosed
from repository.sealed import put_document
from repository.stated import stated_purpose

DUE = ("incriminating", "potentially-exculpatory", "rule-77")  # classes a batch is made of
MOST = 100_000  # exhibits of one batch
COLUMNS = ("exhibit", "sha256", "batch", "form", "disclosed_at", "acknowledged_at", "entry",
           "first_number", "last_number")  # fmt: skip
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Made:
    """A batch that was made, and what was due and the rules kept: number and reasons."""

    batch: Batch
    exhibits: list[str]
    left_out: list[tuple[str, tuple[str, ...]]]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            **batch_json(self.batch),
            "exhibits": self.exhibits,
            "left_out": [
                {"exhibit": number, "reasons": list(reasons)} for number, reasons in self.left_out
            ],
        }


@dataclass(frozen=True, slots=True)
class State:
    """What a party had at a time, or what came since a batch; the digest is on record."""

    case: str
    party: str
    batches: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            "case": self.case,
            "party": self.party,
            "batches": self.batches,
            "count": len(self.rows),
            "digest": self.digest,
            "items": self.rows,
        }

    def as_csv(self) -> Iterator[str]:
        """Yield it as CSV, a head and then a line for each exhibit; no cell is a formula."""
        yield csv_line(COLUMNS)
        for row in self.rows:
            yield csv_line([row[name] for name in COLUMNS])


def make_batch(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    party: str,
    numbers: Sequence[str] = (),
    purpose: str | None = "disclosure",
    authority: str | None = None,
    assured: Sequence[str] = (),
    form: str | None = None,
) -> Made:
    """Disclose what was reviewed to a party, as its next batch: numbers given, or all due.

    Due is what is classified as incriminating, potentially exculpatory or rule 77, is not withheld,
    was reviewed twice where the proceeding asks for it, and was not disclosed to the party before.
    Of all that is due, what the rules keep is left out and told with the reasons; of numbers that
    are given, one that may not leave stops the batch.

    Raises:
        UnknownCase, UnknownExhibit, AccessDenied, PurposeRequired: refused and recorded.
        BadRequest: no usable party, a number that is not due, or nothing is.
    """
    check_words(party, form)
    stated = stated_purpose(
        repo, caller, purpose, Act.DISCLOSURE, authority=authority, assured=assured, recipient=party
    )
    actor, case = on_case(repo, caller, Right.DISCLOSE, code, attempted=Act.DISCLOSURE)
    if len(numbers) > MOST:
        raise BadRequest(f"a batch has at most {MOST} exhibits")
    for number in numbers:
        on_exhibit(repo, caller, Right.DISCLOSE, number, attempted=Act.DISCLOSURE, purpose=stated)
    kept: list[tuple[Exhibit, tuple[str, ...]]] = []
    try:
        with repo.database.writing() as session:
            take_lock(session)
            return _made(
                repo, session, caller, actor, case, stated,
                party=party, numbers=list(dict.fromkeys(numbers)), form=form, kept=kept,
            )  # fmt: skip
    except AccessDenied as error:
        [(exhibit, reasons)] = kept
        refuse(
            repo, caller, Act.DISCLOSURE, reasons, error,
            purpose=stated, case=case, exhibit=exhibit,
        )  # fmt: skip


def _made(
    repo: Repository,
    session: Session,
    caller: Caller,
    actor: Actor,
    case: Case,
    stated: Purpose,
    *,
    party: str,
    numbers: Sequence[str],
    form: str | None,
    kept: list[tuple[Exhibit, tuple[str, ...]]],
) -> Made:
    """Write rows and entries of a batch under the lock; in `kept` what stopped it, if that did."""
    at = repo.clock()
    request = uuid7(at, repo.random)
    listed: list[tuple[str, str]] = []
    left_out: list[tuple[str, tuple[str, ...]]] = []
    last = select(func.max(Batch.number)).where(Batch.case_id == case.id, Batch.party == party)
    number = (session.scalar(last) or 0) + 1
    withheld = _withheld(case, stated, party, form, number)
    for some in _due(session, case, party, numbers):
        allowed, barred = _allowed(repo, session, caller, some, stated)
        left_out += [(one.number, reasons) for one, reasons in barred]
        if numbers and barred:
            kept.append(barred[0])
            why = ", ".join(barred[0][1])
            raise AccessDenied(f"{barred[0][0].number}: {why}, since a moment ago")
        rows = [
            Disclosed(
                exhibit_id=one.id, case_id=case.id, party=party, at=at, form=form,
                batch=number, index=-1,
            )
            for one, _ in allowed
        ]  # fmt: skip
        drafts = [
            Draft(
                Act.DISCLOSURE,
                actor,
                exhibit=ref(one),
                request_id=request,
                plain=conditions,
                withheld=withheld,
            )
            for one, conditions in allowed
        ]
        listed += [(one.number, one.sha256) for one, _ in allowed]
        session.add_all(rows)
        session.flush()
        for row, entry in zip(rows, repo.ledger.append(session, drafts), strict=True):
            row.index = entry.index
        session.flush()
    if not listed:
        why = f"; {len(left_out)} may not leave" if left_out else ""
        raise BadRequest(f"nothing is due for {shown(party)} in {case.code}{why}")
    stored, digest = put_document(repo, dumps([list(pair) for pair in listed]))
    draft = Draft(
        Act.REPORT_GENERATED,
        actor,
        reason="disclosure-batch",
        request_id=request,
        plain={"count": len(listed), "outputs": [digest], "location": stored.location()},
        withheld=withheld,
        subject=case.id,
    )
    [entry] = repo.ledger.append(session, [draft])
    batch = Batch(
        case_id=case.id, party=party, number=number, at=at, form=form,
        count=len(listed), digest=digest, index=entry.index,
    )  # fmt: skip
    session.add(batch)
    session.flush()
    return Made(batch, [one for one, _ in listed], left_out)


def disclosed_to(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    party: str | None = None,
    at: datetime | None = None,
    since: int | None = None,
) -> State:
    """Return what a party of a case had at a time, or what it got after a batch; recorded.

    Counsel and experts are told of their own party. An exhibit that the caller may not know of any
    more is not told.

    Raises:
        UnknownCase, AccessDenied: not for this caller, or of another party; recorded.
        BadRequest: no party, or no such batch.
    """
    actor, case = on_case(repo, caller, Right.DISCLOSED, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        if actor.role in PARTIES:
            held = [one for one in who(session, caller, case).held if one.role == actor.role]
            party = held[0].party if party is None else party
            own = party in {one.party for one in held}
        else:
            own = True
    if not own:
        error = AccessDenied("counsel and experts are told what was disclosed to their own party")
        refuse(repo, caller, Act.CONSULTATION, ["not-own"], error, case=case)
    if party is None:
        raise BadRequest("name the party")
    query = (
        select(Exhibit, Disclosed)
        .join(Disclosed, Disclosed.exhibit_id == Exhibit.id)
        .where(Disclosed.case_id == case.id, Disclosed.party == party)
        .order_by(Disclosed.index)
    )
    if at is not None:
        query = query.where(Disclosed.at <= at)
    batches = select(Batch).where(Batch.case_id == case.id, Batch.party == party)
    with repo.database.reading() as session:
        made = list(session.scalars(batches.order_by(Batch.number)))
        scheme = session.get(Numbering, case.id)
        if since is not None:
            before = [one for one in made if one.number == since]
            if not before:
                raise BadRequest(f"{shown(party)} has no batch {since} in {case.code}")
            query = query.where(Disclosed.index > before[0].index)
        rows: list[dict[str, Any]] = []
        for some in session.execute(query).partitions(_TOGETHER):
            seen = set()
            homes: dict[str, list[Exhibit]] = {}
            for exhibit, _ in some:
                homes.setdefault(exhibit.case_id, []).append(exhibit)
            for home, exhibits in homes.items():
                of_home = session.get_one(Case, home)
                seen |= {one.id for one in known(repo, session, caller, of_home, exhibits)}
            numbers = ranges_of(session, case.id, [one.id for one, _ in some])
            rows += [
                _row(one, row, at) | _cited(scheme, numbers.get(one.id), at)
                for one, row in some
                if one.id in seen
            ]
    told = [batch_json(one) for one in made if at is None or one.at <= at]
    reason = "disclosure-state" if since is None else "disclosure-difference"
    digest = consulted(repo, actor, rows, reason, case=case)
    return State(case.code, party, told, rows, digest)


def batch_json(one: Batch) -> dict[str, Any]:
    """Return a batch as programs are told it."""
    return {
        "batch": one.number,
        "party": one.party,
        "made_at": timestamp(one.at),
        "form": one.form,
        "count": one.count,
        "digest": one.digest,
        "entry": one.index,
    }


def _due(
    session: Session, case: Case, party: str, numbers: Sequence[str]
) -> Iterator[list[Exhibit]]:
    """Yield what is due for a party, in lots: of the numbers given, each has to be."""
    second = asks_second(session, case)
    for some in _candidates(session, case, numbers):
        ids = [one.id for one in some]
        firsts: dict[str, Any] = dict(reviews_of(session, case, ids, second=False))
        seconds: dict[str, Any] = dict(reviews_of(session, case, ids, second=True))
        had = select(Disclosed.exhibit_id).where(
            Disclosed.case_id == case.id, Disclosed.party == party, Disclosed.exhibit_id.in_(ids)
        )
        before = set(session.scalars(had))
        due = []
        for one in some:
            first = firsts.get(one.id)
            state = state_of(first, seconds.get(one.id))
            why = _undue(first, state, second=second)
            if one.id in before:
                why = "was disclosed to this party before"
            if one.erased_at is not None:
                why = "was erased"
            if why is None:
                due.append(one)
            elif numbers:
                raise BadRequest(f"{one.number} {why}")
        if due:
            yield due


def _undue(first: Any, state: str, *, second: bool) -> str | None:
    """Return why something is not due; None: it is."""
    if state == "not-reviewed":
        return "was not reviewed"
    if second and state != "second-review":
        return f"was not reviewed by two persons who agree ({state})"
    if first.said["withheld"] is not None:
        return "is withheld"
    if first.said["classification"] not in DUE:
        return f"is classified {first.said['classification']}"
    return None


def _candidates(session: Session, case: Case, numbers: Sequence[str]) -> Iterator[list[Exhibit]]:
    if numbers:
        found = []
        for number in numbers:
            one = find_exhibit(session, number)
            if one is None or not is_in(session, one, case):
                raise BadRequest(f"{shown(number)} does not belong to the case {case.code}")
            found.append(one)
        for start in range(0, len(found), _TOGETHER):
            yield found[start : start + _TOGETHER]
        return
    after = 0
    query = select(Exhibit).where(Exhibit.case_id == case.id).order_by(Exhibit.serial)
    while some := list(session.scalars(query.where(Exhibit.serial > after).limit(_TOGETHER))):
        after = some[-1].serial
        yield some
    further = select(Exhibit).join(Association, Association.exhibit_id == Exhibit.id)
    more = list(session.scalars(further.where(Association.case_id == case.id)))
    for start in range(0, len(more), _TOGETHER):
        yield more[start : start + _TOGETHER]


def _allowed(
    repo: Repository, session: Session, caller: Caller, some: Sequence[Exhibit], purpose: Purpose
) -> tuple[list[tuple[Exhibit, dict[str, Any]]], list[tuple[Exhibit, tuple[str, ...]]]]:
    """Return what may be disclosed now, with its conditions, and what may not, with the reasons."""
    homes: dict[str, list[Exhibit]] = {}
    for one in some:
        homes.setdefault(one.case_id, []).append(one)
    allowed, barred, now = [], [], repo.clock()
    for case_id, exhibits in homes.items():
        home = session.get_one(Case, case_id)
        asking = who(session, caller, home)
        things = of_exhibits(session, caller, home, exhibits)
        for one, thing in zip(exhibits, things, strict=True):
            decision = decide(asking, Right.DISCLOSE, thing, purpose, now)
            if decision.allowed:
                allowed.append((one, handling(thing.markings)))
            elif decide(asking, Right.CONSULT, thing, None, now).allowed:
                barred.append((one, decision.reasons))
    return allowed, barred


def _withheld(
    case: Case, purpose: Purpose, party: str, form: str | None, number: int
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "case": case.code,
        "purpose": purpose.to_json(),
        "recipient": party,
        "detail": {"batch": number, **({"form": form} if form else {})},
    }
    return found | ({"authority": purpose.authority} if purpose.authority else {})


def _row(one: Exhibit, row: Disclosed, at: datetime | None) -> dict[str, Any]:
    known_then = row.acknowledged_at and (at is None or row.acknowledged_at <= at)
    return {
        "exhibit": one.number,
        "sha256": one.sha256,
        "batch": row.batch,
        "form": row.form,
        "disclosed_at": timestamp(row.at),
        "acknowledged_at": timestamp(row.acknowledged_at) if known_then else None,
        "entry": row.index,
    }


def _cited(
    scheme: Numbering | None, row: NumberRange | None, at: datetime | None
) -> dict[str, Any]:
    """Return the numbers of an exhibit in the proceeding, as they were at a time."""
    if scheme is None or row is None or (at is not None and row.at > at):
        return {"first_number": None, "last_number": None}
    return {"first_number": scheme.text(row.first), "last_number": scheme.text(row.last)}
