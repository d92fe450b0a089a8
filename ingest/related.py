"""Which other exhibits share something with one: pictures alike, a device, an account, a place.

Answered from what the asker may know of alone: an exhibit whose facts are not for them changes no
answer, no count and no order. What other institutions hold is asked by `match`, hit or no hit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft
from ingest.matchable import values_of
from repository import Repository
from repository.access import EVERYWHERE, Right, decide
from repository.authorise import Caller, of_exhibits, on_exhibit, on_house, who
from repository.errors import Erased, IntegrityError
from repository.exhibits import latest_run, parts_of, ref
from repository.extractions import record_of
from repository.matching.tables import RelatedValue
from repository.matching.values import Value, bits_apart, kilometres, seconds_apart
from repository.models import Case, Exhibit, ExtractionRun, Grant
from repository.related import Candidate, keep, sharing

MOST = 200  # exhibits told
MOST_EACH = 50  # of one value
MOST_ASKED = 500  # values of the exhibit that are looked up
_TOGETHER = 64
# What says most comes first; a file inside containers says least: systems share files.
ORDER = ("picture", "imei", "device", "account", "telephone", "mail", "url", "file", "place",
         "member")  # fmt: skip


@dataclass(slots=True)
class Related:
    """An exhibit that shares something, and all that it shares."""

    exhibit: Exhibit
    why: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {"exhibit": self.exhibit.number, "sha256": self.exhibit.sha256, "why": self.why}


@dataclass(slots=True)
class Answer:
    """What is related to an exhibit; `more`: not all that is was looked at or told."""

    items: list[Related]
    more: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {"items": [one.to_json() for one in self.items], "more": self.more}


def related(repo: Repository, caller: Caller, number: str) -> Answer:
    """Return which exhibits that the caller may see the facts of share something with one.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller; recorded.
        Erased: nothing is left to compare.
        IntegrityError: its record is not the one that its entry names.
    """
    actor, case, exhibit = on_exhibit(repo, caller, Right.FACTS, number, attempted=Act.CONSULTATION)
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased, and with it what it shares with others")
    with repo.database.reading() as session:
        values = sorted(_values(repo, session, exhibit), key=lambda one: ORDER.index(one.kind))
        found: dict[str, Related] = {}
        more = len(values) > MOST_ASKED
        cases = _cases(session, caller)
        for value in values[:MOST_ASKED]:
            more |= _add(repo, session, caller, exhibit, value, cases, found)
    items = sorted(found.values(), key=lambda one: (-len(one.why), _rank(one)))
    answer = Answer(items[:MOST], more or len(items) > MOST)
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="related",
            exhibit=ref(exhibit),
            plain={"count": len(answer.items)},
            withheld={"case": case.code},
        )
    )
    return answer


def make_all(repo: Repository, caller: Caller) -> tuple[int, list[str]]:
    """Make what exhibits are found by that were looked at before there was such a thing.

    Returns:
        How many were made, and the numbers of those whose record could not be read.

    Raises:
        AccessDenied: the role does not allow it; recorded.
    """
    on_house(repo, caller, Right.INSTALL, attempted=Act.CONFIGURATION_CHANGE)
    made, after = 0, -1
    failed: list[str] = []
    has = select(RelatedValue.id).where(RelatedValue.exhibit_id == Exhibit.id).exists()
    query = (
        select(Exhibit)
        .where(Exhibit.processed_at.is_not(None), Exhibit.erased_at.is_(None), ~has)
        .order_by(Exhibit.registration)
        .limit(_TOGETHER)
    )
    while True:
        with repo.database.writing() as session:
            some = list(session.scalars(query.where(Exhibit.registration > after)))
            if not some:
                return made, failed
            for one in some:
                after = one.registration
                try:
                    keep(repo, session, one.id, _values(repo, session, one))
                    made += 1
                except (Erased, IntegrityError):
                    failed.append(one.number)


def _values(repo: Repository, session: Session, exhibit: Exhibit) -> list[Value]:
    run: ExtractionRun | None = latest_run(session, exhibit.id)
    record = record_of(repo, exhibit, run) if run is not None else None
    return values_of(parts_of(session, [exhibit.id]), record)


def _cases(session: Session, caller: Caller) -> Sequence[str] | None:
    """Return the cases where the caller may know of anything; None: it may be any."""
    if caller.person.role in EVERYWHERE:
        return None
    query = select(Grant.case_id).where(Grant.person_id == caller.person.id)
    return list(session.scalars(query.distinct()))


def _add(
    repo: Repository,
    session: Session,
    caller: Caller,
    exhibit: Exhibit,
    value: Value,
    cases: Sequence[str] | None,
    found: dict[str, Related],
) -> bool:
    """Add what shares one value; say whether there is more than is told of one."""
    told = 0
    for some in sharing(repo, session, exhibit.id, value, cases=cases):
        for one in _known(repo, session, caller, some):
            if told == MOST_EACH:
                return True
            told += 1
            item = found.setdefault(one.exhibit.id, Related(one.exhibit))
            item.why.append(_why(value, one.there))
    return False


def _known(
    repo: Repository, session: Session, caller: Caller, some: Sequence[Candidate]
) -> list[Candidate]:
    """Return those of some exhibits whose facts are for the caller."""
    homes: dict[str, list[Exhibit]] = {}
    for one in some:
        homes.setdefault(one.exhibit.case_id, []).append(one.exhibit)
    now, seen = repo.clock(), set()
    for case_id, exhibits in homes.items():
        case = session.get_one(Case, case_id)
        asking = who(session, caller, case)
        things = of_exhibits(session, caller, case, exhibits)
        seen |= {
            one.id
            for one, thing in zip(exhibits, things, strict=True)
            if decide(asking, Right.FACTS, thing, None, now).allowed and one.erased_at is None
        }
    return [one for one in some if one.exhibit.id in seen]


def _why(value: Value, there: Value | None) -> dict[str, Any]:
    """Return what two exhibits share, and how far apart the two are where that is measured."""
    if there is None:
        return {"kind": value.kind, "value": value.text}
    if value.kind == "picture":
        return {"kind": "picture", "bits": bits_apart(value, there)}
    return {
        "kind": "place",
        "kilometres": round(kilometres(value, there), 3),
        "seconds": seconds_apart(value, there),
    }


def _rank(one: Related) -> tuple[int, int, int]:
    first = one.why[0]
    return ORDER.index(first["kind"]), first.get("bits", 0), -one.exhibit.registration
