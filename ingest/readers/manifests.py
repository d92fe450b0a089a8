"""The file lists of iOS backups: Manifest.db since iOS 10, Manifest.mbdb before."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.readers.databases import Database
from ingest.readers.members import Unreadable

MBDB = b"mbdb\x05\0"
MOST_FILES = 2_000_000
_MOST_TEXT = 8192
FILE = 1  # the flag of what has content


@dataclass(slots=True)
class Manifest:
    """What a backup says it holds: for each file its place by digest, and where it was."""

    files: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> domain, path
    folders: int = 0
    domains: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)  # ids that are not the digest of their place
    problems: list[str] = field(default_factory=list)

    def add(self, identifier: str, domain: str, path: str, *, content: bool) -> None:
        """Take one row in."""
        self.domains[domain] = self.domains.get(domain, 0) + 1
        place = f"{domain}-{path}".encode("utf-8", "surrogatepass")
        if hashlib.sha1(place, usedforsecurity=False).hexdigest() != identifier:
            self.wrong.append(identifier)
        if content:
            self.files[identifier] = (domain, path)
        else:
            self.folders += 1


def from_database(data: bytes, log: bytes = b"") -> Manifest:
    """Return the manifest a Manifest.db holds.

    Raises:
        Unreadable: it is encrypted, or damaged.
        Exhausted: it takes too long.
    """
    database = Database(data, log)
    try:
        if not database.has("Files", "fileID", "domain", "relativePath", "flags"):
            raise Unreadable("no table of files")
        found = Manifest()
        rows = database.each("SELECT fileID, domain, relativePath, flags FROM Files", MOST_FILES)
        for identifier, domain, path, flags in rows:
            content = flags == FILE
            found.add(str(identifier), str(domain or ""), str(path or ""), content=content)
        return found
    finally:
        database.close()


def from_mbdb(data: bytes) -> Manifest:
    """Return the manifest a Manifest.mbdb holds, as far as it leads.

    Raises:
        Unreadable: it is none.
    """
    if not data.startswith(MBDB):
        raise Unreadable("no Manifest.mbdb")
    found = Manifest()
    try:
        for domain, path, mode in _records(data):
            place = f"{domain}-{path}".encode()
            identifier = hashlib.sha1(place, usedforsecurity=False).hexdigest()
            found.add(identifier, domain, path, content=mode & 0xF000 == 0x8000)
    except IndexError:
        found.problems.append("Manifest.mbdb ends early")
    return found


def _records(data: bytes) -> Iterator[tuple[str, str, int]]:
    at = len(MBDB)

    def number(width: int) -> int:
        nonlocal at
        if at + width > len(data):
            raise IndexError
        at += width
        return int.from_bytes(data[at - width : at], "big")

    def text() -> str:
        nonlocal at
        length = number(2)
        if length == 0xFFFF:
            return ""
        if at + length > len(data):
            raise IndexError
        at += length
        return data[at - length : at][:_MOST_TEXT].decode("utf-8", "backslashreplace")

    count = 0
    while at < len(data) and count < MOST_FILES:
        count += 1
        domain, path = text(), text()
        text(), text(), text()  # target of a link, digest, key
        mode = number(2)
        number(8), number(4), number(4), number(4), number(4), number(4), number(8), number(1)
        for _ in range(number(1)):
            text(), text()
        yield domain, path, mode
