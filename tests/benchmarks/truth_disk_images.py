"""Disk images of the samples: E01 as libewf reads them, the others as their makers say."""

from collections.abc import Iterator

import pyewf

from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

GROUP = "disk_images"
SAMPLES = SHARED / "samples" / "disk-images"
IMAGES = (
    ("dfvfs/ext2.E01",),
    ("dfvfs/ext2.split.E01", "dfvfs/ext2.split.E02"),
    ("plaso/image-split.E01", "plaso/image-split.E02"),
)
_NAMES = {
    "case_number": "CaseNumber", "evidence_number": "EvidenceNumber", "examiner_name": "Examiner",
    "description": "Description", "notes": "Notes", "acquiry_software_version": "AcquisitionTool",
    "acquiry_operating_system": "AcquisitionSystem",
}  # fmt: skip
EXT2 = "volume:f1f8dab8-57ef-49db-9cf5-b409570736ed"


def cases() -> Iterator[Case]:
    """E01 against libewf; qcow2 and VHD against the ext2 that plaso's makers put in."""
    for names in IMAGES:
        paths = tuple(SAMPLES / name for name in names)
        handle = pyewf.handle()
        handle.open([str(path) for path in paths])
        header = handle.get_header_values()
        hashes = handle.get_hash_values()
        facts = {f"EWF:{name}": {header[key]} for key, name in _NAMES.items() if header.get(key)}
        facts["EWF:MediaSize"] = {str(handle.get_media_size())}
        facts["EWF:StoredMD5"] = {f"md5:{hashes['MD5']}"}
        handle.close()
        yield Case(paths, facts, {"E01 stored MD5": "valid"})
    for name, size in (("plaso/image.qcow2", "102400"), ("plaso/image.vhd", "104448")):
        facts = {"VirtualDisk:MediaSize": {size}, "Disk:FileSystem": {"ext2"}, "Disk:UUID": {EXT2}}
        yield Case((SAMPLES / name,), facts)
    floppy = SAMPLES / "format-corpus/disk-images/fat12/opf/hello-world-untitled-volume.img"
    yield Case((floppy,), {"Disk:FileSystem": {"HFS"}, "Disk:Label": {"Untitled"}})
