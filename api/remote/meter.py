"""How far sending has come, for people at a terminal: files, bytes, rate, time left."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from api.remote.rate import size_text, time_text
from api.told import Stop

_WINDOW = 20.0  # seconds over which the rate is taken


class Meter:
    """Counts what moves; any thread may tell it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._files = self._bytes = 0
        self._done_files = self._done_bytes = 0
        self._on_the_way: dict[int, int] = {}
        self._samples: deque[tuple[float, int]] = deque()

    def begin(self, files: int, size: int, *, done_files: int, done_bytes: int) -> None:
        """Begin to count: how much there is, and how much of it was done before."""
        with self._lock:
            self._files, self._bytes = files, size
            self._done_files, self._done_bytes = done_files, done_bytes
            self._on_the_way.clear()
            self._samples.clear()

    def at(self, parcel: int, offset: int) -> None:
        """Note where a parcel stands."""
        with self._lock:
            self._on_the_way[parcel] = offset

    def moving(self, parcel: int) -> Callable[[int], None]:
        """Return what is told of each block of a parcel."""

        def moved(count: int) -> None:
            with self._lock:
                self._on_the_way[parcel] = self._on_the_way.get(parcel, 0) + count

        return moved

    def done(self, parcel: int, files: int, size: int) -> None:
        """Note that a parcel is through."""
        with self._lock:
            self._on_the_way.pop(parcel, None)
            self._done_files += files
            self._done_bytes += size

    def text(self, word: str) -> str:
        """Return the line that people see."""
        with self._lock:
            moved = self._done_bytes + sum(self._on_the_way.values())
            now = self._clock()
            self._samples.append((now, moved))
            while now - self._samples[0][0] > _WINDOW:
                self._samples.popleft()
            then, before = self._samples[0]
            rate = (moved - before) / (now - then) if now > then else 0.0
            parts = [
                f"{word} {self._done_files:,} of {self._files:,} files",
                f"{size_text(moved)} of {size_text(self._bytes)}",
            ]
            if rate > 0:
                parts.append(f"{size_text(rate)}/s")
                parts.append(f"{time_text(max(0, self._bytes - moved) / rate)} left")
            return ", ".join(parts)


class Display:
    """Shows one line that changes, on standard error, where that is a terminal; else nothing.

    Words and results are written through it, so that they never stand in the middle of that line.
    """

    def __init__(self, meter: Meter, *, on: bool) -> None:
        self._meter = meter
        self._on = on
        self._word = ""
        self._lock = threading.Lock()
        self._over = Stop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._on:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._on:
            self._over.set()
            self._thread.join()
            self._clear()

    def showing(self, word: str) -> None:
        """Say what is being done: `hashed`, `sent`; empty: nothing."""
        with self._lock:
            self._word = word

    def write(self, act: Callable[[], None]) -> None:
        """Let `act` write a line of its own."""
        with self._lock:
            if self._on:
                self._clear()
            act()

    def _run(self) -> None:
        while not self._over.wait(0.5):
            with self._lock:
                if self._word:
                    sys.stderr.write(f"\r{self._meter.text(self._word)}\x1b[K")
                    sys.stderr.flush()

    @staticmethod
    def _clear() -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
