"""An export into a folder that was killed: the next one there finds it, removes it, records it.

A mark beside the place names the export; its lock is held as long as the process lives. So what a
dead one left can be told from what a living one writes, and nothing is ever taken for a bundle.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from custody.entry import Draft
from custody.verify import CLOSING
from repository.exports.job import Job, entries_about
from repository.models import Exhibit
from repository.purpose import Purpose

_OVER = ("done", "aborted")


class Mark:
    """The mark of an export that is being made, locked until it is ended."""

    def __init__(self, place: Path) -> None:
        """Make it.

        Raises:
            OSError: it cannot be written there.
        """
        self.folder = place.with_name(f".{place.name}.partial-{os.getpid()}")
        self._file = _mark_of(self.folder)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        self._lock = os.open(self._file, flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, told: bytes) -> None:
        """Say which export it is, durably."""
        os.pwrite(self._lock, told, 0)
        os.fsync(self._lock)

    def end(self) -> None:
        """Remove it, and what is not finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._file.unlink(missing_ok=True)
        os.close(self._lock)


def clear(place: Path) -> list[dict[str, Any]]:
    """Remove what dead exports left at a place, and return what their marks say."""
    found = []
    for file in sorted(place.parent.glob(f".{place.name}.partial-*.json")):
        with _dead(file) as dead:
            if not dead:
                continue
            told = _told(file)
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            if told is not None:
                found.append(told)
                if _unfinished(place, told):
                    shutil.rmtree(place)
            file.unlink(missing_ok=True)
    return found


def mark_text(job: Job) -> bytes:
    """Return what a mark says of an export: enough to put its end on record."""
    purpose = {**job.purpose.to_json(), "authority": job.purpose.authority}
    told = {
        "report": job.request_id,
        "case": job.case.id,
        "exhibits": [exhibit.id for exhibit in job.exhibits],
        "purpose": purpose,
        "recipient": job.recipient,
    }
    return json.dumps(told).encode()


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


@contextmanager
def _dead(file: Path) -> Iterator[bool]:
    """Yield whether the process of a mark is dead; while it is looked at, its lock is held."""
    try:
        lock = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        yield False  # its owner was quicker
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)


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
