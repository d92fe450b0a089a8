"""The chunks of a PNG, and the blocks of metadata in them.

chunk = length (4) | type (4) | data | CRC-32 over type and data (4)
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.readers.blocks import (
    MOST_BLOCK,
    MOST_BLOCKS,
    MOST_TOTAL,
    Block,
    Found,
    incomplete,
    inflated,
    read_at,
    whole_at,
)

MAGIC = b"\x89PNG\r\n\x1a\n"
_READ = frozenset(
    {b"IHDR", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME", b"pHYs", b"caBX", b"acTL"}
)
# ImageMagick keeps Exif, IPTC and XMP as hexadecimal text: "Raw profile type exif" and others.
_RAW_KINDS = {
    "exif": "exif",
    "app1": "app1",
    "iptc": "photoshop",
    "xmp": "xmp",
    "8bim": "photoshop",
}


def blocks(file: BinaryIO) -> Iterator[Found]:
    """Yield the blocks of a PNG; chunks of pixels are passed over unread."""
    at, count, left = len(MAGIC), 0, MOST_TOTAL
    while True:
        head = read_at(file, at, 8)
        if len(head) < 8:
            yield incomplete("PNG: cut off before its end (no IEND)")
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            return
        count += 1
        if not kind.isalpha() or length >= 1 << 31:
            yield incomplete("PNG: not a chunk where one must be")
            return
        if kind in _READ:
            left -= min(length, MOST_BLOCK)
            if count > MOST_BLOCKS or left < 0:
                yield incomplete(f"PNG: more than {MOST_BLOCKS} chunks or {MOST_TOTAL} bytes")
                return
            data = whole_at(file, at + 8, length + 4)
            if data is None:
                yield incomplete(
                    f"PNG: chunk {kind.decode()} is cut off or over {MOST_BLOCK} bytes"
                )
            else:
                if zlib.crc32(kind + data[:-4]) != int.from_bytes(data[-4:], "big"):
                    yield incomplete(f"PNG: the checksum of chunk {kind.decode()} does not match")
                yield from _block(kind, data[:-4])
        at += 12 + length


def _block(kind: bytes, data: bytes) -> Iterator[Found]:
    name = f"PNG {kind.decode()}"
    if kind in {b"tEXt", b"zTXt", b"iTXt"}:
        yield from _text(kind, name, data)
    elif kind == b"eXIf":
        yield Block("exif", name, data.removeprefix(b"Exif\0\0"))
    elif kind == b"iCCP":
        profile = inflated(data.partition(b"\0")[2][1:])
        if profile is None:
            yield incomplete("PNG: the colour profile cannot be decompressed, or is too long")
        else:
            yield Block("icc", name, profile)
    else:
        yield Block("c2pa" if kind == b"caBX" else "header", name, data)


def _text(kind: bytes, name: str, data: bytes) -> Iterator[Found]:
    """Yield a text as key NUL value, the value as UTF-8; or the packet it hides."""
    key, _, value = data.partition(b"\0")
    text: bytes | None = value
    if kind == b"zTXt":
        text = inflated(value[1:])
    elif kind == b"iTXt":
        packed, _, rest = value[:1], value[1:2], value[2:]
        text = rest.partition(b"\0")[2].partition(b"\0")[2]  # after language and translated key
        text = inflated(text) if packed == b"\x01" else text
    if text is None:
        yield incomplete(f"{name}: cannot be decompressed, or is more than {MOST_BLOCK} bytes")
    elif key == b"XML:com.adobe.xmp":
        yield Block("xmp", name, text)
    elif key.startswith(b"Raw profile type "):
        yield from _raw_profile(name, text)
    else:
        if kind != b"iTXt":
            text = text.decode("latin-1").encode()
        yield Block("text", name, key + b"\0" + text)


def _raw_profile(name: str, text: bytes) -> Iterator[Found]:
    found = re.match(rb"\s*([A-Za-z0-9]+)\s+([0-9]+)\s+([0-9a-fA-F\s]*)", text)
    if not found or found[1].decode().lower() not in _RAW_KINDS:
        return
    digits = re.sub(rb"\s+", b"", found[3])
    data = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
    if len(data) != int(found[2]):
        yield incomplete(f"{name}: a raw profile is not as long as it says")
    kind = _RAW_KINDS[found[1].decode().lower()]
    if data.startswith(b"Exif\0\0"):
        kind, data = "exif", data[6:]
    elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        kind, data = "xmp", data[29:]
    if kind != "app1":
        yield Block(kind, f"{name} raw profile", data)
