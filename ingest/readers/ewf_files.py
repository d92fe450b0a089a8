"""The list of files inside a logical evidence file (L01, Lx01): the tree of its ltree section.

The list's own MD5 is checked. The contents of the files are not read.
"""

import hashlib
from collections.abc import Iterator

from ingest.extraction import Fact, Item, Member, Problem, Seal
from ingest.normalise.times import since
from ingest.readers.ewf import Image, decoded
from ingest.readers.members import MOST_MEMBERS

_MOST = 64 << 20
_MOST_DEPTH = 200
_HEADER = 48


def files_of(image: Image, source: str) -> Iterator[Item]:
    """Yield the files a logical image lists, and whether the list is what was written."""
    for section in image.all("ltree"):
        data = section.read(_MOST)
        if image.version == 1:
            head, data = data[:_HEADER], data[_HEADER:]
            length = int.from_bytes(head[16:24], "little")
            if 0 < length <= len(data):
                data = data[:length]
            same = hashlib.md5(data, usedforsecurity=False).digest() == head[:16]
            detail = f"MD5 {head[:16].hex()} over {len(data)} bytes"
            yield Seal("L01 file list", "valid" if same else "broken", detail)
        yield from _tree(decoded(data), source)
        return
    yield Problem("the list of files is not in the segments given", incomplete=False)


def _tree(text: str, source: str) -> Iterator[Item]:
    """Yield the entries: a line of counts, then one of values, children after their parent."""
    lines = iter(text.split("\n"))
    names: list[str] = []
    for line in lines:
        if line.strip() == "entry":
            next(lines, "")
            names = next(lines, "").strip("\r").split("\t")
            break
    if not names:
        yield Problem("the list of files has no entries")
        return
    open_: list[tuple[str, int]] = []  # path, children still to come
    count = total = 0
    for line in lines:
        counts = line.strip("\r").split("\t")
        values = dict(zip(names, next(lines, "").strip("\r").split("\t"), strict=False))
        if not any(values.values()):
            break
        while open_ and not open_[-1][1]:
            open_.pop()
        above = ""
        if open_:
            above, left = open_[-1]
            open_[-1] = (above, left - 1)
        path = f"{above}/{values.get('n', '')}".lstrip("/")[:4096]
        children = int(counts[-1]) if counts[-1].isdecimal() and len(counts[-1]) < 9 else 0
        if children and len(open_) < _MOST_DEPTH:
            open_.append((path, children))
        size = values.get("ls", "")
        if size.isdecimal() and len(size) < 16 and values.get("n"):
            count, total = count + 1, total + int(size)
            if count <= MOST_MEMBERS and not children:
                yield Member(path, int(size), _time(values.get("wr", "")))
    yield Fact("EWF:Files", str(count), str(count), f"{source} ltree")
    yield Fact("EWF:FileBytes", str(total), str(total), f"{source} ltree")


def _time(text: str) -> str | None:
    found = since("unix", int(text)) if text.isdecimal() and len(text) < 12 else None
    return found.value if found else None
