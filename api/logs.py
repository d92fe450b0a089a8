"""What the service writes down about itself: JSON lines without anything of a person or a case.

A line is made of words of this program alone. Of other people's records the template is kept, never
its arguments; of an error its class and where it was raised, never its text: both may carry names,
paths, purposes, or parameters of a query. Who did what stands in the ledger.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from custody.entry import timestamp

LOG = logging.getLogger("evidence")
_FRAMES = 12  # of an error, the innermost


class JsonLines(logging.Formatter):
    """Format a record as one JSON object; see the module for what it leaves out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; `facts` are what this program says of a request."""
        facts: dict[str, Any] = getattr(record, "facts", {})
        found: dict[str, Any] = {
            "at": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
            **facts,
        }
        if record.exc_info and record.exc_info[1] is not None:
            found["error"] = _chain(record.exc_info[1])
        return json.dumps(found)


def install(stream: TextIO | None = None) -> None:
    """Have this program's records written to standard error as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    LOG.handlers[:] = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def say(event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Write a line: an event in fixed words, and facts that name no person, case or exhibit."""
    LOG.log(level, event, extra={"facts": facts})


def crashed(event: str, error: BaseException, **facts: Any) -> None:
    """Write a line about an error: what it was, from where to where; not what it said."""
    LOG.error(event, exc_info=error, extra={"facts": facts})


def _chain(error: BaseException) -> list[dict[str, Any]]:
    """Return an error and what caused it: classes and places."""
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        frames = traceback.extract_tb(following.__traceback__)[-_FRAMES:]
        places = [f"{_module(one.filename)}:{one.lineno} {one.name}" for one in frames]
        found.append({"class": type(following).__qualname__, "at": places})
        following = following.__cause__ or following.__context__
    return found


def _module(file: str) -> str:
    return "/".join(file.replace("\\", "/").split("/")[-2:])
