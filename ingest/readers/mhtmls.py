"""The parts of a page saved as MHTML (RFC 2557), one by one: where each lies, and its bytes."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from functools import partial
from typing import BinaryIO

from ingest.readers.members import (
    MOST_HELD,
    Budget,
    Entry,
    Exhausted,
    Unreadable,
    read_at,
    size_of,
)
from ingest.readers.streams import read_blocks

MOST_PARTS = 5000
_MOST_HEAD = 65_536
_BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its headers, and where its body lies."""

    number: int  # from 1
    headers: dict[str, str]  # names in lower case
    start: int
    size: int
    whole: bool  # a mark stands behind it


def begins(head: bytes) -> bool:
    """Return whether a file begins as a saved page; a mail with pictures inside does, too."""
    if b"Snapshot-Content-Location:" in head[:8192]:
        return True
    top = head[:4096].lower()
    return b"multipart/related" in top and b"mime-version" in top


def boundary(headers: dict[str, str]) -> bytes | None:
    """Return the line that stands between the parts; None: none is named."""
    found = re.search(r'boundary="?([^";\r\n]{1,200})"?', headers.get("content-type", ""))
    return b"\n--" + found[1].encode("utf-8", "backslashreplace") if found else None


def parts(file: BinaryIO, mark: bytes, budget: Budget) -> Iterator[Part]:
    """Yield the parts between the marks, `MOST_PARTS` at most.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: the last part is cut off; all before it were yielded.
    """
    places = _places(file, mark, budget)
    before = next(places, None)
    for number in range(1, MOST_PARTS + 1):
        if before is None or read_at(file, before + len(mark), 2) == b"--":
            break
        place = next(places, None)
        end = size_of(file) if place is None else place
        start = before + len(mark)
        head = read_at(file, start, min(_MOST_HEAD, end - start))
        blank = _BLANK.search(head)
        begin = start + (blank.end() if blank else len(head))
        if read_at(file, end - 1, 1) == b"\r":  # the line's end belongs to the mark
            end -= 1
        yield Part(
            number, fields(head.lstrip(b"\r\n")), begin, max(0, end - begin), place is not None
        )
        before = place
    if before is None:
        raise Unreadable("the last part is cut off")


def members(file: BinaryIO, budget: Budget) -> Iterator[Entry]:
    """Yield the parts as members, called by their number and address; raises as `parts`."""
    file.seek(0)
    mark = boundary(fields(file.read(_MOST_HEAD)))
    for part in parts(file, mark, budget) if mark else ():
        yield member(file, part)


def member(file: BinaryIO, part: Part) -> Entry:
    """Return a part as a member, called by its number and its address."""
    where = part.headers.get("content-location") or part.headers.get("content-id", "")
    name = f"part={part.number} {where.strip('<>')}".strip()[:3400]
    return Entry(name, part.size, read=partial(_body, file, part))


def _body(file: BinaryIO, part: Part) -> Iterator[bytes]:
    """Yield a part's bytes as they were before they were put into the page."""
    if not part.whole:
        raise Unreadable("it is cut off")
    encoding = part.headers.get("content-transfer-encoding", "").strip().lower()
    if encoding in {"", "7bit", "8bit", "binary"}:
        yield from read_blocks(file, part.start, part.size)
        return
    if part.size > MOST_HELD:
        raise Exhausted(f"a member of more than {MOST_HELD} bytes")
    data = read_at(file, part.start, part.size) if part.size else b""
    try:
        match encoding:
            case "base64":
                yield binascii.a2b_base64(re.sub(rb"\s", b"", data), strict_mode=True)
            case "quoted-printable":
                yield binascii.a2b_qp(data)
            case _:
                raise Unreadable(f"an encoding not read here: {encoding[:40]}")
    except binascii.Error as error:
        raise Unreadable(f"its encoding is broken: {error}") from error


def _places(file: BinaryIO, mark: bytes, budget: Budget) -> Iterator[int]:
    """Yield where a mark stands, over the edges of blocks too."""
    at, rest = 0, b""
    for block in read_blocks(file, 0, size_of(file)):
        budget.spend(len(block))
        data = rest + block
        place = data.find(mark)
        while place >= 0:
            yield at - len(rest) + place
            place = data.find(mark, place + len(mark))
        rest = data[-(len(mark) - 1) :]
        at += len(block)


def fields(head: bytes) -> dict[str, str]:
    """Return the header fields, folded lines joined, words decoded."""
    found: dict[str, str] = {}
    last = ""
    for line in head.split(b"\n")[:200]:
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        if not text:
            break
        if text[:1] in {" ", "\t"} and last:
            found[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if colon:
            last = name.strip().lower()
            found.setdefault(last, value.strip())
    return {name: _decoded(value) for name, value in found.items()}


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value[:4000])))
    except (ValueError, LookupError, UnicodeError):
        return value
