"""What identity providers say of themselves, kept for minutes by each process of the service."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

OLDEST = 600.0  # seconds after which a description or a set of keys is fetched anew
SOONEST = 60.0  # and before which it is not, whatever signature it does not explain


class Kept:
    """Answers by what was asked, with the time at which each was fetched."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = Lock()
        self._found: dict[tuple[str, ...], tuple[float, Any]] = {}

    def get(
        self, asked: tuple[str, ...], fetch: Callable[[], Any], *, oldest: float = OLDEST
    ) -> Any:
        """Return an answer that is not older than so many seconds; what fails is not kept."""
        with self._lock:
            at, found = self._found.get(asked, (0.0, None))
        if found is None or self.clock() - at >= oldest:
            found = fetch()  # nobody waits for anybody: a provider that hangs holds one request
            with self._lock:
                self._found[asked] = self.clock(), found
        return found

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found.clear()
