"""Disclosure in numbered batches: made of what was reviewed, for one party of a proceeding.

A batch is one act: all of its exhibits are disclosed in one transaction, each with its entry, and
the house's entry after them names the list of them all by its digest. What is due, and what may
leave, is looked at before (`review_bulk`): the transaction keeps everybody else from the ledger.
Batches of a party are numbered 1, 2, 3 … and nothing of one is ever taken out again
(`disclosed` tells what a party had).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, ExhibitRef, uuid7
from repository import Repository
from repository.access import Right, decide
from repository.associations import is_in
from repository.authorise import Caller, of_exhibits, on_case, on_exhibit, refuse, who
from repository.columns import among
from repository.disclose import acting, check_words
from repository.disclosed import batch_json
from repository.errors import AccessDenied, BadRequest
from repository.exhibits import find_exhibit, ref
from repository.marking import handling
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.proceedings import Association
from repository.purpose import Purpose
from repository.register import reviews_of, state_of
from repository.review_bulk import lots, touched_since
from repository.review_rule import asks_second
from repository.rules import Batch, Disclosed
from repository.sealed import put_document
from repository.stated import stated_purpose

DUE = ("incriminating", "potentially-exculpatory", "rule-77")  # classes a batch is made of
MOST = 100_000  # exhibits of one batch
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Made:
    """A batch that was made, and what was due and the rules kept: number and reasons."""

    batch: Batch
    exhibits: list[str]
    left_out: list[tuple[str, tuple[str, ...]]]
    acting: int  # who acts for the party by then; a party that nobody acts for may be misspelt

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            **batch_json(self.batch),
            "exhibits": self.exhibits,
            "acting": self.acting,
            "left_out": [
                {"exhibit": number, "reasons": list(reasons)} for number, reasons in self.left_out
            ],
        }


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
    size = repo.ledger.size()
    looked = _Looked(repo, caller, case, stated, party, list(dict.fromkeys(numbers)))
    try:
        with repo.database.reading() as session:
            looked.at(session, _candidates(session, case, looked.numbers))
        with repo.database.writing() as session:
            take_lock(session)
            touched = touched_since(repo, session, size)
            if touched is None:
                looked.forget()
                looked.at(session, _candidates(session, case, looked.numbers))
            elif touched:
                looked.forget(touched)
                looked.at(session, _touched(session, case, looked.numbers, touched))
            return _made(repo, session, actor, case, looked, form=form)
    except _Kept as error:
        denied = AccessDenied(
            f"{error.exhibit.number}: {', '.join(error.reasons)}, since a moment ago"
        )
        refuse(
            repo, caller, Act.DISCLOSURE, error.reasons, denied,
            purpose=stated, case=case, exhibit=error.exhibit,
        )  # fmt: skip


class _Kept(Exception):
    """An exhibit that was named may not leave."""

    def __init__(self, exhibit: Exhibit, reasons: tuple[str, ...]) -> None:
        super().__init__(exhibit.number)
        self.exhibit = exhibit
        self.reasons = reasons


class _Looked:
    """What of a batch was looked at: what goes, with its conditions, and what the rules keep."""

    def __init__(
        self, repo: Repository, caller: Caller, case: Case, purpose: Purpose, party: str,
        numbers: Sequence[str],
    ) -> None:  # fmt: skip
        self.purpose = purpose
        self.party = party
        self.numbers = numbers  # that were named; else all that is due is meant
        self._places = {number: place for place, number in enumerate(numbers)}
        self._repo = repo
        self._caller = caller
        self._case = case
        self._goes: dict[str, tuple[tuple[bool, int], ExhibitRef, dict[str, Any]]] = {}
        self._kept: dict[str, tuple[str, ...]] = {}

    def at(self, session: Session, candidates: Iterable[Sequence[Exhibit]]) -> None:
        """Look at exhibits, lot by lot.

        Raises:
            BadRequest: one that was named is not due.
            _Kept: one that was named may not leave.
        """
        for lot in candidates:
            due = _due(session, self._case, self.party, lot, named=bool(self.numbers))
            allowed, barred = _allowed(self._repo, session, self._caller, due, self.purpose)
            if self.numbers and barred:
                raise _Kept(*barred[0])
            self._kept.update((one.number, reasons) for one, reasons in barred)
            for one, conditions in allowed:
                place = (one.case_id != self._case.id, one.serial)
                if self.numbers:
                    place = (False, self._places[one.number])
                self._goes[one.number] = (place, ref(one), conditions)

    def forget(self, numbers: Iterable[str] | None = None) -> None:
        """Forget what was looked at: of some exhibits, or of all."""
        for number in [*self._goes, *self._kept] if numbers is None else numbers:
            self._goes.pop(number, None)
            self._kept.pop(number, None)

    @property
    def goes(self) -> list[tuple[ExhibitRef, dict[str, Any]]]:
        """Return what goes with its conditions: as it was named, or the case's own first."""
        found = sorted(self._goes.values(), key=lambda one: one[0])
        return [(exhibit, conditions) for _, exhibit, conditions in found]

    @property
    def kept(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return what is due and the rules keep, with the reasons."""
        return sorted(self._kept.items())


def _made(
    repo: Repository,
    session: Session,
    actor: Actor,
    case: Case,
    looked: _Looked,
    *,
    form: str | None,
) -> Made:
    """Write rows and entries of a batch under the lock."""
    at, party, goes, left_out = repo.clock(), looked.party, looked.goes, looked.kept
    if not goes:
        why = f"; {len(left_out)} may not leave" if left_out else ""
        raise BadRequest(f"nothing is due for {shown(party)} in {case.code}{why}")
    request = uuid7(at, repo.random)
    last = select(func.max(Batch.number)).where(Batch.case_id == case.id, Batch.party == party)
    number = (session.scalar(last) or 0) + 1
    withheld = _withheld(case, looked.purpose, party, form, number)
    for some in lots(goes, _TOGETHER):
        drafts = [
            Draft(
                Act.DISCLOSURE,
                actor,
                exhibit=exhibit,
                request_id=request,
                plain=conditions,
                withheld=withheld,
            )
            for exhibit, conditions in some
        ]
        rows = [
            {
                "exhibit_id": exhibit.id,
                "case_id": case.id,
                "party": party,
                "at": at,
                "form": form,
                "batch": number,
                "index": entry.index,
            }
            for (exhibit, _), entry in zip(some, repo.ledger.append(session, drafts), strict=True)
        ]
        session.execute(insert(Disclosed), rows)
    listed = [[exhibit.number, exhibit.sha256] for exhibit, _ in goes]
    stored, digest = put_document(repo, dumps(listed))
    draft = Draft(
        Act.REPORT_GENERATED,
        actor,
        reason="disclosure-batch",
        request_id=request,
        plain={"count": len(goes), "outputs": [digest], "location": stored.location()},
        withheld=withheld,
        subject=case.id,
    )
    [entry] = repo.ledger.append(session, [draft])
    batch = Batch(
        case_id=case.id, party=party, number=number, at=at, form=form,
        count=len(goes), digest=digest, index=entry.index,
    )  # fmt: skip
    session.add(batch)
    session.flush()
    act = acting(session, case.id, party, at)
    return Made(batch, [exhibit.number for exhibit, _ in goes], left_out, act)


def _due(
    session: Session, case: Case, party: str, some: Sequence[Exhibit], *, named: bool
) -> list[Exhibit]:
    """Return what of some exhibits is due for a party; each that was named has to be."""
    second = asks_second(session, case)
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
        elif named:
            raise BadRequest(f"{one.number} {why}")
    return due


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


def _touched(
    session: Session, case: Case, numbers: Sequence[str], touched: set[str]
) -> Iterator[list[Exhibit]]:
    """Yield what is to be looked at once more: of what was named, or of all that a case has."""
    wanted = sorted(touched.intersection(numbers) if numbers else touched)
    for some in lots(wanted, _TOGETHER):
        exhibits = session.scalars(select(Exhibit).where(among(Exhibit.number, some)))
        yield [one for one in exhibits if is_in(session, one, case)]


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
