"""Row: what one line of a list declares of one file; and the names that lists give to it.

A row's path is data: it is compared with the files that are taken in, and never opened.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from custody.errors import EvidenceError
from ingest.errors import BadManifest
from ingest.receive import ALGORITHMS, declared_digests
from repository.naming import shown
from repository.purpose import Purpose
from repository.submissions import CLAIMS, Declaration

MOST_PARTS = 10_000  # of one thing
_BIGGEST = 1 << 62
_PATHS = ("path", "file", "filename", "file_name", "name")  # the first of them that is there
_SAME = {  # other words for what may be declared
    "collector": "collected_by",
    "time": "collected_at",
    "date": "collected_at",
    "condition": "conditions",
    "bytes": "size",
}
_KNOWN = frozenset({*CLAIMS, *ALGORITHMS, "digest", "digests", "size", "thing", "part"})
_UNREADABLE = re.compile(  # digests that others make and this repository does not
    r"(sha|md|blake|ripemd|crc|adler|xxh|tiger|whirlpool|ed2k|b3sum)[0-9a-z_]*"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a list declares of one file; `where` names its line."""

    where: str
    path: bytes
    digests: Mapping[str, str] = field(default_factory=dict)  # algorithm -> "algorithm:hex"
    size: int | None = None
    claims: Mapping[str, str] = field(default_factory=dict)  # by the names of `Declaration`
    thing: str | None = None  # files with the same word here form one thing
    part: int | None = None  # which part of it; without it, in the order of the rows

    @property
    def shown(self) -> str:
        """Return line and path for a person."""
        return f"{self.where} ({shown(self.path)})"

    def with_row(self, other: "Row") -> "Row":
        """Return what two rows about one file say together.

        Raises:
            BadManifest: they contradict each other.
        """
        found: dict[str, Any] = {}
        for name in ("size", "thing", "part"):
            mine, theirs = getattr(self, name), getattr(other, name)
            found[name] = self._agreed(other, name, mine, theirs)
        for name in ("digests", "claims"):
            mine, theirs = getattr(self, name), getattr(other, name)
            found[name] = {
                key: self._agreed(other, key, mine.get(key), theirs.get(key))
                for key in {**mine, **theirs}
            }
        return Row(self.where, self.path, **found)

    def _agreed(self, other: "Row", name: str, mine: Any, theirs: Any) -> Any:
        if mine is not None and theirs is not None and mine != theirs:
            raise BadManifest(
                f"{self.shown} and {other.where} contradict each other about one file: "
                f"{name.replace('_', ' ')} is {shown(mine)} and {shown(theirs)}; "
                "nothing was taken in"
            )
        return theirs if mine is None else mine


def field_of(title: str) -> str:
    """Return the name of what a column or key is about, as its writer spelled it."""
    plain = re.sub(r"[\s\-]+", "_", title.strip().lower())
    digest = plain.replace("_", "")
    return digest if digest in ALGORITHMS else _SAME.get(plain, plain)


def path_field(titles: Iterable[str]) -> str | None:
    """Return the title under which the paths stand, or None."""
    found = {title.strip().lower().replace(" ", "_"): title for title in reversed(list(titles))}
    return next((found[name] for name in _PATHS if name in found), None)


def unused(titles: Sequence[str], where: str) -> list[str]:
    """Return the titles that say nothing about intake: listed in the result, never guessed at.

    Raises:
        BadManifest: one is a digest that cannot be compared, or two say the same.
    """
    seen: dict[str, str] = {}
    left = []
    for title in titles:
        name = field_of(title)
        if name not in _KNOWN:
            if _UNREADABLE.fullmatch(name.replace("_", "")):
                raise BadManifest(
                    f"{where}: {shown(title)} is a digest that this repository does not make; "
                    f"it compares {', '.join(ALGORITHMS)}. Leave it out, or give one of these"
                )
            left.append(title)
        elif name in seen:
            raise BadManifest(
                f"{where}: {shown(seen[name])} and {shown(title)} mean the same; leave one out"
            )
        seen[name] = title
    return left


def row_of(where: str, path: bytes, values: Mapping[str, str]) -> Row:
    """Return the row of a path and values by their titles; empty values say nothing.

    Raises:
        BadManifest: a value is not what its title says.
    """
    said = {field_of(title): text.strip() for title, text in values.items() if text.strip()}
    digests = [f"{one}:{said[one].removeprefix(one + ':')}" for one in ALGORITHMS if one in said]
    digests += said["digest"].split() if "digest" in said else []
    return checked(
        where,
        path,
        digests=digests,
        size=said.get("size"),
        claims={name: said[name] for name in CLAIMS if name in said},
        thing=said.get("thing"),
        part=said.get("part"),
    )


def checked(
    where: str,
    path: bytes,
    *,
    digests: Sequence[str] = (),
    size: str | None = None,
    claims: Mapping[str, str] | None = None,
    thing: str | None = None,
    part: str | None = None,
) -> Row:
    """Return a row of texts, each checked.

    Raises:
        BadManifest: one of them is not what it must be; the error names the line.
    """
    if not path or b"\0" in path:
        raise BadManifest(f"{where}: names no file")
    if part is not None and thing is None:
        raise BadManifest(f"{where}: says which part it is, but not of which thing")
    if not all(text.isascii() or _valid(text) for text in (*(claims or {}).values(), thing or "")):
        raise BadManifest(f"{where}: has text that is not valid Unicode")
    try:
        Declaration(Purpose("investigation", ""), **(claims or {}))
        found = declared_digests(digests)
    except EvidenceError as error:
        raise BadManifest(f"{where}: {error}") from error
    return Row(
        where,
        path,
        digests=found,
        size=_number(where, "size", size, _BIGGEST),
        claims=dict(claims or {}),
        thing=thing,
        part=_number(where, "part", part, MOST_PARTS),
    )


def _valid(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _number(where: str, name: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > most:
        raise BadManifest(f"{where}: {name} is a number up to {most}, not {shown(text)}")
    return int(text)
