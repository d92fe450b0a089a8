"""Notices: what an institution is told of a match, and that it has read it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft, uuid7
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_exhibits, on_house, refuse, who
from repository.errors import UnknownNotice
from repository.matching.index import Holding, Made, find, holdings
from repository.matching.key import Key
from repository.matching.parties import HOUSE, active
from repository.matching.policy import OWNER, Answer, Asker, answer_of
from repository.matching.tables import MatchNotice, MatchParty
from repository.matching.values import QUIET, Value
from repository.models import Case, Exhibit
from repository.naming import shown
from repository.people import SYSTEM

MOST_ALIKE = 25  # others' exhibits that share a value: beyond, it tells nothing and raises nothing
_NUMBERS = 50  # of exhibits that an entry names for one institution; the count is of all
PAGE = 200


@dataclass(slots=True)
class Telling:
    """What one institution is to be told about another one."""

    kinds: set[str] = field(default_factory=set)
    holdings: dict[str, Holding] = field(default_factory=dict)  # of the one who is told


Tellings = dict[tuple[str, str], Telling]  # (who is told, about whom)


@dataclass(frozen=True, slots=True)
class Seen:
    """A notice as somebody may see it: with those of its exhibits that they may know of."""

    notice: MatchNotice
    numbers: tuple[str, ...]


def tell(tellings: Tellings, told: str, about: str, kind: str, one: Holding | None) -> None:
    """Add to what an institution is to be told about another one."""
    telling = tellings.setdefault((told, about), Telling())
    telling.kinds.add(kind)
    if one is not None:
        telling.holdings[one.exhibit.id] = one


def mode_answer(one: Holding, party: MatchParty, asker: Asker) -> Answer:
    """Return what an exhibit answers, by its markings and how its institution takes part."""
    if one.privileged:
        return Answer.NOBODY
    limit = Answer.OWNER if party.mode == OWNER else Answer.BOTH
    return min(limit, answer_of(one.markings, asker, one.consents))


def keep(
    repo: Repository,
    session: Session,
    tellings: Tellings,
    taking_part: Mapping[str, MatchParty],
    *,
    query: str | None = None,
    person: str | None = None,
    asker: str | None = None,
) -> list[MatchNotice]:
    """Write notices, still without their entry, in the caller's transaction."""
    at = repo.clock()
    rows = []
    for (told, about), telling in sorted(tellings.items()):
        asked = query is not None and told == asker and not telling.holdings
        rows.append(
            MatchNotice(
                id=uuid7(at, repo.random),
                organisation=told,
                other=about,
                contact=taking_part[about].contact,
                kinds=sorted(telling.kinds),
                exhibits=sorted(telling.holdings),
                person_id=person if asked else None,
                query_id=query,
                at=at,
                index=-1,  # set when the entry has its index
            )
        )
    session.add_all(rows)
    return rows


def draft_of(
    rows: Sequence[MatchNotice], tellings: Tellings, *, reason: str, request: str,
    count: int | None = None,
) -> Draft:  # fmt: skip
    """Return the one entry about notices: whom it told what stands behind a commitment.

    There is one for every question and for every round of new exhibits, told or not: the length of
    the ledger, which is public, says nothing.
    """
    told = [
        {
            "notice": row.id,
            "organisation": row.organisation,
            "about": row.other,
            "contact": row.contact,
            "kinds": row.kinds,
            "count": len(row.exhibits),
            "exhibits": [
                tellings[row.organisation, row.other].holdings[one].exhibit.number
                for one in row.exhibits[:_NUMBERS]
            ],
        }
        for row in rows
    ]
    plain = {} if count is None else {"count": count}
    return Draft(
        Act.MATCH_NOTICE,
        SYSTEM,
        reason=reason,
        request_id=request,
        plain=plain,
        withheld={"detail": {"told": told}},
    )


def raise_for(
    repo: Repository, session: Session, keys: Sequence[Key], made: Iterable[Made]
) -> list[MatchNotice]:
    """Tell institutions that hold the same as new exhibits, and theirs; one entry for the round.

    Each side is told of the other where the other's exhibit may be told of (`policy`). What may be
    told of since is compared once more (`index.compare_again`); what was told then is not repeated.
    """
    fresh = [one for one in made if one.fresh]
    if not fresh:
        return []
    taking_part = active(session)
    own = {one.exhibit.id: one for one in holdings(session, [one.exhibit_id for one in fresh])}
    tellings: Tellings = {}
    later: Tellings = {}
    for new in fresh:
        mine = own.get(new.exhibit_id)
        if mine is not None and mine.organisation in taking_part:
            told, now = later if new.again else tellings, repo.clock()
            for value in new.fresh:
                if value.kind not in QUIET:
                    _compare(session, keys, taking_part, told, mine, value, now)
    for (told_to, about), telling in later.items():
        if not _told_before(session, told_to, about, telling):
            for one in telling.holdings.values():
                for kind in sorted(telling.kinds):
                    tell(tellings, told_to, about, kind, one)
    rows = keep(repo, session, tellings, taking_part)
    session.flush()
    request = uuid7(repo.clock(), repo.random)
    reason = "compared-again" if all(one.again for one in fresh) else "new-exhibits"
    draft = draft_of(rows, tellings, reason=reason, request=request, count=len(fresh))
    [entry] = repo.ledger.append(session, [draft])
    for row in rows:
        row.index = entry.index
    return rows


def _told_before(session: Session, told: str, about: str, telling: Telling) -> bool:
    """Say whether an institution has a notice of the same exhibits and kinds about another."""
    query = select(MatchNotice.exhibits, MatchNotice.kinds).where(
        MatchNotice.organisation == told, MatchNotice.other == about, MatchNotice.query_id.is_(None)
    )
    return any(
        telling.holdings.keys() <= set(row.exhibits) and telling.kinds <= set(row.kinds)
        for row in session.execute(query)
    )


def _compare(
    session: Session,
    keys: Sequence[Key],
    taking_part: Mapping[str, MatchParty],
    tellings: Tellings,
    mine: Holding,
    value: Value,
    now: datetime,
) -> None:
    """Note who is told of whom because of one value of one new exhibit."""
    alike = [
        one
        for one in holdings(session, find(session, keys, value))
        if one.organisation != mine.organisation and one.organisation in taking_part
    ]
    if not alike or len(alike) > MOST_ALIKE:
        return
    for theirs in alike:
        them, us = (Asker(one.organisation, None, now) for one in (theirs, mine))
        of_mine = mode_answer(mine, taking_part[mine.organisation], them)
        of_theirs = mode_answer(theirs, taking_part[theirs.organisation], us)
        if Answer.NOBODY in (of_mine, of_theirs):
            continue
        if of_theirs is Answer.BOTH:
            tell(tellings, mine.organisation, theirs.organisation, value.kind, mine)
        if of_mine is Answer.BOTH:
            tell(tellings, theirs.organisation, mine.organisation, value.kind, theirs)


# --- reading them


def listed(repo: Repository, caller: Caller, *, every: bool = False) -> list[Seen]:
    """Return the newest notices that a person may see, those not acknowledged or all; recorded.

    Whoever asked sees what came of it, and so do their institution's custodians; what is about
    exhibits is seen by whoever may know of one of them.

    Raises:
        AccessDenied: not for this person; recorded.
    """
    actor = on_house(repo, caller, Right.MATCH, attempted=Act.CONSULTATION)
    query = select(MatchNotice).where(
        MatchNotice.organisation == (caller.person.organisation or HOUSE)
    )
    if not every:
        query = query.where(MatchNotice.acknowledged_at.is_(None))
    with repo.database.reading() as session:
        rows = list(session.scalars(query.order_by(MatchNotice.id.desc()).limit(PAGE)))
        found = _visible(repo, session, caller, rows)
    draft = Draft(
        Act.CONSULTATION, actor, reason="match-notices", plain={"count": len(found)},
        withheld={"detail": {"notices": [one.notice.id for one in found]}},
    )  # fmt: skip
    repo.ledger.record(draft)
    return found


def acknowledge(repo: Repository, caller: Caller, notice: str) -> Seen:
    """Note that an institution has read a notice; again, it changes nothing.

    Raises:
        AccessDenied: not by this person; recorded.
        UnknownNotice: there is none that they may see; recorded.
    """
    actor = on_house(repo, caller, Right.MATCH, attempted=Act.RECEIPT_ACKNOWLEDGED)
    with repo.database.reading() as session:
        row = session.get(MatchNotice, notice)
        mine = row is not None and row.organisation == (caller.person.organisation or HOUSE)
        seen = _visible(repo, session, caller, [row]) if row is not None and mine else []
    if not seen:
        error = UnknownNotice(f"there is no notice {shown(notice)} that you may know of")
        refuse(repo, caller, Act.RECEIPT_ACKNOWLEDGED, ["unknown-notice"], error, asked=notice)
    with repo.database.writing() as session:
        found = session.get_one(MatchNotice, notice, with_for_update={"key_share": True})
        if found.acknowledged_at is None:
            found.acknowledged_at, found.acknowledged_by = repo.clock(), actor.id
            session.flush()
            draft = Draft(
                Act.RECEIPT_ACKNOWLEDGED,
                actor,
                reason="match-notice",
                withheld={"detail": {"notice": notice, "entry": found.index}},
            )
            [entry] = repo.ledger.append(session, [draft])
            found.acknowledged_index = entry.index
    return Seen(found, seen[0].numbers)


def _visible(
    repo: Repository, session: Session, caller: Caller, rows: Sequence[MatchNotice]
) -> list[Seen]:
    ids = sorted({one for row in rows for one in row.exhibits})
    known = _known(repo, session, caller, ids)
    found = []
    for row in rows:
        numbers = tuple(sorted(known[one] for one in row.exhibits if one in known))
        asked = row.person_id == caller.person.id or (
            row.person_id is not None and caller.person.role == "custodian"
        )
        if numbers or asked:
            found.append(Seen(row, numbers))
    return found


def _known(
    repo: Repository, session: Session, caller: Caller, ids: Sequence[str]
) -> dict[str, str]:
    """Return the numbers of those exhibits that a person may consult."""
    by_case: dict[str, list[Exhibit]] = {}
    for start in range(0, len(ids), PAGE):
        for one in session.scalars(
            select(Exhibit).where(Exhibit.id.in_(ids[start : start + PAGE]))
        ):
            by_case.setdefault(one.case_id, []).append(one)
    found: dict[str, str] = {}
    now = repo.clock()
    for case_id, exhibits in by_case.items():
        case: Any = session.get_one(Case, case_id)
        asking = who(session, caller, case)
        things = of_exhibits(session, caller, case, exhibits)
        for exhibit, thing in zip(exhibits, things, strict=True):
            if decide(asking, Right.CONSULT, thing, None, now).allowed:
                found[exhibit.id] = exhibit.number
    return found
