"""Expert Witness images: who acquired what, when and with which tool; the stored hashes checked.

E01, Ex01 and their further segments; L01 and Lx01 with the list of files they hold. The media's
MD5 and SHA-1 are computed anew and compared with those stored: a seal, valid or broken. Where a
segment is missing or the time is up, the seal is `not-checked` and says so. Partition table and
file systems of the disk inside are read too.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Inhibitor, Item, Problem, Seal
from ingest.normalise import Normal, fact, times
from ingest.normalise.identifiers import device, digest, person
from ingest.readers.disk import facts_of, read_disk
from ingest.readers.ewf import MAGICS, Image, open_image, text_values
from ingest.readers.ewf_files import files_of
from ingest.readers.members import Budget, Exhausted, Unreadable

NAME = "disk_ewf"
VERSION = "EWF reader 1"
LIMITS = LONG
MOST_SEGMENTS = 20_000  # that are missed by number
CPU_SECONDS, WALL_SECONDS = 16.0, 26.0  # of the limits, for computing the hashes
FORMATS = frozenset({"ewf", "fmt/803"})
CONTAINERS = {"ewf": lambda peek: peek.head[:8] in MAGICS}
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNpzDXPj5OX6z8DIyMDAkJGamJJaZMQAA9+h9CsG0kAtS5dYxZzUPm+uQw4CLtmGs5+I7GxIOuMvwOp690fkC86m"
        "k04Giye42Oz9dSk6M67c17f8fI19p5OpVulk96lcJaz8piUXVihtfza1aqL8NOkXDzlFgxde0ysuvrFjafQOh+q5"
        "pZc8WGWjs9ZoZi3dqPS2YuO1u2XVZmVzor4Ixt70XdLy+aiZT8eVZcnL2qs2yH+vmh3usIon7dTa3/fPnpXl6JSP"
        "TJRfDfEpwsVrGCH0VhJ9eoa57H3FnNDjhlzNDgKsF37xn5F9xnTqnFrSXKVMJbGdBxdx671Ys0DPct+2fe80LwtN"
        "MuQ1YHF5w8G6M+Fg49SXv1+vFnvvZXtNM/rI6mn+XZ85TlffWbDVffqbH4et/09xC4mqtCjc/rr0+JESphd2Eg/L"
        "8nNKc1MRlouwQegMFtIcLc88+xzIv0xAzMEAYQgwjIJRMApGOpBjyKssTk0uyS8qhosdF4PQm0ksJJawHFKpmJOc"
        "IMHqLBjSMpPDMeKswxmOIzkBkmEKzxqSnBRKRHXvmHG5HdSQsHJoFDkq3xzsGPKh+tIbARYmVdXkZPHpAQYenjqe"
        "KmdZpJgbd/xoLDukIcG6OEGkpynQgMuN0ZaBoe0698zRSBvqgB2IGaE0qSB01eugCX4hbsEKQECRK96fXd2Z7qrM"
        "OBofo2AUjIJRMApGwSgYBaNgFIyCUTA4QTjH+nUliUk5SCOjDObiELqARLOOM7VsYcIizsxgw5DAxtBwmI2BYQPj"
        "BY6UzPTU4hKE/GWofXNI7fmyaP9bVlzQ8F7GYWHIjlVWZxWSVi3eL3Vd8USWqrGKmPWddVYWkTKp/MSaZ84fNisj"
        "sTgDWcxZgrywKGDaOQfdbehq7rOLHUrJz0vFZp8Pifb5MfVNAwDha/Px"
    )
)

# The short names of versions 1 and 2, and what they mean.
_TEXTS = {
    "c": "CaseNumber", "cn": "CaseNumber", "n": "EvidenceNumber", "en": "EvidenceNumber",
    "a": "Description", "nm": "Description", "e": "Examiner", "ex": "Examiner", "t": "Notes",
    "nt": "Notes", "av": "AcquisitionTool", "ov": "AcquisitionSystem", "os": "AcquisitionSystem",
    "md": "Model", "sn": "SerialNumber", "l": "Label", "lb": "Label", "r": "Compression",
    "pid": "ProcessIdentifier", "ext": "Extents",
}  # fmt: skip
_TIMES = {"m": "Acquired", "at": "Acquired", "u": "SystemTime", "tt": "SystemTime"}
_MEDIA = {0: "removable", 1: "fixed", 3: "optical", 14: "logical", 16: "memory"}


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the acquisition says of itself, the disk inside, and whether the hashes hold."""
    try:
        image = open_image([file, *found.further])
        yield from _acquisition(image)
        yield from _segments(image)
        stored = _stored(image)
        yield from (
            fact(f"EWF:Stored{name.upper()}", value, f"{VERSION} {name}", digest(value, name))
            for name, value in stored.items()
        )
        if image.logical:
            yield from files_of(image, VERSION)
        elif image.chunk_size:
            yield from _disk(image)
    except Unreadable as error:
        yield Problem(str(error))
        return
    yield from _seals(image, stored)
    for problem in dict.fromkeys(image.problems):
        yield Problem(problem)


def _acquisition(image: Image) -> Iterator[Item]:
    source = "EWF2" if image.version == 2 else "EWF"
    said: dict[str, str] = {}
    for kind in ("case", "device", "header", "header2"):  # the last one wins: it is in Unicode
        try:
            said |= {key: value for key, value in text_values(image, kind).items() if value}
        except Unreadable as error:
            yield Problem(f"the {kind} section: {error}")
    for key, value in said.items():
        text = value.strip()
        if key in _TIMES and text:
            yield fact(f"EWF:{_TIMES[key]}", text, f"{VERSION} {source} {key}", _moment(text))
        elif key in _TEXTS and text:
            normal = {"e": person, "ex": person}.get(key, lambda _: None)(text)
            if key == "sn":
                normal = device("serial", text)
            yield fact(f"EWF:{_TEXTS[key]}", text, f"{VERSION} {source} {key}", normal)
    if said.get("p", "0") not in {"0", ""}:
        yield Fact("EWF:Password", "set", said["p"], f"{VERSION} {source} p")


def _moment(text: str) -> Normal | None:
    """Return a time: seconds since 1970, or the parts of a clock whose zone nobody wrote down."""
    if text.isdecimal() and len(text) < 12:
        return times.since("unix", int(text))
    parts = text.split()
    if len(parts) == 6 and all(part.isdecimal() and len(part) <= 4 for part in parts):
        year, month, day, hour, minute, second = (part.zfill(2) for part in parts)
        return times.iso(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
    return None


def _segments(image: Image) -> Iterator[Item]:
    def plain(name: str, value: object) -> Fact:
        return Fact(f"EWF:{name}", str(value), str(value), VERSION)

    yield plain("Version", image.version)
    yield plain("Segments", " ".join(map(str, image.segments)))
    for section in image.sections:
        if section.kind in {"volume", "disk", "data"} and section.size >= 94 and image.version == 1:
            kind = section.read(1)[0]
            yield plain("MediaType", _MEDIA.get(kind, kind))
            break
    if image.size and not image.logical:
        yield plain("MediaSize", image.size)
    if image.chunk_size:
        yield plain("ChunkSize", image.chunk_size)
    if image.identifier:
        yield plain("SetIdentifier", image.identifier)
    if any(True for _ in image.all("keys")):
        yield Inhibitor("encrypted")
    last = min(max(image.segments), MOST_SEGMENTS)
    gone = sorted(set(range(1, last + 1)) - set(image.segments))
    if gone or not image.complete:
        yield Inhibitor("missing-part")
        said = [] if image.complete else ["those after the last one given"]
        yield plain("MissingSegments", ", ".join([*said, *map(str, gone[:100])]))


def _stored(image: Image) -> dict[str, str]:
    """Return the hashes that the image keeps of its media."""
    found: dict[str, str] = {}
    for section in image.sections:
        data = section.read(64)
        if section.kind in {"hash", "digest", "md5"} and len(data) >= 16 and any(data[:16]):
            found["md5"] = data[:16].hex()
        if section.kind == "digest" and len(data) >= 36 and any(data[16:36]):
            found["sha1"] = data[16:36].hex()
        if section.kind == "sha1" and len(data) >= 20 and any(data[:20]):
            found["sha1"] = data[:20].hex()
    return found


def _disk(image: Image) -> Iterator[Item]:
    try:
        yield from facts_of(read_disk(image.media, image.size), VERSION)
    except Unreadable as error:
        yield Problem(f"the disk inside: {error}", incomplete=False)


def _seals(image: Image, stored: dict[str, str]) -> Iterator[Item]:
    if not stored:
        yield Seal("E01 stored hash", "absent", "the image keeps no hash of its media")
        return
    running = {name: hashlib.new(name, usedforsecurity=False) for name in stored}
    budget = Budget(CPU_SECONDS, WALL_SECONDS, produced=1 << 62)
    done, why = 0, ""
    if image.chunks_here < image.chunk_count:
        why = f"{image.chunks_here} of {image.chunk_count} chunks are in the segments given"
    try:
        for chunk in image.chunks() if not why else ():
            for each in running.values():
                each.update(chunk)
            done += len(chunk)
            budget.spend(len(chunk))
    except Exhausted as error:
        why = f"{error}: {done} of {image.size} bytes read"
    except Unreadable as error:
        for name in stored:
            yield Seal(f"E01 stored {name.upper()}", "broken", f"the media cannot be read: {error}")
        return
    if not why and image.size and done != image.size:
        why = f"{done} of {image.size} bytes are in the image"
    for name, value in stored.items():
        computed = running[name].hexdigest()
        if why:
            yield Seal(f"E01 stored {name.upper()}", "not-checked", f"{value} stored; {why}")
        elif computed == value:
            yield Seal(f"E01 stored {name.upper()}", "valid", f"{value} over {done} bytes of media")
        else:
            yield Seal(f"E01 stored {name.upper()}", "broken", f"{value} stored, {computed} found")
