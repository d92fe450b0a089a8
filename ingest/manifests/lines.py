"""Lines of a list, one at a time and bounded: a list of any length takes no more memory than one.

A byte order mark of UTF-8 is left out; other encodings with a mark are refused by name.
"""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from ingest.errors import BadManifest
from repository.naming import shown

MOST_LINE = 64 << 10
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def check_mark(first: bytes, name: str) -> None:
    """Refuse a first line that begins with the mark of another encoding.

    Raises:
        BadManifest: it does.
    """
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            raise BadManifest(f"{shown(name)} is in {encoding}; save it as UTF-8")


def place(name: str, number: int) -> str:
    """Return how an error names a line."""
    return f"{shown(name)}, line {number}"


def raw_lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line, its end included.

    Raises:
        BadManifest: a line is too long, or the file is in another encoding.
    """
    number = 0
    while line := file.readline(MOST_LINE + 2):
        number += 1
        if number == 1:
            check_mark(line, name)
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line.rstrip(b"\r\n")) > MOST_LINE:
            raise BadManifest(f"{place(name, number)}: longer than {MOST_LINE} bytes")
        yield number, line


def lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line that is not empty, its end left out.

    Whether lines end with LF or CR LF is what the first one says: a name may end with CR.

    Raises:
        BadManifest: as `raw_lines`; a line ends otherwise than the first; a zero byte.
    """
    end = b""
    for number, line in raw_lines(file, name):
        if not end:
            end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        whole = line.endswith(b"\n")
        if whole and not line.endswith(end):
            raise BadManifest(f"{place(name, number)}: ends with LF, the lines before with CR LF")
        text = line.removesuffix(end) if whole else line
        if b"\0" in text:
            raise BadManifest(f"{place(name, number)}: has a zero byte; this is no list of files")
        if text:
            yield number, text


def decoded(line: bytes, name: str, number: int) -> str:
    """Return a line as text.

    Raises:
        BadManifest: it is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadManifest(
            f"{place(name, number)}: not UTF-8 at byte {error.start + 1}; save the list as UTF-8"
        ) from error
