"""Shared normalisers: what extractors make of raw values, so that facts of one kind compare.

Each file knows one kind of value and imports the standard library and `ingest.extraction` alone;
all are loaded before a process is locked. A normaliser never guesses: what it cannot read it
returns as None, and what it doubts it marks. `fact` puts a result and its source together.
"""

from typing import NamedTuple

from ingest.extraction import Fact


class Normal(NamedTuple):
    """A value in the form of its kind, the zone of a time, and why it deserves no trust."""

    kind: str
    value: str
    tz: str | None = None
    suspect: str | None = None


def fact(
    name: str, raw: str, source: str, normal: Normal | None, *, suspect: str | None = None
) -> Fact:
    """Return a fact of a raw text and what was made of it; if nothing was, a fact of the text.

    Args:
        name: ExifTool's group:tag, or `Group:Tag` in its manner where it has none.
        raw: the text as it stands in the file.
        source: tool, version and its own name of the tag.
        normal: what a normaliser of this package returned.
        suspect: a doubt of the extractor's own; the normaliser's comes first.
    """
    if normal is None:
        return Fact(name, raw, raw, source, None, suspect)
    doubt = normal.suspect or suspect
    return Fact(name, normal.value, raw, source, normal.tz, doubt, normal.kind)
