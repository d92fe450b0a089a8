"""What the machine twins tell, from entries and their openings alone: one reading for all forms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from repository.derivations import STAMPED
from repository.exports.gathered import Gathered
from repository.exports.kept import Kept
from repository.exports.left_out import NUMBER

_ARRIVING = ("collection", "submission", "receipt", "registration")
_TOLD = (
    "name", "path", "title", "source", "collected_by", "place", "method", "authority", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A part of an exhibit, as its registration has it; `path` is its place in the bundle."""

    path: str
    part: int
    size: int
    digests: Mapping[str, str]  # algorithm to lowercase hex


@dataclass(slots=True)
class About:
    """What the entries say of one exhibit; what they do not say, or may not show, is absent."""

    id: str
    number: str
    root: str
    files: list[File]
    told: dict[str, str] = field(default_factory=dict)
    collected_at: str = ""
    received_at: str = ""
    registered_at: str = ""
    mime: str = ""
    marking: str = ""
    numbers: tuple[str, str] = ("", "")  # first and last, by which the proceeding cites it


def exhibits(found: Gathered) -> list[About]:
    """Return what is said of each exhibit of a bundle, in its order."""
    every = {
        exhibit.id: About(exhibit.id, exhibit.number, exhibit.number, [])
        for exhibit, _ in found.listed
    }
    paths = {exhibit.id: files for exhibit, files in found.listed}
    for entry in found.history:
        about = every.get(entry.fields.get("exhibit", {}).get("id", ""))
        if about is not None:
            values = found.values(entry)
            _read(about, entry.fields, values, paths[about.id])
            if values.get("case") == found.job.case.code:
                about.numbers = _numbers(entry.fields, values) or about.numbers
    numbers = {one.number: one for one in every.values()}
    for one in every.values():  # members of members: up to the first that is not one
        seen = {one.number}
        while one.root in numbers and numbers[one.root].root not in seen:
            one.root = numbers[one.root].root
            seen.add(one.root)
    return list(every.values())


def events(found: Gathered) -> Iterator[tuple[Kept, dict[str, Any]]]:
    """Yield each entry with what of it may be shown, by index."""
    for entry in found.history:
        yield entry, found.values(entry)


def text(value: object) -> str:
    """Return any value of an entry as one line of text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if set(value) == {"code", "text"}:
            return ": ".join(str(one) for one in value.values() if one)
        return "; ".join(f"{name}: {text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(text(inner) for inner in value)
    return "" if value is None else str(value)


def _numbers(fields: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the numbers that an entry gives an exhibit, or sets on the copy that it is."""
    detail = values.get("detail")
    if not isinstance(detail, Mapping) or not {"first", "last"} <= set(detail):
        return None
    copied = fields.get("reason") == STAMPED and "parent" in detail
    given = fields["type"] == "annotation" and fields.get("reason") == NUMBER
    return (str(detail["first"]), str(detail["last"])) if copied or given else None


def _read(
    about: About, fields: Mapping[str, Any], values: Mapping[str, Any], paths: list[str]
) -> None:
    kind = fields["type"]
    if kind in _ARRIVING:
        for name in _TOLD:
            if name in values:
                about.told.setdefault(name, text(values[name]))
    detail = values.get("detail")
    if kind == "collection":
        about.collected_at = str(fields.get("occurred_at", "")) or about.collected_at
    elif kind == "receipt":
        about.received_at = about.received_at or fields["at"]
    elif kind == "registration":
        about.registered_at = fields["at"]
        about.files = [
            File(
                path, int(part.get("part", number)),
                int(part.get("size", fields["exhibit"]["size"])),
                {name: digest.partition(":")[2] for name, digest in part["digests"].items()},
            )
            for number, (path, part) in enumerate(zip(paths, fields["parts"], strict=False), 1)
        ]  # fmt: skip
    elif kind == "format_identification" and isinstance(detail, Mapping):
        about.mime = str(detail.get("mime") or about.mime)
    elif kind == "derivative_creation" and isinstance(detail, Mapping):
        parent = detail.get("parent")
        if isinstance(parent, Mapping) and "exhibit" in parent:
            about.root = str(parent["exhibit"])
    if "handling" in fields:
        about.marking = text(fields["handling"].get("marking", "")) or about.marking
