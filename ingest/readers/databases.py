"""SQLite databases of evidence, opened in memory: nothing is written, nothing in them can run.

A database is read whole into memory, with the committed frames of its write-ahead log applied
here, so that no file is opened by SQLite itself (it may not, once the process is locked).
`trusted_schema` is off, so a view or trigger of the file cannot call functions with effects; a
progress handler is the clock, since a crafted schema or recursive view can keep a query busy for
ever; the length of a value and of a statement is limited.
"""

import re
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from ingest.extraction import Limits
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of

MAGIC = b"SQLite format 3\0"
MOST = 1 << 30  # bytes of a database that is read; in memory twice
LIMITS = Limits(cpu_seconds=20, wall_ms=30_000, memory_bytes=3 << 30)
MOST_LOG = 48 << 20  # its checksums cost a second for 20 MB
MOST_ROWS = 100_000  # that one question may return
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_HEADER = 100


class Database:
    """An open database. Every question has the same clock; what fails says so.

    Args:
        data: the database file's bytes; a bytearray is changed in place.
        wal: its write-ahead log, if there is one.
        seconds: for all questions together, of this process's processor time.
    """

    def __init__(self, data: bytes | bytearray, wal: bytes = b"", *, seconds: float = 5.0) -> None:
        """Open it.

        Raises:
            Unreadable: it is no database, or damaged beyond opening.
        """
        if data[:16] != MAGIC or len(data) < _HEADER:
            raise Unreadable(
                "encrypted, or no SQLite database" if len(data) >= _HEADER else "no database"
            )
        self.user_version, self.application_id = struct.unpack(">4xI4xI", data[56:72])
        self.frames = 0
        if wal:
            data, self.frames = with_log(data, wal)
        # A database in WAL mode cannot be opened in memory: the two mode bytes say "rollback".
        plain = data if isinstance(data, bytearray) else bytearray(data)
        plain[18:20] = b"\x01\x01"
        self._budget = Budget(seconds, wall=1.5 * seconds)
        self._base = sqlite3.connect(":memory:")
        self._base.text_factory = _text
        self._base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 16 << 20)
        self._base.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1 << 20)
        self._base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self._base.set_progress_handler(self._late, _STEPS)
        try:
            self._base.deserialize(plain)
            del data, plain
            self._base.execute("PRAGMA trusted_schema = OFF")
            self._base.execute("PRAGMA query_only = ON")
            self._base.execute("PRAGMA cell_size_check = ON")
            self.tables: dict[str, set[str]] = self._schema()
        except (sqlite3.Error, MemoryError, OverflowError, UnicodeError) as error:
            self.close()
            raise Unreadable(f"the database is damaged: {error}") from error

    def close(self) -> None:
        """Let it go."""
        self._base.close()

    def has(self, table: str, *columns: str) -> bool:
        """Return whether there is a table with these columns."""
        return table in self.tables and self.tables[table].issuperset(columns)

    def first(self, table: str, *columns: str) -> str | None:
        """Return the first of these columns that the table has."""
        found = self.tables.get(table, set())
        return next((column for column in columns if column in found), None)

    def rows(self, question: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Return at most `MOST_ROWS` rows.

        Raises:
            Exhausted: the time is up.
            Unreadable: the database is damaged where the answer stands.
        """
        try:
            return self._base.execute(question, values).fetchmany(MOST_ROWS)
        except sqlite3.OperationalError as error:
            self._budget.check()
            raise Unreadable(f"the database does not answer: {error}") from error
        except (sqlite3.Error, MemoryError, OverflowError, UnicodeError) as error:
            raise Unreadable(f"the database is damaged: {error}") from error

    def each(self, question: str, most: int) -> Iterator[tuple[object, ...]]:
        """Yield at most so many rows, one after the other. Raises as `rows`."""
        try:
            cursor = self._base.execute(question)
            for _ in range(most):
                row = cursor.fetchone()
                if row is None:
                    return
                yield row
        except (sqlite3.Error, UnicodeError) as error:
            self._budget.check()
            raise Unreadable(f"the database is damaged: {error}") from error

    def one(self, question: str, values: Sequence[object] = ()) -> tuple[object, ...]:
        """Return the first row; empty: there is none. Raises as `rows`."""
        found = self.rows(question, values)
        return found[0] if found else ()

    def count(self, table: str, where: str = "1") -> int:
        """Return how many rows a table has. Raises as `rows`."""
        found = self.one(f"SELECT count(*) FROM {quoted(table)} WHERE {where}")  # noqa: S608
        return found[0] if found and isinstance(found[0], int) else 0

    def _schema(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        names = self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in names.fetchmany(2000):
            if not isinstance(name, str) or len(name) > 200:
                continue
            try:
                columns = self._base.execute(f"PRAGMA table_info({quoted(name)})").fetchmany(2000)
            except (sqlite3.Error, UnicodeError):  # a virtual table whose module is not here
                columns = []
            found[name] = {str(column[1]) for column in columns}
        return found

    def _late(self) -> bool:
        try:
            self._budget.check()
        except Exhausted:
            return True
        return False


def read_database(
    file: BinaryIO, further: Iterable[BinaryIO] = (), *, seconds: float = 5.0
) -> Database:
    """Open a database from its file, with its write-ahead log if that is among the other parts.

    Raises:
        Exhausted: it is too large.
        Unreadable: it is no database, or damaged.
    """
    size = size_of(file)
    if size > MOST:
        raise Exhausted(f"a database of more than {MOST} bytes is not read")
    data = bytearray(size)
    file.seek(0)
    del data[file.readinto(data) :]  # type: ignore[attr-defined]  # every file here has it
    log = b""
    for part in further:
        part.seek(0)
        if part.read(4) in {b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"}:
            part.seek(0)
            log = part.read(MOST_LOG + 1)
            if len(log) > MOST_LOG:
                raise Exhausted(f"a write-ahead log of more than {MOST_LOG} bytes is not applied")
    return Database(data, log, seconds=seconds)


def with_log(data: bytes | bytearray, log: bytes) -> tuple[bytes | bytearray, int]:
    """Return a database with the committed frames of its log applied, and how many those are.

    A frame counts if its salts are the log's and its checksum holds, as SQLite itself decides.
    """
    if len(log) < 32 or log[:3] != b"\x37\x7f\x06" or log[3] not in {0x82, 0x83}:
        return data, 0
    order = ">" if log[3] & 1 else "<"
    page = struct.unpack_from(">I", log, 8)[0]
    if page < 512 or page > 65_536 or page & (page - 1):
        return data, 0
    sums = _checksum(log[:24], (0, 0), order)
    if sums != struct.unpack_from(">II", log, 24):
        return data, 0
    pages: dict[int, int] = {}
    waiting: dict[int, int] = {}
    length = frames = pending = 0
    for at in range(32, len(log) - page - 23, page + 24):
        number, size = struct.unpack_from(">II", log, at)
        if log[at + 8 : at + 16] != log[16:24] or not number:
            break
        sums = _checksum(log[at : at + 8] + log[at + 24 : at + 24 + page], sums, order)
        if sums != struct.unpack_from(">II", log, at + 16):
            break
        waiting[number] = at + 24
        pending += 1
        if size:
            pages.update(waiting)
            waiting.clear()
            length, frames, pending = size, frames + pending, 0
    if not frames or length * page > MOST:
        return data, 0
    whole = bytearray(data[: length * page].ljust(length * page, b"\0"))
    for number, at in pages.items():
        if number <= length:
            whole[(number - 1) * page : number * page] = log[at : at + page]
    return whole, frames


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for n in range(0, len(words), 2):
        first = (first + words[n] + second) & 0xFFFFFFFF
        second = (second + words[n + 1] + first) & 0xFFFFFFFF
    return first, second


def quoted(name: str) -> str:
    """Return a name as SQL quotes it.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + re.sub('"', '""', name) + '"'


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
