"""Archives of the samples, as Python's own zipfile, tarfile and gzip read them."""

import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Iterator

from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

GROUP = "archives"


def cases() -> Iterator[Case]:
    """Every zip, tar and gzip of the samples that the standard library can open."""
    for path in sorted((SHARED / "samples").rglob("*")):
        if not path.is_file() or ".oracle" in path.parts or ".truth" in path.parts:
            continue
        head = path.open("rb").read(512)
        if head[:4] == b"PK\3\4" and path.suffix in {".zip", ".wacz"}:
            with zipfile.ZipFile(path) as archive:
                members = {
                    info.filename: (info.file_size, digest(archive.read(info)))
                    for info in archive.infolist()
                    if not info.is_dir()
                }
            yield case(path, "zip", members)
        elif head[257:262] == b"ustar":
            with tarfile.open(path) as archive:
                members = {
                    info.name: (info.size, digest(archive.extractfile(info).read()))
                    for info in archive
                    if info.isfile()
                }
            yield case(path, "tar", members)
        elif head[:3] == b"\x1f\x8b\x08":
            try:
                whole = gzip.decompress(path.read_bytes())
            except (EOFError, OSError):
                continue  # the damaged one
            facts = {"Archive:Format": {"gzip"}, "Archive:DigestedMembers": {"1"}}
            name = "(one file without a name)"
            yield Case((path,), facts, members={name: (len(whole), digest(whole))})


def case(path, kind, members) -> Case:
    return Case((path,), {"Archive:Format": {kind}}, members=members)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
