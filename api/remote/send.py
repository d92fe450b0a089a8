"""Send parcels over several connections at once, each from where the service has it."""

import os
import threading
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
from api.remote.wire import Stopped
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.sources import Source
from repository.naming import shown

PIECE = 256 << 20  # bytes of one request; a proxy that buffers requests must hold so much
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
        stop: threading.Event,
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
        self._put(planned(state.to_send(), [(f, la) for f, la, _ in state.uploads()]))
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None

    def start(self, connections: int) -> None:
        """Begin, over so many connections."""
        count = min(connections, len(self._packs) + len(self._large))
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
        return any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Wait for the threads, which `stop` tells to end; one that looks up a name is left."""
        for thread in self._threads:
            thread.join(5.0)

    def _work(self, large_first: bool) -> None:
        service = self._connect()
        try:
            while (parcel := self._next(large_first)) is not None:
                self._deliver(service, parcel)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - told by `running`, in the main thread
            self._error = self._error or error
            self._stop.set()
        finally:
            service.close()

    def _next(self, large_first: bool) -> Parcel | None:
        with self._lock:
            order = (self._large, self._packs) if large_first else (self._packs, self._large)
            for queue in order:
                if queue:
                    return queue.popleft()
        return None

    def _put(self, planned: Iterable[Parcel]) -> None:
        with self._lock:
            for parcel in planned:
                (self._large if parcel.is_large else self._packs).append(parcel)

    def _deliver(self, service: Service, parcel: Parcel) -> None:
        """Send a parcel; a file in it that cannot be sent is left out and reported."""
        files = list(self._state.files(parcel.first, parcel.last))
        try:
            if parcel.is_large:
                files = [self._unchanged(files[0])]
            self._send(service, parcel, files)
        except Unsendable as error:
            self._meter.at(parcel.first, 0)
            self._give_up(service, parcel)
            self._failed(next(one for one in files if one.n == error.n), error.error)
            self._put(parcels((one.n, one.size) for one in files if one.n != error.n))
            return
        self._state.sent(parcel.first, parcel.last)
        self._meter.done(parcel.first, len(files), parcel.size)

    def _send(self, service: Service, parcel: Parcel, files: Sequence[Listed]) -> None:
        upload = self._state.upload(parcel.first, parcel.last)
        patience = Patience(self._line)
        held = 0  # bytes that the service is known to hold
        offset: int | None = None  # where to go on, if that is known
        while True:
            try:
                if upload is None:
                    upload = service.create(
                        self._submission, parcel.first, parcel.last, parcel.size
                    )
                    self._state.upload_begun(parcel.first, parcel.last, upload)
                    held = offset = 0
                if offset is None:
                    offset = service.offset(upload)
                if offset > held:
                    patience.progress()
                held = offset
                self._meter.at(parcel.first, offset)
                if offset == parcel.size:
                    return
                length = min(PIECE, parcel.size - offset)
                body = read_parcel(files, offset, length, self._meter.moving(parcel.first))
                offset = None
                offset = service.append(upload, held, body, length)
            except OffsetConflict:
                patience.setback(LineLost("the service holds other bytes than it said before"))
            except UploadGone:
                self._state.upload_over(parcel.first, parcel.last)
                upload = None
                patience.setback(LineLost("the service gave an upload up; it begins anew"))
            except SETBACKS as error:
                patience.setback(error)

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


def planned(files: Sequence[tuple[int, int]], begun: Iterable[tuple[int, int]]) -> Iterator[Parcel]:
    """Yield what is to be sent: uploads that were begun as they were, then the rest.

    Args:
        files: (n, size) of every file to send.
        begun: first and last file of uploads that an earlier run began.
    """
    sizes = dict(files)
    taken: set[int] = set()
    for first, last in begun:
        numbers = range(first, last + 1)
        if all(n in sizes and n not in taken for n in numbers):
            taken.update(numbers)
            yield Parcel(first, last, sum(sizes[n] for n in numbers))
    yield from parcels((n, size) for n, size in files if n not in taken)
