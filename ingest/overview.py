"""Look at submissions: which are open, how far one is, its files, its receipts.

What the submitter is told of the own handing-over is the answer to what was sent. A look by anyone
else who takes part in the case is a `consultation` entry first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from custody.entry import Act, timestamp
from custody.receipt import SubmissionReceipt
from ingest import completion
from ingest.completion import Progress, expires_at, receipt_of
from ingest.lines import STATES, Line, page
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, on_submission
from repository.consult import consulted
from repository.errors import BadRequest
from repository.models import Announced, Exhibit, Submission
from repository.naming import recorded_name

MAX_RECEIPTS = 500

Cursor = tuple[int, tuple[int, int] | None]
"""Where a page of files goes on: after a number, and beyond the list after a place."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How far a submission is, as both sides see it."""

    progress: Progress
    expires_at: datetime | None
    list: str | None  # the digest in the receipt of its list
    receipt: str | None  # the digest in the receipt of its end

    def to_json(self) -> dict[str, Any]:
        """Return the submission as the API answers it."""
        found, row = self.progress, self.progress.submission
        return {
            "submission": row.id,
            "case": found.case,
            "opened_at": timestamp(row.opened_at),
            "touched_at": _time(row.touched_at),
            "completed_at": _time(row.completed_at),
            "expires_at": _time(self.expires_at),
            "files": found.listed,
            "bytes": found.size,
            "arrived": found.arrived,
            **{state: found.files.get(state, 0) for state in STATES},
            "further": found.further,
            "finishing": found.finishing,
            "open": found.open,
            "exhibits": found.exhibits,
            "looked_at": found.looked,
            "list": self.list,
            "receipt": self.receipt,
        }


def show(repo: Repository, caller: Caller, named: str) -> Overview:
    """Return how far a submission is.

    Raises:
        UnknownSubmission: there is none that the caller may know of; recorded.
    """
    return overview(repo, _look(repo, caller, named, "submission").id)


def overview(repo: Repository, submission_id: str, within: Session | None = None) -> Overview:
    """Return how far a submission is, within a transaction if one is given; it is authorised."""
    found = completion.progress(repo, submission_id, within)
    row = found.submission
    return Overview(
        found,
        expires_at(repo, row),
        _digest(repo, row.list_index, "inputs"),
        _digest(repo, row.done_index, "outputs"),
    )


def open_ones(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[Overview]:
    """Return the submissions of a case that are not complete, oldest first; recorded.

    `after` is when the last one that was seen was opened, and its id.

    Raises:
        UnknownCase: not for this caller; recorded.
    """
    actor, case = on_case(repo, caller, Right.CONSULT, code, attempted=Act.CONSULTATION)
    query = (
        select(Submission.id)
        .where(Submission.case_id == case.id, Submission.completed_at.is_(None))
        .order_by(Submission.opened_at, Submission.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Submission.opened_at, Submission.id) > after)
    with repo.database.reading() as session:
        found = list(session.scalars(query))
    consulted(repo, actor, found, "submission-list", case=case)
    return [overview(repo, one) for one in found]


def files(
    repo: Repository,
    caller: Caller,
    named: str,
    *,
    state: str | None = None,
    after: Cursor = (0, None),
    limit: int,
) -> list[Line]:
    """Return some of a submission's files, after a cursor: those of its list, then further ones.

    Raises:
        UnknownSubmission: there is none that the caller may know of; recorded.
        BadRequest: there is no such state.
    """
    if state is not None and state not in STATES:
        raise BadRequest(f"a state is one of {', '.join(STATES)}")
    submission = _look(repo, caller, named, "submission-files")
    return page(repo, submission.id, state=state, after=after, limit=limit)


def cursor_of(line: Line) -> Cursor:
    """Return where the page after a line begins."""
    return line.n, line.after


def receipt(repo: Repository, caller: Caller, named: str, stage: str) -> SubmissionReceipt:
    """Return a submission's receipt of a stage; its list is apart (`completion.spooled`).

    Raises:
        UnknownSubmission: there is none that the caller may know of; recorded.
        NoReceipt, BadRequest: it has none of this stage.
    """
    submission = _look(repo, caller, named, "submission-receipt")
    return receipt_of(repo, submission.id, stage)


def receipts(
    repo: Repository, caller: Caller, named: str, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return receipts of what a submission registered after an entry, in the order of entries.

    With each the numbers of its files in the list; none for what came beside it.

    Raises:
        UnknownSubmission: there is none that the caller may know of; recorded.
    """
    submission = _look(repo, caller, named, "submission-receipts")
    query = (
        select(Exhibit)
        .where(Exhibit.submission_id == submission.id, Exhibit.registration > after)
        .order_by(Exhibit.registration)
        .limit(limit)
    )
    with repo.database.reading() as session:
        exhibits = list(session.scalars(query))
        ids = [exhibit.id for exhibit in exhibits]
        numbers: dict[str, list[int]] = {}
        listed = (
            select(Announced.exhibit_id, Announced.n)
            .where(Announced.exhibit_id.in_(ids))
            .order_by(Announced.n)
        )
        for exhibit_id, n in session.execute(listed):
            numbers.setdefault(exhibit_id or "", []).append(n)
    return [
        {"files": numbers.get(exhibit.id, []), "receipt": found}
        for exhibit, found in zip(exhibits, _receipts(repo, exhibits), strict=True)
    ]


def line_json(line: Line) -> dict[str, Any]:
    """Return a file of a submission as the API answers it."""
    return {
        "n": line.n,
        "path": recorded_name(line.path),
        "size": line.size,
        "state": line.state,
        "sha256": line.sha256,
        "exhibit": line.exhibit,
        "part": line.part,
        "entry": line.entry,
        "quarantine": line.quarantine,
        "further": line.further,
    }


def _receipts(repo: Repository, exhibits: Sequence[Exhibit]) -> list[dict[str, Any]]:
    indexes = [exhibit.registration for exhibit in exhibits]
    entries, proofs = repo.ledger.proved(indexes), repo.ledger.proofs(indexes)
    return [
        repo.ledger.receipt(entry, proof, submission=exhibit.submission_id).to_json()
        for exhibit, entry, proof in zip(exhibits, entries, proofs, strict=True)
    ]


def _look(repo: Repository, caller: Caller, named: str, reason: str) -> Submission:
    """Return a submission that the caller may know of, after recording a look that is due."""
    actor, case, submission = on_submission(
        repo, caller, Right.CONSULT, named, attempted=Act.CONSULTATION
    )
    if submission.person_id != caller.person.id:
        consulted(repo, actor, [submission.id], reason, case=case)
    return submission


def _digest(repo: Repository, index: int | None, member: str) -> str | None:
    return None if index is None else repo.ledger.entry(index).fields[member][0]


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)
