"""The files of a court bundle from outside: taken out of a tar into a folder of ours, bounded.

Whoever sends a bundle chooses every name, size and number in it. Nothing is written outside the
folder, nothing is followed, and what goes beyond a bound ends the reading with a reason.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ingest.errors import BadBundle

MAX_FILES = 20_000
MAX_TAGS = 256 << 20  # bytes of everything beside the payload: entries and proofs are most of it
MAX_PATH = 250
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_PAYLOAD = re.compile(r"([^/]+/){0,2}data/")  # a download has the bag in folders of its name
_BLOCK = 512
_PIECE = 1 << 20


def check_folder(folder: Path) -> None:
    """Refuse a bundle of too many files, or of too much beside its payload, before it is read.

    Raises:
        BadBundle: it is beyond a bound.
    """
    tags = 0
    for files, path in enumerate(_walk(folder), 1):
        found = path.lstat()
        if path.relative_to(folder).parts[0] != "data" and stat.S_ISREG(found.st_mode):
            tags += found.st_size
        if files > MAX_FILES or tags > MAX_TAGS:
            raise _beyond()


def unpack(source: BinaryIO, folder: Path) -> None:
    """Write the files of a tar (POSIX ustar, files and folders alone) into an empty folder.

    Raises:
        BadBundle: it ends too early, holds anything else, or is beyond a bound.
    """
    tags = 0
    for count, (name, size) in enumerate(_members(source)):
        if count >= MAX_FILES:
            raise _beyond()
        if not _PAYLOAD.match(name):
            tags += size
            if tags > MAX_TAGS:
                raise _beyond()
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                _copy(source, out, size)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise BadBundle(f"the bundle has {name} twice") from error
        _skip(source, -size % _BLOCK)


def pack(folder: Path) -> Iterator[bytes]:
    """Yield a folder as the tar that `unpack` reads; links and devices are left out."""
    for path in sorted(_walk(folder)):
        if not stat.S_ISREG(path.lstat().st_mode):
            continue
        name = os.fsencode(path.relative_to(folder))
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
            size = os.fstat(source.fileno()).st_size
            yield _header(name, size)
            left = size
            while left:
                block = source.read(min(_PIECE, left))
                if not block:
                    raise BadBundle(f"{path.name} became shorter while it was read")
                left -= len(block)
                yield block
            yield bytes(-size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        for name in names:
            yield Path(root, name)
        for name in folders:
            if Path(root, name).is_symlink():
                yield Path(root, name)


def _members(source: BinaryIO) -> Iterator[tuple[str, int]]:
    """Yield name and size of each file; its bytes are to be read before the next one."""
    prefix = ""
    while True:
        header = source.read(_BLOCK)
        if len(header) != _BLOCK:
            raise BadBundle("the bundle breaks off; have it sent again")
        if not any(header):
            return
        if _checksum(header) != _octal(header[148:156]):
            raise BadBundle("this is no tar: a header's checksum is wrong")
        kind = header[156:157]
        name = (header[345:500].split(b"\0")[0] + b"/" + header[:100].split(b"\0")[0]).lstrip(b"/")
        if header[:1] == b"/" or header[345:346] == b"/":
            raise BadBundle("the bundle has an absolute name")
        text = prefix + name.decode("ascii", "replace").removeprefix("./").removesuffix("/")
        if kind == b"5" and text in ("", "."):
            continue
        parts = text.split("/")
        if len(text) > MAX_PATH or not all(_NAME.fullmatch(part) for part in parts):
            raise BadBundle("the bundle has a name that no file of a bundle has")
        size = _size(header[124:136])
        if kind == b"5" and size == 0:
            continue
        if kind not in (b"0", b"\0"):
            raise BadBundle("the bundle holds something that is neither a file nor a folder")
        yield text, size


def _size(field: bytes) -> int:
    if field[:1] == b"\x80":  # base 256, for 8 GiB and more
        found = int.from_bytes(field[1:])
        if found >= 2**53:
            raise BadBundle("the bundle names an impossible size")
        return found
    return _octal(field)


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,12}", text):
        raise BadBundle("this is no tar: a number in a header is none")
    return int(text, 8)


def _checksum(header: bytes) -> int:
    return sum(header[:148]) + 8 * 32 + sum(header[156:])


def _header(name: bytes, size: int) -> bytes:
    prefix, name = (b"", name) if len(name) <= 100 else _split(name)
    number = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11)
    start = name.ljust(100, b"\0") + b"0000600\0" + 2 * b"0000000\0" + number + b"00000000000\0"
    end = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + 2 * b"0000000\0"
    header = (start + b" " * 8 + end + prefix.ljust(155, b"\0")).ljust(_BLOCK, b"\0")
    return header[:148] + b"%06o\0 " % _checksum(header) + header[156:]


def _split(name: bytes) -> tuple[bytes, bytes]:
    folder, _, last = name.rpartition(b"/")
    if len(folder) > 155 or len(last) > 100:
        raise BadBundle("a name is too long for a bundle")
    return folder, last


def _copy(source: BinaryIO, out: BinaryIO, size: int) -> None:
    while size:
        block = source.read(min(_PIECE, size))
        if not block:
            raise BadBundle("the bundle breaks off; have it sent again")
        out.write(block)
        size -= len(block)


def _skip(source: BinaryIO, size: int) -> None:
    if len(source.read(size)) != size:
        raise BadBundle("the bundle breaks off; have it sent again")


def _beyond() -> BadBundle:
    return BadBundle(
        f"a bundle has at most {MAX_FILES} files and {MAX_TAGS >> 20} MiB beside its exhibits; "
        "have it made in parts"
    )
