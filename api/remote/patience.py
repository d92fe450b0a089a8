"""Patience with a bad line: growing pauses, an end, and one calm sentence for people."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from api.errors import LineIntercepted, LineLost, ServiceUnavailable
from api.remote.rate import time_text

T = TypeVar("T")
Setback = LineLost | LineIntercepted | ServiceUnavailable
SETBACKS = (LineLost, LineIntercepted, ServiceUnavailable)
LONGEST = 60.0  # seconds between two attempts
_CALM = 5.0  # seconds that a setback may last before people are told


class Line:
    """What all threads know of the line, and who tells people about it."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        limit: float,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a line that is good.

        Args:
            say: tells people a sentence.
            limit: seconds without progress after which an attempt is the last.
            wait: waits so many seconds; raises to give up.
            clock: seconds that do not jump.
        """
        self.limit = limit
        self.clock = clock
        self.wait = wait
        self.cuts = 0
        self._say = say
        self._said: str | None = None
        self._since = 0.0  # of what was said
        self._lock = threading.Lock()

    def bad(self, error: Setback, since: float) -> str | None:
        """Note a setback; return its words once people were told.

        They are told if it lasts, each reason once.
        """
        with self._lock:
            self.cuts += isinstance(error, LineLost)
            if self.clock() - since < _CALM and not isinstance(error, LineIntercepted):
                return None
            text = str(error)
            if text != self._said:
                self._said, self._since = text, since
                self._say(f"{text}; trying again, for up to {time_text(self.limit)}")
            return text

    def good(self, told: str, since: float) -> None:
        """Note that what people were told is over."""
        with self._lock:
            if self._said == told:
                self._said = None
                self._say(f"it goes on, after {time_text(self.clock() - since)}")

    def done(self) -> None:
        """Note that everything went through, whoever still waits."""
        with self._lock:
            told, since = self._said, self._since
        if told is not None:
            self.good(told, since)


class Patience:
    """The attempts at one thing."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._since: float | None = None
        self._told: str | None = None
        self._attempts = 0
        self._tried = line.clock()  # when the last attempt began

    @property
    def attempts(self) -> int:
        """Return how many attempts in a row came to nothing."""
        return self._attempts

    def progress(self) -> None:
        """Note that it went on."""
        if self._since is not None and self._told is not None:
            self._line.good(self._told, self._since)
        self._since, self._told, self._attempts = None, None, 0

    def setback(self, error: Setback) -> None:
        """Wait before the next attempt, longer each time; the first follows at once.

        The wait counts from the beginning of the attempt that came to nothing: a line that carried
        something for a while before it was cut is used again at once.

        Raises:
            LineLost, LineIntercepted, ServiceUnavailable: `error`, when patience is over.
        """
        now = self._line.clock()
        self._since = now if self._since is None else self._since
        left = self._line.limit - (now - self._since)
        if left <= 0:
            raise error
        self._told = self._line.bad(error, self._since) or self._told
        pause = 0.0
        if self._attempts or isinstance(error, ServiceUnavailable):
            pause = min(LONGEST, 0.5 * 2.0 ** min(self._attempts, 10)) - (now - self._tried)
        if isinstance(error, ServiceUnavailable) and error.retry_after:
            pause = max(pause, float(error.retry_after))
        self._attempts += 1
        self._line.wait(min(max(pause, 0.0), max(left, 0.1)))
        self._tried = self._line.clock()


def patiently(line: Line, act: Callable[[], T]) -> T:
    """Return what `act` gives, however often it must be tried.

    Raises:
        LineLost, LineIntercepted, ServiceUnavailable: patience is over.
    """
    patience = Patience(line)
    while True:
        try:
            found = act()
        except SETBACKS as error:
            patience.setback(error)
        else:
            patience.progress()
            return found
