"""A submission first sends its list, and is given a signed receipt for it at once.

The list is read to its end and checked before a row is written. Its rows then come in lots, which
count for nothing until the last transaction records the list: a crash leaves either none or all.
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from custody.append import take_lock
from custody.canonical import dumps
from custody.entry import Act, Actor, Draft
from custody.receipt import SubmissionReceipt
from ingest.errors import IngestError, ListDiffers, SubmissionCompleted
from ingest.filelist import Digests, Listed, kept, read_again, read_list
from ingest.settle import settle_earlier
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, on_own_submission, refuse
from repository.conditions import Marking
from repository.errors import AlreadyExists, DiskFull, UnknownSubmission
from repository.journal import cover
from repository.models import Announced, Case, Submission
from repository.naming import name_digest, shown, submission_id
from repository.publication import completed
from repository.submissions import Declaration, open_submission, said_of

TOGETHER = 2_000  # rows of one transaction
_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Announcement:
    """The receipt of a list, and whether the same list was sent before."""

    receipt: SubmissionReceipt
    again: bool


def begin(
    repo: Repository,
    caller: Caller,
    code: str,
    declared: Declaration,
    *,
    named: str | None = None,
    manifest: Mapping[str, Any] | None = None,
    marking: Marking | None = None,
) -> tuple[Submission, bool]:
    """Begin a submission, under an id of the caller's own drawing where one is named.

    `manifest` tells the list that declared something of each file, for the entry; `marking` is how
    what comes is to be handled from the first.

    Returns:
        The submission, and whether the caller has begun it before.

    Raises:
        UnknownCase, AccessDenied: the caller may hand in nothing there; recorded.
        UnknownSubmission: the id is of somebody else's, or of another case; recorded.
        AlreadyExists: the caller has begun it with other declarations.
        BadRequest: the id is malformed.
    """
    actor, case = on_case(repo, caller, Right.INGEST, code, attempted=Act.SUBMISSION)
    known = None
    if named is not None:
        with repo.database.reading() as session:
            known = session.get(Submission, submission_id(named))
    if known is not None and (known.person_id, known.case_id) != (caller.person.id, case.id):
        unknown = UnknownSubmission(f"{shown(named)} cannot be begun by you; draw another id")
        refuse(repo, caller, Act.SUBMISSION, ["not-own"], unknown, case=case)
    if known is not None and known.declared != said_of(declared, marking):
        raise AlreadyExists(f"you have begun {known.id} with other declarations; draw another id")
    source = repo.random(16)  # without an id, it is never taken for another one
    try:
        return open_submission(
            repo, actor, case, declared, named=named, sources=[source], expires=True,
            manifest=manifest, marking=marking,
        )  # fmt: skip
    except IntegrityError:  # another request with this id was first; is it the caller's own?
        if named is None:
            raise
        return on_own_submission(repo, caller, named)[2], True


def still_open(repo: Repository, caller: Caller, named: str) -> tuple[Actor, Case] | None:
    """Let a request add to a submission of the caller's own; None: it is to be begun.

    Raises:
        UnknownSubmission: it is somebody else's; recorded.
        SubmissionCompleted: it takes nothing more.
        BadRequest: the id is malformed.
    """
    with repo.database.reading() as session:
        known = session.get(Submission, submission_id(named))
    if known is None:
        return None
    actor, case, _ = on_own_submission(repo, caller, named)
    if known.completed_at is not None:
        raise SubmissionCompleted(f"{known.id} is complete; begin another submission for the rest")
    return actor, case


def announce(
    repo: Repository,
    caller: Caller,
    named: str,
    blocks: Iterable[bytes],
    *,
    sha256: str | None = None,
    unchanged: Callable[[Session], None] | None = None,
) -> Announcement:
    """Take in the list of a submission's files.

    Args:
        repo: the repository.
        caller: whose submission it is.
        named: the submission, already begun.
        blocks: newline-delimited JSON (docs/format.md 12), as it comes.
        sha256: the digest of its bytes, where the sender declared one.
        unchanged: raises if it is not any more as the caller saw it; asked under the lock.

    Raises:
        BadList: a line is not as it must be; nothing of the list was taken.
        ListDiffers: it has announced another list.
        SubmissionCompleted: it was completed without one.
        UnknownSubmission: not the caller's own; recorded.
        DiskFull: no room to read the list.
    """
    actor, case, submission = on_own_submission(repo, caller, named)
    digests = Digests(submission.id)
    with TemporaryFile(dir=repo.settings.data / "work") as spool:
        try:
            for one in read_list(blocks, submission.declared, sha256_of_all=sha256):
                digests.add(one)
                spool.write(kept(one))
            spool.seek(0)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull("no room to read the list; nothing of it was taken") from error
            raise
        again = _claim(repo, submission, digests, unchanged)
        if not again:
            _store(repo, submission, digests, read_again(spool))
            again = _record(repo, actor, case, submission, digests)
    return Announcement(receipt_of_list(repo, submission.id), again)


def receipt_of_list(repo: Repository, name: str) -> SubmissionReceipt:
    """Return the receipt of a submission's list, proved in the newest checkpoint.

    Raises:
        IngestError: it has sent no list.
    """
    with repo.database.reading() as session:
        index = session.get_one(Submission, name).list_index
    if index is None:
        raise IngestError(f"{name} has sent no list")
    return receipt_at(repo, name, index)


def receipt_at(repo: Repository, name: str, index: int) -> SubmissionReceipt:
    """Return the receipt of an entry about a list, with the witnesses it has by now."""
    cover(repo, index + 1)
    entry = repo.ledger.entry(index)
    proof = repo.ledger.proof(index)
    found = repo.ledger.submission_receipt(entry, proof, submission=name)
    return completed(repo, found)


def announced_lines(repo: Repository, name: str) -> Iterator[bytes]:
    """Yield the files of a submission's list as the receipt has them, some rows at a time."""
    after = 0
    while True:
        query = (
            select(
                Announced.n, Announced.path, Announced.size, Announced.digests,
                Announced.thing, Announced.part,
            )
            .where(Announced.submission_id == name, Announced.n > after)
            .order_by(Announced.n)
            .limit(_PAGE)
        )  # fmt: skip
        with repo.database.reading() as session:
            rows = session.execute(query).all()
        for n, path, size, digests, thing, part in rows:
            yield dumps(Listed(n, bytes(path), size, digests, None, thing, part).line())
        if len(rows) < _PAGE:
            return
        after = rows[-1].n


def _claim(
    repo: Repository,
    submission: Submission,
    digests: Digests,
    unchanged: Callable[[Session], None] | None,
) -> bool:
    """Begin to store a list; say whether this very list is on record already."""
    with repo.database.writing() as session:
        row = session.get_one(Submission, submission.id, with_for_update={"key_share": True})
        if unchanged is not None:
            take_lock(session)  # nobody registers anything meanwhile
            unchanged(session)
        if _recorded(row, digests):
            return True
        if row.completed_at is not None:
            raise SubmissionCompleted(
                f"{row.id} was completed without a list; begin another submission"
            )
        if row.list_sha256 != digests.whole:  # rows of a list that was never recorded
            session.execute(delete(Announced).where(Announced.submission_id == row.id))
            row.list_sha256 = digests.whole
    return False


def _recorded(row: Submission, digests: Digests) -> bool:
    if row.list_index is None:
        return False
    if row.list_sha256 != digests.whole:
        raise ListDiffers(
            f"{row.id} has announced another list; what it does not name can be handed in beside "
            "it, or begin another submission"
        )
    return True


def _store(
    repo: Repository, submission: Submission, digests: Digests, files: Iterator[Listed]
) -> None:
    """Store the rows of a list; two requests that bring the same list help each other."""
    dialect = postgresql if repo.database.dialect == "postgresql" else sqlite
    insert = dialect.insert(Announced.__table__).on_conflict_do_nothing()
    while lot := list(islice(files, TOGETHER)):
        with repo.database.writing() as session:
            row = _still_mine(session, submission, digests)
            if row.list_index is None:
                session.connection().execute(insert, [_row(submission, one) for one in lot])


def _still_mine(session: Session, submission: Submission, digests: Digests) -> Submission:
    row = session.get_one(Submission, submission.id, with_for_update={"key_share": True})
    if row.list_sha256 != digests.whole:
        raise ListDiffers(f"another list of {row.id} is being sent at this moment; send one only")
    return row


def _row(submission: Submission, one: Listed) -> Mapping[str, Any]:
    return {
        "submission_id": submission.id,
        "n": one.n,
        "path": one.path,
        "path_sha256": name_digest(one.path),
        "size": one.size,
        "digests": one.digests,
        "claims": one.claims,
        "thing": one.thing,
        "part": one.part,
        "state": "announced",
    }


def _record(
    repo: Repository, actor: Actor, case: Case, submission: Submission, digests: Digests
) -> bool:
    """Put the list on record: from here on it counts. Say whether somebody else just did."""
    detail = {"submission": submission.id}
    if digests.claims is not None:
        detail["claims"] = digests.claims
    draft = Draft(
        Act.SUBMISSION,
        actor,
        "started",
        reason="list",
        plain={"inputs": [digests.files], "count": digests.count},
        withheld={"case": case.code, "detail": detail},
        subject=case.id,
    )
    with repo.database.writing() as session:
        row = _still_mine(session, submission, digests)
        if row.list_index is not None:
            return True
        query = select(func.count()).where(Announced.submission_id == row.id)
        if session.scalar(query) != digests.count:
            raise IngestError(f"the list of {row.id} was not stored whole; send it again")
        take_lock(session)  # from here on nobody registers anything
        settle_earlier(session, row.id)
        row.touched_at = repo.clock()
        session.flush()
        [entry] = repo.ledger.append(session, [draft])
        row.list_index = entry.index
    return False
