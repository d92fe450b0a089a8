"""Turns: answers that keep a processor busy are made a few at a time, in the order of their asking.

Python runs one thread of a process at a time. Sixteen searches at once would share it, and each
would take as long as all of them; one after the other, the first is answered after a sixteenth of
that. Nobody waits longer than `PATIENCE` for a turn: one slow search does not hold up the others.
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from threading import Event, Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 3  # of one process: while one waits for a disk or a database, another has its processor
PATIENCE = 1.0  # seconds


class Turns:
    """Who is at work, and who waits, the first who came first."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        """Say how many are at work at once, and how many seconds another waits for them."""
        self._free = at_once
        self._patience = patience
        self._waiting: deque[Event] = deque()
        self._lock = Lock()

    def enter(self) -> bool:
        """Wait for a turn; say whether there was one, which is to be ended by `leave`."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            mine = Event()
            self._waiting.append(mine)
        if mine.wait(self._patience):
            return True
        with self._lock:
            if mine.is_set():  # it came in this very moment
                return True
            self._waiting.remove(mine)
        return False

    def leave(self) -> None:
        """End a turn: the next who waits has it."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


_TURNS = Turns()


def in_turn(answer: Callable[P, T]) -> Callable[P, T]:
    """Have a view answer when its turn comes."""

    @wraps(answer)
    def waited(*args: P.args, **options: P.kwargs) -> T:
        entered = _TURNS.enter()
        try:
            return answer(*args, **options)
        finally:
            if entered:
                _TURNS.leave()

    return waited
