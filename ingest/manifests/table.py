"""Tables: CSV with a header, separated by commas, semicolons or tabs, as spreadsheets write them.

The header decides about the separator. A cell is text and nothing else: what a spreadsheet would
run as a formula is kept as it stands.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from ingest.errors import BadManifest
from ingest.manifests.lines import MOST_LINE, decoded, place, raw_lines
from ingest.manifests.rows import Row, path_field, row_of, unused
from repository.naming import shown

SEPARATORS = (",", ";", "\t")


def fits(first: bytes) -> bool:
    """Say whether a first line is the header of such a table."""
    text = first.decode(errors="replace").strip("\ufeff\r\n")
    return any(path_field(_cells(text, separator)) is not None for separator in SEPARATORS)


def rows(file: BinaryIO, name: str, unused_titles: list[str]) -> Iterator[Row]:
    """Yield the rows; titles that say nothing about intake are added to `unused_titles`.

    Raises:
        BadManifest: no such table, or a row that is not as the header says.
    """
    texts = _Texts(file, name)
    header_line = next(texts, "").strip("\r\n")
    separator = next((one for one in SEPARATORS if path_field(_cells(header_line, one))), None)
    if separator is None:
        raise BadManifest(f"{place(name, 1)}: a table begins with a header that names a path")
    header = _cells(header_line, separator)
    path_title = path_field(header) or ""
    where = place(name, 1)
    if header.count(path_title) > 1:
        raise BadManifest(f"{where}: {shown(path_title)} stands there twice")
    others = [title for title in header if title != path_title]
    unused_titles += [title for title in unused(others, where) if title.strip()]
    for number, cells in _table(texts, separator, name):
        where = place(name, number)
        if len(cells) != len(header):
            raise BadManifest(
                f"{where}: {len(cells)} cells where the header has {len(header)}; "
                "a cell with the separator in it stands in quotes"
            )
        values = dict(zip(header, cells, strict=True))
        yield row_of(where, values.pop(path_title).encode(), values)


class _Texts:
    """The lines as text for a CSV reader, counted; a row may go over several of them."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._lines = raw_lines(file, name)
        self._name = name
        self.number = 0
        self.length = 0  # of the row that is being read

    def __iter__(self) -> "_Texts":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        text = decoded(line, self._name, self.number)
        self.length += len(line)
        if self.length > MOST_LINE:
            raise BadManifest(
                f"{place(self._name, self.number)}: the row is longer than {MOST_LINE} bytes; "
                "is a quote not closed?"
            )
        return text


def _table(texts: _Texts, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(texts, delimiter=separator, strict=True)
    while True:
        texts.length = 0
        first = texts.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadManifest(f"{place(name, first)}: no row of a table: {error}") from error
        if any(cells):
            yield first, cells


def _cells(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
