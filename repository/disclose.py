"""Disclose an exhibit to a party of its case; show who a source is to whom it was permitted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository
from repository.access import IDENTIFYING, Right
from repository.associations import is_in
from repository.authorise import Caller, of_exhibits, on_case, on_exhibit, refuse
from repository.errors import AccessDenied, BadRequest, Erased
from repository.exhibits import ref
from repository.marking import handling
from repository.models import Case, Exhibit, Grant
from repository.naming import shown
from repository.people import MAX_PARTY
from repository.purpose import Purpose
from repository.rules import Disclosed
from repository.stated import stated_motive, stated_purpose
from repository.still import check_within


def disclose(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    party: str,
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
    code: str | None = None,
    form: str | None = None,
) -> Disclosed:
    """Let counsel and experts of a party know and read an exhibit; again, it changes nothing.

    `assured` are the excluded uses that the party has ruled out in writing. `code` is the case
    whose party it is, where that is a further case of the exhibit's; `form` is in words: a copy, an
    inspection, a redacted version.

    Raises:
        PurposeRequired, UnknownExhibit, AccessDenied: refused and recorded.
        BadRequest: no usable name of a party.
        Erased: there is nothing left to disclose.
    """
    check_words(party, form)
    stated = stated_purpose(
        repo,
        caller,
        purpose,
        Act.DISCLOSURE,
        authority=authority,
        assured=assured,
        recipient=party,
    )
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.DISCLOSE, number, attempted=Act.DISCLOSURE, purpose=stated
    )
    proceeding = case
    if code is not None and code != case.code:
        _, proceeding = on_case(repo, caller, Right.DISCLOSE, code, attempted=Act.DISCLOSURE)
        with repo.database.reading() as session:
            if not is_in(session, exhibit, proceeding):
                raise BadRequest(f"{exhibit.number} does not belong to the case {proceeding.code}")
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased; there is nothing to disclose")
    withheld: dict[str, Any] = {
        "purpose": stated.to_json(), "case": proceeding.code, "recipient": party
    }  # fmt: skip
    if form is not None:
        withheld["detail"] = {"form": form}
    if stated.authority:
        withheld["authority"] = stated.authority
    try:
        return _disclosed(
            repo,
            caller,
            actor,
            case,
            exhibit,
            proceeding,
            stated,
            party=party,
            form=form,
            withheld=withheld,
        )
    except AccessDenied as error:
        refuse(
            repo, caller, Act.DISCLOSURE, ["release-ended"], error,
            purpose=stated, case=case, exhibit=exhibit,
        )  # fmt: skip


def acting(session: Session, case: str, party: str, at: datetime) -> int:
    """Return how many persons act for a party of a case at a time; of none, it may be misspelt."""
    query = select(func.count(Grant.person_id.distinct())).where(
        Grant.case_id == case, Grant.party == party, or_(Grant.until.is_(None), Grant.until > at)
    )
    return session.scalar(query) or 0


def check_words(party: str, form: str | None) -> None:
    """Refuse a party or a form without usable words.

    Raises:
        BadRequest: so it is.
    """
    if not party.strip() or len(party) > MAX_PARTY:
        raise BadRequest(f"a party has a name of 1 to {MAX_PARTY} characters")
    if form is not None and not (form.strip() and len(form) <= MAX_PARTY):
        raise BadRequest(f"a form has 1 to {MAX_PARTY} characters")


def _disclosed(
    repo: Repository,
    caller: Caller,
    actor: Actor,
    case: Case,
    exhibit: Exhibit,
    proceeding: Case,
    purpose: Purpose,
    *,
    party: str,
    form: str | None,
    withheld: Mapping[str, Any],
) -> Disclosed:
    """Write row and entry, decided once more under the ledger's lock."""
    at = repo.clock()
    with repo.database.writing() as session:
        take_lock(session)
        thing = check_within(repo, session, caller, Right.DISCLOSE, case, exhibit, purpose)
        row = session.get(Disclosed, (exhibit.id, proceeding.id, party))
        if row is None:
            draft = Draft(
                Act.DISCLOSURE,
                actor,
                exhibit=ref(exhibit),
                request_id=uuid7(at, repo.random),
                plain=handling(thing.markings),
                withheld=withheld,
            )
            row = Disclosed(
                exhibit_id=exhibit.id,
                case_id=proceeding.id,
                party=party,
                at=at,
                form=form,
                index=-1,
            )
            session.add(row)
            session.flush()
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
    return row


def acknowledge(repo: Repository, caller: Caller, number: str, *, code: str | None) -> Disclosed:
    """Say for one's party that it got what was disclosed to it; again, it changes nothing.

    Raises:
        UnknownExhibit, AccessDenied: not of a party it was disclosed to; recorded.
    """
    attempted = Act.RECEIPT_ACKNOWLEDGED
    actor, case, exhibit = on_exhibit(repo, caller, Right.ACKNOWLEDGE, number, attempted=attempted)
    query = (
        select(Disclosed, Case.code)
        .join(Case, Case.id == Disclosed.case_id)
        .join(Grant, and_(Grant.case_id == Case.id, Grant.party == Disclosed.party))
        .where(
            Grant.person_id == actor.id,
            Disclosed.exhibit_id == exhibit.id,
            Case.code == (code or case.code),
        )
    )
    with repo.database.writing() as session:
        take_lock(session)
        found = session.execute(query).first()
        if found is None:
            raise BadRequest(f"nothing of {exhibit.number} was disclosed to your party there")
        row: Disclosed = found[0]
        if row.acknowledged_at is None:
            row.acknowledged_at = repo.clock()
            session.flush()
            draft = Draft(
                attempted,
                actor,
                reason="disclosure",
                exhibit=ref(exhibit),
                withheld={"case": found.code, "recipient": row.party},
            )
            repo.ledger.append(session, [draft])
    return row


def reveal(repo: Repository, caller: Caller, number: str, *, motive: str) -> dict[str, str]:
    """Return who the source of an exhibit is, to whoever was permitted it by two persons.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller, or not permitted now; recorded.
        BadRequest: no motive, or nobody is named in the record.
    """
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.REVEAL, number, attempted=Act.IDENTITY_REVEALED
    )
    stated_motive(repo, caller, motive, Act.IDENTITY_REVEALED, case=case, exhibit=exhibit)
    with repo.database.reading() as session:
        [thing] = of_exhibits(session, caller, case, [exhibit])
    until = thing.permitted.get(Act.IDENTITY_REVEALED)
    if until is None or until <= repo.clock():
        error = AccessDenied(
            f"who the source of {exhibit.number} is takes two persons: evidence reveal request"
        )
        refuse(
            repo, caller, Act.IDENTITY_REVEALED, ["not-permitted"], error,
            case=case, exhibit=exhibit,
        )  # fmt: skip
    found: dict[str, str] = {}
    entries = repo.ledger.history(exhibit.id)
    for entry in entries:
        opened = repo.ledger.opened(entry)
        found |= {name: str(opened[name]) for name in IDENTIFYING if name in opened}
    if not found:
        raise BadRequest(f"the record of {shown(number)} names no source")
    repo.ledger.record(
        Draft(
            Act.IDENTITY_REVEALED,
            actor,
            exhibit=ref(exhibit),
            withheld={"case": case.code, "motive": motive},
        )
    )
    return found
