"""Work on the pieces of a ledger in several processes, with results in the order of the pieces."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context
from typing import TypeVar

from custody.errors import LedgerUnavailable

Piece = TypeVar("Piece")
Result = TypeVar("Result")

FEW = 30  # pieces done here: until a process has started it would take as long


def side_by_side(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], *, processes: int | None = None
) -> Iterator[Result]:
    """Yield what a function of a module makes of each piece, in their order.

    Pieces are read here, a few ahead of what is done; the processes read nothing themselves.

    Args:
        work: what is done; it and its pieces can be sent to another process.
        pieces: read one after the other.
        processes: how many; None: as many as there are cores for this one.

    Raises:
        LedgerUnavailable: a process ended before its work was done.
    """
    count = len(os.sched_getaffinity(0)) if processes is None else processes
    source = iter(pieces)
    yield from map(work, islice(source, FEW))
    if count == 1:
        yield from map(work, source)
        return
    for piece in source:  # there are more
        yield from _spread(work, chain([piece], source), count)


def _spread(
    work: Callable[[Piece], Result], source: Iterator[Piece], count: int
) -> Iterator[Result]:
    # Fresh processes: a copy of this one would hold its connections and the locks of its threads.
    pool = ProcessPoolExecutor(count, get_context("spawn"))
    ahead: deque[Future[Result]] = deque()
    try:
        for piece in source:
            ahead.append(pool.submit(work, piece))
            if len(ahead) > 2 * count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except BrokenProcessPool as error:
        raise LedgerUnavailable(
            "a process of this check ended before its work was done, perhaps for want of memory: "
            "nothing is proved; run it again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
