"""Hash everything that is to be sent, once: several files at a time, remembered over runs."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from api.remote.state import State
from api.remote.wire import Stopped
from api.told import Stop
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.sources import Source, Watch, opened
from repository.naming import shown

_BLOCK = 1 << 20
_AHEAD = 64  # files that are looked at before the first of them is done
_KEEP_SECONDS = 1.0  # how often what was hashed is written down


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file with what it is: `sha256` is hex."""

    source: Source
    size: int
    changed: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be sent, and why."""

    path: bytes
    error: EvidenceError


Told = Callable[[int], None]
"""Told how many bytes were hashed."""


def hash_all(
    state: State, sources: Iterator[Source], *, told: Told, stop: Stop
) -> Iterator[Hashed | Unreadable]:
    """Yield what each source is, in their order; what was hashed before is not read again.

    Raises:
        Stopped: this run ends; what was hashed is remembered.
    """
    threads = min(4, os.cpu_count() or 1)
    waiting: deque[Future[Hashed | Unreadable]] = deque()
    with _keeping(state) as keep, ThreadPoolExecutor(threads, "hash") as pool:
        try:
            for source in sources:
                waiting.append(pool.submit(_look, state, source, told, stop))
                if len(waiting) >= _AHEAD:
                    yield keep(waiting.popleft().result())
            while waiting:
                yield keep(waiting.popleft().result())
        finally:
            for job in waiting:
                job.cancel()


def hash_file(source: Source, *, told: Told, stop: Stop) -> Hashed:
    """Return what a file is.

    Raises:
        SourceUnreadable: it cannot be read.
        SourceChanged: somebody writes to it.
        Stopped: this run ends.
    """
    digest = sha256()
    size = 0
    buffer = memoryview(bytearray(_BLOCK))
    with opened(source) as file:
        found = os.fstat(file.fileno())
        watch = Watch(source, file)
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # a raw file
            digest.update(buffer[:count])
            size += count
            told(count)
            if stop.is_set():
                raise Stopped
        watch(size)
    return Hashed(source, size, found.st_mtime_ns, digest.hexdigest())


def _look(state: State, source: Source, told: Told, stop: Stop) -> Hashed | Unreadable:
    if source.problem is not None or source.file is None:
        why = source.problem or "standard input cannot be sent"
        return Unreadable(source.path, SourceUnreadable(f"{shown(source.path)}: {why}"))
    try:
        found = Path(os.fsdecode(source.file)).stat()
        known = state.known_digest(source.file, found.st_size, found.st_mtime_ns)
        if known is not None:
            told(found.st_size)
            return Hashed(source, found.st_size, found.st_mtime_ns, known)
        return hash_file(source, told=told, stop=stop)
    except EvidenceError as error:
        return Unreadable(source.path, error)
    except OSError as error:
        why = error.strerror or str(error)
        return Unreadable(source.path, SourceUnreadable(f"{shown(source.path)}: {why}"))


@contextmanager
def _keeping(
    state: State,
) -> Iterator[Callable[[Hashed | Unreadable], Hashed | Unreadable]]:
    """Yield a function that remembers results, many at a time; the rest at the end."""
    rows: list[tuple[bytes, int, int, str]] = []
    written = time.monotonic()

    def keep(found: Hashed | Unreadable) -> Hashed | Unreadable:
        nonlocal written
        if isinstance(found, Hashed) and found.source.file is not None:
            rows.append((found.source.file, found.size, found.changed, found.sha256))
        if rows and time.monotonic() - written > _KEEP_SECONDS:
            state.keep_digests(rows)
            rows.clear()
            written = time.monotonic()
        return found

    try:
        yield keep
    finally:
        if rows:
            state.keep_digests(rows)
