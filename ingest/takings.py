"""What a locked process says of the members it took out: checked line by line, never believed."""

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ingest.extraction import Limits, NotARecord
from ingest.findings import Findings, bounded, line_of
from ingest.outcome import Run, how_ended

VERSION = "member reader 3"  # of `ingest.readers.takeout`, which no service loads
REASONS = frozenset(
    {
        "member-unknown", "member-duplicate", "member-folder", "member-link", "member-device",
        "member-encrypted", "member-overlapping", "member-unreadable", "member-name",
        "member-too-large", "member-limits", "member-damaged",
    }
)  # fmt: skip
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Taking:
    """What became of one member: where its bytes are in the output, or why they are not there."""

    offset: int = 0
    size: int = 0
    reason: str = ""  # one of REASONS, or a word of the sandbox: timeout, crash, refused
    detail: str = ""
    later: bool = False  # it did not fit beside the others: ask for it again


@dataclass(frozen=True, slots=True)
class Takings:
    """What became of all that was wanted, in that order, and which layers of the sandbox held."""

    isolation: str
    members: tuple[Taking, ...]


def read_takings(run: Run, output: int, wanted: int, limits: Limits) -> Takings:
    """Return what became of the members that were wanted.

    What the process cannot have said, or says of bytes that are others, makes all of it void.
    """
    ended = Findings()
    members: dict[int, Taking] = {}
    try:
        if not run.lost:
            _read(run.output, output, ended, members, wanted)
        word, why = how_ended(run, ended, limits)
        if not word and len(members) != wanted:
            raise NotARecord("not every member has an end")
    except NotARecord as error:
        word, why, members = "crash", f"malformed output: {error}", {}
    if word:
        members = {n: Taking(reason=word, detail=why) for n in range(wanted)}
    return Takings(ended.isolation or "none", tuple(members[n] for n in range(wanted)))


def _read(
    lines: bytes, output: int, ended: Findings, members: dict[int, Taking], wanted: int
) -> None:
    for number, line in enumerate(lines.split(b"\n")[:-1]):
        key, value = line_of(line)
        if ended.finished or (number == 0) != (key in {"isolation", "refused"}):
            raise NotARecord(f"{key} out of order")
        if key == "member" and isinstance(value, dict):
            n = value.pop("n", None)
            if type(n) is not int or n in members or not 0 <= n < wanted:
                raise NotARecord("a member that was not asked for")
            members[n] = _taking(value, output)
        elif key in {"isolation", "refused"} and isinstance(value, str):
            setattr(ended, key, bounded(value))
        elif key == "end" and value is True:
            ended.finished = True
        else:
            raise NotARecord("an unknown line")


def _taking(found: dict[str, Any], output: int) -> Taking:
    match found:
        case {"later": True}:
            return Taking(later=True)
        case {"reason": str(reason), "detail": str(detail)} if reason in REASONS:
            return Taking(reason=reason, detail=bounded(detail))
        case {"offset": int(offset), "size": int(size), "sha256": str(said)}:
            if not 0 <= offset <= offset + size <= os.fstat(output).st_size:
                raise NotARecord("a member beyond what was written")
            if digest_of(output, offset, size) != said:
                raise NotARecord("a member whose bytes are others")
            return Taking(offset, size)
    raise NotARecord("a member of another form")


def digest_of(output: int, offset: int, size: int) -> str:
    """Return the digest of some bytes of the output.

    Raises:
        NotARecord: there are fewer.
    """
    digest = sha256()
    while size:
        block = os.pread(output, min(size, _BLOCK), offset)
        if not block:
            raise NotARecord("a member that ends early")
        digest.update(block)
        offset, size = offset + len(block), size - len(block)
    return f"sha256:{digest.hexdigest()}"
