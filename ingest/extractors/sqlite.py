"""SQLite databases of any application: version, tables and their rows, unused pages, the log.

With its write-ahead log as a further part of the exhibit, the committed frames are applied (and
counted); without it, what the log held is not seen, and that is said.
"""

import base64
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Inhibitor, Item, Problem
from ingest.readers import databases
from ingest.readers.databases import MAGIC, Database
from ingest.readers.members import Exhausted, Unreadable

NAME = "sqlite"
LIMITS = databases.LIMITS
VERSION = "SQLite reader 1"
FORMATS = frozenset({"sqlite", "application/vnd.sqlite3", "application/x-sqlite3"})
CONTAINERS = {"sqlite": lambda peek: peek.head.startswith(MAGIC)}
MOST_TABLES = 500
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNoLDvTJLElVSMsvyk0sUTBmYGJgZGRwUFBggAAmBgRgBGIWND5RgBekmPEeAxCNAroCBUY2cX5+RsOSxKSc1JIS"
        "JucgV8cQV4UQRycfV4USBY1ETUjc/GEAolEwwgATIxMnAPVXEb8="
    )
)
_ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the header says, then each table with its rows."""
    file.seek(0)
    head = file.read(100)
    yield from _header(head, waiting=not found.further)
    try:
        database = databases.read_database(file, found.further, seconds=12.0)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    try:
        yield from _tables(database)
    finally:
        database.close()


def _header(head: bytes, *, waiting: bool) -> Iterator[Item]:
    def plain(name: str, value: object) -> Fact:
        return Fact(f"SQLite:{name}", str(value), str(value), VERSION)

    if len(head) < 100:
        return
    page = int.from_bytes(head[16:18], "big")
    yield plain("PageSize", 65_536 if page == 1 else page)
    yield plain("Pages", int.from_bytes(head[28:32], "big"))
    yield plain("UnusedPages", int.from_bytes(head[36:40], "big"))
    yield plain("TextEncoding", _ENCODINGS.get(int.from_bytes(head[56:60], "big"), "unknown"))
    yield plain("UserVersion", int.from_bytes(head[60:64], "big"))
    yield plain("WrittenBy", int.from_bytes(head[96:100], "big"))
    if head[18] == 2 or head[19] == 2:
        yield plain("JournalMode", "WAL")
        if waiting:
            yield Inhibitor("missing-part")
            yield Problem("its write-ahead log, if there was one, is not here", incomplete=False)


def _tables(database: Database) -> Iterator[Item]:
    if database.frames:
        frames = str(database.frames)
        yield Fact("SQLite:FramesOfLog", frames, frames, VERSION)
    yield Fact("SQLite:Tables", str(len(database.tables)), str(len(database.tables)), VERSION)
    for name in sorted(database.tables)[:MOST_TABLES]:
        try:
            rows = str(database.count(name))
        except Unreadable as error:
            yield Problem(f"{name[:100]}: {error}")
            continue
        except Exhausted as error:
            yield Problem(f"the rows of {name[:100]} and later tables are not counted: {error}")
            return
        yield Fact("SQLite:Table", f"{name} {rows}", f"{name} {rows}", VERSION)
    if len(database.tables) > MOST_TABLES:
        yield Problem(f"only {MOST_TABLES} of {len(database.tables)} tables are given")
