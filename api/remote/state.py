"""What a run remembers, so that the same command goes on where an interrupted one stopped.

One folder per submission, `SUB-…/`, with a SQLite file; `open/<fingerprint>` names the submission
that a command is still busy with. No token is ever kept here, and no byte of evidence.
"""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.errors import RunningAlready
from repository.errors import DiskFull

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hashed (
    source BLOB PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    n INTEGER PRIMARY KEY, source BLOB NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL,
    changed INTEGER NOT NULL, sha256 TEXT NOT NULL, line TEXT NOT NULL,
    thing INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'listed', result TEXT
);
CREATE INDEX IF NOT EXISTS file_state ON file (state, n);
CREATE INDEX IF NOT EXISTS file_thing ON file (thing);
CREATE TABLE IF NOT EXISTS upload (
    first INTEGER NOT NULL, last INTEGER NOT NULL, id TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (first, last)
) WITHOUT ROWID;
"""
# What became of a file: `listed` (to be sent), `sent` (every byte is at the service), then for good
# `registered` or `quarantined`.
SETTLED = ("registered", "quarantined")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of the list: where it is, and what it was when it was hashed."""

    n: int
    source: bytes
    path: bytes
    size: int
    changed: int  # its time of change, in nanoseconds
    sha256: str  # hex
    line: str  # as it stands in the list
    thing: int  # the n of the first part of what it belongs to


def state_folder(named: Path | None) -> Path:
    """Return the folder of everything that runs remember."""
    if named is not None:
        return named
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "evidence"


class State:
    """The memory of one submission; one run at a time holds it."""

    def __init__(self, folder: Path) -> None:
        """Open it, or make it.

        Raises:
            RunningAlready: another run has it open.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = (folder / "lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise RunningAlready(
                f"another run is sending {folder.name} at this moment; let it, or end it first"
            ) from error
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            folder / "state.db", isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Let another run have it."""
        self._database.close()
        self._held.close()

    @property
    def list_file(self) -> Path:
        """Return where the list is, as it is sent."""
        return self.folder / "list.ndjson"

    def kept(self, name: str) -> str | None:
        """Return a remembered value."""
        rows = self._read("SELECT value FROM meta WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def keep(self, name: str, value: str) -> None:
        """Remember a value."""
        self._write([("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, value)])])

    # Digests, until the list is fixed.

    def known_digest(self, source: bytes, size: int, changed: int) -> str | None:
        """Return the digest of a file that has not changed since it was hashed."""
        query = "SELECT sha256 FROM hashed WHERE source = ? AND size = ? AND changed = ?"
        rows = self._read(query, (source, size, changed))
        return rows[0][0] if rows else None

    def keep_digests(self, found: Iterable[tuple[bytes, int, int, str]]) -> None:
        """Remember (source, size, changed, sha256) of files."""
        self._write([("INSERT OR REPLACE INTO hashed VALUES (?, ?, ?, ?)", found)])

    # The list.

    @property
    def is_listed(self) -> bool:
        """Say whether the list is fixed."""
        return self.kept("listed") is not None

    def fix_list(self, files: Iterable[Listed]) -> None:
        """Fix the list: from here on the submission consists of these files."""
        rows = (
            (one.n, one.source, one.path, one.size, one.changed, one.sha256, one.line, one.thing)
            for one in files
        )
        insert = (
            "INSERT INTO file (n, source, path, size, changed, sha256, line, thing) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self._write([(insert, rows), ("INSERT OR REPLACE INTO meta VALUES ('listed', '1')", [()])])
        part = self.list_file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{one.line}\n" for one in self.files())
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.list_file)

    def files(self, first: int = 1, last: int = 1 << 60) -> Iterator[Listed]:
        """Yield files of the list, in its order."""
        query = (
            "SELECT n, source, path, size, changed, sha256, line, thing FROM file "
            "WHERE n BETWEEN ? AND ? ORDER BY n LIMIT 1000"
        )
        while rows := self._read(query, (first, last)):
            yield from (Listed(*row) for row in rows)
            first = rows[-1][0] + 1

    def lines(self) -> dict[bytes, str]:
        """Return the line of every listed file, by where it is."""
        return dict(self._read("SELECT source, line FROM file"))

    def joined(self) -> frozenset[tuple[bytes, ...]]:
        """Return the things of several parts in the list, by the paths of their parts."""
        rows = self._read(
            "SELECT thing, path FROM file WHERE thing IN "
            "(SELECT thing FROM file GROUP BY thing HAVING count(*) > 1) ORDER BY n"
        )
        found: dict[int, list[bytes]] = {}
        for thing, path in rows:
            found.setdefault(thing, []).append(path)
        return frozenset(tuple(paths) for paths in found.values())

    def parts_of(self, thing: int) -> list[Listed]:
        """Return the files of a thing, by the n of its first part."""
        rows = self._read("SELECT n FROM file WHERE thing = ? ORDER BY n", (thing,))
        return [one for (n,) in rows for one in self.files(n, n)]

    def still_as_hashed(self, n: int, changed: int) -> None:
        """Note another time of change of a file whose bytes are the same."""
        self._write([("UPDATE file SET changed = ? WHERE n = ?", [(changed, n)])])

    # Sending.

    def to_send(self) -> list[tuple[int, int]]:
        """Return (n, size) of every file that the service does not have yet."""
        return self._read("SELECT n, size FROM file WHERE state = 'listed' ORDER BY n")

    def uploads(self, *, sent: bool = False) -> list[tuple[int, int, str]]:
        """Return (first, last, id) of the uploads that were begun, or of those sent whole."""
        query = "SELECT first, last, id FROM upload WHERE sent = ? ORDER BY first"
        return self._read(query, (sent,))

    def upload(self, first: int, last: int) -> str | None:
        """Return the id of the upload of exactly these files."""
        rows = self._read("SELECT id FROM upload WHERE first = ? AND last = ?", (first, last))
        return rows[0][0] if rows else None

    def upload_begun(self, first: int, last: int, upload: str) -> None:
        """Remember an upload before its first byte is sent."""
        insert = "INSERT OR REPLACE INTO upload (first, last, id) VALUES (?, ?, ?)"
        self._write([(insert, [(first, last, upload)])])

    def upload_over(self, first: int, last: int) -> None:
        """Forget an upload that came to nothing: its files are to be sent."""
        forget = "DELETE FROM upload WHERE first = ? AND last = ?"
        again = "UPDATE file SET state = 'listed' WHERE n BETWEEN ? AND ? AND state = 'sent'"
        self._write([(forget, [(first, last)]), (again, [(first, last)])])

    def sent(self, first: int, last: int) -> None:
        """Note that the service has every byte of these files."""
        files = "UPDATE file SET state = 'sent' WHERE n BETWEEN ? AND ? AND state = 'listed'"
        whole = "UPDATE upload SET sent = 1 WHERE first = ? AND last = ?"
        self._write([(files, [(first, last)]), (whole, [(first, last)])])

    def only_missing(self, numbers: Iterable[int]) -> None:
        """Take the service's word for what it lacks: these files and no others are to be sent."""
        self._write(
            [
                ("UPDATE file SET state = 'sent' WHERE state = 'listed'", [()]),
                ("UPDATE file SET state = 'listed' WHERE n = ?", [(n,) for n in numbers]),
            ]
        )

    # What became of the files.

    def settle(
        self, found: Iterable[tuple[Sequence[int], str, dict[str, Any]]], after: int | None
    ) -> None:
        """Note what became of things: the numbers of their files, status and result, for good.

        Args:
            found: the result is kept with the first part.
            after: the entry up to which receipts were fetched.
        """
        rows = (
            (status, json.dumps(result) if part == 0 else None, n)
            for numbers, status, result in found
            for part, n in enumerate(numbers)
        )
        work: list[tuple[str, Iterable[Sequence[Any]]]] = [
            ("UPDATE file SET state = ?, result = ? WHERE n = ?", rows)
        ]
        if after is not None:
            keep = "INSERT OR REPLACE INTO meta VALUES ('receipts_after', ?)"
            work.append((keep, [(str(after),)]))
        self._write(work)

    def settled(self) -> Iterator[tuple[bytes, str, dict[str, Any]]]:
        """Yield (path, status, result) of the things that have come to their end, in order."""
        n = 0
        query = (
            "SELECT n, path, state, result FROM file WHERE n > ? AND result IS NOT NULL "
            "ORDER BY n LIMIT 1000"
        )
        while rows := self._read(query, (n,)):
            for n, path, status, result in rows:  # noqa: B007 - the last n is where to go on
                yield path, status, json.loads(result)

    def in_state(self, state: str) -> set[int]:
        """Return the numbers of the files in a state."""
        return {n for (n,) in self._read("SELECT n FROM file WHERE state = ?", (state,))}

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return files and bytes by state."""
        rows = self._read("SELECT state, count(*), sum(size) FROM file GROUP BY state")
        return {state: (count, size) for state, count, size in rows}

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def _write(self, work: Iterable[tuple[str, Iterable[Sequence[Any]]]]) -> None:
        """Do all of it in one transaction."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for statement, rows in work:
                    self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise DiskFull(f"{self.folder} cannot be written: {error}") from error
                raise


class Register:
    """The folder of all submissions, and which of them a command is busy with."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open = root / "open"

    def find(self, fingerprint: str) -> str | None:
        """Return the submission that an interrupted run of this command had begun."""
        try:
            return (self._open / fingerprint).read_text().strip() or None
        except FileNotFoundError:
            return None

    def begin(self, fingerprint: str, submission: str) -> None:
        """Note that a command is busy with a submission."""
        self._open.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._open / f".{fingerprint}.{os.getpid()}"
        part.write_text(f"{submission}\n")
        part.rename(self._open / fingerprint)

    def end(self, fingerprint: str) -> None:
        """Note that it is done: the same command begins a new one."""
        (self._open / fingerprint).unlink(missing_ok=True)

    def folder(self, submission: str) -> Path:
        """Return the folder of a submission."""
        return self._root / submission
