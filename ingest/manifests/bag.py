"""BagIt (RFC 8493, and 0.93 to 0.97): a bag's own manifests as a list of its files.

Given the bag's folder, all its manifests together say which digests each file has, and a bag that
is not whole by its own rules is refused: a path that leaves it, a payload file that no manifest
names, two names that differ in their case alone. Nothing in `fetch.txt` is fetched: what is not
there is a row without a file. `Source-Organization` in `bag-info.txt` is taken as the source; what
else stands there describes the packing, and is taken in as a file.
"""

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from ingest.errors import BadManifest
from ingest.manifests.lines import MOST_LINE, place
from ingest.manifests.rows import Row, checked
from ingest.receive import ALGORITHMS
from repository.naming import shown
from repository.submissions import MAX_TEXT

_NAMED = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt", re.IGNORECASE)
_LINE = re.compile(r"([0-9a-fA-F]+)[ \t]+\*?([^ \t].*)", re.DOTALL)
_DECLARATION = re.compile(
    r"BagIt-Version: ([01])\.([0-9]{1,2})\r?\n"
    r"Tag-File-Character-Encoding: ([A-Za-z0-9_.:-]{1,40})\s*"
)
_ENCODINGS = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso8859-1", "ascii", "cp1252"}
)
_OUTSIDE = re.compile(
    r"/|~|\\|[A-Za-z]:|(.*/)?\.\.?(/.*)?|.*//.*"
)  # … and backslashes at the start
_MOST_TAG = 16 << 20  # bytes of bag-info.txt


def is_bag_manifest(file: Path) -> bool:
    """Say whether a file is a manifest of a bag: so named, and beside a bagit.txt."""
    return bool(_NAMED.fullmatch(file.name)) and (file.parent / "bagit.txt").is_file()


def rows_of_manifest(file: Path) -> Iterator[Row]:
    """Yield the rows of one manifest of a bag.

    Raises:
        BadManifest: it is no such manifest.
    """
    decimal, encoding = _declared(file.parent)
    yield from _manifest(file, decimal, encoding, {})


def rows_of_bag(folder: Path) -> Iterator[Row]:
    """Yield the rows of all manifests of a bag.

    Raises:
        BadManifest: it is no bag, or not one by its own rules.
    """
    decimal, encoding = _declared(folder)
    manifests = sorted(file for file in folder.iterdir() if _NAMED.fullmatch(file.name))
    payload = [file for file in manifests if not file.name.lower().startswith("tag")]
    if not payload:
        raise BadManifest(f"{shown(folder)}: a bag has a manifest-<algorithm>.txt")
    claims = _claims(folder, encoding)
    names: set[str] = set()
    for file in manifests:
        for row in _manifest(file, decimal, encoding, claims):
            if file in payload:
                names.add(normalize("NFC", row.path.decode()))
            yield row
    _check_names(folder, names)
    _check_fetch(folder, encoding)
    for name in _payload(folder):
        if normalize("NFC", name) not in names:
            raise BadManifest(
                f"{shown(folder)}: no manifest of the bag names {shown(os.fsencode(name))}; "
                "it is not whole, nothing was taken in"
            )


def _declared(folder: Path) -> tuple[bool, str]:
    """Return whether percent signs are escaped too (since 1.0), and the encoding of tag files."""
    try:
        raw = (folder / "bagit.txt").read_bytes()[:1024]
    except OSError as error:
        raise BadManifest(f"{shown(folder)}: no bag, it has no bagit.txt") from error
    match = (
        None if raw.startswith(codecs.BOM_UTF8) else _DECLARATION.fullmatch(raw.decode("latin-1"))
    )
    if match is None:
        raise BadManifest(f"{shown(folder / 'bagit.txt')}: not the two lines that make a bag")
    try:
        encoding = codecs.lookup(match[3]).name
    except LookupError:
        encoding = ""
    if encoding not in _ENCODINGS:
        raise BadManifest(f"{shown(folder / 'bagit.txt')}: the encoding {match[3]} is not read")
    return match[1] == "1", encoding


def _manifest(file: Path, percent: bool, encoding: str, claims: dict[str, str]) -> Iterator[Row]:
    match = _NAMED.fullmatch(file.name)
    algorithm = match[2].lower() if match else ""
    if algorithm not in ALGORITHMS:
        raise BadManifest(
            f"{shown(file)}: {algorithm} is a digest that this repository does not make; "
            f"it compares {', '.join(ALGORITHMS)}"
        )
    inside = match is not None and not match[1]
    for number, line in _lines(file, encoding):
        where = place(file.name, number)
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadManifest(f"{where}: no digest and path, as a bag's manifest has")
        path = _decoded(found[2], percent=percent).removeprefix("./")
        if _OUTSIDE.match(path):
            raise BadManifest(f"{where}: {shown(path)} leads out of the bag; nothing was taken in")
        if inside != path.startswith("data/"):
            raise BadManifest(f"{where}: {shown(path)} has no place in this manifest")
        yield checked(where, path.encode(), digests=[f"{algorithm}:{found[1]}"], claims=claims)


def _decoded(path: str, *, percent: bool) -> str:
    """Undo the escapes of a path: line ends, and since 1.0 the percent sign itself."""
    signs = {"0a": "\n", "0d": "\r", **({"25": "%"} if percent else {})}
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: signs.get(found[1].lower(), found[0]), path)


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a tag file; LF, CR and CR LF end them."""
    number = 0
    try:
        with file.open(encoding=encoding, newline=None) as text:
            while line := text.readline(MOST_LINE + 1):
                number += 1
                if len(line) > MOST_LINE:
                    raise BadManifest(f"{place(file.name, number)}: longer than {MOST_LINE} signs")
                if "\0" in line:
                    raise BadManifest(f"{place(file.name, number)}: has a zero byte")
                if line.strip():
                    yield number, line.removesuffix("\n").removeprefix("\ufeff")
    except UnicodeError as error:
        where = place(file.name, number + 1)
        raise BadManifest(f"{where}: not {encoding.upper()}, as bagit.txt says") from error
    except OSError as error:
        raise BadManifest(f"{shown(file)} cannot be read: {error.strerror}") from error


def _claims(folder: Path, encoding: str) -> dict[str, str]:
    """Return what bag-info.txt says of where the files come from."""
    file = folder / "bag-info.txt"
    if not file.is_file() or file.stat().st_size > _MOST_TAG:
        return {}
    said: list[str] = []
    label = ""
    for _, line in _lines(file, encoding):
        if line[:1] in (" ", "\t"):
            if label == "source-organization":
                said[-1] += " " + line.strip()
            continue
        label, _, value = line.partition(":")
        label = label.strip().lower()
        if label == "source-organization" and value.strip():
            said.append(value.strip())
    source = "; ".join(dict.fromkeys(said))[:MAX_TEXT]
    return {"source": source} if source else {}


def _check_names(folder: Path, names: set[str]) -> None:
    folded: dict[str, str] = {}
    for name in sorted(names):
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise BadManifest(
                f"{shown(folder)}: two files of the bag differ in their case alone: "
                f"{shown(other)} and {shown(name)}"
            )


def _check_fetch(folder: Path, encoding: str) -> None:
    """See that fetch.txt leads nowhere out of the bag; nothing is fetched."""
    file = folder / "fetch.txt"
    if not file.is_file():
        return
    for number, line in _lines(file, encoding):
        path = [*line.split(None, 2), "", "", ""][2]
        if not path.startswith("data/") or _OUTSIDE.match(path):
            where = place(file.name, number)
            raise BadManifest(f"{where}: {shown(path)} leads out of the bag; nothing was taken in")


def _payload(folder: Path) -> Iterator[str]:
    for inside, _, files in os.walk(folder / "data"):
        for name in files:
            yield (Path(inside) / name).relative_to(folder).as_posix()
