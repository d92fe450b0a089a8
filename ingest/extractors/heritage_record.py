"""Records of cultural objects: Object ID as JSON, LIDO as XML: what the object is, where, whose.

Object ID: its ten statements (type, materials, measurements, inscriptions, features, title,
subject, date, maker, description), under their names or ours. LIDO 1.0 and 1.1: titles, types,
inscriptions, measurements, materials, events with dates, places and makers, holder, numbers.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import fact, times
from ingest.normalise.identifiers import url
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.named import tag
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.xmls import Node, nodes

NAME = "heritage_record"
VERSION = "heritage record reader 1"
LIMITS = LONG
FORMATS = frozenset({"object-id", "lido"})
MOST = 16 << 20
MOST_FACTS = 5000
# Object ID's statements, and the ways in which forms name them.
_STATEMENTS = {
    "TypeOfObject": ("typeofobject", "objecttype", "type"),
    "Materials": ("materials", "materialsandtechniques", "material", "techniques"),
    "Measurements": ("measurements", "dimensions"),
    "Inscriptions": ("inscriptions", "inscriptionsandmarkings", "markings"),
    "DistinguishingFeatures": ("distinguishingfeatures", "features"),
    "Title": ("title",),
    "Subject": ("subject",),
    "DateOrPeriod": ("dateorperiod", "date", "period"),
    "Maker": ("maker", "artist", "creator"),
    "Description": ("description", "shortdescription"),
}
_MORE = {
    "Identifier": ("objectid", "objectidnumber", "identifier", "inventorynumber", "relatednumber"),
    "Holder": ("holder", "custodian", "institution", "repository", "owner"),
    "PlaceOfOrigin": ("placeoforigin", "placeofdiscovery", "origin", "provenance"),
    "Location": ("location", "lastlocation", "currentlocation"),
    "RecordedDate": ("daterecorded", "daterecord", "recordeddate", "documenteddate"),
    "Condition": ("condition",),
    # What the photographs were taken with, so that sizes and colours can be read off them.
    "Scale": ("scale", "scalebar", "scaleruler", "scalereference", "photographscale"),
    "ColourTarget": ("colourtarget", "colortarget", "colorchecker", "colourchart", "colorchart",
                     "colourreference", "colorreference"),
}  # fmt: skip
_NAMES = {word: name for name, words in {**_STATEMENTS, **_MORE}.items() for word in words}
SAMPLE = json.dumps(
    {
        "standard": "Object ID", "type_of_object": "bell",
        "materials_and_techniques": "bronze, cast",
        "measurements": "height 62 cm", "inscriptions_and_markings": "1897", "title": "Bell",
        "date_or_period": "1897", "maker": "unknown", "inventory_number": "KRN-17",
    }
).encode()  # fmt: skip


def _is_object_id(peek: Peek) -> bool:
    """Return whether a JSON has four of the statements as keys."""
    head = peek.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] not in {b"{", b"["} or peek.size > MOST:
        return False
    keys = re.findall(rb'"([A-Za-z][A-Za-z _-]{2,40})"\s*:', head[:32_768])
    plain = {re.sub("[^a-z]", "", key.decode("ascii").lower()) for key in keys}
    named_by = {_NAMES[key] for key in plain if _NAMES.get(key) in _STATEMENTS}
    telling = named_by & {"TypeOfObject", "Materials", "Measurements", "Inscriptions",
                          "DistinguishingFeatures", "DateOrPeriod", "Maker"}  # fmt: skip
    return len(named_by) >= 4 and len(telling) >= 3


CONTAINERS = {
    "object-id": _is_object_id,
    "lido": lambda peek: b"lido-schema.org" in peek.head[:8192] and b"<" in peek.head[:256],
}
# What of LIDO is taken: the end of the path of an element, and the fact's name.
_LIDO = {
    ("lido", "lidoRecID"): "RecordIdentifier",
    ("lido", "objectPublishedID"): "PublishedIdentifier",
    ("objectWorkType", "term"): "TypeOfObject", ("objectWorkType", "prefLabel"): "TypeOfObject",
    ("classification", "term"): "Classification", ("titleSet", "appellationValue"): "Title",
    ("inscriptionTranscription",): "Inscriptions", ("displayObjectMeasurements",): "Measurements",
    ("objectDescriptionSet", "descriptiveNoteValue"): "Description",
    ("repositoryName", "legalBodyName", "appellationValue"): "Holder",
    ("repositorySet", "workID"): "InventoryNumber",
    ("repositoryLocation", "namePlaceSet", "appellationValue"): "HolderPlace",
    ("eventType", "term"): "Event", ("eventType", "prefLabel"): "Event",
    ("displayActorInRole",): "Actor", ("nameActorSet", "appellationValue"): "Actor",
    ("eventDate", "displayDate"): "EventDate", ("date", "earliestDate"): "EarliestDate",
    ("date", "latestDate"): "LatestDate", ("displayPlace",): "Place",
    ("place", "namePlaceSet", "appellationValue"): "Place",
    ("displayMaterialsTech",): "Materials", ("termMaterialsTech", "term"): "Materials",
    ("displaySubject",): "Subject", ("subjectConcept", "term"): "Subject",
    ("recordSource", "legalBodyName", "appellationValue"): "RecordSource",
    ("recordID",): "RecordNumber", ("recordRights", "creditLine"): "Rights",
    ("rightsWorkSet", "creditLine"): "Rights", ("resourceRepresentation", "linkResource"): "Image",
    ("recordInfoSet", "recordMetadataDate"): "RecordDate",
}  # fmt: skip


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the statements."""
    if "lido" in found.format.containers:
        yield from _lido(file)
        return
    file.seek(0)
    try:
        said = json.loads(file.read(MOST))
    except (ValueError, RecursionError) as error:
        yield Problem(f"the JSON cannot be read: {type(error).__name__}")
        return
    records = said if isinstance(said, list) else [said]
    count = 0
    for number, record in enumerate(records, start=1):
        for item in _statements(record, number if len(records) > 1 else 0):
            count += 1
            if count > MOST_FACTS:
                yield Problem(f"only the first {MOST_FACTS} statements are given")
                return
            yield item
    if len(records) > 1:
        yield Fact("ObjectID:Records", str(len(records)), str(len(records)), VERSION)


def _statements(record: Any, number: int) -> Iterator[Item]:
    if not isinstance(record, dict):
        return
    inner = next((record[key] for key in ("object_id", "objectId", "record", "object")
                  if isinstance(record.get(key), dict)), record)  # fmt: skip
    origin = f"{VERSION} record {number}" if number else VERSION
    for key, value in inner.items():
        plain = re.sub("[^a-z]", "", str(key).lower())
        text = _joined(value)
        if plain in _NAMES and text:
            name = _NAMES[plain]
            normal = times.iso(text) if name == "RecordedDate" else None
            yield fact(f"ObjectID:{name}", text, f"{origin} {key}"[:300], normal)
        elif plain in {"standard", "recordedby", "photographs", "images", "notes"} and text:
            yield Fact(tag("ObjectID", str(key)), text, text, f"{origin} {key}"[:300])


def _joined(value: Any) -> str:
    """Return a statement as one text: lists and tables of it are put one after the other."""
    if isinstance(value, str | int | float | bool):
        return str(value).strip()[:4000]
    if isinstance(value, list):
        return "; ".join(filter(None, (_joined(each) for each in value[:100])))[:4000]
    if isinstance(value, dict):
        pairs = ((str(key), _joined(each)) for key, each in list(value.items())[:100])
        return "; ".join(f"{key}: {text}" for key, text in pairs if text)[:4000]
    return ""


def _lido(file: BinaryIO) -> Iterator[Item]:
    records = count = 0
    try:
        for node in nodes(read_blocks(file, 0, size_of(file)), Budget(14.0, 24.0)):
            if node.text is None:
                continue
            records += node.name == "lido"
            name = _called(node)
            text = " ".join(node.text.split())
            if not name or not text:
                continue
            count += 1
            if count > MOST_FACTS:
                yield Problem(f"only the first {MOST_FACTS} statements are given")
                break
            normal = url(text) if name == "Image" else None
            if name == "RecordDate":
                normal = times.iso(text)
            yield fact(f"LIDO:{name}", text[:4000], f"{VERSION} {'/'.join(node.path[-3:])}", normal)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
    if records:
        yield Fact("LIDO:Records", str(records), str(records), VERSION)


def _called(node: Node) -> str:
    for length in (3, 2, 1):
        name = _LIDO.get(node.path[-length:])
        if name:
            return name
    return ""
