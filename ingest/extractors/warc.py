"""WARC, plain or gzip: each record with address, time and digest; software; pages; digests checked.

Block and payload digests that the records declare are computed anew: the seal "WARC digests". Each
record is listed as a member: its URI, time, size and the SHA-256 of its payload.
"""

from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, Found, Item
from ingest.readers.captures import captured
from ingest.readers.members import Budget
from ingest.readers.warcs import begins, warc_blocks

NAME = "warc"
VERSION = "WARC reader 2"
LIMITS = LONG
# Not the media type: PRONOM finds a record anywhere in a file, and so in a zip of WARCs.
FORMATS = frozenset({"warc"})

CONTAINERS = {"warc": lambda peek: begins(peek.head)}
SAMPLE = (
    b"WARC/1.1\r\nWARC-Type: warcinfo\r\nWARC-Date: 2024-05-01T07:30:00Z\r\n"
    b"WARC-Record-ID: <urn:uuid:1>\r\nContent-Type: application/warc-fields\r\n"
    b"Content-Length: 35\r\n\r\nsoftware: test 1\r\noperator: Field\r\n\r\n\r\n"
    b"WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.org/a\r\n"
    b"WARC-Date: 2024-05-01T07:31:00Z\r\nWARC-Record-ID: <urn:uuid:2>\r\n"
    b"WARC-IP-Address: 192.0.2.7\r\nContent-Type: application/http; msgtype=response\r\n"
    b"WARC-Payload-Digest: sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N\r\nContent-Length: 49\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello\r\n\r\n"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the records, then what they came to."""
    yield from captured(warc_blocks(file), "", VERSION, Budget(16.0, 26.0))
