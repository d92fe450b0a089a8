r"""Which row of a list is about which file: compared as raw bytes, before anything is taken in.

A row's path fits a file when it is the path that will be recorded, the path inside the folder that
was named, or, from the list's own folder on, the file's own place; `./` and doubled slashes count
for nothing. Rows are kept in a temporary database on disk, so that a list of any length takes no
more memory than a short one.

A path that would fit in another Unicode form, in other case or with `\` for `/` is a *near* match:
it is reported, and taken as meant only when the submitter says so.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from unicodedata import normalize

from ingest.errors import BadManifest
from ingest.manifests.rows import Row
from ingest.sources import Source
from repository.naming import shown

_TABLES = """
create table line (id integer primary key, said text, path blob, plain blob, place blob, near text);
create table file (id integer primary key, path blob, inside blob, place blob, near text,
                   near_inside text);
create table fits (line integer, file integer, primary key (line, file)) without rowid;
"""
_INDEXES = """
create index line_plain on line (plain);
create index line_place on line (place);
create index line_near on line (near);
create index fits_file on fits (file);
"""
_EXACT = """
insert or ignore into fits
select line.id, file.id from file join line on line.plain = file.path
union select line.id, file.id from file join line on line.plain = file.inside
union select line.id, file.id from file join line on line.place = file.place
"""
_NEAR = """
from file join line on line.near in (file.near, file.near_inside)
where line.id not in (select line from fits) and file.id not in (select file from fits)
"""


class Matching:
    """What `match` found; a context, because it keeps a database in a temporary folder."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="evidence-list-")
        self._database = sqlite3.connect(Path(self._folder.name) / "rows", isolation_level=None)
        self._database.executescript("pragma journal_mode=off; pragma synchronous=off;" + _TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    @property
    def count(self) -> int:
        """Return how many rows the list has."""
        return int(self._database.execute("select count(*) from line").fetchone()[0])

    def rows(self) -> Iterator[tuple[int, int, Row]]:
        """Yield what the list says of each file that it names: place of file and row, and the row.

        Rows about one file that agree are one, at the place of the first.

        Raises:
            BadManifest: two rows about one file contradict each other.
        """
        query = """select file, line, said, path from fits join line on line.id = fits.line
                   order by file, line"""
        last: tuple[int, int, Row] | None = None
        for file, line, said, path in self._database.execute(query):
            row = _row(said, path)
            if last is not None and last[0] == file:
                last = file, last[1], last[2].with_row(row)
                continue
            if last is not None:
                yield last
            last = file, line, row
        if last is not None:
            yield last

    def unmatched(self) -> Iterator[Row]:
        """Yield the rows without a file, in the order of the list."""
        query = "select said, path from line where id not in (select line from fits) order by id"
        for said, path in self._database.execute(query):
            yield _row(said, path)

    def near(self) -> Iterator[tuple[Row, bytes]]:
        """Yield the rows without a file, each with a file without a row that it nearly fits."""
        query = f"select said, line.path, file.path {_NEAR} order by line.id, file.id"
        for said, path, file in self._database.execute(query):
            yield _row(said, path), file

    def take_near(self) -> None:
        """Take the near matches as meant.

        Raises:
            BadManifest: a row nearly fits two files.
        """
        self._database.execute(f"insert into fits select line.id, file.id {_NEAR}")
        self._refuse_doubles()

    def fill(
        self, rows: Iterable[Row], sources: Iterable[Source], *, folder: bytes, root: bytes
    ) -> None:
        """Keep rows and files, and note which fits which."""
        run = self._database.execute
        run("begin")
        self._database.executemany(
            "insert into line (said, path, plain, place, near) values (?, ?, ?, ?, ?)",
            (_line(row, folder, root) for row in rows),
        )
        self._database.executemany(
            "insert into file values (?, ?, ?, ?, ?, ?)",
            (_file(n, source) for n, source in enumerate(sources) if source.file is not None),
        )
        run("commit")
        self._database.executescript(_INDEXES)
        run(_EXACT)
        self._refuse_doubles()

    def _refuse_doubles(self) -> None:
        query = """select said, line.path, min(file.path), max(file.path)
                   from fits join line on line.id = fits.line join file on file.id = fits.file
                   group by line.id having count(distinct file.place) > 1
                   order by line.id limit 1"""
        for said, path, one, two in self._database.execute(query):
            raise BadManifest(
                f"{_row(said, path).shown} fits two files, {shown(one)} and {shown(two)}; "
                "write its path so that it fits one. Nothing was taken in"
            )


def match(
    rows: Iterable[Row], sources: Iterable[Source], *, folder: Path, root: bytes = b""
) -> Matching:
    """Return which row is about which of the files that are to be taken in; close it in the end.

    Args:
        rows: of the list; read once.
        sources: the files; results name them by their place here, from 0.
        folder: what the list's relative paths begin with.
        root: what its paths begin with where it was made; left out of them.

    Raises:
        BadManifest: a line is wrong, or a row fits two files.
    """
    found = Matching()
    try:
        place = os.path.abspath(os.fsencode(folder))
        found.fill(rows, sources, folder=place, root=root)
    except BaseException:
        found.__exit__()
        raise
    return found


def _line(row: Row, folder: bytes, root: bytes) -> tuple[str, bytes, bytes, bytes, str]:
    said = asdict(row)
    path = said.pop("path")
    if root and path.startswith(root):
        path = path[len(root) :].lstrip(b"/\\")
    plain = _plain(path)
    place = os.path.normpath(os.path.join(folder, path))
    return json.dumps(said), row.path, plain, place, _near(plain)


def _row(said: str, path: bytes) -> Row:
    return Row(path=bytes(path), **json.loads(said))


def _file(n: int, source: Source) -> tuple[int, bytes, bytes, bytes, str, str]:
    path, inside = _plain(source.path), _plain(source.inside or source.path)
    place = os.path.abspath(source.file or b"")
    return n, path, inside, place, _near(path), _near(inside)


def _plain(path: bytes) -> bytes:
    """Return a path without empty parts and `.`; nothing else is read into it."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    return (b"/" if path.startswith(b"/") else b"") + b"/".join(parts)


def _near(path: bytes) -> str:
    text = path.decode("utf-8", "surrogateescape").replace("\\", "/").strip()
    folded = normalize("NFC", normalize("NFC", text).casefold())
    return folded.encode("utf-8", "backslashreplace").decode()
