"""Partition tables and file systems of a disk, from any place that can be read: MBR, GPT, Apple.

`Media` is whatever gives bytes at a place: a raw image, an E01, a virtual disk. File systems are
told by their own marks; nothing in them is followed.
"""

import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ingest.extraction import Fact, Inhibitor, Item, Problem
from ingest.normalise import fact
from ingest.normalise.identifiers import device
from ingest.normalise.times import since

SECTOR = 512
MOST_PARTITIONS = 256
_MOST_TABLE = 1 << 20

Media = Callable[[int, int], bytes]  # place, length -> bytes, fewer at the end

MBR_TYPES = {
    0x01: "FAT12", 0x04: "FAT16", 0x05: "extended", 0x06: "FAT16", 0x07: "NTFS or exFAT",
    0x0B: "FAT32", 0x0C: "FAT32 LBA", 0x0E: "FAT16 LBA", 0x0F: "extended LBA", 0x11: "hidden FAT12",
    0x14: "hidden FAT16", 0x17: "hidden NTFS", 0x1B: "hidden FAT32", 0x27: "Windows recovery",
    0x42: "Windows dynamic", 0x82: "Linux swap", 0x83: "Linux", 0x85: "Linux extended",
    0x8E: "Linux LVM", 0xA5: "FreeBSD", 0xA6: "OpenBSD", 0xA8: "Apple UFS", 0xAB: "Apple boot",
    0xAF: "Apple HFS", 0xEE: "GPT protective", 0xEF: "EFI system", 0xFB: "VMware VMFS",
    0xFD: "Linux RAID",
}  # fmt: skip
GPT_TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Windows LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "Windows LDM data",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux file system",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
    "48465300-0000-11aa-aa11-00306543ecac": "Apple HFS+",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
    "426f6f74-0000-11aa-aa11-00306543ecac": "Apple boot",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
    "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root",
    "2568845d-2332-4675-bc39-8fa5a4748d15": "Android bootloader",
    "19a710a2-b3ca-11e4-b026-10604b889dcf": "Android metadata",
    "193d1ea4-b3ca-11e4-b075-10604b889dcf": "Android cache or system",
}
# Marks of file systems and encrypted volumes: where, what, its name. Order matters.
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (3, b"-FVE-FS-", "BitLocker"), (3, b"NTFS    ", "NTFS"), (3, b"EXFAT   ", "exFAT"),
    (3, b"ReFS", "ReFS"), (0, b"LUKS\xba\xbe", "LUKS"), (32, b"NXSB", "APFS"),
    (0, b"XFSB", "XFS"), (0, b"hsqs", "SquashFS"), (0, b"sqsh", "SquashFS"),
    (1024, b"\x10\x20\xf5\xf2", "F2FS"), (1024, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (1024, b"H+\0\x04", "HFS+"), (1024, b"HX\0\x05", "HFSX"), (1024, b"BD", "HFS"),
    (65_600, b"_BHRfS_M", "Btrfs"), (65_588, b"ReIsErFs", "ReiserFS"),
    (32_769, b"CD001", "ISO 9660"), (32_769, b"BEA01", "UDF"), (4086, b"SWAPSPACE2", "Linux swap"),
    (512, b"LABELONE", "LVM2"), (1372, b"\x19\x01\x54\x19", "UFS2"), (0, b"-rom1fs-", "romfs"),
    (0, b"\x85\x19\x03\x20", "JFFS2"), (0, b"UBI#", "UBI"),
    (0, b"\x3a\xff\x26\xed", "Android sparse image"),
    (54, b"FAT12   ", "FAT12"), (54, b"FAT16   ", "FAT16"), (82, b"FAT32   ", "FAT32"),
)  # fmt: skip
_FEATURES = {0x40: "extents", 0x2: "filetype", 0x200: "flex_bg", 0x10000: "encrypt"}
ENCRYPTED = frozenset({"BitLocker", "LUKS"})


@dataclass(slots=True)
class Partition:
    """One row of a partition table."""

    number: int
    start: int  # bytes
    size: int
    kind: str
    identifier: str = ""
    name: str = ""
    system: str = ""  # its file system, by its own marks
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Disk:
    """What a disk's first sectors say."""

    scheme: str = ""  # MBR, GPT, Apple partition map, or empty: none
    identifier: str = ""
    partitions: list[Partition] = field(default_factory=list)
    system: str = ""  # where the disk is one file system without partitions
    details: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_disk(media: Media, size: int) -> Disk:
    """Return what is known of a disk. May raise what `media` raises."""
    found = Disk()
    found.system, found.details = file_system(media, 0)
    if found.system:
        return found
    first = media(0, SECTOR)
    if media(SECTOR, 8) == b"EFI PART" or media(4096, 8) == b"EFI PART":
        sector = SECTOR if media(SECTOR, 8) == b"EFI PART" else 4096
        _gpt(media, sector, sector, found)
    elif len(first) == SECTOR and first[510:] == b"\x55\xaa":
        _mbr(media, first, size, found)
    elif first[:2] == b"ER" or media(SECTOR, 2) == b"PM":
        _apple(media, found)
    elif size > 4096 and _backup_gpt(media, size, found):
        found.problems.append("the first GPT is gone: read from its copy at the end")
    for each in found.partitions[:MOST_PARTITIONS]:
        each.system, each.details = file_system(media, each.start)
        if size and each.start + each.size > size:
            found.problems.append(f"partition {each.number} ends beyond the image")
    return found


def file_system(media: Media, start: int) -> tuple[str, dict[str, str]]:
    """Return the file system that begins at a place, and what it says of itself."""
    head = media(start, 2048)
    if len(head) >= 1024 + 0x68 and head[1024 + 56 : 1024 + 58] == b"\x53\xef":
        return _ext(head[1024:].ljust(1024, b"\0"))
    for place, mark, name in _MARKS:
        here = head[place : place + len(mark)]
        if place + len(mark) > len(head):
            here = media(start + place, len(mark))
        if here == mark:
            if name.startswith("FAT") and (head[:1] not in {b"\xeb", b"\xe9"}):
                continue
            return name, _described(name, head, media, start)
    if head[:1] in {b"\xeb", b"\xe9"} and head[510:512] == b"\x55\xaa" and _is_fat(head):
        return "FAT", _described("FAT", head, media, start)
    return "", {}


def _is_fat(head: bytes) -> bool:
    """Return whether a boot sector's geometry is that of a FAT without a mark (old formatters)."""
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", head, 11)
    return (
        sector in {512, 1024, 2048, 4096} and cluster and not cluster & (cluster - 1)
        and reserved > 0 and tables in {1, 2} and head[21] >= 0xF0
    )  # fmt: skip


def _described(name: str, head: bytes, media: Media, start: int) -> dict[str, str]:
    found: dict[str, str] = {}
    if name == "NTFS":
        found["Serial"] = head[72:80][::-1].hex()
    elif name == "exFAT":
        found["Serial"] = head[100:104][::-1].hex()
    elif name.startswith("FAT"):
        place = 67 if name == "FAT32" else 39
        if head[place - 1] == 0x29:
            found["Serial"] = head[place : place + 4][::-1].hex()
            label = head[place + 4 : place + 15].decode("ascii", "replace").strip()
            if label and label != "NO NAME":
                found["Label"] = label
    elif name == "HFS":
        found["Label"] = head[1061 : 1061 + min(27, head[1060])].decode("mac-roman")
    elif name == "LUKS":
        found["Version"] = str(int.from_bytes(head[6:8], "big"))
        found["UUID"] = _ascii(head[168:208])
    elif name == "XFS":
        found["UUID"], found["Label"] = str(uuid.UUID(bytes=head[32:48])), _ascii(head[108:120])
    elif name == "APFS":
        found["UUID"] = str(uuid.UUID(bytes=head[72:88]))
    elif name == "F2FS":
        found["UUID"] = str(uuid.UUID(bytes=head[1024 + 108 : 1024 + 124]))
    elif name == "Btrfs":
        block = media(start + 65_536, 0x12B + 256)
        if len(block) >= 0x12B + 256:
            found["UUID"] = str(uuid.UUID(bytes=block[32:48]))
            found["Label"] = _ascii(block[0x12B : 0x12B + 256])
    elif name == "ISO 9660":
        block = media(start + 32_768, 2048)
        found["Label"] = _ascii(block[40:72])
        found["Created"] = _ascii(block[813:829])
    return {key: value for key, value in found.items() if value}


def _ext(block: bytes) -> tuple[str, dict[str, str]]:
    compatible, incompatible = struct.unpack_from("<II", block, 92)
    name = "ext4" if incompatible & 0x2C0 else "ext3" if compatible & 4 else "ext2"
    count, size = struct.unpack_from("<I", block, 4)[0], 1024 << min(6, block[24])
    found = {
        "UUID": str(uuid.UUID(bytes=block[104:120])),
        "Label": _ascii(block[120:136]),
        "LastMountedOn": _ascii(block[136:200]),
        "Size": str(count * size),
        "WrittenUnix": str(struct.unpack_from("<I", block, 48)[0]),
        "CreatedUnix": str(struct.unpack_from("<I", block, 264)[0]),
    }
    if incompatible & 0x10000:
        found["Encrypted"] = "feature encrypt is set"
    return name, {key: value for key, value in found.items() if value not in {"", "0"}}


def _ascii(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "backslashreplace").strip()


def _mbr(media: Media, first: bytes, size: int, found: Disk) -> None:
    found.scheme = "MBR"
    found.identifier = first[440:444][::-1].hex()
    number = 0
    for place in range(446, 510, 16):
        number += 1
        kind, start, length = _mbr_row(first[place : place + 16])
        if not kind or not length:
            continue
        found.partitions.append(_mbr_partition(number, kind, start, length))
        if kind in {0x05, 0x0F, 0x85}:
            found.partitions += _logical(media, start, size, found)


def _logical(media: Media, extended: int, size: int, found: Disk) -> Iterator[Partition]:
    """Yield the partitions chained inside an extended one; a chain that turns back is ended."""
    at, seen, number = extended, set[int](), 5
    while at not in seen and len(seen) < MOST_PARTITIONS and (not size or at * SECTOR < size):
        seen.add(at)
        block = media(at * SECTOR, SECTOR)
        if len(block) < SECTOR or block[510:] != b"\x55\xaa":
            return
        kind, start, length = _mbr_row(block[446:462])
        if kind and length:
            yield _mbr_partition(number, kind, at + start, length)
            number += 1
        kind, start, _ = _mbr_row(block[462:478])
        if not kind:
            return
        at = extended + start
    if at in seen:
        found.problems.append("the chain of logical partitions turns back on itself")


def _mbr_row(row: bytes) -> tuple[int, int, int]:
    start, length = struct.unpack_from("<II", row, 8)
    return row[4], start, length


def _mbr_partition(number: int, kind: int, start: int, length: int) -> Partition:
    name = MBR_TYPES.get(kind, "unknown")
    return Partition(number, start * SECTOR, length * SECTOR, f"0x{kind:02x} {name}")


def _backup_gpt(media: Media, size: int, found: Disk) -> bool:
    place = size // SECTOR * SECTOR - SECTOR
    if media(place, 8) != b"EFI PART":
        return False
    _gpt(media, place, SECTOR, found)
    return True


def _gpt(media: Media, place: int, sector: int, found: Disk) -> None:
    head = media(place, 92)
    if len(head) < 92:
        found.problems.append("the GPT is cut off")
        return
    found.scheme = "GPT"
    found.identifier = str(uuid.UUID(bytes_le=head[56:72]))
    length, crc = struct.unpack_from("<II", head, 12)
    if 92 <= length <= sector:
        whole = media(place, length)
        if zlib.crc32(whole[:16] + bytes(4) + whole[20:]) != crc:
            found.problems.append("the CRC of the GPT header does not hold")
    start, count, width, crc = struct.unpack_from("<QIII", head, 72)
    if not 128 <= width <= 4096 or count * width > _MOST_TABLE:
        found.problems.append(f"a GPT of {count} rows of {width} bytes is not read")
        return
    rows = media(start * sector, count * width)
    if zlib.crc32(rows) != crc:
        found.problems.append("the CRC of the GPT's rows does not hold")
    for number in range(len(rows) // width):
        row = rows[number * width : (number + 1) * width]
        if not row[:16].strip(b"\0"):
            continue
        if len(found.partitions) >= MOST_PARTITIONS:
            found.problems.append(f"more than {MOST_PARTITIONS} partitions")
            return
        kind = str(uuid.UUID(bytes_le=row[:16]))
        begin, end = struct.unpack_from("<QQ", row, 32)
        found.partitions.append(
            Partition(
                number + 1,
                begin * sector,
                max(0, end - begin + 1) * sector,
                f"{kind} {GPT_TYPES.get(kind, 'unknown')}",
                str(uuid.UUID(bytes_le=row[16:32])),
                row[56:128].decode("utf-16-le", "backslashreplace").split("\0")[0],
            )
        )


def _apple(media: Media, found: Disk) -> None:
    found.scheme = "Apple partition map"
    count = 1
    number = 0
    while number < min(count, MOST_PARTITIONS):
        number += 1
        row = media(number * SECTOR, SECTOR)
        if row[:2] != b"PM" or len(row) < SECTOR:
            return
        count, start, length = struct.unpack_from(">III", row, 4)
        found.partitions.append(
            Partition(
                number, start * SECTOR, length * SECTOR, _ascii(row[48:80]), "", _ascii(row[16:48])
            )
        )


def facts_of(disk: Disk, source: str) -> Iterator[Item]:
    """Yield what a disk's first sectors say: a fact for each partition and each identifier."""
    if disk.scheme:
        yield Fact("Disk:PartitionScheme", disk.scheme, disk.scheme, source)
        yield Fact("Disk:Partitions", str(len(disk.partitions)), str(len(disk.partitions)), source)
    if disk.identifier:
        what = device("disk", disk.identifier)
        yield fact("Disk:Identifier", disk.identifier, f"{source} {disk.scheme} identifier", what)
    yield from _system("Disk:", disk.system, disk.details, source)
    for each in disk.partitions:
        said = [f"start={each.start}", f"size={each.size}", f"type={each.kind}"]
        said += [f"{key}={value}" for key, value in (
            ("id", each.identifier), ("name", each.name), ("file-system", each.system),
        ) if value]  # fmt: skip
        text = " ".join(said)
        yield Fact(f"Disk:Partition{each.number}", text, text, source)
        yield from _system(f"Disk:Partition{each.number}", each.system, each.details, source)
    for problem in disk.problems:
        yield Problem(problem)


def _system(prefix: str, system: str, details: dict[str, str], source: str) -> Iterator[Item]:
    if not system:
        return
    yield Fact(f"{prefix}FileSystem", system, system, source)
    if system in ENCRYPTED:
        yield Inhibitor("encrypted")
    for key, value in details.items():
        origin = f"{source} {system} {key}"
        if key.endswith("Unix"):
            normal = since("unix", int(value))
        elif key in {"UUID", "Serial"}:
            normal = device("volume", value)
        else:
            normal = None
        yield fact(f"{prefix}{key.removesuffix('Unix')}", value, origin, normal)
