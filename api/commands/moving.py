"""How a move of the store is told: bytes done and to do, time left, and what to set at its end."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from api.errors import RunningAlready
from custody.entry import timestamp
from repository.move import Progress
from repository.moving import StoreMove

_EVERY = 5.0  # seconds between two lines
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Pace:
    """How fast this run goes: since when, and what was there then."""

    def __init__(self, before: Progress | None) -> None:
        self._began = self._last = monotonic()
        self._size = 0 if before is None else before.size

    def told(self, found: Progress, say: Callable[[str], None]) -> None:
        """Say how far it is and how long it lasts yet, every few seconds."""
        at = monotonic()
        if at - self._last < _EVERY:
            return
        self._last = at
        left = max(0, found.move.size - found.size)
        moved = found.size - self._size
        rest = f", about {_time(left * (at - self._began) / moved)} left" if moved else ""
        say(said(found) + rest)


def said(found: Progress) -> str:
    """Return in words how far a move is."""
    move = found.move
    ended = f"ended {timestamp(move.finished_at)}" if move.finished_at else "goes on"
    return (
        f"{_bytes(found.size)} of {_bytes(max(move.size, found.size))}, {found.objects} of "
        f"{max(move.objects, found.objects)} objects are in {move.target}; {ended}"
    )


def move_view(found: Progress) -> dict[str, Any]:
    """Return how far a move is, as programs are told it."""
    move = found.move
    return {
        "state": "ended" if move.finished_at else "going-on",
        "from": move.source,
        "to": move.target,
        "started_at": timestamp(move.started_at),
        "finished_at": timestamp(move.finished_at) if move.finished_at else None,
        "objects": found.objects,
        "objects_in_all": max(move.objects, found.objects),
        "bytes": found.size,
        "bytes_in_all": max(move.size, found.size),
    }


def settings_of(move: StoreMove) -> str:
    """Return the lines of config.toml that name the new store."""
    values = {
        "store_url": move.target,
        "store_access_key_file": move.access_key_file,
        "store_secret_key_file": move.secret_key_file,
        "store_ca_file": move.ca_file,
    }
    return "".join(f'    {name} = "{value}"\n' for name, value in values.items() if value)


@contextmanager
def running_once(file: Path) -> Iterator[None]:
    """Hold a file while a command runs that one run of is enough.

    Raises:
        RunningAlready: another run holds it.
    """
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunningAlready(
                "another run of this command is at work; see evidence store move --status"
            ) from error
        yield


def _bytes(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{count} bytes"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
