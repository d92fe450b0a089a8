"""Group commit: what many threads record at one moment goes into one transaction.

There is no thread of its own and no timer. The first caller to come leads: it commits all that
waits and hands the lead to the next in line, so while one batch is being synced the next gathers.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from custody.entry import CustodyEntry, Draft
from custody.errors import LedgerUnavailable

MAX_BATCH = 1_024

Commit = Callable[[Sequence[Draft]], list[CustodyEntry]]


@dataclass(slots=True, eq=False)
class _Request:
    """What one caller wants recorded, and how it ended."""

    drafts: Sequence[Draft]
    turn: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    entries: list[CustodyEntry] | None = None
    error: BaseException | None = None

    @property
    def ended(self) -> bool:
        return self.entries is not None or self.error is not None


class Recorder:
    """The queue of one process in front of `commit`, which is one durable transaction."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._mutex = threading.Lock()
        self._waiting: deque[_Request] = deque()
        self._led = False

    def record(self, drafts: Sequence[Draft]) -> list[CustodyEntry]:
        """Return the entries once the transaction that holds them is committed.

        Raises:
            LedgerUnavailable: they could not be committed.
        """
        request = _Request(drafts)
        request.turn.acquire()
        with self._mutex:
            self._waiting.append(request)
            request.leads, self._led = not self._led, True
        if not request.leads:
            self._wait(request)
        if not request.ended:
            self._lead()
        if request.error is not None:
            raise request.error
        assert request.entries is not None
        return request.entries

    def _wait(self, request: _Request) -> None:
        """Wait until the request is committed, or its caller's to lead."""
        try:
            request.turn.acquire()
        except BaseException:  # an interrupted thread must not keep the lead
            with self._mutex:
                if request in self._waiting:
                    self._waiting.remove(request)
                if request.leads:
                    self._hand_over()
            raise

    def _hand_over(self) -> None:
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].turn.release()
        else:
            self._led = False

    def _lead(self) -> None:
        batch = self._take()
        try:
            self._commit_all(batch)
        finally:
            for request in batch[1:]:
                request.turn.release()
            with self._mutex:
                self._hand_over()

    def _take(self) -> list[_Request]:
        """Return the requests of one transaction; the leader's own is the first of them."""
        with self._mutex:
            batch = [self._waiting.popleft()]
            count = len(batch[0].drafts)
            while self._waiting and count + len(self._waiting[0].drafts) <= MAX_BATCH:
                batch.append(self._waiting.popleft())
                count += len(batch[-1].drafts)
        return batch

    def _commit_all(self, batch: Sequence[_Request]) -> None:
        try:
            entries = self._commit([one for request in batch for one in request.drafts])
        except Exception as error:  # noqa: BLE001 - raised again in each caller's own thread
            if len(batch) == 1 or isinstance(error, LedgerUnavailable):
                _fail(batch, error)
            else:
                self._one_by_one(batch)  # one of them cannot be written: the others can
            return
        except BaseException:  # the leader's thread was interrupted
            _fail(batch, LedgerUnavailable("recording was interrupted; nothing was recorded"))
            raise
        start = 0
        for request in batch:
            request.entries = entries[start : start + len(request.drafts)]
            start += len(request.drafts)

    def _one_by_one(self, batch: Sequence[_Request]) -> None:
        for request in batch:
            try:
                request.entries = self._commit(request.drafts)
            except Exception as error:  # noqa: BLE001 - raised again in the caller's own thread
                request.error = error


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    for request in batch:
        # Each thread raises an exception of its own: a traceback belongs to one thread.
        request.error = error if request is batch[0] else type(error)(*error.args)
