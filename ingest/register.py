"""Register stored bytes: exhibit rows and custody entries in one transaction, then receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, CustodyEntry, Draft, ExhibitRef, uuid7
from custody.receipt import Receipt
from ingest.doubles import double_entry, doubles_of
from ingest.staging import Staged
from repository import Repository
from repository.errors import UnknownQuarantine, UnknownSubmission
from repository.exhibits import known_as, part_json
from repository.models import Case, Exhibit, Grant, Intake, Part, Quarantined, Submission
from repository.naming import exhibit_number, name_digest, recorded_name
from repository.submissions import Declaration


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: `registered` with a number, or `quarantined` with an id."""

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


def register(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    staged: Sequence[Staged],
    *,
    released: Mapping[str, str] | None = None,
    seen: Mapping[tuple[bytes, str], int] | None = None,
) -> list[Outcome]:
    """Register stored files in one transaction and write their receipts. (4, 5, 6)

    Args:
        repo: the repository.
        actor: who hands over, or who releases from quarantine.
        case: their case.
        submission: their submission.
        staged: the stored files.
        released: exhibit id -> motive of those that a custodian releases from quarantine.
        seen: (path, digest) -> how many of it this run has accounted for; what the submission has
            beyond that was registered by another process meanwhile, and is not registered twice.

    Raises:
        LedgerUnavailable: nothing was registered; the bytes stay and the next run goes on.
    """
    declaration = Declaration.from_json(submission.declared)
    at = repo.clock()
    drafts: list[Draft] = []
    marks: list[tuple[Staged, Exhibit | Quarantined, int]] = []
    doubles: dict[str, Exhibit] = {}
    with repo.database.writing() as session:
        row = session.get_one(Case, case.id, with_for_update=True)  # its numbers are counted
        waiting = _waiting(session, staged, released or {})
        if seen is not None:
            doubles = doubles_of(session, submission, staged, seen)
        for one in staged:
            if one.exhibit_id not in waiting:
                continue
            if one.exhibit_id in doubles:
                drafts.append(double_entry(actor, one))
                continue
            motive = (released or {}).get(one.exhibit_id)
            if motive is not None:
                drafts.append(_release(session, actor, row, one, motive))
            if one.mismatches and motive is None:
                kept = _quarantine(repo, session, actor, row, submission, one, drafts)
                marks.append((one, kept, len(drafts) - 1))
            else:
                exhibit = _register(session, row, submission, declaration, one, at)
                drafts.extend(_history(actor, row, declaration, one, exhibit))
                marks.append((one, exhibit, len(drafts) - 1))
        _settle(session, marks, [name for name in doubles if name in waiting])
        session.flush()
        entries = repo.ledger.append(session, drafts)
        for _, made, position in marks:
            index = entries[position].index
            if isinstance(made, Exhibit):
                made.registration = index
            else:
                made.index = index
        session.flush()
    done = {o.exhibit_id: o for o in _acknowledge(repo, actor, submission, marks, entries)}
    return [
        done.get(one.exhibit_id)
        or (
            registered_before(repo, doubles[one.exhibit_id])
            if one.exhibit_id in doubles
            else _finished(repo, one)
        )
        for one in staged
    ]


def registered_before(repo: Repository, exhibit: Exhibit) -> Outcome:
    """Return the outcome of a file that an earlier run has registered."""
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


def quarantined_before(repo: Repository, kept: Quarantined) -> Outcome:
    """Return the outcome of a file that an earlier run has put into quarantine."""
    return Outcome(
        "quarantined",
        kept.path,
        kept.staged["digests"]["sha256"],
        kept.staged["size"],
        kept.submission_id,
        kept.index,
        repo.ledger.entry(kept.index).fields["at"],
        exhibit_id=kept.exhibit_id,
        quarantine=kept.id,
        again=True,
    )


def _waiting(session: Session, staged: Sequence[Staged], released: Mapping[str, str]) -> set[str]:
    """Return which of the files nobody else has registered or quarantined meanwhile."""
    ids = [one.exhibit_id for one in staged]
    rows = session.scalars(select(Intake).where(Intake.exhibit_id.in_(ids)).with_for_update())
    return {row.exhibit_id for row in rows if row.state == "open" or row.exhibit_id in released}


def _finished(repo: Repository, staged: Staged) -> Outcome:
    """Return what another process, working on the same submission, made of a file."""
    with repo.database.reading() as session:
        exhibit = session.get(Exhibit, staged.exhibit_id)
        query = select(Quarantined).where(Quarantined.exhibit_id == staged.exhibit_id)
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
    marks: Sequence[tuple[Staged, Exhibit | Quarantined, int]],
    entries: Sequence[CustodyEntry],
) -> list[Outcome]:
    indexes = [entries[position].index for _, _, position in marks]
    proofs = repo.ledger.proofs(indexes)
    with repo.database.reading() as session:
        cases = _known_cases(session, actor)
        known = {
            one.exhibit_id: tuple(
                known_as(session, one.digests["sha256"], cases=cases, but=one.exhibit_id)
            )
            for one, _, _ in marks
        }
    outcomes = []
    for (one, made, position), proof in zip(marks, proofs, strict=True):
        entry = entries[position]
        common: dict[str, Any] = {
            "path": one.path,
            "sha256": one.digests["sha256"],
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
    staged: Staged,
    at: datetime,
) -> Exhibit:
    case.exhibits += 1
    exhibit = Exhibit(
        id=staged.exhibit_id,
        number=exhibit_number(case.code, case.exhibits),
        case_id=case.id,
        serial=case.exhibits,
        submission_id=submission.id,
        path=staged.path,
        path_sha256=name_digest(staged.path),
        sha256=staged.digests["sha256"],
        size=staged.size,
        family=declaration.family,
        registered_at=at,
        registration=-1,  # set below, when the entry has its index
        processed_at=None,
        checked_at=at,
        locked_until=min(
            (one.retain_until for one in (*staged.objects, staged.manifest) if one.retain_until),
            default=None,
        ),
    )
    session.add(exhibit)
    session.add(_part(staged))
    return exhibit


def _settle(
    session: Session,
    marks: Sequence[tuple[Staged, Exhibit | Quarantined, int]],
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


def _release(session: Session, actor: Actor, case: Case, staged: Staged, motive: str) -> Draft:
    """Take bytes out of quarantine and return the entry that says who decided and why.

    Raises:
        UnknownQuarantine: somebody else decided first.
    """
    kept = session.scalar(select(Quarantined).where(Quarantined.exhibit_id == staged.exhibit_id))
    if kept is None or kept.state != "held":
        raise UnknownQuarantine("somebody else has decided about this already")
    kept.state = "released"
    return Draft(
        Act.APPROVAL_GIVEN,
        actor,
        reason="quarantine-released",
        plain={"attempted": str(Act.QUARANTINE)},
        withheld={"motive": motive, "case": case.code, "detail": {"quarantine": kept.id}},
        subject=staged.exhibit_id,
    )


def _part(staged: Staged) -> Part:
    return Part(
        exhibit_id=staged.exhibit_id,
        part=1,
        size=staged.size,
        digests=staged.digests,
        chunk_count=staged.chunk_count,
        chunk_root=staged.chunk_root,
        stored=staged.stored.to_json(),
        further=[one.to_json() for one in staged.objects[1:]] or None,
        manifest={**staged.manifest.to_json(), "plain_sha256": staged.manifest_sha256},
        encryption=staged.encryption,
    )


def _history(
    actor: Actor, case: Case, declaration: Declaration, staged: Staged, exhibit: Exhibit
) -> list[Draft]:
    """Return an exhibit's first entries: collection, receipt, digests, registration."""
    about = ExhibitRef(exhibit.id, exhibit.number, exhibit.sha256, exhibit.size)
    purpose = {"purpose": declaration.purpose.to_json(), "case": case.code}
    drafts = []
    if declaration.collection:
        drafts.append(
            Draft(
                Act.COLLECTION,
                actor,
                exhibit=about,
                plain={"occurred_at": declaration.occurred_at} if declaration.occurred_at else {},
                withheld=declaration.collection,
            )
        )
    drafts.append(
        Draft(
            Act.RECEIPT,
            actor,
            exhibit=about,
            plain={"location": staged.stored.location()},
            withheld={"name": recorded_name(staged.path), **purpose},
        )
    )
    drafts.append(_calculation(actor, staged, about))
    drafts.append(
        Draft(
            Act.REGISTRATION,
            actor,
            exhibit=about,
            plain={"parts": [part_json(_part(staged))]},
            withheld={"case": case.code},
        )
    )
    return drafts


def _calculation(actor: Actor, staged: Staged, about: ExhibitRef | None) -> Draft:
    """Return the digest at source (declared) and at receipt (computed): two facts."""
    outcome = "done"  # nothing was declared, so nothing was compared
    if staged.declared:
        outcome = "fail" if staged.mismatches else "pass"
    return Draft(
        Act.MESSAGE_DIGEST_CALCULATION,
        actor,
        outcome,
        reason="digest-mismatch" if staged.mismatches else None,
        exhibit=about,
        plain={
            "verification": {
                "expected": sorted(staged.declared.values()),
                "observed": sorted(staged.digests.values()),
            }
        },
        subject=staged.exhibit_id,
    )


def _quarantine(
    repo: Repository,
    session: Session,
    actor: Actor,
    case: Case,
    submission: Submission,
    staged: Staged,
    drafts: list[Draft],
) -> Quarantined:
    at = repo.clock()
    kept = Quarantined(
        id=f"QUA-{uuid7(at, repo.random)}",
        exhibit_id=staged.exhibit_id,
        case_id=case.id,
        submission_id=submission.id,
        path=staged.path,
        staged=staged.to_json(),
        index=-1,  # set when the entry has its index
        at=at,
        state="held",
    )
    session.add(kept)
    withheld = {
        "name": recorded_name(staged.path),
        "case": case.code,
        "detail": {"quarantine": kept.id, "submission": submission.id},
    }
    drafts.append(_calculation(actor, staged, None))
    drafts.append(
        Draft(
            Act.QUARANTINE,
            actor,
            reason="digest-mismatch",
            plain={
                "location": staged.stored.location(),
                "outputs": [staged.digests["sha256"]],
            },
            withheld=withheld,
            subject=staged.exhibit_id,
        )
    )
    return kept


def _known_cases(session: Session, actor: Actor) -> list[str] | None:
    if actor.role == "custodian":
        return None
    return list(session.scalars(select(Grant.case_id).where(Grant.person_id == actor.id)))
