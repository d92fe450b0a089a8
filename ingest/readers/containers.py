"""Open any container by its first bytes, and go through its members once."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.readers import packed, tars, zips
from ingest.readers.members import (
    BLOCK,
    Budget,
    Entry,
    Exhausted,
    FromBlocks,
    FromFile,
    Unreadable,
    held,
    size_of,
    text_of,
)
from ingest.readers.peek import Peek
from ingest.readers.rars import MAGIC_4, MAGIC_5, read_rar
from ingest.readers.sevenzip import MAGIC as MAGIC_7Z
from ingest.readers.sevenzip import read_sevenzip
from ingest.readers.streams import bunzip, gunzip, gzip_header, read_blocks, unxz, unzstd

ZIP, TAR, SEVENZIP, RAR = "zip", "tar", "7z", "rar"
GZIP, BZIP2, XZ, ZSTD = "gzip", "bzip2", "xz", "zstd"
_STREAMS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    GZIP: gunzip, BZIP2: bunzip, XZ: unxz, ZSTD: unzstd,
}  # fmt: skip


@dataclass(slots=True)
class Container:
    """An opened container. `problems` grows while the entries are gone through."""

    kind: str
    entries: Iterator[Entry]
    problems: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)  # what it says of itself
    encrypted: bool = False  # not even the names can be read


def kind_of(head: bytes) -> str | None:
    """Return the kind of container that begins so; None: none that is read here."""
    if zips.is_zip(head):
        return ZIP
    if tars.is_header(head[: tars.RECORD]):
        return TAR
    for magic, kind in (
        (MAGIC_7Z, SEVENZIP), (MAGIC_4, RAR), (MAGIC_5, RAR), (b"\x1f\x8b\x08", GZIP),
        (b"BZh", BZIP2), (b"\xfd7zXZ\0", XZ), (b"\x28\xb5\x2f\xfd", ZSTD),
    ):  # fmt: skip
        if head.startswith(magic):
            return kind
    return None


def open_container(file: BinaryIO, budget: Budget) -> Container | None:
    """Open a seekable file as a container; None: it is none.

    A zip that something stands before (a program that unpacks itself) is found by its end.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: its directory is damaged.
    """
    file.seek(0)
    head = file.read(BLOCK)
    match kind_of(head):
        case "zip":
            return _zip(file, budget)
        case "tar":
            problems: list[str] = []
            return Container(TAR, tars.members(FromFile(file), budget, problems), problems)
        case "7z":
            seven = read_sevenzip(file)
            packed.readable(seven.entries, file)
            return Container(
                SEVENZIP, iter(seven.entries), seven.problems, encrypted=seven.encrypted_header
            )
        case "rar":
            rar = read_rar(file, budget)
            notes = {"Version": str(rar.version)}
            if rar.volume:
                notes["Volume"] = "part of a set"
            else:
                packed.readable(rar.entries, file)
            return Container(
                RAR, iter(rar.entries), rar.problems, notes, encrypted=rar.encrypted_header
            )
        case None:
            return None
        case stream:
            return _stream(file, head, stream, budget)


def names_of(peek: Peek) -> tuple[str, ...]:
    """Return the first names of a zip, a tar, or a compressed tar (of which the beginning)."""
    if peek.names:
        return peek.names
    kind = kind_of(peek.head)
    if kind not in _STREAMS:
        return ()
    found: list[str] = []
    budget = Budget(0.3, 1.0, produced=4 << 20)
    with contextlib.suppress(Unreadable, Exhausted):  # of what is whole in the first bytes
        source = FromBlocks(_STREAMS[kind](iter([peek.head])))
        found.extend(entry.path for entry in tars.members(source, budget, []))
    return tuple(found)


def scan(
    container: Container, budget: Budget, wanted: Callable[[Entry], int]
) -> Iterator[tuple[Entry, bytes | None]]:
    """Go through the members once; those wanted come with their content.

    Args:
        container: freshly opened.
        budget: bounds the work.
        wanted: how many bytes of a member are worth holding; 0: none.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: the container is damaged from here on.
    """
    for entry in container.entries:
        content = None
        most = wanted(entry)
        if most:
            try:
                content = held(entry, budget, most)
            except Unreadable as error:
                container.problems.append(f"{entry.path[:200]}: {error}")
            except Exhausted as error:
                budget.check()  # if it is the time that is up, there is no going on
                container.problems.append(f"{entry.path[:200]}: {error}")
        yield entry, content


def _zip(file: BinaryIO, budget: Budget) -> Container:
    found = zips.read_zip(file, budget)
    notes = {"Comment": text_of(found.comment)} if found.comment else {}
    if found.overlapping:
        found.problems.append(f"{found.overlapping} members share bytes with others: not read")
    return Container(ZIP, iter(found.entries), found.problems, notes)


def _stream(file: BinaryIO, head: bytes, kind: str, budget: Budget) -> Container:
    """Open a compressed stream: the tar inside it, or the one file that it is."""
    length = size_of(file)
    problems: list[str] = []

    def blocks() -> Iterator[bytes]:
        for block in _STREAMS[kind](read_blocks(file, 0, length)):
            budget.spend(len(block))
            yield block

    inside = FromBlocks(blocks())
    try:
        first = inside.take(tars.RECORD)
    except Unreadable as error:
        first = b""
        problems.append(str(error))
    if tars.is_header(first):
        members = tars.members(FromBlocks(blocks()), budget, problems)
        return Container(f"tar in {kind}", members, problems)
    header = gzip_header(head) if kind == GZIP else None
    notes: dict[str, str] = {}
    if header and header.comment:
        notes["Comment"] = text_of(header.comment)
    size = 0
    if kind == GZIP and length >= 18:  # what the last four bytes say, modulo 4 GiB
        file.seek(length - 4)
        size = int.from_bytes(file.read(4), "little")
    entry = Entry(
        path=text_of(header.name) if header and header.name else "(one file without a name)",
        size=size,
        modified_at=header.modified_at if header else None,
        packed=length,
        read=blocks,
    )
    return Container(kind, iter([entry]), problems, notes)
