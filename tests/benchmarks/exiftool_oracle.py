"""What ExifTool 12.57 says of the samples, and when a fact of ours says the same.

The second opinion beside the samples was printed with `-n`: numbers where people read words. Ours
are compared by value or by raw text. Left out are ExifTool's own calculations, what it says of the
file system, binary values, and groups that our readers do not claim (maker notes above all).
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ingest.extraction import Fact, visible
from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

# What our own readers claim; everything else is listed in docs/formats.md as missing.
CLAIMED = re.compile(
    r"(?:IFD\d|SubIFD\d?|ExifIFD|GPS|InteropIFD|XMP-[^:]+|IPTC|JFIF|PNG|PNG-pHYs|RIFF|QuickTime|"
    r"Track\d+|UserData|Keys|ItemList|Matroska|PDF|XML|XML-dc|FlashPix|FLAC|Vorbis|Opus|"
    r"ID3v[0-9_]+|MPEG|AIFF|Jpeg2000|GIF|GeoTiff):.*"
    r"|File:(?:ImageWidth|ImageHeight|Comment|BitsPerSample|ColorComponents)"
    r"|Composite:(?:GPSPosition|GPSAltitude|GPSDateTime|DateTimeCreated|DigitalCreationDateTime)"
    r"|ICC_Profile:(?:ProfileDescription|ProfileCopyright|DeviceMfgDesc|DeviceModelDesc)"
    r"|ICC-header:(?:ProfileCMMType|DeviceManufacturer|DeviceModel|ProfileCreator|ProfileDateTime)"
    r"|Photoshop:(?:IPTCDigest|WriterName|ReaderName|CopyrightFlag|URL|ImageWidth|ImageHeight)"
)
# ExifTool takes the last of several boxes where we take the media's; prints codes of MPEG where we
# print what they mean; and calculates what we leave to the reader.
_DIFFERS = re.compile(
    r"Track\d+:Handler(?:Type|Description|Class|VendorID)|.*:Warning|RIFF:Duration|MPEG:.*"
)
_TOLERANCE = 1e-5


def cases(wanted: Callable[[str], bool]) -> Iterator[Case]:
    """Yield a case for each sample whose media type, by ExifTool, is wanted."""
    for oracle in sorted((SHARED / "samples").glob("*/.oracle/exiftool-12.57.json")):
        for name, tags in json.loads(oracle.read_text()).items():
            if wanted(str(tags.get("File:MIMEType", ""))):
                facts = {
                    tag: values
                    for tag, value in tags.items()
                    if CLAIMED.fullmatch(tag)
                    and not _DIFFERS.fullmatch(tag)
                    and (values := _values(value))
                }
                yield Case((oracle.parents[1] / name,), facts, same=same)


def same(wanted: set[str], found: list[Fact]) -> bool:
    """Return whether every value ExifTool gives is among ours, as value or as raw text."""
    ours = [text for fact in found for text in (fact.value, fact.raw)]
    ours += [part for text in ours for part in re.split(r"[,;]\s*", text)]
    ours.append(" ".join(fact.value for fact in found))
    if len(wanted) > 1:  # a list: "isom mp42"
        ours += [part for fact in found for part in fact.value.split()]
    return all(any(_equal(one, text) for text in ours) for one in wanted)


def _values(value: Any) -> set[str]:
    many = value if isinstance(value, list) else [value]
    plain = {str(one).strip() for one in many if not isinstance(one, dict | list)}
    return {one for one in plain if one and not one.startswith("(Binary data")}


def _equal(theirs: str, ours: str) -> bool:
    one, other = _plain(theirs), _plain(ours)
    if one == other:
        return True
    left, right = one.split(), other.split()
    if len(left) == len(right) and all(map(_near, left, right)):
        return True
    if "?" in one:  # it prints a question mark for what is no UTF-8
        return re.fullmatch(re.escape(one).replace(r"\?", "."), other, re.S) is not None
    version = re.fullmatch(r"(\d+) (\d+)", one)
    return bool(version) and other == f"{version[1]}.{version[2]:0>2}"


def _near(one: str, other: str) -> bool:
    if one == "undef":
        return other in {"undef", "0/0"} or other.endswith("/0")
    try:
        left, right = float(one), float(other)
    except ValueError:
        return one == other
    return abs(left - right) <= _TOLERANCE * max(1e-9, abs(left), abs(right))


def _plain(text: str) -> str:
    """Return a value without the ways in which two programs write the same."""
    text = visible(text.strip()).strip().lower().replace("⟦u+0000⟧", "")
    date = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)[ t]?(.*)", text)
    if date:
        clock = date[4].removesuffix("z").removesuffix("+00:00").removesuffix("-00:00")
        clock = f"{clock}:00" if re.fullmatch(r"\d\d:\d\d", clock) else clock
        text = f"{date[1]}-{date[2]}-{date[3]} {clock}".strip()
    return {"true": "yes", "false": "no", "0000-00-00 00:00:00": "0"}.get(text, text)
