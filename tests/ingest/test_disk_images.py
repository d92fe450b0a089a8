"""Disk images: real E01, VHD and qcow2 against what they hold; our own for the rest."""

import hashlib
import io
import struct

import pytest

from ingest.extraction import Fact, Format, Found, Inhibitor, Member, Problem, Seal
from ingest.extractors import disk_ewf, disk_raw, disk_virtual
from ingest.readers.ewf import open_image
from ingest.readers.members import read_at
from tests import make_disks
from tests.shared import shared

EXT2 = "f1f8dab8-57ef-49db-9cf5-b409570736ed"


def read(extractor, *parts):
    what = Format("application/octet-stream", "data", "", False, "single", ())
    opened = [
        io.BytesIO(part) if isinstance(part, bytes) else io.BytesIO(part.read_bytes())
        for part in parts
    ]
    return list(extractor.extract(opened[0], Found(what, tuple(opened[1:]))))


def facts(items):
    return {item.name: item.value for item in items if isinstance(item, Fact)}


def seals(items):
    return {item.kind: item.verdict for item in items if isinstance(item, Seal)}


@pytest.mark.parametrize(
    ("names", "md5"),
    [
        (["dfvfs/ext2.E01"], "196066add11fb71c4c49cf1bb50d6d24"),
        (["dfvfs/ext2.split.E01", "dfvfs/ext2.split.E02"], "196066add11fb71c4c49cf1bb50d6d24"),
        (["plaso/image-split.E01", "plaso/image-split.E02"], "38ea5af8a80e16e46c095c9110242fc0"),
    ],
)
def test_the_stored_md5_of_a_real_e01_is_found_and_holds(names, md5):
    items = read(disk_ewf, *(shared("samples", "disk-images", name) for name in names))
    assert facts(items)["EWF:StoredMD5"] == f"md5:{md5}"
    assert seals(items) == {"E01 stored MD5": "valid"}
    assert not [item for item in items if isinstance(item, Problem)]


def test_a_real_e01_says_who_acquired_it_when_and_with_what():
    said = facts(read(disk_ewf, shared("samples", "disk-images", "plaso/image-split.E01")))
    assert said["EWF:CaseNumber"] == "Case"
    assert said["EWF:EvidenceNumber"] == "Evidence"
    assert said["EWF:Examiner"] == "John"
    assert said["EWF:Notes"] == "dfVFS split EWF-E01 test file"
    assert said["EWF:Acquired"] == "2014-04-20T05:56:50Z"
    assert said["EWF:AcquisitionTool"] == "20140406"


def test_the_first_segment_alone_says_what_it_can_and_that_others_are_missing():
    items = read(disk_ewf, shared("samples", "disk-images", "dfvfs/ext2.split.E01"))
    assert Inhibitor("missing-part") in items
    assert seals(items) == {"E01 stored hash": "absent"}  # it stands in the last segment
    assert facts(items)["EWF:Examiner"] == "examiner"
    assert facts(items)["Disk:FileSystem"] == "ext2"


def test_the_segments_may_come_in_any_order():
    parts = make_disks.e01(make_disks.disk(), segments=2)
    items = read(disk_ewf, parts[1], parts[0])
    assert seals(items) == {"E01 stored MD5": "valid", "E01 stored SHA1": "valid"}


def test_one_flipped_byte_of_the_media_breaks_the_seal():
    sound = make_disks.e01(make_disks.disk())[0]
    start = open_image([io.BytesIO(sound)]).sections
    place = next(section for section in start if section.kind == "sectors").start
    media = len(sound) and place + 200  # inside the packed or plain chunks
    for at in (media, next(section for section in start if section.kind == "table").start - 120):
        changed = bytearray(sound)
        changed[at] ^= 1
        assert "broken" in seals(read(disk_ewf, bytes(changed))).values()


def test_a_wrong_stored_hash_breaks_the_seal():
    sound = make_disks.e01(make_disks.disk())[0]
    md5 = hashlib.md5(make_disks.disk()).digest()
    assert (
        seals(read(disk_ewf, sound.replace(md5, bytes(15) + b"\1")))["E01 stored MD5"] == "broken"
    )


def test_the_unicode_header_wins_and_a_clock_without_a_zone_stays_without():
    said = {
        i.name: i
        for i in read(disk_ewf, make_disks.e01(make_disks.disk())[0])
        if isinstance(i, Fact)
    }
    assert said["EWF:Description"].value == "телефон"
    assert said["EWF:SerialNumber"].value == "serial:SN-0042"
    assert said["EWF:Acquired"].tz == "UTC"
    old = make_disks.e01(make_disks.disk(), unicode=False)[0]
    said = {item.name: item for item in read(disk_ewf, old) if isinstance(item, Fact)}
    assert said["EWF:Acquired"].value == "2024-05-01T07:30:00"
    assert said["EWF:Acquired"].tz == "unknown"


def test_an_image_without_a_hash_has_no_seal_and_says_so():
    items = read(disk_ewf, make_disks.e01(make_disks.disk(), hashes=False)[0])
    assert seals(items) == {"E01 stored hash": "absent"}


def test_ex01_with_patterns_and_both_hashes_holds():
    media = make_disks.disk() + b"ABCDEFGH" * 512
    items = read(disk_ewf, make_disks.ex01(media))
    assert seals(items) == {"E01 stored MD5": "valid", "E01 stored SHA1": "valid"}
    assert facts(items)["EWF:Examiner"] == "A. Field"
    assert facts(items)["EWF:SerialNumber"] == "serial:SN-0042"


def test_a_logical_image_lists_its_files_and_its_list_is_checked():
    items = read(disk_ewf, make_disks.l01())
    members = [item for item in items if isinstance(item, Member)]
    assert [(m.path, m.size) for m in members] == [
        ("Категорія/DCIM/фото.jpg", 1234), ("Категорія/DCIM/b.txt", 5),
    ]  # fmt: skip
    assert members[0].modified_at == "2024-05-01T07:30:00Z"
    assert seals(items)["L01 file list"] == "valid"
    changed = make_disks.l01().replace("b.txt".encode("utf-16-le"), "c.txt".encode("utf-16-le"))
    assert seals(read(disk_ewf, changed))["L01 file list"] == "broken"


def test_partitions_and_file_systems_of_a_raw_disk():
    said = facts(read(disk_raw, make_disks.disk()))
    assert said["Disk:PartitionScheme"] == "MBR"
    assert said["Disk:Identifier"] == "disk:12345678"
    assert "type=0x83 Linux" in said["Disk:Partition1"]
    assert said["Disk:Partition1FileSystem"] == "ext2"
    assert said["Disk:Partition1Written"] == "2023-11-14T22:13:20Z"
    assert said["Disk:Partition5FileSystem"] == "NTFS"
    assert said["Disk:Partition5Serial"] == "volume:0123456789abcdef"


def test_a_split_raw_image_is_one_disk():
    media = make_disks.disk()
    said = facts(read(disk_raw, media[:1024], media[1024:4096], media[4096:]))
    assert said["Disk:MediaSize"] == str(len(media))
    assert said["Disk:Partition5FileSystem"] == "NTFS"


@pytest.mark.parametrize("first", [True, False])
def test_a_gpt_is_read_and_its_copy_where_the_first_is_gone(first):
    items = read(disk_raw, make_disks.gpt(first=first))
    said = facts(items)
    assert said["Disk:PartitionScheme"] == "GPT"
    assert said["Disk:Identifier"] == "disk:99999999-8888-7777-6666-555555555555"
    assert "id=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee name=дані" in said["Disk:Partition1"]
    assert bool([i for i in items if isinstance(i, Problem)]) is not first


def test_real_images_hold_what_their_makers_put_in():
    for name, size in (("plaso/image.qcow2", "102400"), ("plaso/image.vhd", "104448")):
        said = facts(read(disk_virtual, shared("samples", "disk-images", name)))
        assert said["VirtualDisk:MediaSize"] == size
        assert said["Disk:FileSystem"] == "ext2"
        assert said["Disk:UUID"] == f"volume:{EXT2}"
    floppy = "format-corpus/disk-images/fat12/opf/hello-world-untitled-volume.img"
    said = facts(read(disk_raw, shared("samples", "disk-images", floppy)))
    assert (said["Disk:FileSystem"], said["Disk:Label"]) == ("HFS", "Untitled")


def test_a_chain_of_logical_partitions_that_turns_back_ends():
    media = bytearray(make_disks.disk())
    media[8 * 512 + 462 : 8 * 512 + 478] = bytes(4) + b"\x05\0\0\0" + struct.pack("<II", 0, 8)
    assert any("turns back" in item.reason for item in read(disk_raw, bytes(media))
               if isinstance(item, Problem))  # fmt: skip


@pytest.mark.parametrize("at", range(0, 512, 3))
def test_no_changed_byte_of_a_header_escapes_as_an_exception(at):
    for extractor, sample in (
        (disk_ewf, disk_ewf.SAMPLE),
        (disk_ewf, make_disks.ex01(make_disks.disk())),
        (disk_raw, disk_raw.SAMPLE),
        (disk_raw, make_disks.gpt()),
        (disk_virtual, disk_virtual.SAMPLE),
    ):
        changed = bytearray(sample)
        for place in (at, len(changed) - 1 - at):
            changed[place] ^= 0xFF
        read(extractor, bytes(changed))


def test_a_place_beyond_what_a_file_system_can_address_holds_nothing(tmp_path):
    (tmp_path / "small").write_bytes(b"abc")
    with (tmp_path / "small").open("rb") as file:
        assert read_at(file, 1 << 61, 4) == b""
        assert read_at(file, 1, 4) == b"bc"
