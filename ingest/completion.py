"""How far a submission has come, and its end: one receipt for all that was handed in.

What a receipt lists is what stood in the ledger before its entry, so it can be made again from the
rows at any time, whatever is decided about the submission's files later.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.entry import Act, Actor, Draft
from custody.file_list import ListDigest
from custody.receipt import SubmissionReceipt
from ingest.announce import announced_lines, receipt_at
from ingest.errors import NoReceipt, SubmissionIncomplete
from ingest.lines import lines, newest
from ingest.staging import Staged
from ingest.uploads import end
from repository import Repository
from repository.errors import BadRequest
from repository.models import COMING, Announced, Case, Exhibit, Intake, Submission, Upload
from repository.naming import recorded_name
from repository.people import SYSTEM
from repository.replacing import replacing
from repository.stated import stated_motive


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a submission has come."""

    submission: Submission
    case: str
    files: dict[str, int]  # of the list, by state
    size: int  # bytes that the list announces
    arrived: int  # bytes of the files of it that came whole
    further: int  # files that came beside the list
    finishing: int  # uploads that are whole and being worked on
    open: int  # uploads on their way
    beside: int  # those of them that bring what was not announced
    exhibits: int  # that came of it so far
    looked: int  # of them, how many identification and extraction are done with

    @property
    def listed(self) -> int:
        """Return how many files the list names."""
        return sum(self.files.values())

    @property
    def missing(self) -> int:
        """Return how many of them are no exhibit and not in quarantine."""
        return self.listed - self.files.get("registered", 0) - self.files.get("quarantined", 0)


def progress(repo: Repository, submission_id: str, within: Session | None = None) -> Progress:
    """Return how far a submission has come, within a transaction if one is given."""
    if within is not None:
        return _progress(within, submission_id)
    with repo.database.reading() as session:
        return _progress(session, submission_id)


def expires_at(repo: Repository, submission: Submission) -> datetime | None:
    """Return when a submission is given up: counted from the last byte that came in for it."""
    if submission.touched_at is None or submission.completed_at is not None:
        return None
    return submission.touched_at + timedelta(days=repo.settings.upload_days)


def complete(
    repo: Repository,
    actor: Actor,
    submission_id: str,
    *,
    without_missing: bool = False,
    motive: str | None = None,
    unchanged: Callable[[Session], None] | None = None,
) -> SubmissionReceipt:
    """End a submission and return its one receipt; again, without anything new, the same receipt.

    Args:
        repo: the repository.
        actor: who ends it; the caller has authorised.
        submission_id: the submission.
        without_missing: end it although files that were announced have not arrived.
        motive: why; needed where files are missing.
        unchanged: raises if it is not any more as the caller saw it; asked under the lock.

    Raises:
        SubmissionIncomplete: announced files are missing, uploads are on their way, or nothing was
            handed in at all.
        UploadEnded: the last byte of an upload just arrived; ask again.
        BadRequest: files are missing, and no motive is stated; recorded.
    """
    with repo.database.reading() as session:
        done = session.get_one(Submission, submission_id).done_index
        if done is not None and newest(session, submission_id) < done:
            return receipt_at(repo, submission_id, done)
        found = _progress(session, submission_id)
    _refuse_early(found, without_missing=without_missing)
    left = found.missing + found.beside
    if left:
        stated_motive(repo, actor, motive or "", Act.SUBMISSION)
    for upload_id in _open_uploads(repo, submission_id):
        end(repo, actor, upload_id, "submission-completed")
    reason = "without-missing" if left else None
    _end(repo, actor, submission_id, reason, motive if left else None, unchanged)
    return receipt_of(repo, submission_id, "complete")


def expire(repo: Repository, *, most: int = 100) -> list[str]:
    """End submissions that nobody went on with; return which. What was registered stays.

    Their uploads expire on their own, before.
    """
    before = repo.clock() - timedelta(days=repo.settings.upload_days)
    busy = select(Upload.id).where(Upload.submission_id == Submission.id, Upload.state.in_(COMING))
    query = (
        select(Submission.id)
        .where(Submission.completed_at.is_(None), Submission.touched_at <= before, ~busy.exists())
        .order_by(Submission.touched_at)
        .limit(most)
    )
    with repo.database.reading() as session:
        found = list(session.scalars(query))
    for submission_id in found:
        _end(repo, SYSTEM, submission_id, "expired", None)
    return found


def receipt_of(repo: Repository, submission_id: str, stage: str) -> SubmissionReceipt:
    """Return a submission's receipt of a stage, proved in the newest checkpoint.

    Raises:
        NoReceipt: it has none of this stage.
        BadRequest: there is no such stage.
    """
    with repo.database.reading() as session:
        row = session.get_one(Submission, submission_id)
    indexes = {"announced": row.list_index, "complete": row.done_index}
    if stage not in indexes:
        raise BadRequest("the stage of a receipt is announced or complete")
    index = indexes[stage]
    if index is None:
        why = "has sent no list" if stage == "announced" else "was not completed with a receipt"
        raise NoReceipt(f"{submission_id} {why}")
    return receipt_at(repo, submission_id, index)


def spooled(repo: Repository, receipt: SubmissionReceipt) -> BinaryIO:
    """Return a receipt with its list as an unnamed file, read from its beginning."""
    file = cast("BinaryIO", TemporaryFile(dir=repo.settings.data / "work"))  # noqa: SIM115 - given out
    try:
        file.writelines(_text(repo, receipt))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def receipt_pages(repo: Repository, receipt: SubmissionReceipt) -> bytes:
    """Return a receipt and its list as pages for people (PDF).

    Raises:
        GlyphMissing, RenderFailed: the pages cannot be made.
    """
    from repository.exports.receipt_pdf import submission_receipt_pdf  # brings a typesetter

    with spooled(repo, receipt) as file:
        file.readline()  # the receipt itself; its list follows
        files = receipt.check_list(file)
        return submission_receipt_pdf(receipt, files, generated_at=repo.clock())


def write_receipt(repo: Repository, receipt: SubmissionReceipt) -> Path:
    """Write a receipt with its list into the data folder and return where."""
    file = repo.receipts / f"{receipt.submission}.json"
    with replacing(file) as target:
        target.writelines(_text(repo, receipt))
    return file


def _text(repo: Repository, receipt: SubmissionReceipt) -> Iterable[bytes]:
    if receipt.stage == "announced":
        return receipt.lines(announced_lines(repo, receipt.submission))
    found = lines(repo, receipt.submission, receipt.index)
    return receipt.lines(line.in_receipt() for line in found)


def _progress(session: Session, submission_id: str) -> Progress:
    row = session.get_one(Submission, submission_id)
    case = session.get_one(Case, row.case_id).code
    states: dict[str, int] = {}
    sizes: dict[str, int] = {}
    if row.list_index is not None:
        query = (
            select(Announced.state, func.count(), func.sum(Announced.size))
            .where(Announced.submission_id == submission_id)
            .group_by(Announced.state)
        )
        for state, count, size in session.execute(query):
            states[state], sizes[state] = count, int(size)
    came = select(func.count()).where(
        Intake.submission_id == submission_id, Intake.state.in_(("registered", "quarantined"))
    )
    uploads = (
        select(Upload.state, func.count())
        .where(Upload.submission_id == submission_id)
        .group_by(Upload.state)
    )
    going = dict(session.execute(uploads).all())
    unlisted = select(func.count()).where(
        Upload.submission_id == submission_id, Upload.state == "open", Upload.first.is_(None)
    )
    looked = select(func.count(), func.count(Exhibit.processed_at)).where(
        Exhibit.submission_id == submission_id
    )
    size = sum(sizes.values())
    return Progress(
        row,
        case,
        states,
        size,
        size - sizes.get("announced", 0),
        (session.scalar(came) or 0) - states.get("registered", 0) - states.get("quarantined", 0),
        sum(going.get(state, 0) for state in COMING if state != "open"),
        going.get("open", 0),
        session.scalar(unlisted) or 0,
        *session.execute(looked).one(),
    )


def _refuse_early(found: Progress, *, without_missing: bool) -> None:
    facts = {
        "announced": found.files.get("announced", 0),
        "stored": found.files.get("stored", 0),
        "registered": found.files.get("registered", 0),
        "quarantined": found.files.get("quarantined", 0),
        "finishing": found.finishing,
        "open": found.open,
    }
    name = found.submission.id
    if found.finishing:
        message = f"{found.finishing} uploads of {name} are here whole and worked on; ask again"
        raise SubmissionIncomplete(message, **facts)
    if not found.listed and not found.further:
        raise SubmissionIncomplete(f"nothing was handed in with {name}", **facts)
    if without_missing:
        return
    if found.missing or found.beside:
        raise SubmissionIncomplete(
            f"{found.missing} of {found.listed} announced files of {name} have not arrived, and "
            f"{found.beside} other uploads are on their way; send them, or complete it without",
            **facts,
        )


def _end(
    repo: Repository,
    actor: Actor,
    submission_id: str,
    reason: str | None,
    motive: str | None,
    unchanged: Callable[[Session], None] | None = None,
) -> None:
    """Put the result list on record; of an expired submission also that it was given up."""
    while True:
        upto = repo.ledger.size()
        with repo.database.reading() as session:
            before = session.get_one(Submission, submission_id)
        digest = ListDigest("complete", submission_id)
        states: Counter[str] = Counter()
        for line in lines(repo, submission_id, upto, closing=True):
            digest.add(line.in_receipt())
            states[line.state] += 1
        announced = _inputs(repo, before)
        with repo.database.writing() as session:
            row = session.get_one(Submission, submission_id, with_for_update={"key_share": True})
            take_lock(session)  # from here on nobody registers anything
            if unchanged is not None:
                unchanged(session)
            if row.done_index != before.done_index:
                return  # somebody else just did it
            stored = _stored(session, submission_id)
            same = (row.list_index, len(stored)) == (before.list_index, states["incomplete"])
            if not same or newest(session, submission_id) >= upto:
                continue  # something came in between: list anew
            case = session.get_one(Case, row.case_id)
            drafts = [_kept(session, actor, one) for one in stored]
            if reason == "expired":
                drafts.append(_expired(actor, case, row, states["announced"]))
            if digest.count:
                plain = {"outputs": [digest.value()], "count": digest.count, **announced}
                drafts.append(_done(actor, case, row, plain, reason, motive))
            row.completed_at = row.completed_at or repo.clock()
            session.flush()
            entries = repo.ledger.append(session, drafts)
            row.done_index = entries[-1].index if digest.count else None
        return


def _open_uploads(repo: Repository, submission_id: str) -> list[str]:
    query = select(Upload.id).where(Upload.submission_id == submission_id, Upload.state == "open")
    with repo.database.reading() as session:
        return list(session.scalars(query))


def _inputs(repo: Repository, submission: Submission) -> dict[str, Any]:
    """Return what a closing entry says of the list that was announced."""
    if submission.list_index is None:
        return {}
    return {"inputs": repo.ledger.entry(submission.list_index).fields["inputs"]}


def _stored(session: Session, submission_id: str) -> list[Announced]:
    query = (
        select(Announced)
        .where(Announced.submission_id == submission_id, Announced.state == "stored")
        .order_by(Announced.n)
    )
    return list(session.scalars(query))


def _kept(session: Session, actor: Actor, row: Announced) -> Draft:
    """Give up a stored file whose thing lacks parts: its bytes stay where they are."""
    staged = Staged.from_json(row.staged or {}, exhibit_id=row.exhibit_id or "", path=row.path)
    row.state = "incomplete"
    session.get_one(Intake, (row.exhibit_id, row.part)).state = "abandoned"
    return Draft(
        Act.UPLOAD_ABANDONED,
        actor,
        reason="thing-incomplete",
        plain={"location": staged.stored.location(), "outputs": [staged.digests["sha256"]]},
        withheld={"name": recorded_name(row.path)},
        subject=row.exhibit_id,
    )


def _expired(actor: Actor, case: Case, row: Submission, missing: int) -> Draft:
    return Draft(
        Act.UPLOAD_ABANDONED,
        actor,
        reason="submission-expired",
        plain={"count": missing},
        withheld={"case": case.code, "detail": {"submission": row.id}},
        subject=case.id,
    )


def _done(
    actor: Actor,
    case: Case,
    row: Submission,
    plain: dict[str, Any],
    reason: str | None,
    motive: str | None,
) -> Draft:
    withheld: dict[str, Any] = {"case": case.code, "detail": {"submission": row.id}}
    if motive:
        withheld["motive"] = motive
    return Draft(
        Act.SUBMISSION, actor, "done", reason, plain=plain, withheld=withheld, subject=case.id
    )
