"""The metadata of a film made of boxes: header, tracks, user data, keys, items; as plain values.

Bounds are those of ingest.readers.boxes; at most 64 tracks, and 4 KiB of any text.
"""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingest.readers.boxes import Box, Boxes

MOST_TRACKS = 64
MOST_ITEMS = 2_000
MOST_TEXT = 4096
NO_LENGTH = (1 << 64) - 1  # all ones: the length is not known


@dataclass(frozen=True, slots=True)
class Header:
    """Times since 1904, and the length in units: of the film (mvhd), a track or its media."""

    created: int
    modified: int
    scale: int
    duration: int
    number: int = 0  # of the track; of the film: the next one that a track would have
    width: int = 0  # 16.16, as is the height
    height: int = 0
    rotation: int | None = None
    rate: int = 0  # of playing, 16.16
    volume: int = 0  # 8.8
    layer: int = 0  # of a track, the frontmost being the lowest


@dataclass(slots=True)
class Track:
    """What a track says of itself."""

    head: Header | None = None
    media: Header | None = None
    handler: str = ""
    described: str = ""  # the handler's own words
    language: str = ""
    codec: str = ""
    compressor: str = ""
    width: int = 0
    height: int = 0
    channels: int = 0
    bits: int = 0
    vendor: str = ""  # of what wrote it
    dots: tuple[int, int] = (0, 0)  # an inch across and down, 16.16
    rate: int = 0  # of samples of sound
    samples: int = 0
    units: int = 0  # of the media's scale that all samples take


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of user data, or one key with its value."""

    group: str  # UserData, ItemList, Keys
    name: str  # "©xyz", "com.apple.quicktime.make"
    value: str
    language: str = ""


@dataclass(slots=True)
class Film:
    """Everything read of a film."""

    brand: str = ""
    brands: tuple[str, ...] = ()
    minor: int = 0
    head: Header | None = None
    tracks: list[Track] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    fragments: bool = False
    c2pa: bool = False
    media_offset: int = 0
    media_size: int = 0
    problems: list[str] = field(default_factory=list)


def read_header(data: bytes) -> Header | None:
    """Read mvhd, mdhd or the part of tkhd that is like them."""
    if len(data) < 24:
        return None
    if data[0] == 1 and len(data) >= 36:
        created, modified, scale, duration = struct.unpack(">QQIQ", data[4:32])
    else:
        created, modified, scale, duration = struct.unpack(">IIII", data[4:20])
        duration = NO_LENGTH if duration == 0xFFFFFFFF else duration
    return Header(created, modified, scale, duration)


def read_movie_header(data: bytes) -> Header | None:
    """Read mvhd: with it, how it is to be played and how many tracks there have been."""
    head, at = read_header(data), 32 if data[:1] == b"\1" else 20
    if head is None or len(data) < at + 80:
        return head
    rate, volume = struct.unpack_from(">IH", data, at)
    return replace(
        head, rate=rate, volume=volume, number=struct.unpack_from(">I", data, at + 76)[0]
    )


def read_track_header(data: bytes) -> Header | None:
    """Read tkhd: its number, size and the turn of its picture."""
    wide = data[:1] == b"\1"
    if len(data) < (96 if wide else 84):
        return None
    if wide:
        created, modified, number, _, duration = struct.unpack(">QQIIQ", data[4:36])
    else:
        created, modified, number, _, duration = struct.unpack(">5I", data[4:24])
        duration = NO_LENGTH if duration == 0xFFFFFFFF else duration
    at = 52 if wide else 40
    layer, _, volume = struct.unpack(">hHH", data[at - 8 : at - 2])
    a, b, _, c, d = struct.unpack(">5i", data[at : at + 20])
    width, height = struct.unpack(">II", data[at + 36 : at + 44])
    one = 1 << 16
    turns = {(one, 0, 0, one): 0, (0, one, -one, 0): 90, (-one, 0, 0, -one): 180,
             (0, -one, one, 0): 270}  # fmt: skip
    turn = turns.get((a, b, c, d))
    return Header(
        created, modified, 0, duration, number, width, height, turn, volume=volume, layer=layer
    )


def user_data(boxes: Boxes, box: Box) -> Iterator[Item]:
    """Yield the texts of a `udta` box: QuickTime's own, 3GPP's, and iTunes's list in it."""
    for inner in boxes.inside(box):
        if inner.kind == "meta":
            yield from items(boxes, inner)
        elif inner.kind.startswith("\xa9"):
            yield from _international(boxes.content(inner, MOST_TEXT), inner.kind)
        elif inner.kind == "loci":
            yield from _location(boxes.content(inner, MOST_TEXT))
        elif inner.kind in {"titl", "auth", "dscp", "perf", "cprt", "albm", "gnre"}:
            text = _plain(boxes.content(inner, MOST_TEXT)[6:])
            if text:
                yield Item("UserData", inner.kind, text)
        elif inner.kind in {"name", "@xyz", "date", "manu", "modl", "SDLN", "smrd", "cver", "vndr"}:
            text = _plain(boxes.content(inner, MOST_TEXT))
            if text:
                yield Item("UserData", inner.kind, text)


def items(boxes: Boxes, meta: Box) -> Iterator[Item]:
    """Yield the values of a `meta` box: Apple's keys, or iTunes's list."""
    # In MP4 four bytes of version stand first, in QuickTime none.
    head = boxes.content(meta, 8)
    skip = 0 if head[4:8] == b"hdlr" else 4
    parts = {box.kind: box for box in boxes.inside(meta, skip)}
    keys = _keys(boxes, parts["keys"]) if "keys" in parts else []
    if "ilst" not in parts:
        return
    for box in itertools.islice(boxes.inside(parts["ilst"]), MOST_ITEMS):
        number = int.from_bytes(box.kind.encode("latin-1"), "big")
        named = keys[number - 1] if 0 < number <= len(keys) else ""
        name = named or (box.kind if not keys else "")
        group = "Keys" if named else "ItemList"
        custom = _custom(boxes, box) if box.kind == "----" else ""
        for data in boxes.inside(box):
            if data.kind == "data" and name:
                value = _value(boxes.content(data, MOST_TEXT))
                if value:
                    yield Item(group, custom or name, value)


def _custom(boxes: Boxes, box: Box) -> str:
    names = [inner for inner in boxes.inside(box) if inner.kind == "name"]
    return _plain(boxes.content(names[0], 256)[4:]) if names else ""


def _keys(boxes: Boxes, box: Box) -> list[str]:
    data = boxes.content(box, 65_536)
    found, at = [], 8
    for _ in range(min(int.from_bytes(data[4:8], "big"), MOST_ITEMS)):
        length = int.from_bytes(data[at : at + 4], "big")
        if length < 8 or at + length > len(data):
            break
        found.append(data[at + 8 : at + length].decode("utf-8", "backslashreplace"))
        at += length
    return found


def _value(data: bytes) -> str:
    """Return a `data` box's value: type (4), country and language (4), value."""
    kind, value = int.from_bytes(data[:4], "big") & 0xFFFFFF, data[8:]
    if kind == 1:
        return _plain(value)
    if kind == 2:
        return value.decode("utf-16-be", "backslashreplace")
    if kind in {21, 22, 65, 66, 67, 74, 75, 76, 77, 78} and len(value) in {1, 2, 3, 4, 8}:
        return str(int.from_bytes(value, "big", signed=kind in {21, 65, 66, 67, 74}))
    if kind == 23 and len(value) == 4:
        return f"{struct.unpack('>f', value)[0]:.7g}"
    if kind == 24 and len(value) == 8:
        return f"{struct.unpack('>d', value)[0]:.15g}"
    return ""


def _international(data: bytes, name: str) -> Iterator[Item]:
    """Yield QuickTime's texts: length (2), language (2), text, as often as there is room."""
    if data[4:8] == b"data":  # written as iTunes does
        text = _value(data[8:])
        if text:
            yield Item("UserData", name, text)
        return
    at = 0
    for _ in range(16):
        length, code = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (0, 2))
        said = data[at + 4 : at + 4 + length]
        if not length or not said:
            return
        plain = said.decode("utf-8", "backslashreplace") if code >= 0x400 else _roman(said)
        yield Item("UserData", name, plain.strip("\0"), language(code))
        at += 4 + length


def _roman(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("mac-roman")


def _location(data: bytes) -> Iterator[Item]:
    """Yield 3GPP's location (TS 26.244): name, role, longitude, latitude, altitude."""
    if len(data) < 20:
        return
    name, rest = _terminated(data[6:])
    if len(rest) < 13:
        return
    longitude, latitude, altitude = struct.unpack(">3i", rest[1:13])
    places = ((latitude, 5), (longitude, 5), (altitude, 2))  # a metre, a centimetre
    numbers = [f"{number / 65536:.{digits}f}".rstrip("0") for number, digits in places]
    lat, lon, alt = (number.rstrip(".") for number in numbers)
    body, more = _terminated(rest[13:])
    notes, _ = _terminated(more)
    role = {0: "shooting", 1: "real", 2: "fictional"}.get(rest[0], str(rest[0]))
    text = f"{name or '(none)'} Role={role} Lat={lat} Lon={lon} Alt={alt} Body={body}"
    yield Item("UserData", "loci", f"{text} Notes={notes}")


def _terminated(data: bytes) -> tuple[str, bytes]:
    """Return a text that ends with NUL, in UTF-8 or with a mark in UTF-16, and what follows it."""
    if data[:2] not in {b"\xfe\xff", b"\xff\xfe"}:
        text, _, rest = data.partition(b"\0")
        return text.decode("utf-8", "backslashreplace"), rest
    end = next((n for n in range(2, len(data) - 1, 2) if data[n : n + 2] == b"\0\0"), len(data))
    return data[:end].decode("utf-16", "backslashreplace"), data[end + 2 :]


def _plain(data: bytes) -> str:
    if data[:2] in {b"\xfe\xff", b"\xff\xfe"}:
        return data.decode("utf-16", "backslashreplace").strip("\0 ")
    return data.decode("utf-8", "backslashreplace").strip("\0 ")


def language(code: int) -> str:
    """Return the three letters of a packed ISO 639-2 code; empty for Macintosh's own codes."""
    if code < 0x400 or code == 0x7FFF:
        return ""
    letters = "".join(chr(0x60 + (code >> shift & 31)) for shift in (10, 5, 0))
    return letters if letters.isalpha() else ""  # damage may be anything
