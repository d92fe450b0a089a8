"""What a locked process says of the numbered copy it made: checked, never believed."""

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from ingest.extraction import Limits, NotARecord
from ingest.findings import Findings, bounded, line_of
from ingest.outcome import Run, how_ended
from ingest.takings import digest_of

VERSION = f"number stamp 1, pypdf {version('pypdf')}, Pillow {version('pillow')}"
REASONS = frozenset({"encrypted", "damaged", "pages-differ", "too-large"})


@dataclass(frozen=True, slots=True)
class Stamped:
    """The size of the copy in the output; or why there is none, and what is said of that."""

    isolation: str
    size: int = 0
    reason: str = ""  # one of REASONS, or a word of the sandbox: timeout, crash, refused
    detail: str = ""


def read_stamped(run: Run, output: int, limits: Limits) -> Stamped:
    """Return what became of the copy; what the process cannot have said makes it void."""
    ended, found = Findings(), None
    try:
        if not run.lost:
            found = _read(run.output, output, ended)
        word, why = how_ended(run, ended, limits)
        if not word and found is None:
            raise NotARecord("nothing is said of the copy")
    except NotARecord as error:
        word, why = "crash", f"malformed output: {error}"
    isolation = ended.isolation or "none"
    if word or found is None:
        return Stamped(isolation, reason=word, detail=why)
    return Stamped(isolation, *found)


def _read(lines: bytes, output: int, ended: Findings) -> tuple[int, str, str] | None:
    found = None
    for number, line in enumerate(lines.split(b"\n")[:-1]):
        key, value = line_of(line)
        if ended.finished or (number == 0) != (key in {"isolation", "refused"}):
            raise NotARecord(f"{key} out of order")
        if key == "stamped" and isinstance(value, dict) and found is None:
            found = _stamped(value, output)
        elif key in {"isolation", "refused"} and isinstance(value, str):
            setattr(ended, key, bounded(value))
        elif key == "end" and value is True:
            ended.finished = True
        else:
            raise NotARecord("an unknown line")
    return found


def _stamped(found: dict[str, Any], output: int) -> tuple[int, str, str]:
    match found:
        case {"reason": str(reason), "detail": str(detail)} if reason in REASONS:
            return 0, reason, bounded(detail)
        case {"size": int(size), "sha256": str(said)}:
            if not 0 < size <= os.fstat(output).st_size or digest_of(output, 0, size) != said:
                raise NotARecord("a copy whose bytes are others")
            return size, "", ""
    raise NotARecord("a copy of another form")
