"""Films and sound made of boxes (MP4, MOV, M4A, 3GP): times, place, device, tracks, what is broken.

Times in headers are seconds since 1904, in UTC by the specification; many cameras write their
local time there. They are given a zone only where another time of the same film, written with
its offset, is the same moment: else their zone is unknown. Frames and sound are never decoded.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item, Problem
from ingest.normalise import Normal, fact, places, times
from ingest.readers import quicktime, tracks, xmp_facts
from ingest.readers.quicktime import NO_LENGTH, Film, Header, Track

NAME = "video"
VERSION = "box reader 3"
FORMATS = frozenset(
    {
        "video/mp4", "video/quicktime", "video/3gpp", "video/3gpp2", "video/x-m4v", "audio/mp4",
        "audio/x-m4a", "audio/m4a", "video/x-m4p", "application/mp4",
    }
)  # fmt: skip


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


# A film of our own without frames: its header, and a place beside it.
SAMPLE = _box(b"ftyp", b"mp42\0\0\0\0isommp42") + _box(
    b"moov",
    _box(b"mvhd", bytes.fromhex("00000000d8000000d8000000000003e8000007d0") + b"\0" * 80)
    + _box(b"udta", _box(b"\xa9xyz", b"\0\x12\x15\xc7+50.4501+030.5234/")),
)

_USER_DATA = {
    "\xa9xyz": "GPSCoordinates", "\xa9mak": "Make", "\xa9mod": "Model",
    "\xa9swr": "SoftwareVersion", "\xa9day": "ContentCreateDate", "\xa9nam": "Title",
    "\xa9cmt": "Comment", "\xa9ART": "Artist",
    "\xa9aut": "Author", "\xa9cpy": "Copyright", "\xa9des": "Description", "\xa9dir": "Director",
    "\xa9key": "Keywords", "\xa9inf": "Information", "\xa9fmt": "Format", "\xa9enc": "EncodedBy",
    "\xa9too": "Encoder", "\xa9prd": "Producer", "\xa9req": "Requirements", "\xa9alb": "Album",
    "\xa9gen": "Genre", "\xa9wrt": "Composer", "\xa9src": "OriginalSource", "\xa9lyr": "Lyrics",
    "\xa9TIM": "StartTimecode", "\xa9clf": "ClipFileName", "\xa9dis": "Disclaimer",
    "\xa9pub": "Publisher", "\xa9com": "Composer", "\xa9url": "URL", "\xa9trk": "Track",
    "@xyz": "GPSCoordinates", "date": "DateTimeOriginal", "loci": "LocationInformation",
    "titl": "Title", "auth": "Author", "dscp": "Description", "perf": "Performer",
    "cprt": "Copyright", "albm": "Album", "gnre": "Genre", "name": "Name", "manu": "Make",
    "modl": "Model", "SDLN": "PlayMode", "smrd": "SamsungSmrd", "cver": "CodeVersion",
    "vndr": "Vendor",
}  # fmt: skip
_ITEMS = {
    "\xa9nam": "Title", "\xa9ART": "Artist", "aART": "AlbumArtist", "\xa9alb": "Album",
    "\xa9day": "ContentCreateDate", "\xa9too": "Encoder",
    "\xa9cmt": "Comment", "desc": "Description",
    "\xa9gen": "Genre", "\xa9wrt": "Composer", "cprt": "Copyright", "\xa9lyr": "Lyrics",
    "\xa9grp": "Grouping", "ldes": "LongDescription", "purd": "PurchaseDate",
    "apID": "AppleStoreAccount", "ownr": "Owner", "\xa9xyz": "GPSCoordinates", "\xa9mak": "Make",
    "\xa9mod": "Model", "\xa9swr": "SoftwareVersion", "\xa9enc": "EncodedBy", "tvsh": "TVShow",
    "\xa9url": "URL", "keyw": "Keyword", "catg": "Category", "\xa9pub": "Publisher",
}  # fmt: skip
# Keys of Apple's and Android's phones, without "com.apple.quicktime." or "com.android.".
_KEYS = {
    "location.ISO6709": "GPSCoordinates", "creationdate": "CreationDate", "make": "Make",
    "model": "Model", "software": "Software", "version": "AndroidVersion",
    "capture.fps": "AndroidCaptureFPS", "manufacturer": "AndroidMake",
    "content.identifier": "ContentIdentifier", "location.name": "LocationName",
    "location.note": "LocationNote", "location.accuracy.horizontal": "LocationAccuracyHorizontal",
    "location.role": "LocationRole", "location.date": "LocationDate", "title": "Title",
    "author": "Author", "description": "Description", "displayname": "DisplayName",
    "comment": "Comment", "copyright": "Copyright", "keywords": "Keywords", "artist": "Artist",
    "album": "Album", "genre": "Genre", "encoder": "Encoder", "camera.identifier":
    "CameraIdentifier", "live-photo.auto": "LivePhotoAuto", "direction.facing": "CameraDirection",
    "direction.motion": "CameraMotion", "collection.user": "UserCollection",
}  # fmt: skip
_TIME_TAGS = frozenset({"ContentCreateDate", "CreationDate", "DateTimeOriginal", "LocationDate"})
_SHOWN = 2000
_SINCE_1970 = 2_082_844_800  # below it, a film older than 1970: some programs count from there
_SAME_SECONDS = 5  # phones write the two times at the start and the end of what they do


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield header, user data and tracks of a film, then its XMP and what is broken."""
    film = tracks.film(file)
    said = list(_items(film))
    yield from _file(film)
    if film.head is not None:
        yield from _header(film.head, said, fragments=film.fragments)
    yield from said
    for number, track in enumerate(film.tracks[: quicktime.MOST_TRACKS], 1):
        yield from _track(f"Track{number}", track, film)
    for packet in film.xmp:
        yield from xmp_facts.facts(packet, "box uuid")
    for problem in film.problems:
        yield Problem(problem)


def _text(name: str, value: object, where: str, raw: object = None) -> Fact:
    shown, kept = str(value), str(value if raw is None else raw)
    return Fact(name, shown[:_SHOWN], kept[:_SHOWN], f"{VERSION} {where}")


def _file(film: Film) -> Iterator[Fact]:
    if film.brand:
        yield _text("QuickTime:MajorBrand", film.brand, "ftyp")
        major, first, second = film.minor >> 16, film.minor >> 8 & 255, film.minor & 255
        yield _text("QuickTime:MinorVersion", f"{major:x}.{first:x}.{second:x}", "ftyp")
        yield _text("QuickTime:CompatibleBrands", " ".join(film.brands), "ftyp")
    if film.media_size:
        yield _text("QuickTime:MediaDataOffset", film.media_offset, "mdat")
        yield _text("QuickTime:MediaDataSize", film.media_size, "mdat")
    if film.fragments:
        yield _text("QuickTime:Fragments", "yes", "moof or mvex")


def _header(head: Header, said: list[Fact], *, fragments: bool) -> Iterator[Fact]:
    for name, number in (("CreateDate", head.created), ("ModifyDate", head.modified)):
        moment = _moment(number)
        if moment is not None and any(_same(moment, one) for one in said):
            moment = moment._replace(value=f"{moment.value}Z", tz="UTC")
        raw, source = str(number), f"{VERSION} mvhd"
        if moment is None:
            yield Fact(f"QuickTime:{name}", raw, raw, source, None, "no time was set")
        else:
            yield fact(f"QuickTime:{name}", raw, source, moment)
    yield _text("QuickTime:TimeScale", head.scale, "mvhd")
    if head.number:
        yield _text("QuickTime:NextTrackID", head.number, "mvhd")
        yield _text("QuickTime:PreferredRate", _fixed(head.rate, 16), "mvhd")
        yield _text("QuickTime:PreferredVolume", _fixed(head.volume, 8), "mvhd")
    yield from _duration("QuickTime:Duration", head, "mvhd", fragments=fragments)


def _fixed(number: int, bits: int) -> str:
    """Return a fixed-point number as people write it."""
    return places.decimal(Fraction(number, 1 << bits))


def _moment(number: int) -> Normal | None:
    """Return a header's time: no zone, for the specification's UTC is often not kept."""
    found = times.since("quicktime", number)
    if found is None:
        return None
    if number < _SINCE_1970:
        found = times.since("unix", number)
        assert found is not None
        found = found._replace(suspect=found.suspect or "counted from 1970 instead of 1904")
    return found._replace(value=found.value.removesuffix("Z"), tz=times.UNKNOWN_ZONE)


def _same(moment: Normal, other: Fact) -> bool:
    """Return whether a time with its offset is the same moment, within some seconds."""
    if other.kind != "time" or other.tz in {None, times.UNKNOWN_ZONE} or other.suspect:
        return False
    one, two = (datetime.fromisoformat(text) for text in (f"{moment.value}Z", other.value))
    return abs((one - two).total_seconds()) <= _SAME_SECONDS


def _duration(name: str, head: Header, where: str, *, fragments: bool) -> Iterator[Fact]:
    if not head.scale:
        return
    raw, source = f"{head.duration}/{head.scale}", f"{VERSION} {where}"
    if head.duration == NO_LENGTH:
        yield Fact(name, raw, raw, source, None, "no length was set")
        return
    seconds = places.decimal(Fraction(head.duration, head.scale))
    unknown = fragments and not head.duration
    doubt = "the film is in fragments, whose lengths are not added up" if unknown else None
    yield Fact(name, seconds, raw, source, None, doubt)


def _items(film: Film) -> Iterator[Fact]:
    for item in film.items:
        key = item.name.removeprefix("com.apple.quicktime.").removeprefix("com.android.")
        known = {"UserData": _USER_DATA, "ItemList": _ITEMS, "Keys": _KEYS}[item.group]
        tag = known.get(key) or re.sub(r"[^A-Za-z0-9_-]+", "", key.title())[:80]
        if not tag:
            continue
        name = f"{item.group}:{tag}"
        if item.language and item.language not in {"und", "eng"}:
            name += f"-{item.language}"
        source = f"{VERSION} {item.name}"[:200]
        if tag == "GPSCoordinates":
            yield from _place(name, item.value, source)
        elif tag == "LocationInformation":
            yield from _location(name, item.value, source)
        elif tag in _TIME_TAGS:
            normal = times.iso(item.value) or times.exif(item.value)
            yield fact(name, item.value[:_SHOWN], source, normal)
        else:
            yield Fact(name, item.value[:_SHOWN], item.value[:_SHOWN], source)


def _place(name: str, text: str, source: str) -> Iterator[Fact]:
    place = places.iso6709(text)
    yield Fact(name, text, text, source, None, place.suspect if place else "not a place")
    if place is not None:
        yield fact("Composite:GPSPosition", text, f"from {name}", place)
        altitude = re.fullmatch(r"[+-][0-9.]+[+-][0-9.]+([+-][0-9]+(?:\.[0-9]+)?).*", text)
        if altitude:
            value = places.decimal(Fraction(altitude[1]))
            yield Fact("Composite:GPSAltitude", value, text, f"from {name}")


def _location(name: str, text: str, source: str) -> Iterator[Fact]:
    yield Fact(name, text, text, source)
    found = re.search(r"Lat=(\S+) Lon=(\S+) Alt=(\S+)", text)
    place = places.decimals(found[1], found[2]) if found else None
    if found is not None and place is not None:
        yield fact("Composite:GPSPosition", text, f"from {name}", place)
        if found[3] not in {"0", "-0"}:  # the form has no way of leaving it out
            yield Fact("Composite:GPSAltitude", found[3], text, f"from {name}")


def _track(group: str, track: Track, film: Film) -> Iterator[Fact]:
    if track.head is not None:
        yield _text(f"{group}:TrackID", track.head.number, "tkhd")
        yield _text(f"{group}:TrackLayer", track.head.layer, "tkhd")
        yield _text(f"{group}:TrackVolume", _fixed(track.head.volume, 8), "tkhd")
        if film.head is not None:  # a track's length is counted in the film's units
            scaled = replace(track.head, scale=film.head.scale)
            length = f"{group}:TrackDuration"
            yield from _duration(length, scaled, "tkhd", fragments=film.fragments)
        if track.handler == "vide":
            yield _text(f"{group}:ImageWidth", track.head.width >> 16, "tkhd")
            yield _text(f"{group}:ImageHeight", track.head.height >> 16, "tkhd")
            if track.head.rotation is not None:
                yield _text("Composite:Rotation", track.head.rotation, f"tkhd of {group}")
    for header, prefix in ((track.head, "Track"), (track.media, "Media")):
        if header is None:
            continue
        for name, number in (("CreateDate", header.created), ("ModifyDate", header.modified)):
            moment = _moment(number)
            if moment is not None:
                source = f"{VERSION} {'tkhd' if prefix == 'Track' else 'mdhd'}"
                yield fact(f"{group}:{prefix}{name}", str(number), source, moment)
    if track.media is not None:
        yield _text(f"{group}:MediaTimeScale", track.media.scale, "mdhd")
        length = f"{group}:MediaDuration"
        yield from _duration(length, track.media, "mdhd", fragments=film.fragments)
    if track.handler:
        yield _text(f"{group}:HandlerType", track.handler, "hdlr")
    if track.described:
        yield _text(f"{group}:HandlerDescription", track.described, "hdlr")
    if track.language:
        yield _text(f"{group}:MediaLanguageCode", track.language, "mdhd")
    yield from _samples(group, track)


def _samples(group: str, track: Track) -> Iterator[Fact]:
    if track.handler == "vide":
        if track.codec:
            yield _text(f"{group}:CompressorID", track.codec, "stsd")
        if track.compressor:
            yield _text(f"{group}:CompressorName", track.compressor, "stsd")
        if track.width:
            yield _text(f"{group}:SourceImageWidth", track.width, "stsd")
            yield _text(f"{group}:SourceImageHeight", track.height, "stsd")
            yield _text(f"{group}:BitDepth", track.bits, "stsd")
            for name, dots in zip("XY", track.dots, strict=True):
                yield _text(f"{group}:{name}Resolution", _fixed(dots, 16), "stsd")
        if track.vendor:
            yield _text(f"{group}:VendorID", track.vendor, "stsd")
        if track.media is not None and track.units and track.samples > 1:
            rate = Fraction(track.samples * track.media.scale, track.units)
            yield _text(f"{group}:VideoFrameRate", places.decimal(rate), "stts")
    elif track.handler == "soun" and track.codec:
        yield _text(f"{group}:AudioFormat", track.codec, "stsd")
        yield _text(f"{group}:AudioChannels", track.channels, "stsd")
        yield _text(f"{group}:AudioBitsPerSample", track.bits, "stsd")
        yield _text(f"{group}:AudioSampleRate", track.rate, "stsd")
    elif track.codec:
        yield _text(f"{group}:OtherFormat", track.codec, "stsd")
