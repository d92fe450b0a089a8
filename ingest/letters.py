"""Letters of people who report without a name: stored as they arrive, registered on a later day.

Of a letter under way no time finer than a day is kept: it waits, sealed, until its day is over, and
the letters of a day are registered in an order that chance gave their mailboxes. What arrived is
counted to the byte; a file of which no more comes for a week is registered as far as it came.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import BinaryIO

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from custody.entry import Actor
from custody.errors import EvidenceError
from ingest import pieces
from ingest.errors import OffsetConflict
from ingest.register import register
from ingest.staging import Received, intend, stage
from repository import Repository
from repository.errors import BadRequest
from repository.mailbox_rows import Letter, LetterPiece, Mailbox
from repository.mailboxes import ASSURANCE, actor_of, enrol, marking_of, random_id, today
from repository.models import Case, Submission
from repository.purpose import Purpose
from repository.stores import Stored
from repository.submissions import Declaration, complete, open_submission
from repository.upkeep import Say

MAX_LETTERS = 200
MAX_NAME = 4_096  # bytes
_ABANDONED = timedelta(days=7)


def begin(
    repo: Repository, box: Mailbox, name: bytes, *, size: int | None = None, head: str | None = None
) -> Letter:
    """Begin a letter, or go on with the one of this name, size and beginning that is under way.

    Raises:
        BadRequest: too many letters, or a name nobody could keep.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise BadRequest(f"a file's name has 1 to {MAX_NAME} bytes")
    with repo.database.writing() as session:
        session.get_one(Mailbox, box.id, with_for_update={"key_share": True})
        if size is not None:
            known = session.scalar(
                select(Letter).where(
                    Letter.mailbox_id == box.id,
                    Letter.state == "arriving",
                    Letter.name == name,
                    Letter.size == size,
                    Letter.head == head,
                )
            )
            if known is not None:
                return known
        query = select(func.count()).select_from(Letter).where(Letter.mailbox_id == box.id)
        before = session.scalar(query) or 0
        if before >= MAX_LETTERS:
            raise BadRequest(f"one mailbox takes {MAX_LETTERS} files; open another one")
        letter = Letter(
            id=random_id(repo), mailbox_id=box.id, number=before + 1, name=name, size=size,
            head=head, offset=0, state="arriving", day=today(repo), wrapped=pieces.draw_key(repo),
            exhibit_id=None,
        )  # fmt: skip
        session.add(letter)
    return letter


def add(repo: Repository, letter: Letter, offset: int, blocks: Iterable[bytes]) -> int:
    """Store what comes, piece by piece; return how many bytes of the letter are durable now.

    Raises:
        OffsetConflict: others of its bytes came meanwhile.
        BadRequest: more than this house takes of one file, or more than was said.
        StoreFull, StoreUnavailable: what counted still counts.
    """
    most = min(repo.settings.upload_max_bytes, letter.size or repo.settings.upload_max_bytes)
    incoming = pieces.Incoming(blocks)
    while incoming.more():
        # A day's name, not an hour's: names of objects are kept longer than a day.
        place = f"{repo.clock():%Y%m%d}00"
        stored, size = pieces.write(repo, letter.wrapped, incoming.piece(), hour=place)
        with repo.database.writing() as session:
            row = session.get_one(Letter, letter.id, with_for_update={"key_share": True})
            if row.offset != offset or row.state != "arriving":
                raise OffsetConflict(
                    f"{row.offset} bytes of it are here; go on from there", offset=row.offset
                )
            if offset + size > most:
                raise BadRequest(f"a file here has at most {most} bytes")
            session.add(
                LetterPiece(
                    letter_id=row.id,
                    start=offset,
                    size=size,
                    key=stored.key,
                    stored=stored.to_json(),
                )
            )
            offset += size
            row.offset, row.day = offset, today(repo)
    return offset


def end(repo: Repository, letter: Letter) -> None:
    """Note that all of a letter is here."""
    with repo.database.writing() as session:
        row = session.get_one(Letter, letter.id, with_for_update={"key_share": True})
        if row.state == "arriving":
            row.state = "waiting"


def post(repo: Repository, say: Say) -> int:
    """Register the letters whose day is over; return how many."""
    before, given_up = today(repo), f"{repo.clock() - _ABANDONED:%Y-%m-%d}"
    due = (Letter.state == "waiting") & (Letter.day < before)
    left = (Letter.state == "arriving") & (Letter.day < given_up)
    with repo.database.reading() as session:
        query = select(Letter).where(due | left).order_by(Letter.mailbox_id, Letter.number)
        found = list(session.scalars(query))
        boxes = {one.id: one for one in session.scalars(select(Mailbox))} if found else {}
    done = 0
    for letter in found:
        try:
            _register(repo, boxes[letter.mailbox_id], letter)
            done += 1
        except EvidenceError as error:
            say(f"not yet: a report that came on {letter.day}: {error}")
    return done


def waiting(repo: Repository) -> bool:
    """Say whether any letter is not registered yet."""
    with repo.database.reading() as session:
        query = select(Letter.id).where(Letter.state != "registered").limit(1)
        return session.scalar(query) is not None


def _register(repo: Repository, box: Mailbox, letter: Letter) -> None:
    actor, case, submission = _submission(repo, box)
    if letter.offset or letter.state == "waiting":
        [[intent]] = intend(repo, submission, [[letter.name]])
        with _reading(repo, letter) as source:
            staged = stage(repo, intent, source, size=letter.offset, declared={})
        # The same name and bytes again, in the same submission, are what they were.
        things = [Received((staged,), _declared(box, letter))]
        [outcome] = register(repo, actor, case, submission, things, seen={})
        letter.exhibit_id = outcome.exhibit_id
    with repo.database.writing() as session:
        row = session.get_one(Letter, letter.id, with_for_update={"key_share": True})
        row.state, row.exhibit_id = "registered", letter.exhibit_id
        left = _discard(session, row)
    pieces.remove(repo, left)
    complete(repo, submission)


def _submission(repo: Repository, box: Mailbox) -> tuple[Actor, Case, Submission]:
    """Return the reporter, the case and the submission of a mailbox; the first time, open them."""
    with repo.database.reading() as session:
        case = session.get_one(Case, box.case_id)
        known = session.get(Submission, box.submission_id)
    if known is not None:
        return actor_of(repo, box), case, known
    enrol(repo, box)
    actor = actor_of(repo, box)
    submission, _ = open_submission(
        repo, actor, case, _declared(box), named=box.submission_id, sources=[],
        marking=marking_of(box),
    )  # fmt: skip
    return actor, case, submission


def _declared(box: Mailbox, letter: Letter | None = None) -> Declaration:
    """Return what is known of a report: in which language, whether others heard it, what came."""
    said = f"language of the page: {box.language}; heard by another investigator: {box.heard}"
    if letter is not None:
        said += f"; came on {letter.day}"
        if letter.state == "arriving":
            whole = "an unknown number of" if letter.size is None else letter.size
            said += f"; incomplete: {letter.offset} of {whole} bytes arrived"
    return Declaration(
        Purpose("investigation", "reported without a name"), method=ASSURANCE, conditions=said
    )


@contextmanager
def _reading(repo: Repository, letter: Letter) -> Iterator[BinaryIO]:
    with repo.database.reading() as session:
        query = select(LetterPiece).where(LetterPiece.letter_id == letter.id)
        rows = list(session.scalars(query.order_by(LetterPiece.start)))
    with pieces.opened(repo, f"letter {letter.id}", letter.wrapped, rows) as source:
        yield source


def _discard(session: Session, letter: Letter) -> list[Stored]:
    of_it = LetterPiece.letter_id == letter.id
    rows = session.scalars(select(LetterPiece).where(of_it))
    found = [Stored.from_json(row.stored) for row in rows]
    session.execute(delete(LetterPiece).where(of_it))
    letter.wrapped = None
    return found
