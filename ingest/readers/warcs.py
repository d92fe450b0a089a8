"""WARC records one after the other: headers, and the block in pieces, declared digests checked.

Plain or gzip (by record or whole). Headers are bounded; after damage reading goes on at the next
line that begins a record. ISO 28500; the payload of HTTP records begins after their own headers.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

from ingest.readers.members import (
    BLOCK,
    Budget,
    Entry,
    FromBlocks,
    FromFile,
    Sequential,
    Unreadable,
    size_of,
)
from ingest.readers.streams import gunzip, read_blocks

MOST_HEADER = 65_536  # bytes of the headers of a record, and of its HTTP headers
MOST_KEPT = 65_536  # bytes of the block of a warcinfo record
_ALGORITHMS = {"md5", "sha1", "sha256", "sha384", "sha512"}
_VERSION = re.compile(rb"WARC/[0-9]\.[0-9]+")


@dataclass(slots=True)
class Record:
    """One record; what its block says is known when that has been read through."""

    kind: str
    headers: dict[str, str]  # names in lower case
    length: int = 0
    status: str = ""  # of an HTTP response
    media: str = ""  # its content type
    kept: bytes = b""  # the beginning of the block
    payload: int = 0
    sha256: str = ""  # of the payload
    equal: int = 0  # declared digests that hold
    differing: list[str] = field(default_factory=list)
    unknown: int = 0  # declared digests by algorithms not known here
    whole: bool = True


def begins(head: bytes) -> bool:
    """Return whether a file, or what gzip packs in it, begins as a record."""
    if head[:3] == b"\x1f\x8b\x08":
        try:
            head = zlib.decompressobj(31).decompress(head, 64)
        except zlib.error:
            return False
    return head.lstrip(b"\r\n")[:5] == b"WARC/"


def warc_blocks(file: BinaryIO) -> Sequential:
    """Return a WARC's bytes in order, unpacked if it is packed."""
    file.seek(0)
    if file.read(2) == b"\x1f\x8b":
        return FromBlocks(gunzip(read_blocks(file, 0, size_of(file))))
    return FromFile(file)


def records(source: Sequential, budget: Budget, problems: list[str]) -> Iterator[Record]:
    """Yield the records in order, each read through; raises as `opened`."""
    for record, pieces in opened(source, budget, problems):
        for _ in pieces:
            pass
        yield record


def members(source: Sequential, budget: Budget, problems: list[str]) -> Iterator[Entry]:
    """Yield the records as members, their payloads to be read in order; raises as `opened`."""
    for number, (record, pieces) in enumerate(opened(source, budget, problems), 1):
        yield Entry(name_of(record, number), record.length, read=partial(_checked, record, pieces))


def _checked(record: Record, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from pieces
    if not record.whole:
        raise Unreadable("the record is cut off")
    if record.differing:
        what = " and ".join(record.differing)
        raise Unreadable(f"the digest that the record declares of its {what} does not hold")


def name_of(record: Record, number: int) -> str:
    """Return what a record is called as a member: a page's request has the same address."""
    target = record.headers.get("warc-target-uri", "").strip("<>")
    return f"record={number} {target or record.headers.get('warc-record-id', '')}".strip()[:3400]


def opened(
    source: Sequential, budget: Budget, problems: list[str]
) -> Iterator[tuple[Record, Iterator[bytes]]]:
    """Yield the records in order, each with its payload, to be read before the next is asked for.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: the compression is damaged from here on.
    """
    lines = _Lines(source)
    count = 0
    while True:
        budget.check()
        line = lines.line()
        if line is None:
            return
        if not line.strip():
            continue
        if not _VERSION.fullmatch(line.strip()):
            problems.append(f"after {count} records a line that begins no record")
            if not lines.resume(budget):
                return
            continue
        headers = lines.headers()
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 18:
            problems.append(f"after {count} records one without a length")
            if not lines.resume(budget):
                return
            continue
        record = Record(headers.get("warc-type", "").lower()[:40], headers, int(length))
        pieces = _block(lines, record, budget)
        yield record, pieces
        for _ in pieces:  # what was not asked for
            pass
        count += 1
        if not record.whole:
            problems.append("the last record is cut off")


class _Lines:
    """A sequence of bytes read by lines and by lengths."""

    def __init__(self, source: Sequential) -> None:
        self._source = source
        self._rest = b""

    def take(self, count: int) -> bytes:
        """Return the next bytes, at most so many; empty: the end."""
        if not self._rest:
            self._rest = self._source.take(BLOCK)
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def line(self) -> bytes | None:
        """Return the next line with its end; None: the end. A line too long is cut."""
        found = b""
        while True:
            part = self.take(BLOCK)
            if not part:
                return found or None
            end = part.find(b"\n")
            if end >= 0:
                self._rest = part[end + 1 :] + self._rest
                return found + part[: end + 1]
            found += part
            if len(found) > MOST_HEADER:
                return found[:MOST_HEADER]

    def headers(self) -> dict[str, str]:
        """Return the header fields up to the empty line."""
        found: dict[str, str] = {}
        room, last = MOST_HEADER, ""
        while room > 0:
            line = self.line()
            if line is None or not line.strip():
                break
            room -= len(line)
            text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
            if text[:1] in {" ", "\t"} and last:
                found[last] += text
                continue
            name, colon, value = text.partition(":")
            if colon:
                last = name.strip().lower()
                found.setdefault(last, value.strip())
        return found

    def resume(self, budget: Budget) -> bool:
        """Go on to the next line that begins a record; False: there is none."""
        while True:
            line = self.line()
            if line is None:
                return False
            budget.spend(len(line))
            if _VERSION.fullmatch(line.strip()):
                self._rest = line + self._rest
                return True


def _block(lines: _Lines, record: Record, budget: Budget) -> Iterator[bytes]:
    """Yield the payload; digests of block and payload are made, the HTTP status is read."""
    block, payload = _declared(record, "warc-block-digest"), None
    web = "http" in record.headers.get("content-type", "").lower()
    if record.kind != "revisit":
        payload = _declared(record, "warc-payload-digest")
    sha256 = hashlib.sha256()
    head, begun = b"", not (web and record.kind in {"response", "request", "revisit"})
    left = record.length
    while left > 0:
        part = lines.take(min(BLOCK, left))
        if not part:
            record.whole = False
            return
        left -= len(part)
        budget.spend(len(part))
        if len(record.kept) < MOST_KEPT:
            record.kept += part[: MOST_KEPT - len(record.kept)]
        if block:
            block[0].update(part)
        if not begun:
            head += part
            end = re.search(rb"\r?\n\r?\n", head)
            if not end and len(head) < MOST_HEADER and left:
                continue
            begun = True
            _http(head, record)
            part = head[end.end() :] if end else b""
            if not end and payload:  # nobody can tell where the payload begins
                payload, record.unknown = None, record.unknown + 1
        sha256.update(part)
        record.payload += len(part)
        if payload:
            payload[0].update(part)
        yield part
    record.sha256 = f"sha256:{sha256.hexdigest()}"
    for found, name in ((block, "block"), (payload, "payload")):
        if found is not None:
            if found[0].digest() == found[1]:
                record.equal += 1
            else:
                record.differing.append(name)


def _declared(record: Record, name: str) -> "tuple[hashlib._Hash, bytes] | None":
    """Return a running digest and the bytes it must come to; None: none is declared."""
    text = record.headers.get(name, "")
    algorithm, colon, value = text.partition(":")
    plain = algorithm.strip().lower().replace("-", "")
    if not colon:
        return None
    wanted = _bytes(value.strip(), plain)
    if plain not in _ALGORITHMS or wanted is None:
        record.unknown += 1
        return None
    return hashlib.new(plain, usedforsecurity=False), wanted


def _bytes(text: str, algorithm: str) -> bytes | None:
    """Return a digest's bytes: hexadecimal, Base32 or Base64, told by its length."""
    if algorithm not in _ALGORITHMS:
        return None
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    plain = text.rstrip("=")
    try:
        if len(plain) == 2 * size:
            return bytes.fromhex(plain)
        if len(plain) == -(-8 * size // 5):
            return base64.b32decode(plain.upper() + "=" * (-len(plain) % 8))
        if len(plain) == -(-8 * size // 6):
            return base64.urlsafe_b64decode(
                plain.replace("+", "-").replace("/", "_") + "=" * (-len(plain) % 4)
            )
    except (ValueError, binascii.Error):
        return None
    return None


def _http(head: bytes, record: Record) -> None:
    lines = head.split(b"\n")
    status = re.match(rb"HTTP/[0-9.]+ +([0-9]{3})", lines[0])
    if status:
        record.status = status[1].decode("ascii")
    for line in lines[1:200]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            record.media = value.strip().decode("ascii", "backslashreplace")[:200]
            return
