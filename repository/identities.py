"""Who stands behind a codename: put into the vault, revealed by two persons, erased by two.

The ledger has the codename behind a commitment and a salted commitment to the identity, never a
name, so that it can be handed over whole. Erasing destroys key and sealed text; the codename stays.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError as Collision
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from repository import Repository, facts
from repository.access import Right
from repository.authorise import Caller, on_case, refuse
from repository.errors import (
    AccessDenied,
    BadRequest,
    Erased,
    IntegrityError,
    UnknownCase,
    UnknownIdentity,
)
from repository.models import Case
from repository.naming import CODENAME_LETTERS, is_codename, shown
from repository.rules import Identity
from repository.stated import stated_motive
from repository.vault import Sealed, seal, unseal

KINDS = ("witness", "victim", "source", "submitter")
MAX_TEXT = 2_000
_GROUP = 4  # letters of a codename, twice: 40 bits
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody protected is, as the vault keeps it."""

    name: str
    contact: str | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is sealed; what was not said is left out."""
        values = {"name": self.name, "contact": self.contact, "note": self.note}
        return {name: value for name, value in values.items() if value is not None}


def add(repo: Repository, caller: Caller, code: str, kind: str, person: Person) -> Identity:
    """Put an identity into the vault and return its row, with a codename drawn by chance.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no such kind, no name, or a text that is too long.
        KeyUnavailable: the vault cannot be opened here; nothing was kept.
    """
    actor, case = on_case(repo, caller, Right.PROTECT, code, attempted=Act.PERSON_REGISTERED)
    _check(kind, person)
    for _ in range(_TRIES):
        at = repo.clock()
        own = uuid7(at, repo.random)
        sealed = seal(repo, own, person.to_json())
        row = Identity(
            id=own,
            codename=_codename(repo),
            case_id=case.id,
            kind=kind,
            commitment=sealed.commitment,
            kek=sealed.kek,
            wrapped=sealed.wrapped,
            sealed=sealed.sealed,
            made_at=at,
            made_by=actor.id,
            index=-1,
        )
        draft = Draft(
            Act.PERSON_REGISTERED,
            actor,
            reason="protected",
            plain={"outputs": [row.commitment]},
            withheld={"case": case.code, "detail": {"codename": row.codename, "kind": kind}},
            subject=case.id,
        )
        try:
            with repo.database.writing() as session:
                session.add(row)
                session.flush()
                [entry] = repo.ledger.append(session, [draft])
                row.index = entry.index
        except Collision:
            continue  # the codename is taken
        return row
    raise AssertionError("no codename is free among 2^40")


def listed(repo: Repository, caller: Caller, code: str) -> list[Identity]:
    """Return the codenames of a case; nobody's name. Recorded.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.PROTECT, code, attempted=Act.CONSULTATION)
    query = select(Identity).where(Identity.case_id == case.id).order_by(Identity.codename)
    with repo.database.reading() as session:
        rows = list(session.scalars(query))
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="identity-list",
            plain={"count": len(rows)},
            withheld={"case": case.code},
            subject=case.id,
        )
    )
    return rows


def find(
    repo: Repository, caller: Caller, right: Right, codename: str, *, attempted: Act
) -> tuple[Actor, Case, Identity]:
    """Return the actor of an act on an identity, its case, and the identity.

    Raises:
        UnknownIdentity: there is none, or the caller has no part in its case; recorded.
        AccessDenied: a part in it, but not this right; recorded.
    """
    unknown = UnknownIdentity(f"there is no codename {shown(codename)} that you may know of")
    query = select(Identity, Case).join(Case, Case.id == Identity.case_id)
    with repo.database.reading() as session:
        found = session.execute(query.where(Identity.codename == codename)).first()
    if found is None:
        refuse(repo, caller, attempted, ["unknown-identity"], unknown, asked=codename)
    identity, case = found
    try:
        actor, _ = on_case(repo, caller, right, case.code, attempted=attempted)
    except UnknownCase:
        raise unknown from None  # recorded; the case is not named
    return actor, case, identity


def reveal(repo: Repository, caller: Caller, codename: str, *, motive: str) -> dict[str, Any]:
    """Return who stands behind a codename, to whoever was permitted it by two persons.

    The entry is committed before anything is returned.

    Raises:
        UnknownIdentity, AccessDenied: not for this caller, or not permitted now; recorded.
        BadRequest: no motive; recorded.
        Erased: nobody knows any more.
        KeyUnavailable, IntegrityError: the vault does not open, or what it holds is damaged.
    """
    actor, case, row = find(repo, caller, Right.REVEAL, codename, attempted=Act.IDENTITY_REVEALED)
    stated_motive(repo, caller, motive, Act.IDENTITY_REVEALED, case=case)
    with repo.database.reading() as session:
        effects = facts.permitted(session, [row.id], caller.person.id).get(row.id, {})
    until = effects.get(Act.IDENTITY_REVEALED)
    if until is None or until <= repo.clock():
        error = AccessDenied(
            f"who {row.codename} is takes two persons: evidence identity ask {row.codename}"
        )
        refuse(repo, caller, Act.IDENTITY_REVEALED, ["not-permitted"], error, case=case)
    if row.wrapped is None or row.sealed is None:
        raise Erased(f"{row.codename} was erased; nobody knows any more who it was")
    sealed = Sealed(row.kek, bytes(row.wrapped), bytes(row.sealed), row.commitment)
    recorded = repo.ledger.entry(row.index).fields.get("outputs")
    if recorded != [row.commitment]:
        raise IntegrityError(f"the ledger has another commitment for {row.codename}")
    found = unseal(repo, row.id, sealed)
    repo.ledger.record(
        Draft(
            Act.IDENTITY_REVEALED,
            actor,
            plain={"inputs": [row.commitment]},
            withheld={"case": case.code, "motive": motive, "detail": {"codename": row.codename}},
            subject=case.id,
        )
    )
    return found


def erase(
    repo: Repository, session: Session, actor: Actor, identity: str, case: Case, *, motive: str
) -> None:
    """Destroy key and sealed text within a transaction; that two persons decided is on record."""
    row = session.get_one(Identity, identity, with_for_update={"key_share": True})
    if row.erased_at is not None:
        return
    row.wrapped = row.sealed = None
    row.erased_at = repo.clock()
    session.flush()
    detail = {"codename": row.codename}
    draft = Draft(
        Act.ERASURE,
        actor,
        reason="identity",
        plain={"inputs": [row.commitment]},
        withheld={"case": case.code, "motive": motive, "detail": detail},
        subject=case.id,
    )
    repo.ledger.append(session, [draft])


def forget_again(repo: Repository) -> int:
    """Destroy what the ledger says was erased, and an older database has again.

    Returns:
        How many identities that were.
    """
    gone = {
        entry.fields["inputs"][0]: datetime.fromisoformat(entry.fields["at"])
        for entry in repo.ledger.entries()
        if (entry.fields["type"], entry.fields.get("reason")) == (Act.ERASURE, "identity")
    }
    known = select(Identity).where(Identity.erased_at.is_(None))
    with repo.database.writing() as session:
        found = [row for row in session.scalars(known) if row.commitment in gone]
        for row in found:
            row.wrapped = row.sealed = None
            row.erased_at = gone[row.commitment]
    repo.database.overwrite_log()
    return len(found)


def _check(kind: str, person: Person) -> None:
    if kind not in KINDS:
        raise BadRequest(f"there is no kind {shown(kind)}; choose one of {', '.join(KINDS)}")
    for value in (person.name, person.contact, person.note):
        if value is not None and not (value.strip() and len(value) <= MAX_TEXT):
            raise BadRequest(f"name, contact and note have 1 to {MAX_TEXT} characters")


def _codename(repo: Repository) -> str:
    letters = "".join(
        CODENAME_LETTERS[byte % len(CODENAME_LETTERS)] for byte in repo.random(2 * _GROUP)
    )
    found = f"ID-{letters[:_GROUP]}-{letters[_GROUP:]}"
    assert is_codename(found)
    return found
