"""Expert Witness images (E01, L01, Ex01, Lx01): sections, chunks, and the media they hold.

Written after libewf's documentation of the format, so that the first segment alone says what it
can, and no library opens files of its own. `Image` gathers the segments it is given; `media` reads
any place of the disk, `chunks` all of it in order.
"""

import bz2
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.readers.members import Unreadable, read_at, size_of

E01, L01 = b"EVF\t\r\n\xff\0", b"LVF\t\r\n\xff\0"
EX01, LX01 = b"EVF2\r\n\x81\0", b"LEF2\r\n\x81\0"
MAGICS = (E01, L01, EX01, LX01)
_MOST_SECTIONS = 50_000
_MOST_CHUNK = 64 << 20
_MOST_TEXT = 16 << 20
_MOST_CHUNKS = 40_000_000  # of all tables: 1.2 TB at 32 KiB
_V2_TYPES = {
    1: "device", 2: "case", 3: "sectors", 4: "table", 5: "error2", 6: "session", 8: "md5",
    9: "sha1", 11: "keys", 12: "extents", 13: "next", 14: "final", 15: "done", 32: "ltree",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its kind, and where its data stands in which segment."""

    kind: str
    file: BinaryIO
    start: int
    size: int
    flags: int = 0

    def read(self, most: int = _MOST_TEXT) -> bytes:
        """Return its data."""
        return read_at(self.file, self.start, min(self.size, most))


@dataclass(slots=True)
class _Table:
    """The place of a run of chunks."""

    first: int
    count: int
    section: Section
    version: int
    base: int = 0
    end: int = 0  # where the chunk data ends, for the size of the last one


@dataclass(slots=True)
class Image:
    """The segments of one image as far as they are here."""

    version: int = 1
    logical: bool = False
    segments: list[int] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    complete: bool = False  # the last segment is here
    problems: list[str] = field(default_factory=list)
    chunk_size: int = 0
    chunk_count: int = 0
    size: int = 0  # bytes of the media
    compression: int = 1  # of version 2: 1 deflate, 2 bzip2
    identifier: str = ""
    _tables: list[_Table] = field(default_factory=list)
    _held: tuple[int, bytes] = (-1, b"")

    def all(self, kind: str) -> Iterator[Section]:
        """Yield the sections of a kind."""
        return (section for section in self.sections if section.kind == kind)

    @property
    def chunks_here(self) -> int:
        """How many chunks the tables that are here place."""
        return sum(table.count for table in self._tables)

    def chunk(self, number: int) -> bytes:
        """Return one chunk of the media.

        Raises:
            Unreadable: it is not here, or damaged.
        """
        if self._held[0] == number:
            return self._held[1]
        for table in self._tables:
            if table.first <= number < table.first + table.count:
                data = self._chunk(table, number - table.first)
                left = self.size - number * self.chunk_size
                data = data[: max(0, left)] if self.size else data
                self._held = (number, data)
                return data
        raise Unreadable(f"chunk {number} is not in the segments given")

    def chunks(self) -> Iterator[bytes]:
        """Yield all chunks in order; raises as `chunk`."""
        for number in range(self.chunk_count):
            yield self.chunk(number)

    def media(self, start: int, length: int) -> bytes:
        """Return bytes of the media, fewer at its end; raises as `chunk`."""
        found = bytearray()
        while length > 0 and start < self.size and self.chunk_size:
            number, inside = divmod(start, self.chunk_size)
            part = self.chunk(number)[inside : inside + length]
            if not part:
                break
            found += part
            start += len(part)
            length -= len(part)
        return bytes(found)

    def _chunk(self, table: _Table, place: int) -> bytes:
        file = table.section.file
        if table.version == 2:
            return self._chunk_2(table, place)
        entries = read_at(file, table.section.start + 24 + 4 * place, 8)
        here = int.from_bytes(entries[:4], "little")
        after = int.from_bytes(entries[4:8], "little")
        packed, offset = bool(here & 0x80000000), table.base + (here & 0x7FFFFFFF)
        end = table.end
        if place + 1 < table.count:
            end = table.base + (after & 0x7FFFFFFF)
            if end <= offset:  # beyond 2 GiB EnCase 6.7 drops the mark of compression
                packed, offset, end = False, table.base + here, table.base + after
        if not 0 < end - offset <= min(_MOST_CHUNK, 2 * self.chunk_size + 1024):
            end = offset + self.chunk_size + 4
        data = read_at(file, offset, end - offset)
        if packed:
            return _inflated(data, self.chunk_size)
        return data[: self.chunk_size]

    def _chunk_2(self, table: _Table, place: int) -> bytes:
        file = table.section.file
        entry = read_at(file, table.section.start + 32 + 16 * place, 16)
        if len(entry) < 16:
            raise Unreadable("the table of chunks is cut off")
        offset, size, flags = struct.unpack("<QII", entry)
        if flags & 4:
            return entry[:8] * (self.chunk_size // 8)
        if size > min(_MOST_CHUNK, 2 * self.chunk_size + 1024):
            raise Unreadable("a chunk of an impossible size")
        data = read_at(file, offset, size)
        if not flags & 1:
            return data[: self.chunk_size]
        if self.compression == 2:
            try:
                return bz2.BZ2Decompressor().decompress(data, self.chunk_size)
            except (OSError, ValueError) as error:
                raise Unreadable(f"a chunk is damaged: {error}") from error
        return _inflated(data, self.chunk_size)


def open_image(files: Sequence[BinaryIO]) -> Image:
    """Open the segments of an image; their order is taken from their own numbers.

    Raises:
        Unreadable: none of them is a segment.
    """
    numbered: list[tuple[int, BinaryIO]] = []
    image = Image()
    for file in files:
        head = read_at(file, 0, 32)
        magic = head[:8]
        if magic in {E01, L01} and len(head) >= 13:
            numbered.append((int.from_bytes(head[9:11], "little"), file))
            image.logical = image.logical or magic == L01
        elif magic in {EX01, LX01} and len(head) >= 32:
            image.version = 2
            image.compression = int.from_bytes(head[10:12], "little")
            numbered.append((int.from_bytes(head[12:16], "little"), file))
            image.logical = image.logical or magic == LX01
            image.identifier = head[16:32].hex()
    if not numbered:
        raise Unreadable("no segment of an Expert Witness image")
    numbered.sort(key=lambda each: each[0])
    image.segments = [number for number, _ in numbered]
    for _, file in numbered:
        (_sections_2 if image.version == 2 else _sections_1)(file, image)
    image.complete = any(section.kind == "done" for section in image.sections)
    _geometry(image)
    (_tables_2 if image.version == 2 else _tables_1)(image)
    return image


def _sections_1(file: BinaryIO, image: Image) -> None:
    at, end = 13, size_of(file)
    while len(image.sections) < _MOST_SECTIONS:
        head = read_at(file, at, 76)
        if len(head) < 76:
            image.problems.append("a segment ends early")
            return
        kind = head[:16].split(b"\0")[0].decode("ascii", "replace")
        following, size = struct.unpack_from("<QQ", head, 16)
        if zlib.adler32(head[:72]) != int.from_bytes(head[72:], "little"):
            image.problems.append(f"the checksum of section {kind[:16]!r} does not hold")
            if not kind.isalnum():
                return
        length = size - 76 if size >= 76 else max(0, following - at - 76)
        image.sections.append(Section(kind, file, at + 76, max(0, min(length, end - at - 76))))
        if kind in {"done", "next"} or following <= at:
            return
        at = following


def _sections_2(file: BinaryIO, image: Image) -> None:
    found: list[Section] = []
    at = size_of(file) - 64
    while at >= 32 and len(found) < _MOST_SECTIONS:
        head = read_at(file, at, 64)
        kind, flags, before, size, length, padding = struct.unpack_from("<IIQQII", head)
        if zlib.adler32(head[:60]) != int.from_bytes(head[60:], "little") or length != 64:
            image.problems.append("the checksum of a section does not hold")
            break
        start = at - size - padding if size <= at else 32
        found.append(Section(_V2_TYPES.get(kind, str(kind)), file, max(32, start), size, flags))
        if before >= at or not before:
            break
        at = before
    image.sections += reversed(found)


def _geometry(image: Image) -> None:
    """Take chunk size, chunk count and media size from the volume section, or the texts of v2."""
    if image.version == 2:
        said = text_values(image, "device") | text_values(image, "case")
        number = {key: int(value) for key, value in said.items() if value.isdecimal()}
        sector = number.get("bp", 512)
        image.chunk_size = number.get("sb", 64) * sector
        image.chunk_count, image.size = number.get("tb", 0), number.get("ts", 0) * sector
    else:
        for section in image.sections:
            if section.kind in {"volume", "disk", "data"} and section.size >= 24:
                data = section.read(1052)
                count, sectors, sector = struct.unpack_from("<III", data, 4)
                width = "<Q" if section.size >= 1052 else "<I"
                media = struct.unpack_from(width, data, 16)[0] * sector
                image.chunk_size, image.chunk_count, image.size = sectors * sector, count, media
                break
    if not 0 < image.chunk_size <= _MOST_CHUNK:
        image.problems.append("no size of chunks that can be")
        image.chunk_size = image.chunk_count = 0
    elif image.logical:
        image.size = image.chunk_count * image.chunk_size


def _tables_1(image: Image) -> None:
    first, data_end = 0, 0
    for section in image.sections:
        if section.kind == "sectors":
            data_end = section.start + section.size
        if section.kind != "table" or section.size < 24:
            continue
        head = section.read(24)
        count, base = int.from_bytes(head[:4], "little"), int.from_bytes(head[8:16], "little")
        count = min(count, (section.size - 24) // 4, _MOST_CHUNKS - first)
        end = data_end if data_end > 0 else section.start + section.size
        image._tables.append(_Table(first, count, section, 1, base, end))  # noqa: SLF001
        first += count


def _tables_2(image: Image) -> None:
    for section in image.all("table"):
        head = section.read(32)
        if len(head) == 32:
            first, count = struct.unpack_from("<QI", head)
            count = min(count, (section.size - 32) // 16)
            image._tables.append(_Table(first, count, section, 2))  # noqa: SLF001


def text_values(image: Image, kind: str) -> dict[str, str]:
    """Return the values of a text section (header2, header, device, case), by their short names."""
    for section in image.all(kind):
        data = section.read()
        if image.version == 2 and image.compression == 2:
            text = bz2.BZ2Decompressor().decompress(data, _MOST_TEXT)
        else:
            text = _inflated(data, _MOST_TEXT)
        lines = decoded(text).splitlines()
        for n, line in enumerate(lines[:-1]):
            if line.strip() == "main" and n + 2 < len(lines):
                names, values = lines[n + 1].split("\t"), lines[n + 2].split("\t")
                return dict(zip(names, values, strict=False))
    return {}


def decoded(text: bytes) -> str:
    """Return a text section's bytes as text: UTF-16 with or without its mark, else UTF-8."""
    if text[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return text.decode("utf-16", "backslashreplace")
    if text[1:2] == b"\0":
        return text.decode("utf-16-le", "backslashreplace")
    return text.decode("utf-8", "backslashreplace")


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise Unreadable(f"packed data is damaged: {error}") from error
