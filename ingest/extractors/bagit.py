"""BagIt bags inside archives: what bag-info says, and whether every manifest holds.

Each bag of the archive has one seal: payload and tag manifests recomputed (MD5 to SHA-512), files
that no manifest names, files named twice or beyond the bag, Payload-Oxum; of version 1.0 also what
RFC 8493 asks beyond the drafts before it. A bag whose missing files stand in fetch.txt is
`not-checked`: nothing is fetched.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem, Seal
from ingest.readers.containers import names_of, open_container, scan
from ingest.readers.members import FILE, Budget, Entry, Exhausted, Unreadable
from ingest.readers.named import named

NAME = "bagit"
VERSION = "BagIt reader 2"
LIMITS = LONG
FORMATS = frozenset({"bagit"})
CONTAINERS = {
    "bagit": lambda peek: any(name.rpartition("/")[2] == "bagit.txt" for name in names_of(peek))
}
MOST_BAGS = 200
MOST_TAGS = 16 << 20
_MANIFEST = re.compile(r"(tag)?manifest-(md5|sha1|sha224|sha256|sha384|sha512)\.txt")
_TWO_LINES = re.compile(
    rb"BagIt-Version: [0-9]+\.[0-9]+(\r\n|\n|\r)Tag-File-Character-Encoding: [^\s]+(\r\n|\n|\r)?"
)
_TAG_FILES = ("bagit.txt", "bag-info.txt", "package-info.txt", "fetch.txt")
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVpzqP+FOAAAADYAAAANAAAAYmFnL2JhZ2l0LnR4dHNKTPcs0Q1LLSrOzM+zUjDUM+AKSUzX"
    "dcvMSdV1zkgsSkwuSS3Sdc1Lzk/JzEu3UggNcdO14AIAUEsDBBQAAAAIAAAAIVq7dOmhNgAAADQAAAAQAAAAYmFn"
    "L2JhZy1pbmZvLnR4dAvOLy1KTtX1L0pPzMusSizJzM+zUnDLTM1JUfBPS8tMTuUKSKzMyU9M0fWvKM21UrDQM+QC"
    "AFBLAwQUAAAACAAAACFa1o/YTEIAAABNAAAAFwAAAGJhZy9tYW5pZmVzdC1zaGEyNTYudHh0BcHRAYAgCAXA/6Zw"
    "ggLB0HFAHhP40fjdAbMPqrAXtDREQ42LxU0yAoOTHawdK2ustE0pjN2pyMknWks//vh9vnP9UEsDBBQAAAAIAAAA"
    "IVoQV2EMCgAAAAgAAAAOAAAAYmFnL2RhdGEvYS50eHRLLctMSc1LTgUAUEsBAhQDFAAAAAgAAAAhWnOo/4U4AAAA"
    "NgAAAA0AAAAAAAAAAAAAAIABAAAAAGJhZy9iYWdpdC50eHRQSwECFAMUAAAACAAAACFau3TpoTYAAAA0AAAAEAAA"
    "AAAAAAAAAAAAgAFjAAAAYmFnL2JhZy1pbmZvLnR4dFBLAQIUAxQAAAAIAAAAIVrWj9hMQgAAAE0AAAAXAAAAAAAA"
    "AAAAAACAAccAAABiYWcvbWFuaWZlc3Qtc2hhMjU2LnR4dFBLAQIUAxQAAAAIAAAAIVoQV2EMCgAAAAgAAAAOAAAA"
    "AAAAAAAAAACAAT4BAABiYWcvZGF0YS9hLnR4dFBLBQYAAAAABAAEAPoAAAB0AQAAAAA="
)


@dataclass(slots=True)
class _Bag:
    """One bag: its tag files, its members, and what its manifests say of them."""

    root: str
    texts: dict[str, bytes] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)  # place in the bag -> size
    listed: dict[str, dict[str, str]] = field(default_factory=dict)  # manifest -> place -> digest
    computed: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # place -> algorithm -> digest
    wrong: list[str] = field(default_factory=list)
    encoding: str = "utf-8"
    fetched: set[str] = field(default_factory=set)
    published: bool = False  # of version 1.0 or later: RFC 8493, not a draft before it


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what each bag says of itself, and its seal."""
    bags: dict[str, _Bag] = {}
    why = ""
    try:
        _tag_files(file, bags)
        for bag in bags.values():
            _declared(bag)
        _payload(file, bags)
    except (Unreadable, Exhausted) as error:
        why = str(error)
        yield Problem(f"the archive was not read to its end: {error}")
    for bag in list(bags.values())[:MOST_BAGS]:
        yield from _facts(bag)
        yield _seal(bag, why)
    if len(bags) > MOST_BAGS:
        yield Problem(f"only {MOST_BAGS} of {len(bags)} bags are given")


def _tag_files(file: BinaryIO, bags: dict[str, _Bag]) -> None:
    """Go through the archive for the bags and their tag files."""

    def wanted(entry: Entry) -> int:
        name = entry.path.rpartition("/")[2]
        return MOST_TAGS if name in _TAG_FILES or _MANIFEST.fullmatch(name) else 0

    budget = Budget(6.0, 10.0)
    container = open_container(file, budget)
    texts: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    for entry, content in scan(container, budget, wanted) if container else ():
        if entry.kind == FILE:
            path = entry.path.removeprefix("./")
            sizes[path] = entry.size
            if content is not None:
                texts[path] = content
    for path in texts:
        root, _, name = path.rpartition("/")
        if name == "bagit.txt":
            bags[root] = _Bag(root)
    for path, size in sizes.items():
        for bag in _bags_of(path, bags):
            place = path[len(bag.root) + 1 :] if bag.root else path
            bag.members[place] = size
            if path in texts and "/" not in place:
                bag.texts[place] = texts[path]


def _bags_of(path: str, bags: dict[str, _Bag]) -> Iterator[_Bag]:
    """Yield every bag a member lies in: a bag may hold a bag."""
    if "" in bags:
        yield bags[""]
    at = path.find("/")
    while at >= 0:
        if path[:at] in bags:
            yield bags[path[:at]]
        at = path.find("/", at + 1)


def _declared(bag: _Bag) -> None:
    """Read what the tag files declare."""
    head = bag.texts.get("bagit.txt", b"")
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        bag.wrong.append("bagit.txt begins with a byte order mark")
    said = dict(_labels(head.decode("utf-8-sig", "replace")))
    version = said.get("BagIt-Version", "")
    if not re.fullmatch(r"[0-9]+\.[0-9]+", version):
        bag.wrong.append("bagit.txt has no version")
    bag.published = version[:1] > "0"
    if bag.published and not _TWO_LINES.fullmatch(head):
        bag.wrong.append("bagit.txt has other lines than its two")
    encoding = said.get("Tag-File-Character-Encoding", "")
    try:
        "".encode(encoding or "none")
        bag.encoding = encoding
    except LookupError:
        bag.wrong.append("bagit.txt names no encoding")
    for name, content in bag.texts.items():
        if _MANIFEST.fullmatch(name):
            bag.listed[name] = _manifest(content, bag, name)
    if not any(name.startswith("manifest-") for name in bag.listed):
        bag.wrong.append("no manifest of the payload")
    for line in _text(bag.texts.get("fetch.txt", b""), bag).splitlines():
        parts = line.split(None, 2)
        if len(parts) == 3:
            bag.fetched.add(_place(parts[2]))
            if _beyond(parts[2]):
                bag.wrong.append(f"fetch.txt leads out of the bag: {parts[2][:100]}")
            elif not (parts[1] == "-" or parts[1].isdecimal()):
                bag.wrong.append(f"fetch.txt says no length of {parts[2][:100]}")
        elif bag.published and line.strip():
            bag.wrong.append(f"fetch.txt has a line that names no file: {line[:100]}")


def _manifest(content: bytes, bag: _Bag, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _text(content, bag).splitlines():
        digest, _, path = line.strip("\r").partition(" ")
        if not path:
            digest, _, path = line.partition("\t")
        path = path.lstrip(" \t").removeprefix("*")
        if not digest or not path:
            if bag.published and line.strip():
                bag.wrong.append(f"{name} has a line that is no digest and path: {line[:100]}")
            continue
        place = _place(path)
        if _beyond(path):
            bag.wrong.append(f"{name} leads out of the bag: {path[:100]}")
        elif place in found and (bag.published or found[place] != digest.lower()):
            bag.wrong.append(f"{name} names a file twice: {place[:100]}")
        found.setdefault(place, digest.lower())
    return found


def _text(content: bytes, bag: _Bag) -> str:
    return content.decode(bag.encoding, "replace")


def _place(path: str) -> str:
    """Return a path as the manifest means it: ends of lines are written in percent."""
    plain = re.sub("%0[aA]", "\n", re.sub("%0[dD]", "\r", path.strip("\n")))
    return plain.removeprefix("./").replace("%25", "%")


def _beyond(path: str) -> bool:
    return ".." in path.split("/") or path[:1] in {"/", "~"}


def _asked_by_the_rfc(bag: _Bag) -> Iterator[str]:
    """Yield what breaks RFC 8493 in the lists of a bag, and was allowed by the drafts before it."""
    manifests = {name for name in bag.listed if not name.startswith("tag")}
    every = {place for place in bag.members if place.startswith("data/")} | bag.fetched
    for name, listed in sorted(bag.listed.items()):
        if name in manifests:
            yield from (f"not in {name}: {one[:100]}" for one in sorted(every - listed.keys()))
            others = sorted(one for one in listed if not one.startswith("data/"))
            yield from (f"{name} names what is beside the payload: {one[:100]}" for one in others)
            continue
        yield from (f"not in {name}: {one}" for one in sorted(manifests - listed.keys()))
        for place in listed:
            if place.startswith("data/"):
                yield f"{name} names payload: {place[:100]}"
            elif place.startswith("tagmanifest-") and "/" not in place:
                yield f"{name} names a tag manifest: {place[:100]}"


def _payload(file: BinaryIO, bags: dict[str, _Bag]) -> None:
    """Compute the digests of what the manifests name."""
    wanted: dict[str, set[str]] = {}
    for bag in bags.values():
        prefix = f"{bag.root}/" if bag.root else ""
        for name, listed in bag.listed.items():
            algorithm = name.partition("-")[2].removesuffix(".txt")
            for place in listed:
                wanted.setdefault(prefix + place, set()).add(algorithm)
    budget = Budget(9.0, 14.0)
    container = open_container(file, budget)
    for entry in container.entries if container else ():
        path = entry.path.removeprefix("./")
        if path not in wanted or entry.read is None:
            continue
        try:
            found = _digests(entry, wanted[path], budget)
        except Unreadable as error:
            found = {"error": str(error)}
        for bag in _bags_of(path, bags):
            bag.computed[path[len(bag.root) + 1 :] if bag.root else path] = found


def _digests(entry: Entry, algorithms: set[str], budget: Budget) -> dict[str, str]:
    running = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    assert entry.read is not None
    for block in entry.read():
        budget.spend(len(block))
        for each in running.values():
            each.update(block)
    return {name: each.hexdigest() for name, each in running.items()}


def _facts(bag: _Bag) -> Iterator[Item]:
    where = f"{VERSION} {bag.root}"[:200].strip()
    payload = [place for place in bag.members if place.startswith("data/")]
    yield Fact("BagIt:PayloadFiles", str(len(payload)), str(len(payload)), where)
    for name in ("bagit.txt", "bag-info.txt", "package-info.txt"):
        for label, value in list(_labels(_text(bag.texts.get(name, b""), bag)))[:200]:
            item = named("BagIt", label, value, f"{where} {name}")
            if item is not None:
                yield item


def _labels(text: str) -> Iterator[tuple[str, str]]:
    """Yield the labels of a tag file; lines that begin with a space go on."""
    label, value = "", ""
    for line in text.replace("\ufeff", "").splitlines():
        if line[:1] in {" ", "\t"} and label:
            value += f" {line.strip()}"
            continue
        if label:
            yield label, value
        label, colon, rest = line.partition(":")
        label, value = (label.strip()[:80], rest.strip()[:2000]) if colon else ("", "")
    if label:
        yield label, value


def _seal(bag: _Bag, why: str) -> Seal:
    wrong, holes, equal = list(bag.wrong), 0, 0
    named_files: set[str] = set()
    for name, listed in bag.listed.items():
        algorithm = name.partition("-")[2].removesuffix(".txt")
        for place, digest in listed.items():
            named_files.add(place)
            if place not in bag.members:
                if place in bag.fetched:
                    holes += 1
                else:
                    wrong.append(f"missing: {place[:100]}")
                continue
            computed = bag.computed.get(place)
            if computed is None:
                why = why or f"{place[:100]} was not read"
            elif computed.get(algorithm) == digest:
                equal += 1
            else:
                wrong.append(f"differs: {place[:100]} {computed.get('error', '')}".strip())
    payload = {place: size for place, size in bag.members.items() if place.startswith("data/")}
    wrong += _asked_by_the_rfc(bag) if bag.published else ()
    wrong += [f"in no manifest: {place[:100]}" for place in payload if place not in named_files]
    oxum = dict(_labels(_text(bag.texts.get("bag-info.txt", b""), bag))).get("Payload-Oxum", "")
    if re.fullmatch(r"[0-9]{1,18}\.[0-9]{1,12}", oxum) and not holes:
        counted = f"{sum(payload.values())}.{len(payload)}"
        if oxum != counted:
            wrong.append(f"Payload-Oxum {oxum}, found {counted}")
    where = f"{bag.root}: " if bag.root else ""
    said = f"{where}{equal} digests equal in {len(bag.listed)} manifests"
    if wrong:
        detail = f"{said}; {len(wrong)} faults: {'; '.join(wrong[:10])}"
        return Seal("BagIt manifests", "broken", detail[:2000])
    if why or holes:
        rest = why or f"{holes} files are to be fetched"
        return Seal("BagIt manifests", "not-checked", f"{said}; {rest}"[:2000])
    return Seal("BagIt manifests", "valid", said)
