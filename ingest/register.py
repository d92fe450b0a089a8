"""Register stored bytes: exhibit rows and custody entries in one transaction, then receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, CustodyEntry, Draft, uuid7
from custody.receipt import Receipt
from ingest.arrival import history, part_row, quarantine
from ingest.doubles import double_entry, doubles_of
from ingest.origin import taken_before
from ingest.quoted import add_quoted, quoted_before
from ingest.settle import File, Settled, settle
from ingest.staging import Received
from repository import Repository
from repository.errors import UnknownQuarantine, UnknownSubmission
from repository.exhibits import known_as
from repository.journal import cover
from repository.models import Case, Exhibit, Grant, Intake, Quarantined, Submission
from repository.naming import exhibit_number, name_digest
from repository.submissions import Declaration


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one thing: `registered` with a number, or `quarantined` with an id."""

    status: str
    path: bytes
    sha256: str
    size: int
    submission: str
    index: int
    at: str
    exhibit_id: str
    number: str | None = None
    quarantine: str | None = None
    receipt: Path | None = None
    known_as: tuple[str, ...] = field(default=())
    again: bool = False  # registered by an earlier run of the same submission


Mark = tuple[Received, Exhibit | Quarantined, int]
"""A thing, the row made of it, and the place of its main entry among the drafts."""


def register(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    received: Sequence[Received],
    *,
    released: Mapping[str, str] | None = None,
    seen: Mapping[tuple[bytes, str], int] | None = None,
) -> list[Outcome]:
    """Register stored things in one transaction and write their receipts. (4, 5, 6)

    A thing is registered whole, as one exhibit, or set apart whole: where one part's declared
    digest differs, all its parts wait.

    Args:
        repo: the repository.
        actor: who hands over, or who releases from quarantine.
        case: their case.
        submission: their submission.
        received: the stored things.
        released: exhibit id -> motive of those that a custodian releases from quarantine.
        seen: (path, digest) -> how many of it this run has accounted for; what the submission has
            beyond that was registered by another process meanwhile, and is not registered twice.

    Raises:
        LedgerUnavailable: nothing was registered; the bytes stay and the next run goes on.
    """
    declaration = Declaration.from_json(submission.declared)
    at = repo.clock()
    drafts: list[Draft] = []
    marks: list[Mark] = []
    doubles: dict[str, Exhibit] = {}
    kept_with: dict[int, list[Any]] = {}  # by the place of its first entry among the drafts
    with repo.database.writing() as session:
        row = session.get_one(
            Case, case.id, with_for_update={"key_share": True}
        )  # its numbers are counted
        waiting = _waiting(session, received, released or {})
        if seen is not None:
            doubles = doubles_of(session, submission, received, seen)
        origins = {one.exhibit_id: one.origin for one in received if one.origin is not None}
        doubles |= taken_before(session, origins)
        doubles |= quoted_before(session, row, {one.exhibit_id: one.quoted for one in received})
        for one in received:
            if one.exhibit_id not in waiting:
                continue
            if one.exhibit_id in doubles:
                drafts += double_entry(actor, one)
                continue
            motive = (released or {}).get(one.exhibit_id)
            if motive is not None:
                drafts.append(_release(session, actor, row, one, motive))
            if (one.mismatches or one.held) and motive is None:
                kept = _quarantine(repo, session, row, submission, one)
                drafts += quarantine(actor, row, one, kept)
                marks.append((one, kept, len(drafts) - 1))
            else:
                said = one.declaration or declaration
                exhibit = _register(session, row, submission, said, one, at)
                arrived = history(actor, row, said, one, exhibit)
                along, rows = _along(session, actor, row, said, one, exhibit)
                if rows:
                    kept_with[len(drafts) + len(arrived)] = rows
                arrived += along
                first = next(n for n, a in enumerate(arrived) if a.type == Act.REGISTRATION)
                marks.append((one, exhibit, len(drafts) + first))
                drafts += arrived
        _settle(session, marks, [name for name in doubles if name in waiting])
        session.flush()
        entries = repo.ledger.append(session, drafts)
        for position, rows in kept_with.items():
            add_quoted(session, rows, entries[position:])
        for _, made, position in marks:
            index = entries[position].index
            if isinstance(made, Exhibit):
                made.registration = index
            else:
                made.index = index
        session.flush()
        settle(session, submission.id, [_settled(one, made) for one, made, _ in marks])
    done = {o.exhibit_id: o for o in _acknowledge(repo, actor, submission, marks, entries)}
    return [
        done.get(one.exhibit_id)
        or (
            registered_before(repo, doubles[one.exhibit_id])
            if one.exhibit_id in doubles
            else _finished(repo, one)
        )
        for one in received
    ]


def _along(
    session: Session,
    actor: Actor,
    case: Case,
    declaration: Declaration,
    received: Received,
    exhibit: Exhibit,
) -> tuple[list[Draft], list[Any]]:
    """Return the entries about where a thing comes from; and rows that need their indexes.

    It is a member of a container, or was quoted by another repository, or neither.
    """
    if received.origin is not None:
        session.flush()  # the exhibit's row before one that names it
        session.add_all(received.origin.rows(exhibit.id))
        digests = sorted(received.parts[0].digests.values())
        return received.origin.entries(actor, case, declaration.purpose, exhibit, digests), []
    if received.quoted is not None:
        return received.quoted.entries(actor, case, exhibit), received.quoted.rows(exhibit, case)
    return [], []


def _settled(received: Received, made: Exhibit | Quarantined) -> Settled:
    files = tuple(File(part.path, part.size, part.digests) for part in received.parts)
    if isinstance(made, Exhibit):
        return Settled(made.id, "registered", made.registration, files)
    return Settled(made.exhibit_id, "quarantined", made.index, files)


def registered_before(repo: Repository, exhibit: Exhibit) -> Outcome:
    """Return the outcome of a thing that an earlier run has registered."""
    cover(repo, exhibit.registration + 1)  # that run may have ended before it was
    return Outcome(
        "registered",
        exhibit.path,
        exhibit.sha256,
        exhibit.size,
        exhibit.submission_id,
        exhibit.registration,
        repo.ledger.entry(exhibit.registration).fields["at"],
        exhibit_id=exhibit.id,
        number=exhibit.number,
        receipt=repo.receipts / f"{exhibit.number}.json",
        again=True,
    )


def received_of(kept: Quarantined) -> Received:
    """Return the thing that waits in quarantine: its parts, their digests and those declared."""
    return Received.from_json(kept.staged, exhibit_id=kept.exhibit_id, path=kept.path)


def quarantined_before(repo: Repository, kept: Quarantined) -> Outcome:
    """Return the outcome of a thing that an earlier run has put into quarantine."""
    received = received_of(kept)
    cover(repo, kept.index + 1)
    return Outcome(
        "quarantined",
        kept.path,
        received.sha256,
        received.size,
        kept.submission_id,
        kept.index,
        repo.ledger.entry(kept.index).fields["at"],
        exhibit_id=kept.exhibit_id,
        quarantine=kept.id,
        again=True,
    )


def _waiting(
    session: Session, received: Sequence[Received], released: Mapping[str, str]
) -> set[str]:
    """Return which of the things nobody else has registered or quarantined meanwhile."""
    ids = [one.exhibit_id for one in received]
    rows = session.scalars(
        select(Intake).where(Intake.exhibit_id.in_(ids)).with_for_update(key_share=True)
    )
    states: dict[str, set[str]] = {}
    for row in rows:
        states.setdefault(row.exhibit_id, set()).add(row.state)
    return {name for name, found in states.items() if found == {"open"} or name in released}


def _finished(repo: Repository, received: Received) -> Outcome:
    """Return what another process, working on the same submission, made of a thing."""
    with repo.database.reading() as session:
        exhibit = session.get(Exhibit, received.exhibit_id)
        query = select(Quarantined).where(Quarantined.exhibit_id == received.exhibit_id)
        kept = session.scalar(query)
    if exhibit is not None:
        return registered_before(repo, exhibit)
    if kept is None:
        raise UnknownSubmission("this submission was changed by somebody else; run it again")
    return quarantined_before(repo, kept)


def _acknowledge(
    repo: Repository,
    actor: Actor,
    submission: Submission,
    marks: Sequence[Mark],
    entries: Sequence[CustodyEntry],
) -> list[Outcome]:
    if entries:
        cover(repo, entries[-1].index + 1)  # nothing is acknowledged that one database has alone
    indexes = [entries[position].index for _, _, position in marks]
    proofs = repo.ledger.proofs(indexes)
    with repo.database.reading() as session:
        cases = _known_cases(session, actor)
        known = known_as(session, {one.exhibit_id: one.sha256 for one, _, _ in marks}, cases=cases)
    outcomes = []
    for (one, made, position), proof in zip(marks, proofs, strict=True):
        entry = entries[position]
        common: dict[str, Any] = {
            "path": one.path,
            "sha256": one.sha256,
            "size": one.size,
            "submission": submission.id,
            "index": entry.index,
            "at": entry.fields["at"],
            "known_as": known[one.exhibit_id],
            "exhibit_id": one.exhibit_id,
        }
        if isinstance(made, Quarantined):
            outcomes.append(Outcome("quarantined", quarantine=made.id, **common))
            continue
        receipt = repo.ledger.receipt(entry, proof, submission=submission.id)
        outcomes.append(
            Outcome(
                "registered",
                number=made.number,
                receipt=write_receipt(repo, receipt),
                **common,
            )
        )
    return outcomes


def write_receipt(repo: Repository, receipt: Receipt) -> Path:
    """Write a receipt into the data folder; it can be made again from the ledger at any time."""
    file = repo.receipts / f"{receipt.exhibit}.json"
    file.write_text(receipt.to_text())
    return file


def _register(
    session: Session,
    case: Case,
    submission: Submission,
    declaration: Declaration,
    received: Received,
    at: datetime,
) -> Exhibit:
    case.exhibits += 1
    objects = [one for part in received.parts for one in (*part.objects, part.manifest)]
    exhibit = Exhibit(
        id=received.exhibit_id,
        number=exhibit_number(case.code, case.exhibits),
        case_id=case.id,
        serial=case.exhibits,
        submission_id=submission.id,
        path=received.path,
        path_sha256=name_digest(received.path),
        sha256=received.sha256,
        size=received.size,
        family=declaration.family,
        registered_at=at,
        registration=-1,  # set below, when the entry has its index
        processed_at=None,
        checked_at=at,
        locked_until=min((one.retain_until for one in objects if one.retain_until), default=None),
    )
    session.add(exhibit)
    session.add_all([part_row(part) for part in received.parts])
    return exhibit


def _settle(
    session: Session,
    marks: Sequence[Mark],
    abandoned: Sequence[str],
) -> None:
    """Note in the intents what became of them."""
    if abandoned:
        doubled = update(Intake).where(Intake.exhibit_id.in_(abandoned))
        session.execute(doubled.values(state="abandoned"))
    for state, kind in (("registered", Exhibit), ("quarantined", Quarantined)):
        ids = [one.exhibit_id for one, made, _ in marks if isinstance(made, kind)]
        if ids:
            session.execute(update(Intake).where(Intake.exhibit_id.in_(ids)).values(state=state))


def _release(session: Session, actor: Actor, case: Case, received: Received, motive: str) -> Draft:
    """Take bytes out of quarantine and return the entry that says who decided and why.

    Raises:
        UnknownQuarantine: somebody else decided first.
    """
    kept = session.scalar(select(Quarantined).where(Quarantined.exhibit_id == received.exhibit_id))
    if kept is None or kept.state != "held":
        raise UnknownQuarantine("somebody else has decided about this already")
    kept.state = "released"
    return Draft(
        Act.APPROVAL_GIVEN,
        actor,
        reason="quarantine-released",
        plain={"attempted": str(Act.QUARANTINE)},
        withheld={"motive": motive, "case": case.code, "detail": {"quarantine": kept.id}},
        subject=received.exhibit_id,
    )


def _quarantine(
    repo: Repository, session: Session, case: Case, submission: Submission, received: Received
) -> Quarantined:
    at = repo.clock()
    kept = Quarantined(
        id=f"QUA-{uuid7(at, repo.random)}",
        exhibit_id=received.exhibit_id,
        case_id=case.id,
        submission_id=submission.id,
        path=received.path,
        staged=received.to_json(),
        index=-1,  # set when the entry has its index
        at=at,
        state="held",
    )
    session.add(kept)
    return kept


def _known_cases(session: Session, actor: Actor) -> list[str] | None:
    """Return the ids of the cases the actor takes part in; None: all, for a house's custodian."""
    granted = select(Grant.case_id).where(Grant.person_id == actor.id)
    if actor.role != "custodian":
        return list(session.scalars(granted))
    if actor.organisation is None:
        return None
    own = select(Case.id).where(Case.organisation == actor.organisation)
    return list(session.scalars(granted.union(own)))
