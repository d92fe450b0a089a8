"""One act of handing over: its declarations, and how far it has come."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from repository import Repository
from repository.conditions import Marking
from repository.errors import AlreadyExists, BadRequest, UnknownSubmission
from repository.marking import Subject, checked, put
from repository.models import Case, Exhibit, Quarantined, Submission
from repository.naming import name_digest, submission_id
from repository.purpose import Purpose

FAMILIES = ("mobile", "social", "heritage", "other")
CLAIMS = (  # what may be declared beside the purpose
    "family", "collected_by", "collected_at", "place", "method", "authority", "source",
    "conditions",
)  # fmt: skip
MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the submitter says about a submission, or about one thing of it; all of it claims."""

    purpose: Purpose
    family: str = "other"
    collected_by: str | None = None
    collected_at: str | None = None  # as given: a date or time, with or without zone
    place: str | None = None
    method: str | None = None
    authority: str | None = None
    source: str | None = None
    conditions: str | None = None  # under which the source gave it

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise BadRequest(f"a family is one of {', '.join(FAMILIES)}")
        for name in CLAIMS:
            value = getattr(self, name)
            if value is not None and (not value.strip() or len(value) > MAX_TEXT):
                raise BadRequest(f"{name.replace('_', ' ')} has 1 to {MAX_TEXT} characters")
        self.occurred_at  # noqa: B018 - refuses what is no time

    def to_json(self) -> dict[str, Any]:
        """Return the declaration as the table keeps it."""
        return {**asdict(self), "purpose": self.purpose.to_json()}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Declaration":
        """Read what `to_json` wrote, or `said_of`."""
        claims = {name: value for name, value in found.items() if name != "marking"}
        return cls(**{**claims, "purpose": Purpose(**found["purpose"])})

    @property
    def collection(self) -> dict[str, Any]:
        """Return what was declared of the collection, as withheld fields."""
        names = ("collected_by", "place", "method", "authority", "source")
        found = {name: value for name in names if (value := getattr(self, name)) is not None}
        details = ("collected_at", "conditions")  # entries have no field of their own for these
        detail = {name: value for name in details if (value := getattr(self, name)) is not None}
        return {**found, "detail": detail} if detail else found

    @property
    def occurred_at(self) -> str | None:
        """Return the time of collection, if it was declared with a zone; zones are never guessed.

        Raises:
            BadRequest: what was declared is no time.
        """
        if self.collected_at is None:
            return None
        try:
            found = datetime.fromisoformat(self.collected_at)
        except ValueError as error:
            raise BadRequest(
                "the time of collection is written like 2026-11-20T14:05:00+01:00, or a date"
            ) from error
        return None if found.tzinfo is None else timestamp(found)


def said_of(declared: Declaration, marking: Marking | None) -> dict[str, Any]:
    """Return what the table keeps of what was said of a submission: claims, and conditions."""
    stated = {"marking": marking.to_json()} if marking not in (None, Marking()) else {}
    return {**declared.to_json(), **stated}


def open_submission(
    repo: Repository,
    actor: Actor,
    case: Case,
    declared: Declaration,
    *,
    named: str | None = None,
    sources: list[bytes],
    expires: bool = False,
    manifest: Mapping[str, Any] | None = None,
    marking: Marking | None = None,
) -> tuple[Submission, bool]:
    """Return the submission to work on, and whether it goes on where an earlier run stopped.

    A named submission is continued or begun under that id. Without a name, the newest one of the
    same person, case and sources is continued if it was interrupted; a completed one is not. One
    that `expires` is given up when nothing comes in for too long.
    `manifest` tells the list that declares something of each file, for the entry that begins it.
    `marking` is how it is to be handled from the first; its owner, where none is named, is the
    institution of whoever hands it over, if the case is another one's.

    Raises:
        BadRequest: the id is malformed, or the marking says what there is not.
        UnknownSubmission: the id belongs to another case.
        AlreadyExists: it was begun under other conditions, or with other declarations.
    """
    said = said_of(declared, marking)
    fingerprint = _fingerprint(actor, case, said, sources)
    conditions = None if marking is None else _conditions(repo, actor, case, marking)
    with repo.database.writing() as session:
        found = _existing(session, case, named, fingerprint)
        if found is not None:
            if said.get("marking") not in (None, found.declared.get("marking")):
                raise AlreadyExists(
                    f"{found.id} was begun under other conditions; to change them: "
                    f"evidence mark {found.id}"
                )
            _check_same(found, declared)
            return found, True
        at = repo.clock()
        submission = Submission(
            id=submission_id(named) if named else f"SUB-{uuid7(at, repo.random)}",
            case_id=case.id,
            person_id=actor.id,
            declared=said,
            fingerprint=fingerprint,
            opened_at=at,
            completed_at=None,
            touched_at=at if expires else None,
        )
        session.add(submission)
        session.flush()
        withheld: dict[str, Any] = {
            "case": case.code,
            "purpose": declared.purpose.to_json(),
            **declared.collection,
            "detail": {
                "submission": submission.id,
                "family": declared.family,
                "collected_at": declared.collected_at,
                **({"conditions": declared.conditions} if declared.conditions else {}),
                **({"manifest": dict(manifest)} if manifest else {}),
            },
        }
        draft = Draft(Act.SUBMISSION, actor, "started", withheld=withheld, subject=case.id)
        repo.ledger.append(session, [draft])
        if conditions is not None:
            subject = Subject(submission.id, submission.id, case)
            put(repo, session, actor, subject, Marking(), conditions, motive="as handed in")
    return submission, False


def _check_same(begun: Submission, declared: Declaration) -> None:
    """Refuse what is declared now and was not when a submission began; what is left out, holds."""
    now = {name: getattr(declared, name) for name in CLAIMS}
    now["family"] = None if declared.family == "other" else declared.family
    others = [
        name.replace("_", " ")
        for name, value in now.items()
        if value is not None and value != begun.declared.get(name)
    ]
    if others:
        raise AlreadyExists(
            f"{begun.id} was begun with another {', '.join(others)}, or none; nothing was taken "
            "in: leave that out to go on with it, or begin another submission"
        )


def _conditions(repo: Repository, actor: Actor, case: Case, marking: Marking) -> Marking | None:
    """Return the marking that a submission begins with; None where it restricts nothing."""
    if marking == Marking():
        return None
    theirs = actor.organisation if actor.organisation != case.organisation else None
    return checked(repo, replace(marking, owner=marking.owner or theirs))


def interrupted(
    repo: Repository,
    actor: Actor,
    case: Case,
    declared: Declaration,
    *,
    named: str | None,
    sources: list[bytes],
    marking: Marking | None = None,
) -> Submission | None:
    """Return the submission that `open_submission` would go on with, or None; nothing is opened.

    Raises:
        BadRequest, UnknownSubmission: as `open_submission`.
    """
    fingerprint = _fingerprint(actor, case, said_of(declared, marking), sources)
    with repo.database.reading() as session:
        return _existing(session, case, named, fingerprint)


def complete(repo: Repository, submission: Submission) -> None:
    """Note that everything named was dealt with; a later run begins a new submission."""
    with repo.database.writing() as session:
        row = session.get_one(Submission, submission.id)
        if row.completed_at is None:
            row.completed_at = repo.clock()


def registered(session: Session, submission: Submission, path: bytes) -> list[Exhibit]:
    """Return what this submission has registered under a path."""
    query = (
        select(Exhibit)
        .where(
            Exhibit.submission_id == submission.id,
            Exhibit.path_sha256 == name_digest(path),
        )
        .order_by(Exhibit.serial)
    )
    return [exhibit for exhibit in session.scalars(query) if exhibit.path == path]


def held_back(session: Session, submission: Submission, path: bytes) -> list[Quarantined]:
    """Return what of this submission and path waits in quarantine."""
    query = select(Quarantined).where(
        Quarantined.submission_id == submission.id,
        Quarantined.path == path,
        Quarantined.state == "held",
    )
    return list(session.scalars(query))


def _existing(
    session: Session, case: Case, named: str | None, fingerprint: str
) -> Submission | None:
    if named:
        found = session.get(Submission, submission_id(named))
        if found is not None and found.case_id != case.id:
            raise UnknownSubmission(f"{submission_id(named)} belongs to another case")
        return found
    return session.scalar(
        select(Submission)
        .where(Submission.fingerprint == fingerprint, Submission.completed_at.is_(None))
        .order_by(Submission.opened_at.desc())
        .limit(1)
    )


def _fingerprint(actor: Actor, case: Case, said: dict[str, Any], sources: list[bytes]) -> str:
    named = [source.hex() for source in sources]
    return sha256(dumps([actor.id, case.id, said, named])).hexdigest()
