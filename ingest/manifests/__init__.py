"""Lists that declare something of each file: read_manifest() reads one, whatever its format.

A format is one file beside this one. A list is read as a stream, a bounded line at a time; what is
wrong with it is one error that names the line, before anything is taken in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ingest.errors import BadManifest
from ingest.manifests import bag, checksums, hashdeep, json_lines, table
from ingest.manifests.lines import MOST_LINE, check_mark
from ingest.manifests.rows import Row
from repository.naming import shown

__all__ = ["Manifest", "Row", "read_manifest"]

Reader = Callable[[BinaryIO, str, list[str]], Iterator[Row]]
_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Reader], ...] = (
    ("hashdeep", hashdeep.fits, hashdeep.rows),
    ("JSON lines", json_lines.fits, json_lines.rows),
    ("checksums", checksums.fits, checksums.rows),
    ("table", table.fits, table.rows),
)


@dataclass(slots=True)
class Manifest:
    """A list that is being read: iterate it once for its rows.

    `folder` is what its relative paths begin with. `unused` are columns that say nothing about
    intake; `sha256` is the digest of the list. Both are complete when the last row is read.
    """

    name: str
    format: str
    folder: Path
    rows: Iterator[Row]
    unused: list[str] = field(default_factory=list)
    sha256: str | None = None  # None: a bag, whose manifests are several files

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            BadManifest: a line is wrong, or there is no row at all.
        """
        first = next(self.rows, None)
        if first is None:
            raise BadManifest(f"{shown(self.name)} lists no file")
        yield from chain([first], self.rows)


def read_manifest(file: Path) -> Manifest:
    """Return a list, ready to be read: a file of a known format, or the folder of a bag.

    Raises:
        BadManifest: there is no such file, it is empty, or of no format that is read.
    """
    if file.is_dir():
        return Manifest(file.name, "bag", file, bag.rows_of_bag(file))
    first = _first_line(file)
    if bag.is_bag_manifest(file):
        return Manifest(file.name, "bag manifest", file.parent, bag.rows_of_manifest(file))
    for name, fits, reader in _FORMATS:
        if fits(first):
            found = Manifest(file.name, name, file.parent, iter(()))
            found.rows = _digested(file, found, reader)
            return found
    raise BadManifest(
        f"{shown(file)}: what kind of list this is cannot be told from its first line. Read are: "
        "a table with a header that has a column path, JSON lines, the output of sha256sum or "
        "hashdeep, and the manifests of a bag; text is UTF-8"
    )


def _first_line(file: Path) -> bytes:
    """Return the first line that is not empty or a comment, for telling the format."""
    try:
        with file.open("rb") as opened:
            line = opened.readline(MOST_LINE)
            check_mark(line, str(file))
            while line and (not line.strip() or line.startswith((b"# ", b"; "))):
                line = opened.readline(MOST_LINE)
            return line
    except OSError as error:
        raise BadManifest(f"{shown(file)} cannot be read: {error.strerror}") from error


def _digested(file: Path, found: Manifest, reader: Reader) -> Iterator[Row]:
    with file.open("rb") as opened:
        hashed = _Hashed(opened)
        yield from reader(hashed, file.name, found.unused)  # type: ignore[arg-type]
        found.sha256 = f"sha256:{hashed.digest.hexdigest()}"


class _Hashed:
    """A file of which lines are read, digested while they pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = sha256()

    def readline(self, size: int = -1) -> bytes:
        """Return the next line, or the beginning of a longer one."""
        line = self._file.readline(size)
        self.digest.update(line)
        return line
