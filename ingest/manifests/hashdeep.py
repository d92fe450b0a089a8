"""Lists of hashdeep: the header names the columns, the last of which is the file name.

The name may hold commas; it is raw bytes, mostly an absolute path of the machine it was made on
(`--manifest-root` says what to leave out of it).
"""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.errors import BadManifest
from ingest.manifests.lines import decoded, lines, place
from ingest.manifests.rows import Row, checked
from ingest.receive import ALGORITHMS
from repository.naming import shown

_MARK = b"%%%% HASHDEEP-1.0"


def fits(first: bytes) -> bool:
    """Say whether a first line is hashdeep's."""
    return first.startswith(_MARK)


def rows(file: BinaryIO, name: str, unused_titles: list[str]) -> Iterator[Row]:
    """Yield the rows; `unused_titles` stays as it is.

    Raises:
        BadManifest: no header, a digest that cannot be compared, or a line with too few columns.
    """
    columns: list[str] = []
    for number, line in lines(file, name):
        where = place(name, number)
        if line.startswith(b"##") or line == _MARK:
            continue
        if line.startswith(b"%%%% "):
            columns = _columns(where, decoded(line, name, number))
            continue
        if not columns:
            raise BadManifest(
                f"{where}: hashdeep's header is missing: %%%% size,md5,sha256,filename"
            )
        cells = line.split(b",", len(columns) - 1)
        if len(cells) != len(columns):
            raise BadManifest(
                f"{where}: {len(cells)} columns where the header names {len(columns)}"
            )
        path = cells.pop()
        said = {
            column: decoded(cell, name, number)
            for column, cell in zip(columns, cells, strict=False)
        }
        size = said.pop("size", None)
        digests = [f"{column}:{text}" for column, text in said.items()]
        yield checked(where, path, digests=digests, size=size)


def _columns(where: str, header: str) -> list[str]:
    columns = header.removeprefix("%%%% ").split(",")
    strange = [one for one in columns[:-1] if one != "size" and one not in ALGORITHMS]
    if columns[-1] != "filename" or len(set(columns)) < len(columns):
        raise BadManifest(f"{where}: hashdeep's header ends with filename, each column once")
    if strange:
        raise BadManifest(
            f"{where}: {shown(strange[0])} is a digest that this repository does not make; "
            f"it compares {', '.join(ALGORITHMS)}"
        )
    return columns
