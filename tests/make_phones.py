"""What tools make of telephones, in small and of our own: UFDR, iOS backups, Android backups.

python -m tests.make_phones     prints the SAMPLE of each of their extractors
"""

import hashlib
import json
import plistlib
import sqlite3
import zlib
from datetime import datetime

from tests.make_archives import tarred, zipped

PHOTO = b"\xff\xd8\xff\xe0 a photograph"
NOTE = "нотатка".encode()


def report(files=(), *, head: str = "", project: str = "", models: str = "") -> bytes:
    """A report.xml as Cellebrite writes it; files are (device path, local path, hashes)."""
    tagged = "".join(
        f'<file fs="Phone" fsid="1" path="{path}" size="17" id="f{n}" deleted="Intact"><accessInfo>'
        '<timestamp name="ModifyTime">2024-05-01T07:30:00.000+00:00</timestamp></accessInfo>'
        f'<metadata section="File"><item name="Local Path"><![CDATA[{local}]]></item>'
        + "".join(f'<item name="{key}"><![CDATA[{value}]]></item>' for key, value in hashes.items())
        + "</metadata></file>"
        for n, (path, local, hashes) in enumerate(files)
    )
    text = f"""<?xml version="1.0" encoding="utf-8"?>
{project}<project id="p-1" name="KRN phone" reportVersion="8.5" NodeCount="2" ModelCount="3"
 xmlns="http://pa.cellebrite.com/report/2.0"><sourceExtractions><extractionInfo id="0"
 name="Advanced Logical" type="AdvancedLogical" deviceName="Phone"/></sourceExtractions>
<caseInformation><field name="Case number" fieldType="CaseNumber">KRN-7</field>
<field name="Examiner" fieldType="ExaminerName"><![CDATA[A. Field]]></field></caseInformation>
<metadata section="Additional Fields"><item name="UFED_PA_Version"><![CDATA[7.65.0.21]]></item>
<item name="DeviceInfoCreationTime"><![CDATA[22/05/2024 10:37:00(UTC+3)]]></item></metadata>
<metadata section="Extraction Data">
<item name="DeviceInfoExtractionStartDateTime"
 sourceExtraction="0">14/05/2024 16:49:42(UTC+3)</item>
<item name="DeviceInfoExtractionEndDateTime"><![CDATA[05/06/2024 17:32:15]]></item>
<item name="DeviceInfoUnitIdentifier"><![CDATA[UFED S/N 5933940]]></item></metadata>
<metadata section="Device Info"><item name="IMEI"><![CDATA[490154203237518]]></item>
<item name="DeviceInfoSelectedManufacturer"><![CDATA[Samsung]]></item>
<item name="DeviceInfoSelectedDeviceName"><![CDATA[SM-A525F]]></item>
<item name="Serial"><![CDATA[R58N123ABC]]></item><item name="ICCID"><![CDATA[N/A]]></item>
<item name="MSISDN"><![CDATA[+380441234567]]></item>{head}</metadata>
<taggedFiles>{tagged}</taggedFiles>
<decodedData><modelType type="Chat"><model type="Chat" id="1"><multiModelField name="Messages">
<model type="InstantMessage" id="2"><field name="Body"><value>hello</value></field></model>
</multiModelField></model></modelType><modelType type="Call"><model type="Call" id="3"/>
<model type="Call" id="4"/></modelType>{models}</decodedData></project>"""
    return text.encode()


def ufdr(*, changed: bool = False, missing: bool = False, **options) -> bytes:
    """A .ufdr of two files with their declared hashes; the archive's photograph may differ."""
    files = [
        ("/sdcard/DCIM/IMG_1.jpg", r"files\\Image\\IMG_1.jpg".replace("\\\\", "\\"), hashes(PHOTO)),
        ("/sdcard/нотатка.txt", "files\\Text\\note.txt", hashes(NOTE)),
    ]
    members = [("report.xml", report(files, **options))]
    members.append(("files/Image/IMG_1.jpg", PHOTO + (b"!" if changed else b"")))
    if not missing:
        members.append(("files/Text/note.txt", NOTE))
    return zipped(members)


def hashes(content: bytes) -> dict[str, str]:
    """The hashes as the report names them."""
    return {
        "MD5": hashlib.md5(content).hexdigest(),
        "SHA256": hashlib.sha256(content).hexdigest().upper(),
    }


def database(*statements: str, rows=(), mode: str = "delete") -> bytes:
    """A SQLite database of small pages; rows are (statement, values)."""
    with sqlite3.connect(":memory:") as base:
        base.execute("PRAGMA page_size = 512")
        for statement in statements:
            base.execute(statement)
        for statement, values in rows:
            base.execute(statement, values)
        base.commit()
        data = base.serialize()
    base.close()
    return data if mode == "delete" else data[:18] + b"\x02\x02" + data[20:]


def place(domain: str, path: str) -> str:
    """The name of a file in an iOS backup."""
    return hashlib.sha1(f"{domain}-{path}".encode()).hexdigest()


SMS = ("HomeDomain", "Library/SMS/sms.db")
PICTURE = ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.JPG")
NOTES = ("AppDomain-org.example", "Documents/нотатка.txt")


def sms_db() -> bytes:
    """An iOS sms.db of two messages with one number, in nanoseconds since 2001."""
    return database(
        "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text, date INTEGER, handle_id, from_me)",
        "CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT, service TEXT)",
        "CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, chat_identifier TEXT)",
        rows=[
            ("INSERT INTO message VALUES (1, 'secret words', ?, 1, 0)", (736_240_000_000_000_000,)),
            ("INSERT INTO message VALUES (2, 'secret words', ?, 1, 1)", (736_250_000_000_000_000,)),
            ("INSERT INTO handle VALUES (1, '+380441234567', 'SMS')", ()),
            ("INSERT INTO chat VALUES (1, '+380441234567')", ()),
        ],
    )


INFO = {
    "Device Name": "Оксана's iPhone", "IMEI": "490154203237518", "IMEI 2": "490154203237526",
    "ICCID": "8938003991234567898", "Phone Number": "+380 44 123 45 67",
    "Serial Number": "F2LXK0ABHG7", "Unique Identifier": "00008030-001A35E11E88802E",
    "Product Type": "iPhone12,1", "Product Version": "16.5.1", "Build Version": "20F75",
    "Last Backup Date": datetime(2024, 5, 1, 7, 30), "iTunes Version": "12.12.9.4",
    "Installed Applications": ["net.whatsapp.WhatsApp", "org.telegram.messenger"],
    "iTunes Files": {"IC-Info.sidv": bytes(10)},
}  # fmt: skip
STATUS = {
    "BackupState": "new", "Date": datetime(2024, 5, 1, 7, 31), "IsFullBackup": True,
    "SnapshotState": "finished", "UUID": "AAAA-1", "Version": "3.3",
}  # fmt: skip


def ios_backup(
    *, encrypted: bool = False, wrong: bool = False, missing: bool = False, tar: bool = False,
    binary: bool = True, mbdb: bool = False,
) -> bytes:  # fmt: skip
    """An iOS backup as a zip or tar of its folder."""
    kind = plistlib.FMT_BINARY if binary else plistlib.FMT_XML
    lockdown = {"DeviceName": "Оксана's iPhone", "ProductVersion": "16.5.1"}
    manifest = {
        "BackupKeyBag": b"VERS", "Version": "10.0", "Date": datetime(2024, 5, 1, 7, 30),
        "IsEncrypted": encrypted, "WasPasscodeSet": True, "Lockdown": lockdown,
        "Applications": {"net.whatsapp.WhatsApp": {}},
    }  # fmt: skip
    files = {SMS: sms_db(), PICTURE: PHOTO, NOTES: NOTE}
    rows = [(place(*where), *where, 1) for where in files]
    rows.append((place("HomeDomain", "Library/SMS"), "HomeDomain", "Library/SMS", 2))
    if wrong:
        rows.append((place("HomeDomain", "a"), "HomeDomain", "b", 2))
    insert = "INSERT INTO Files VALUES (?, ?, ?, ?, NULL)"
    listing = database(
        "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT,"
        " flags INTEGER, file BLOB)",
        "CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB)",
        rows=[(insert, row) for row in rows],
    )
    top = "00008030-001A35E11E88802E/"
    members = [
        (f"{top}Info.plist", plistlib.dumps(INFO, fmt=plistlib.FMT_XML)),
        (f"{top}Status.plist", plistlib.dumps(STATUS, fmt=kind)),
        (f"{top}Manifest.plist", plistlib.dumps(manifest, fmt=kind)),
    ]
    if mbdb:
        members.append((f"{top}Manifest.mbdb", manifest_mbdb(list(files))))
    else:
        members.append((f"{top}Manifest.db", bytes(range(256)) * 20 if encrypted else listing))
    for where, content in list(files.items())[: 2 if missing else 3]:
        name = place(*where)
        held = bytes(range(256)) if encrypted else content
        members.append((f"{top}{name}" if mbdb else f"{top}{name[:2]}/{name}", held))
    return tarred(members, "w:gz") if tar else zipped(members)


def manifest_mbdb(places) -> bytes:
    """A Manifest.mbdb, the list of files of backups before iOS 10."""

    def text(value: str) -> bytes:
        raw = value.encode()
        return len(raw).to_bytes(2, "big") + raw

    out = b"mbdb\x05\0"
    for domain, path in places:
        out += text(domain) + text(path) + b"\xff\xff" * 3
        out += (0x81A4).to_bytes(2, "big") + bytes(8 + 4 * 5 + 8 + 1) + b"\0"
    return out


def android_backup(*, packed: bool = True, cipher: str = "none") -> bytes:
    """An Android backup of one application and two text messages."""
    texts = [
        {"address": "+380441234567", "body": "secret words", "date": "1714548600000"},
        {"address": "+380441234567", "body": "secret words", "date": "1714549600500"},
    ]
    manifest = b"1\norg.example.app\n42\n33\n\n0\n"
    telephony = "apps/com.android.providers.telephony"
    content = tarred(
        [
            ("apps/org.example.app/_manifest", manifest),
            ("apps/org.example.app/f/note.txt", NOTE),
            (f"{telephony}/d_f/000000_sms_backup", zlib.compress(json.dumps(texts).encode())),
            ("shared/0/DCIM/IMG_1.jpg", PHOTO),
        ]
    )
    head = f"ANDROID BACKUP\n5\n{int(packed)}\n{cipher}\n".encode()
    return head + (zlib.compress(content) if packed else content)


if __name__ == "__main__":
    for sample in (ufdr(), ios_backup()):
        print(len(sample))
