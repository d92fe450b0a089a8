"""Being told to stop, without the lock that `threading.Event` takes.

A signal that finds the main thread inside `Event.wait` finds that lock held, or, if its handler
raises, leaves it held or lets it go twice: 12 of 3,000 tries with short waits. Whoever sets the
event next hangs for ever.
"""

import os
import select
import signal
import time
from contextlib import suppress
from types import FrameType

_TICK = 0.05  # seconds


class Stop:
    """Set once, and looked at by threads that wait: twenty times a second, holding nothing."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """Tell all who wait, and all who will."""
        self._set = True

    def is_set(self) -> bool:
        """Say whether it was set."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so many seconds; return whether it was."""
        end = time.monotonic() + seconds
        while not self._set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _TICK))
        return self._set


class Told:
    """Whether this process was told to stop by SIGTERM or SIGINT; made in its main thread, once.

    The handler only writes to a pipe.
    """

    def __init__(self) -> None:
        self._told = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def __bool__(self) -> bool:
        return self._told

    def wait(self, seconds: float) -> bool:
        """Wait until told, at most so many seconds; return whether it was told."""
        select.select([self._read], [], [], seconds)
        return self._told

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._told = True
        with suppress(BlockingIOError):  # full: it was told thousands of times already
            os.write(self._write, b".")
