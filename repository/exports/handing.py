"""Hand a bundle out: decided anew, recorded first, and every byte compared before it leaves."""

import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from custody.entry import Act, Draft, timestamp, uuid7
from custody.errors import EvidenceError, LedgerDamaged
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, refuse
from repository.bundle import Bundle
from repository.errors import (
    AccessDenied,
    BadRequest,
    Erased,
    ExportBlocked,
    ExportEnded,
    ExportNotReady,
    IntegrityError,
    RangeNotSatisfiable,
    ReleaseEnded,
)
from repository.exhibits import ref
from repository.exports.archive import Part, filling, parts_of, read_piece
from repository.exports.bundles import find, purpose_of
from repository.exports.chosen import chosen, picked, released
from repository.exports.encryption import Sealing, fingerprint
from repository.exports.job import Job
from repository.models import Exhibit
from repository.retrieve import Span, integrity_failure, range_meant, recorded_parts, verified_bytes
from repository.still import ASK_AGAIN, check_still


@dataclass(slots=True)
class HandingOut:
    """One open download: iterate it to get its bytes; it records how it ended."""

    job: Job
    row: Bundle
    parts: Sequence[Part]
    first: int
    last: int  # inclusive
    still: Callable[[Sequence[Exhibit]], None]  # raises `ReleaseEnded`
    sent: int = 0
    closed: bool = field(default=False)
    size: int = 0  # of the whole archive
    volume: int = 0  # which one, where there are several
    keys: Sequence[str] = ()  # that it is encrypted to as it leaves
    cipher: str | None = None  # the digest of what left encrypted
    about: Exhibit | None = None  # of whose bytes the next ones are

    @property
    def length(self) -> int:
        """Return how many bytes will be sent."""
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes; the closing entries are written when the iteration ends or is left.

        It is decided again before a byte about an exhibit leaves, and every 16 MiB: about all of
        them while the bundle's own files leave, which tell of all.

        Raises:
            IntegrityError: a stored byte differs; recorded, and it is not given out.
            StoreUnavailable: the store stopped answering; recorded.
            AccessDenied: person, grant, permission or consent ended meanwhile; recorded.
        """
        try:
            yield from self._encrypted() if self.keys else self._decided()
            self.close("done")
        except ReleaseEnded as error:
            self.close("aborted", "access-ended")
            raise AccessDenied(f"{error}; it was broken off") from error
        except EvidenceError as error:
            self.close("aborted", error.code, failed=self.about, failure=error)
            raise
        finally:
            self.close("aborted", "connection-closed")

    def _decided(self) -> Iterator[bytes]:
        exhibits = {one.id: one for one in self.job.exhibits}
        asked, since = object(), 0
        for part in _within(self.parts, self.first, self.last):
            self.about = about = exhibits[part.exhibit] if part.exhibit else None
            told_of = [about] if about else self.job.exhibits if part.piece else []
            for block in self._bytes(part, about):
                if told_of and (part.exhibit != asked or since >= ASK_AGAIN):
                    self.still(told_of)
                    asked, since = part.exhibit, 0
                yield block
                self.sent += len(block)
                since += len(block)

    def _encrypted(self) -> Iterator[bytes]:
        ready: deque[bytes] = deque()
        with Sealing(self.keys, ready.append) as sealing:
            for block in self._decided():
                sealing.write(block)
                while ready:
                    yield ready.popleft()
            sealing.finish()
            yield from ready
            self.cipher = f"sha256:{sealing.digest.hexdigest()}"

    def open(self) -> None:
        """Record that it begins; whatever leaves, leaves after that."""
        self.job.repo.ledger.record(*self._entries("started"))

    def close(
        self,
        outcome: str,
        reason: str | None = None,
        *,
        failed: Exhibit | None = None,
        failure: EvidenceError | None = None,
    ) -> None:
        """Record the end once; later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        job = self.job
        drafts = self._entries(outcome, reason)
        if failed is not None and isinstance(failure, IntegrityError):
            drafts.append(integrity_failure(failed, job.actor, job.request_id, str(failure)))
        job.repo.ledger.record(*drafts)

    def _bytes(self, part: Part, exhibit: Exhibit | None) -> Iterator[bytes]:
        """Yield what is asked for of one part of the archive."""
        repo = self.job.repo
        begin = max(self.first, part.start) - part.start
        end = min(self.last, part.start + part.length - 1) - part.start
        if exhibit is None or not part.number:
            data = read_piece(repo, part, self.row.wrapped) if part.data is None else part.data
            yield data[begin : end + 1]
            return
        try:
            recorded = recorded_parts(repo, exhibit)[part.number - 1]
        except LedgerDamaged as error:
            raise IntegrityError(f"the record of {exhibit.number} does not hold") from error
        yield from verified_bytes(repo, exhibit, recorded, begin, end)

    def _entries(self, outcome: str, reason: str | None = None) -> list[Draft]:
        """Return an entry for each exhibit of which bytes leave, and one for the bundle."""
        job = self.job
        withheld: dict[str, Any] = {"purpose": job.purpose.to_json(), "case": job.case.code}
        withheld |= {"recipient": job.recipient} if job.recipient else {}
        withheld |= {"authority": job.purpose.authority} if job.purpose.authority else {}
        ends: dict[str, int] = {}  # where the last byte of each stands
        for part in _within(self.parts, self.first, self.last):
            if part.exhibit is not None:
                ends[part.exhibit] = min(self.last, part.start + part.length - 1)
        common: dict[str, Any] = {"request_id": job.request_id, "withheld": withheld}
        drafts = []
        for one in job.exhibits:
            if one.id in ends:
                whole = outcome == "aborted" and self.first + self.sent > ends[one.id]
                how, why = ("done", None) if whole else (outcome, reason)
                drafts.append(
                    Draft(job.act, job.actor, how, why or "download", exhibit=ref(one), **common)
                )
        ranges = [[self.first, self.first + self.sent - 1]] if self.sent else []
        plain = {"outputs": [self.row.manifest], "ranges": ranges}
        detail: dict[str, Any] = {"export": self.row.id}
        if self.volume:
            detail["volume"] = self.volume
        if self.keys:
            detail["encrypted_to"] = [fingerprint(one) for one in self.keys]
        if self.cipher:
            detail["cipher"] = self.cipher
        withheld = {**withheld, "detail": detail}
        common = {**common, "plain": plain, "withheld": withheld, "subject": job.case.id}
        why = reason or "export-download"
        drafts.append(Draft(Act.CONSULTATION, job.actor, outcome, why, **common))
        return drafts


def hand_out(
    repo: Repository,
    caller: Caller,
    bundle_id: str,
    span: Span | None,
    *,
    volume: int | None = None,
    look: bool = False,
) -> HandingOut:
    """Open a download: everything up to the committed opening entries.

    Args:
        repo: the repository.
        caller: who asked for the export.
        bundle_id: the export.
        span: the bytes wanted of its archive; None: all of them. What is encrypted goes whole.
        volume: which one, of a bundle of several; None: the first, or the only one.
        look: only to be told of it; that is recorded as a look.

    Raises:
        UnknownExport: there is none, or it is somebody else's; recorded.
        UnknownCase, UnknownExhibit, AccessDenied: not allowed any more; recorded.
        Erased: one of its exhibits was erased meanwhile; recorded.
        RangeNotSatisfiable: recorded.
        BadRequest: there is no such volume.
        ExportNotReady, ExportBlocked, ExportEnded: there is nothing to fetch yet, or ever.
    """
    attempted = Act.DISSEMINATION
    row, code = find(repo, caller, bundle_id, attempted)
    purpose = purpose_of(repo, row)
    actor, case = on_case(repo, caller, Right.EXPORT, code, attempted=attempted, purpose=purpose)
    if row.state != "ready":
        picked(repo, caller, case, row.asked["exhibits"], purpose)
    check_state(row)
    exhibits = chosen(repo, caller, case, row.asked["exhibits"])  # those in it, and no other
    released(repo, caller, exhibits, purpose)
    row = _with_layout(repo, row.id)
    layout = row.layout or {}
    volumes = layout.get("volumes", [layout])
    which = 1 if volume is None else volume
    if not 1 <= which <= len(volumes):
        raise BadRequest(f"{row.id} has {len(volumes)} volumes")
    parts = parts_of(volumes[which - 1])
    held = {*layout.get("about", ()), *(part.exhibit for part in parts)}
    keys = row.asked.get("encrypt_to", ())
    size = parts[-1].start + parts[-1].length
    exhibits = [one for one in exhibits if one.id in held]
    at = repo.clock()
    job = Job(
        repo, actor, case, exhibits, purpose, row.asked["recipient"],
        request_id=uuid7(at, repo.random), at=timestamp(at), erased=[],
    )  # fmt: skip
    gone = [one for one in exhibits if one.erased_at is not None]
    try:
        if gone:
            raise Erased(f"{gone[0].number} was erased by order; ask for the export anew")
        first, last = range_meant(None if keys else span, size)
    except (Erased, RangeNotSatisfiable) as error:
        refuse(repo, caller, attempted, [error.code], error, purpose=purpose, case=case)

    def still(some: Sequence[Exhibit]) -> None:
        with repo.database.reading() as session:
            check_still(repo, caller, session, Right.EXPORT, some, purpose)

    number = which if len(volumes) > 1 else 0
    found = HandingOut(job, row, parts, first, last, still, size=size, volume=number, keys=keys)
    if look:
        found.closed = True
        draft = Draft(Act.CONSULTATION, actor, reason="export-headers", subject=case.id)
        repo.ledger.record(draft)
    else:
        found.open()
    return found


def own_files(repo: Repository, bundle_id: str, place: Path) -> Path:
    """Write what a kept bundle has beside its exhibits into a folder; return the bag's.

    Raises:
        ExportEnded: it has ended.
        IntegrityError: a file is not what was stored.
    """
    row = _with_layout(repo, bundle_id)
    volume = (row.layout or {}).get("volumes", [row.layout])[0]
    kept = [part for part in parts_of(volume) if part.piece]
    with TemporaryFile(dir=place) as joined:
        for part in kept:
            joined.write(read_piece(repo, part, row.wrapped))
        joined.write(bytes(filling(joined.tell())))
        joined.seek(0)
        with tarfile.open(fileobj=joined) as archive:
            archive.extractall(place, filter="data")
    return place / str(volume["folder"])


def _with_layout(repo: Repository, bundle_id: str) -> Bundle:
    query = select(Bundle).where(Bundle.id == bundle_id).options(undefer(Bundle.layout))
    with repo.database.reading() as session:
        row = session.scalars(query).one()
    if row.layout is None:
        raise ExportEnded(f"{row.id} has ended; ask for the export anew")
    return row


def check_state(row: Bundle) -> None:
    """Refuse an export of which there is nothing to fetch.

    Raises:
        ExportNotReady, ExportBlocked, ExportEnded: so it is.
    """
    if row.state in ("asked", "making"):
        raise ExportNotReady(f"{row.id} is being made; ask again")
    if row.state == "failed":
        raise ExportBlocked(f"{row.id} could not be made: {row.reason}")
    if row.state == "ended":
        raise ExportEnded(f"{row.id} has ended; ask for the export anew")


def _within(parts: Sequence[Part], first: int, last: int) -> Iterator[Part]:
    """Yield the parts that hold bytes of a range."""
    for part in parts:
        if part.length and part.start <= last and part.start + part.length > first:
            yield part
