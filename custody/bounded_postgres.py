"""A PostgreSQL that does not answer is given up after a while, on both sides of the line.

The server ends a statement of its own that takes too long (`statement_timeout`). A server that
stands still, or a line that swallows everything, ends nothing: then this side closes the connection
and says so, instead of waiting for ever.
"""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, event

T = TypeVar("T")
_GRACE = 1.0  # seconds that the server's own word may take to get here


def bound(engine: Engine, seconds: float) -> None:
    """Have every connection of an engine wait so long for an answer, and no longer."""

    class Bounded(psycopg.Connection[Any]):
        """A connection that closes itself when its server says nothing."""

        def wait(self, gen: Generator[Any, Any, T], *more: Any, **options: Any) -> T:
            """Wait as the driver does, with an end."""
            return super().wait(_within(self, gen, seconds + _GRACE), *more, **options)

    def connect(_dialect: Any, _record: Any, words: Any, options: Any) -> Any:
        return Bounded.connect(*words, **options)

    def limit(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout TO {int(seconds * 1000)}")
        connection.commit()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", limit)


def _within(
    connection: psycopg.Connection[Any], gen: Generator[Any, Any, T], seconds: float
) -> Generator[Any, Any, T]:
    """Go through a dialogue of the driver; it is asked now and then while nothing comes."""
    end = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= end:
                connection.pgconn.finish()  # nobody knows what it would say next
                raise psycopg.OperationalError(f"it has not answered for {seconds:g} s")
            wanted = gen.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result
