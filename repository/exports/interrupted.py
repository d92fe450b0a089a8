"""An export into a folder that ended before its bag was whole: the same one again goes on with it.

A mark beside the place names the export; its lock is held as long as the process lives. So what a
dead one left can be told from what a living one writes, and nothing is ever taken for a bundle.
Another export to the same place removes what was left, and records how that one ended.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Draft
from custody.errors import CustodyError
from custody.verify import CLOSING
from repository import software
from repository.errors import DiskFull, KeyUnavailable, SignatureUnavailable, StoreError
from repository.exports.job import Job, entries_about
from repository.models import Exhibit
from repository.purpose import Purpose

_OVER = ("done", "aborted")
LATER = (  # not the fault of what was asked: the same again may succeed
    StoreError,
    KeyUnavailable,
    DiskFull,
    SignatureUnavailable,
    CustodyError,
)


class Mark:
    """The mark of an export that is being made, locked until it is ended."""

    def __init__(self, place: Path) -> None:
        """Make it.

        Raises:
            OSError: it cannot be written there.
        """
        self.folder = place.with_name(f".{place.name}.partial-{token_hex(4)}")
        self._file = _mark_of(self.folder)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        self._lock = os.open(self._file, flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, told: Mapping[str, Any]) -> None:
        """Say which export it is, durably."""
        os.pwrite(self._lock, json.dumps(told).encode(), 0)
        os.fsync(self._lock)

    def end(self, *, keep: bool = False) -> None:
        """Remove it, and what is not finished; or keep both, for the same export to go on with."""
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._file.unlink(missing_ok=True)
        os.close(self._lock)


@dataclass(frozen=True, slots=True)
class Left:
    """What a dead export left at a place; locked, so that nobody else takes it meanwhile."""

    told: dict[str, Any] | None  # None: it was killed before it said anything
    folder: Path  # what it had written
    lock: int

    def move(self, folder: Path) -> None:
        """Put what it had written in the place of an empty folder; its mark goes."""
        if self.folder.exists():
            self.folder.rename(folder)
        self.remove()

    def remove(self) -> None:
        """Remove it, with its mark."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _mark_of(self.folder).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave it as it is."""
        os.close(self.lock)


def left(place: Path) -> list[Left]:
    """Return what dead exports left at a place; a bag there that was never closed is taken back."""
    found = []
    for file in sorted(place.parent.glob(f".{place.name}.partial-*.json")):
        lock = _of_dead(file)
        if lock is None:
            continue
        one = Left(_told(file), file.with_suffix(""), lock)
        if one.told is not None and _unfinished(place, one.told):
            shutil.rmtree(one.folder, ignore_errors=True)
            place.rename(one.folder)
        found.append(one)
    return found


def mark_of(job: Job, spread: tuple[int | None, bool]) -> dict[str, Any]:
    """Return what a mark says of an export: enough to go on with it, or to record its end.

    `same` is the digest of everything that its bag follows from, beside the ledger itself; only
    where that is equal, the same bag is being made.
    """
    purpose = {**job.purpose.to_json(), "authority": job.purpose.authority}
    told = {
        "case": job.case.id,
        "exhibits": [exhibit.id for exhibit in job.exhibits],
        "purpose": purpose,
        "recipient": job.recipient,
    }
    choice = job.choice
    more = {
        "software": software(),
        "title": job.case.title,
        "actor": [job.actor.id, job.actor.name, job.actor.organisation, job.actor.country],
        "markings": {name: one.to_json() for name, one in sorted(job.markings.items())},
        "instead": job.instead,
        "erased": job.erased,
        "annotations": job.annotations,
        "twins": job.twins,
        "language": job.language,
        "choice": [choice.reveal, choice.withhold, choice.full],
        "answered": job.answered,
        "encrypt_to": job.encrypt_to,
        "spread": spread,
    }
    same = sha256(json.dumps([told, more], sort_keys=True).encode()).hexdigest()
    return {"report": job.request_id, "at": job.at, **told, "same": same}


def opened(job: Job, told: Mapping[str, Any]) -> int | None:
    """Return the size of the tree right after the opening entries of a report of these exhibits.

    None where the ledger has none.
    """
    first = job.exhibits[0]
    for entry in job.repo.ledger.history(first.id):
        if entry.fields.get("request_id") == told["report"]:
            last = job.repo.ledger.entry(entry.index + len(job.exhibits))
            house = last.fields
            if (house["type"], house["outcome"]) != (Act.REPORT_GENERATED, "started"):
                return None
            return last.index + 1 if house.get("request_id") == told["report"] else None
    return None


def interrupted_entries(job: Job, told: dict[str, Any]) -> list[Draft]:
    """Return the entries about an export of the same case that ended with its process.

    None where it had not begun for the ledger, or its end is on record.
    """
    repo = job.repo
    with repo.database.reading() as session:
        query = select(Exhibit).where(Exhibit.id.in_(told["exhibits"][:1]))
        first = session.scalar(query)
        exhibits = [session.get(Exhibit, one) for one in told["exhibits"]]
    known = [one for one in exhibits if one is not None]
    if first is None or told["case"] != job.case.id:
        return []
    ours = [
        entry.fields["outcome"]
        for entry in repo.ledger.history(first.id)
        if entry.fields.get("request_id") == told["report"]
    ]
    if not ours or ours[-1] in _OVER:
        return []
    said = told["purpose"]
    purpose = Purpose(said["code"], said["text"], said["authority"], tuple(said.get("assured", ())))
    before = Job(
        repo, job.actor, job.case, known, purpose, told["recipient"],
        request_id=told["report"], at=job.at, erased=[],
    )  # fmt: skip
    return entries_about(before, "aborted", reason="interrupted")


def _mark_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _of_dead(file: Path) -> int | None:
    """Return the lock of a mark whose process is dead, None if it lives."""
    try:
        lock = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None  # its owner was quicker
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if not file.exists():
        os.close(lock)
        return None  # somebody else went on with it meanwhile
    return lock


def _told(file: Path) -> dict[str, Any] | None:
    """Return what a mark says; None: it was killed before it said anything."""
    try:
        found = json.loads(file.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _unfinished(place: Path, told: dict[str, Any]) -> bool:
    """Say whether a place holds that export's bag, and the ledger never closed it."""
    bag = place / "volume-1" if (place / "volume-1").is_dir() else place
    try:
        own = json.loads((bag / "custody.json").read_bytes())["request_id"] == told["report"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    every = sorted(place.glob("volume-*")) or [place]
    return own and not all((one / CLOSING).exists() for one in every)
