"""What an XMP packet says, as facts under ExifTool's names: times, places, edits, artwork."""

import re
from collections.abc import Iterator
from fractions import Fraction

from ingest.extraction import Fact, Problem
from ingest.normalise import Normal, fact, identifiers, places, times
from ingest.readers import xmp
from ingest.readers.apex import apex
from ingest.readers.xmp import Packet, Property

TOOL = "xmp reader 1"

_ADOBE = "http://ns.adobe.com/"
# ExifTool's groups ("XMP-dc") by namespace; others take the packet's own prefix.
GROUPS = {
    "adobe:ns:meta/": "x",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    f"{_ADOBE}xap/1.0/": "xmp",
    f"{_ADOBE}xap/1.0/mm/": "xmpMM",
    f"{_ADOBE}xap/1.0/rights/": "xmpRights",
    f"{_ADOBE}xap/1.0/bj/": "xmpBJ",
    f"{_ADOBE}xap/1.0/t/pg/": "xmpTPg",
    f"{_ADOBE}xmp/1.0/DynamicMedia/": "xmpDM",
    f"{_ADOBE}xmp/note/": "xmpNote",
    f"{_ADOBE}photoshop/1.0/": "photoshop",
    f"{_ADOBE}camera-raw-settings/1.0/": "crs",
    f"{_ADOBE}exif/1.0/": "exif",
    f"{_ADOBE}exif/1.0/aux/": "aux",
    f"{_ADOBE}tiff/1.0/": "tiff",
    f"{_ADOBE}pdf/1.3/": "pdf",
    f"{_ADOBE}pdfx/1.3/": "pdfx",
    f"{_ADOBE}lightroom/1.0/": "lr",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://www.aiim.org/pdfa/ns/id/": "pdfaid",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "iptcCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "iptcExt",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://www.metadataworkinggroup.com/schemas/regions/": "mwg-rs",
    "http://ns.microsoft.com/photo/1.0/": "microsoft",
    "http://ns.microsoft.com/photo/1.0": "microsoft",
    "http://ns.microsoft.com/photo/1.2/": "MP",
    "http://ns.google.com/photos/1.0/panorama/": "GPano",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://www.dji.com/drone-dji/1.0/": "drone-dji",
    "http://ns.camerabits.com/photomechanic/1.0/": "photomech",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://ns.apple.com/HDRGainMap/1.0/": "HDRGainMap",
}
# Properties, and fields of structures, that ExifTool calls otherwise.
_NAMES = {
    "exif": {
        "PixelXDimension": "ExifImageWidth",
        "PixelYDimension": "ExifImageHeight",
        "ISOSpeedRatings": "ISO",
        "ExposureBiasValue": "ExposureCompensation",
        "FocalLengthIn35mmFilm": "FocalLengthIn35mmFormat",
        "GPSTimeStamp": "GPSDateTime",
    },
    "exifEX": {
        "BodySerialNumber": "SerialNumber",
        "CameraOwnerName": "OwnerName",
        "LensSpecification": "LensInfo",
    },
    "tiff": {"ImageLength": "ImageHeight"},
    "x": {"xmptk": "XMPToolkit"},
    "crs": {"Temperature": "ColorTemperature"},
    "plus": {"Version": "PLUSVersion"},
    "photoshop": {"ICCProfile": "ICCProfileName", "LayerName": "Name", "LayerText": "Text"},
    "iptcCore": {
        "CiAdrCity": "City",
        "CiAdrCtry": "Country",
        "CiAdrExtadr": "Address",
        "CiAdrPcode": "PostalCode",
        "CiAdrRegion": "Region",
        "CiEmailWork": "WorkEmail",
        "CiTelWork": "WorkTelephone",
        "CiUrlWork": "WorkURL",
    },
    "iptcExt": {
        "AOCreatorId": "CreatorID",
        "AOSourceInvNo": "SourceInventoryNo",
        "AOCurrentLicensorName": "LicensorName",
        "AOCurrentLicensorId": "LicensorID",
        "AOCurrentCopyrightOwnerName": "CopyrightOwnerName",
        "AOCurrentCopyrightOwnerId": "CopyrightOwnerID",
        "AddlModelInfo": "AdditionalModelInformation",
        "DigImageGUID": "DigitalImageGUID",
        "PersonCharacteristic": "CvTerm",
        "PersonDescription": "Description",
        "PersonId": "Id",
        "PersonName": "Name",
        "ProductDescription": "Description",
        "ProductGTIN": "GTIN",
        "ProductName": "Name",
        "RegItemId": "ItemID",
        "RegOrgId": "OrganisationID",
        "RegEntryRole": "EntryRole",
    },
}
# Structures whose fields ExifTool lists under a shorter name than their own.
_FLAT = {
    "ArtworkOrObject": "Artwork",
    "CreatorContactInfo": "Creator",
    "PersonInImageWDetails": "PersonInImage",
    "RegistryId": "Registry",
    "RegionInfo": "Region",
    "Regions": "Region",
    "TextLayers": "TextLayer",
    "Thumbnails": "Thumbnail",
    "RegionList": "Region",
}
_TIMES = re.compile(r"(date(time)?(original|digitized|created|acquired)?|when|timestamp)$", re.I)
_RATIONAL_GROUPS = frozenset({"exif", "exifEX", "tiff", "aux"})
_DEGREES = re.compile(
    r"([0-9]{1,3}),([0-9]{1,2}(?:\.[0-9]+)?)(?:,([0-9]{1,2}(?:\.[0-9]+)?))?([NSEW])"
)
_RATIOS = re.compile(r"-?[0-9]{1,12}/-?[0-9]{1,12}( -?[0-9]{1,12}/-?[0-9]{1,12}){0,7}")
_SHOWN = 2000  # characters of one value


def facts(data: bytes, where: str) -> Iterator[Fact | Problem]:
    """Yield the facts of a packet, then the place we made of them, then what went wrong.

    Args:
        data: the packet, with or without its wrapper.
        where: the part of the file it stood in, for the source of each fact.
    """
    packet = xmp.parse(data)
    yield from _of(packet, where)
    if packet.problem:
        yield Problem(f"{where}: {packet.problem}")


def _of(packet: Packet, where: str) -> Iterator[Fact]:
    named: dict[str, str] = {}
    for one in packet.properties:
        name, group = _name(one, packet)
        named.setdefault(name, one.text)
        yield _fact(name, group, one, where)
    for names, source in (
        (("XMP-exif:GPSLatitude", "XMP-exif:GPSLongitude"), "exif:GPSLatitude …"),
        (("XMP-drone-dji:GpsLatitude", "XMP-drone-dji:GpsLongitude"), "drone-dji:GpsLatitude …"),
        (("XMP-drone-dji:GpsLatitude", "XMP-drone-dji:GpsLongtitude"), "drone-dji:GpsLatitude …"),
    ):
        if all(name in named for name in names):
            latitude, longitude = (named[name] for name in names)
            place = position(latitude, longitude)
            if place is not None:
                raw = f"{latitude} {longitude}"
                yield fact("Composite:GPSPosition", raw, f"{TOOL} {where} {source}", place)


def position(latitude: str, longitude: str) -> Normal | None:
    """Return the place of two coordinates as XMP writes them: `50,27.006N`, or decimal numbers.

    Without a reference letter a coordinate must carry a sign or be plainly decimal.
    """
    found = [_DEGREES.fullmatch(text.strip()) for text in (latitude, longitude)]
    if not any(found):
        return places.decimals(latitude, longitude)
    if found[0] is None or found[1] is None:
        return None
    if found[0][4] not in "NS" or found[1][4] not in "EW":
        return None
    numbers = []
    for one in found:
        assert one is not None
        angle = Fraction(one[1]) + Fraction(one[2]) / 60 + Fraction(one[3] or 0) / 3600
        numbers.append(places.signed(places.decimal(angle), negative=one[4] in "SW"))
    return places.decimals(*numbers)


def _name(one: Property, packet: Packet) -> tuple[str, str]:
    """Return `XMP-group:Tag` as ExifTool writes it, and the group without XMP."""
    group = _group(one.path[0][0], packet)
    tag = ""
    for number, (namespace, local) in enumerate(one.path):
        own = _group(namespace, packet)
        word = _NAMES.get(own, {}).get(local, local)
        if own == "iptcExt" and number:
            word = word.removeprefix("AO")
        last = number == len(one.path) - 1
        word = word if last else _FLAT.get(word, word)
        word = word[:1].upper() + word[1:]
        if number and word.startswith(tag) and tag:
            tag = word
        elif number and last and tag.endswith(word) and len(one.path) > 2:
            continue
        else:
            tag += word
    if one.language:
        tag += f"-{one.language}"
    tag = re.sub(r"[^A-Za-z0-9_-]+", "", tag)[:80] or "Unnamed"
    return f"XMP-{group}:{tag}", group


def _group(namespace: str, packet: Packet) -> str:
    found = GROUPS.get(namespace) or packet.prefixes.get(namespace, "")
    return re.sub(r"[^A-Za-z0-9_-]+", "", found)[:30] or "unknown"


def _fact(name: str, group: str, one: Property, where: str) -> Fact:
    source = f"{TOOL} {where} {one.where}"[:300]
    text = one.text if len(one.text) <= _SHOWN else f"{one.text[:_SHOWN]}…[cut: {len(one.text)}]"
    local = one.path[-1][1]
    if _TIMES.search(local):
        normal = times.iso(one.text) or times.exif(one.text)
        return fact(name, text, source, normal)
    if group == "iptcCore" and local == "CiEmailWork":
        return fact(name, text, source, identifiers.address(one.text))
    if group == "iptcCore" and local == "CiUrlWork":
        return fact(name, text, source, identifiers.url(one.text))
    if local in {"SerialNumber", "BodySerialNumber", "LensSerialNumber", "CameraSerialNumber"}:
        kind = "lens-serial" if local == "LensSerialNumber" else "serial"
        return fact(name, text, source, identifiers.device(kind, one.text))
    if local in {"GPSLatitude", "GPSLongitude"} and (found := _DEGREES.fullmatch(one.text)):
        angle = Fraction(found[1]) + Fraction(found[2]) / 60 + Fraction(found[3] or 0) / 3600
        value = places.signed(places.decimal(angle), negative=found[4] in "SW")
        return Fact(name, value, text, source)
    if group in _RATIONAL_GROUPS and _RATIOS.fullmatch(one.text):
        return _ratios(name, one.text, source)
    return Fact(name, text.removeprefix("http://ns.useplus.org/ldf/vocab/"), text, source)


def _ratios(name: str, text: str, source: str) -> Fact:
    parts = [tuple(map(int, part.split("/"))) for part in text.split(" ")]
    if len(parts) == 1 and parts[0][1] == 0:
        return Fact(name, text, text, source, None, "a division by zero")
    numbers = [
        places.decimal(apex(name, Fraction(above, below))) if below else "undef"
        for above, below in parts
    ]
    return Fact(name, " ".join(numbers), text, source)
