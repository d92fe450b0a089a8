"""Matroska and WebM: when and by which program a film was written, its tracks and its tags.

    element = identifier (1–4 bytes) | length (1–8 bytes) | content

Clusters, which hold picture and sound, are passed over. Times are UTC by the specification.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, places, times
from ingest.readers.blocks import read_at, size_of

NAME = "matroska"
VERSION = "EBML reader 1"
FORMATS = frozenset({"video/x-matroska", "video/webm", "audio/x-matroska", "audio/webm"})
# A film of our own without frames: its kind, its time and the program that wrote it.
SAMPLE = bytes.fromhex(
    "1a45dfa38b4282886d6174726f736b6118538067a21549a9669d2ad7b1830f4240"
    "44618808c24d66674700005741887265636f72646572"
)

MOST_ELEMENTS = 20_000
MOST_DEPTH = 8
_EPOCH_2001 = 978_307_200  # seconds from 1970 to 2001, where DateUTC counts from
_MASTERS = {
    0x1A45DFA3: "EBML", 0x18538067: "Segment", 0x1549A966: "Info", 0x1654AE6B: "Tracks",
    0xAE: "Track", 0xE0: "Video", 0xE1: "Audio", 0x1254C367: "Tags", 0x7373: "Tag",
    0x67C8: "SimpleTag", 0x1941A469: "Attachments", 0x61A7: "AttachedFile",
}  # fmt: skip
_TEXT, _NUMBER, _FLOAT, _DATE = "text", "number", "float", "date"
_NAMES = {
    0x4282: ("DocType", _TEXT), 0x4287: ("DocTypeVersion", _NUMBER),
    0x4285: ("DocTypeReadVersion", _NUMBER), 0x2AD7B1: ("TimecodeScale", _NUMBER),
    0x4489: ("Duration", _FLOAT), 0x4461: ("DateTimeOriginal", _DATE),
    0x7BA9: ("Title", _TEXT), 0x4D80: ("MuxingApp", _TEXT), 0x5741: ("WritingApp", _TEXT),
    0xD7: ("TrackNumber", _NUMBER), 0x73C5: ("TrackUID", _NUMBER), 0x83: ("TrackType", _NUMBER),
    0x536E: ("TrackName", _TEXT), 0x22B59C: ("TrackLanguage", _TEXT), 0x86: ("CodecID", _TEXT),
    0x258688: ("CodecName", _TEXT), 0x23E383: ("DefaultDuration", _NUMBER),
    0xB0: ("ImageWidth", _NUMBER), 0xBA: ("ImageHeight", _NUMBER),
    0x54B0: ("DisplayWidth", _NUMBER), 0x54BA: ("DisplayHeight", _NUMBER),
    0xB5: ("AudioSampleRate", _FLOAT), 0x9F: ("AudioChannels", _NUMBER),
    0x6264: ("AudioBitsPerSample", _NUMBER), 0x45A3: ("TagName", _TEXT),
    0x4487: ("TagString", _TEXT), 0x466E: ("AttachedFileName", _TEXT),
    0x4660: ("AttachedFileMIMEType", _TEXT),
}  # fmt: skip
_PASSED = frozenset({0x1F43B675, 0x1C53BB6B, 0x114D9B74, 0xEC, 0xBF})  # clusters, cues, seek, void
_MOST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class _Element:
    identifier: int
    start: int
    end: int
    cut: bool


class _TooMany(ValueError):
    """More elements than any sound file has beside its clusters."""


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = size_of(file)
        self._left = MOST_ELEMENTS

    def elements(self, start: int, end: int) -> Iterator[_Element]:
        while start < end:
            self._left -= 1
            if self._left < 0:
                raise _TooMany(f"more than {MOST_ELEMENTS} elements")
            head = read_at(self._file, start, 12)
            identifier, width = _variable(head, keep=True)
            length, more = _variable(head[width:], keep=False)
            if not width or not more:
                return
            content = start + width + more
            unknown = length == (1 << 7 * more) - 1  # a live recording: to the end
            stop = end if unknown else content + length
            yield _Element(identifier, content, min(stop, end), stop > end)
            start = stop

    def content(self, element: _Element, most: int = _MOST_TEXT) -> bytes:
        return read_at(self._file, element.start, min(element.end - element.start, most))


def _variable(data: bytes, *, keep: bool) -> tuple[int, int]:
    """Return a number of variable length and its width; a width of 0: there is none."""
    if not data or not data[0]:
        return 0, 0
    width = 9 - data[0].bit_length()
    if len(data) < width or (keep and width > 4):
        return 0, 0
    number = int.from_bytes(data[:width], "big")
    return (number if keep else number & ~(1 << 7 * width)), width


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what stands beside the clusters of a film, then what is broken."""
    reader = _Reader(file)
    walk = _Walk(reader)
    try:
        yield from walk.within(0, reader.size, ())
    except _TooMany as error:
        yield Problem(str(error))


class _Walk:
    """Where we are: the track, the tag's name, and the unit of the duration."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._tracks = 0
        self._scale = 1_000_000
        self._tag = ""

    def within(self, start: int, end: int, path: tuple[str, ...]) -> Iterator[Item]:
        for element in self._reader.elements(start, end):
            if element.cut:
                yield Problem(f"element {element.identifier:X} is cut off")
            if element.identifier in _PASSED or len(path) > MOST_DEPTH:
                continue
            master = _MASTERS.get(element.identifier)
            if master is not None:
                self._tracks += master == "Track"
                yield from self.within(element.start, element.end, (*path, master))
            elif element.identifier in _NAMES and path:
                yield from self._leaf(element, path)

    def _leaf(self, element: _Element, path: tuple[str, ...]) -> Iterator[Fact]:
        name, kind = _NAMES[element.identifier]
        data = self._reader.content(element)
        group = f"Track{self._tracks}" if "Track" in path else "Matroska"
        source = f"{VERSION} {'/'.join(path)} {element.identifier:X}"
        if kind == _DATE and len(data) == 8:
            nanoseconds = int.from_bytes(data, "big", signed=True)
            normal = times.since(
                "unix", nanoseconds + _EPOCH_2001 * 10**9, per_second=1_000_000_000
            )
            if normal is not None and normal.value.endswith(".000000000Z"):
                normal = normal._replace(value=normal.value[:19] + "Z")
            yield fact(f"{group}:{name}", str(nanoseconds), source, normal)
            return
        value = _value(data, kind)
        if not value:
            return
        if name == "TagName":
            self._tag = value
        elif name == "TagString" and self._tag:
            tag = "".join(part.capitalize() for part in self._tag.replace(" ", "_").split("_"))
            tag = "".join(c for c in tag if c.isascii() and (c.isalnum() or c == "-"))[:80]
            if tag:
                yield Fact(f"Matroska:{tag}", value, value, f"{source} {self._tag[:80]}")
        elif name == "Duration":
            seconds = places.decimal(Fraction(value) * self._scale / 10**9)
            yield Fact("Matroska:Duration", seconds, value, source)
        elif name == "TimecodeScale":
            self._scale = int(value)
        else:
            yield from self._track_leaf(group, name, value, source)

    def _track_leaf(self, group: str, name: str, value: str, source: str) -> Iterator[Fact]:
        if name == "CodecID":
            name = "VideoCodecID" if value.startswith("V_") else "AudioCodecID"
        if name == "DefaultDuration" and int(value):
            rate = places.decimal(Fraction(10**9, int(value)))
            yield Fact(f"{group}:VideoFrameRate", rate, value, source)
        elif name == "TrackUID":
            yield Fact(f"{group}:{name}", f"{int(value):x}", value, source)
        elif name != "DefaultDuration":
            yield Fact(f"{group}:{name}", value, value, source)


def _value(data: bytes, kind: str) -> str:
    if kind == _TEXT:
        return data.split(b"\0")[0].decode("utf-8", "backslashreplace").strip()
    if kind == _NUMBER:
        return str(int.from_bytes(data, "big")) if 0 < len(data) <= 8 else ""
    if len(data) in {4, 8}:
        number = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
        if abs(number) < 1e15:  # and so a number at all
            return places.decimal(Fraction(number))
    return ""
