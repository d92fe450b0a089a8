"""Sound: ID3 of MP3, comments of Ogg and FLAC, AIFF, AMR: who, when, with what; nothing is decoded.

A sound file hardly ever knows its zone. Voice messages (Opus, AMR) say nothing but their format
and the program that wrote them; that is said as well.
"""

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, places, times
from ingest.readers import id3
from ingest.readers.blocks import read_at, size_of

NAME = "audio"
VERSION = "sound reader 1"
FORMATS = frozenset(
    {
        "audio/mpeg", "audio/ogg", "video/ogg", "application/ogg", "audio/opus", "audio/flac",
        "audio/x-flac", "audio/x-aiff", "audio/aiff", "audio/amr", "audio/AMR", "audio/AMR-WB",
        "audio/aac", "audio/x-hx-aac-adts",
    }
)  # fmt: skip
# A FLAC of our own without sound: its form, and one comment.
SAMPLE = (
    b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0\0\0\xac\x44"
    + b"\0" * 16
    + b"\x84\0\0\x21\x08\0\0\0recorder\x01\0\0\0\x0d\0\0\0TITLE=bridges"
)

_ID3 = {
    "TIT2": "Title", "TPE1": "Artist", "TPE2": "Band", "TALB": "Album", "TCON": "Genre",
    "TRCK": "Track", "TYER": "Year", "TDRC": "RecordingTime", "TDRL": "ReleaseTime",
    "TDEN": "EncodingTime", "TDTG": "TaggingTime", "TDAT": "Date", "TIME": "Time",
    "TENC": "EncodedBy", "TSSE": "EncoderSettings", "TCOM": "Composer", "TCOP": "Copyright",
    "TPUB": "Publisher", "TIT1": "Grouping", "TIT3": "Subtitle", "TLAN": "Language",
    "TLEN": "Length", "TPOS": "PartOfSet", "TORY": "OriginalReleaseYear", "TDOR":
    "OriginalReleaseTime", "TCMP": "Compilation", "COMM": "Comment", "USLT": "Lyrics",
    "TT2": "Title", "TP1": "Artist", "TP2": "Band", "TAL": "Album", "TCO": "Genre", "TRK": "Track",
    "TYE": "Year", "TEN": "EncodedBy", "TSS": "EncoderSettings", "TCM": "Composer",
    "TCR": "Copyright", "TT1": "Grouping", "TPA": "PartOfSet", "TCP": "Compilation",
    "COM": "Comment", "ULT": "Lyrics", "WOAF": "FileURL", "WOAS": "SourceURL", "WCOM":
    "CommercialURL", "WORS": "InternetRadioStationURL", "TSRC": "ISRC", "TOWN": "FileOwner",
    "TSOP": "PerformerSortOrder", "TXXX": "UserDefinedText", "TXX": "UserDefinedText",
    "WXXX": "UserDefinedURL", "WXX": "UserDefinedURL", "PRIV": "Private",
}  # fmt: skip
_TIMES = frozenset({"RecordingTime", "ReleaseTime", "EncodingTime", "TaggingTime"})
_SHOWN = 2000
_MOST_PAGES = 64  # of Ogg: the comments stand in the first few
_MOST_COMMENTS = 1_000
_MOST_BLOCKS = 128  # of FLAC, chunks of AIFF
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # MPEG 1, layer 3


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the file says beside its sound, then what is broken."""
    start = 0
    head = read_at(file, 0, 10)
    if head[:3] == b"ID3":
        start = id3.length(head)
        yield from _id3(read_at(file, 0, min(max(start, 10), id3.MOST_TAG)), start)
    head = read_at(file, start, 12)
    if head[:4] == b"OggS":
        yield from _ogg(file, start)
    elif head[:4] == b"fLaC":
        yield from _flac(file, start)
    elif head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        yield from _aiff(file, start)
    elif head[:5] == b"#!AMR":
        kind = "AMR-WB" if head[5:8] == b"-WB" else "AMR-NB"
        yield _text("AMR:Codec", kind, "header")
    else:
        yield from _mpeg(file, start)
    for frame in id3.version_1(read_at(file, size_of(file) - 128, 128)):
        yield _text(f"{frame.group}:{frame.identifier}", frame.text, "ID3v1")


def _text(name: str, value: object, where: str) -> Fact:
    text = str(value)[:_SHOWN]
    return Fact(name, text, text, f"{VERSION} {where}")


def _id3(data: bytes, whole: int) -> Iterator[Item]:
    try:
        for frame in id3.frames(data):
            tag = _ID3.get(frame.identifier)
            if tag is None or not frame.text:
                continue
            name = f"{frame.group}:{tag}"
            where = f"{frame.identifier} {frame.described}".strip()[:100]
            if tag in _TIMES:
                normal = times.iso(frame.text)
                yield fact(name, frame.text[:_SHOWN], f"{VERSION} {where}", normal)
            elif tag.startswith("UserDefined"):
                yield _text(name, f"({frame.described}) {frame.text}", where)
            else:
                yield _text(name, frame.text, where)
    except id3.Broken as error:
        yield Problem(f"ID3: {error}")
    if whole > id3.MOST_TAG:
        yield Problem(f"ID3: a tag of more than {id3.MOST_TAG} bytes")


def _mpeg(file: BinaryIO, start: int) -> Iterator[Item]:
    """Yield the form of the first MPEG frame."""
    data = read_at(file, start, 8192)
    for at in range(len(data) - 4):
        if data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
            continue
        version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
        rate, bits = data[at + 2] >> 2 & 3, data[at + 2] >> 4
        if version == 1 or layer == 4 or rate == 3 or bits in {0, 15}:
            continue
        yield _text("MPEG:MPEGAudioVersion", {3: 1, 2: 2, 0: 2.5}[version], "frame")
        yield _text("MPEG:AudioLayer", layer, "frame")
        yield _text("MPEG:SampleRate", _RATES[version][rate], "frame")
        if version == 3 and layer == 3:
            yield _text("MPEG:AudioBitrate", _BITRATES[bits] * 1000, "frame")
        return
    yield Problem("no frame of sound at the beginning", incomplete=False)


def _ogg(file: BinaryIO, start: int) -> Iterator[Item]:
    """Yield the header and the comments of the first stream of an Ogg file."""
    packets: list[bytes] = [b""]
    at = start
    for _ in range(_MOST_PAGES):
        head = read_at(file, at, 27)
        if head[:4] != b"OggS" or len(head) < 27:
            break
        lacing = read_at(file, at + 27, head[26])
        body = read_at(file, at + 27 + head[26], sum(lacing))
        at += 27 + head[26] + sum(lacing)
        place = 0
        for length in lacing:
            packets[-1] += body[place : place + length]
            place += length
            if length < 255:
                packets.append(b"")
        if len(packets) > 2 or sum(map(len, packets)) > 1 << 20:
            break
    yield from _ogg_header(packets[0])
    if len(packets) < 2:
        yield Problem("Ogg: no comments, or cut off before them")
        return
    for mark in (b"OpusTags", b"\x03vorbis", b"\x81theora"):
        if packets[1].startswith(mark):
            yield from _comments(packets[1][len(mark) :], "Vorbis")
    if packets[0].startswith(b"\x7fFLAC"):
        yield from _comments(packets[1][4:], "Vorbis")


def _ogg_header(packet: bytes) -> Iterator[Fact]:
    if packet.startswith(b"OpusHead") and len(packet) >= 16:
        yield _text("Opus:AudioChannels", packet[9], "OpusHead")
        yield _text("Opus:SampleRate", int.from_bytes(packet[12:16], "little"), "OpusHead")
    elif packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        yield _text("Vorbis:AudioChannels", packet[11], "identification")
        yield _text("Vorbis:SampleRate", int.from_bytes(packet[12:16], "little"), "identification")
    elif packet.startswith(b"\x7fFLAC"):
        yield from _stream_info(packet[17:51])


def _comments(data: bytes, group: str) -> Iterator[Item]:
    """Yield the comments of Vorbis, Opus and FLAC: counted texts of the form KEY=value."""
    size = int.from_bytes(data[:4], "little")
    vendor = data[4 : 4 + min(size, _SHOWN)].decode("utf-8", "backslashreplace")
    if vendor:
        yield _text(f"{group}:Vendor", vendor, "comments")
    at = 4 + size
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    for _ in range(min(count, _MOST_COMMENTS)):
        size = int.from_bytes(data[at : at + 4], "little")
        raw = data[at + 4 : at + 4 + size]
        if len(raw) < size or at + 4 > len(data):
            yield Problem(f"{group}: a comment is cut off")
            return
        at += 4 + size
        key, _, text = raw[: 4 * _SHOWN].decode("utf-8", "backslashreplace").partition("=")
        tag = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", key))[:80]
        if not tag or not text or key.upper() == "METADATA_BLOCK_PICTURE":
            continue
        if tag in {"Date", "CreationTime"}:
            yield fact(f"{group}:{tag}", text[:_SHOWN], f"{VERSION} {key[:80]}", times.iso(text))
        else:
            yield _text(f"{group}:{tag}", text, key[:80])


def _flac(file: BinaryIO, start: int) -> Iterator[Item]:
    at = start + 4
    for _ in range(_MOST_BLOCKS):
        head = read_at(file, at, 4)
        if len(head) < 4:
            yield Problem("FLAC: cut off in its metadata")
            return
        kind, length = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind == 0:
            yield from _stream_info(read_at(file, at + 4, length))
        elif kind == 4:
            yield from _comments(read_at(file, at + 4, length), "Vorbis")
        at += 4 + length
        if head[0] & 0x80:
            return
    yield Problem(f"FLAC: more than {_MOST_BLOCKS} blocks of metadata")


def _stream_info(data: bytes) -> Iterator[Fact]:
    if len(data) < 34:
        return
    bits = int.from_bytes(data[10:18], "big")
    rate, total = bits >> 44, bits & (1 << 36) - 1
    yield _text("FLAC:SampleRate", rate, "STREAMINFO")
    yield _text("FLAC:Channels", (bits >> 41 & 7) + 1, "STREAMINFO")
    yield _text("FLAC:BitsPerSample", (bits >> 36 & 31) + 1, "STREAMINFO")
    yield _text("FLAC:TotalSamples", total, "STREAMINFO")
    if any(data[18:34]):
        yield _text("FLAC:MD5Signature", data[18:34].hex(), "STREAMINFO")
    if rate:
        yield _text("Composite:Duration", places.decimal(Fraction(total, rate)), "STREAMINFO")


def _aiff(file: BinaryIO, start: int) -> Iterator[Item]:
    names = {b"NAME": "Name", b"AUTH": "Author", b"(c) ": "Copyright", b"ANNO": "Annotation"}
    at, size = start + 12, size_of(file)
    for _ in range(_MOST_BLOCKS):
        head = read_at(file, at, 8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "big")
        data = read_at(file, at + 8, min(length, 65_536))
        if at + 8 + length > size:
            yield Problem(f"AIFF: chunk {head[:4].decode('latin-1')!r} is cut off")
        if head[:4] in names:
            yield _text(f"AIFF:{names[head[:4]]}", data.decode("latin-1").strip("\0 "), "chunk")
        elif head[:4] == b"COMM" and length >= 18 and len(data) >= 18:
            channels, frames, bits = struct.unpack(">HIH", data[:8])
            exponent, mantissa = struct.unpack(">HQ", data[8:18])
            rate = mantissa >> max(0, 16383 + 63 - (exponent & 0x7FFF))
            for name, number in (("NumChannels", channels), ("NumSampleFrames", frames),
                                 ("SampleSize", bits), ("SampleRate", rate)):  # fmt: skip
                yield _text(f"AIFF:{name}", number, "COMM")
        elif head[:4] == b"COMT":
            yield from _aiff_comments(data)
        elif head[:4] == b"ID3 ":
            yield from _id3(data, length)
        at += 8 + length + length % 2


def _aiff_comments(data: bytes) -> Iterator[Fact]:
    at = 2
    for _ in range(min(int.from_bytes(data[:2], "big"), 100)):
        stamp, _, length = struct.unpack_from(">IhH", data.ljust(at + 8, b"\0"), at)
        text = data[at + 8 : at + 8 + length].decode("latin-1").strip("\0 ")
        at += 8 + length + length % 2
        normal = times.since("quicktime", stamp)
        if normal is not None:  # seconds of the machine's own clock since 1904
            normal = normal._replace(value=normal.value.removesuffix("Z"), tz=times.UNKNOWN_ZONE)
            yield fact("AIFF:CommentTime", str(stamp), f"{VERSION} COMT", normal)
        if text:
            yield _text("AIFF:Comment", text, "COMT")
