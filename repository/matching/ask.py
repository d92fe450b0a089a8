"""Ask whether the repository knows a value: hit or no hit, and whom to contact.

The answer is the same, takes the same time and leaves the same number of entries whether an exhibit
that must not be told of is there or not.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Draft, uuid7
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house, refuse
from repository.errors import AccessDenied, KeyUnavailable, TooManyQueries
from repository.matching.index import find, holdings
from repository.matching.key import keys
from repository.matching.notices import Tellings, draft_of, keep, mode_answer, tell
from repository.matching.parties import HOUSE, active, name_of
from repository.matching.policy import Answer, Asker
from repository.matching.tables import MatchParty, MatchQuery
from repository.matching.values import Value
from repository.stated import stated_purpose


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to contact about a match."""

    organisation: str
    contact: str


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to a question; without contacts it is no hit."""

    query: str
    contacts: tuple[Contact, ...]
    index: int  # of the `match_query` entry

    @property
    def hit(self) -> bool:
        """Say whether somebody holds it who may be asked."""
        return bool(self.contacts)


def ask(
    repo: Repository,
    caller: Caller,
    value: Value,
    *,
    purpose: str | None,
    authority: str | None = None,
) -> Told:
    """Return whether a value is known and whom to contact; both sides have an entry and a notice.

    Both are committed before the answer, which is held back until a whole multiple of
    `match_answer_seconds` has passed.

    Raises:
        AccessDenied: not for this person, or their institution takes no part; recorded.
        PurposeRequired, PurposeTooLong, BadRequest: no usable purpose; recorded.
        TooManyQueries: more questions than their person or institution is allowed; recorded.
        KeyUnavailable: the key of matching is not on this machine.
    """
    began = time.monotonic()
    actor = on_house(repo, caller, Right.MATCH, attempted=Act.MATCH_QUERY)
    stated = stated_purpose(repo, caller, purpose, Act.MATCH_QUERY, authority=authority)
    asker = caller.person.organisation or HOUSE
    with repo.database.reading() as session:
        taking_part = active(session)
        allowed = asker in taking_part
        wait = _wait(repo, session, caller.person.id, asker) if allowed else 0
        if allowed and not wait:
            opened = keys(repo, session)
            if not opened:
                raise KeyUnavailable("there is no key of matching; an institution has to join anew")
            found = holdings(session, find(session, opened, value))
    if not allowed:
        error = AccessDenied("your institution takes no part in matching: evidence match join")
        refuse(repo, caller, Act.MATCH_QUERY, ["not-taking-part"], error, purpose=stated)
    if wait:
        _too_many(repo, caller, wait)
    who = Asker(asker, stated.code, repo.clock())
    tellings: Tellings = {}
    contacts: dict[str, Contact] = {}
    for one in found:
        party = taking_part.get(one.organisation)
        answer = mode_answer(one, party, who) if party else Answer.NOBODY
        if party is None or answer is Answer.NOBODY:
            continue
        tell(tellings, one.organisation, asker, value.kind, one)
        if answer is Answer.BOTH:
            contacts[one.organisation] = Contact(name_of(one.organisation), party.contact)
    for organisation in contacts:
        if organisation != asker:
            tell(tellings, asker, organisation, value.kind, None)
    query = uuid7(repo.clock(), repo.random)
    withheld: dict[str, Any] = {
        "purpose": stated.to_json(),
        "asked": {"kind": value.kind, "value": value.text},
        "detail": {"query": query, "contacts": sorted(contacts)},
    }
    if stated.authority is not None:
        withheld["authority"] = stated.authority
    asked = Draft(Act.MATCH_QUERY, actor, request_id=query, withheld=withheld)
    with repo.database.writing() as session:
        take_lock(session)  # questions asked at once are counted one after the other
        wait = _wait(repo, session, caller.person.id, asker)
        if not wait:
            index = _record(repo, session, caller, asked, tellings, taking_part)
    if wait:
        _too_many(repo, caller, wait)
    _hold_back(began, repo.settings.match_answer_seconds)
    return Told(query, tuple(contacts[name] for name in sorted(contacts)), index)


def _record(
    repo: Repository,
    session: Session,
    caller: Caller,
    asked: Draft,
    tellings: Tellings,
    taking_part: Mapping[str, MatchParty],
) -> int:
    """Write the question, its notices and their two entries; return the index of the first."""
    query = asked.request_id or ""
    asker = caller.person.organisation or HOUSE
    rows = keep(
        repo, session, tellings, taking_part, query=query, person=caller.person.id, asker=asker
    )
    row = MatchQuery(
        id=query, person_id=caller.person.id, organisation=asker, at=repo.clock(), index=-1
    )
    session.add(row)
    session.flush()
    notice = draft_of(rows, tellings, reason="query", request=query)
    [first, second] = repo.ledger.append(session, [asked, notice])
    row.index = first.index
    for one in rows:
        one.index = second.index
    return first.index


def _wait(repo: Repository, session: Session, person: str, organisation: str) -> int:
    """Return the seconds until a question is within the limits; 0: it is."""
    now = repo.clock()
    waits = [0]
    for column, whose, most, span in (
        (MatchQuery.person_id, person, repo.settings.match_person_hour, timedelta(hours=1)),
        (
            MatchQuery.organisation,
            organisation,
            repo.settings.match_organisation_day,
            timedelta(days=1),
        ),
    ):
        counted = select(func.count(), func.min(MatchQuery.at)).where(
            column == whose, MatchQuery.at > now - span
        )
        count, first = session.execute(counted).one()
        if count >= most:
            waits.append(max(1, math.ceil((first + span - now).total_seconds())))
    return max(waits)


def _too_many(repo: Repository, caller: Caller, wait: int) -> NoReturn:
    error = TooManyQueries(
        f"more questions were asked than a person or an institution may; ask again in {wait} s",
        retry_after=wait,
    )
    refuse(repo, caller, Act.MATCH_QUERY, ["query-limit"], error)


def _hold_back(began: float, step: float) -> None:
    """Wait until a whole multiple of a step has passed since something began."""
    if step > 0:
        past = time.monotonic() - began
        time.sleep(math.ceil(past / step) * step - past)
