"""AFF4 images: what their information.turtle says: sizes, stored hashes, tool, case and examiner.

An AFF4 is a zip; `archive` lists its members. The media itself is not put together, so the stored
hashes are named and `not-checked`.
"""

import base64
import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem, Seal
from ingest.normalise import fact, times
from ingest.normalise.identifiers import digest
from ingest.readers import zips
from ingest.readers.members import Budget, Exhausted, Unreadable, held
from ingest.readers.named import named

NAME = "aff4"
VERSION = "AFF4 reader 1"
FORMATS = frozenset({"aff4"})
CONTAINERS = {
    "aff4": lambda peek: peek.has("information.turtle") or peek.has("container.description")
}
MOST_TURTLE = 16 << 20
MOST_FACTS = 1000
_PAIR = re.compile(
    r'\b(?:aff4|dcterms|rdfs?|bbt):(\w{1,60})\s+"((?:[^"\\]|\\.){0,2000})"(?:\^\^(\S+))?'
)
_PLAIN = re.compile(
    r"\baff4:(size|chunkSize|chunksInSegment|sectorCount|blockSize)\s+([0-9]{1,20})"
)
_TIMES = {"startTime", "endTime", "creationTime", "acquisitionCompletionTime"}
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVov1WBQDAAAAAoAAAAVAAAAY29udGFpbmVyLmRlc2NyaXB0aW9uS0xLM7HS1082MgQAUEsD"
    "BBQAAAAIAAAAIVqV6qid4QAAADgBAAASAAAAaW5mb3JtYXRpb24udHVydGxlRZDBTsMwDIbveworHKGtm6Zrmk0T"
    "iAkJIXaAnSeFxFkj6Do1Qap4erpWjIvl//f3XXx/7sn5AbRzQsG6ifGssuyS0q4/Zu+moVbfbCBdrCckywzPsUJT"
    "bEDP1taHz+dWH+luztMOqzkE/0PAl1IUpSiX15ZM7PrH7vsUoeSCSwmrBcw3owPtdEvAXt52ScX+HBp060/UA3tI"
    "4cnTl2X/Uoi6j3t/sThykWCZYL7HShWoEG+xGCc7HIZgldWRJvIqNzo0wKzIrTS2lg7xg6OgWiLWtSTjpOAVjfpE"
    "v27L8Ru/UEsBAhQDFAAAAAgAAAAhWi/VYFAMAAAACgAAABUAAAAAAAAAAAAAAIABAAAAAGNvbnRhaW5lci5kZXNj"
    "cmlwdGlvblBLAQIUAxQAAAAIAAAAIVqV6qid4QAAADgBAAASAAAAAAAAAAAAAACAAT8AAABpbmZvcm1hdGlvbi50"
    "dXJ0bGVQSwUGAAAAAAIAAgCDAAAAUAEAAA8AYWZmNDovL2MyMTA3MGMz"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the statements about the image, and its hashes."""
    try:
        archive = zips.read_zip(file, Budget())
        entries = {entry.path.rpartition("/")[2]: entry for entry in archive.entries}
        entry = entries.get("information.turtle")
        text = (
            "" if entry is None else held(entry, Budget(), MOST_TURTLE).decode("utf-8", "replace")
        )
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    if archive.comment.startswith(b"aff4://"):
        volume = archive.comment.decode("ascii", "replace")[:200]
        yield Fact("AFF4:Volume", volume, volume, f"{VERSION} comment")
    if not text:
        yield Problem("no information.turtle", incomplete=False)
        return
    hashes = 0
    for number, (key, value, kind) in enumerate(_PAIR.findall(text)):
        if number >= MOST_FACTS:
            yield Problem(f"more than {MOST_FACTS} statements")
            break
        normal = digest(value, kind.rpartition(":")[2].rstrip(".;,")) if "ash" in key else None
        if normal is not None:
            hashes += 1
            yield fact("AFF4:StoredHash", value, f"{VERSION} aff4:{key}", normal)
            continue
        item = named("AFF4", key, value, f"{VERSION} turtle")
        if key in _TIMES:
            item = fact(f"AFF4:{key[0].upper()}{key[1:]}", value, VERSION, times.iso(value))
        if item is not None:
            yield item
    for key, value in _PLAIN.findall(text)[:MOST_FACTS]:
        yield Fact(f"AFF4:{key[0].upper()}{key[1:]}", value, value, f"{VERSION} aff4:{key}")
    if hashes:
        said = f"{hashes} stored hashes; the media is not put together here"
        yield Seal("AFF4 stored hash", "not-checked", said)
    else:
        yield Seal("AFF4 stored hash", "absent", "none is stated")
