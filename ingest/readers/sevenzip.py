"""7z archives: names, sizes, times and what is encrypted, from the header; contents stay packed.

The header is itself compressed by LZMA, which is the one thing unpacked here. Written after
7zFormat.txt of the LZMA SDK. Every count is checked against the bytes that could hold it.
"""

import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.readers.members import (
    FILE,
    FOLDER,
    LINK,
    MOST_HELD,
    MOST_MEMBERS,
    MOST_NAME,
    WINDOWS,
    Entry,
    Unreadable,
    read_at,
    size_of,
    utc,
)

MAGIC = b"7z\xbc\xaf\x27\x1c"
_END, _HEADER, _PROPERTIES, _STREAMS, _FILES = 0, 1, 2, 4, 5
_PACK, _FOLDERS, _SUBSTREAMS, _SIZE, _CRC, _FOLDER, _CODER_SIZE, _COUNT = 6, 7, 8, 9, 10, 11, 12, 13
_EMPTY_STREAM, _EMPTY_FILE, _NAMES, _MODIFIED, _ATTRIBUTES, _ENCODED = 14, 15, 17, 20, 21, 23
_AES = bytes.fromhex("06f10701")
_LZMA, _LZMA2, _COPY = b"\x03\x01\x01", b"\x21", b"\0"
_MOST_FOLDERS = 100_000
_MEMORY = 64 << 20  # of a header's dictionary


@dataclass(slots=True)
class SevenZip:
    """What the header says."""

    entries: list[Entry] = field(default_factory=list)
    encrypted_header: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    """One group of streams packed together."""

    coders: list[tuple[bytes, bytes]]  # method, properties
    packed: int  # streams it is made of
    outs: int
    main: int = 0  # the out stream nobody takes in
    sizes: list[int] = field(default_factory=list)
    streams: int = 1
    digest: bool = False  # of the whole folder stands in the header

    @property
    def encrypted(self) -> bool:
        return any(method == _AES for method, _ in self.coders)

    @property
    def size(self) -> int:
        return self.sizes[self.main] if self.main < len(self.sizes) else 0


class _Reader:
    """A header's bytes, read from the front; reading beyond the end is damage."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise Unreadable("the 7z header is damaged")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """Return a number of 1 to 9 bytes; the first says by its leading ones how many follow."""
        first, mask, value = self.byte(), 0x80, 0
        for count in range(8):
            if not first & mask:
                return value + ((first & (mask - 1)) << (8 * count))
            value |= self.byte() << (8 * count)
            mask >>= 1
        return value

    def count(self, most: int) -> int:
        found = self.number()
        if found > most:
            raise Unreadable(f"the 7z header counts {found}")
        return found

    def bits(self, count: int) -> list[bool]:
        data = self.take((count + 7) // 8)
        return [bool(data[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def some(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)


def read_sevenzip(file: BinaryIO) -> SevenZip:
    """Return what the header of an archive says.

    Raises:
        Unreadable: there is none, or it is damaged.
    """
    found = SevenZip()
    file.seek(0)
    start = file.read(32)
    if len(start) < 32 or start[:6] != MAGIC:
        raise Unreadable("no 7z header")
    offset, length = (int.from_bytes(start[n : n + 8], "little") for n in (12, 20))
    if zlib.crc32(start[12:32]).to_bytes(4, "little") != start[8:12]:
        found.problems.append("the CRC of the start header does not hold")
    if not length:
        return found
    if length > MOST_HELD or 32 + offset + length > size_of(file):
        raise Unreadable("the header is said to stand beyond the end: a part is missing")
    file.seek(32 + offset)
    data = file.read(length)
    if zlib.crc32(data).to_bytes(4, "little") != start[28:32]:
        found.problems.append("the CRC of the header does not hold")
    for _ in range(4):  # a packed header may hold a packed header
        reader = _Reader(data)
        kind = reader.byte()
        if kind == _HEADER:
            _header(reader, found)
            return found
        if kind != _ENCODED:
            break
        place, sizes, folders = _streams(reader)
        if not folders or not sizes:
            break
        if folders[0].encrypted:
            found.encrypted_header = True
            return found
        data = _unpack(read_at(file, 32 + place, min(sizes[0], MOST_HELD)), folders[0])
    raise Unreadable("the 7z header is damaged")


def _unpack(data: bytes, folder: _Folder) -> bytes:
    if len(folder.coders) != 1 or folder.size > MOST_HELD:
        raise Unreadable("the 7z header is packed in a way not read here")
    method, properties = folder.coders[0]
    if method == _COPY:
        return data[: folder.size]
    chosen: dict[str, int]
    if method == _LZMA and len(properties) == 5 and properties[0] < 225:
        first = properties[0]
        chosen = {
            "id": lzma.FILTER_LZMA1, "lc": first % 9, "lp": first // 9 % 5, "pb": first // 45,
            "dict_size": min(_MEMORY, max(4096, int.from_bytes(properties[1:], "little"))),
        }  # fmt: skip
    elif method == _LZMA2:
        chosen = {"id": lzma.FILTER_LZMA2, "dict_size": _MEMORY}
    else:
        raise Unreadable("the 7z header is packed in a way not read here")
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chosen])
        return unpacker.decompress(data, folder.size)
    except (lzma.LZMAError, ValueError, EOFError) as error:
        raise Unreadable(f"the 7z header is damaged: {error}") from error


def _streams(reader: _Reader) -> tuple[int, list[int], list[_Folder]]:
    """Return where the packed streams begin, their sizes, and the folders."""
    place, sizes, folders = 0, list[int](), list[_Folder]()
    while (kind := reader.byte()) != _END:
        if kind == _PACK:
            place, sizes = _packed(reader)
        elif kind == _FOLDERS:
            folders = _folders(reader)
        elif kind == _SUBSTREAMS:
            _substreams(reader, folders)
        else:
            raise Unreadable("the 7z header is damaged")
    return place, sizes, folders


def _packed(reader: _Reader) -> tuple[int, list[int]]:
    place, count = reader.number(), reader.count(_MOST_FOLDERS)
    sizes: list[int] = []
    while (kind := reader.byte()) != _END:
        if kind == _SIZE:
            sizes = [reader.number() for _ in range(count)]
        elif kind == _CRC:
            reader.take(4 * sum(reader.some(count)))
        else:
            raise Unreadable("the 7z header is damaged")
    return place, sizes


def _folders(reader: _Reader) -> list[_Folder]:
    if reader.byte() != _FOLDER:
        raise Unreadable("the 7z header is damaged")
    count = reader.count(_MOST_FOLDERS)
    if reader.byte():
        raise Unreadable("the 7z header keeps its folders elsewhere")
    folders = [_folder(reader) for _ in range(count)]
    while (kind := reader.byte()) != _END:
        if kind == _CODER_SIZE:
            for each in folders:
                each.sizes = [reader.number() for _ in range(each.outs)]
        elif kind == _CRC:
            known = reader.some(count)
            reader.take(4 * sum(known))
            for each, digest in zip(folders, known, strict=True):
                each.digest = digest
        else:
            raise Unreadable("the 7z header is damaged")
    return folders


def _folder(reader: _Reader) -> _Folder:
    coders: list[tuple[bytes, bytes]] = []
    ins = outs = 0
    for _ in range(reader.count(32)):
        flags = reader.byte()
        method = reader.take(flags & 15)
        coder_ins, coder_outs = (reader.count(32), reader.count(32)) if flags & 16 else (1, 1)
        coders.append((method, reader.take(reader.count(MOST_NAME)) if flags & 32 else b""))
        ins, outs = ins + coder_ins, outs + coder_outs
    bound = {(reader.number(), reader.number())[1] for _ in range(max(0, outs - 1))}
    packed = max(0, ins - max(0, outs - 1))
    if packed > 1:
        for _ in range(packed):
            reader.number()
    free = [n for n in range(outs) if n not in bound]
    return _Folder(coders, packed, outs, free[0] if free else 0)


def _substreams(reader: _Reader, folders: list[_Folder]) -> None:
    """Set how many streams each folder holds, and the size of each (the last one's is the rest)."""
    kind = reader.byte()
    if kind == _COUNT:
        for each in folders:
            each.streams = reader.count(MOST_MEMBERS)
        kind = reader.byte()
    if sum(each.streams for each in folders) > MOST_MEMBERS:
        raise Unreadable(f"more than {MOST_MEMBERS} members")
    known = [each.size for each in folders]
    if kind == _SIZE:
        for each in folders:
            said = [reader.number() for _ in range(max(0, each.streams - 1))]
            each.sizes = [*said, max(0, each.size - sum(said))] if each.streams else []
        kind = reader.byte()
    else:
        for each, size in zip(folders, known, strict=True):
            each.sizes = [size] * each.streams
    while kind != _END:
        if kind != _CRC:
            raise Unreadable("the 7z header is damaged")
        unknown = sum(each.streams for each in folders if each.streams != 1 or not each.digest)
        reader.take(4 * sum(reader.some(unknown)))
        kind = reader.byte()


def _header(reader: _Reader, found: SevenZip) -> None:
    folders: list[_Folder] = []
    while (kind := reader.byte()) != _END:
        if kind == _PROPERTIES:
            while reader.byte() != _END:
                reader.take(reader.number())
        elif kind == _STREAMS:
            _, _, folders = _streams(reader)
        elif kind == _FILES:
            _files(reader, folders, found)
        else:
            raise Unreadable("the 7z header is damaged")


def _files(reader: _Reader, folders: list[_Folder], found: SevenZip) -> None:
    count = reader.count(MOST_MEMBERS)
    names = [""] * count
    times: list[str | None] = [None] * count
    attributes = [0] * count
    empty, folder_like = [False] * count, [True] * count
    while (kind := reader.byte()) != _END:
        part = _Reader(reader.take(reader.number()))
        if kind == _EMPTY_STREAM:
            empty = part.bits(count)
        elif kind == _EMPTY_FILE:
            marks = iter(part.bits(sum(empty)))
            folder_like = [not next(marks) if none else True for none in empty]
        elif kind == _NAMES:
            _no_external(part)
            texts = part.take(len(part.data) - part.at).decode("utf-16-le", "backslashreplace")
            names = [name[:MOST_NAME] for name in texts.split("\0", count)[:count]]
        elif kind == _MODIFIED:
            times = _each(part, count, 8, _time)
        elif kind == _ATTRIBUTES:
            attributes = [value or 0 for value in _each(part, count, 4, lambda value: value)]
    sizes = [(size, each.encrypted) for each in folders for size in each.sizes]
    streams = iter(sizes)
    for n, name in enumerate(names):
        size, encrypted = (0, False) if empty[n] else next(streams, (0, False))
        kind_of = FILE
        if empty[n] and folder_like[n]:
            kind_of = FOLDER
        elif attributes[n] & 0x8000 and attributes[n] >> 16 & 0o170000 == 0o120000:
            kind_of = LINK
        found.entries.append(
            Entry(name, size, kind=kind_of, modified_at=times[n], encrypted=encrypted)
        )


def _each(part: _Reader, count: int, width: int, read: Callable[[int], object]) -> list:  # type: ignore[type-arg]
    present = part.some(count)
    _no_external(part)
    return [read(int.from_bytes(part.take(width), "little")) if it else None for it in present]


def _no_external(part: _Reader) -> None:
    if part.byte():
        raise Unreadable("the 7z header keeps a list elsewhere")


def _time(ticks: int) -> str | None:
    return utc(WINDOWS, microseconds=ticks // 10)
