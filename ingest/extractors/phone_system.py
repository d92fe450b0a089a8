"""What a telephone's own files say of it: full file systems, adb folders, androidqf sets.

Android: build.prop, getprop, packages, settings; iOS: SystemVersion.plist, data_ark.plist.
An archive (zip, tar, compressed tar) is gone through once; databases of accounts, messages, calls
and contacts in it are named, and counted where they can be held.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Item, Problem
from ingest.normalise import fact
from ingest.normalise.times import since
from ingest.readers import app_databases, plists
from ingest.readers.containers import kind_of, names_of, open_container, scan
from ingest.readers.databases import MAGIC, Database
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable
from ingest.readers.named import meaning
from ingest.readers.peek import Peek

NAME = "phone_system"
VERSION = "telephone system reader 1"
LIMITS = LONG
CPU_SECONDS, WALL_SECONDS = 14.0, 22.0
FORMATS = frozenset({"android-system", "ios-system", "android-properties", "graykey"})
MOST_PACKAGES = 2000
MOST_TEXT = 8 << 20
MOST_DATABASE = 64 << 20
MOST_DATABASES = 60
_ANDROID = re.compile(
    r"(?:^|/)(?:build\.prop|getprop\.txt|packages\.list|data/system/packages\.xml"
    r"|data/data/com\.android\.[^/]+/.*|data/user_de/0/.*)$"
)
_IOS = re.compile(
    r"(?:^|/)(?:System/Library/CoreServices/SystemVersion\.plist|private/var/mobile/Library/.*"
    r"|private/var/root/Library/Lockdown/data_ark\.plist)$"
)
_PROPERTIES = re.compile(
    rb"^\[[a-z][\w.-]*\.[\w.-]+\]: \[|^ro\.(?:build|product|serialno|boot)[a-z0-9_.]*\s*=", re.M
)
_TEXTS = {
    "build.prop", "getprop.txt", "packages.list", "packages.json", "settings_secure.txt",
    "settings_secure.xml", "SystemVersion.plist", "data_ark.plist", ".GlobalPreferences.plist",
    "com.apple.commcenter.plist", "com.apple.commcenter.device_specific_nobackup.plist",
    "com.apple.MobileBackup.plist",
}  # fmt: skip
_DATABASES = {
    "accounts.db", "accounts_ce.db", "accounts_de.db", "mmssms.db", "contacts2.db", "calllog.db",
    "msgstore.db", "wa.db", "cache4.db", "signal.db", "viber_messages", "threads_db2", "sms.db",
    "Accounts3.sqlite", "CallHistory.storedata", "AddressBook.sqlitedb", "ChatStorage.sqlite",
}  # fmt: skip
# Properties that say which device it is and what ran on it.
_KEYS = {
    "ro.product.manufacturer": "Manufacturer", "ro.product.brand": "Brand",
    "ro.product.model": "Model", "ro.product.device": "Device", "ro.product.name": "Product",
    "ro.serialno": "SerialNumber", "ro.boot.serialno": "BootSerialNumber",
    "ro.build.version.release": "OSVersion", "ro.build.version.sdk": "SDK",
    "ro.build.version.security_patch": "SecurityPatch", "ro.build.fingerprint": "Fingerprint",
    "ro.build.display.id": "Build", "ro.build.date.utc": "BuildDate",
    "ro.crypto.state": "CryptoState", "ro.crypto.type": "CryptoType",
    "ro.boot.verifiedbootstate": "VerifiedBoot", "ro.debuggable": "Debuggable",
    "persist.sys.timezone": "TimeZone", "persist.sys.locale": "Locale",
    "gsm.operator.alpha": "Operator", "gsm.sim.operator.alpha": "SimOperator",
    "gsm.version.baseband": "Baseband", "net.hostname": "HostName",
}  # fmt: skip
_IOS_KEYS = {
    "ProductName", "ProductVersion", "ProductBuildVersion", "DeviceName", "TimeZone",
    "UniqueDeviceID", "SerialNumber", "ProductType", "HardwareModel", "DeviceClass", "IMEI",
    "IMEI2",
    "MEID", "ICCID", "ICCID2", "PhoneNumber", "ReportedPhoneNumber", "OperatorName",
    "AppleLocale",
    "Country", "LastBackupDate", "BackupComputerName",
}  # fmt: skip


def _is_graykey(peek: Peek) -> bool:
    """Return whether a zip's first entry carries what GrayKey notes of each file.

    Four times, owner, inode and device, then a field of its own that begins with a version.
    """
    head = peek.head
    if head[:4] != b"PK\x03\x04" or len(head) < 30:
        return False
    named, length = struct.unpack_from("<HH", head, 26)
    extra, sizes, last = head[30 + named : 30 + named + length], list[int](), b""
    while len(extra) >= 4 and len(sizes) < 4:
        size = int.from_bytes(extra[2:4], "little")
        sizes.append(size)
        last, extra = extra[4 : 4 + size], extra[4 + size :]
    times_first = head[30 + named : 32 + named] == b"UT"
    return times_first and sizes[:3] == [17, 11, 12] and len(sizes) == 4 and last[:1] == b"\x01"


CONTAINERS = {
    "graykey": _is_graykey,
    "android-system": lambda peek: any(_ANDROID.search(name) for name in names_of(peek)),
    "ios-system": lambda peek: any(_IOS.search(name) for name in names_of(peek)),
    "android-properties": lambda peek: (
        kind_of(peek.head) is None and len(_PROPERTIES.findall(peek.head[:16_384])) >= 2
    ),
}
SAMPLE = (
    b"[ro.build.version.release]: [13]\n[ro.product.manufacturer]: [samsung]\n"
    b"[ro.product.model]: [SM-A525F]\n[ro.serialno]: [R58N123ABC]\n"
    b"[persist.sys.timezone]: [Europe/Kyiv]\n[ro.build.date.utc]: [1700000000]\n"
)


@dataclass(slots=True)
class _Seen:
    """What was said already, so that four build.prop do not say it four times."""

    facts: set[tuple[str, str]] = field(default_factory=set)
    databases: int = 0


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the system's own files say, wherever in the archive they stand."""
    seen = _Seen()
    if "android-properties" in found.format.containers:
        file.seek(0)
        yield from _properties(file.read(MOST_TEXT), "properties", seen)
        return
    if "graykey" in found.format.containers:
        tool = "GrayKey, by what its entries carry"
        yield Fact("Phone:ExtractionTool", tool, tool, VERSION)
    budget = Budget(CPU_SECONDS, WALL_SECONDS)
    try:
        container = open_container(file, budget)
        if container is None:
            yield Problem("not a container that is read here")
            return
        for entry, content in scan(container, budget, _wanted):
            name = entry.path.rpartition("/")[2]
            if name in _DATABASES and seen.databases < MOST_DATABASES:
                seen.databases += 1
                yield Fact("Phone:Database", entry.path, f"{entry.path} {entry.size}", VERSION)
            if content is not None:
                yield from _member(entry.path, name, content, seen)
        for problem in container.problems:
            yield Problem(problem)
    except (Unreadable, Exhausted) as error:
        yield Problem(f"the archive was not read to its end: {error}")


def _wanted(entry: Entry) -> int:
    name = entry.path.rpartition("/")[2]
    if name in _TEXTS:
        return MOST_TEXT
    return MOST_DATABASE if name in _DATABASES and entry.size <= MOST_DATABASE else 0


def _member(path: str, name: str, content: bytes, seen: _Seen) -> Iterator[Item]:
    source = f"{VERSION} {path}"[:300]
    try:
        if name in {"build.prop", "getprop.txt"}:
            yield from _properties(content, path, seen)
        elif name == "packages.list":
            lines = content.decode("utf-8", "backslashreplace").splitlines()
            yield from _packages([line.split(" ")[0] for line in lines if line], source)
        elif name == "packages.json":
            yield from _packages(_names(content), source)
        elif name.startswith("settings_secure"):
            yield from _settings(content, source, seen)
        elif name.endswith(".plist"):
            yield from _plist(plists.load(content), source, seen)
        elif content.startswith(MAGIC):
            database = Database(content, seconds=2.0)
            try:
                yield from app_databases.facts(database, source)
            finally:
                database.close()
    except (Unreadable, Exhausted) as error:
        yield Problem(f"{path[:200]}: {error}")


def _properties(content: bytes, path: str, seen: _Seen) -> Iterator[Item]:
    """Yield the properties that matter, of getprop's form or a file's."""
    text = content.decode("utf-8", "backslashreplace")
    count = str(len(_PROPERTIES.findall(content)))
    yield Fact("Android:Properties", count, count, f"{VERSION} {path}"[:300])
    for line in text.splitlines():
        found = re.match(r"\[([^\]]{1,200})\]: \[([^\]]*)\]|([a-z][\w.-]{1,200})\s*=\s*(.*)", line)
        if not found:
            continue
        key, value = found[1] or found[3], (found[2] or found[4] or "").strip()
        name = _KEYS.get(key) or ("IMEI" if re.search(r"\bimei[0-9]?$", key) else "")
        if name and value:
            normal = meaning(name, value)[0]
            if name == "BuildDate" and value.isdecimal() and len(value) < 12:
                normal = since("unix", int(value))
            yield from _once(
                fact(f"Android:{name}", value, f"{VERSION} {path} {key}", normal), seen
            )


def _once(item: Fact, seen: _Seen) -> Iterator[Item]:
    if (item.name, item.value) not in seen.facts:
        seen.facts.add((item.name, item.value))
        yield item


def _names(content: bytes) -> list[str]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON that can be read") from error
    rows = found if isinstance(found, list) else []
    return [
        row["name"] for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)
    ]


def _packages(names: list[str], source: str) -> Iterator[Item]:
    unique = sorted(set(names))
    yield Fact("Android:Packages", str(len(unique)), str(len(unique)), source)
    for name in unique[:MOST_PACKAGES]:
        yield Fact("Android:Package", name[:300], name[:300], source)


def _settings(content: bytes, source: str, seen: _Seen) -> Iterator[Item]:
    found = re.search(rb'android_id"?(?:\s+value)?\s*=\s*"?([0-9a-f]{16})\b', content)
    if found:
        value = found[1].decode("ascii")
        yield from _once(
            fact("Android:AndroidId", value, source, meaning("androidid", value)[0]), seen
        )


def _plist(values: Mapping[str, object], source: str, seen: _Seen) -> Iterator[Item]:
    for key in values:
        # data_ark.plist puts a domain before its keys, CommCenter its own prefix.
        name = str(key).rpartition("-")[2].removeprefix("kCT")
        if name in _IOS_KEYS:
            text = plists.text(values, key)
            if text:
                normal = meaning(name, text)[0]
                yield from _once(fact(f"iOS:{name}", text, f"{source} {key}"[:300], normal), seen)
