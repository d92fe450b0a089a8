"""The right to add bytes to an upload: one request at a time, and a newer one takes it over.

The right stands in the upload's row. A newer request raises `generation`, which asks the writer to
yield; the writer brings in what it holds and ends. One that does not yield in time loses the right:
its next piece is refused, and what it held never counted.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from sqlalchemy import select, update

from custody.entry import uuid7
from custody.errors import LedgerUnavailable
from ingest.errors import OffsetConflict, UploadEnded, UploadTaken
from repository import Repository
from repository.models import Piece, Submission, Upload
from repository.stores import Stored

YIELD_SECONDS = 3.0  # a writer that was asked has so long to bring in what it holds
BEAT_SECONDS = 1.0  # a request that registers says so often that it lives
FINISHING = timedelta(seconds=30)  # without a word, after which it is taken for dead
SMALL = 32 << 20  # bytes of an upload that is finished by the request that completes it

Written = Sequence[tuple[Stored, int]]
"""Pieces and the bytes each holds, in order."""


class Writer:
    """The right of one request to add bytes to one upload."""

    def __init__(self, repo: Repository, upload: Upload) -> None:
        self._repo = repo
        self._upload = upload
        self.over = False  # the right has ended

    def asked(self) -> bool:
        """Say whether a newer request waits, or the upload ended."""
        with self._repo.database.reading() as session:
            now = session.get_one(Upload, self._upload.id)
        mine = self._upload
        return (now.writer, now.generation) != (mine.writer, mine.generation)

    def commit(self, written: Written, *, last: bool = False) -> Upload:
        """Let pieces count; with the last, or when all bytes are here, the right ends.

        Raises:
            UploadTaken, UploadEnded: the right is somebody else's by now; these did not count.
        """
        with self._repo.database.writing() as session:
            upload = session.get_one(Upload, self._upload.id, with_for_update={"key_share": True})
            self._check(upload)
            for stored, size in written:
                piece = Piece(
                    upload_id=upload.id,
                    start=upload.offset,
                    size=size,
                    key=stored.key,
                    stored=stored.to_json(),
                )
                session.add(piece)
                upload.offset += size
            if written:
                upload.touched_at = self._repo.clock()
                if upload.submission_id is not None:
                    session.get_one(Submission, upload.submission_id).touched_at = upload.touched_at
            yielded = upload.generation != self._upload.generation
            # In the same transaction: nobody would come back to finish a whole upload that is open.
            self.over = last or upload.offset == upload.length
            if self.over:
                upload.writer = None
                upload.state = state_of(upload)
        if last and yielded and upload.state == "open":
            raise UploadTaken("a newer request goes on with this upload; ask for its offset")
        return upload

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Keep the right until all is registered: the bytes are here alone, and are all of them.

        Raises:
            UploadTaken, UploadEnded: the right is somebody else's by now.
        """
        self.registers()
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def registers(self) -> None:
        """Say that all bytes are here and are being registered.

        Raises:
            UploadTaken, UploadEnded: the right is somebody else's by now.
        """
        with self._repo.database.writing() as session:
            upload = session.get_one(Upload, self._upload.id, with_for_update={"key_share": True})
            self._check(upload)
            upload.state, upload.touched_at = "finishing", self._repo.clock()

    def give_up(self, held: Written) -> None:
        """Let go of the right, if it is still there, and of pieces that do not count."""
        with self._repo.database.writing() as session:
            upload = session.get_one(Upload, self._upload.id, with_for_update={"key_share": True})
            if upload.writer == self._upload.writer:
                upload.writer = None
                if upload.state == "finishing":
                    upload.state = "open"
        for stored, _ in held:
            self._repo.store.discard(stored)

    def _beat(self, over: threading.Event) -> None:
        """Say that the request lives, until it is over."""
        mine = Upload.id == self._upload.id, Upload.writer == self._upload.writer
        while not over.wait(BEAT_SECONDS):
            # A database that is away does not hear us, and nobody can ask it either.
            with suppress(LedgerUnavailable), self._repo.database.writing() as session:
                session.execute(update(Upload).where(*mine).values(touched_at=self._repo.clock()))

    def _check(self, upload: Upload) -> None:
        if upload.state == "ended":
            raise UploadEnded(f"this upload has ended: {upload.reason}")
        if upload.writer != self._upload.writer:
            raise UploadTaken("a newer request goes on with this upload; ask for its offset")


def take(
    repo: Repository, upload_id: str, offset: int, change: Callable[[Upload], None]
) -> tuple[Upload, Writer | None]:
    """Become the writer of an upload at an offset; None where it is complete already.

    Args:
        repo: the repository.
        upload_id: the upload.
        offset: where the bytes are to go.
        change: what the request says of the upload; called under its lock, and may refuse.

    Raises:
        OffsetConflict: the next byte belongs elsewhere.
        UploadEnded: it takes no more bytes.
    """
    look(repo, upload_id)
    with repo.database.writing() as session:
        upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
        if upload.state == "ended":
            raise UploadEnded(f"this upload has ended: {upload.reason}")
        if offset != upload.offset or upload.writer is not None:
            raise OffsetConflict(
                f"the next byte of this upload is byte {upload.offset}", offset=upload.offset
            )
        change(upload)
        upload.state = state_of(upload)
        if upload.state != "open":
            return upload, None
        upload.writer = uuid7(repo.clock(), repo.random)
    return upload, Writer(repo, upload)


def look(repo: Repository, upload_id: str) -> Upload:
    """Return an upload as it is, after ending whatever request still hangs on it."""
    with repo.database.reading() as session:
        upload = session.get_one(Upload, upload_id)
    return upload if upload.writer is None else _taken_over(repo, upload_id)


def release(repo: Repository) -> None:
    """Let uploads be gone on with whose request died while it registered them."""
    dead = Upload.touched_at <= repo.clock() - FINISHING
    with repo.database.reading() as session:
        query = select(Upload.id).where(Upload.state == "finishing", dead).limit(100)
        found = list(session.scalars(query))
    for upload_id in found:
        look(repo, upload_id)


def state_of(upload: Upload) -> str:
    """Return the state that follows from how far an upload has come.

    `closing`: complete, and small enough to be finished by the request that made it so;
    `arrived`: complete, and left to the workers.
    """
    if upload.kind == "partial" or not upload.sealed or upload.offset != upload.length:
        return upload.state
    return "closing" if upload.offset <= SMALL else "arrived"


def _taken_over(repo: Repository, upload_id: str) -> Upload:
    """Ask the writer to yield, wait a moment, then end its right."""
    with repo.database.writing() as session:
        upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
        asked = upload.writer
        upload.generation += 1
        heard = upload.touched_at
    end = time.monotonic() + YIELD_SECONDS
    while asked is not None and time.monotonic() < end:
        with repo.database.reading() as session:
            upload = session.get_one(Upload, upload_id)
        if upload.writer != asked:
            return upload
        time.sleep(0.05)
    with repo.database.writing() as session:
        upload = session.get_one(Upload, upload_id, with_for_update={"key_share": True})
        # Clocks of machines differ: whoever lives was heard of while we waited, whatever ours says.
        dead = upload.touched_at == heard <= repo.clock() - FINISHING
        if upload.writer == asked and (upload.state != "finishing" or dead):
            upload.writer = None  # whoever it was: what it holds never counted
            if upload.state == "finishing":
                upload.state = "open"
    return upload
