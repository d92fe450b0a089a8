"""Disk images of our own, small, after the formats' documentation: E01, Ex01, L01, MBR, GPT, VHD.

python -m tests.make_disks     prints the SAMPLE of each extractor of disks
"""

import base64
import hashlib
import struct
import uuid
import zlib

SECTOR = 512


def disk(sectors: int = 16) -> bytes:
    """A disk with an MBR: an ext2 with a label, and an extended partition with NTFS in it."""
    data = bytearray(sectors * SECTOR)
    data[440:444] = bytes.fromhex("78563412")
    data[446:462] = _row(0x83, 1, 6)
    data[462:478] = _row(0x05, 8, 8)
    data[510:512] = b"\x55\xaa"
    block = bytearray(1024)
    struct.pack_into("<II", block, 4, 32, 0)
    struct.pack_into("<I", block, 48, 1_700_000_000)
    block[56:58] = b"\x53\xef"
    block[104:120] = uuid.UUID("11111111-2222-3333-4444-555555555555").bytes
    block[120:124] = b"data"
    struct.pack_into("<I", block, 264, 1_600_000_000)
    start = SECTOR + 1024
    data[start : start + 1024] = block
    inner = 8 * SECTOR
    data[inner + 446 : inner + 462] = _row(0x07, 1, 7)
    data[inner + 510 : inner + 512] = b"\x55\xaa"
    volume = inner + SECTOR
    data[volume : volume + 11] = b"\xeb\x52\x90NTFS    "
    data[volume + 72 : volume + 80] = bytes.fromhex("efcdab8967452301")
    return bytes(data)


def gpt(sectors: int = 100, *, first: bool = True) -> bytes:
    """A disk with a GPT of one partition, and its copy at the end."""
    row = bytearray(128)
    row[:16] = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
    row[16:32] = uuid.UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee").bytes_le
    struct.pack_into("<QQ", row, 32, 40, 59)
    row[56:66] = "дані ".encode("utf-16-le")
    rows = bytes(row).ljust(128 * 4, b"\0")
    data = bytearray(sectors * SECTOR)
    for here, table in ((1, 2), (sectors - 1, sectors - 3)):
        if here == 1 and not first:
            continue
        head = bytearray(92)
        struct.pack_into("<8sIIIIQQQQ", head, 0, b"EFI PART", 0x10000, 92, 0, 0, here, 1, 34, 80)
        head[56:72] = uuid.UUID("99999999-8888-7777-6666-555555555555").bytes_le
        struct.pack_into("<QIII", head, 72, table, 4, 128, zlib.crc32(rows))
        struct.pack_into("<I", head, 16, zlib.crc32(head))
        data[here * SECTOR : here * SECTOR + 92] = head
        data[table * SECTOR : table * SECTOR + len(rows)] = rows
    return bytes(data)


def vhd(media: bytes) -> bytes:
    """A fixed VHD of a disk."""
    foot = bytearray(512)
    struct.pack_into(
        ">8sIIQI4sI4sQQ", foot, 0, b"conectix", 2, 0x10000, 0xFFFFFFFFFFFFFFFF, 700_000_000,
        b"test", 0x10002, b"Wi2k", len(media), len(media),
    )  # fmt: skip
    struct.pack_into(">I", foot, 60, 2)
    foot[68:84] = uuid.UUID("12345678-1234-5678-1234-567812345678").bytes
    struct.pack_into(">I", foot, 64, ~sum(foot) & 0xFFFFFFFF)
    return media + bytes(foot)


def e01(
    media: bytes, *, segments: int = 1, chunk: int = 4096, hashes: bool = True, unicode: bool = True
) -> list[bytes]:
    """An E01 of a disk in so many segments, one chunk in two packed."""
    chunks = [media[n : n + chunk] for n in range(0, len(media), chunk)]
    each = -(-len(chunks) // segments)
    made = []
    header = "1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\r\nKRN-7\tE-12\tphone\tA. Field\tnotes\t1.2\tLinux\t2024 5 1 7 30 0\t2024 5 1 7 31 0\t0\r\n\r\n"  # noqa: E501
    header2 = (
        "3\nmain\na\tc\tn\te\tt\tmd\tsn\tav\tov\tm\tu\tp\tdc\n"
        "телефон\tKRN-7\tE-12\tA. Field\tnotes\tModel 3\tSN-0042\t1.2\tLinux\t1714548600\t"
        "1714548660\t0\t\n\n"
    )
    for number in range(segments):
        out = bytearray(b"EVF\t\r\n\xff\0\x01" + struct.pack("<HH", number + 1, 0))
        if number == 0:
            if unicode:
                _section(out, "header2", zlib.compress(b"\xff\xfe" + header2.encode("utf-16-le")))
            _section(out, "header", zlib.compress(header.encode("ascii")))
            volume = bytearray(1052)
            volume[0] = 1
            struct.pack_into("<IIIQ", volume, 4, len(chunks), chunk // 512, 512, len(media) // 512)
            struct.pack_into("<I", volume, 1048, zlib.adler32(volume[:1048]))
            _section(out, "volume", bytes(volume))
        packed, offsets = bytearray(), []
        begin = len(out) + 76
        for n, data in enumerate(chunks[number * each : (number + 1) * each]):
            offsets.append(begin + len(packed) | (0x80000000 if n % 2 == 0 else 0))
            plain = data + zlib.adler32(data).to_bytes(4, "little")
            packed += zlib.compress(data) if n % 2 == 0 else plain
        _section(out, "sectors", bytes(packed))
        table = bytearray(24)
        struct.pack_into("<I", table, 0, len(offsets))
        struct.pack_into("<I", table, 20, zlib.adler32(table[:20]))
        rows = b"".join(offset.to_bytes(4, "little") for offset in offsets)
        _section(out, "table", bytes(table) + rows + zlib.adler32(rows).to_bytes(4, "little"))
        if number + 1 < segments:
            _section(out, "next", b"")
        else:
            if hashes:
                md5, sha1 = hashlib.md5(media).digest(), hashlib.sha1(media).digest()
                _section(out, "digest", _summed(md5 + sha1 + bytes(40)))
                _section(out, "hash", _summed(md5 + bytes(16)))
            _section(out, "done", b"")
        made.append(bytes(out))
    return made


def ex01(media: bytes, chunk: int = 4096) -> bytes:
    """An Ex01 of a disk: one chunk packed, one plain, and a pattern."""
    out = bytearray(b"EVF2\r\n\x81\0" + struct.pack("<BBHI", 2, 1, 1, 1) + bytes(range(16)))
    out = out.ljust(32, b"\0")
    chunks = [media[n : n + chunk] for n in range(0, len(media), chunk)]
    case = f"1\nmain\nnm\tcn\ten\tex\tnt\tav\tos\ttt\tat\ttb\tsb\nphone\tKRN-7\tE-12\tA. Field\tnotes\t8.1\tLinux\t1714548660\t1714548600\t{len(chunks)}\t{chunk // 512}\n\n"  # noqa: E501
    device = f"1\nmain\nsn\tmd\tlb\tts\tbp\nSN-0042\tModel 3\t\t{len(media) // 512}\t512\n\n"
    before = 0
    before = _section_2(out, 1, zlib.compress(b"\xff\xfe" + device.encode("utf-16-le")), before)
    before = _section_2(out, 2, zlib.compress(b"\xff\xfe" + case.encode("utf-16-le")), before)
    rows, data = b"", bytearray()
    begin = len(out)
    for n, each in enumerate(chunks):
        if each == each[:8] * (len(each) // 8):
            rows += each[:8] + struct.pack("<II", 0, 1 | 4)
            continue
        packed = zlib.compress(each) if n % 2 == 0 else each
        rows += struct.pack("<QII", begin + len(data), len(packed), 1 if n % 2 == 0 else 0)
        data += packed
    before = _section_2(out, 3, bytes(data), before)
    head = struct.pack("<QII", 0, len(chunks), 0)
    head = head + zlib.adler32(head).to_bytes(4, "little") + bytes(12)
    table = head + rows + zlib.adler32(rows).to_bytes(4, "little") + bytes(12)
    before = _section_2(out, 4, table, before)
    before = _section_2(out, 8, _summed(hashlib.md5(media).digest()) + bytes(12), before)
    before = _section_2(out, 9, _summed(hashlib.sha1(media).digest()) + bytes(8), before)
    _section_2(out, 15, b"", before)
    return bytes(out)


def l01() -> bytes:
    """An L01 that lists a folder with two files, one named in Ukrainian."""
    lines = [
        "5", "rec", "tb\tcl", "15\t0", "", "entry", "26\t1",
        "mid\tls\tid\tcr\tac\twr\tmo\tn\tp",
        "0\t1", "\t\t1\t\t\t\t\tКатегорія\t1",
        "0\t2", "\t0\t2\t\t\t\t\tDCIM\t1",
        "0\t0", "\t1234\t3\t\t\t1714548600\t\tфото.jpg\t",
        "0\t0", "\t5\t4\t\t\t1714548601\t\tb.txt\t", "", "",
    ]  # fmt: skip
    tree = "\n".join(lines).encode("utf-16-le")
    out = bytearray(b"LVF\t\r\n\xff\0\x01" + struct.pack("<HH", 1, 0))
    head = hashlib.md5(tree).digest() + len(tree).to_bytes(8, "little")
    _section(out, "ltree", head.ljust(48, b"\0") + tree)
    _section(out, "done", b"")
    return bytes(out)


def _row(kind: int, start: int, length: int) -> bytes:
    return bytes(4) + bytes([kind]) + bytes(3) + struct.pack("<II", start, length)


def _section(out: bytearray, kind: str, data: bytes) -> None:
    here = len(out)
    following = here if kind in {"next", "done"} else here + 76 + len(data)
    head = struct.pack("<16sQQ40x", kind.encode(), following, 76 + len(data))
    out += head + zlib.adler32(head).to_bytes(4, "little") + data


def _section_2(out: bytearray, kind: int, data: bytes, before: int) -> int:
    padding = -len(data) % 16
    out += data + bytes(padding)
    head = struct.pack("<IIQQII", kind, 0, before, len(data), 64, padding) + bytes(28)
    here = len(out)
    out += head + zlib.adler32(head).to_bytes(4, "little")
    return here


def _summed(data: bytes) -> bytes:
    return data + zlib.adler32(data).to_bytes(4, "little")


if __name__ == "__main__":
    for name, sample in (("ewf", e01(disk())[0]), ("raw", disk()), ("virtual", vhd(disk()))):
        print(name, base64.b64encode(zlib.compress(sample, 9)).decode())
