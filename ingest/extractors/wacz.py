"""WACZ web archives: title, pages, software, times; hashes, signature and the WARCs inside checked.

Seals: "WACZ resources" (every hash of datapackage.json), "WACZ package digest" (that of
datapackage.json itself), "WACZ signature" (over that digest, by the key or certificate inside:
`untrusted` where it holds, for no anchor vouches for it here), and "WARC digests" of each WARC.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.extraction import LONG, Fact, Found, Item, Problem, Seal
from ingest.normalise import fact, times
from ingest.normalise.identifiers import url
from ingest.readers import zips
from ingest.readers.captures import captured
from ingest.readers.members import Budget, Entry, Exhausted, FromBlocks, Unreadable, held
from ingest.readers.streams import gunzip

NAME = "wacz"
VERSION = "WACZ reader 2"
LIMITS = LONG
FORMATS = frozenset({"wacz"})
CONTAINERS = {
    "wacz": lambda peek: (
        peek.has("datapackage.json")
        and any(re.search(r"(?:^|/)(?:archive|indexes|pages|data)/", name) for name in peek.names)
    )
}
MOST_TEXT = 32 << 20
MOST_RESOURCES = 20_000
MOST_PAGES = 2000
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVo5JW4HTAEAAEcBAAAUAAAAYXJjaGl2ZS9kYXRhLndhcmMuZ3oBRwG4/h+LCAAAAAAAAgOF"
    "kGFrwjAQhr8X+h/yB9KmqU6WbYJTnKJOp9XqvgUb20JsSnIy/fdLWMdAwX077t67e9437S37YRREvpfaCieXWjD0"
    "xfW+rA6qaQ442CYltIVJG5MoIR0WE0bIZyNYir3SGR4PGHo+6YqdTmXGoq7v9VUFooLmLK9rWe45lKoK3Qt8KIXM"
    "zJ9sKqocCobitu/5nlEHsDK7CMIAsoiqFpqD0gwN3aYT/RDcONDC1Koy4rfJdS4Ar5djhgqA2rAwFGd+rKUIlM5D"
    "fs9p9J9T2m2m4wXuZZn9bRiKHmlAAhp07qXgWJ7Q0eRgRy9X0At+kYpneFDm1j9DpuAR20zpbDaat3bb9WSYbh7i"
    "3ShJV6+z+G07WX3Q99swW48upVGSLFxK1hxB88k1FIgzWJqjdNpCSKlc8Q3Xg/bAHQIAAFBLAwQUAAAACAAAACFa"
    "aii+6WEAAABqAAAAEQAAAHBhZ2VzL3BhZ2VzLmpzb25sq1ZKyy/KTSxRslJQyirOz9MtSExPLdY11DNQquWqViot"
    "ygHJZJSUFBRb6eunViTmFuSk6uUXpesnKukoKJUUg6SNDIxMdA1MdQ0MQwzMrYwNrQwMosCymSU5qSAFjkDDAFBL"
    "AwQUAAAACAAAACFatKmmvRcBAADSAQAAEAAAAGRhdGFwYWNrYWdlLmpzb259kMFuwyAMhl8lyrlNgQQCeYVdd9o0"
    "TY4xTbYuiYC1aqu++yA7rJqmCYSl/7OtT1zLxc9uPFDZFaWFCNsF8B32VG6KMo7xGzz483SOYYScoieIZHMumGi2"
    "TG4Zf2S6Yyzdp9wSZhdP4NfZSCEWPKcnwMvrkXwY5ykTXqWTgacwf3qkkNLnaznBxzoJHofxSLusVaV1WO0vuX2B"
    "OPzHBwgrDwMIqTqjWw2glDKKBLPgBFqJrDFMGwRM1XLiUiEpoYkb1iPrqa2VdI3hIPLK/hxXu1q0t03xo7iknwq7"
    "9a3ewjwd7v3+hL/kmKl5i1QDyFo7I4E0Ks2N7F1TW5StVs6AFi1PJq4nTPK8d0m/tYig7+U4U7eX2xdQSwMEFAAA"
    "AAgAAAAhWkMNEpKmAQAAWQIAABcAAABkYXRhcGFja2FnZS1kaWdlc3QuanNvbrWO3XKiMACFX6XDbbdLEkMAZ3oh"
    "BAWR+osV7yJJ+FOkEmTdTt99qzuzb7C355z5zvepNUzl2vBJ40yxhqUVy8TPsj3X2o8nLWfto2tzhgwytJgNueAQ"
    "2NKQENlEspRIbhhCipSRAR9YNiYmNDEaSMMCHGJrYB4wkDZiAwLvyLbIasHp99k3+PN/PKQXwZTgdyoCCL8A4wXA"
    "DbCGAAwB3D8kzlL17CLuGyVa9fRPjanubxxNYjda0iJjNsjToKLvQPjyQsNz7+vBzt5Y2Sr1bnHobiKTRtcQPgc+"
    "Pc9iTPabGM+5FO06TtzIXdzWbeQEaod8VOhGAma0v2Jz8n6bVzyHfBWZdrAThXOsSrsr1LYtEe9o58WnqWEsRq+v"
    "d7mmOxyLNBS3h5yf9N4o8cPzPvhdAne0TMYh9ryRG9AkG3kh7XmKdvMVLm81JnoATKl/wCvZS5McdTLbllEtG9Mf"
    "uzNnO71uD/WlzZYL57BeKEXzo7+bVhO/muCCxJ1+KB22XP1qcjSRSuzTBqVVCxxkB8ekR54pog+xqE+r0+btMva6"
    "50j7+voDUEsBAhQDFAAAAAgAAAAhWjklbgdMAQAARwEAABQAAAAAAAAAAAAAAIABAAAAAGFyY2hpdmUvZGF0YS53"
    "YXJjLmd6UEsBAhQDFAAAAAgAAAAhWmoovulhAAAAagAAABEAAAAAAAAAAAAAAIABfgEAAHBhZ2VzL3BhZ2VzLmpz"
    "b25sUEsBAhQDFAAAAAgAAAAhWrSppr0XAQAA0gEAABAAAAAAAAAAAAAAAIABDgIAAGRhdGFwYWNrYWdlLmpzb25Q"
    "SwECFAMUAAAACAAAACFaQw0SkqYBAABZAgAAFwAAAAAAAAAAAAAAgAFTAwAAZGF0YXBhY2thZ2UtZGlnZXN0Lmpz"
    "b25QSwUGAAAAAAQABAAEAQAALgUAAAAA"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the package says, its pages, its seals, then the WARCs inside."""
    budget = Budget(9.0, 14.0)
    try:
        archive = zips.read_zip(file, budget)
        for problem in archive.problems:
            yield Problem(problem)
        entries = {entry.path: entry for entry in archive.entries}
        raw = _content(entries, "datapackage.json", budget)
        package = _object(raw)
        yield from _said(package)
        yield from _pages(entries, budget)
        yield _resources(package, entries, budget)
        yield from _digest(raw, entries, budget)
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    inner = Budget(7.0, 12.0)
    for path, entry in entries.items():
        if re.search(r"\.warc(?:\.gz)?$", path) and entry.read is not None:
            blocks = entry.read()
            blocks = gunzip(blocks) if path.endswith(".gz") else blocks
            yield from captured(FromBlocks(blocks), path, VERSION, inner)


def _content(entries: Mapping[str, Entry], name: str, budget: Budget) -> bytes:
    if name not in entries:
        raise Unreadable(f"no {name}")
    return held(entries[name], budget, MOST_TEXT)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("a JSON inside cannot be read") from error
    if not isinstance(found, dict):
        raise Unreadable("a JSON inside is no object")
    return found


def _said(package: Mapping[str, Any]) -> Iterator[Item]:
    for key in ("title", "description", "created", "modified", "software", "wacz_version",
                "mainPageUrl", "mainPageURL", "mainPageDate", "profile"):  # fmt: skip
        value = package.get(key)
        if not isinstance(value, str) or not value:
            continue
        name = f"WACZ:{key[0].upper()}{key[1:]}".replace("_v", "V").replace("URL", "Url")
        normal = url(value) if key.startswith("mainPageU") else None
        if key in {"created", "modified", "mainPageDate"}:
            normal = times.iso(value)
        yield fact(name, value[:2000], f"{VERSION} datapackage {key}", normal)


def _pages(entries: Mapping[str, Entry], budget: Budget) -> Iterator[Item]:
    count = 0
    for path, entry in entries.items():
        if not re.search(r"(?:^|/)pages/[^/]+\.jsonl$", path):
            continue
        try:
            lines = held(entry, budget, MOST_TEXT).decode("utf-8", "replace").splitlines()
        except Unreadable as error:
            yield Problem(f"{path[:200]}: {error}")
            continue
        for line in lines:
            try:
                page = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(page, dict) and isinstance(page.get("url"), str):
                count += 1
                if count <= MOST_PAGES:
                    said = f"{page['url']} {page.get('ts', '')} {page.get('title', '')}"[:2000]
                    normal = url(page["url"])
                    item = fact("WACZ:Page", page["url"][:2000], f"{VERSION} {path}", normal)
                    yield Fact(item.name, item.value, said, item.source, None, None, item.kind)
    yield Fact("WACZ:Pages", str(count), str(count), VERSION)


def _resources(package: Mapping[str, Any], entries: Mapping[str, Entry], budget: Budget) -> Seal:
    kind = "WACZ resources"
    listed = package.get("resources")
    if not isinstance(listed, list) or not listed:
        return Seal(kind, "absent", "datapackage.json lists no resources")
    equal, wrong, why = 0, list[str](), ""
    for resource in listed[:MOST_RESOURCES]:
        path, stated = _resource(resource)
        entry = entries.get(path)
        if not stated:
            wrong.append(f"{path}: no hash")
        elif entry is None:
            wrong.append(f"{path}: not in the archive")
        else:
            try:
                found = _hash(entry, stated, budget)
            except Exhausted as error:
                why = str(error)
                break
            except Unreadable as error:
                found = str(error)
            if found == stated:
                equal += 1
            else:
                wrong.append(f"{path}: {stated} stated, {found} found")
    places = {_resource(resource)[0] for resource in listed}
    more = [path for path in entries if path not in places and path.startswith("archive/")]
    said = f"{equal} of {len(listed)} resources equal"
    if more:
        wrong += [f"{path}: in no list" for path in more[:5]]
    if wrong:
        return Seal(kind, "broken", f"{said}; {'; '.join(wrong[:5])}"[:2000])
    if why or len(listed) > MOST_RESOURCES:
        return Seal(kind, "not-checked", f"{said}; {why or 'too many'}")
    return Seal(kind, "valid", said)


def _resource(resource: Any) -> tuple[str, str]:
    """Return the place and hash of a resource, in the newer form and that of before 1.0."""
    if not isinstance(resource, dict):
        return "", ""
    path, stated = str(resource.get("path", ""))[:2000], resource.get("hash")
    stats = resource.get("stats")
    if not stated and isinstance(stats, dict) and stats.get("hash"):
        stated = f"{resource.get('hashing', 'sha256')}:{stats['hash']}"
    return path, str(stated or "")[:200].lower()


def _hash(entry: Entry, stated: str, budget: Budget) -> str:
    name = stated.partition(":")[0].replace("-", "")
    if name not in {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}:
        raise Unreadable(f"{name} is not known here")
    if entry.read is None:
        raise Unreadable("it cannot be read")
    running = hashlib.new(name, usedforsecurity=False)
    for block in entry.read():
        budget.spend(len(block))
        running.update(block)
    return f"{stated.partition(':')[0]}:{running.hexdigest()}"


def _digest(raw: bytes, entries: Mapping[str, Entry], budget: Budget) -> Iterator[Item]:
    if "datapackage-digest.json" not in entries:
        yield Seal("WACZ signature", "absent", "no datapackage-digest.json")
        return
    said = _object(_content(entries, "datapackage-digest.json", budget))
    found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    stated = str(said.get("hash", ""))
    if stated == found:
        yield Seal("WACZ package digest", "valid", f"{stated} of datapackage.json")
    else:
        yield Seal("WACZ package digest", "broken", f"{stated[:100]} stated, {found} found")
    signed = said.get("signedData")
    if not isinstance(signed, dict):
        yield Seal("WACZ signature", "absent", "datapackage-digest.json carries no signature")
        return
    for key in ("created", "software", "domain", "version"):
        value = signed.get(key)
        if isinstance(value, str) and value:
            normal = times.iso(value) if key == "created" else None
            name = f"WACZ:Signed{key[0].upper()}{key[1:]}"
            yield fact(name, value[:500], f"{VERSION} signedData {key}", normal)
    if signed.get("timeSignature"):
        yield Fact("WACZ:TimeSignature", "present", "present", f"{VERSION} signedData")
    yield _signature(signed, found)


def _signature(signed: Mapping[str, Any], found: str) -> Seal:
    kind = "WACZ signature"
    stated = str(signed.get("hash", ""))
    if stated != found:
        return Seal(kind, "broken", f"it is over {stated[:100]}, and datapackage.json is {found}")
    try:
        key, whose = _key(signed)
        raw = base64.b64decode(str(signed.get("signature", "")), validate=True)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm) as error:
        return Seal(kind, "not-checked", f"key or signature cannot be read: {error}"[:300])
    if key is None:
        return Seal(kind, "not-checked", "no public key and no certificate")
    width = (key.curve.key_size + 7) // 8
    forms = [raw]  # the browser's form is two numbers side by side, a server's is DER
    if len(raw) == 2 * width:
        r, s = (int.from_bytes(raw[n * width : (n + 1) * width], "big") for n in (0, 1))
        forms.append(utils.encode_dss_signature(r, s))
    for form in forms:
        try:
            key.verify(form, stated.encode(), ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            continue
        return Seal(kind, "untrusted", f"holds; {whose}; nobody here vouches for that key")
    return Seal(kind, "broken", f"it does not hold; {whose}")


def _key(signed: Mapping[str, Any]) -> tuple[ec.EllipticCurvePublicKey | None, str]:
    """Return the key that signed, and whose it says it is."""
    key: object
    certificate = signed.get("domainCert")
    if isinstance(certificate, str) and certificate:
        first = x509.load_pem_x509_certificate(certificate.encode())
        key, since, until = (
            first.public_key(), first.not_valid_before_utc, first.not_valid_after_utc,
        )  # fmt: skip
        domain = str(signed.get("domain", ""))[:200]
        whose = f"certificate for {domain}, {since:%Y-%m-%d} to {until:%Y-%m-%d}"
    elif isinstance(signed.get("publicKey"), str):
        der = base64.b64decode(signed["publicKey"])
        key = load_der_public_key(der)
        whose = f"key sha256:{hashlib.sha256(der).hexdigest()}"
    else:
        return None, ""
    return (key, whose) if isinstance(key, ec.EllipticCurvePublicKey) else (None, whose)
