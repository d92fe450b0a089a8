"""GeoTIFF: where on earth a raster lies: keys, tie points, scale; its corners where it is WGS 84.

Coordinates of other systems stay as they are: without the parameters of a projection they are no
degrees, and none are guessed.
"""

import base64
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import fact, places
from ingest.readers.tiff import Entry, Tiff

NAME = "geotiff"
VERSION = "GeoTIFF reader 1"
FORMATS = frozenset({"image/tiff", "image/geotiff"})
# A raster of our own without pixels: 20 by 10 hundredths of a degree, in WGS 84.
SAMPLE = base64.b64decode(
    "SUkqAAgAAAAGAAABAwABAAAAFAAAAAEBAwABAAAACgAAAA6DDAADAAAAVgAAAIKEDAAGAAAAbgAAAK+HAwAQAAAAngAA"
    "ALGHAgAIAAAAvgAAAAAAAAB7FK5H4XqEP3sUrkfheoQ/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AIA+QAAAAAAAQElAAAAAAAAAAAABAAEAAAADAAAEAAABAAIAAAgAAAEA5hACBLGHBwAAAEJyaWRnZXwA"
)

_DIRECTORY, _DOUBLES, _ASCII = 34735, 34736, 34737
_NUMBERS = {33550: "PixelScale", 33922: "ModelTiePoint", 34264: "ModelTransform"}
_TEXTS = {42112: "GDALMetadata", 42113: "GDALNoData"}
_KEYS = {
    1024: "GTModelType", 1025: "GTRasterType", 1026: "GTCitation", 2048: "GeographicType",
    2049: "GeogCitation", 2050: "GeogGeodeticDatum", 2051: "GeogPrimeMeridian",
    2052: "GeogLinearUnits", 2054: "GeogAngularUnits", 2056: "GeogEllipsoid",
    2057: "GeogSemiMajorAxis", 2059: "GeogInvFlattening", 2062: "GeogToWGS84",
    3072: "ProjectedCSType", 3073: "PCSCitation", 3074: "Projection", 3075: "ProjCoordTrans",
    3076: "ProjLinearUnits", 3078: "ProjStdParallel1", 3079: "ProjStdParallel2",
    3080: "ProjNatOriginLong", 3081: "ProjNatOriginLat", 3082: "ProjFalseEasting",
    3083: "ProjFalseNorthing", 3088: "ProjCenterLong", 3089: "ProjCenterLat",
    3092: "ProjScaleAtNatOrigin", 4096: "VerticalCSType", 4097: "VerticalCitation",
    4098: "VerticalDatum", 4099: "VerticalUnits",
}  # fmt: skip
_WORDS = {
    ("GTModelType", 1): "Projected", ("GTModelType", 2): "Geographic",
    ("GTModelType", 3): "Geocentric", ("GTRasterType", 1): "Pixel Is Area",
    ("GTRasterType", 2): "Pixel Is Point", ("GeographicType", 4326): "WGS 84",
}  # fmt: skip
_WGS84 = 4326
_MOST_KEYS = 500
_SHOWN = 2000


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the keys of a GeoTIFF and where it lies; nothing of a TIFF that is none."""
    tiff = Tiff(file)
    entries = {entry.tag: entry for entry in tiff.entries() if entry.directory == "IFD0"}
    if _DIRECTORY not in entries and not entries.keys() & _NUMBERS.keys():
        return
    for tag, name in _NUMBERS.items():
        if tag in entries:
            numbers = " ".join(map(_number, tiff.doubles(entries[tag], 64)))
            yield Fact(f"IFD0:{name}", numbers, numbers, f"{VERSION} {tag}")
    for tag, name in _TEXTS.items():
        if tag in entries:
            text = tiff.bytes(entries[tag], _SHOWN).split(b"\0")[0].decode("utf-8", "replace")
            yield Fact(f"IFD0:{name}", text, text, f"{VERSION} {tag}")
    if _DIRECTORY in entries:
        keys = tiff.numbers(entries[_DIRECTORY], 4 * _MOST_KEYS)
        yield from _said(tiff, entries, keys)
        if _value(keys, 1024) == 2 and _value(keys, 2048) == _WGS84:
            yield from _corners(tiff, entries)


def _said(tiff: Tiff, entries: dict[int, Entry], keys: list[int]) -> Iterator[Item]:
    if len(keys) < 4 or len(keys) < 4 + 4 * min(keys[3], _MOST_KEYS - 1):
        yield Problem("GeoTIFF: the directory of keys is cut off")
    if len(keys) >= 4:
        version = f"{keys[0]}.{keys[1]}.{keys[2]}"
        yield Fact("GeoTiff:GeoTiffVersion", version, version, f"{VERSION} {_DIRECTORY}")
    doubles = tiff.doubles(entries[_DOUBLES]) if _DOUBLES in entries else []
    texts = tiff.bytes(entries[_ASCII], 65_536) if _ASCII in entries else b""
    for at in range(4, len(keys) - 3, 4):
        key, place, count, value = keys[at : at + 4]
        name = _KEYS.get(key)
        if name is None:
            continue
        if place == _DOUBLES:
            raw = " ".join(map(_number, doubles[value : value + count]))
        elif place == _ASCII:
            raw = texts[value : value + count].decode("utf-8", "replace").rstrip("|\0")
        else:
            raw = str(value)
        shown = _WORDS.get((name, value), raw) if place == 0 else raw
        yield Fact(f"GeoTiff:{name}", shown[:_SHOWN], raw[:_SHOWN], f"{VERSION} key {key}")


def _value(keys: list[int], wanted: int) -> int | None:
    for at in range(4, len(keys) - 3, 4):
        if keys[at] == wanted and keys[at + 1] == 0:
            return keys[at + 3]
    return None


def _corners(tiff: Tiff, entries: dict[int, Entry]) -> Iterator[Fact]:
    """Yield the place of the upper left and the lower right corner of a raster in WGS 84."""
    tie = tiff.doubles(entries[33922]) if 33922 in entries else []
    scale = tiff.doubles(entries[33550]) if 33550 in entries else []
    sizes = [tiff.numbers(entries[tag])[:1] for tag in (256, 257) if tag in entries]
    if len(tie) < 6 or len(scale) < 2 or len(sizes) != 2 or not all(sizes):
        return
    left, top = tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1]
    right, bottom = left + sizes[0][0] * scale[0], top - sizes[1][0] * scale[1]
    for name, latitude, longitude in (
        ("UpperLeft", top, left), ("LowerRight", bottom, right),
        ("Center", (top + bottom) / 2, (left + right) / 2),
    ):  # fmt: skip
        raw = f"{_number(latitude)} {_number(longitude)}"
        place = places.decimals(*raw.split(" "))
        if place is not None:
            yield fact(f"GeoTiff:{name}", raw, f"{VERSION} tie point and scale", place)


def _number(value: float) -> str:
    if not abs(value) < 1e15:  # no number, or none of a place
        return str(value)
    return f"{value:.10f}".rstrip("0").rstrip(".")
