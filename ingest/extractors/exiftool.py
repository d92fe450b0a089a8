"""ExifTool, where it is installed: maker notes, rare containers and everything else it can name.

It runs once on a file, without its configuration and with nothing of the file's name in its
arguments. Its values stand beside those of our own readers under the same names; times and places
of formats that only it reads are facts of their kind, with the same doubts as everywhere.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ingest.extraction import LONG, PATH, Fact, Found, Item, Problem, Program
from ingest.normalise import fact, identifiers, places, times

NAME = "exiftool"
VERSION = "ExifTool 12 or later"
_ARGUMENTS = ("-json", "-long", "-G1", "--System:all", "-api", "LargeFileSupport=1")
PROGRAM = Program("exiftool", ("-config", "", "-ver"), warm=_ARGUMENTS)
LIMITS = LONG
# Formats whose times and places no other extractor reads.
_ALONE = frozenset(
    {
        "video/mp2t", "video/MP2T", "video/x-ms-asf", "video/x-ms-wmv", "audio/x-ms-wma",
        "application/mxf", "video/x-flv", "video/mpeg", "video/mp2p", "text/rtf",
        "application/rtf", "image/x-canon-crw", "image/x-minolta-mrw", "image/x-sigma-x3f",
        "image/x-x3f", "application/postscript", "image/vnd.djvu", "image/fits", "image/x-exr",
        "image/vnd.radiance", "image/x-raw", "application/vnd.rn-realmedia",
        "image/x-portable-pixmap", "image/x-pcx", "image/x-xcf", "image/flif", "image/x-eps",
        "audio/x-ape", "audio/x-wavpack",
    }
)  # fmt: skip
FORMATS = _ALONE | frozenset(
    {
        "image/jpeg", "image/tiff", "image/png", "image/apng", "image/webp", "image/avif",
        "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/jxl",
        "image/jp2", "image/jpx", "image/gif", "image/bmp", "image/x-ms-bmp",
        "image/vnd.adobe.photoshop", "image/svg+xml", "image/x-adobe-dng", "image/x-canon-cr2",
        "image/x-canon-cr3", "image/x-nikon-nef", "image/x-sony-arw", "image/x-fuji-raf",
        "image/x-olympus-orf", "image/x-panasonic-rw2", "image/x-pentax-pef", "video/mp4",
        "video/quicktime", "video/3gpp", "video/3gpp2", "video/x-m4v", "video/x-msvideo",
        "video/x-matroska", "video/webm", "audio/mp4", "audio/x-m4a", "audio/mpeg", "audio/ogg",
        "audio/x-wav", "audio/wav", "audio/flac", "audio/x-aiff", "application/pdf",
    }
)  # fmt: skip
# A JPEG of our own without a picture: a maker's name as Exif, and a comment.
_EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x0f\1\2\0\4\0\0\0own\0\0\0\0\0"
SAMPLE = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xe1"
    + (2 + len(_EXIF)).to_bytes(2, "big")
    + _EXIF
    + b"\xff\xfe\0\x08bridge\xff\xd9"
)

# Of ExifTool itself, and of the private copy it reads.
_LEFT_OUT = frozenset({"ExifTool", "System"})
_SERIALS = frozenset({"SerialNumber", "InternalSerialNumber", "CameraSerialNumber"})
_OWN = ("ExifIFD:", "XMP-", "PNG:")  # whose serial numbers our own readers have given
_MOST_VALUES = 5_000
_SHOWN = 2000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield everything ExifTool names, then its warnings."""
    ran = found.run("-config", "", *_ARGUMENTS, PATH)
    try:
        # Corrupt files make it print invalid UTF-8; its whole output is kept as it is.
        answer = json.loads(
            ran.stdout.decode("utf-8", "replace"), strict=False, parse_float=str, parse_int=str
        )
        tags: dict[str, Any] = dict(answer[0])
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        said = ran.stderr.decode("utf-8", "replace").strip()[:100]
        yield Problem(f"ExifTool ended with {ran.exit} and no answer: {error} {said}"[:200])
        return
    alone = found.format.mime in _ALONE
    count = 0
    for name, told in tags.items():
        group, _, tag = name.partition(":")
        if isinstance(told, dict) and group not in _LEFT_OUT and tag:
            for value, raw in _values(told):
                count += 1
                if count > _MOST_VALUES:
                    yield Problem(f"ExifTool: more than {_MOST_VALUES} values")
                    return
                yield _fact(group, tag, value, raw, alone=alone)
        elif group == "ExifTool" and tag in {"Warning", "Error"}:
            said = str(told.get("val") if isinstance(told, dict) else told)[:150]
            yield Problem(f"ExifTool: {said}", incomplete=tag == "Error")
    if alone:
        yield from _place(tags)


def _values(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the values of a tag as people and as programs read them, one of a list at a time."""
    shown, numeric = told.get("val"), told.get("num", told.get("val"))
    many = shown if isinstance(shown, list) else [shown]
    raws = (
        numeric
        if isinstance(numeric, list) and len(numeric) == len(many)
        else [numeric] * len(many)
    )
    for value, raw in zip(many, raws, strict=True):
        text, plain = _plain(value), _plain(raw)
        if text and not text.startswith("(Binary data"):
            yield text[:_SHOWN], plain[:_SHOWN]


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _fact(group: str, tag: str, value: str, raw: str, *, alone: bool) -> Fact:
    group, tag = (re.sub(r"[^A-Za-z0-9_-]+", "", word) or "Unnamed" for word in (group, tag))
    name = f"{group[:40]}:{tag[:80]}"
    source = f"exiftool {name}"
    if tag in _SERIALS and not name.startswith(_OWN):
        return fact(name, raw, source, identifiers.device("serial", value))
    if (
        alone
        and re.search(r"Date|Time(Original|Stamp|Created)", tag)
        and re.match(r"[0-9]{4}:", raw)
    ):
        written = re.sub(r" ?(DST|UTC)$", "", raw)
        return fact(name, raw, source, times.exif(written))
    return Fact(name, value, raw, source)


def _place(tags: dict[str, Any]) -> Iterator[Fact]:
    told = tags.get("Composite:GPSPosition")
    raw = _plain(told.get("num")) if isinstance(told, dict) else ""
    latitude, _, longitude = raw.partition(" ")
    place = places.decimals(latitude, longitude)
    if place is not None:
        yield fact("Composite:GPSPosition", raw, "exiftool Composite:GPSPosition", place)
