"""JSON lines: one object a line, with the names of a table's columns, or as a submission's list.

`{"path": "a/b.jpg", "sha256": "…", "place": "Mosul"}`; a path that is not UTF-8 is
`{"base64": "…"}`; digests may stand in `digests`, what is declared in `claims`.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

from custody.canonical import loads_any
from custody.errors import NotCanonical
from ingest.errors import BadManifest
from ingest.manifests.lines import lines, place
from ingest.manifests.rows import Row, path_field, row_of, unused
from repository.naming import of_recorded, shown


def fits(first: bytes) -> bool:
    """Say whether a first line is a JSON object."""
    return first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")


def rows(file: BinaryIO, name: str, unused_titles: list[str]) -> Iterator[Row]:
    """Yield the rows; keys that say nothing about intake are added to `unused_titles`.

    Raises:
        BadManifest: a line is no such object.
    """
    left: dict[str, None] = {}
    for number, line in lines(file, name):
        where = place(name, number)
        try:
            found = loads_any(line)
        except NotCanonical as error:
            raise BadManifest(f"{where}: {error}") from error
        if not isinstance(found, dict):
            raise BadManifest(f"{where}: not one JSON object")
        title = path_field(found)
        if title is None:
            raise BadManifest(f"{where}: has no path")
        path = _path(where, found.pop(title))
        for inner in ("digests", "claims"):
            values = found.pop(inner, None) or {}
            if not isinstance(values, dict) or set(values) & set(found):
                raise BadManifest(f"{where}: {inner} is an object, and says nothing twice")
            found.update(values)
        found.pop("n", None)  # the number in a submission's list
        left.update(dict.fromkeys(unused(list(found), where)))
        texts = {key: _text(where, key, value) for key, value in found.items() if key not in left}
        yield row_of(where, path, texts)
    unused_titles += left


def _path(where: str, value: Any) -> bytes:
    try:
        return of_recorded(value)
    except ValueError as error:
        raise BadManifest(f'{where}: a path is text, or {{"base64": "…"}}') from error


def _text(where: str, key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadManifest(f"{where}: {shown(key)} is text or a number")
    return str(value)
