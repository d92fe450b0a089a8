"""ID3 tags (versions 1 and 2.2 to 2.4): their frames as plain texts, bounded.

tag = "ID3" | version (2) | flags | length (4 × 7 bits) | frames
frame = identifier (3 or 4) | length (3 or 4) | flags (2, from 2.3) | content
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MOST_TAG = 4 << 20  # bytes; a cover picture is the largest part
MOST_FRAMES = 1_000
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_MOST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Frame:
    """One text of a tag: identifier, what describes it (of comments and TXXX), the text."""

    group: str  # ID3v2_3
    identifier: str
    described: str
    text: str


class Broken(ValueError):
    """The rest of the tag cannot be read: what was found before stays."""


def length(head: bytes) -> int:
    """Return the length of a tag with its head, from its first ten bytes; 0: there is none."""
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    return 10 + _seven(head[6:10])


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the texts of a version 2 tag.

    Raises:
        Broken: a frame is cut off, packed in a way we cannot read, or there are too many.
    """
    if len(data) < 10:
        raise Broken("the head of the tag is cut off, or no length")
    version, flags = data[3], data[5]
    if version not in {2, 3, 4}:
        raise Broken(f"ID3 version 2.{version}")
    body = data[10 : length(data)]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    at = 0
    if flags & 0x40 and version > 2:
        extra = int.from_bytes(body[:4], "big") + 4 if version == 3 else _seven(body[:4])
        at = max(extra, 4)
    head, width = (6, 3) if version == 2 else (10, 4)
    for _ in range(MOST_FRAMES):
        if at + head > len(body) or body[at] == 0:
            if len(data) < length(data):
                raise Broken("the tag is cut off")
            return
        identifier = body[at : at + width].decode("latin-1")
        if not re.fullmatch(r"[A-Z0-9 ]{3,4}", identifier):
            raise Broken(f"no frame at byte {at + 10}")
        raw = body[at + width : at + 2 * width]
        size = _seven(raw) if version == 4 else int.from_bytes(raw, "big")
        content = body[at + head : at + head + size]
        if len(content) < size:
            raise Broken(f"frame {identifier} is cut off")
        marks = body[at + 9] if version > 2 else 0
        at += head + size
        plain = _unpacked(content, version, marks)
        if plain is None:
            raise Broken(f"frame {identifier} is encrypted, or packed wrongly")
        yield from _texts(f"ID3v2_{version}", identifier, plain)
    raise Broken(f"more than {MOST_FRAMES} frames")


def version_1(data: bytes) -> Iterator[Frame]:
    """Yield the texts of a version 1 tag: the last 128 bytes of a file."""
    if len(data) != 128 or data[:3] != b"TAG":
        return
    for name, start, end in (
        ("Title", 3, 33), ("Artist", 33, 63), ("Album", 63, 93), ("Year", 93, 97),
        ("Comment", 97, 127),
    ):  # fmt: skip
        text = data[start:end].split(b"\0")[0].decode("latin-1").strip()
        if text:
            yield Frame("ID3v1", name, "", text)


def _seven(data: bytes) -> int:
    number = 0
    for byte in data:
        number = number << 7 | byte & 127
    return number


def _unpacked(content: bytes, version: int, marks: int) -> bytes | None:
    packed, locked = (0x80, 0x40) if version == 3 else (0x08, 0x04)
    if marks & locked:
        return None
    if version == 4 and marks & 0x01:  # its length unpacked stands first
        content = content[4:]
    if version == 4 and marks & 0x02:
        content = content.replace(b"\xff\0", b"\xff")
    if marks & packed:
        expander = zlib.decompressobj()
        try:
            return expander.decompress(content[4 if version == 3 else 0 :], _MOST_TEXT)
        except zlib.error:
            return None
    return content


def _texts(group: str, identifier: str, content: bytes) -> Iterator[Frame]:
    if not content:
        return
    coding = _ENCODINGS[content[0]] if content[0] < 4 else ""
    if identifier in {"COMM", "COM", "USLT", "ULT"} and coding:
        described, text = _split(content[4 : 4 + 2 * _MOST_TEXT], coding)
        yield Frame(group, identifier, described, text)
    elif identifier in {"TXXX", "TXX", "WXXX", "WXX"} and coding:
        described, text = _split(content[1 : 1 + 2 * _MOST_TEXT], coding)
        yield Frame(group, identifier, described, text)
    elif identifier.startswith("T") and coding:
        text = _decoded(content[1 : 1 + 2 * _MOST_TEXT], coding)
        yield Frame(group, identifier, "", text.replace("\0", "; "))
    elif identifier.startswith("W"):
        yield Frame(group, identifier, "", content[:_MOST_TEXT].decode("latin-1").strip("\0"))
    elif identifier == "PRIV":
        yield Frame(group, identifier, "", content.split(b"\0")[0][:200].decode("latin-1"))


def _split(data: bytes, coding: str) -> tuple[str, str]:
    """Return two texts that a NUL of their own width parts."""
    if coding.startswith("utf-16"):
        for at in range(0, len(data) - 1, 2):
            if data[at : at + 2] == b"\0\0":
                return _decoded(data[:at], coding), _decoded(data[at + 2 :], coding)
        return "", _decoded(data, coding)
    described, _, text = data.partition(b"\0")
    return _decoded(described, coding), _decoded(text, coding)


def _decoded(data: bytes, coding: str) -> str:
    if coding == "utf-16" and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}:
        coding = "utf-16-le"
    return data.decode(coding, "backslashreplace").strip("\0 \ufeff")
