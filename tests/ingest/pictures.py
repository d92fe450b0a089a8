"""Small TIFF pictures without pixels, made to order: the tags a test wants, and no others."""

import struct

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5
SIZES = {SHORT: 2, LONG: 4, RATIONAL: 8, ASCII: 1}


def tiff(ifd0=(), exif=(), gps=()):
    """Return a picture with these tags, each (number, type, values)."""

    def whole(exif_at, gps_at):
        pointers = [(0x8769, LONG, (exif_at,))] if exif else []
        pointers += [(0x8825, LONG, (gps_at,))] if gps else []
        return _directory([*ifd0, *pointers], 8)

    exif_at = 8 + len(whole(0, 0))
    exif_part = _directory(exif, exif_at)
    gps_at = exif_at + len(exif_part)
    return b"II*\0\x08\0\0\0" + whole(exif_at, gps_at) + exif_part + _directory(gps, gps_at)


def taken(text, *more):
    """Return a picture taken at a time, as the camera wrote it."""
    return tiff(exif=[(0x9003, ASCII, text), *more])


def placed(latitude, longitude, *, north=b"N\0", east=b"E\0", status=None):
    """Return a picture with a position; None leaves a reference letter out."""
    gps = [(2, RATIONAL, latitude), (4, RATIONAL, longitude)]
    letters = ((1, north), (3, east), (9, status))
    gps += [(number, ASCII, letter) for number, letter in letters if letter is not None]
    return tiff(ifd0=[(0x10F, ASCII, b"Maker\0")], gps=gps)


def _directory(tags, start):
    head, more = struct.pack("<H", len(tags)), b""
    after = start + 2 + 12 * len(tags) + 4
    for number, kind, values in sorted(tags):
        body = _packed(kind, values)
        if len(body) <= 4:
            field = body.ljust(4, b"\0")
        else:
            field = struct.pack("<I", after + len(more))
            more += body + b"\0" * (len(body) % 2)
        head += struct.pack("<HHI", number, kind, len(values)) + field
    return head + b"\0" * 4 + more


def _packed(kind, values):
    if kind == ASCII:
        return values
    if kind == RATIONAL:
        return b"".join(struct.pack("<II", *value) for value in values)
    return struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values)
