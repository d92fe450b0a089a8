"""UFED acquisitions: .ufd (an ini file) and .ufdx (a small XML): device, type, times, hashes.

The .ufd lies beside the archive it describes. Where that archive is a further part of the same
exhibit its hashes are computed and compared; else the seal is `not-checked`.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem, Seal
from ingest.normalise import fact
from ingest.normalise.identifiers import digest
from ingest.readers.members import Budget, Exhausted, Unreadable, size_of
from ingest.readers.named import named, tag
from ingest.readers.peek import Peek
from ingest.readers.streams import read_blocks
from ingest.readers.xmls import nodes

NAME = "ufd"
VERSION = "UFD reader 1"
LIMITS = LONG
FORMATS = frozenset({"ufd", "ufdx"})
MOST = 4 << 20  # bytes of the file
MOST_FACTS = 3000
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}


def _is_ufd(peek: Peek) -> bool:
    """Return whether a file is an ini file with the sections and keys of UFED."""
    wide = peek.head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    if not wide and peek.head[:200].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"[":
        return False
    text = _text(peek.head[:8192])
    return text.lstrip()[:1] == "[" and bool(
        re.search(r"^\[(Dumps|DeviceInfo|General|ExtractionStatus)\]", text, re.M)
        and re.search(r"^(AcquisitionTool|ExtractionType|FileDump|UFED)", text, re.M | re.I)
    )


CONTAINERS = {
    "ufd": _is_ufd,
    "ufdx": lambda peek: b"<EvidenceCollection" in peek.head[:2048],
}
SAMPLE = (
    b"[DeviceInfo]\r\nIMEI1=490154203237518\r\nModel=SM-A525F\r\nOS=13\r\nVendor=Samsung\r\n"
    b"[Dumps]\r\nFileDump=Samsung SM-A525F.zip\r\n[General]\r\nAcquisitionTool=UFED 4PC\r\n"
    b"Date=2024-05-01T07:30:00+03:00\r\nExtractionType=FileSystem\r\n"
    b"[SHA256]\r\nSamsung SM-A525F.zip="
    b"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\r\n"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield every key as a fact, the declared hashes, and whether further parts have them."""
    file.seek(0)
    data = file.read(MOST + 1)
    if len(data) > MOST:
        yield Problem(f"only the first {MOST} bytes are read")
    try:
        if b"<EvidenceCollection" in data[:2048]:
            yield from _ufdx(data)
            return
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    declared: dict[str, str] = {}
    count = 0
    for section, key, value in _pairs(_text(data[:MOST])):
        count += 1
        if count > MOST_FACTS:
            yield Problem(f"more than {MOST_FACTS} keys")
            break
        algorithm = _HASHES.get(re.sub("[^A-Z0-9]", "", section.upper()))
        normal = digest(value, algorithm) if algorithm else None
        if normal is not None:
            declared[normal.value] = key
            name = f"UFD:Declared{section.upper()}"
            yield fact(tag("UFD", name[4:]), f"{key}={value}", f"{VERSION} [{section}]", normal)
            continue
        item = named("UFD", key, value, f"{VERSION} [{section}]")
        if item is not None:
            yield item
    yield _seal(declared, found.further)


def _text(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "backslashreplace")
    return data.decode("utf-8-sig", "backslashreplace")


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in text.splitlines():
        plain = line.strip()
        heading = re.fullmatch(r"\[([^\]]{1,100})\]", plain)
        if heading:
            section = heading[1].strip()
        elif plain[:1] not in {"", ";", "#"}:
            key, equals, value = plain.partition("=")
            if equals and key.strip():
                yield section, key.strip()[:200], value.strip()[:2000]


def _ufdx(data: bytes) -> Iterator[Item]:
    for node in nodes([data], Budget()):
        if node.text is not None:
            continue
        at = node.attributes
        if node.name == "Fields" and at.get("Caption"):
            item = named("UFDX", at["Caption"], at.get("Value", ""), f"{VERSION} Fields")
            if item is not None:
                yield item
        elif node.name == "Extraction":
            said = " ".join(f"{key}={value}" for key, value in list(at.items())[:20])
            yield Fact("UFDX:Extraction", said, said, f"{VERSION} Extraction")
        elif node.name in {"EvidenceCollection", "DeviceInfo"}:
            for key, value in list(at.items())[:100]:
                item = named("UFDX", key, value, f"{VERSION} {node.name}")
                if item is not None:
                    yield item


def _seal(declared: dict[str, str], further: tuple[BinaryIO, ...]) -> Seal:
    kind = "UFD tool-declared hashes"
    if not declared:
        return Seal(kind, "absent", "the file declares no hash")
    if not further:
        return Seal(kind, "not-checked", "the files it names are no part of this exhibit")
    algorithms = {value.partition(":")[0] for value in declared}
    budget = Budget(14.0, 22.0, produced=1 << 62)
    equal: list[str] = []
    for number, part in enumerate(further, start=2):
        running = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        try:
            for block in read_blocks(part, 0, size_of(part)):
                budget.spend(len(block))
                for each in running.values():
                    each.update(block)
        except Exhausted as error:
            return Seal(kind, "not-checked", f"part {number} was not read to its end: {error}")
        found = {f"{name}:{each.hexdigest()}" for name, each in running.items()}
        equal += [declared[value] for value in found & declared.keys()]
    missing = sorted(set(declared.values()) - set(equal))
    if not missing:
        return Seal(
            kind, "valid", f"{len(equal)} hashes equal those of the exhibit's further parts"
        )
    said = f"{len(equal)} equal; none of the further parts is: {', '.join(missing[:10])}"
    enough = len(further) >= len(set(declared.values()))
    return Seal(kind, "broken" if enough else "not-checked", said[:2000])
