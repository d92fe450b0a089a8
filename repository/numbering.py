"""Numbers that courts cite by (ERN, Bates): one for each page or file, each given once in a case.

A proceeding says once how it numbers. Numbers are given in the order asked for, in lots that each
commit with their entries, always the next ones: none is skipped, none is given twice, and an
interrupted run goes on where it stopped, for what has numbers keeps them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository, selections
from repository.access import PARTIES, Right, decide
from repository.associations import is_in
from repository.authorise import Caller, of_exhibits, on_case, who
from repository.consult import consulted, known
from repository.errors import BadRequest
from repository.exhibits import latest_runs, ref
from repository.extractions import record_of
from repository.locators import parse
from repository.models import Case, Exhibit, ExtractionRun
from repository.naming import shown
from repository.numbered import Numbering, NumberRange, ranges_of
from repository.rules import Batch, Disclosed
from repository.sealed import put_document
from repository.stated import stated_motive

PER = ("page", "file")
MOST = 100_000  # exhibits numbered at once
MOST_PAGES = 100_000  # of one file; what says that it has more is numbered as one file
MOST_DIGITS = 12
PAGED = frozenset({"application/pdf", "image/tiff"})  # what has pages to number
COUNTS = ("PDF:PageCount", "Derived:PageCount")  # facts that say how many
_PREFIX = re.compile(r"[A-Za-z0-9._/ -]{0,39}[A-Za-z._/ -]|")
_TOGETHER = 500

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Given:
    """What became of a request: numbers of exhibits in its order, and which have none, and why."""

    case: str
    rows: list[dict[str, Any]]
    left_out: list[tuple[str, str]]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            "case": self.case,
            "count": len(self.rows),
            "digest": self.digest,
            "items": self.rows,
            "left_out": [{"exhibit": one, "reason": why} for one, why in self.left_out],
        }


def set_scheme(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    prefix: str,
    digits: int,
    per: str,
    first: int = 1,
    motive: str,
) -> dict[str, Any]:
    """Say how a proceeding numbers; from the first number that is given on, it stays so.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), no such scheme, or numbers were given already.
    """
    act = Act.CONFIGURATION_CHANGE
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=act)
    stated_motive(repo, caller, motive, act, case=case)
    if not _PREFIX.fullmatch(prefix):
        raise BadRequest("a prefix has up to 40 letters, digits, . _ / - or blanks, no digit last")
    if per not in PER or not 1 <= digits <= MOST_DIGITS or not 1 <= first < 10**digits:
        raise BadRequest(
            f"numbers are per page or file, of 1 to {MOST_DIGITS} digits, and begin with one that "
            "has no more of them"
        )
    with repo.database.writing() as session:
        take_lock(session)
        given = select(NumberRange.first).where(NumberRange.case_id == case.id).limit(1)
        if session.scalar(given) is not None:
            raise BadRequest(f"{case.code} has given numbers already; how it numbers stays")
        row = session.get(Numbering, case.id) or Numbering(case_id=case.id)
        row.prefix, row.digits, row.per = prefix, digits, per
        row.following, row.index = first, -1
        session.add(row)
        session.flush()
        draft = Draft(
            act,
            actor,
            reason="numbering",
            withheld={"case": case.code, "motive": motive, "detail": _scheme(row)},
            subject=case.id,
        )
        [entry] = repo.ledger.append(session, [draft])
        row.index = entry.index
        return {"case": case.code, **_scheme(row), "entry": entry.index}


def _scheme(row: Numbering) -> dict[str, Any]:
    return {
        "prefix": row.prefix,
        "digits": row.digits,
        "per": row.per,
        "next_number": row.text(row.following) if row.following < 10**row.digits else None,
    }


def assign(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    numbers: Sequence[str] = (),
    batch: tuple[str, int] | None = None,
    selection: str | None = None,
    progress: Progress = lambda _: None,
) -> Given:
    """Give numbers to exhibits of a proceeding; what has some keeps them.

    Args:
        repo: the repository.
        caller: who numbers.
        code: the proceeding.
        numbers: exhibits, in the order in which they are numbered; or else
        batch: a party and the number of its disclosure batch; or
        selection: the name of a selection.
        progress: is told of how many it is settled, lot by lot.

    Raises:
        UnknownCase, AccessDenied, UnknownSelection: not for this caller; recorded.
        BadRequest: nothing or several things are named, an exhibit that is none of the
            proceeding's, or no numbering.
        IntegrityError: the record that says how many pages something has is another one.
    """
    actor, case = on_case(repo, caller, Right.REVIEW, code, attempted=Act.ANNOTATION)
    if bool(numbers) + (batch is not None) + (selection is not None) != 1:
        raise BadRequest("name exhibits, or a batch, or a selection")
    if selection is not None:
        found = selections.show(repo, caller, selection)
        numbers = [parse(item).exhibit for item in found.items]
    if batch is not None:
        numbers = _of_batch(repo, case, *batch)
    wanted = list(dict.fromkeys(numbers))
    if not 1 <= len(wanted) <= MOST:
        raise BadRequest(f"1 to {MOST} exhibits are numbered at once")
    with repo.database.reading() as session:
        if session.get(Numbering, case.id) is None:
            raise BadRequest(f"{case.code} has no numbering yet: evidence number scheme {code}")
        for some in _lots(wanted):
            _mine(repo, session, caller, case, some)
    request = uuid7(repo.clock(), repo.random)
    rows: list[dict[str, Any]] = []
    left_out: list[tuple[str, str]] = []
    for some in _lots(wanted):
        given, kept = _assign(repo, caller, actor, case, some, request)
        rows, left_out = rows + given, left_out + kept
        progress(len(rows) + len(left_out))
    listed = [[one["exhibit"], one["first"], one["last"]] for one in rows]
    stored, digest = put_document(repo, dumps(listed))
    draft = Draft(
        Act.ANNOTATION,
        actor,
        reason="numbers-given",
        request_id=request,
        plain={"count": len(rows), "outputs": [digest], "location": stored.location()},
        withheld={"case": case.code},
        subject=case.id,
    )
    repo.ledger.record(draft)
    return Given(case.code, rows, left_out, digest)


def _of_batch(repo: Repository, case: Case, party: str, number: int) -> list[str]:
    query = (
        select(Exhibit.number)
        .join(Disclosed, Disclosed.exhibit_id == Exhibit.id)
        .where(Disclosed.case_id == case.id, Disclosed.party == party, Disclosed.batch == number)
        .order_by(Disclosed.index)
    )
    with repo.database.reading() as session:
        if session.get(Batch, (case.id, party, number)) is None:
            raise BadRequest(f"{shown(party)} has no batch {number} in {case.code}")
        return list(session.scalars(query))


def _lots(wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(wanted), _TOGETHER):
        yield wanted[start : start + _TOGETHER]


def _mine(
    repo: Repository, session: Session, caller: Caller, case: Case, wanted: Sequence[str]
) -> list[Exhibit]:
    """Return exhibits of a proceeding that the caller may review, in the order asked for.

    Raises:
        BadRequest: one is none of them.
    """
    rows = session.scalars(select(Exhibit).where(Exhibit.number.in_(wanted)))
    homes: dict[str, list[Exhibit]] = {}
    for one in rows:
        homes.setdefault(one.case_id, []).append(one)
    mine: dict[str, Exhibit] = {}
    now = repo.clock()
    for case_id, some in homes.items():
        home = session.get_one(Case, case_id)
        asking = who(session, caller, home)
        things = of_exhibits(session, caller, home, some)
        for one, thing in zip(some, things, strict=True):
            allowed = decide(asking, Right.REVIEW, thing, None, now).allowed
            if allowed and (home.id == case.id or is_in(session, one, case)):
                mine[one.number] = one
    for number in wanted:
        if number not in mine:
            raise BadRequest(f"{case.code} has no exhibit {shown(number)} for you")
    return [mine[number] for number in wanted]


def _assign(
    repo: Repository,
    caller: Caller,
    actor: Actor,
    case: Case,
    wanted: Sequence[str],
    request: str,
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Number one lot in one transaction; pages were counted before it."""
    with repo.database.reading() as session:
        exhibits = _mine(repo, session, caller, case, wanted)
        had = ranges_of(session, case.id, [one.id for one in exhibits])
        fresh = [one for one in exhibits if one.id not in had and one.erased_at is None]
        runs = latest_runs(session, [one.id for one in fresh])
        per = session.get_one(Numbering, case.id).per
    pages: dict[str, int] = {}
    left_out: list[tuple[str, str]] = []
    for one in fresh:
        count = pages_of(repo, one, runs.get(one.id)) if per == "page" else 1
        if count is None:
            left_out.append((one.number, "not-looked-at"))
        else:
            pages[one.id] = count
    with repo.database.writing() as session:
        take_lock(session)
        exhibits = _mine(repo, session, caller, case, wanted)
        had = ranges_of(session, case.id, [one.id for one in exhibits])
        scheme = session.get_one(Numbering, case.id, with_for_update={"key_share": True})
        made, drafts, at, used_up = [], [], repo.clock(), False
        for one in exhibits:
            if one.id in had or (one.erased_at is None and one.id not in pages):
                continue
            if one.erased_at is not None:
                left_out.append((one.number, "erased"))
                continue
            first, last = scheme.following, scheme.following + pages[one.id] - 1
            used_up = used_up or last >= 10**scheme.digits
            if used_up:
                left_out.append((one.number, "numbers-used-up"))
                continue
            scheme.following = last + 1
            paged = per == "page" and runs[one.id].mime in PAGED
            row = NumberRange(
                case_id=case.id, first=first, last=last, exhibit_id=one.id, paged=paged, at=at,
                index=-1,
            )  # fmt: skip
            had[one.id] = row
            made.append(row)
            detail = {
                "first": scheme.text(first),
                "last": scheme.text(last),
                "per": "page" if paged else "file",
            }
            drafts.append(
                Draft(
                    Act.ANNOTATION,
                    actor,
                    reason="number-given",
                    exhibit=ref(one),
                    request_id=request,
                    withheld={"case": case.code, "detail": detail},
                )
            )
        session.add_all(made)
        session.flush()
        if drafts:
            for row, entry in zip(made, repo.ledger.append(session, drafts), strict=True):
                row.index = entry.index
        new = {row.first for row in made}
        told = [
            _row(scheme, one, had[one.id]) | {"new": had[one.id].first in new}
            for one in exhibits
            if one.id in had
        ]
    return told, left_out


def pages_of(repo: Repository, exhibit: Exhibit, run: ExtractionRun | None) -> int | None:
    """Return how many numbers an exhibit takes by page; None: nobody has looked at it yet.

    What has no pages, or does not say how many, takes one.

    Raises:
        IntegrityError: the record is not the one that its entry names.
    """
    if run is None:
        return None
    if run.mime not in PAGED:
        return 1
    for fact in record_of(repo, exhibit, run)["facts"]:
        value = str(fact["value"])
        if fact["name"] in COUNTS and value.isascii() and value.isdecimal() and len(value) < 8:
            count = int(value)
            return count if 1 <= count <= MOST_PAGES else 1
    return 1


def list_numbers(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    after: int = 0,
    limit: int | None = None,
    cited: str | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]], int | None]:
    """Return how a proceeding numbers, what it gave after a number, and where more follows.

    With `cited`, the one exhibit that this number is of, and which of its pages. Only exhibits that
    the caller may know of are told, and no party which number comes next. Recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: the proceeding numbers nothing, or it is no number of it.
    """
    actor, case = on_case(repo, caller, Right.LIST, code, attempted=Act.CONSULTATION)
    with repo.database.reading() as session:
        scheme = session.get(Numbering, case.id)
        if scheme is None:
            raise BadRequest(f"{case.code} has no numbering yet")
        query = select(NumberRange, Exhibit).join(Exhibit, Exhibit.id == NumberRange.exhibit_id)
        query = query.where(NumberRange.case_id == case.id).order_by(NumberRange.first)
        asked = None
        if cited is not None:
            asked = scheme.number(cited)
            if asked is None:
                raise BadRequest(f"{shown(cited[:60])} is no number of {case.code}")
            query = query.where(NumberRange.first <= asked, NumberRange.last >= asked)
        rows: list[dict[str, Any]] = []
        following: int | None = None
        last = after
        for some in session.execute(query.where(NumberRange.first > after)).partitions(_TOGETHER):
            mine = _told(repo, session, caller, [one for _, one in some])
            for row, one in some:
                if one.id not in mine:
                    continue
                if limit is not None and len(rows) == limit:
                    following = last
                    break
                told, last = _row(scheme, one, row), row.first
                if asked is not None:
                    told["page"] = asked - row.first + 1 if row.paged else None
                rows.append(told)
            if following is not None:
                break
        found = {"case": case.code, **_scheme(scheme)}
    if actor.role in PARTIES:  # it counts what was numbered and is not for them
        del found["next_number"]
    consulted(repo, actor, rows, "number-list", case=case)
    return found, rows, following


def _told(
    repo: Repository, session: Session, caller: Caller, exhibits: Sequence[Exhibit]
) -> set[str]:
    homes: dict[str, list[Exhibit]] = {}
    for one in exhibits:
        homes.setdefault(one.case_id, []).append(one)
    return {
        one.id
        for case_id, some in homes.items()
        for one in known(repo, session, caller, session.get_one(Case, case_id), some)
    }


def _row(scheme: Numbering, exhibit: Exhibit, row: NumberRange) -> dict[str, Any]:
    return {
        "exhibit": exhibit.number,
        "first": scheme.text(row.first),
        "last": scheme.text(row.last),
        "per": "page" if row.paged else "file",
        "entry": row.index,
    }
