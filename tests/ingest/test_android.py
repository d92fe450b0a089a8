"""Android backups and systems: what they hold and what they say of the device."""

import io
import plistlib
import struct
import zipfile
import zlib

import pytest

from ingest.extraction import Fact, Format, Found, Inhibitor, Member, Problem
from ingest.extractors import android_backup, phone_system
from ingest.readers.peek import Peek
from tests import make_phones as make
from tests.make_archives import tarred, zipped
from tests.shared import shared


def read(extractor, content):
    peek = Peek(io.BytesIO(content), "application/octet-stream")
    names = tuple(name for name, test in extractor.CONTAINERS.items() if test(peek))
    what = Format("application/octet-stream", "", "", False, "single", (), None, names)
    return list(extractor.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem) and item.incomplete]


@pytest.mark.parametrize("packed", [True, False])
def test_a_backup_lists_members_packages_and_counts_its_texts(packed):
    items = read(android_backup, make.android_backup(packed=packed))
    said = facts(items)
    assert said["AndroidBackup:Version"] == "5"
    assert said["AndroidBackup:Packages"] == "2"
    assert (said["Messages:Count"], said["Messages:First"]) == ("2", "2024-05-01T07:30:00.000Z")
    assert said["Messages:Participant"] == "tel:+380441234567"
    assert "secret words" not in repr(items)
    members = {item.path: item for item in items if isinstance(item, Member)}
    assert members["shared/0/DCIM/IMG_1.jpg"].sha256
    assert not problems(items)


def test_real_backups_hold_what_their_makers_put_in():
    for name in ("android_backup/backup.ab", "androidqf/backup.ab", "android_backup/backup3.ab"):
        items = read(android_backup, shared("samples", "mobile", "mvt", name).read_bytes())
        assert facts(items)["AndroidBackup:Encryption"] == "none"
        assert facts(items)["AndroidBackup:Package"] == "com.android.providers.telephony"
        assert int(facts(items)["Messages:Count"]) >= 1
        assert not problems(items)
        numbers = {one.raw for one in items if getattr(one, "name", "") == "Messages:Participant"}
        assert name.endswith("3.ab") or numbers == {"06543219", "+12345678", "+23456789"}


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no zlib", "zlib.error"), (zlib.compress(b"[")[:-2], "cut off"),
     (zlib.compress(b"{}"), "no array"), (zlib.compress(b"["), "JSONDecodeError")],
)  # fmt: skip
def test_texts_of_a_backup_that_cannot_be_counted_are_told(content, why):
    name = "apps/com.android.providers.telephony/d_f/000000_sms_backup"
    packed = b"ANDROID BACKUP\n5\n0\nnone\n" + tarred([(name, content)])
    [said] = problems(read(android_backup, packed))
    assert said.startswith(f"{name}: its messages were not counted: ")
    assert why.removeprefix("zlib.") in said


@pytest.mark.parametrize("name", ["android_backup/backup2.ab", "androidqf_encrypted/backup.ab"])
def test_real_encrypted_backups_are_named_so_and_no_error(name):
    items = read(android_backup, shared("samples", "mobile", "mvt", name).read_bytes())
    assert Inhibitor("encrypted") in items
    assert facts(items)["AndroidBackup:Encryption"] == "AES-256"
    assert not problems(items)


def test_a_backup_cut_off_gives_what_there_is():
    whole = make.android_backup()
    for length in range(0, len(whole), 23):
        items = read(android_backup, whole[:length]) if length > 15 else []
        assert length < 30 or facts(items)["AndroidBackup:Version"] == "5"


GETPROP = phone_system.SAMPLE


@pytest.mark.parametrize("pack", [zipped, tarred, lambda pairs: tarred(pairs, "w:gz")])
def test_the_properties_of_a_system_are_found_in_any_archive(pack):
    content = pack(
        [
            ("case/getprop.txt", GETPROP),
            ("case/data/system/packages.list", b"org.a 10001 0 /data\norg.b 10002 0 /data\n"),
            ("case/data/data/com.android.providers.telephony/databases/mmssms.db", make.database(
                "CREATE TABLE sms (address, date, thread_id)",
                rows=[("INSERT INTO sms VALUES ('+380441234567', 1714548600000, 1)", ())])),
        ]
    )  # fmt: skip
    items = read(phone_system, content)
    said = facts(items)
    assert said["Android:Model"] == "SM-A525F"
    assert said["Android:SerialNumber"] == "serial:R58N123ABC"
    assert said["Android:BuildDate"] == "2023-11-14T22:13:20Z"
    assert said["Android:Packages"] == "2"
    assert (said["Messages:Count"], said["Messages:First"]) == ("1", "2024-05-01T07:30:00.000Z")
    assert said["Phone:Database"].endswith("mmssms.db")


def test_a_build_prop_alone_is_read_too():
    said = facts(read(phone_system, b"ro.build.version.release=9\nro.product.model=Nokia 3\n"))
    assert (said["Android:OSVersion"], said["Android:Model"]) == ("9", "Nokia 3")


def test_a_full_file_system_of_ios_says_version_and_name():
    ark = {"-DeviceName": "Phone of Oksana", "com.apple.x-y": 1}
    version = {"ProductVersion": "15.7", "ProductBuildVersion": "19H12"}
    content = zipped(
        [
            (
                "filesystem1/System/Library/CoreServices/SystemVersion.plist",
                plistlib.dumps(version),
            ),
            ("filesystem2/private/var/root/Library/Lockdown/data_ark.plist", plistlib.dumps(ark)),
            ("filesystem2/private/var/mobile/Library/SMS/sms.db", make.sms_db()),
        ]
    )
    said = facts(read(phone_system, content))
    assert (said["iOS:ProductVersion"], said["iOS:DeviceName"]) == ("15.7", "Phone of Oksana")
    assert said["Messages:Application"] == "Messages (iOS)"


def test_a_graykey_extraction_is_told_by_what_its_entries_carry():
    extra = struct.pack("<2sHB4I", b"UT", 17, 15, 1, 2, 3, 4)
    extra += struct.pack("<2sHBBIBI", b"ux", 11, 1, 4, 501, 4, 501)
    extra += struct.pack("<2sHQL", b"IN", 12, 7, 1) + struct.pack("<2sHBB", b"GK", 2, 1, 0)
    info = zipfile.ZipInfo("private/var/wireless/Library/Preferences/com.apple.commcenter.plist")
    info.extra = extra
    values = {"kCTIMEI": "490154203237518", "ReportedPhoneNumber": "+380441234567"}
    content = zipped([(info, plistlib.dumps(values))])
    items = read(phone_system, content)
    said = facts(items)
    assert said["Phone:ExtractionTool"].startswith("GrayKey")
    assert said["iOS:IMEI"] == "imei:490154203237518"
    assert said["iOS:ReportedPhoneNumber"] == "tel:+380441234567"
    peek = Peek(io.BytesIO(zipped([("a", b"")])), "application/zip")
    assert not phone_system.CONTAINERS["graykey"](peek)


def test_the_real_set_of_androidqf_is_known():
    content = shared("samples", "mobile", "mvt/androidqf.zip").read_bytes()
    peek = Peek(io.BytesIO(content), "application/zip")
    assert phone_system.CONTAINERS["android-system"](peek)
    assert not problems(read(phone_system, content))


def test_an_ordinary_archive_is_no_system():
    peek = Peek(
        io.BytesIO(zipped([("a.txt", b""), ("src/build.properties", b"")])), "application/zip"
    )
    assert not any(test(peek) for test in phone_system.CONTAINERS.values())
