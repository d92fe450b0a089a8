"""Other installations that are known: whose bundles and receipts are believed, by pinned keys."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.entry import Act, Draft
from custody.errors import MalformedNote
from custody.note import ED25519, VerifierKey
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house
from repository.errors import AlreadyExists, BadRequest
from repository.handovers import Counterpart
from repository.naming import shown
from repository.people import named_organisation
from repository.stated import stated_motive


def pin(
    repo: Repository, caller: Caller, organisation: str, vkey: str, *, motive: str
) -> Counterpart:
    """Believe what a key of another installation's ledger signs, from now on.

    The key is to be compared with a fingerprint that came another way: nothing here can.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no key of a ledger, one of this ledger, or no motive (recorded).
        AlreadyExists: it is pinned.
    """
    on_house(repo, caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    try:
        key = VerifierKey.parse(vkey.strip())
    except MalformedNote as error:
        raise BadRequest(f"this is no key of a ledger: {error}") from error
    if key.type != ED25519:
        raise BadRequest("a ledger is known by its Ed25519 key")
    if key.name == repo.ledger.origin:
        raise BadRequest("this is a key of this ledger itself")
    if len(str(key)) > 400 or len(key.name) > 200:
        raise BadRequest("the name of this key is too long")
    at = repo.clock()
    with repo.database.writing() as session:
        named_organisation(session, organisation, at=at)
        row = session.get(Counterpart, str(key), with_for_update={"key_share": True})
        if row is not None and row.ended_at is None:
            raise AlreadyExists(f"this key is pinned already, for {shown(row.organisation)}")
        if row is None:
            row = Counterpart(vkey=str(key), origin=key.name, added_at=at, index=-1)
        row.organisation, row.added_at, row.ended_at = organisation, at, None
        session.add(row)
        session.flush()
        [entry] = repo.ledger.append(session, [_draft(caller, row, "added", motive)])
        row.index = entry.index
    return row


def unpin(repo: Repository, caller: Caller, vkey: str, *, motive: str) -> Counterpart:
    """Believe nothing more that a key signs; what was believed stays on record.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: it is not pinned, or no motive (recorded).
    """
    on_house(repo, caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    with repo.database.writing() as session:
        row = session.get(Counterpart, vkey.strip(), with_for_update={"key_share": True})
        if row is None or row.ended_at is not None:
            raise BadRequest("this key is not pinned; see: evidence counterpart list")
        row.ended_at = repo.clock()
        session.flush()
        repo.ledger.append(session, [_draft(caller, row, "ended", motive)])
    return row


def counterparts(repo: Repository, caller: Caller) -> list[Counterpart]:
    """Return every key that was ever pinned, by organisation; recorded.

    Raises:
        AccessDenied: no custodian; recorded.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONSULTATION)
    query = select(Counterpart).order_by(Counterpart.organisation, Counterpart.added_at)
    with repo.database.reading() as session:
        rows = list(session.scalars(query))
    repo.ledger.record(
        Draft(Act.CONSULTATION, actor, reason="counterpart-list", plain={"count": len(rows)})
    )
    return rows


def keys_of_ledger(session: Session, origin: str) -> list[VerifierKey]:
    """Return the pinned keys of another ledger, by its name."""
    query = select(Counterpart.vkey).where(
        Counterpart.origin == origin, Counterpart.ended_at.is_(None)
    )
    return [VerifierKey.parse(one) for one in session.scalars(query)]


def keys_of_organisation(session: Session, name: str) -> list[VerifierKey]:
    """Return the pinned keys of an organisation's installations; none: it has none that we know."""
    query = (
        select(Counterpart.vkey)
        .where(Counterpart.organisation == name, Counterpart.ended_at.is_(None))
        .order_by(Counterpart.vkey)
    )
    return [VerifierKey.parse(one) for one in session.scalars(query)]


def _draft(caller: Caller, row: Counterpart, state: str, motive: str) -> Draft:
    return Draft(
        Act.CONFIGURATION_CHANGE,
        caller.actor(),
        reason=f"counterpart-{state}",
        plain={"key": {"vkey": row.vkey, "state": state}},
        withheld={"motive": motive, "detail": {"organisation": row.organisation}},
    )
