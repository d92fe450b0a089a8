"""IPTC-IIM records and Photoshop image resources: their data sets, bounded.

data set = 1C | record | number | length (2; top bit set: length of the length) | value
resource = 8BIM | number (2) | name (padded) | length (4) | value (padded)
"""

from collections.abc import Iterator
from dataclasses import dataclass

MOST_SETS = 2_000
MOST_RESOURCES = 2_000


@dataclass(frozen=True, slots=True)
class DataSet:
    """One value of an IPTC record, as bytes: `record` 2 is the one that describes pictures."""

    record: int
    number: int
    value: bytes


class Broken(ValueError):
    """The rest of the record cannot be read: what was found before stays."""


def data_sets(data: bytes) -> Iterator[DataSet]:
    """Yield the data sets of an IPTC record.

    Raises:
        Broken: something else stands where a data set must, or the last is cut off.
    """
    at = 0
    for _ in range(MOST_SETS):
        if at >= len(data) or not data[at:].strip(b"\0"):
            return
        if data[at] != 0x1C or at + 5 > len(data):
            raise Broken(f"no data set at byte {at}")
        record, number = data[at + 1], data[at + 2]
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if length & 0x8000:
            width = length & 0x7FFF
            if width > 4:
                raise Broken(f"a length of {width} bytes")
            length = int.from_bytes(data[at : at + width], "big")
            at += width
        if at + length > len(data):
            raise Broken(f"data set {record}:{number} is cut off")
        yield DataSet(record, number, data[at : at + length])
        at += length
    raise Broken(f"more than {MOST_SETS} data sets")


def resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of each Photoshop image resource.

    Raises:
        Broken: something else stands where a resource must, or the last is cut off.
    """
    at = 0
    for _ in range(MOST_RESOURCES):
        if at + 12 > len(data) or not data[at:].strip(b"\0"):
            return
        if data[at : at + 4] not in {b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa"}:
            raise Broken(f"no image resource at byte {at}")
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name = data[at + 6]
        at += 6 + 1 + name + (1 + name) % 2
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + length > len(data):
            raise Broken(f"image resource {number:04X} is cut off")
        yield number, data[at : at + length]
        at += length + length % 2
    raise Broken(f"more than {MOST_RESOURCES} image resources")
