"""ProofMode's proofs: a zip of media, their proof (JSON or CSV), OpenPGP signatures and the key.

The SHA-256 that the proof states is computed anew over the media: a seal. The signatures over media
and proof are checked with the key inside; a key that comes along says that one hand signed all of
it, not whose: `untrusted` where it holds, with its fingerprint to compare.
"""

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem, Seal
from ingest.normalise import fact, places, times
from ingest.readers import openpgp, zips
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable, held
from ingest.readers.named import named

NAME = "proofmode"
VERSION = "ProofMode reader 1"
LIMITS = LONG
FORMATS = frozenset({"proofmode"})
CONTAINERS = {
    "proofmode": lambda peek: any(
        name.endswith((".proof.json", ".proof.csv")) for name in peek.names[:5000]
    )
}
MOST_PROOFS = 500
MOST_TEXT = 1 << 20
_HASH = re.compile(r"file ?hash ?sha-?256", re.I)
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVrSr55nEAAAAA4AAAAJAAAAcGhvdG8uanBnSy3LTEnNS05VKMjIL8kHAFBLAwQUAAAACAAA"
    "ACFag+DOKtQAAAAqAQAASwAAAGQyNGU0NGE3MWFjNTM0Nzc4ZjcyMWY0NTcxNDE5NmIxMDM4MjlkZWI4N2FlY2Jk"
    "MGE5YzA3MzZiYjQ0Y2IwMzAucHJvb2YuanNvblWPwWrDMAyGX8X4vAbZluMkt0JpM+igsJ52k22lC2QxuMk2GHv3"
    "1T0Mqovg+z8J/h+5HycWPV3fxWu/1baWnZBRIyOSUxSsQeeawWk1oHUKVVt7BabRbWTfOOLgI1AbwJnae8TgwYB8"
    "EvKF5nWgsKyZc/l5SOkycUl6yvGLMhd6Gr95EnXBO/4cAz/vCiYfCjqmQMuY5up4W8sa7ycWKrSgHvM0X/4FA5XV"
    "Bh+E8/hxz9StgsWmhjLFOOWUBnHgmTMtHIujQeMG7AbUGVxnoAN4k79/UEsDBBQAAAAIAAAAIVrN9/3JzQAAAPgA"
    "AABEAAAAZDI0ZTQ0YTcxYWM1MzQ3NzhmNzIxZjQ1NzE0MTk2YjEwMzgyOWRlYjg3YWVjYmQwYTljMDczNmJiNDRj"
    "YjAzMC5hc2Ntjz1zgjAAQPf8CneP866IVwaHkK8LhUAglsAWabR86ElPjfXXV7t06RvfveV53oOIMC5mOctnJWcC"
    "qk1BntoDoOOSwKjmELmKy/JC9WRe3nlhJ3sX8XANuyjZ5upzkBtkXOcrt2xbEo2W0XPLbiNIDuF34+AbKuBfbByG"
    "EjVhX3Klk77cD35cBWdNWHs8fe2ERvoj87PFoqFA7PCdQjznaVUHqb5dG3MaDzXp5+HR0NpesF3ifTzEdFq9KiIC"
    "6dZgnU2rFPw+EIH/O/sBUEsDBBQAAAAIAAAAIVrN9/3JzQAAAPgAAAANAAAAcGhvdG8uanBnLmFzY22PPXOCMABA"
    "9/wKd4/zrohXBoeQrwuFQCCWwBZptHzoSU+N9ddXu3TpG9+95Xneg4gwLmY5y2clZwKqTUGe2gOg45LAqOYQuYrL"
    "8kL1ZF7eeWEnexfxcA27KNnm6nOQG2Rc5yu3bFsSjZbRc8tuI0gO4Xfj4Bsq4F9sHIYSNWFfcqWTvtwPflwFZ01Y"
    "ezx97YRG+iPzs8WioUDs8J1CPOdpVQepvl0bcxoPNenn4dHQ2l6wXeJ9PMR0Wr0qIgLp1mCdTasU/D4Qgf87+wFQ"
    "SwMEFAAAAAgAAAAhWoBqMBA0AQAAiAEAAAoAAABwdWJrZXkuYXNjfZA7c4JAGEV7fgU942hQiBYW3y6LLC9ZBAQ6"
    "QF0eakIQMP76GJt0ucVt7pyZO2cyeQaRDXVFb+OJXohsikWLJCKyt9j6XSeCcNEcko3VPLgnpjUmCIGR+eMSATvA"
    "2dtPo5qck34oNOW9SqfWNgvN+HxdfiYqdHXaV8JhoSpkK82MGH3n8upi76PGqcM3J2i4ZyBI47LMY9SlO2UoLoVU"
    "mUDIPaGg8T1lu17Q4zaTI+of2+PDNZthVSE794KyYSF+PRtpDmNoY8YN4EmEeUPxSInOqQaMHoVnxRzAwj78wb5R"
    "AtNyn3201Jg5qo7GeVcCV98aJblqw2lB8RfpvdaShbrVD3gkIPdbybi6NxbdaA/xSXU6HNCZ/cjv7QrlKUc6CZaB"
    "4bBiLaxPA5aEl0Xiav8o/gFQSwECFAMUAAAACAAAACFa0q+eZxAAAAAOAAAACQAAAAAAAAAAAAAAgAEAAAAAcGhv"
    "dG8uanBnUEsBAhQDFAAAAAgAAAAhWoPgzirUAAAAKgEAAEsAAAAAAAAAAAAAAIABNwAAAGQyNGU0NGE3MWFjNTM0"
    "Nzc4ZjcyMWY0NTcxNDE5NmIxMDM4MjlkZWI4N2FlY2JkMGE5YzA3MzZiYjQ0Y2IwMzAucHJvb2YuanNvblBLAQIU"
    "AxQAAAAIAAAAIVrN9/3JzQAAAPgAAABEAAAAAAAAAAAAAACAAXQBAABkMjRlNDRhNzFhYzUzNDc3OGY3MjFmNDU3"
    "MTQxOTZiMTAzODI5ZGViODdhZWNiZDBhOWMwNzM2YmI0NGNiMDMwLmFzY1BLAQIUAxQAAAAIAAAAIVrN9/3JzQAA"
    "APgAAAANAAAAAAAAAAAAAACAAaMCAABwaG90by5qcGcuYXNjUEsBAhQDFAAAAAgAAAAhWoBqMBA0AQAAiAEAAAoA"
    "AAAAAAAAAAAAAIABmwMAAHB1YmtleS5hc2NQSwUGAAAAAAUABQCVAQAA9wQAAAAA"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield each proof's statements, then its seals."""
    budget = Budget(14.0, 22.0)
    try:
        archive = zips.read_zip(file, budget)
        for problem in archive.problems:
            yield Problem(problem)
        entries = {entry.path: entry for entry in archive.entries}
        keys = _keys(entries, budget)
        for key in keys[:20]:
            yield Fact("ProofMode:KeyFingerprint", key.fingerprint, key.fingerprint, VERSION)
        yield from _proofs(entries, budget)
        yield from _signatures(entries, keys, budget)
    except Exhausted as error:
        yield Problem(f"not all proofs were read: {error}")


def _keys(entries: Mapping[str, Entry], budget: Budget) -> list[openpgp.Key]:
    found: list[openpgp.Key] = []
    for path, entry in entries.items():
        if path.rpartition("/")[2].lower() in {"pubkey.asc", "pubkey.txt", "pub.asc"}:
            try:
                found += openpgp.read_keys(held(entry, budget, MOST_TEXT))
            except Unreadable:
                continue
    return found


def _proofs(entries: Mapping[str, Entry], budget: Budget) -> Iterator[Item]:
    digests: dict[str, str] = {}
    proofs = [path for path in entries if path.endswith(".proof.json")]
    plain = {path.removesuffix(".json") for path in proofs}
    proofs += [
        path for path in entries
        if path.endswith(".proof.csv") and path.removesuffix(".csv") not in plain
    ]  # fmt: skip
    if len(proofs) > MOST_PROOFS:
        yield Problem(f"only {MOST_PROOFS} of {len(proofs)} proofs are read")
    for path in proofs[:MOST_PROOFS]:
        try:
            values = _values(held(entries[path], budget, MOST_TEXT), path)
        except Unreadable as error:
            yield Problem(f"{path[:200]}: {error}")
            continue
        yield from _statements(values, path)
        stated = next((v.lower() for k, v in values.items() if _HASH.fullmatch(k.strip())), "")
        if not re.fullmatch("[0-9a-f]{64}", stated):
            stated = path.rpartition("/")[2].partition(".")[0].lower()
        yield _hash_seal(stated, path, entries, digests, budget)


def _values(content: bytes, path: str) -> dict[str, str]:
    """Return a proof's statements; of a CSV with several rows the first that has each."""
    text = content.decode("utf-8-sig", "backslashreplace")
    try:
        if path.endswith(".json"):
            loaded = json.loads(text)
            rows = loaded if isinstance(loaded, list) else [loaded]
        else:
            rows = list(csv.DictReader(io.StringIO(text)))[:1000]
    except (ValueError, RecursionError, csv.Error) as error:
        raise Unreadable("the proof cannot be read") from error
    found: dict[str, str] = {}
    for row in rows:
        for key, value in row.items() if isinstance(row, dict) else ():
            plain = str(value).strip() if isinstance(value, str | int | float) else ""
            if isinstance(key, str) and plain:
                found.setdefault(key[:100], plain[:2000])
    return found


def _statements(values: Mapping[str, str], path: str) -> Iterator[Item]:
    source = f"{VERSION} {path.rpartition('/')[2]}"[:250]
    for key, value in list(values.items())[:200]:
        item = named("ProofMode", key, value, source)
        if item is None:
            continue
        if key == "Location.Time" and value.isdecimal() and len(value) < 16:
            normal = times.since("unix", int(value), per_second=1000)
            item = fact(item.name, value, f"{source} {key}", normal)
        yield item
    latitude, longitude = (values.get(f"Location.{name}", "") for name in ("Latitude", "Longitude"))
    if latitude and longitude:
        normal = places.decimals(latitude[:18], longitude[:18])
        yield fact("ProofMode:Position", f"{latitude} {longitude}", source, normal)


def _hash_seal(
    stated: str, path: str, entries: Mapping[str, Entry], digests: dict[str, str], budget: Budget
) -> Seal:
    """Compare the stated SHA-256 with that of every file it may be of."""
    where = path.rpartition("/")[2]
    if not re.fullmatch("[0-9a-f]{64}", stated):
        return Seal("ProofMode SHA-256", "not-checked", f"{where}: no SHA-256 is stated")
    for name, entry in entries.items():
        if name.endswith((".asc", ".csv", ".json", ".txt", ".ots", ".gst", "/")):
            continue
        if name not in digests:
            digests[name] = _sha256(entry, budget)
        if digests[name] == stated:
            short = name.rpartition("/")[2]
            return Seal(
                "ProofMode SHA-256", "valid", f"{short}: {stated}, as {where} states"[:1000]
            )
    if not digests:
        return Seal("ProofMode SHA-256", "not-checked", f"{where}: the media is not in the archive")
    return Seal("ProofMode SHA-256", "broken", f"{where}: no file has the stated {stated}"[:1000])


def _sha256(entry: Entry, budget: Budget) -> str:
    if entry.read is None:
        return ""
    digest = hashlib.sha256()
    try:
        for block in entry.read():
            budget.spend(len(block))
            digest.update(block)
    except Unreadable:
        return ""
    return digest.hexdigest()


def _signatures(
    entries: Mapping[str, Entry], keys: list[openpgp.Key], budget: Budget
) -> Iterator[Item]:
    """Check each signature over the file it is named after: itself, or the media by its digest."""
    signed = [
        path for path in entries
        if path.endswith(".asc") and not path.rpartition("/")[2].lower().startswith("pub")
    ]  # fmt: skip
    for path in signed[:MOST_PROOFS]:
        target = entries.get(path.removesuffix(".asc")) or _media(path, entries, budget)
        short = path.rpartition("/")[2][:200]
        if target is None or target.read is None:
            yield Seal("ProofMode signature", "not-checked", f"{short}: what it signs is not here")
            continue
        try:
            signature = openpgp.read_signature(held(entries[path], budget, MOST_TEXT))
            key = openpgp.verify(signature, keys, _counted(target, budget))
        except Unreadable as error:
            yield Seal("ProofMode signature", "not-checked", f"{short}: {error}")
            continue
        name = target.path.rpartition("/")[2][:200]
        if key is None:
            yield Seal("ProofMode signature", "broken", f"{short}: not of {name} by the key inside")
            continue
        when = f", {signature.created} by its own word" if signature.created else ""
        said = f"{name}: signed by key {key.fingerprint} from the archive itself{when}"
        yield Seal("ProofMode signature", "untrusted", said)


def _media(path: str, entries: Mapping[str, Entry], budget: Budget) -> Entry | None:
    """Return the media that a signature named `<SHA-256>.asc` is over."""
    wanted = path.rpartition("/")[2].removesuffix(".asc").lower()
    for name, entry in entries.items():
        if name.endswith((".asc", ".csv", ".json", ".txt", ".ots", ".gst", "/")):
            continue
        if _sha256(entry, budget) == wanted:
            return entry
    return None


def _counted(entry: Entry, budget: Budget) -> Iterator[bytes]:
    assert entry.read is not None
    for block in entry.read():
        budget.spend(len(block))
        yield block
