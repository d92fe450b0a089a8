"""Take chosen members out of a container in one pass: each written whole, or refused, with why.

A member is named as its listing names it, `!/` between a container and what is in it. Names are
data: nothing here is ever written under one. What is wanted once and stands there twice is given
as neither, because nobody could say afterwards which of them it was.
"""

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO

from ingest.readers import holders
from ingest.readers.containers import Container
from ingest.readers.listing import WITHIN, flags
from ingest.readers.members import (
    DEVICE,
    FILE,
    FOLDER,
    LINK,
    MOST_DEPTH,
    Budget,
    Entry,
    Exhausted,
    Unreadable,
    held,
)

ODD = frozenset({"parent", "absolute", "nul", "control", "bidirectional"})  # of names
_KINDS = {FOLDER: "member-folder", LINK: "member-link", DEVICE: "member-device"}


@dataclass(slots=True)
class _Job:
    """What is wanted, what became of it, and where the bytes go."""

    wanted: Collection[str]
    shown: Callable[[str], str]
    write: Callable[[bytes, int], None]
    most: int
    odd_names: bool
    budget: Budget
    above: Collection[str] = ()  # containers that hold something wanted
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: int = 0


def take_out(
    file: BinaryIO,
    wanted: Sequence[str],
    *,
    shown: Callable[[str], str],
    write: Callable[[bytes, int], None],
    most: int,
    odd_names: bool,
    budget: Budget,
) -> Iterator[dict[str, Any]]:
    """Yield what became of each wanted member: where its bytes were written, or why not.

    Args:
        file: the container, seekable.
        wanted: paths as the listing shows them.
        shown: how the listing shows a path.
        write: puts bytes at a place of the output.
        most: bytes of one member, and of all that are written together.
        odd_names: take members too whose names lead elsewhere or hide something.
        budget: bounds the work.
    """
    parts = [path.split(WITHIN) for path in wanted]
    above = {WITHIN.join(one[:n]) for one in parts for n in range(1, len(one))}
    job = _Job(frozenset(wanted), shown, write, most, odd_names, budget, frozenset(above))
    reason, why = "member-unknown", "the container has no such member"
    try:
        container = holders.opened(file, budget)
        if container is None and holders.only_listed(file):
            reason, why = "member-unreadable", "members of such a file are listed, not taken out"
        elif container is None:
            why = "it is no container that is read here"
        elif container.encrypted:
            reason, why = "member-encrypted", "not even the names can be read"
        else:
            _walk(job, container, "", 1)
    except Unreadable as error:
        reason, why = "member-damaged", str(error)
    except Exhausted as error:
        reason, why = "member-limits", str(error)
    for n, path in enumerate(wanted):
        yield {"n": n, **(job.found.get(path) or {"reason": reason, "detail": why})}


def _walk(job: _Job, container: Container, above: str, depth: int) -> None:
    seen: set[str] = set()
    for entry in container.entries:
        job.budget.check()
        path = job.shown(f"{above}{entry.path}")
        marks = flags(entry, seen)
        content: bytes | None = None
        if path in job.above and entry.read is not None and depth < MOST_DEPTH:
            try:
                inner = holders.streamed(entry, container, job.budget)
                if inner is None:
                    content = held(entry, job.budget)
                    inner = holders.opened(io.BytesIO(content), job.budget)
                if inner is not None:
                    _walk(job, inner, f"{path}{WITHIN}", depth + 1)
            except (Unreadable, Exhausted) as error:
                job.budget.check()
                _below(job, path, error)
        if path in job.wanted:
            _member(job, entry, path, marks, content)


def _below(job: _Job, path: str, error: Exception) -> None:
    """Say of all that is wanted from a container within why it cannot be had."""
    reason = "member-damaged" if isinstance(error, Unreadable) else "member-limits"
    for one in job.wanted:
        if one.startswith(f"{path}{WITHIN}"):
            job.found.setdefault(one, {"reason": reason, "detail": str(error)})


def _member(
    job: _Job, entry: Entry, path: str, marks: Sequence[str], content: bytes | None
) -> None:
    if path in job.found:
        detail = "the container holds several members of this name"
        job.found[path] = {"reason": "member-duplicate", "detail": detail}
        return
    refused = _refusal(entry, marks, odd_names=job.odd_names)
    if refused:
        job.found[path] = refused
        return
    assert entry.read is not None
    digest, size, start = sha256(), 0, job.written
    try:
        for block in entry.read() if content is None else [content]:
            job.budget.spend(len(block))
            size += len(block)
            if size > job.most:
                detail = f"it has more than {job.most} bytes"
                job.found[path] = {"reason": "member-too-large", "detail": detail}
                return
            if start + size > job.most:
                job.found[path] = {"later": True}
                return
            digest.update(block)
            job.write(block, start + size - len(block))
    except Unreadable as error:
        job.found[path] = {"reason": "member-damaged", "detail": str(error)}
    except Exhausted as error:
        job.found[path] = {"reason": "member-limits", "detail": str(error)}
        job.budget.check()
    else:
        job.written = start + size
        said = f"sha256:{digest.hexdigest()}"
        job.found[path] = {"offset": start, "size": size, "sha256": said}


def _refusal(entry: Entry, marks: Sequence[str], *, odd_names: bool) -> dict[str, Any] | None:
    """Return why a member is not to be had, before a byte of it is read."""
    if entry.kind != FILE:
        return {"reason": _KINDS[entry.kind], "detail": f"it is a {entry.kind}, no file"}
    if entry.encrypted:
        return {"reason": "member-encrypted", "detail": "it is encrypted"}
    if "overlapping" in marks:
        return {"reason": "member-overlapping", "detail": "it shares bytes with another member"}
    if entry.read is None:
        return {"reason": "member-unreadable", "detail": "it is packed in a way not read here"}
    odd = sorted(ODD.intersection(marks))
    if odd and not odd_names:
        return {"reason": "member-name", "detail": f"its name is odd: {', '.join(odd)}"}
    return None
