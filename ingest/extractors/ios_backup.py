"""iOS backups of iTunes and Finder: device, cards, apps, encryption; the list of files checked.

The folder as zip or tar, or its single files (Info.plist, Status.plist, Manifest.plist,
Manifest.db, Manifest.mbdb). Each file's name must be the SHA-1 of its domain and path: the seal
"iOS fileID"; what the list names must be there: the seal "iOS file list". Databases of accounts,
messages and calls that the backup holds in plain are read as `messages_db` reads them.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.extraction import LONG, Fact, Found, Inhibitor, Item, Problem, Seal
from ingest.normalise import fact
from ingest.readers import app_databases, manifests, plists
from ingest.readers.containers import names_of, open_container, scan
from ingest.readers.databases import MAGIC, Database
from ingest.readers.members import Budget, Entry, Exhausted, Unreadable
from ingest.readers.named import named
from ingest.readers.peek import Peek

NAME = "ios_backup"
VERSION = "iOS backup reader 1"
LIMITS = LONG
CPU_SECONDS, WALL_SECONDS = 14.0, 22.0
FORMATS = frozenset({"ios-backup", "ios-backup-file"})
MOST_MANIFEST = 192 << 20
MOST_APPS = 2000
MOST_DOMAINS = 400
_HEX = re.compile(r"(?:^|/)(?:[0-9a-f]{2}/)?([0-9a-f]{40})$")
_PARTS = ("Info.plist", "Status.plist", "Manifest.plist", "Manifest.db", "Manifest.mbdb")
_INFO = (
    "Device Name", "Display Name", "IMEI", "IMEI 2", "MEID", "ICCID", "ICCID 2", "Phone Number",
    "Phone Number 2", "Serial Number", "Unique Identifier", "Target Identifier", "Target Type",
    "GUID", "Product Name", "Product Type", "Product Version", "Build Version", "iTunes Version",
    "macOS Version", "macOS Build Version",
)  # fmt: skip
_LOCKDOWN = (
    "DeviceName", "ProductType", "ProductVersion", "BuildVersion", "SerialNumber", "UniqueDeviceID",
)  # fmt: skip
# Databases of a backup that are read where it is not encrypted, by the SHA-1 of their places.
_PLACES = (
    "HomeDomain-Library/Accounts/Accounts3.sqlite",
    "HomeDomain-Library/SMS/sms.db",
    "HomeDomain-Library/CallHistoryDB/CallHistory.storedata",
    "HomeDomain-Library/AddressBook/AddressBook.sqlitedb",
    "AppDomainGroup-group.net.whatsapp.WhatsApp.shared-ChatStorage.sqlite",
)
_DATABASES = {
    hashlib.sha1(place.encode(), usedforsecurity=False).hexdigest(): place for place in _PLACES
}


def _is_backup(peek: Peek) -> bool:
    """Return whether an archive holds a backup: its list, or members named by digests."""
    names = names_of(peek)
    tops = {name.rpartition("/")[2] for name in names}
    if "Info.plist" in tops and tops & {"Manifest.db", "Manifest.mbdb"}:
        return True
    return sum(1 for name in names[:500] if _HEX.search(name)) >= 20


def _is_part(peek: Peek) -> bool:
    """Return whether a file is one of those that stand at the top of a backup."""
    if peek.head.startswith(MAGIC):
        return b"CREATE TABLE Files (fileID TEXT PRIMARY KEY" in peek.head
    if peek.head.startswith(manifests.MBDB):
        return True
    if not plists.is_plist(peek.head) or peek.size > plists.MOST:
        return False
    peek.file.seek(0)
    whole = peek.file.read()  # icons of applications may stand before what tells it
    return any(mark in whole for mark in (b"Target Identifier", b"BackupKeyBag", b"SnapshotState"))


CONTAINERS = {"ios-backup": _is_backup, "ios-backup-file": _is_part}
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNqtVns0lFsbfxneEeOSiCEdcgkN3rmYMZ1KKcy4jlshNBczLkcuGUKOmKKkFMktFMa1i2vloESTTMa1iVYfKre+"
        "Un1CpeL4pnW+s1rNWl+nP9r72Ws9e//x+63neX57P5tiD5NSAQBARrR0vNFZ9lHrJQGALgUAeqITSDQsICxkAkHo"
        "HVhzazTa2sLCAsJYm5FDWWGm4SFBkezf3ewzH0NKvsfcDMf8MzwzD1PdUoxun2mykvFgzP3L6DroPrEvBNmBUeMj"
        "WYXVI0kjhpjcC1olgyVlbz40z2zl3/q8Ppnq2FCgH+Hsqp0NnFrWo76t32jSmhpid3A5e3kk1nJuW989bXmv3vZ4"
        "dEGzrjZfRn4Qx5UhFsGm3T6MwTiw4rcOkoMn5hvT+lkNSdzLnATlc8nE/ACyHfZWoSzGC6DehpEbibX7TumGwqbn"
        "E2bylkk3lmntHUC8hfujylblvIIA+tNbJzZq3bF5WGVlwe6Jl2Xplbz7NNo3WmNpGe3c8qSlQo1InfdQfrB5TOuU"
        "T0U6zqSH59mAsn7ILh1FmzQkHSJEz0CjHSeKL3m6XUsvXlojKVzhCKNhKs8LjurIbw+Snl+ldn9yo3Imk4twYqOn"
        "whs2bFErun2aqR2uxq3o0Ntr5bSzWUCS0s1/jvMbfFW/dXPmf+B5ys9GzyyetpZd19EXDB/XbnWJQmpidm8ZeRHc"
        "lPZWTfO1m2pCzbZc1YHh+u5roFnyyPbhpDOa/wYDD740Pq6mqrINPobf/yh+1sNln9ENCmHs7GAKGJL4JqiTFMPo"
        "T928vLBWMSXMj2Djw3u1d0eSZn9uA3yIR69zuExDMpgXkQxr5Pny1IcRhamx1g6REE1nq6bvcuZE6bnRRZ0kotzQ"
        "vRM3V3MR4J5Lw5siK+1OPB1v8SgMfVFqVWdSeQG+pWN/40r38tA+yjf62nekTydR5BWKlsF39eXGprGjIv9SmL1x"
        "Fx9lioaaOrt4go77nb3t/Ls9a15n5Rb4eiv5ZHpmaoxL6tG3pI3aRR7Q7qhrj02Vvov8qK/0sZ/inDNbKywZFyy1"
        "Pm0VHmDcK/0lOQANQeE2XOY0c20At/woUTLpKq22rgh9rLIkv670/D4K2yFYAaYOYawCQT/QnQIA38awPt+ne0Hk"
        "KUoAgOF3Y3CkhQaxmJFssSh6/46i5073RpTyhCeQRXJC8QV9m9Ij7Bx6TU1mna6w7RwUI8go8qn3qOgee9NqlCHZ"
        "MXWW79zrxDfrk1O0NzEGq0/LOaMUSChTp15nsryTyR9dfFUz7fwc75I9RRmergWelItqCnRgf9NT5WkNlZBXMQul"
        "4fIwGOyefoLEjmLDHGG9YNK9jTcibEosWcoanFSubP8ouYQ6gNqNSkeBqOsoEPEScRchi8hDSCCQiI+IWEQVLYUV"
        "Vx6XopMCxoEF68aNU1hOY+3kqmtRPVtvnp2+Sjw0ZfC/zLmA7uFyYpl7Ur0oSxW9LoAsAOj/WOb86a/dHcMebFca"
        "jRrM2hBxvWk/r0x1f/37T7rbtDPwBlyePpdIKVa68jqirnaC2uKRxiteQjqRtoZbJR9OVNH7c5VaeogWN9F9V2ji"
        "441XDrIsx06OCeI+uBAESVJkjfkCSE/n5ICvVT/CPlCBfHLOeZuN3Dj4p4FpkU7rEctibHzkwKHDHWcH632ujK8p"
        "iCRw/PIdtHt2dk3vjr0URoDjkThCCz6v5uzD5+EO4PsJiRfvfnVqaLNd/+jQzOQZW/h2fIsiYdjzjw03LqknM35J"
        "r1fLoATxFOe4s7aR1RmYGzl+z5he2W/5fhkDNyHO5UVS26QLKuPhdofCIWmvRbLgTkRdnZPr8Zj1661OP+9LQEmv"
        "ftJHCgig3nh9K1y6D/XcvGrDk4zDOZGro7kqbuSug1cqHV2EN2Ta7sAWPNRXMN5T92vj5HQ90D4PCOaFrr4Bxh7u"
        "0I63KHvC1geBOIS9fHya14ez6t7JuaP9jrFxPk+iostcqjC416rcfHDPbTnUMCzU0MGcPVwmnJfSeiClNZXNZzcQ"
        "8wQkfCa7DbTdUrSLM/TrcVpBwLsXx17c66upqKC3XigamitdqnJHhlpsOh6EcL+DUbUEuhnZb4Kq36QCSUFeCVRI"
        "ISXYsPYugxRrmVritQ6+dGZ4716tiquUx6/eNUffnGi0zXItuz76WxhD58iGxd9fnr8Iv/oy6XEgTqWzUiK/BilQ"
        "GkgMNgi49biJkhK3NsD8yU1TfxMGnAZv44XN5rT5jq9ozJTp+DUSuu8+k95by06IGYjODM1J2ZT2vvPjZ7M/X+1p"
        "yrI4vLLnXVvrosK3Ei3xhgkcJP7aWn9Xolh/kUH+BKY5i45hMDGiYzQWC+GZOH8cHovHEs2ZEI5Aw/pjLOQUFvgo"
        "sgep2+y+I8oFYlHpVH//cAqFmgisBaWoNhNYjNKqmPZ8MwiKxgZLGOVzZFjRES4unTbPMnncAuHkSZ6yEitC4UAU"
        "IsJDJoI9F+EBpBoGSn08dqjZMOZTclNzC2gkJRX7aTNobRzTYvMyUZUXUM6dPudfzixfa3S0yeZoYCe2Ls3eDoO3"
        "4zj2kgT2SRkCw/KdvNn8C3mSeFfbYotrlSgsUZW+A63b0tSIY5SaPOKMCMfHeWz1u0fp0u5KNVr6Var6m2WNUm93"
        "Jd+f2V4ILuSlW3m7JITGh1YbGIbmqjtD0DYJ5VJql6SRAR70wDv1jgsnS4TKyXNLJVl00/l35/iKahAJzZmyoExl"
        "65+Y3jlnoDuxCdTWkL6jcRyqhyrlftPcq56bq66BPJ+bnwf/DO4cX9GCKZ3i0BSl1POQQpdM8bd4f9vAuTUibzXw"
        "j+XCiQzLxOCJBLQ/i0lkiArEwGHMGRCDwSIQif4sPJbGxGPwaObnwxMrsORdyZyTS5lLCyU8DkKMVWdR/7KiyFP4"
        "R1YMQWR4GprJYBHpDCYNj8Zi8OZ0OiRiRWOYWByaQYRoRALWnNBS+6HjVpqjGh54e1VOU8QoIakC+/8/s79H4hex"
        "/tA/TRxRvBd/RfzyRv9YZxbHFO+NXzH1YD/eKcVRxfvGV1Q/qR/sIuKQ4vf8K6QE/CfdenFKca1+payV+UnKFacU"
        "F+pXSoNVP0m2FHtp8AskXDQrRTXKXfVl919oVmVC"
    )
)


@dataclass(slots=True)
class _Backup:
    """What was found on the way through the archive."""

    manifest: manifests.Manifest | None = None
    names: set[str] = field(default_factory=set)  # of the members that are named by digests
    encrypted: bool = False


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the backup says of the device and of itself, then the seals."""
    if "ios-backup" not in found.format.containers:
        file.seek(0)
        yield from _alone(file.read(MOST_MANIFEST))
        return
    budget = Budget(CPU_SECONDS, WALL_SECONDS)
    backup = _Backup()
    try:
        container = open_container(file, budget)
        if container is None:
            yield Problem("not a container that is read here")
            return
        for entry, content in scan(container, budget, _wanted):
            name = _HEX.search(entry.path)
            if name:
                backup.names.add(name[1])
            if content is not None:
                yield from _member(entry, content, backup)
        for problem in container.problems:
            yield Problem(problem)
    except (Unreadable, Exhausted) as error:
        yield Problem(f"the archive was not read to its end: {error}")
        yield from _manifest(backup, whole=False)
        return
    yield from _manifest(backup, whole=True)


def _wanted(entry: Entry) -> int:
    name = entry.path.rpartition("/")[2]
    if name in _PARTS:
        return MOST_MANIFEST
    return MOST_MANIFEST if name in _DATABASES else 0


def _member(entry: Entry, content: bytes, backup: _Backup) -> Iterator[Item]:
    name = entry.path.rpartition("/")[2]
    try:
        if name.endswith(".plist"):
            yield from _plist(plists.load(content), backup)
        elif name == "Manifest.db" and content.startswith(MAGIC):
            backup.manifest = manifests.from_database(content)
        elif name == "Manifest.mbdb":
            backup.manifest = manifests.from_mbdb(content)
        elif content.startswith(MAGIC):
            yield from app_databases.facts(Database(content), f"{VERSION} {_DATABASES[name]}")
        elif not backup.encrypted:
            backup.encrypted = True
            yield Inhibitor("encrypted")
    except (Unreadable, Exhausted) as error:
        yield Problem(f"{name}: {error}")


def _alone(content: bytes) -> Iterator[Item]:
    """Yield what one of the files says by itself."""
    backup = _Backup()
    try:
        if content.startswith(MAGIC):
            backup.manifest = manifests.from_database(content)
        elif content.startswith(manifests.MBDB):
            backup.manifest = manifests.from_mbdb(content)
        else:
            yield from _plist(plists.load(content), backup)
            return
    except (Unreadable, Exhausted) as error:
        yield Problem(str(error))
        return
    yield from _manifest(backup, whole=False)


def _plist(values: Mapping[str, object], backup: _Backup) -> Iterator[Item]:
    if "SnapshotState" in values or "BackupState" in values:
        yield from _texts(
            values, ("BackupState", "SnapshotState", "IsFullBackup", "UUID"), "Status"
        )
        yield from _moment(values, "Date", "Status")
        return
    if "BackupKeyBag" in values or "IsEncrypted" in values:
        lockdown = plists.inner(values, "Lockdown")
        yield from _texts(lockdown, _LOCKDOWN, "Manifest Lockdown")
        yield from _texts(values, ("IsEncrypted", "WasPasscodeSet", "Version"), "Manifest")
        yield from _moment(values, "Date", "Manifest")
        if values.get("IsEncrypted") is True and not backup.encrypted:
            backup.encrypted = True
            yield Inhibitor("encrypted")
        yield from _apps(list(plists.inner(values, "Applications")), "Manifest")
        return
    yield from _texts(values, _INFO, "Info")
    yield from _moment(values, "Last Backup Date", "Info")
    listed = values.get("Installed Applications")
    apps = listed if isinstance(listed, list) else list(plists.inner(values, "Applications"))
    yield from _apps(apps, "Info")


def _texts(values: Mapping[str, object], keys: tuple[str, ...], where: str) -> Iterator[Item]:
    for key in keys:
        found = named("iOS", key, plists.text(values, key), f"{VERSION} {where}")
        if found is not None:
            yield found


def _moment(values: Mapping[str, object], key: str, where: str) -> Iterator[Item]:
    normal = plists.moment(values.get(key))
    if normal is not None:
        name = "iOS:LastBackupDate" if where == "Info" else f"iOS:{where}Date"
        yield fact(name, plists.text(values, key), f"{VERSION} {where} {key}", normal)


def _apps(apps: list[object], where: str) -> Iterator[Item]:
    names = sorted({app for app in apps if isinstance(app, str)})
    if names:
        yield Fact("iOS:Applications", str(len(names)), str(len(names)), f"{VERSION} {where}")
    if where == "Info":
        for name in names[:MOST_APPS]:
            yield Fact("iOS:Application", name, name, f"{VERSION} {where}")


def _manifest(backup: _Backup, *, whole: bool) -> Iterator[Item]:
    manifest = backup.manifest
    if manifest is None:
        if backup.encrypted:
            yield Seal("iOS fileID", "not-checked", "the list of files is encrypted")
        return
    for problem in manifest.problems:
        yield Problem(problem)
    counts = (("Files", len(manifest.files)), ("Folders", manifest.folders),
              ("Domains", len(manifest.domains)))  # fmt: skip
    for name, count in counts:
        yield Fact(f"iOS:{name}", str(count), str(count), f"{VERSION} Manifest")
    ranked = sorted(manifest.domains.items(), key=lambda each: (-each[1], each[0]))
    for domain, count in ranked[:MOST_DOMAINS]:
        yield Fact("iOS:Domain", domain, f"{domain} {count}", f"{VERSION} Manifest")
    rows = len(manifest.files) + manifest.folders
    if manifest.wrong:
        detail = f"{len(manifest.wrong)} of {rows} names differ: {', '.join(manifest.wrong[:5])}"
        yield Seal("iOS fileID", "broken", detail)
    elif rows:
        yield Seal("iOS fileID", "valid", f"{rows} names are the SHA-1 of domain and path")
    if not backup.names:
        return
    gone = [name for name in manifest.files if name not in backup.names]
    more = len(backup.names - manifest.files.keys())
    said = (
        f"{len(manifest.files) - len(gone)} of {len(manifest.files)} files are there, {more} more"
    )
    if not whole:
        yield Seal("iOS file list", "not-checked", f"{said}; not all of the archive was read")
    elif gone:
        yield Seal("iOS file list", "broken", f"{said}; missing: {', '.join(gone[:5])}")
    else:
        yield Seal("iOS file list", "valid", said)
