r"""Checksums as `sha256sum`, `md5sum`, `sha1sum` and `sha512sum` print them, also with `--tag`.

`HEX  NAME` or `HEX *NAME`; a line that begins with `\` has `\\`, `\n` and `\r` in its name
escaped. The length of the digest tells the algorithm. Names are raw bytes.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.errors import BadManifest
from ingest.manifests.lines import lines, place
from ingest.manifests.rows import Row, checked
from ingest.receive import ALGORITHMS

_LINE = re.compile(rb"(\\?)([0-9a-fA-F]{8,128}) [ *]?(.+)", re.DOTALL)
_TAGGED = re.compile(rb"(\\?)([A-Za-z][A-Za-z0-9/-]*) \((.+)\) = ([0-9a-fA-F]{8,128})", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.?)", re.DOTALL)
_LENGTHS = {length: name for name, length in ALGORITHMS.items()}
_COMMENTS = (b"#", b";")


def fits(first: bytes) -> bool:
    """Say whether a first line is one of a checksum list."""
    line = first.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    return bool(_LINE.fullmatch(line) or _TAGGED.fullmatch(line))


def rows(file: BinaryIO, name: str, unused_titles: list[str]) -> Iterator[Row]:
    """Yield the rows; `unused_titles` stays as it is. Lines that begin with # or ; are comments.

    Raises:
        BadManifest: a line is no digest and name.
    """
    for number, line in lines(file, name):
        if not line.startswith(_COMMENTS):
            yield _row(place(name, number), line)


def _row(where: str, line: bytes) -> Row:
    tagged = _TAGGED.fullmatch(line)
    plain = _LINE.fullmatch(line)
    if tagged:
        escaped, word, name, digits = tagged.groups()
        algorithm = word.decode().lower().replace("-", "")
        algorithm = algorithm.replace("sha2256", "sha256").replace("sha2512", "sha512")
    elif plain:
        escaped, digits, name = plain.groups()
        algorithm = _LENGTHS.get(len(digits), "")
    else:
        raise BadManifest(f"{where}: no digest and name, as sha256sum prints them")
    if ALGORITHMS.get(algorithm) != len(digits):
        raise BadManifest(
            f"{where}: a digest of {len(digits)} hex digits{f' ({algorithm})' if tagged else ''} "
            f"is none of {', '.join(ALGORITHMS)}"
        )
    path = _ESCAPED.sub(lambda found: _unescaped(where, found[1]), name) if escaped else name
    return checked(where, path, digests=[f"{algorithm}:{digits.decode()}"])


def _unescaped(where: str, sign: bytes) -> bytes:
    try:
        return {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}[sign]
    except KeyError:
        raise BadManifest(
            f"{where}: the name has an escape that sha256sum does not write"
        ) from None
