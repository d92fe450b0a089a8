"""AVI and WAV: times, device, what the recorder wrote of itself, streams; frames are never decoded.

AVI has no zone in any of its times. A broadcast wave file (bext) states date and time of day, and
no zone either.
"""

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, places, times
from ingest.readers import xmp_facts
from ingest.readers.blocks import read_at
from ingest.readers.riff import Chunk, TooManyChunks, chunks

NAME = "riff"
VERSION = "RIFF reader 1"
FORMATS = frozenset(
    {"video/x-msvideo", "video/avi", "audio/x-wav", "audio/wav", "audio/vnd.wave", "audio/wave"}
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


# A wave file of our own without sound: its form, and the program that wrote it.
SAMPLE = _chunk(
    b"RIFF",
    b"WAVE"
    + _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16))
    + _chunk(b"LIST", b"INFO" + _chunk(b"ISFT", b"recorder") + _chunk(b"ICRD", b"2020-01-05"))
    + _chunk(b"data", b"\0" * 16_000),
)

_LISTS = frozenset({"AVI ", "WAVE", "hdrl", "strl", "INFO", "exif", "odml", "Tdat"})
_INFO = {
    "IARL": "ArchivalLocation", "IART": "Artist", "ICMS": "Commissioned", "ICMT": "Comment",
    "ICOP": "Copyright", "ICRD": "DateCreated", "IENG": "Engineer", "IGNR": "Genre",
    "IKEY": "Keywords", "ILNG": "Language", "IMED": "Medium", "INAM": "Title",
    "IPRD": "Product", "IPRO": "ProducedBy", "IPRT": "TrackNumber", "ISBJ": "Subject",
    "ISFT": "Software", "ISRC": "Source", "ISRF": "SourceForm", "ITCH": "Technician",
    "IDIT": "DateTimeOriginal", "ISMP": "TimeCode", "ICNT": "Country", "ILOC": "Location",
}  # fmt: skip
_EXIF = {"ecor": "Make", "emdl": "Model", "emnt": "MakerNotes", "erel": "RelatedImageFile",
         "etim": "TimeCreated", "eucm": "UserComment", "ever": "ExifVersion"}  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MOST_TEXT = 2000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the chunks beside picture and sound say, then what is broken."""
    stream = ""
    rate = 0
    try:
        for chunk in chunks(file, _LISTS):
            if chunk.cut:
                yield Problem(f"chunk {chunk.kind!r} is cut off")
            data = _content(file, chunk)
            if chunk.kind == "strh":
                stream = data[:4].decode("latin-1")
            elif chunk.kind == "fmt " and len(data) >= 12:
                rate = int.from_bytes(data[8:12], "little")
            elif chunk.kind == "data" and rate:
                seconds = places.decimal(Fraction(chunk.end - chunk.start, rate))
                yield _text("Composite:Duration", seconds, chunk)
            yield from _said(chunk, data, stream)
    except TooManyChunks as error:
        yield Problem(str(error))


def _content(file: BinaryIO, chunk: Chunk) -> bytes:
    """Return what is read of a chunk: nothing of sound, pictures and indexes."""
    most = (
        1 << 20 if chunk.kind == "_PMX" else 0 if chunk.kind in {"data", "idx1", "LIST"} else 65_536
    )
    return read_at(file, chunk.start, min(chunk.end - chunk.start, most))


def _text(name: str, value: object, chunk: Chunk) -> Fact:
    return Fact(name, str(value), str(value), f"{VERSION} {_shown(chunk.kind)}")


def _shown(kind: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", kind)


def _said(chunk: Chunk, data: bytes, stream: str) -> Iterator[Item]:
    if chunk.kind == "avih" and len(data) >= 40:
        yield from _avi(chunk, data)
    elif chunk.kind == "strh" and len(data) >= 36:
        yield from _stream(chunk, data)
    elif chunk.kind == "fmt " or (chunk.kind == "strf" and stream == "auds"):
        yield from _sound(chunk, data)
    elif chunk.kind == "strf" and stream == "vids" and len(data) >= 20:
        yield _text("RIFF:BitDepth", int.from_bytes(data[14:16], "little"), chunk)
        yield _text("RIFF:Compression", data[16:20].decode("latin-1").strip("\0 "), chunk)
    elif chunk.kind == "bext" and len(data) >= 346:
        yield from _broadcast(chunk, data)
    elif chunk.kind == "_PMX":
        yield from xmp_facts.facts(data, "chunk _PMX")
    elif chunk.kind in _INFO and (chunk.path[-1:] == ("INFO",) or chunk.kind == "IDIT"):
        yield from _info(chunk, data, _INFO[chunk.kind])
    elif chunk.kind in _EXIF and chunk.path[-1:] == ("exif",):
        yield from _info(chunk, data, _EXIF[chunk.kind])


def _avi(chunk: Chunk, data: bytes) -> Iterator[Fact]:
    numbers = struct.unpack("<10I", data[:40])
    if numbers[0]:
        yield _text("RIFF:FrameRate", places.decimal(Fraction(1_000_000, numbers[0])), chunk)
        seconds = Fraction(numbers[4] * numbers[0], 1_000_000)
        yield _text("Composite:Duration", places.decimal(seconds), chunk)
    yield _text("RIFF:FrameCount", numbers[4], chunk)
    yield _text("RIFF:StreamCount", numbers[6], chunk)
    yield _text("RIFF:ImageWidth", numbers[8], chunk)
    yield _text("RIFF:ImageHeight", numbers[9], chunk)


def _stream(chunk: Chunk, data: bytes) -> Iterator[Fact]:
    kind, codec = (data[n : n + 4].decode("latin-1").strip("\0 ") for n in (0, 4))
    scale, rate, _, length = struct.unpack("<4I", data[20:36])
    word = {"vids": "Video", "auds": "Audio"}.get(kind)
    yield _text("RIFF:StreamType", kind, chunk)
    if word is None:
        return
    if codec:
        yield _text(f"RIFF:{word}Codec", codec, chunk)
    if scale:
        name = "VideoFrameRate" if word == "Video" else "AudioSampleRate"
        yield _text(f"RIFF:{name}", places.decimal(Fraction(rate, scale)), chunk)
    count = "VideoFrameCount" if word == "Video" else "AudioSampleCount"
    yield _text(f"RIFF:{count}", length, chunk)


def _sound(chunk: Chunk, data: bytes) -> Iterator[Fact]:
    if len(data) < 16:
        return
    encoding, channels, rate, average, _, bits = struct.unpack("<HHIIHH", data[:16])
    yield _text("RIFF:Encoding", encoding, chunk)
    yield _text("RIFF:NumChannels", channels, chunk)
    yield _text("RIFF:SampleRate", rate, chunk)
    yield _text("RIFF:AvgBytesPerSec", average, chunk)
    yield _text("RIFF:BitsPerSample", bits, chunk)


def _broadcast(chunk: Chunk, data: bytes) -> Iterator[Fact]:
    """Yield what a broadcast wave file says of its recording (EBU Tech 3285)."""
    for name, start, end in (
        ("Description", 0, 256),
        ("Originator", 256, 288),
        ("OriginatorReference", 288, 320),
    ):
        text = _decoded(data[start:end])
        if text:
            yield _text(f"RIFF:{name}", text, chunk)
    raw = f"{_decoded(data[320:330])} {_decoded(data[330:338])}"
    written = re.sub(r"([0-9]{4})[-:_. ]([0-9]{2})[-:_. ]([0-9]{2}) ([0-9]{2})[-:_. ]([0-9]{2})"
                     r"[-:_. ]([0-9]{2})", r"\1-\2-\3T\4:\5:\6", raw)  # fmt: skip
    if raw.strip():
        yield fact("RIFF:DateTimeOriginal", raw, f"{VERSION} bext", times.iso(written))
    yield _text("RIFF:TimeReference", int.from_bytes(data[338:346], "little"), chunk)
    history = _decoded(data[602:]) if len(data) > 602 else ""
    if history:
        yield _text("RIFF:CodingHistory", history[:_MOST_TEXT], chunk)


def _info(chunk: Chunk, data: bytes, tag: str) -> Iterator[Item]:
    text = _decoded(data)[:_MOST_TEXT]
    if not text:
        return
    dates = {"DateTimeOriginal", "DateCreated"}
    if tag in dates and not (text.isascii() and text.replace("\n", " ").isprintable()):
        yield Problem(f"chunk {chunk.kind}: what stands for a date is no text", incomplete=False)
    elif tag in dates:
        normal = _moment(text)
        yield fact(f"RIFF:{tag}", text, f"{VERSION} {chunk.kind}", normal)
    else:
        yield _text(f"RIFF:{tag}", text, chunk)


def _moment(text: str) -> Normal | None:
    """Read the ways that cameras write a time in an AVI: `Mon Mar 10 15:04:43 2003` and others."""
    words = re.fullmatch(
        r"[A-Z]{3} ([A-Z]{3}) +([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})",
        text.strip(),
        re.I,
    )
    if words and words[1].lower() in _MONTHS:
        month = _MONTHS.index(words[1].lower()) + 1
        clock = f"{words[3]}:{words[4]}:{words[5]}"
        return times.iso(f"{words[6]}-{month:02}-{int(words[2]):02}T{clock}")
    return times.iso(text.replace("/", "-")) or times.exif(text)


def _decoded(data: bytes) -> str:
    text = data.split(b"\0")[0]
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace").strip()
