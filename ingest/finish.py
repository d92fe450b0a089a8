"""Finish an upload whose last byte arrived: store its bytes as evidence, register, say the result.

It may run twice, on two machines at once, and after a crash at any step: the exhibit that a file
becomes is reserved in its row before a byte is written under its name, and registered once.
"""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from custody.entry import Actor
from custody.errors import EvidenceError
from ingest import pieces
from ingest.errors import SourceIncomplete
from ingest.register import register
from ingest.staging import Intent, Received, Staged, draw_intents, intents_of, renewed, stage
from repository import Repository
from repository.errors import NameTaken
from repository.models import Announced, Case, Exhibit, Quarantined, Submission, Upload
from repository.naming import recorded_name
from repository.submissions import Declaration, complete
from repository.trial import ensure_fit

THREADS = 4  # store the files of a pack; they mostly wait for the disk
TOGETHER = 128  # things that are registered in one transaction
_STALE = timedelta(seconds=45)  # after which a finishing request is taken for dead
_LOG = logging.getLogger("evidence")

Opened = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens the bytes of an upload from their beginning; may be called again."""


def waiting(repo: Repository, *, limit: int = 100) -> list[str]:
    """Return the uploads whose last byte arrived and that nobody is finishing, oldest first."""
    stale = (Upload.state == "closing") & (Upload.touched_at <= repo.clock() - _STALE)
    query = (
        select(Upload.id)
        .where((Upload.state == "arrived") | stale)
        .order_by(Upload.touched_at)
        .limit(limit)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def finish(repo: Repository, upload_id: str) -> None:
    """Do all that remains for an upload whose last byte arrived; nothing if it is done.

    Raises:
        StoreError, CustodyError: not done; try again later. What counted still counts.
    """
    with repo.database.reading() as session:
        upload = session.get_one(Upload, upload_id)
        staged = _partials(session, upload) or [upload]
    if upload.state in ("arrived", "closing"):
        finish_now(repo, upload, lambda: pieces.reading(repo, staged))


def finish_or_leave(repo: Repository, upload: Upload) -> Upload:
    """Finish a small upload at once; what cannot be done now is left to the workers."""
    if upload.state != "closing":
        return upload
    try:
        finish(repo, upload.id)
    except EvidenceError as error:
        _LOG.warning("upload %s is left to the workers: %s", upload.id, error)
        with repo.database.writing() as session:
            row = session.get_one(Upload, upload.id, with_for_update={"key_share": True})
            if row.state == "closing":
                row.state = "arrived"
    with repo.database.reading() as session:
        return session.get_one(Upload, upload.id)


def finish_now(repo: Repository, upload: Upload, opened: Opened) -> Upload:
    """Store and register the bytes of an upload, wherever they are, and note the results.

    Raises:
        StoreError, CustodyError: not done; what counted still counts.
    """
    ensure_fit(repo)
    with repo.database.reading() as session:
        case = session.get_one(Case, upload.case_id)
        submission = session.get_one(Submission, upload.submission_id)
    work = _Work(repo, Actor(**upload.actor), case, submission)
    results = [work.one(upload, opened)] if upload.first is None else work.listed(upload, opened)
    with repo.database.writing() as session:
        row = session.get_one(Upload, upload.id, with_for_update={"key_share": True})
        row.state, row.results, row.writer = "done", results, None
        row.offset = row.length or 0
        left = pieces.discard(session, [row, *_partials(session, row)])
    pieces.remove(repo, left)
    if upload.alone:
        complete(repo, submission)
    return row


@dataclass(frozen=True, slots=True)
class _Work:
    """Finishing one upload: what its steps share."""

    repo: Repository
    actor: Actor
    case: Case
    submission: Submission

    def one(self, upload: Upload, opened: Opened) -> dict[str, Any]:
        """Return what became of a file that no list announced."""
        with self.repo.database.writing() as session:
            row = session.get_one(Upload, upload.id, with_for_update={"key_share": True})
            [intent] = self._reserved(session, [row])
        staged = self._stage(intent, opened, upload.length, upload.digests)
        # The same path and bytes again, in the same submission, are what they were.
        things = [Received((staged,))]
        [outcome] = register(self.repo, self.actor, self.case, self.submission, things, seen={})
        return {
            "n": None,
            "path": recorded_name(upload.path),
            "status": outcome.status,
            "exhibit": outcome.number,
            "entry": outcome.index,
            "sha256": outcome.sha256,
            "size": outcome.size,
            "quarantine": outcome.quarantine,
        }

    def listed(self, upload: Upload, opened: Opened) -> list[dict[str, Any]]:
        """Return what became of files of the submission's list."""
        files = (upload.first or 0, upload.last or 0)
        intents = self._intents(files)
        rows = self._rows(files)
        if len(rows) == 1:
            declared = {**rows[0].digests, **upload.digests}
            stored = [(rows[0], self._store(rows[0], intents, opened, declared))]
        else:
            stored = self._store_pack(rows, intents, opened)
        self._note(stored)
        things = sorted({row.thing for row in self._rows(files) if row.index is None})
        for start in range(0, len(things), TOGETHER):
            self._register(things[start : start + TOGETHER])
        return self._results(files)

    def _intents(self, files: tuple[int, int]) -> dict[int, Intent]:
        """Return the intent of each file, by its n; those of a thing are made together."""
        found: dict[int, Intent] = {}
        with self.repo.database.writing() as session:
            wanted = select(Announced.thing).where(self._among(files), Announced.index.is_(None))
            query = (
                select(Announced)
                .where(Announced.submission_id == self.submission.id, Announced.thing.in_(wanted))
                .order_by(Announced.thing, Announced.part)
                .with_for_update(key_share=True)
            )
            things: dict[int, list[Announced]] = {}
            for row in session.scalars(query):
                things.setdefault(row.thing, []).append(row)
            for rows in things.values():
                intents = self._reserved(session, rows)
                found.update({row.n: one for row, one in zip(rows, intents, strict=True)})
        return found

    def _reserved(
        self, session: Session, rows: Sequence[Upload] | Sequence[Announced]
    ) -> tuple[Intent, ...]:
        """Return the intents of a thing; the exhibit it becomes is reserved in its rows."""
        if (exhibit_id := rows[0].exhibit_id) is not None:
            return intents_of(session, exhibit_id)
        paths = [row.path for row in rows]
        intents = draw_intents(self.repo, session, self.submission, paths)
        for row in rows:
            row.exhibit_id = intents[0].row.exhibit_id
        return intents

    def _store_pack(
        self, rows: Sequence[Announced], intents: Mapping[int, Intent], opened: Opened
    ) -> list[tuple[Announced, Staged | None]]:
        """Store the files of a pack, several at a time."""
        with opened() as source, ThreadPoolExecutor(THREADS, "finish") as pool:
            jobs = []
            for row in rows:
                data = source.read(row.size)
                if len(data) != row.size:
                    raise SourceIncomplete("a pack ended before the last of its files")
                jobs.append(pool.submit(self._store, row, intents, _again(data), row.digests))
            return [(row, job.result()) for row, job in zip(rows, jobs, strict=True)]

    def _store(
        self,
        row: Announced,
        intents: Mapping[int, Intent],
        opened: Opened,
        declared: Mapping[str, str],
    ) -> Staged | None:
        """Store one announced file; None if that was done before."""
        if row.staged is not None or row.index is not None:
            return None
        return self._stage(intents[row.n], opened, row.size, declared)

    def _note(self, stored: Sequence[tuple[Announced, Staged | None]]) -> None:
        """Note which files are stored, so that a thing is registered when its last part is."""
        rows = [
            {"of": row.submission_id, "number": row.n, "known": staged.to_json()}
            for row, staged in stored
            if staged is not None
        ]
        if rows:
            with self.repo.database.writing() as session:
                session.connection().execute(_STORED, rows)

    def _stage(
        self, intent: Intent, opened: Opened, size: int | None, declared: Mapping[str, str]
    ) -> Staged:
        try:
            with opened() as source:
                return stage(self.repo, intent, source, size=size, declared=declared)
        except NameTaken:
            # An earlier attempt brought other bytes, and ended before they were registered.
            intent = renewed(self.repo, self.actor, intent)
            with opened() as source:
                return stage(self.repo, intent, source, size=size, declared=declared)

    def _register(self, things: Sequence[int]) -> None:
        """Register the things all of whose parts are stored; it is noted in the list with them."""
        with self.repo.database.reading() as session:
            query = (
                select(Announced)
                .where(Announced.submission_id == self.submission.id, Announced.thing.in_(things))
                .order_by(Announced.thing, Announced.part)
            )
            parts: dict[int, list[Announced]] = {}
            for row in session.scalars(query):
                parts.setdefault(row.thing, []).append(row)
        whole = [
            rows for rows in parts.values() if all(row.staged and row.index is None for row in rows)
        ]
        received = [
            Received(tuple(_staged(row) for row in rows), self._declaration(rows[0]))
            for rows in whole
        ]
        if received:
            register(self.repo, self.actor, self.case, self.submission, received)

    def _declaration(self, row: Announced) -> Declaration | None:
        if not row.claims:
            return None
        return Declaration.from_json({**self.submission.declared, **row.claims})

    def _results(self, files: tuple[int, int]) -> list[dict[str, Any]]:
        """Return what became of files of the list, as it is known by now."""
        rows = self._rows(files)
        ids = {row.exhibit_id for row in rows}
        with self.repo.database.reading() as session:
            exhibits = session.scalars(select(Exhibit).where(Exhibit.id.in_(ids)))
            numbers = {one.id: one.number for one in exhibits}
            kept = session.scalars(select(Quarantined).where(Quarantined.exhibit_id.in_(ids)))
            quarantined = {one.exhibit_id: one.id for one in kept}
        return [
            {
                "n": row.n,
                "path": recorded_name(row.path),
                "status": row.state,
                "exhibit": numbers.get(row.exhibit_id or ""),
                "entry": row.index,
                "sha256": (row.staged or {"digests": {"sha256": None}})["digests"]["sha256"],
                "size": row.size,
                "quarantine": quarantined.get(row.exhibit_id or ""),
            }
            for row in rows
        ]

    def _rows(self, files: tuple[int, int]) -> list[Announced]:
        query = select(Announced).where(self._among(files)).order_by(Announced.n)
        with self.repo.database.reading() as session:
            return list(session.scalars(query))

    def _among(self, files: tuple[int, int]) -> Any:
        return (Announced.submission_id == self.submission.id) & Announced.n.between(*files)


# Whoever registered it meanwhile has the last word.
_STORED = (
    update(Announced)
    .where(
        Announced.submission_id == bindparam("of"),
        Announced.n == bindparam("number"),
        Announced.index.is_(None),
    )
    .values(state="stored", staged=bindparam("known"))
)


def _waits(row: Announced) -> bool:
    return row.staged is not None and row.index is None


def _staged(row: Announced) -> Staged:
    return Staged.from_json(row.staged or {}, exhibit_id=row.exhibit_id or "", path=row.path)


def _again(data: bytes) -> Opened:
    return lambda: nullcontext(io.BytesIO(data))


def _partials(session: Session, upload: Upload) -> list[Upload]:
    """Return the partial uploads that a final one consists of, in order."""
    names = upload.partials or []
    rows = {row.id: row for row in session.scalars(select(Upload).where(Upload.id.in_(names)))}
    return [rows[name] for name in names]
