"""Archives of our own: sound ones, and ones made to lie, each small.

python -m tests.make_archives     prints the SAMPLE of the archive extractor
"""

import base64
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

from ingest.readers.streams import zstd

STAMP = (2025, 1, 1, 0, 0, 0)


def zipped(members, *, method=zipfile.ZIP_DEFLATED, comment=b"") -> bytes:
    """A zip of (name, content) pairs; a name may be a ZipInfo."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, STAMP)
            archive.writestr(info, content, compress_type=method)
    return out.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    """The entry of a symbolic link."""
    info = zipfile.ZipInfo(name, STAMP)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def tarred(members, mode="w") -> bytes:
    """A tar of (name or TarInfo, content) pairs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_714_548_600
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zstandard(content: bytes) -> bytes:
    """Content as one Zstandard frame."""
    return zstd.compress(content)


def overlapping(copies: int = 50, size: int = 100_000) -> bytes:
    """A zip whose entries all stand on the same bytes, as a "better zip bomb" has it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(size)
    packed = packer.compress(content) + packer.flush()
    crc = zlib.crc32(content)
    out = _local(b"bomb", packed, crc, size)
    rows = b"".join(_central(b"%04d" % n, packed, crc, size, 0) for n in range(copies))
    return out + rows + _end(copies, len(rows), len(out))


def lying(*, declared: int) -> bytes:
    """A zip whose one member holds 5000 bytes and declares another number."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(5000)) + packer.flush()
    out = _local(b"liar", packed, zlib.crc32(bytes(5000)), declared)
    row = _central(b"liar", packed, zlib.crc32(bytes(5000)), declared, 0)
    return out + row + _end(1, len(row), len(out))


def two_names() -> bytes:
    """A zip whose local header calls the member otherwise than its directory does."""
    packed, crc = b"\x03\0", 0
    out = _local(b"invoice.exe", packed, crc, 0)
    row = _central(b"invoice.pdf", packed, crc, 0, 0)
    return out + row + _end(1, len(row), len(out))


def huge_64() -> bytes:
    """A zip64 that declares 2^63 members of 2^60 bytes and has one of none."""
    extra = struct.pack("<HHQQ", 1, 16, 1 << 60, 1 << 60)
    row = _central(b"big", b"", 0, 0xFFFFFFFF, 0, extra=extra, packed_size=0xFFFFFFFF)
    out = _local(b"big", b"", 0, 0)
    record = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1 << 63, len(row), len(out)
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(out) + len(row), 1)
    return out + row + record + locator + _end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def _local(name: bytes, packed: bytes, crc: int, size: int) -> bytes:
    head = struct.pack(
        "<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0x5A21, crc, len(packed), size, len(name), 0
    )
    return head + name + packed


def _central(
    name: bytes, packed: bytes, crc: int, size: int, offset: int, *, extra: bytes = b"",
    packed_size: int | None = None,
) -> bytes:  # fmt: skip
    stored = len(packed) if packed_size is None else packed_size
    head = struct.pack(
        "<4sBBHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 0, 20, 0, 8, 0, 0x5A21, crc, stored, size,
        len(name), len(extra), 0, 0, 0, 0, offset,
    )  # fmt: skip
    return head + name + extra


def _end(count: int, length: int, start: int) -> bytes:
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, length, start, 0)


def rar5(members, *, packed=False, crc=0) -> bytes:
    """A RAR 5 of (name, content) pairs, stored or packed; `crc` is added to the true ones."""
    out = bytearray(b"Rar!\x1a\x07\x01\0")
    out += _block(bytes([1, 0, 0]))
    for name, content in members:
        raw = name.encode()
        data = _literals(content) if packed else content
        body = bytes([2, 2]) + _number(len(data))
        body += bytes([0x06]) + _number(len(content)) + bytes([0x20])
        body += struct.pack("<II", 1_714_548_600, zlib.crc32(content) + crc)
        body += _number(1 << 7 if packed else 0) + bytes([1]) + _number(len(raw)) + raw
        out += _block(body) + data
    return bytes(out + _block(bytes([5, 0, 0])))


def _literals(content: bytes) -> bytes:
    """Content as one block of RAR 5's packing that knows no repetition: 256 codes of 8 bits."""
    lengths = [0] * 20
    lengths[8], lengths[18], lengths[19] = 1, 2, 2  # codes 0, 10, 11: eight; zeros, few and many
    bits = "".join(f"{length:04b}" for length in lengths)
    bits += "0" * 256 + f"11{127:07b}" + f"11{25:07b}"  # 256 lengths of 8, 138 and 36 of none
    bits += "".join(f"{byte:08b}" for byte in content)
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    flags = 0x80 | 0x40 | 2 << 3 | (len(bits) - 1) % 8  # a table, the last block, 3 bytes of size
    size = struct.pack("<I", len(data))[:3]
    return bytes([flags, 0x5A ^ flags ^ size[0] ^ size[1] ^ size[2]]) + size + data


def sevenz(members, *, crc=0, size=0) -> bytes:
    """A solid 7z of (name, content) pairs, by LZMA; what is given is added to the true numbers."""
    contents = [content for _, content in members]
    whole = b"".join(contents)
    chosen = {"id": lzma.FILTER_LZMA1, "preset": 1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 2}
    data = lzma.compress(whole, lzma.FORMAT_RAW, filters=[chosen])
    names = b"".join(f"{name}\0".encode("utf-16-le") for name, _ in members)
    header = b"\1\4\6\0\1\x09" + _number_7(len(data)) + b"\0"
    header += b"\7\x0b\1\0\1\x23\3\1\1\5\x5d" + struct.pack("<I", 1 << 20)
    header += b"\x0c" + _number_7(len(whole) + size) + b"\0"
    header += b"\x08\x0d" + _number_7(len(members)) + b"\x09"
    header += b"".join(_number_7(len(one)) for one in contents[:-1]) + b"\x0a\1"
    header += b"".join(struct.pack("<I", zlib.crc32(one) + crc) for one in contents) + b"\0\0"
    header += b"\5" + _number_7(len(members)) + b"\x11" + _number_7(len(names) + 1) + b"\0"
    header += names + b"\0\0"
    start = struct.pack("<QQI", len(data), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + data + header


def _number_7(value: int) -> bytes:
    for more in range(8):
        if value < 1 << 7 * (more + 1):
            first = (0xFF00 >> more & 0xFF) | value >> 8 * more
            return bytes([first]) + (value & (1 << 8 * more) - 1).to_bytes(more, "little")
    return b"\xff" + value.to_bytes(8, "little")


def _block(body: bytes) -> bytes:
    whole = _number(len(body)) + body
    return struct.pack("<I", zlib.crc32(whole)) + whole


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def rar4(members) -> bytes:
    """A RAR 4 of stored (name, content) pairs; a name in bytes is one in both of RAR's forms."""
    out = bytearray(b"Rar!\x1a\x07\0")
    out += _block_4(0x73, 0, bytes(6))
    for name, content in members:
        raw = name if isinstance(name, bytes) else name.encode()
        fixed = struct.pack(
            "<IIBIIBBHI", len(content), len(content), 3, zlib.crc32(content), 0x58A13BC0, 20, 0x30,
            len(raw), 0o100644,
        )  # fmt: skip
        flags = 0x8200 if isinstance(name, bytes) else 0x8000
        out += _block_4(0x74, flags, fixed + raw) + content
    return bytes(out + _block_4(0x7B, 0x4000, b""))


def _block_4(kind: int, flags: int, body: bytes) -> bytes:
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest


if __name__ == "__main__":
    sample = zipped([("a.txt", b"evidence"), ("folder/", b""), (link("out"), b"../secret")])
    print(base64.b64encode(sample).decode())
