"""What somebody has still to hand in: announced files of open submissions, and how far each is."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_

from custody.entry import Act
from ingest.completion import Progress, progress
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, named_case, on_case
from repository.models import COMING, Announced, Case, Submission, Upload
from repository.naming import recorded_name

MOST = 20  # open submissions that a page shows, newest first

Place = tuple[datetime, str, int]
"""Where a page of the list goes on: when the submission was begun, its id, the file's number."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An announced file that is not here yet, and the upload that has begun to bring it."""

    submission: str
    opened_at: datetime
    n: int
    path: bytes
    size: int
    upload: str | None
    offset: int  # bytes of it that are here
    told: str | None = None  # what the client wrote of the upload, to know its file again

    @property
    def place(self) -> Place:
        """Return where the list goes on after it."""
        return self.opened_at, self.submission, self.n

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "submission": self.submission,
            "n": self.n,
            "path": recorded_name(self.path),
            "size": self.size,
            "upload": self.upload,
            "offset": self.offset,
            "metadata": self.told,
        }


def may_hand_in(repo: Repository, caller: Caller, code: str) -> bool:
    """Say whether a page offers the caller to hand in; nothing is asked for yet, so no entry."""
    with repo.database.reading() as session:
        found = named_case(session, caller, code)
    if found is None:
        return False
    _, asking, thing = found
    return decide(asking, Right.INGEST, thing, None, repo.clock()).allowed


def own_open(repo: Repository, caller: Caller, code: str) -> tuple[Case, list[Progress]]:
    """Return a case the caller may hand in to, and the own submissions there that have not ended.

    Raises:
        UnknownCase, AccessDenied: the caller may hand in nothing there; recorded.
    """
    _, case = on_case(repo, caller, Right.INGEST, code, attempted=Act.SUBMISSION)
    return case, own_open_in(repo, caller, [case.code])


def own_open_in(repo: Repository, caller: Caller, codes: Collection[str]) -> list[Progress]:
    """Return the own submissions that have not ended, in cases the caller was just shown."""
    query = (
        select(Submission.id)
        .join(Case, Case.id == Submission.case_id)
        .where(*_own(caller), Case.code.in_(codes))
        .order_by(Submission.opened_at.desc(), Submission.id.desc())
        .limit(MOST)
    )
    with repo.database.reading() as session:
        return [progress(repo, one, session) for one in session.scalars(query).all()]


def pending(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    submission: str | None = None,
    after: Place | None = None,
    limit: int,
) -> list[Pending]:
    """Return the announced files of the caller's own open submissions that have not arrived.

    A file whose bytes are here but whose upload waits for its digest is among them. The own
    progress is no entry (decision 0022).

    Args:
        repo: the repository.
        caller: whose submissions.
        code: the case.
        submission: one of them alone.
        after: the place of the last file that was seen.
        limit: how many at most.

    Raises:
        UnknownCase, AccessDenied: the caller may hand in nothing there; recorded.
    """
    _, case = on_case(repo, caller, Right.INGEST, code, attempted=Act.SUBMISSION)
    order = (Submission.opened_at, Submission.id, Announced.n)
    query = (
        select(*order, Announced.path, Announced.size)
        .join(Submission, Submission.id == Announced.submission_id)
        .where(*_own(caller), Submission.case_id == case.id, Announced.state == "announced")
        .order_by(*order)
        .limit(limit)
    )
    if submission is not None:
        query = query.where(Submission.id == submission)
    if after is not None:
        query = query.where(tuple_(*order) > after)
    with repo.database.reading() as session:
        rows = session.execute(query).all()
        columns = (Upload.submission_id, Upload.first, Upload.id, Upload.offset, Upload.told)
        going = select(*columns).where(
            Upload.submission_id.in_({row.id for row in rows}),
            Upload.state.in_(COMING),
            Upload.first == Upload.last,
        )
        begun = {(name, n): found for name, n, *found in session.execute(going)}
    return [
        Pending(
            row.id, row.opened_at, row.n, row.path, row.size, *begun.get((row.id, row.n), (None, 0))
        )
        for row in rows
    ]


def _own(caller: Caller) -> tuple[Any, ...]:
    return (
        Submission.person_id == caller.person.id,
        Submission.completed_at.is_(None),
        Submission.list_index.is_not(None),
    )
