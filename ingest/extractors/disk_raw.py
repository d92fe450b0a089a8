"""Raw disk images, and Android sparse ones: partition table, identifiers and file systems by mark.

MBR with logical partitions, GPT (its copy at the end too) and Apple's map. Nothing inside a file
system is followed: what a volume holds is for the analyst's tools.
"""

import base64
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Item
from ingest.readers.disk import facts_of, read_disk
from ingest.readers.members import size_of
from ingest.readers.peek import Peek
from ingest.readers.virtual_disks import at, kind_of

NAME = "disk_raw"
VERSION = "disk reader 1"


def _is_disk(peek: Peek) -> bool:
    """Return whether a file begins as a disk or a volume and is no virtual disk."""
    if peek.size < 512 or not peek.size or kind_of(peek.file):
        return False
    disk = read_disk(at(peek.file), peek.size)
    return bool(disk.system or disk.partitions)


CONTAINERS = {"disk-image": _is_disk}
FORMATS = frozenset({"disk-image"})
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNpjYBgFQxFUhJkIQVjNQMwIxGxQGVYg5oBiQiB01WhIjoJRMLKBAimKPwangqjg96TZIQgESkrGxi4uoWCQkliS"
        "OKgCQSAufjQljIJRMApGwSgYBaNgFIyCwQ/Yof1/djL0hq56HTTBL8QtWAEIKHLF+7OrO9NdlRlH42MUjIJRMApG"
        "wSgYBaNgFIyCUTAKBicAAMBsE+8="
    )
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the partitions and file systems; of a split image the whole is one disk."""
    sizes = [size_of(part) for part in (file, *found.further)]
    yield Fact("Disk:MediaSize", str(sum(sizes)), str(sum(sizes)), VERSION)
    if found.further:
        yield Fact("Disk:Segments", str(len(sizes)), str(len(sizes)), VERSION)

    def media(place: int, length: int) -> bytes:
        parts = []
        for part, size in zip((file, *found.further), sizes, strict=True):
            if length > 0 and place < size:
                part.seek(place)
                parts.append(part.read(min(length, size - place)))
                length -= len(parts[-1])
                place = size
            place -= size
        return b"".join(parts)

    yield from facts_of(read_disk(media, sum(sizes)), VERSION)
