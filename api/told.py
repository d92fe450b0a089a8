"""Being told to stop by SIGTERM or SIGINT, without the lock that `threading.Event` takes."""

import os
import select
import signal
from contextlib import suppress
from types import FrameType


class Told:
    """Whether this process was told to stop; made in its main thread, once.

    A handler that sets a `threading.Event` hangs for ever when the signal finds the main thread
    inside `Event.wait`, which holds the same lock (5 of 3,000 tries with short waits). Here the
    handler only writes to a pipe.
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
