"""A limit on what all connections send together, and how people write rates, sizes and times."""

import re
import threading
import time
from collections.abc import Callable

from repository.errors import BadRequest

Wait = Callable[[float], object]

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_TIMES = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SMOOTH = 0.05  # seconds that one block may take at the limit
_LARGEST = 256 << 10


class Limiter:
    """Lets blocks pass at a steady rate, whoever sends them; without a rate, all at once.

    Nothing is saved up while nobody sends: a pause is not followed by a burst.
    """

    def __init__(self, rate: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.block = _LARGEST
        if rate is not None:
            self.block = max(1, min(_LARGEST, int(rate * _SMOOTH)))
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def take(self, size: int, wait: Wait) -> None:
        """Wait until `size` bytes may be sent.

        Args:
            size: at most `block`.
            wait: told how many seconds to wait; raises to give up.
        """
        if self.rate is None:
            return
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + size / self.rate
        if at > now:
            wait(at - now)


def parse_size(text: str) -> int:
    """Return a number of bytes: `650MB`, `4 GB`, `4GiB`.

    Raises:
        BadRequest: not a size, or none.
    """
    match = re.fullmatch(
        r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([kKmMgG]i?)?(?:B|bytes?)?", text.strip()
    )
    size = int(float(match[1]) * _SIZES[(match[2] or "").lower()]) if match else 0
    if size < 1:
        raise BadRequest(f"{text!r} is not a size; write for example 650MB or 4GB")
    return size


def parse_rate(text: str) -> float:
    """Return bytes a second: `500k`, `2M`, `2MiB/s` are bytes; `8Mbit`, `8Mbit/s` are bits.

    Raises:
        BadRequest: not a rate.
    """
    match = re.fullmatch(
        r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([kKmMgG]i?)?(B|bytes?|bit)?(?:/s)?", text.strip()
    )
    rate = 0.0
    if match:
        rate = float(match[1]) * _SIZES[(match[2] or "").lower()] / (8 if match[3] == "bit" else 1)
    if not rate:
        raise BadRequest("a rate is like 500k or 2M (bytes a second), or 8Mbit (bits a second)")
    return rate


def parse_time(text: str) -> float:
    """Return seconds: `90s`, `20m`, `12h`, `3d`.

    Raises:
        BadRequest: not a time.
    """
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*(s|m|min|h|d)", text.strip().lower())
    if match is None:
        raise BadRequest("a time is like 90s, 20m, 12h or 3d")
    return float(match[1]) * _TIMES[match[2]]


def size_text(count: float) -> str:
    """Return a number of bytes for people: `3.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def files_text(count: int) -> str:
    """Return a number of files for people: `1 file`."""
    return f"{count:,} file{'' if count == 1 else 's'}"


def time_text(seconds: float) -> str:
    """Return a time for people: `3 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
