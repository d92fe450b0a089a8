"""The picture file itself: size, comments, colour profile, Photoshop's traces, what is broken.

Reads what stands beside the pixels and never decodes them. Exif, XMP and IPTC have extractors of
their own; what is wrong with the container is said here, once.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.readers import icc, iptc, pictures
from ingest.readers.blocks import Block

NAME = "picture"
VERSION = "picture reader 1"
FORMATS = frozenset(
    {
        "image/jpeg", "image/tiff", "image/png", "image/apng", "image/webp", "image/avif",
        "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/jxl",
        "image/jp2", "image/jpx", "image/gif", "image/bmp", "image/x-ms-bmp",
        "image/vnd.adobe.photoshop", "image/x-adobe-dng", "image/x-canon-cr2",
        "image/x-canon-cr3", "image/x-nikon-nef", "image/x-sony-arw", "image/x-fuji-raf",
    }
)  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


# A PNG of our own, one pixel: a comment and a time beside it.
SAMPLE = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", b"\0\0\0\x01\0\0\0\x01\x08\0\0\0\0")
    + _chunk(b"tEXt", b"Comment\0bridge")
    + _chunk(b"tIME", b"\x07\xe4\x01\x05\x0f\x04\0")
    + _chunk(b"IDAT", zlib.compress(b"\0\0"))
    + _chunk(b"IEND", b"")
)
_SHOWN = 2000
_PROCESSES = {0xC0: "Baseline DCT, Huffman coding"}
# Keys of PNG texts that are not written as ExifTool writes them.
_PNG_KEYS = {"create-date": "CreateDate", "modify-date": "ModDate", "Creation Time": "CreationTime"}
_PNG_TIMES = frozenset({"CreationTime", "CreateDate", "ModDate", "Datecreate", "Datemodify"})


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the container says of the picture, and what is wrong with it."""
    for block in pictures.blocks(file):
        if isinstance(block, Problem):
            yield block
        elif block.kind == "header":
            yield from _header(block.where, block.data)
        elif block.kind == "icc":
            for name, text in icc.said(block.data):
                yield _text(name, text, block.where)
        elif block.kind == "comment":
            yield _text("File:Comment", _decoded(block.data), block.where)
        elif block.kind == "text":
            yield from _png_text(block)
        elif block.kind == "photoshop":
            yield from _photoshop(block)


def _text(name: str, text: str, where: str) -> Fact:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…[cut: {len(text)}]"
    return Fact(name, shown.strip(), shown, f"{VERSION} {where}")


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        return data.decode("latin-1").rstrip("\0")


def _header(where: str, data: bytes) -> Iterator[Fact]:
    values = _HEADERS[where](data) if where in _HEADERS else {}
    for name, value in values.items():
        yield Fact(name, str(value), str(value), f"{VERSION} {where}")
    if where == "PNG tIME" and len(data) == 7:
        year = int.from_bytes(data[:2], "big")
        text = f"{year:04}:" + "{:02}:{:02} {:02}:{:02}:{:02}".format(*data[2:])
        normal = times.exif(text)  # UTC by the form; programs write local time as well
        yield fact("PNG:ModifyDate", text, f"{VERSION} {where}", normal)


def _jfif(data: bytes) -> dict[str, object]:
    if len(data) < 7:
        return {}
    return {
        "JFIF:JFIFVersion": f"{data[0]}.{data[1]:02}",
        "JFIF:ResolutionUnit": data[2],
        "JFIF:XResolution": int.from_bytes(data[3:5], "big"),
        "JFIF:YResolution": int.from_bytes(data[5:7], "big"),
    }


def _sof(data: bytes) -> dict[str, object]:
    if len(data) < 6:
        return {}
    return {
        "File:ImageWidth": int.from_bytes(data[3:5], "big"),
        "File:ImageHeight": int.from_bytes(data[1:3], "big"),
        "File:BitsPerSample": data[0],
        "File:ColorComponents": data[5],
    }


def _ihdr(data: bytes) -> dict[str, object]:
    if len(data) < 13:
        return {}
    return {
        "PNG:ImageWidth": int.from_bytes(data[:4], "big"),
        "PNG:ImageHeight": int.from_bytes(data[4:8], "big"),
        "PNG:BitDepth": data[8],
        "PNG:ColorType": data[9],
        "PNG:Interlace": data[12],
    }


def _phys(data: bytes) -> dict[str, object]:
    if len(data) < 9:
        return {}
    return {
        "PNG-pHYs:PixelsPerUnitX": int.from_bytes(data[:4], "big"),
        "PNG-pHYs:PixelsPerUnitY": int.from_bytes(data[4:8], "big"),
        "PNG-pHYs:PixelUnits": data[8],
    }


def _vp8x(data: bytes) -> dict[str, object]:
    if len(data) < 10:
        return {}
    return {
        "RIFF:ImageWidth": int.from_bytes(data[4:7], "little") + 1,
        "RIFF:ImageHeight": int.from_bytes(data[7:10], "little") + 1,
    }


def _vp8(data: bytes) -> dict[str, object]:
    if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
        return {}
    return {
        "RIFF:ImageWidth": int.from_bytes(data[6:8], "little") & 0x3FFF,
        "RIFF:ImageHeight": int.from_bytes(data[8:10], "little") & 0x3FFF,
    }


def _vp8l(data: bytes) -> dict[str, object]:
    if len(data) < 5 or data[0] != 0x2F:
        return {}
    bits = int.from_bytes(data[1:5], "little")
    return {
        "RIFF:ImageWidth": (bits & 0x3FFF) + 1,
        "RIFF:ImageHeight": (bits >> 14 & 0x3FFF) + 1,
    }


def _gif(data: bytes) -> dict[str, object]:
    if len(data) < 13:
        return {}
    return {
        "GIF:GIFVersion": data[3:6].decode("latin-1"),
        "GIF:ImageWidth": int.from_bytes(data[6:8], "little"),
        "GIF:ImageHeight": int.from_bytes(data[8:10], "little"),
    }


def _bmp(data: bytes) -> dict[str, object]:
    if len(data) < 30:
        return {}
    return {
        "File:ImageWidth": abs(int.from_bytes(data[18:22], "little", signed=True)),
        "File:ImageHeight": abs(int.from_bytes(data[22:26], "little", signed=True)),
        "File:BitDepth": int.from_bytes(data[28:30], "little"),
    }


def _psd(data: bytes) -> dict[str, object]:
    if len(data) < 26:
        return {}
    return {
        "Photoshop:ImageHeight": int.from_bytes(data[14:18], "big"),
        "Photoshop:ImageWidth": int.from_bytes(data[18:22], "big"),
        "Photoshop:NumChannels": int.from_bytes(data[12:14], "big"),
        "Photoshop:BitDepth": int.from_bytes(data[22:24], "big"),
        "Photoshop:ColorMode": int.from_bytes(data[24:26], "big"),
    }


def _ftyp(data: bytes) -> dict[str, object]:
    brands = [data[n : n + 4].decode("latin-1") for n in range(8, len(data) - 3, 4)]
    group = "Jpeg2000" if data[:4] in {b"jp2 ", b"jpx ", b"jxl "} else "QuickTime"
    return {
        f"{group}:MajorBrand": data[:4].decode("latin-1"),
        f"{group}:CompatibleBrands": " ".join(brand for brand in brands if brand.strip("\0 ")),
    }


def _ispe(data: bytes) -> dict[str, object]:
    if len(data) < 12:
        return {}
    return {
        "File:ImageWidth": int.from_bytes(data[4:8], "big"),
        "File:ImageHeight": int.from_bytes(data[8:12], "big"),
    }


def _irot(data: bytes) -> dict[str, object]:
    return {"QuickTime:Rotation": (data[0] & 3) * 90} if data else {}


def _jp2_ihdr(data: bytes) -> dict[str, object]:
    if len(data) < 10:
        return {}
    return {
        "Jpeg2000:ImageHeight": int.from_bytes(data[:4], "big"),
        "Jpeg2000:ImageWidth": int.from_bytes(data[4:8], "big"),
        "Jpeg2000:NumberOfComponents": int.from_bytes(data[8:10], "big"),
    }


_HEADERS = {
    "JFIF": _jfif, "JPEG SOF": _sof, "PNG IHDR": _ihdr, "PNG pHYs": _phys, "RIFF VP8X": _vp8x,
    "RIFF VP8 ": _vp8, "RIFF VP8L": _vp8l, "GIF": _gif, "BMP": _bmp, "PSD": _psd, "ftyp": _ftyp,
    "HEIF ispe": _ispe, "HEIF irot": _irot, "jp2h ihdr": _jp2_ihdr,
}  # fmt: skip


def _png_text(block: Block) -> Iterator[Fact]:
    key, _, value = block.data.partition(b"\0")
    name = key.decode("latin-1")
    tag = _PNG_KEYS.get(name) or re.sub(r"[^A-Za-z0-9_-]+", "", name)
    tag = (tag[:1].upper() + tag[1:])[:80] or "Unnamed"
    text = value.decode("utf-8", "backslashreplace")
    source = f"{VERSION} {block.where} {name}"[:200]
    if tag in _PNG_TIMES:
        normal = times.iso(text) or times.exif(text) or times.mail(text)
        yield fact(f"PNG:{tag}", text[:_SHOWN], source, normal)
    else:
        yield _text(f"PNG:{tag}", text, f"{block.where} {name}"[:200])


def _photoshop(block: Block) -> Iterator[Item]:
    """Yield what Photoshop's image resources say of who wrote and read the file."""
    try:
        for number, data in iptc.resources(block.data):
            if number == 0x0421 and len(data) > 9:  # version info: two counted UTF-16 texts
                at = 5
                for name in ("WriterName", "ReaderName"):
                    length = int.from_bytes(data[at : at + 4], "big")
                    text = data[at + 4 : at + 4 + 2 * min(length, 500)]
                    at += 4 + 2 * min(length, 500)
                    shown = text.decode("utf-16-be", "replace").rstrip("\0")
                    yield _text(f"Photoshop:{name}", shown, block.where)
            elif number == 0x040A and data:
                yield _text("Photoshop:CopyrightFlag", str(data[0]), block.where)
            elif number == 0x040B and data:
                yield _text("Photoshop:URL", _decoded(data), block.where)
            elif number == 0x0406 and len(data) >= 2:
                quality = int.from_bytes(data[:2], "big", signed=True)
                yield _text("Photoshop:PhotoshopQuality", str(quality), block.where)
    except iptc.Broken as error:
        if block.where != "PSD":  # the reader has said so
            yield Problem(f"{block.where}: {error}")
