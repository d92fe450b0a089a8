"""Virtual disks: VHD, VHDX, qcow2 and VMDK, their headers and, where it is simple, their media."""

import re
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from ingest.readers.disk import Media
from ingest.readers.members import UNIX as _UNIX
from ingest.readers.members import Unreadable, read_at, size_of, utc

_VHD_EPOCH = 946_684_800  # 2000-01-01 in seconds since 1970
_VHD_TYPES = {2: "fixed", 3: "dynamic", 4: "differencing"}
_MOST_TEXT = 64 << 10


@dataclass(slots=True)
class VirtualDisk:
    """What the headers say; `media` reads the disk inside, if that is done here."""

    kind: str
    size: int
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    backing: str = ""  # the other image that it changes
    encrypted: bool = False
    media: Media | None = None


def kind_of(file: BinaryIO) -> str:
    """Return which virtual disk a file is; empty: none."""
    head = read_at(file, 0, 512)
    if head[:4] == b"QFI\xfb":
        return "qcow2"
    if head[:8] == b"vhdxfile":
        return "vhdx"
    if head[:4] == b"KDMV" or head[:4] == b"COWD" or head.startswith(b"# Disk DescriptorFile"):
        return "vmdk"
    size = size_of(file)
    foot = read_at(file, size - 512, 8) if size >= 512 else b""
    return "vhd" if b"conectix" in {foot, head[:8]} else ""


def read_virtual_disk(file: BinaryIO) -> VirtualDisk:
    """Return what a virtual disk says of itself.

    Raises:
        Unreadable: it is none, or its header is damaged.
    """
    readers: dict[str, Callable[[BinaryIO], VirtualDisk]] = {
        "qcow2": _qcow2, "vhdx": _vhdx, "vmdk": _vmdk, "vhd": _vhd,
    }  # fmt: skip
    kind = kind_of(file)
    if not kind:
        raise Unreadable("no virtual disk")
    try:
        return readers[kind](file)
    except (struct.error, IndexError) as error:
        raise Unreadable(f"the header of the {kind} is cut off") from error


def at(file: BinaryIO) -> Media:
    """Return a file as media: its own bytes."""

    def media(place: int, length: int) -> bytes:
        return read_at(file, place, length)

    return media


def _qcow2(file: BinaryIO) -> VirtualDisk:
    head = read_at(file, 0, 104)
    version, backing, named, bits, size, crypt, rows, table = struct.unpack_from(
        ">IQIIQIIQ", head, 4
    )
    snapshots = struct.unpack_from(">I", head, 60)[0]
    found = VirtualDisk("qcow2", size, {"Version": str(version), "Snapshots": str(snapshots)})
    found.encrypted = crypt != 0
    if backing and named <= 1023:
        found.backing = read_at(file, backing, named).decode("utf-8", "backslashreplace")
    if not 9 <= bits <= 22 or rows > 8 << 20:
        found.problems.append("the sizes of its tables are out of range")
        return found
    if version >= 3:
        incompatible = struct.unpack_from(">Q", head, 72)[0]
        if incompatible & 3:
            found.facts["Marked"] = "dirty" if incompatible & 1 else "corrupt"
    cluster = 1 << bits

    def word(place: int) -> int:
        return int.from_bytes(read_at(file, place, 8).ljust(8, b"\0"), "big")

    def media(place: int, length: int) -> bytes:
        parts = []
        while length > 0 and place < size:
            number, inside = divmod(place, cluster)
            take = min(length, cluster - inside, size - place)
            parts.append(_qcow2_cluster(file, word, table, rows, bits, number, inside, take))
            place, length = place + take, length - take
        return b"".join(parts)

    found.media = None if found.encrypted or found.backing else media
    return found


def _qcow2_cluster(
    file: BinaryIO, word: Callable[[int], int], table: int, rows: int, bits: int, number: int,
    inside: int, take: int,
) -> bytes:  # fmt: skip
    upper, lower = divmod(number, 1 << (bits - 3))
    row = word(table + 8 * upper) & 0x00FFFFFFFFFFFE00 if upper < rows else 0
    entry = word(row + 8 * lower) if row else 0
    if entry >> 62 & 1:  # packed
        width = 62 - (bits - 8)
        start, sectors = entry & ((1 << width) - 1), entry >> width & ((1 << (bits - 8)) - 1)
        data = read_at(file, start, (sectors + 1) * 512)
        try:
            whole = zlib.decompressobj(-15).decompress(data, 1 << bits)
        except zlib.error as error:
            raise Unreadable(f"a cluster is damaged: {error}") from error
        return whole[inside : inside + take].ljust(take, b"\0")
    start = entry & 0x00FFFFFFFFFFFE00
    if not start or entry & 1:
        return bytes(take)
    return read_at(file, start + inside, take).ljust(take, b"\0")


def _vhd(file: BinaryIO) -> VirtualDisk:
    size = size_of(file)
    foot = read_at(file, size - 512, 512)
    if foot[:8] != b"conectix":
        foot = read_at(file, 0, 512)
    place, stamp, creator, made, host, _, current = struct.unpack_from(">QI4sI4sQQ", foot, 16)
    kind, summed = struct.unpack_from(">II", foot, 60)
    found = VirtualDisk("vhd", current)
    found.facts = {
        "Type": _VHD_TYPES.get(kind, str(kind)),
        "Creator": f"{creator.decode('ascii', 'replace').strip()} {made >> 16}.{made & 0xFFFF}",
        "CreatorHost": host.decode("ascii", "replace").strip(),
        "Created": utc(_UNIX, seconds=_VHD_EPOCH + stamp) or "",
        "UUID": str(uuid.UUID(bytes=foot[68:84])),
    }
    if (~sum(foot[:64] + foot[68:]) & 0xFFFFFFFF) != summed:
        found.problems.append("the checksum of the footer does not hold")
    if kind == 2:
        found.media = at(file)
    elif kind in {3, 4}:
        _vhd_dynamic(file, place, found, differs=kind == 4)
    return found


def _vhd_dynamic(file: BinaryIO, place: int, found: VirtualDisk, *, differs: bool) -> None:
    head = read_at(file, place, 1024)
    if head[:8] != b"cxsparse":
        found.problems.append("the header of the dynamic disk is damaged")
        return
    table, _, rows, block = struct.unpack_from(">QIII", head, 16)
    if differs:
        name = head[64:576].decode("utf-16-be", "backslashreplace").split("\0")[0]
        found.backing = name or "another image"
        return
    if not block or block % 512 or block > 1 << 28:
        found.problems.append("the size of its blocks is out of range")
        return
    bitmap = -(-block // 512 // 8 // 512) * 512

    def media(place: int, length: int) -> bytes:
        parts = []
        while length > 0 and place < found.size:
            number, inside = divmod(place, block)
            take = min(length, block - inside, found.size - place)
            sector = (
                int.from_bytes(read_at(file, table + 4 * number, 4), "big")
                if number < rows
                else 0xFFFFFFFF
            )
            if sector == 0xFFFFFFFF:
                parts.append(bytes(take))
            else:
                parts.append(read_at(file, sector * 512 + bitmap + inside, take).ljust(take, b"\0"))
            place, length = place + take, length - take
        return b"".join(parts)

    found.media = media


_REGIONS = {"metadata": "8b7ca206-4790-4b9a-b8fe-575f050f886e"}
_ITEMS = {
    "caa16737-fa36-4d43-b3b6-33f0aa44e76b": "parameters",
    "2fa54224-cd1b-4876-b211-5dbed83bf4b8": "size",
    "beca12ab-b2e6-4523-93ef-c309e000c746": "page83",
    "8141bf1d-a96f-4709-ba47-f233a8faab5f": "logical",
    "a8d35f2d-b30b-454d-abf7-d3d84834ab0c": "parent",
}


def _vhdx(file: BinaryIO) -> VirtualDisk:
    creator = read_at(file, 0, 520)[8:].decode("utf-16-le", "backslashreplace").split("\0")[0]
    found = VirtualDisk("vhdx", 0, {"Creator": creator})
    for place in (0x30000, 0x40000):
        table = read_at(file, place, 64 << 10)
        if table[:4] == b"regi":
            break
    else:
        found.problems.append("no table of regions")
        return found
    for row in range(min(2047, int.from_bytes(table[8:12], "little"))):
        entry = table[16 + 32 * row : 48 + 32 * row]
        if len(entry) == 32 and str(uuid.UUID(bytes_le=entry[:16])) == _REGIONS["metadata"]:
            start, length = struct.unpack_from("<QI", entry, 16)
            _vhdx_metadata(read_at(file, start, min(length, 1 << 20)), found)
    return found


def _vhdx_metadata(data: bytes, found: VirtualDisk) -> None:
    if data[:8] != b"metadata":
        found.problems.append("the metadata are damaged")
        return
    for row in range(min(2047, int.from_bytes(data[10:12], "little"))):
        entry = data[32 + 32 * row : 64 + 32 * row]
        if len(entry) < 32:
            return
        name = _ITEMS.get(str(uuid.UUID(bytes_le=entry[:16])), "")
        start, length = struct.unpack_from("<II", entry, 16)
        value = data[start : start + length]
        if name == "size" and len(value) == 8:
            found.size = int.from_bytes(value, "little")
        elif name == "page83" and len(value) == 16:
            found.facts["UUID"] = str(uuid.UUID(bytes_le=value))
        elif name == "logical" and len(value) == 4:
            found.facts["SectorSize"] = str(int.from_bytes(value, "little"))
        elif name == "parameters" and len(value) == 8:
            kinds = {1: "fixed", 2: "differencing"}
            found.facts["Type"] = kinds.get(int.from_bytes(value[4:], "little"), "dynamic")
        elif name == "parent":
            found.backing = "another image"


def _vmdk(file: BinaryIO) -> VirtualDisk:
    head = read_at(file, 0, 512)
    text, size = b"", 0
    facts: dict[str, str] = {}
    if head[:4] == b"KDMV":
        version, _, sectors, _, start, length = struct.unpack_from("<IIQQQQ", head, 4)
        size, facts["Version"] = sectors * 512, str(version)
        text = read_at(file, start * 512, min(length * 512, _MOST_TEXT))
    elif head[:4] != b"COWD":
        text = read_at(file, 0, _MOST_TEXT)
    found = VirtualDisk("vmdk", size, facts)
    said = text.split(b"\0")[0].decode("utf-8", "backslashreplace")
    values = dict(re.findall(r'^\s*([A-Za-z0-9_.]{1,60})\s*=\s*"?([^"\r\n]{0,500})"?', said, re.M))
    for name, key in (
        ("Type", "createType"), ("CID", "CID"), ("Encoding", "encoding"),
        ("Adapter", "ddb.adapterType"), ("UUID", "ddb.uuid"),
    ):  # fmt: skip
        if values.get(key):
            facts[name] = values[key]
    extents = re.findall(
        r'^\s*(?:RW|RDONLY|NOACCESS)\s+([0-9]{1,15})\s+(\w+)(?:\s+"([^"]*)")?', said, re.M
    )
    if extents:
        facts["Extents"] = "; ".join(" ".join(filter(None, extent)) for extent in extents[:50])
        found.size = sum(int(extent[0]) for extent in extents) * 512
    if values.get("parentCID", "ffffffff").lower() != "ffffffff":
        found.backing = values.get("parentFileNameHint", "another image")
    return found
