"""The blocks of metadata in HEIC, AVIF, CR3, JPEG 2000 and JPEG XL: files made of boxes."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from ingest.readers.blocks import Block, Found, incomplete, read_at, whole_at
from ingest.readers.boxes import Box, Boxes, TooManyBoxes

XMP_UUID = "be7acfcb97a942e89c71999491e3afac"
EXIF_UUID = b"JpgTiffExif->JP2".hex()
IPTC_UUID = "33c7a4d2b81d4723a0baf1a3e097ad38"
CANON_UUID = "85c0b687820f11e08111f4ce462b6a48"
C2PA_UUID = "d8fec3d61b0e483c92975828877ec481"
_PARTS = {"CMT1": "exif", "CMT2": "exif-part", "CMT4": "gps-part"}  # of CR3
_MOST_ITEMS = 4096


def blocks(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of metadata of a picture made of boxes."""
    boxes = Boxes(file)
    try:
        for box in boxes.top():
            if box.cut and box.kind != "mdat":
                yield incomplete(f"box {box.kind!r} is cut off")
            yield from _top(boxes, box)
    except TooManyBoxes as error:
        yield incomplete(str(error))


def _top(boxes: Boxes, box: Box) -> Iterator[Found]:
    if box.kind == "ftyp":
        yield Block("header", "ftyp", boxes.content(box, 1024))
    elif box.kind == "meta":
        yield from _items(boxes, box)
    elif box.kind == "moov":  # CR3
        for inner in boxes.inside(box):
            if inner.uuid == CANON_UUID:
                for part in boxes.inside(inner):
                    if part.kind in _PARTS:
                        yield from _whole(boxes, part, _PARTS[part.kind], f"CR3 {part.kind}")
    elif box.uuid == XMP_UUID or box.kind == "xml ":
        yield from _whole(boxes, box, "xmp", "box uuid" if box.uuid else "box xml")
    elif box.uuid == C2PA_UUID or box.kind == "jumb":
        yield Block("c2pa", f"box {box.kind}", boxes.content(box, 4096))
    elif box.kind == "Exif":  # JPEG XL: four bytes say where the TIFF begins
        yield from _exif(boxes.content(box), "box Exif")
    elif box.kind == "brob":
        yield incomplete("JPEG XL: a box is packed with Brotli and was not read")
    elif box.kind == "jp2h":
        for inner in boxes.inside(box):
            if inner.kind in {"ihdr", "colr"}:
                yield Block("header", f"jp2h {inner.kind}", boxes.content(inner, 4096))
    elif box.uuid in {EXIF_UUID, IPTC_UUID}:
        yield from _whole(boxes, box, "exif" if box.uuid == EXIF_UUID else "iptc", "box uuid")


def _whole(boxes: Boxes, box: Box, kind: str, where: str) -> Iterator[Found]:
    data = whole_at(boxes.file, box.start, box.size)
    if data is None:
        yield incomplete(f"{where}: too long, or cut off")
    else:
        yield Block(kind, where, data)


def _exif(data: bytes, where: str) -> Iterator[Found]:
    """Yield the TIFF of an Exif item: the first four bytes say how far behind them it begins."""
    start = 4 + int.from_bytes(data[:4], "big")
    for place in (start, data.find(b"II*\0"), data.find(b"MM\0*")):
        if place >= 0 and data[place : place + 2] in {b"II", b"MM"}:
            yield Block("exif", where, data[place:])
            return
    yield incomplete(f"{where}: no Exif where it says")


def _items(boxes: Boxes, meta: Box) -> Iterator[Found]:
    """Yield the Exif and XMP items of a `meta` box, and the properties of the primary item."""
    parts = {box.kind: box for box in boxes.inside(meta, 4)}
    if "iprp" in parts:
        yield from _properties(boxes, parts)
    if "iinf" not in parts or "iloc" not in parts:
        return
    places = _locations(boxes.content(parts["iloc"]))
    idat = parts.get("idat")
    for number, kind, more in _infos(boxes, parts["iinf"]):
        wanted = kind == "Exif" or (kind == "mime" and b"application/rdf+xml" in more)
        if not wanted:
            continue
        if number not in places:
            yield incomplete(f"HEIF: item {number} ({kind}) has no place")
            continue
        data = _gathered(boxes, places[number], idat)
        if data is None:
            yield incomplete(f"HEIF: item {number} ({kind}) is cut off, too long or elsewhere")
        elif kind == "Exif":
            yield from _exif(data, "HEIF Exif")
        else:
            yield Block("xmp", "HEIF item", data)


def _properties(boxes: Boxes, parts: dict[str, Box]) -> Iterator[Found]:
    """Yield size and rotation of the primary item: the properties associated with it."""
    primary = boxes.content(parts["pitm"], 8) if "pitm" in parts else b""
    wanted = int.from_bytes(primary[4:], "big") if len(primary) >= 6 else 0
    inner = {box.kind: box for box in boxes.inside(parts["iprp"])}
    if "ipco" not in inner or "ipma" not in inner:
        return
    known = list(boxes.inside(inner["ipco"]))
    for index in _associated(boxes.content(inner["ipma"]), wanted):
        if 0 < index <= len(known) and known[index - 1].kind in {"ispe", "irot", "pixi", "colr"}:
            box = known[index - 1]
            if box.kind == "colr" and boxes.content(box, 4) in {b"prof", b"rICC"}:
                data = boxes.content(box)
                yield Block("icc", "HEIF colr", data[4:])
            elif box.kind != "colr":
                yield Block("header", f"HEIF {box.kind}", boxes.content(box, 64))


def _associated(data: bytes, wanted: int) -> list[int]:
    """Return the numbers of the properties of an item, from an `ipma` box."""
    if len(data) < 8:
        return []
    version, flags = data[0], data[3]
    count, at = struct.unpack(">I", data[4:8])[0], 8
    for _ in range(min(count, _MOST_ITEMS)):
        width = 4 if version else 2
        item = int.from_bytes(data[at : at + width], "big")
        at += width
        many = data[at] if at < len(data) else 0
        size = 2 if flags & 1 else 1
        raw = data[at + 1 : at + 1 + many * size]
        at += 1 + many * size
        if item == wanted:
            numbers = [int.from_bytes(raw[n : n + size], "big") for n in range(0, len(raw), size)]
            return [number & (0x7FFF if size == 2 else 0x7F) for number in numbers]
        if at >= len(data):
            break
    return []


def _infos(boxes: Boxes, iinf: Box) -> Iterator[tuple[int, str, bytes]]:
    """Yield number, type and the rest of each item that an `iinf` box lists."""
    version = read_at(boxes.file, iinf.start, 1)
    for box in boxes.inside(iinf, 8 if version > b"\0" else 6):
        data = boxes.content(box, 1024)
        if box.kind != "infe" or len(data) < 12 or data[0] < 2:
            continue
        width = 2 if data[0] == 2 else 4
        number = int.from_bytes(data[4 : 4 + width], "big")
        rest = data[4 + width + 2 :]  # after the protection index
        yield number, rest[:4].decode("latin-1"), rest[4:]


Places = tuple[int, list[tuple[int, int]]]  # the way of construction; offsets and lengths


def _locations(data: bytes) -> dict[int, Places]:
    """Return where each item lies, from an `iloc` box (ISO/IEC 14496-12, 8.11.3)."""
    if len(data) < 8:
        return {}
    version = data[0]
    sizes = (data[4] >> 4, data[4] & 15, data[5] >> 4, data[5] & 15 if version else 0)
    reader = _Numbers(data, 6)
    found: dict[int, Places] = {}
    for _ in range(min(reader.take(2 if version < 2 else 4), _MOST_ITEMS)):
        number = reader.take(2 if version < 2 else 4)
        way = reader.take(2) & 15 if version else 0
        reader.take(2)  # data reference
        base = reader.take(sizes[2])
        extents = []
        for _ in range(min(reader.take(2), 64)):
            reader.take(sizes[3])
            offset, length = reader.take(sizes[0]), reader.take(sizes[1])
            extents.append((base + offset, length))
        if reader.over:
            break
        found[number] = (way, extents)
    return found


class _Numbers:
    """Big-endian numbers of any width, one after the other; 0 beyond the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self.over = False

    def take(self, width: int) -> int:
        found = self._data[self._at : self._at + width]
        self._at += width
        self.over = self.over or len(found) < width
        return int.from_bytes(found, "big")


def _gathered(boxes: Boxes, places: Places, idat: Box | None) -> bytes | None:
    way, extents = places
    if way == 1 and idat is not None:
        base, end = idat.start, idat.end
    elif way == 0:
        base, end = 0, boxes.size
    else:
        return None
    found = b""
    for offset, length in extents:
        start = base + offset
        part = whole_at(boxes.file, start, length or end - start) if start <= end else None
        if part is None or len(found) + len(part) > 8 << 20:
            return None
        found += part
    return found
