"""XMP of pictures and sidecar files: description, rights, edits, artwork, drone, panorama.

The packet is found by the container's own rules (JPEG APP1 with extended XMP, PNG iTXt, WebP,
TIFF, HEIF, JPEG 2000, Photoshop, GIF), and by its own elements in text files. Every fact is a
claim of the file. XMP of films and PDF is read by their own extractors.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Found, Item, Problem
from ingest.readers import pictures, xmp, xmp_facts
from ingest.readers.blocks import MOST_BLOCK, read_at

NAME = "xmp"
VERSION = xmp_facts.TOOL
_SIDECAR = "xmp-sidecar"
FORMATS = frozenset(
    {
        "image/jpeg", "image/tiff", "image/png", "image/apng", "image/webp", "image/avif",
        "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/jxl",
        "image/jp2", "image/jpx", "image/gif", "image/vnd.adobe.photoshop", "image/svg+xml",
        "image/x-adobe-dng", "image/x-canon-cr2", "image/x-canon-cr3", "image/x-nikon-nef",
        "image/x-sony-arw", "image/x-fuji-raf", "image/x-olympus-orf", "image/x-panasonic-rw2",
        "image/x-pentax-pef", _SIDECAR,
    }
)  # fmt: skip
CONTAINERS = {
    _SIDECAR: lambda peek: (
        peek.mime in {"text/plain", "text/xml", "application/xml", "application/octet-stream"}
        and (b"<x:xmpmeta" in peek.head[:4096] or b"<?xpacket begin" in peek.head[:4096])
    )
}
SAMPLE = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="sample"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmp:CreateDate="2020-01-05T15:04:00+02:00"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">Bridge
</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"""


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the facts of every packet in the file."""
    parts: list[bytes] = []
    head = read_at(file, 0, 64).lstrip(b"\xef\xbb\xbf\r\n\t ")
    if head.startswith(b"<"):
        for number, packet in enumerate(xmp.packets(read_at(file, 0, MOST_BLOCK)), 1):
            yield from xmp_facts.facts(packet, f"packet {number}")
        return
    for block in pictures.blocks(file):
        if isinstance(block, Problem):
            continue  # "picture" says what is wrong with the container
        if block.kind == "xmp":
            yield from xmp_facts.facts(block.data, block.where)
        elif block.kind == "xmp-part":
            parts.append(block.data)
    packets, problems = xmp.joined(parts)
    for packet in packets:
        yield from xmp_facts.facts(packet, "extended XMP")
    for problem in problems:
        yield Problem(problem)
