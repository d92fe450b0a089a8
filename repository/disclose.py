"""Disclose an exhibit to a party of its case; show who a source is to whom it was permitted."""

from collections.abc import Sequence
from typing import Any

from custody.entry import Act, Draft, uuid7
from repository import Repository
from repository.access import IDENTIFYING, Right
from repository.authorise import Caller, of_exhibits, on_exhibit, refuse
from repository.errors import AccessDenied, BadRequest, Erased
from repository.exhibits import ref
from repository.naming import shown
from repository.people import MAX_PARTY
from repository.retrieve import stated_purpose
from repository.rules import Disclosed


def disclose(
    repo: Repository,
    caller: Caller,
    number: str,
    *,
    party: str,
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
) -> Disclosed:
    """Let counsel and experts of a party know and read an exhibit; again, it changes nothing.

    `assured` are the excluded uses that the party has ruled out in writing.

    Raises:
        PurposeRequired, UnknownExhibit, AccessDenied: refused and recorded.
        BadRequest: no usable name of a party.
        Erased: there is nothing left to disclose.
    """
    if not party.strip() or len(party) > MAX_PARTY:
        raise BadRequest(f"a party has a name of 1 to {MAX_PARTY} characters")
    stated = stated_purpose(
        repo, caller, purpose, Act.DISCLOSURE, authority=authority, assured=assured
    )
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.DISCLOSE, number, attempted=Act.DISCLOSURE, purpose=stated
    )
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased; there is nothing to disclose")
    withheld: dict[str, Any] = {
        "purpose": stated.to_json(), "case": case.code, "recipient": party
    }  # fmt: skip
    if stated.authority:
        withheld["authority"] = stated.authority
    at = repo.clock()
    draft = Draft(
        Act.DISCLOSURE,
        actor,
        exhibit=ref(exhibit),
        request_id=uuid7(at, repo.random),
        withheld=withheld,
    )
    with repo.database.writing() as session:
        row = session.get(Disclosed, (exhibit.id, party))
        if row is None:
            row = Disclosed(exhibit_id=exhibit.id, party=party, at=at, index=-1)
            session.add(row)
            session.flush()
            [entry] = repo.ledger.append(session, [draft])
            row.index = entry.index
    return row


def reveal(repo: Repository, caller: Caller, number: str, *, motive: str) -> dict[str, str]:
    """Return who the source of an exhibit is, to whoever was permitted it by two persons.

    Raises:
        UnknownExhibit, AccessDenied: not for this caller, or not permitted now; recorded.
        BadRequest: no motive, or nobody is named in the record.
    """
    if not motive.strip():
        raise BadRequest("state a motive")
    actor, case, exhibit = on_exhibit(
        repo, caller, Right.REVEAL, number, attempted=Act.IDENTITY_REVEALED
    )
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
