"""Small films and sound files without frames, made to order for tests."""

import struct

from tests.ingest.containers import box, full

SINCE_1904 = 2_082_844_800  # seconds from 1904 to 1970


def movie(*more, created=1_600_000_000 + SINCE_1904, scale=1000, duration=2500):
    """Return a film: its header with a time, and these boxes beside it."""
    head = struct.pack(">4I", created, created, scale, duration) + b"\0" * 80
    return box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"moov", full(b"mvhd", head), *more)


def keys(pairs):
    """Return Apple's `meta` box with these keys and texts."""
    names = b"".join(box(b"mdta", name.encode()) for name in pairs)
    values = b"".join(
        struct.pack(">II", len(data) + 8, number) + data
        for number, data in enumerate(
            (box(b"data", struct.pack(">II", 1, 0), text.encode()) for text in pairs.values()), 1
        )
    )
    return box(
        b"meta",
        full(b"hdlr", b"\0\0\0\0mdta" + b"\0" * 13),
        full(b"keys", struct.pack(">I", len(pairs)), names),
        box(b"ilst", values),
    )


def said(kind, text, language=0x15C7):
    """Return one text of QuickTime's user data."""
    data = text.encode()
    return box(kind, struct.pack(">HH", len(data), language), data)


def track(handler=b"vide", codec=b"avc1", matrix=(1, 0, 0, 1)):
    """Return a track: upright or turned, of one sample a 25th of a second."""
    turn = b"".join(struct.pack(">i", n << 16) for n in matrix[:2]) + b"\0" * 4
    turn += b"".join(struct.pack(">i", n << 16) for n in matrix[2:]) + b"\0" * 16
    head = struct.pack(">5I", 1, 1, 7, 0, 0) + b"\0" * 16 + turn
    head += struct.pack(">II", 640 << 16, 480 << 16)
    sample = struct.pack(">I", 86) + codec + b"\0" * 24 + struct.pack(">HH", 640, 480) + b"\0" * 50
    media = box(
        b"mdia",
        full(b"mdhd", struct.pack(">4IHH", 1, 1, 25, 50, 0x15C7, 0)),
        full(b"hdlr", b"\0\0\0\0" + handler + b"\0" * 12 + b"Handler\0"),
        box(b"minf", box(b"stbl", full(b"stsd", struct.pack(">I", 1), sample),
                         full(b"stts", struct.pack(">III", 1, 50, 1)))),
    )  # fmt: skip
    return box(b"trak", full(b"tkhd", head), media)


def chunk(kind, data):
    """Return one chunk of a RIFF file."""
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(kind, *chunks):
    """Return a RIFF file of these chunks."""
    return chunk(b"RIFF", kind + b"".join(chunks))


def element(identifier, *content):
    """Return one element of a Matroska file."""
    data = b"".join(content)
    number = bytes.fromhex(identifier)
    return number + struct.pack(">Q", len(data) | 1 << 56) + data


def id3(*frames, version=3):
    """Return an ID3 tag of these frames: (identifier, content)."""
    body = b"".join(kind + struct.pack(">I", len(data)) + b"\0\0" + data for kind, data in frames)
    size = len(body)
    seven = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + seven + body
