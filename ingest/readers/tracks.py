"""Reads the boxes of a film into `Film`: what ingest.readers.quicktime can read of each."""

import struct
from typing import BinaryIO

from ingest.readers.blocks import whole_at
from ingest.readers.boxes import Box, Boxes, TooManyBoxes
from ingest.readers.heif import C2PA_UUID, XMP_UUID
from ingest.readers.quicktime import (
    MOST_TRACKS,
    Film,
    Track,
    items,
    language,
    read_header,
    read_movie_header,
    read_track_header,
    user_data,
)


def film(file: BinaryIO) -> Film:
    """Return everything read of a film; what is broken is among its problems."""
    found = Film()
    boxes = Boxes(file)
    try:
        for box in boxes.top():
            if box.cut:
                found.problems.append(f"box {box.kind!r} is cut off")
            _top(boxes, box, found)
    except TooManyBoxes as error:
        found.problems.append(str(error))
    if found.head is None and not found.fragments:
        found.problems.append("no header (moov): the film was cut off, or never finished")
    return found


def _top(boxes: Boxes, box: Box, found: Film) -> None:
    if box.kind == "ftyp":
        data = boxes.content(box, 1024)
        found.brand = data[:4].decode("latin-1")
        found.minor = int.from_bytes(data[4:8], "big")
        brands = (data[n : n + 4].decode("latin-1") for n in range(8, len(data) - 3, 4))
        found.brands = tuple(brand for brand in brands if brand.strip("\0 "))
    elif box.kind == "moov":
        for inner in boxes.inside(box):
            _movie(boxes, inner, found)
    elif box.kind == "mdat":
        found.media_offset = found.media_offset or box.start
        found.media_size += box.size
    elif box.kind == "moof":
        found.fragments = True
    elif box.kind == "meta":
        found.items += items(boxes, box)
    elif box.uuid == XMP_UUID:
        _xmp(boxes, box, found)
    elif box.uuid == C2PA_UUID:
        found.c2pa = True


def _movie(boxes: Boxes, box: Box, found: Film) -> None:
    if box.kind == "mvhd":
        found.head = read_movie_header(boxes.content(box, 120))
        if found.head is None:
            found.problems.append("mvhd is too short")
    elif box.kind == "trak":
        if len(found.tracks) < MOST_TRACKS:
            found.tracks.append(_track(boxes, box))
        elif len(found.tracks) == MOST_TRACKS:
            found.problems.append(f"more than {MOST_TRACKS} tracks")
            found.tracks.append(Track())
    elif box.kind == "udta":
        for inner in boxes.inside(box):
            if inner.kind == "XMP_":
                _xmp(boxes, inner, found)
        found.items += user_data(boxes, box)
    elif box.kind == "meta":
        found.items += items(boxes, box)
    elif box.kind == "mvex":
        found.fragments = True
    elif box.kind == "cmov":
        found.problems.append("the header is packed (cmov) and was not read")


def _xmp(boxes: Boxes, box: Box, found: Film) -> None:
    data = whole_at(boxes.file, box.start, box.size)
    if data is None:
        found.problems.append("an XMP packet is too long, or cut off")
    else:
        found.xmp.append(data)


def _track(boxes: Boxes, box: Box) -> Track:
    track = Track()
    for inner in boxes.inside(box):
        if inner.kind == "tkhd":
            track.head = read_track_header(boxes.content(inner, 120))
        elif inner.kind == "mdia":
            _media(boxes, inner, track)
    return track


def _media(boxes: Boxes, box: Box, track: Track) -> None:
    for inner in boxes.inside(box):
        if inner.kind == "mdhd":
            data = boxes.content(inner, 64)
            track.media = read_header(data)
            at = 32 if data[:1] == b"\1" else 20
            track.language = language(int.from_bytes(data[at : at + 2], "big"))
        elif inner.kind == "hdlr":
            data = boxes.content(inner, 512)
            track.handler = data[8:12].decode("latin-1")
            track.described = _name(data[24:])
        elif inner.kind == "minf":
            table = boxes.find(inner.start, inner.end, "stbl")
            if table is not None:
                for part in boxes.inside(table):
                    _table(boxes, part, track)


def _name(data: bytes) -> str:
    """Return a handler's name: counted in QuickTime, ended by NUL in MP4."""
    if data and data[0] == len(data) - 1:
        data = data[1:]
    elif data and data[0] < 32 and data[0] < len(data):
        data = data[1 : 1 + data[0]]
    return data.split(b"\0")[0].decode("utf-8", "backslashreplace").strip()


def _table(boxes: Boxes, box: Box, track: Track) -> None:
    if box.kind == "stts":
        data = boxes.content(box, 8 + 8 * 65_536)
        count = min(int.from_bytes(data[4:8], "big"), (len(data) - 8) // 8)
        for n in range(max(0, count)):
            many, units = struct.unpack_from(">II", data, 8 + 8 * n)
            track.samples += many
            track.units += many * units
    elif box.kind == "stsd":
        _description(boxes.content(box, 512), track)


def _description(data: bytes, track: Track) -> None:
    """Read the first sample description: codec, and size of the picture or form of the sound."""
    entry = data[8:]
    track.codec = entry[4:8].decode("latin-1").strip("\0")
    if track.handler == "vide" and len(entry) >= 86:
        track.width, track.height = struct.unpack(">HH", entry[32:36])
        track.compressor = entry[51 : 51 + min(entry[50], 31)].decode("latin-1")
        track.bits = int.from_bytes(entry[82:84], "big")
        track.vendor = entry[20:24].decode("latin-1").strip("\0 ")
        track.dots = struct.unpack(">II", entry[36:44])
    elif track.handler == "soun" and len(entry) >= 36:
        version = int.from_bytes(entry[16:18], "big")
        track.channels, track.bits = struct.unpack(">HH", entry[24:28])
        track.rate = int.from_bytes(entry[32:34], "big")
        if version == 2 and len(entry) >= 60:
            track.rate = int(struct.unpack(">d", entry[40:48])[0])
            track.channels = int.from_bytes(entry[48:52], "big")
