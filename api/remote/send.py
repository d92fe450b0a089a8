"""Send parcels over several connections at once, each from where the service has it."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from api.errors import LineLost
from api.remote.hashing import hash_file
from api.remote.meter import Meter
from api.remote.patience import SETBACKS, Line, Patience, patiently
from api.remote.plan import Parcel, parcels
from api.remote.reading import Unsendable, changed, read_parcel
from api.remote.service import OffsetConflict, Service, UploadGone
from api.remote.state import Listed, State
from api.remote.wire import ANSWER, STALL, Stopped
from api.told import Stop
from custody.entry import uuid7
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.sources import Source
from repository import now
from repository.naming import shown

PIECE = 256 << 20  # bytes of one request; a proxy that buffers requests must hold so much
_LEFT = 5.0  # seconds that threads have to end, all together
FILLS = 4  # attempts in a row that came to nothing, after which nothing fresh is begun
Open = Callable[[], Service]
Failed = Callable[[Listed, EvidenceError], None]


class Sending:
    """The threads that send what is to be sent; `wait` until they are done."""

    def __init__(
        self,
        state: State,
        submission: str,
        *,
        connect: Open,
        line: Line,
        meter: Meter,
        failed: Failed,
        stop: Stop,
    ) -> None:
        """Plan; nothing runs yet.

        Args:
            state: what is to be sent, and from where.
            submission: whose list it is.
            connect: makes a connection for one thread.
            line: what is known of the line.
            meter: told what was sent.
            failed: told which file cannot be sent; may come from any thread.
            stop: set to end early.
        """
        self._state = state
        self._submission = submission
        self._connect = connect
        self._line = line
        self._meter = meter
        self._failed = failed
        self._stop = stop
        self._lock = threading.Lock()
        self._packs: deque[Parcel] = deque()
        self._large: deque[Parcel] = deque()
        self._broken: deque[Parcel] = deque()  # begun; how far they came is not known
        self._under_way = 0  # parcels that a thread delivers at this moment
        self._fresh = 0  # those of them that were not begun before
        self._held: dict[int, int] = {}  # bytes that the service was known to hold, by parcel
        begun, fresh = planned(state.to_send(), [(f, la) for f, la, _ in state.uploads()])
        self._broken.extend(begun)
        self._put(fresh)
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None

    def start(self, connections: int) -> None:
        """Begin, over so many connections."""
        count = min(connections, len(self._packs) + len(self._large) + len(self._broken))
        for number in range(count):
            # Half of them begin with the large files, so that none of these is left for the end.
            thread = threading.Thread(target=self._work, args=(number % 2 == 1,), daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def running(self) -> bool:
        """Say whether anything is still being sent.

        Raises:
            EvidenceError: what ended a thread.
        """
        if self._error is not None:
            raise self._error
        with self._lock:  # a thread that only waits for its next attempt keeps nobody
            return bool(self._under_way or self._packs or self._large or self._broken)

    def end(self) -> None:
        """Wait for the threads, which `stop` tells to end; one that looks up a name is left."""
        end = time.monotonic() + _LEFT
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self, large_first: bool) -> None:
        service = self._connect()
        patience = Patience(self._line)
        try:
            while (found := self._next(large_first, patience)) is not None:
                self._deliver(service, *found, patience)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - told by `running`, in the main thread
            self._error = self._error or error
            self._stop.set()
        finally:
            service.close()

    def _next(self, large_first: bool, patience: Patience) -> tuple[Parcel, bool] | None:
        """Return what this thread delivers next, and whether it is fresh.

        What broke off comes first, but for one thread: before such a parcel goes on the service
        must be asked how far it is, and until it has answered a fresh one fills the line.
        """
        fresh = (self._large, self._packs) if large_first else (self._packs, self._large)
        with self._lock:
            fills = self._fresh == 0 and patience.attempts < FILLS and any(fresh)
            order = (*fresh, self._broken) if fills else (self._broken, *fresh)
            for queue in order:
                if queue:
                    self._fresh += queue is not self._broken
                    self._under_way += 1
                    return queue.popleft(), queue is not self._broken
        return None

    def _put(self, planned: Iterable[Parcel]) -> None:
        with self._lock:
            for parcel in planned:
                (self._large if parcel.is_large else self._packs).append(parcel)

    def _deliver(self, service: Service, parcel: Parcel, fresh: bool, patience: Patience) -> None:
        """Send a parcel until the line breaks; then it is one of those that broke off.

        A file in it that cannot be sent is left out and reported.
        """
        files = list(self._state.files(parcel.first, parcel.last))
        upload = self._state.upload(parcel.first, parcel.last)
        setback = None
        try:
            if parcel.is_large:
                files = [self._unchanged(files[0])]
            self._send(service, parcel, files, upload, patience)
            self._state.sent(parcel.first, parcel.last)
            self._meter.done(parcel.first, len(files), parcel.size)
        except Unsendable as error:
            self._meter.at(parcel.first, 0)
            self._give_up(service, parcel)
            self._failed(next(one for one in files if one.n == error.n), error.error)
            self._put(parcels((one.n, one.size) for one in files if one.n != error.n))
        except SETBACKS as error:
            setback = error
        with self._lock:
            self._under_way -= 1
            self._fresh -= fresh
            if setback is not None:
                self._broken.append(parcel)
        if setback is not None:
            patience.setback(setback)

    def _send(
        self, service: Service, parcel: Parcel, files: Sequence[Listed], upload: str | None,
        patience: Patience,
    ) -> None:  # fmt: skip
        """Send a parcel from where the service has it.

        Raises:
            Unsendable: a file of it is not what was listed.
            LineLost, LineIntercepted, ServiceUnavailable: it broke off.
        """

        def rest(offset: int) -> tuple[Iterator[bytes | memoryview], int]:
            length = min(PIECE, parcel.size - offset)
            return read_parcel(files, offset, length, self._meter.moving(parcel.first)), length

        # Answers may be lost: whoever waits too long asks again, later each time.
        answer = min(ANSWER, STALL * 2.0 ** min(patience.attempts, 10))
        offset = None if upload is None else self._offset(service, parcel, upload)
        try:
            if upload is None or offset is None:
                upload = str(uuid7(now(), os.urandom))
                self._state.upload_begun(parcel.first, parcel.last, upload)
                which = (parcel.first, parcel.last)
                offset = service.create(
                    self._submission, upload, which, parcel.size, *rest(0), answer=answer
                )
            self._came_to(parcel, offset, patience)
            while offset < parcel.size:
                offset = service.append(upload, offset, *rest(offset), answer=answer)
                self._came_to(parcel, offset, patience)
        except OffsetConflict as error:
            raise LineLost("the service holds other bytes than it said before") from error
        except UploadGone as error:
            self._state.upload_over(parcel.first, parcel.last)
            raise LineLost("the service gave an upload up; it begins anew") from error

    def _offset(self, service: Service, parcel: Parcel, upload: str) -> int | None:
        """Return how much the service holds of what broke off; None: not even its beginning."""
        try:
            return service.offset(upload)
        except UploadGone:
            self._state.upload_over(parcel.first, parcel.last)
            return None

    def _came_to(self, parcel: Parcel, offset: int, patience: Patience) -> None:
        """Note how many bytes the service is known to hold."""
        if offset > self._held.get(parcel.first, 0) or offset == parcel.size:
            patience.progress()
        self._held[parcel.first] = offset
        self._meter.at(parcel.first, offset)

    def _give_up(self, service: Service, parcel: Parcel) -> None:
        """End an upload that would bring other bytes than were listed."""
        upload = self._state.upload(parcel.first, parcel.last)
        if upload is None:
            return
        patiently(self._line, lambda: service.give_up(upload))
        self._state.upload_over(parcel.first, parcel.last)

    def _unchanged(self, one: Listed) -> Listed:
        """Return a large file as it is now; if it was only touched, its bytes are hashed again.

        Raises:
            Unsendable: it is another, or cannot be read.
        """
        try:
            found = Path(os.fsdecode(one.source)).stat()
            if (found.st_size, found.st_mtime_ns) == (one.size, one.changed):
                return one
            source = Source(one.source, one.path, one.size)
            now = hash_file(source, told=lambda _: None, stop=self._stop)
        except OSError as error:
            why = f"{shown(one.path)}: {error.strerror or error}"
            raise Unsendable(one.n, SourceUnreadable(why)) from error
        except EvidenceError as error:
            raise Unsendable(one.n, error) from error
        if now.sha256 != one.sha256:
            raise Unsendable(one.n, changed(one))
        self._state.still_as_hashed(one.n, now.changed)
        return replace(one, changed=now.changed)


def planned(
    files: Sequence[tuple[int, int]], begun: Iterable[tuple[int, int]]
) -> tuple[list[Parcel], Iterator[Parcel]]:
    """Return the uploads that were begun, as they were, and the rest that is to be sent.

    Args:
        files: (n, size) of every file to send.
        begun: first and last file of uploads that an earlier run began.
    """
    sizes = dict(files)
    taken: set[int] = set()
    again: list[Parcel] = []
    for first, last in begun:
        numbers = range(first, last + 1)
        if all(n in sizes and n not in taken for n in numbers):
            taken.update(numbers)
            again.append(Parcel(first, last, sum(sizes[n] for n in numbers)))
    return again, parcels((n, size) for n, size in files if n not in taken)
