"""Virtual disks: VHD, VHDX, qcow2 and VMDK: their headers, and the disk inside where it is simple.

The disk inside is read for qcow2 without a backing image and for fixed and dynamic VHD; of VHDX
and VMDK the headers alone. AFF4 is an archive and is listed as one.
"""

import base64
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import Fact, Found, Inhibitor, Item, Problem
from ingest.normalise import fact
from ingest.normalise.identifiers import device
from ingest.normalise.times import iso
from ingest.readers.disk import facts_of, read_disk
from ingest.readers.members import Unreadable
from ingest.readers.virtual_disks import kind_of, read_virtual_disk

NAME = "disk_virtual"
VERSION = "virtual disk reader 1"
CONTAINERS = {"virtual-disk": lambda peek: bool(kind_of(peek.file))}
FORMATS = frozenset({"virtual-disk"})
SAMPLE = zlib.decompress(
    base64.b64decode(
        "eNpjYBgFQxFUhJkIQVjNQMwIxGxQGVYg5oBiQiB01WhIjoJRMLKBAimKPwangqjg96TZIQgESkrGxi4uoWCQkliS"
        "OKgCQSAufjQljIJRMApGwSgYBaNgFIyCwQ/Yof1/djL0hq56HTTBL8QtWAEIKHLF+7OrO9NdlRlH42MUjIJRMApG"
        "wSgYBaNgFIyCUTAKBidIzs9LTS7JrAAymUDdyP9QoLlTnaEktbgEKMYUnmmUDVEN6yPC+4pM//+/fiNkElaBjEdD"
        "degAAPqjK9c="
    )
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield what the headers say, then what the disk inside does."""
    try:
        disk = read_virtual_disk(file)
    except Unreadable as error:
        yield Problem(str(error))
        return
    yield Fact("VirtualDisk:Format", disk.kind, disk.kind, VERSION)
    yield Fact("VirtualDisk:MediaSize", str(disk.size), str(disk.size), VERSION)
    for name, value in disk.facts.items():
        normal = None
        if name == "UUID" and value.strip("0-"):
            normal = device("disk", value)
        elif name == "Created":
            normal = iso(value)
        yield fact(f"VirtualDisk:{name}", value, f"{VERSION} {disk.kind} {name}", normal)
    if disk.encrypted:
        yield Inhibitor("encrypted")
    if disk.backing:
        yield Inhibitor("missing-part")
        yield Fact("VirtualDisk:Backing", disk.backing, disk.backing, VERSION)
    for problem in disk.problems:
        yield Problem(problem)
    if disk.media is not None:
        try:
            yield from facts_of(read_disk(disk.media, disk.size), VERSION)
        except Unreadable as error:
            yield Problem(f"the disk inside: {error}")
