"""iOS backups: the device and the backup as they say themselves; the list of files checked."""

import io
import plistlib

import pytest

from ingest.extraction import Fact, Format, Found, Inhibitor, Problem, Seal
from ingest.extractors import ios_backup
from ingest.readers import plists
from ingest.readers.members import Unreadable
from ingest.readers.peek import Peek
from tests import make_phones as make
from tests.shared import shared


def read(content):
    peek = Peek(io.BytesIO(content), "application/zip")
    names = tuple(name for name, test in ios_backup.CONTAINERS.items() if test(peek))
    what = Format("application/zip", "", "", False, "single", (), None, names)
    return list(ios_backup.extract(io.BytesIO(content), Found(what)))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def seals(items):
    return {item.kind: item.verdict for item in items if isinstance(item, Seal)}


def problems(items):
    return [item.reason for item in items if isinstance(item, Problem)]


@pytest.mark.parametrize("options", [{}, {"tar": True}, {"binary": False}, {"mbdb": True}])
def test_a_backup_says_whose_device_it_is_and_when_it_was_made(options):
    items = read(make.ios_backup(**options))
    expected = {
        "iOS:DeviceName": "Оксана's iPhone", "iOS:IMEI": "imei:490154203237518",
        "iOS:IMEI2": "imei:490154203237526", "iOS:ICCID": "iccid:8938003991234567898",
        "iOS:PhoneNumber": "tel:+380441234567", "iOS:SerialNumber": "serial:F2LXK0ABHG7",
        "iOS:UniqueIdentifier": "udid:00008030-001A35E11E88802E",
        "iOS:ProductVersion": "16.5.1", "iOS:BuildVersion": "20F75",
        "iOS:LastBackupDate": "2024-05-01T07:30:00Z", "iOS:ITunesVersion": "12.12.9.4",
        "iOS:IsEncrypted": "False", "iOS:SnapshotState": "finished", "iOS:Files": "3",
    }  # fmt: skip
    assert {name: facts(items).get(name) for name in expected} == expected
    assert not problems(items)


def test_its_names_and_its_list_hold():
    assert seals(read(make.ios_backup())) == {"iOS fileID": "valid", "iOS file list": "valid"}
    assert seals(read(make.ios_backup(mbdb=True)))["iOS file list"] == "valid"


def test_a_name_that_is_not_the_digest_of_its_place_breaks_the_seal():
    assert seals(read(make.ios_backup(wrong=True)))["iOS fileID"] == "broken"


def test_a_file_that_is_listed_and_not_there_breaks_the_list():
    assert seals(read(make.ios_backup(missing=True)))["iOS file list"] == "broken"


def test_messages_are_counted_and_never_quoted():
    items = read(make.ios_backup())
    said = facts(items)
    assert (said["Messages:Count"], said["Messages:Conversations"]) == ("2", "1")
    assert said["Messages:First"] == "2024-05-01T07:06:40.000000000Z"
    assert said["Messages:Participant"] == "tel:+380441234567"
    assert "secret words" not in repr(items)


def test_an_encrypted_backup_is_named_so_and_no_error():
    items = read(make.ios_backup(encrypted=True))
    assert items.count(Inhibitor("encrypted")) == 1
    assert seals(items) == {"iOS fileID": "not-checked"}
    assert not problems(items)
    assert facts(items)["iOS:SerialNumber"] == "serial:F2LXK0ABHG7"


def test_the_single_files_say_what_they_have():
    assert facts(read(plistlib.dumps(make.INFO | {"Target Identifier": "x"})))["iOS:ICCID"]
    status = read(plistlib.dumps(make.STATUS, fmt=plistlib.FMT_BINARY))
    assert facts(status)["iOS:StatusDate"] == "2024-05-01T07:31:00Z"
    listed = read(make.manifest_mbdb([make.SMS, make.PICTURE]))
    assert facts(listed)["iOS:Files"] == "2"


def test_a_backup_in_a_tar_whose_list_comes_late_is_told_by_the_names_of_its_files():
    members = [(f"{n:02x}/{make.place('D', str(n))}", b"") for n in range(30)]
    peek = Peek(io.BytesIO(make.tarred(members)), "application/x-tar")
    assert ios_backup.CONTAINERS["ios-backup"](peek)


def test_a_manifest_that_is_cut_off_or_damaged_is_partial():
    whole = make.ios_backup()
    for cut in (len(whole) // 2, len(whole) - 300):
        read(whole[:cut])
    changed = bytearray(make.manifest_mbdb([make.SMS, make.PICTURE]))
    assert problems(read(bytes(changed[:-20])))


def test_lists_that_turn_back_on_themselves_or_nest_without_end_are_harmless():
    cycle = bytearray(b"bplist00" + b"\xd1\x01\x00" + b"Qa" + b"\x08\x0b")
    cycle += bytes(6) + b"\x01\x01" + (2).to_bytes(8, "big") + bytes(8) + (13).to_bytes(8, "big")
    assert isinstance(plists.load(bytes(cycle)), dict)
    deep = b"<plist>" + b"<array>" * 100_000
    with pytest.raises(Unreadable):
        plists.load(deep)
    bomb = b'<!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>'
    with pytest.raises(Unreadable):
        plists.load(bomb)


def test_real_lists_of_the_samples_are_read():
    for name in ("loginwindow", "com.apple.loginitems"):
        data = shared("samples", "mobile", f"plaso/plist/{name}.plist").read_bytes()
        assert plists.is_plist(data)
        assert plists.load(data)
