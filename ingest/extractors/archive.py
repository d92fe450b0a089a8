"""Archives: zip, tar, 7z, RAR and compressed streams, listed to a bounded depth without unpacking.

Every member is listed with its size, its time as the archive has it, its digest where it could be
read within the limits, and flags for whatever is odd about it. Containers within containers are
listed too, to a depth of three, their members' names behind `!/`. Not read: deflate64 and PPMd
members of a zip, sparse tar members; what is packed inside 7z and RAR where libarchive is missing.
"""

import base64
from collections.abc import Iterator
from typing import BinaryIO

from ingest.extraction import LONG, Found, Item
from ingest.readers import packed
from ingest.readers.containers import kind_of
from ingest.readers.listing import listing
from ingest.readers.members import Budget
from ingest.readers.peek import Peek

NAME = "archive"
VERSION = f"archive listing 2, libarchive {packed.VERSION or 'missing'}"
LIMITS = LONG
CPU_SECONDS, WALL_SECONDS = 14.0, 24.0  # of the limits, for reading members through
FORMATS = frozenset(
    {
        "archive", "application/zip", "application/java-archive",
        "application/vnd.android.package-archive", "application/x-tar", "application/x-gtar",
        "application/gzip", "application/x-7z-compressed", "application/x-rar",
        "application/vnd.rar", "application/x-bzip2", "application/x-xz", "application/zstd",
    }
)  # fmt: skip
_OFFICE = (b"mimetype", b"[Content_Types].xml")


def _is_archive(peek: Peek) -> bool:
    """Return whether a file is a container by its own first bytes, but no office document."""
    kind = kind_of(peek.head)
    return kind is not None and not (kind == "zip" and peek.head[30:].startswith(_OFFICE))


CONTAINERS = {"archive": _is_archive}
# A zip of our own: a text, a folder, a link that leads out, a name with "..".
SAMPLE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIVoQV2EMCgAAAAgAAAAFAAAAYS50eHRLLctMSc1LTgUAUEsDBBQAAAAIAAAAIVoAAAAAAgAA"
    "AAAAAAAHAAAAZm9sZGVyLwMAUEsDBBQAAAAIAAAAIVrIPVOUCwAAAAkAAAADAAAAb3V009PTL05NLkotAQBQSwEC"
    "FAMUAAAACAAAACFaEFdhDAoAAAAIAAAABQAAAAAAAAAAAAAAgAEAAAAAYS50eHRQSwECFAMUAAAACAAAACFaAAAA"
    "AAIAAAAAAAAABwAAAAAAAAAAAAAAgAEtAAAAZm9sZGVyL1BLAQIUAxQAAAAIAAAAIVrIPVOUCwAAAAkAAAADAAAA"
    "AAAAAAAAAAD/oVQAAABvdXRQSwUGAAAAAAMAAwCZAAAAgAAAAAAA"
)


def extract(file: BinaryIO, found: Found) -> Iterator[Item]:
    """Yield the members, then what the archive says of itself and what is wrong with it."""
    yield from listing(file, VERSION, Budget(CPU_SECONDS, WALL_SECONDS))
