"""Resumable uploads: durable offsets, one writer at a time, any machine.

Everything about an upload stands in its row and its pieces, so that each request may reach another
process. `begin` opens one, `append` adds bytes, `look` tells the durable offset, `seal` declares a
digest at the end, `end` gives it up. What is complete is finished at once if it is small, else by
a worker (`ingest.finish`).
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from custody.entry import Act, Actor, Draft, uuid7
from ingest import pieces
from ingest.errors import (
    BadUpload,
    ChecksumMismatch,
    OffsetConflict,
    SubmissionCompleted,
    UnknownUpload,
    UploadEnded,
    UploadExists,
    UploadTooLarge,
)
from ingest.finish import finish_now, finish_or_leave
from ingest.writer import Written, release, state_of, take
from repository import Repository
from repository.authorise import Caller, on_upload, refuse
from repository.models import Announced, Case, Submission, Upload
from repository.naming import recorded_name
from repository.people import SYSTEM

MAX_PACK = 64 << 20  # bytes of an upload that brings many files
DIRECT = 8 << 20  # bytes of an upload that one request brings whole and that is never staged
_direct = BoundedSemaphore(16)  # of these at a time: they are held in memory

GiveWay = Callable[[], bool]
Blocks = Callable[[GiveWay], Iterable[bytes]]
"""Given a function that says whether to give way, yields the bytes of a request as they come."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a request says of its own bytes: an algorithm of hashlib, and the digest."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """What a request says of the upload it begins.

    `kind`: `whole` (one file), `pack` (files of the list in a row), `partial` (to be joined).
    `files`: the first and last n of the submission's list that it brings. `sealed` False: it waits
    for its digest at the end. `alone`: its submission was opened for it and ends with it. `told`:
    what the client wrote of it, to be repeated to it. `id`: one that the client drew, so that it
    finds the upload even if the answer to its creation is lost.
    """

    kind: str
    path: bytes = b"upload"
    length: int | None = None
    digests: Mapping[str, str] | None = None
    files: tuple[int, int] | None = None
    sealed: bool = True
    alone: bool = False
    told: str | None = None
    id: str | None = None


def begin(
    repo: Repository, actor: Actor, case: Case | None, submission: Submission | None, said: Said
) -> Upload:
    """Open an upload; nothing is received yet.

    Args:
        repo: the repository.
        actor: who hands over; the caller has authorised.
        case: the case; None for a partial upload.
        submission: the open submission; None for a partial upload.
        said: what the request says of it.

    Raises:
        BadUpload: a length or files that do not agree with the list.
        UploadTooLarge: longer than an upload may be.
        SubmissionCompleted: the submission takes nothing more.
        UploadExists: the client's own id is taken.
    """
    with repo.database.writing() as session:
        _check_open(session, submission)
        length = said.length
        if said.files is not None and submission is not None:
            length = _announced_length(session, submission, said.files, length)
        _check_length(repo, said.kind, length)
        upload = _new(repo, actor, case, submission, said, length)
        upload.state = state_of(upload)  # of no bytes: complete already
        _add(session, upload)
    return finish_or_leave(repo, upload)


def join(
    repo: Repository,
    actor: Actor,
    case: Case,
    submission: Submission,
    said: Said,
    partials: Sequence[Upload],
) -> Upload:
    """Open an upload that consists of partial ones, in order; its last byte has arrived.

    Raises:
        BadUpload: one of them is not complete, no partial one, or named twice.
        SubmissionCompleted: the submission takes nothing more.
        UploadExists: the client's own id is taken.
    """
    ids = [one.id for one in partials]
    if not ids or len(set(ids)) != len(ids):
        raise BadUpload("a final upload names partial uploads, each once")
    with repo.database.writing() as session:
        _check_open(session, submission)
        found = session.scalars(
            select(Upload).where(Upload.id.in_(ids)).with_for_update(key_share=True)
        )
        rows = {row.id: row for row in found}
        for one in (rows[name] for name in ids):
            if one.kind != "partial" or one.state != "open" or one.offset != one.length:
                raise BadUpload(f"upload {one.id} is not a complete partial upload")
            one.state = "joined"
        length = sum(row.offset for row in rows.values())
        if said.files is not None:
            length = _announced_length(session, submission, said.files, length)
        _check_length(repo, said.kind, length)
        upload = _new(repo, actor, case, submission, said, length)
        upload.kind, upload.partials, upload.offset, upload.wrapped = "final", ids, length, None
        upload.state = state_of(upload)
        _add(session, upload)
    return finish_or_leave(repo, upload)


def find(repo: Repository, caller: Caller, upload_id: str) -> Upload:
    """Return an upload of the caller's own, if the caller still may hand in.

    Raises:
        UnknownUpload: there is none, or it is somebody else's; recorded.
    """
    unknown = UnknownUpload("there is no such upload of yours")
    with repo.database.reading() as session:
        upload = session.get(Upload, upload_id)
    if upload is None or upload.person_id != caller.person.id:
        refuse(repo, caller, Act.SUBMISSION, ["unknown-upload"], unknown, asked=upload_id)
    on_upload(repo, caller, upload.case_id, upload.submission_id, unknown)
    return upload


def partial_actor(repo: Repository, caller: Caller) -> Actor:
    """Return the actor of a partial upload, which names no case yet.

    Raises:
        UnknownUpload: the caller may hand in to no case at all; recorded.
    """
    error = UnknownUpload("you take part in no case to which you may hand in")
    return on_upload(repo, caller, None, None, error)


def append(
    repo: Repository,
    upload_id: str,
    offset: int,
    blocks: Blocks,
    *,
    length: int | None = None,
    checksum: Checksum | None = None,
    digests: Mapping[str, str] | None = None,
) -> Upload:
    """Add bytes at an offset and return the upload; what came before a lost line stays.

    Args:
        repo: the repository.
        upload_id: an upload of the caller's own.
        offset: where the bytes go: the upload's durable offset.
        blocks: the bytes as they come in.
        length: bytes in all, where that was not known before.
        checksum: of this request's bytes; where it differs, or they do not all come, none is kept.
        digests: of the whole upload, declared with its last bytes.

    Raises:
        OffsetConflict: the next byte belongs elsewhere.
        BadUpload: a length or digest that contradicts what was said before.
        UploadEnded: it takes no more bytes.
        UploadTooLarge: more bytes came than are left.
        UploadTaken: a newer request went on; the bytes that counted are in its offset.
        ChecksumMismatch: as said.
        StoreFull, StoreUnavailable: what was stored before stays.
    """

    def change(upload: Upload) -> None:
        if length is not None:
            if upload.length is not None and upload.length != length:
                raise BadUpload("the length of an upload is set once")
            _check_length(repo, upload.kind, length)
            if length < upload.offset:
                raise BadUpload(f"{upload.offset} bytes are here already, more than {length}")
            upload.length = length
        _declare(upload, digests or {})

    upload, writer = take(repo, upload_id, offset, change)
    if writer is None:
        return finish_or_leave(repo, upload)
    hashing = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
    incoming = pieces.Incoming(_limited(blocks(writer.asked), upload, hashing))
    held: list[Written] = []

    def checked() -> None:
        if hashing is not None and checksum is not None and hashing.digest() != checksum.digest:
            raise ChecksumMismatch("these bytes have another checksum than said; none was kept")

    try:
        if (data := _whole(upload, incoming)) is not None:
            checked()
            with writer.finishing():
                return finish_now(repo, upload, lambda: nullcontext(io.BytesIO(data)))
        while incoming.more():
            held.append([pieces.write(repo, upload.wrapped, incoming.piece())])
            if checksum is None:
                upload = writer.commit(held[-1])
                held.clear()
        checked()
        if not writer.over:
            upload = writer.commit([one for written in held for one in written], last=True)
    except BaseException:
        writer.give_up([one for written in held for one in written])
        raise
    return finish_or_leave(repo, upload)


def seal(repo: Repository, upload_id: str, digests: Mapping[str, str]) -> Upload:
    """Give an upload that waited for it the digest of the whole; the same again changes nothing.

    Raises:
        OffsetConflict: bytes are still missing.
        BadUpload: it has another digest already.
        UploadEnded: it was terminated or has expired.
    """
    with repo.database.writing() as session:
        upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
        if upload.state == "ended":
            raise UploadEnded(f"this upload has ended: {upload.reason}")
        if upload.length is None or upload.offset != upload.length:
            raise OffsetConflict("the last byte has not arrived", offset=upload.offset)
        if upload.kind == "partial":
            raise BadUpload("a partial upload is joined with others; seal the final one")
        _declare(upload, digests)
        if not upload.sealed:
            upload.sealed = True
            upload.state = state_of(upload)
    return finish_or_leave(repo, upload)


def end(repo: Repository, actor: Actor, upload_id: str, reason: str) -> None:
    """Give an upload up: an entry says so, and its bytes are removed; again changes nothing.

    Raises:
        UploadEnded: everything has arrived; evidence that was handed in is not taken back.
    """
    with repo.database.writing() as session:
        upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
        if upload.state == "ended":
            return
        if upload.state != "open":
            raise UploadEnded("everything has arrived; what was handed in is not taken back")
        upload.state, upload.reason, upload.writer = "ended", reason, None
        left = pieces.discard(session, [upload])
        session.flush()
        draft = Draft(
            Act.UPLOAD_ABANDONED,
            actor,
            reason=reason,
            plain={"count": len(left)},
            withheld={
                "name": recorded_name(upload.path),
                "detail": {"upload": upload.id, "bytes": upload.offset, "of": upload.length},
            },
            subject=upload.case_id,
        )
        repo.ledger.append(session, [draft])
    pieces.remove(repo, left)


def expires_at(repo: Repository, upload: Upload) -> datetime:
    """Return when an upload is given up: counted from its last byte."""
    return upload.touched_at + timedelta(days=repo.settings.upload_days)


def expire(repo: Repository, *, most: int = 100) -> int:
    """Give up uploads that nobody went on with; return how many."""
    release(repo)
    before = repo.clock() - timedelta(days=repo.settings.upload_days)
    query = (
        select(Upload.id)
        .where(Upload.state == "open", Upload.touched_at <= before)
        .order_by(Upload.touched_at)
        .limit(most)
    )
    with repo.database.reading() as session:
        found = list(session.scalars(query))
    for upload_id in found:
        end(repo, SYSTEM, upload_id, "expired")
    return len(found)


def _whole(upload: Upload, incoming: pieces.Incoming) -> bytes | None:
    """Return the bytes of a small upload that this one request brings, or None."""
    fits = upload.length is not None and 0 < upload.length <= DIRECT and upload.offset == 0
    fits = fits and upload.sealed and upload.kind in ("whole", "pack")
    if not (fits and _direct.acquire(blocking=False)):
        return None
    try:
        return incoming.whole(upload.length or 0)
    finally:
        _direct.release()


def _limited(
    blocks: Iterable[bytes], upload: Upload, hashing: "hashlib._Hash | None"
) -> Iterator[bytes]:
    left = None if upload.length is None else upload.length - upload.offset
    for block in blocks:
        if left is not None:
            left -= len(block)
            if left < 0:
                raise UploadTooLarge("more bytes came than the upload was announced to have")
        if hashing is not None:
            hashing.update(block)
        yield block


def _new(
    repo: Repository,
    actor: Actor,
    case: Case | None,
    submission: Submission | None,
    said: Said,
    length: int | None,
) -> Upload:
    at = repo.clock()
    return Upload(
        id=said.id or uuid7(at, repo.random),
        person_id=actor.id,
        actor=asdict(actor),
        case_id=case.id if case else None,
        submission_id=submission.id if submission else None,
        kind=said.kind,
        path=said.path,
        told=said.told,
        digests=dict(said.digests or {}),
        first=said.files[0] if said.files else None,
        last=said.files[1] if said.files else None,
        partials=None,
        length=length,
        offset=0,
        writer=None,
        generation=0,
        exhibit_id=None,
        alone=said.alone,
        sealed=said.sealed,
        state="open",
        reason=None,
        results=None,
        wrapped=pieces.draw_key(repo),
        opened_at=at,
        touched_at=at,
    )


def _add(session: Session, upload: Upload) -> None:
    session.add(upload)
    try:
        session.flush()
    except IntegrityError as error:
        raise UploadExists(f"there is an upload {upload.id} already: ask for its offset") from error


def _declare(upload: Upload, digests: Mapping[str, str]) -> None:
    for name, value in digests.items():
        if upload.digests.get(name, value) != value:
            raise BadUpload(f"another {name} digest was declared for this upload before")
    if set(digests) - set(upload.digests) and upload.state != "open":
        raise BadUpload("everything has arrived and was compared; a digest comes too late")
    upload.digests = {**upload.digests, **digests}


def _check_length(repo: Repository, kind: str, length: int | None) -> None:
    limit = MAX_PACK if kind == "pack" else repo.settings.upload_max_bytes
    if length is not None and length < 0:
        raise BadUpload("an upload has no negative length")
    if length is not None and length > limit:
        raise UploadTooLarge(f"an upload of this kind has at most {limit} bytes")


def _check_open(session: Session, submission: Submission | None) -> None:
    if submission is None:
        return
    row = session.get_one(Submission, submission.id, with_for_update={"key_share": True})
    if row.completed_at is not None:
        raise SubmissionCompleted(f"{row.id} is complete; begin another submission for the rest")


def _announced_length(
    session: Session, submission: Submission, files: tuple[int, int], length: int | None
) -> int:
    """Return how many bytes the list announces for files of it."""
    query = (
        select(Announced.size)
        .join(Submission, Submission.id == Announced.submission_id)
        .where(
            Announced.submission_id == submission.id,
            Announced.n.between(*files),
            Submission.list_index.is_not(None),
        )
    )
    sizes = list(session.scalars(query))
    if not sizes or len(sizes) != files[1] - files[0] + 1:
        raise BadUpload(f"the list of {submission.id} has no files {files[0]} to {files[1]}")
    if length is not None and length != sum(sizes):
        raise BadUpload(f"the list announces {sum(sizes)} bytes for these files, not {length}")
    return sum(sizes)
