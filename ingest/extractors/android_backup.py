"""Android backups (.ab) as `adb backup` writes them: version, encryption, packages, members, SMS.

The header, then a tar that may be packed. Encrypted ones say so and no more. The text messages
that the telephony provider puts in are counted, never quoted.
"""

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ingest.extraction import LONG, Fact, Found, Inhibitor, Item, Problem
from ingest.normalise import fact
from ingest.normalise.identifiers import telephone
from ingest.normalise.times import since
from ingest.readers import tars
from ingest.readers.containers import Container, scan
from ingest.readers.listing import listing_of
from ingest.readers.members import (
    Budget,
    Entry,
    Exhausted,
    FromBlocks,
    FromFile,
    Sequential,
    Unreadable,
    size_of,
)
from ingest.readers.streams import Inflate, read_blocks, unpacked

NAME = "android_backup"
VERSION = "Android backup reader 2"
LIMITS = LONG
MAGIC = b"ANDROID BACKUP\n"
FORMATS = frozenset({"android-backup", "application/x-google-ab"})
CONTAINERS = {"android-backup": lambda peek: peek.head.startswith(MAGIC)}
MOST_PACKAGES = 2000
MOST_PARTICIPANTS = 1000
_MOST_HEADER = 4096
_MOST_TEXT = 32 << 20
SAMPLE = base64.b64decode(
    "QU5EUk9JRCBCQUNLVVAKNQoxCm5vbmUKeJzt1T1Lw0AYB/AO6hBwkWLXTkVBk7vmbVUUJNVirVLHcDbpi7bNkaRS"
    "Ryt0qaMIgoMgVUSQ4uAg6CQOTrGToy+gH6OGOlnEFiypw/OD4+CW5znu/neEUoszzDSrl0ie5nSWUMqpeVLIpnTL"
    "9vUEckmC0Jpd7TNCPO/DgoQFXpJF2V3HvCQiXxD1pvzvipZNTLcVL2r9Q5hpO3xGCDM8zzCI6XdrwAPkp/ynuIJh"
    "66xd6s0D0DH/WGrPv4wFyL8XnBvn9rHs1N1x7dT73Q3wWiv/SSPPkoJmGlmNpaaxmdV002JtPafTjFHY4jQ1xX0l"
    "VbXylrpGkhtF2n2NTvnHPP6e/zASZRny74XSYfUiEVlQxiOTbOIyHmtIV+6BYCEsYZFfbSzFIg+LZwOK/zQUqO2P"
    "7X0Eav6du+WR+fj0a+W9EjoJjaaGgkcr58dTw28T2/cH5d3qoE+Mjr/0e2OgK1aGmLrGIW52RolySnROxew6Tfe0"
    "Rsf/P9yWf/f+yRjy74XmU/M5SILuO28baZPQTL8bAgAAAAAAAAAAAAAAAAAAAH/yCQREoZk="
)


@dataclass(slots=True)
class _Texts:
    """Text messages of the telephony provider, counted."""

    count: int = 0
    first: int = 0
    last: int = 0
    numbers: set[str] = field(default_factory=set)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the header, the members, the packages and the counts of text messages."""
    file.seek(0)
    head = file.read(_MOST_HEADER)
    lines = head.split(b"\n", 5)
    if not head.startswith(MAGIC) or len(lines) < 5:
        yield Problem("the header of the backup is cut off")
        return
    version, packed, cipher = (line.decode("ascii", "backslashreplace")[:40] for line in lines[1:4])
    for name, value in (("Version", version), ("Compressed", packed), ("Encryption", cipher)):
        yield Fact(f"AndroidBackup:{name}", value, value, f"{VERSION} header")
    if cipher != "none":
        yield Inhibitor("encrypted")
        return
    start = sum(len(line) + 1 for line in lines[:4])
    problems: list[str] = []
    budget = Budget(8.0, 14.0)
    members = tars.members(_content(file, start, packed), budget, problems)
    yield from listing_of(Container("tar", members, problems), VERSION, budget)
    yield from _packages(file, start, packed)


def _content(file: BinaryIO, start: int, packed: str) -> Sequential:
    if packed != "1":
        return FromFile(file, start)
    return FromBlocks(unpacked(read_blocks(file, start, size_of(file)), Inflate(15)))


def _packages(file: BinaryIO, start: int, packed: str) -> Iterator[Item]:
    packages: dict[str, str] = {}
    texts = _Texts()
    budget = Budget(6.0, 10.0)
    container = Container("tar", tars.members(_content(file, start, packed), budget, []))
    try:
        for entry, content in scan(container, budget, _wanted):
            parts = entry.path.split("/")
            if parts[0] == "apps" and "".join(parts[1:2]) and len(packages) <= MOST_PACKAGES:
                packages.setdefault(parts[1][:200], "")
            if content is not None and parts[-1] == "_manifest":
                said = content.decode("utf-8", "backslashreplace").split("\n")
                if len(said) > 2 and len(parts) > 1:
                    packages[parts[1][:200]] = said[2][:40]
            elif content is not None and (why := _count(content, texts)):
                yield Problem(f"{entry.path[:200]}: its messages were not counted: {why}")
    except (Unreadable, Exhausted) as error:
        yield Problem(f"packages and messages were not all read: {error}")
    for reason in container.problems:
        yield Problem(reason)
    yield Fact("AndroidBackup:Packages", str(len(packages)), str(len(packages)), VERSION)
    for package, number in sorted(packages.items())[:MOST_PACKAGES]:
        both = f"{package} {number}".strip()
        yield Fact("AndroidBackup:Package", package, both, f"{VERSION} apps/")
    if texts.count:
        yield from _messages(texts)


def _wanted(entry: Entry) -> int:
    name = entry.path.rpartition("/")[2]
    if name == "_manifest":
        return 65_536
    return _MOST_TEXT if name.endswith(("_sms_backup", "_mms_backup")) else 0


def _count(content: bytes, texts: _Texts) -> str:
    """Count the messages of one file: packed JSON, an array of objects. Return why it cannot."""
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(content, _MOST_TEXT)
        if not unpacking.eof:
            return "cut off" if not unpacking.unconsumed_tail else f"over {_MOST_TEXT} bytes"
        found = json.loads(plain)
    except (zlib.error, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    if not isinstance(found, list):
        return "no array of messages"
    for message in found:
        if not isinstance(message, dict):
            continue
        texts.count += 1
        when = str(message.get("date", ""))
        if when.isdecimal() and len(when) < 16 and int(when):
            moment = int(when) * (1000 if len(when) <= 10 else 1)  # MMS: seconds
            texts.first = min(filter(None, (texts.first, moment)))
            texts.last = max(texts.last, moment)
        texts.numbers.update(_numbers(message))
    return ""


def _numbers(message: dict[str, Any]) -> Iterator[str]:
    """Yield between whom a message went: SMS have one address, MMS several; groups, recipients."""
    found = [message.get("address")]
    for name in ("recipients", "mms_addresses"):
        several = message.get(name)
        found += [
            one.get("address") if isinstance(one, dict) else one
            for one in (several if isinstance(several, list) else ())
        ]
    for number in found:
        if isinstance(number, str) and number not in {"", "insert-address-token"}:
            yield number[:100]


def _messages(texts: _Texts) -> Iterator[Item]:
    source = f"{VERSION} telephony provider"
    yield Fact("Messages:Application", "SMS (Android backup)", "sms_backup", source)
    yield Fact("Messages:Count", str(texts.count), str(texts.count), source)
    for name, value in (("First", texts.first), ("Last", texts.last)):
        if value:
            normal = since("unix", value, per_second=1000)
            yield fact(f"Messages:{name}", str(value), source, normal)
    for number in sorted(texts.numbers)[:MOST_PARTICIPANTS]:
        yield fact("Messages:Participant", number, source, telephone(number))
    if len(texts.numbers) > MOST_PARTICIPANTS:
        said = f"only {MOST_PARTICIPANTS} of {len(texts.numbers)} participants are given"
        yield Problem(said, incomplete=False)
