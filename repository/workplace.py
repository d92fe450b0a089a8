"""A private folder for work that needs files: it goes with all in it, also after a crash."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from repository import Repository

_PREFIX = "bundle-"
_YOUNG = 60  # seconds in which a folder may have no lock yet


@contextmanager
def workplace(repo: Repository) -> Iterator[Path]:
    """Yield a folder of our own under `work`; what killed processes left there is removed first."""
    work = repo.settings.data / "work"
    for left in work.glob(f"{_PREFIX}*"):
        if _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    place = Path(mkdtemp(prefix=_PREFIX, dir=work))
    lock = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place
    finally:
        os.close(lock)
        shutil.rmtree(place, ignore_errors=True)


def _abandoned(place: Path) -> bool:
    """Say whether no living process works in a folder: the lock of a dead one is gone."""
    try:
        if time.time() - place.stat().st_mtime < _YOUNG:
            return False
        lock = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        return False  # its owner was quicker
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
