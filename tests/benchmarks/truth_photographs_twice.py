"""Pictures of the samples, as metadata-extractor (Java and .NET) expects them: texts and times.

An independent implementation, and its authors' own expectations. Only fields it prints as they
stand in the file are compared; where its two editions differ, neither counts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import exiftool_oracle
from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

GROUP = "photographs, twice"
_LINE = re.compile(r"\[(.+?) - 0x([0-9a-f]{4})\] (.+?) = (.*)")
_DIRECTORIES = {"Exif IFD0": "IFD0", "Exif SubIFD": "ExifIFD", "Exif Thumbnail": "IFD1"}
_TAGS = {
    "010e": "ImageDescription", "010f": "Make", "0110": "Model", "0131": "Software",
    "0132": "ModifyDate", "013b": "Artist", "8298": "Copyright", "9003": "DateTimeOriginal",
    "9004": "CreateDate", "a420": "ImageUniqueID", "a433": "LensMake", "a434": "LensModel",
    "8827": "ISO",
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every picture with an expectation of metadata-extractor."""
    for group in ("camera-vendors", "malformed-media"):
        truth = SHARED / "samples" / group / ".truth"
        named: dict[Path, list[dict[str, str]]] = {}
        for path in sorted(truth.rglob("*.txt")):
            name = re.sub(r"\.(?:java|dotnet)_.*$", "", path.name)
            evidence = SHARED / "samples" / group / path.parent.relative_to(truth) / name
            if evidence.is_file() and evidence.suffix.lower() not in {".mp3", ".fuzzed"}:
                named.setdefault(evidence, []).append(_expected(path))
        for evidence, editions in named.items():
            agreed = {
                tag: {value}
                for tag, value in editions[0].items()
                if all(other.get(tag) == value for other in editions)
            }
            if agreed:
                yield Case((evidence,), agreed, same=exiftool_oracle.same)


def _expected(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _LINE.fullmatch(line)
        if not match or match[1] not in _DIRECTORIES or match[2] not in _TAGS:
            continue
        if match[4].strip() and "�" not in match[4] and not match[4].startswith("["):
            found.setdefault(f"{_DIRECTORIES[match[1]]}:{_TAGS[match[2]]}", match[4].strip())
    return found
