"""The demonstration's two phone backups: small, fictional, and in the shape real ones have."""

import plistlib
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha1
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

FIXED = datetime(2025, 3, 20, 6, 0, tzinfo=UTC)  # the time inside archives and backups
_COCOA = datetime(2001, 1, 1, tzinfo=UTC)  # where iOS counts its nanoseconds from
_UDID = "00009999-000000000000DE30"
_IMEI = "004999010640000"  # test range; the last digit is Luhn's
_MESSAGES = (
    ("+999 555 0101", 0, "سقطت المئذنة الآن. هل أنتم بخير؟ (رسالة خيالية)"),
    ("+999 555 0101", 1, "Ми в безпеці. Святиня пошкоджена. (вигадане повідомлення)"),
    ("+999 555 0102", 0, "Pictures taken at 17:41, from the south. (fictional message)"),
)


def ios_backup(picture: bytes) -> bytes:
    """Return an unencrypted iOS backup as a zip: Manifest.db, plists and files by their SHA-1."""
    files = {
        ("HomeDomain", "Library/SMS/sms.db"): _database(_sms),
        ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.JPG"): picture,
    }
    members: dict[str, bytes] = {
        "Info.plist": _plist(
            {
                "Device Name": "Phone of a witness (fictional)",
                "Product Type": "iPhone12,1",
                "Product Version": "17.4.1",
                "Serial Number": "DEMO00000001",
                "IMEI": _IMEI,
                "Phone Number": "+999 555 0100",
                "Unique Identifier": _UDID,
                "Last Backup Date": FIXED.replace(tzinfo=None),
            }
        ),
        "Status.plist": _plist(
            {"BackupState": "new", "IsFullBackup": True, "Version": "3.3", "UUID": _UDID}
        ),
        "Manifest.plist": _plist({"IsEncrypted": False, "Version": "10.0", "Lockdown": {}}),
        "Manifest.db": _database(lambda db: _manifest(db, files)),
    }
    for (domain, path), content in files.items():
        name = file_id(domain, path)
        members[f"{name[:2]}/{name}"] = content
    return _zip({f"{_UDID}/{name}": content for name, content in members.items()})


def android_backup() -> bytes:
    """Return an Android backup (`.ab`, version 5, compressed, not encrypted)."""
    files = {
        "apps/example.messenger/_manifest": b"1\nexample.messenger\n42\n33\n\n0\n0\n",
        "apps/example.messenger/db/chats.db": _database(_chats),
        "apps/example.messenger/sp/account.xml": (
            b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n"
            b'    <string name="number">+999 555 0200</string>\n</map>\n'
        ),
    }
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), int(FIXED.timestamp()), 0o600
            tar.addfile(member, BytesIO(content))
    return b"ANDROID BACKUP\n5\n1\nnone\n" + zlib.compress(out.getvalue(), 9)


def file_id(domain: str, path: str) -> str:
    """Return the name under which an iOS backup keeps a file."""
    return sha1(f"{domain}-{path}".encode(), usedforsecurity=False).hexdigest()


def _manifest(db: sqlite3.Connection, files: Mapping[tuple[str, str], bytes]) -> None:
    db.execute(
        "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, "
        "flags INTEGER, file BLOB)"
    )
    db.execute("CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB)")
    for (domain, path), content in files.items():
        about = _plist({"Size": len(content), "LastModified": int(FIXED.timestamp())})
        row = (file_id(domain, path), domain, path, 1, about)
        db.execute("INSERT INTO Files VALUES (?, ?, ?, ?, ?)", row)


def _sms(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT, service TEXT)")
    db.execute(
        "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, "
        "handle_id INTEGER, date INTEGER, is_from_me INTEGER)"
    )
    handles = list(dict.fromkeys(number for number, _, _ in _MESSAGES))
    for number, handle in enumerate(handles, 1):
        db.execute("INSERT INTO handle VALUES (?, ?, 'SMS')", (number, handle))
    start = int((datetime(2025, 3, 18, 14, 42, tzinfo=UTC) - _COCOA).total_seconds())
    for n, (handle, mine, text) in enumerate(_MESSAGES, 1):
        at = (start + 60 * n) * 1_000_000_000
        row = (n, f"DEMO-{n}", text, handles.index(handle) + 1, at, mine)
        db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)", row)


def _chats(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE chat (id INTEGER PRIMARY KEY, peer TEXT, text TEXT, sent_at INTEGER)")
    for n, (peer, _, text) in enumerate(_MESSAGES, 1):
        at = int(FIXED.timestamp()) * 1000 + n
        db.execute("INSERT INTO chat VALUES (?, ?, ?, ?)", (n, peer, text, at))


def _database(fill: Callable[[sqlite3.Connection], None]) -> bytes:
    """Return a SQLite file that a function fills; the same bytes at every run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "database"
        connection = sqlite3.connect(file)
        with connection:
            fill(connection)
        connection.close()
        return file.read_bytes()


def _plist(content: Mapping[str, object]) -> bytes:
    return plistlib.dumps(dict(content), fmt=plistlib.FMT_BINARY, sort_keys=True)


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name, content in sorted(members.items()):
            about = ZipInfo(name, FIXED.timetuple()[:6])
            about.compress_type, about.external_attr = ZIP_DEFLATED, 0o600 << 16
            archive.writestr(about, content)
    return out.getvalue()
