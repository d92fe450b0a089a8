"""Bodies that a HAR holds, as members: what a server answered, and what was sent to it.

A HAR keeps a body as text, or as base64 where it is none. A member is what stands there: of a text
its UTF-8, whatever the server sent it in.
"""

import base64
import binascii
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from ingest.readers.jsons import Path, walk
from ingest.readers.members import Budget, Entry, Unreadable, size_of
from ingest.readers.streams import read_blocks

MOST_ENTRY = 96 << 20  # characters of one request with its answer


def begins(head: bytes) -> bool:
    """Return whether a file begins as a HAR."""
    return (
        head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
        and b'"log"' in head[:512]
        and (b'"creator"' in head[:4096] or b'"entries"' in head[:4096])
    )


def values(file: BinaryIO, budget: Budget) -> Iterator[tuple[Path, Any]]:
    """Yield what a HAR says, its pages and its entries whole; raises as `jsons.walk`."""
    yield from walk(read_blocks(file, 0, size_of(file)), budget, _chosen, MOST_ENTRY)


def _chosen(path: Path) -> bool:
    return path in {("log", "pages"), ("log", "entries")}


def members(file: BinaryIO, budget: Budget) -> Iterator[Entry]:
    """Yield the bodies of all entries; raises as `jsons.walk`."""
    for path, value in values(file, budget):
        match path:
            case ("log", "entries", int(number)):
                yield from bodies(number + 1, value)
            case _:
                pass


def bodies(number: int, entry: Any) -> Iterator[Entry]:
    """Yield the bodies of one entry, called by its number (from 1) and its address."""
    if not isinstance(entry, dict):
        return
    request, response = entry.get("request"), entry.get("response")
    address = str(request.get("url", ""))[:3400] if isinstance(request, dict) else ""
    for holder, key, what in ((request, "postData", "request "), (response, "content", "")):
        body = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(body, dict) and isinstance(body.get("text"), str) and body["text"]:
            name = f"entry={number} {what}{address}".strip()
            try:
                data = _bytes(body["text"], body.get("encoding"))
            except Unreadable as error:
                yield Entry(name, 0, read=partial(_broken, error))
            else:
                yield Entry(name, len(data), read=partial(iter, [data]))


def _bytes(text: str, encoding: object) -> bytes:
    if encoding not in {None, "", "base64"}:
        raise Unreadable(f"a body in an encoding not read here: {str(encoding)[:40]}")
    try:
        return base64.b64decode(text, validate=True) if encoding else text.encode()
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"a body whose encoding is broken: {error}"[:200]) from error


def _broken(error: Unreadable) -> Iterator[bytes]:
    raise error
    yield b""
