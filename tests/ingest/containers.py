"""Small pictures without pixels in every container, made to order for tests."""

import hashlib
import struct
import zlib

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def segment(marker, data):
    """Return one segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    """Return a JPEG of these segments: (marker, data)."""
    return b"\xff\xd8" + b"".join(segment(*one) for one in segments) + b"\xff\xd9"


def chunk(kind, data):
    """Return one chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks):
    """Return a PNG of these chunks between its header and its end: (type, data)."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0))
    body = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def webp(*chunks):
    """Return a WebP of these chunks: (type, data)."""
    body = b"WEBP"
    for kind, data in chunks:
        body += kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(kind, *content):
    """Return one box of an ISO base media file."""
    data = b"".join(content)
    return struct.pack(">I", len(data) + 8) + kind + data


def full(kind, *content, version=0, flags=0):
    """Return one box that begins with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def heic(exif=b"", xmp=b"", width=640, height=480):
    """Return a HEIC without a picture: its items lie in `idat`."""
    items = [(1, b"hvc1", b"", b"")]
    if exif:
        items.append((2, b"Exif", b"", struct.pack(">I", 0) + exif))
    if xmp:
        items.append((3, b"mime", b"\0application/rdf+xml\0", xmp))
    infos = b"".join(
        full(b"infe", struct.pack(">HH", number, 0), kind, more, version=2)
        for number, kind, more, _ in items
    )
    places, data = b"", b""
    for number, _, _, content in items:
        places += struct.pack(">HHHHII", number, 1, 0, 1, len(data), len(content))
        data += content
    meta = full(
        b"meta",
        full(b"hdlr", b"\0\0\0\0pict" + b"\0" * 13),
        full(b"pitm", struct.pack(">H", 1)),
        full(b"iinf", struct.pack(">H", len(items)), infos),
        full(b"iloc", b"\x44\x00", struct.pack(">H", len(items)), places, version=1),
        box(b"iprp", box(b"ipco", full(b"ispe", struct.pack(">II", width, height))),
            full(b"ipma", struct.pack(">I", 1), struct.pack(">HBB", 1, 1, 0x81))),
        box(b"idat", data),
    )  # fmt: skip
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta


def packet(properties="", attributes="", namespaces=""):
    """Return an XMP packet with these properties of one description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        ' xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
        ' xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
        f" {namespaces} {attributes}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def extended(data, size=1000):
    """Return the JPEG segments of an extended packet, last part first."""
    digest = hashlib.md5(data).hexdigest().upper().encode()
    parts = []
    for at in range(0, len(data), size):
        head = EXTENSION + digest + struct.pack(">II", len(data), at)
        parts.append((0xE1, head + data[at : at + size]))
    return parts[::-1]


def data_set(number, value, record=2):
    """Return one data set of an IPTC record."""
    return b"\x1c" + bytes([record, number]) + struct.pack(">H", len(value)) + value


def resource(number, value):
    """Return one Photoshop image resource."""
    pad = b"\0" * (len(value) % 2)
    return (
        b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(value)) + value + pad
    )


def photoshop(*resources):
    """Return the JPEG segment of these image resources: (number, value)."""
    return (0xED, b"Photoshop 3.0\0" + b"".join(resource(*one) for one in resources))
