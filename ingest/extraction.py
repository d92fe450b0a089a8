"""Fact, Seal, Member and more: what an extractor may yield; Extraction: the record of one run.

Everything in a record is text, whole numbers and booleans: rationals and coordinates are decimal
strings, so that the record has a canonical form (RFC 8785 without floats). Standard library
alone: this file is loaded in the locked process. What an extractor has to define stands in
`ingest.extractors`.

    >>> Fact("IFD0:Make", "NIKON", "NIKON", "exifread 3.5.1").to_json()["name"]
    'IFD0:Make'
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any, BinaryIO, Self

OUTCOMES = ("ok", "partial", "timeout", "crash", "unsupported", "refused")
VERDICTS = ("valid", "broken", "absent", "untrusted", "not-checked")
AGREEMENTS = ("agree", "differ", "single")
# What in the file itself keeps it from being read: no failure, and no error.
INHIBITORS = ("encrypted", "missing-part")
# What a fact is about, for map, timeline and matching: its value then has the form that
# `ingest.normalise` gives it. A fact without a kind is text.
KINDS = ("time", "place", "device", "account", "person", "telephone", "mail", "url", "digest")
DERIVATIVES = (
    "thumbnail", "preview", "page", "keyframe", "film", "sound", "text", "ocr", "raw",
)  # fmt: skip

# Controls, the bidirectional and invisible marks that make one text look like another, line
# separators, and lone surrogates, which have no UTF-8 and so no canonical form.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_TEXTS = (str(str), str(str | None))  # the kinds of a field that is text
_TAG = re.compile(r"[A-Za-z0-9_-]{1,40}:[A-Za-z0-9_-]{1,80}")
_MIME = re.compile(r"[a-z0-9.+-]{1,60}/[A-Za-z0-9.+_-]{1,100}")
_WORD = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_MAX_INTEGER = 2**53 - 1  # beyond it, JSON readers differ


class NotARecord(ValueError):
    """A plain value does not have the shape of a fact, seal, member, format or record."""


class _Plain:
    """To and from a plain dict, by the names and types of the dataclass's own fields."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict of text, whole numbers, booleans, lists and None."""
        found: dict[str, Any] = {}
        for name in _kinds(type(self)):  # type: ignore[arg-type]  # hashable
            value = getattr(self, name)
            found[name] = list(value) if isinstance(value, tuple) else value
        return found

    @classmethod
    def from_json(cls, found: object) -> Self:
        """Read a dict that has these fields and no other, each of its type.

        Raises:
            NotARecord: anything else.
        """
        if not isinstance(found, dict):
            raise NotARecord(f"a {cls.__name__} is an object")
        known = _kinds(cls)  # type: ignore[arg-type]  # a class can be hashed
        if found.keys() != known.keys():
            raise NotARecord(f"a {cls.__name__} has exactly the fields {', '.join(known)}")
        return cls(**{name: _typed(cls, name, known[name], found[name]) for name in known})


@dataclass(frozen=True, slots=True)
class Fact(_Plain):
    """One thing the file says: what is read out of it, and the text it was read from.

    A fact is a claim of the file, never of ours. `tz` is set for times: an offset, `UTC`, or
    `unknown`, and never a guess. `suspect` says why the value deserves no trust.
    `ingest.normalise` makes facts that have a kind.
    """

    name: str  # ExifTool's group:tag
    value: str
    raw: str
    source: str  # tool, version and its own name of the tag
    tz: str | None = None
    suspect: str | None = None
    kind: str | None = None  # one of KINDS
    locator: str | None = None  # where it stands in the file: "message=row 17", "page=3"

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.name):
            raise NotARecord("a fact's name is group:tag")
        if self.kind is not None and self.kind not in KINDS:
            raise NotARecord(f"a fact's kind is one of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Seal(_Plain):
    """What the file says of its own integrity, and whether that holds.

    `not-checked` is a verdict of its own and never to be shown like `valid`.
    """

    kind: str
    verdict: str
    detail: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise NotARecord(f"a seal's verdict is one of {', '.join(VERDICTS)}")


@dataclass(frozen=True, slots=True)
class Member(_Plain):
    """One file inside a container, as its directory lists it; the name is data, never a path."""

    path: str
    size: int
    modified_at: str | None = None  # as `ingest.normalise.times` writes it; no offset: unknown zone
    sha256: str | None = None  # "sha256:…", where the member was read whole
    flags: tuple[str, ...] = ()  # "encrypted", "link", "absolute", "parent", "duplicate" and such


@dataclass(frozen=True, slots=True)
class Inhibitor(_Plain):
    """What in the file itself keeps it, or a part of it, from being read; no failure of ours."""

    kind: str  # one of INHIBITORS; a fact may say more of it

    def __post_init__(self) -> None:
        if self.kind not in INHIBITORS:
            raise NotARecord(f"an inhibitor is one of {', '.join(INHIBITORS)}")


@dataclass(frozen=True, slots=True)
class Problem(_Plain):
    """Why less was read than may be there. Not `incomplete`: a remark, and nothing failed."""

    reason: str
    incomplete: bool = True


@dataclass(frozen=True, slots=True)
class Raw(_Plain):
    """One run of an outside program, and the digest of everything it printed."""

    tool: str
    version: str
    args: tuple[str, ...]
    exit: int  # of a signal: 128 and its number
    stdout_digest: str
    stdout_size: int
    stderr_digest: str


@dataclass(frozen=True, slots=True)
class Derivative(_Plain):
    """Something made of the evidence: a preview, a page, a text. In the record without its bytes.

    >>> Derivative.of("text", "text/plain", b"hello", locator="page=1").size
    5
    """

    kind: str  # one of DERIVATIVES
    mime: str
    locator: str  # of what it was made: "", "page=3", "t=12.5", "member=…"
    size: int
    sha256: str
    data: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in DERIVATIVES or not _MIME.fullmatch(self.mime):
            raise NotARecord(f"a derivative is one of {', '.join(DERIVATIVES)}, with a media type")

    @classmethod
    def of(cls, kind: str, mime: str, data: bytes, *, locator: str = "") -> Self:
        """Return a derivative with its size and digest."""
        return cls(kind, mime, locator, len(data), f"sha256:{sha256(data).hexdigest()}", data)


Item = Fact | Seal | Member | Inhibitor | Problem | Derivative  # what an extractor may yield


@dataclass(frozen=True, slots=True)
class Format(_Plain):
    """What kind of file this is, by which tools, and whether its name claims another."""

    mime: str
    description: str
    claimed_extension: str  # lower case; empty: the name claims nothing
    mismatch: bool
    agreement: str
    tools: tuple[str, ...]
    puid: str | None = None  # PRONOM's identifier: "fmt/803"
    containers: tuple[str, ...] = ()  # by our own rules: "ufdr", "wacz"
    also: tuple[str, ...] = ()  # other media types that a witness gives
    witnesses: tuple[str, ...] = ()  # who said what, in their words

    def __post_init__(self) -> None:
        if self.agreement not in AGREEMENTS:
            raise NotARecord(f"agreement is one of {', '.join(AGREEMENTS)}")
        if not all(map(_MIME.fullmatch, (self.mime, *self.also))):
            raise NotARecord("a media type is type/subtype")
        if not all(map(_WORD.fullmatch, self.containers)):
            raise NotARecord("a container is a short word")

    def summary(self) -> dict[str, Any]:
        """Return what an entry keeps of it: how it is called, nothing of its content."""
        found = self.to_json()
        return {name: found[name] for name in found if name not in {"description", "witnesses"}}

    @property
    def names(self) -> frozenset[str]:
        """Everything this format is called: media type, PUID, containers."""
        return frozenset({self.mime, *self.also, *filter(None, (self.puid,)), *self.containers})


@dataclass(frozen=True, slots=True)
class Limits(_Plain):
    """What one run may use. Reaching a limit ends the run, and the record says which."""

    cpu_seconds: int = 10
    wall_ms: int = 10_500
    memory_bytes: int = 1 << 30  # address space
    file_bytes: int = 16 << 20  # largest file it may write: all its derivatives together
    open_files: int = 64
    processes: int = 0  # further ones of its own; Linux does not hold root to this
    output_bytes: int = 1 << 20  # JSON of everything but members
    text_bytes: int = 4096  # one string of the output
    items: int = 10_000  # facts, seals, problems, derivatives
    members: int = 100_000
    member_bytes: int = 24 << 20  # their JSON


# An extractor with limits of its own runs in a process of its own.
LONG = Limits(cpu_seconds=20, wall_ms=30_000)


@dataclass(frozen=True, slots=True)
class Program:
    """An outside program an extractor runs: one, found in the system's folders only."""

    name: str
    version: tuple[str, ...]  # the arguments that make it print its version
    stdout_bytes: int = 4 << 20
    kept: bool = True  # what it printed is kept; else its digest alone
    warm: tuple[str, ...] = ()  # it is loaded once and forked for each file, with these arguments


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed, and how it ended (of a signal: 128 and its number)."""

    exit: int
    stdout: bytes
    stderr: bytes  # its beginning


@dataclass(frozen=True, slots=True)
class Found:
    """What an extractor is told beside the file.

    `run(*arguments)` runs the extractor's PROGRAM; `PATH` among the arguments stands for the
    evidence. With `program=NAME` it runs another one, of ALSO; with `data=…` the program's
    standard input is these bytes. Raises `FileNotFoundError` where there is no such program.
    """

    format: Format
    further: tuple[BinaryIO, ...] = ()  # the exhibit's further parts, in order (E02, E03 …)
    run: Callable[..., Ran] = lambda *_, **__: _no_program()


PATH = "/proc/self/fd/0"  # where a program finds the evidence: a file that it can seek in


def _no_program() -> Ran:
    raise FileNotFoundError("this extractor names no PROGRAM")


@dataclass(frozen=True, slots=True)
class Extraction:
    """The record of one run over one file: immutable, access-controlled, kept as an object.

    It does not name the file it is about: the entry that carries its digest does.
    """

    outcome: str
    format: Format | None
    facts: tuple[Fact, ...]
    seals: tuple[Seal, ...]
    members: tuple[Member, ...]
    inhibitors: tuple[str, ...]  # what in the file keeps it from being read: "encrypted"
    problems: tuple[str, ...]  # what failed, was cut off or is to be said
    derivatives: tuple[Derivative, ...]
    raw: tuple[Raw, ...]  # one for each run of an outside program
    output_digest: str  # of everything the locked processes said, in order
    extractors: tuple[str, ...]  # those that ran: "image: exifread 3.5.1"
    tools: tuple[str, ...]  # what the sandbox had at hand
    sandbox: str  # which layers held
    limits: Limits
    started: str  # RFC 3339
    ended: str

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise NotARecord(f"an outcome is one of {', '.join(OUTCOMES)}")

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values that have a canonical form."""
        return {
            "outcome": self.outcome,
            "format": self.format.to_json() if self.format else None,
            "facts": [fact.to_json() for fact in self.facts],
            "seals": [seal.to_json() for seal in self.seals],
            "members": [member.to_json() for member in self.members],
            "inhibitors": list(self.inhibitors),
            "problems": list(self.problems),
            "derivatives": [one.to_json() for one in self.derivatives],
            "raw": [one.to_json() for one in self.raw],
            "output_digest": self.output_digest,
            "extractors": list(self.extractors),
            "tools": list(self.tools),
            "sandbox": self.sandbox,
            "limits": self.limits.to_json(),
            "started": self.started,
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Read a stored record.

        Raises:
            NotARecord: not the shape that `to_json` writes.
        """
        if set(found) != {each.name for each in fields(cls)}:
            raise NotARecord("not the fields of an extraction record")
        try:
            return cls(
                outcome=str(found["outcome"]),
                format=Format.from_json(found["format"]) if found["format"] else None,
                facts=tuple(Fact.from_json(each) for each in found["facts"]),
                seals=tuple(Seal.from_json(each) for each in found["seals"]),
                members=tuple(Member.from_json(each) for each in found["members"]),
                inhibitors=tuple(map(str, found["inhibitors"])),
                problems=tuple(map(str, found["problems"])),
                derivatives=tuple(Derivative.from_json(each) for each in found["derivatives"]),
                raw=tuple(Raw.from_json(each) for each in found["raw"]),
                output_digest=str(found["output_digest"]),
                extractors=tuple(map(str, found["extractors"])),
                tools=tuple(map(str, found["tools"])),
                sandbox=str(found["sandbox"]),
                limits=Limits.from_json(found["limits"]),
                started=str(found["started"]),
                ended=str(found["ended"]),
            )
        except TypeError as error:
            raise NotARecord("a list of an extraction record is no list") from error

    def instrument(self) -> dict[str, Any]:
        """Return what an entry may say of the tools in plain: nothing of the file's content."""
        limits = " ".join(f"{name}={value}" for name, value in self.limits.to_json().items())
        return {
            "tool": "extraction sandbox",
            "version": "; ".join(self.tools),
            "parameters": {
                "isolation": self.sandbox,
                "limits": limits,
                "extractors": " ".join(one.partition(":")[0] for one in self.extractors),
                "output": self.output_digest,
            },
        }


def visible(text: str) -> str:
    """Return the text with what cannot be seen made visible: U+202E becomes ⟦U+202E⟧.

    Tab and line feed stay. Not reversible: the exact bytes are in the file.
    """
    if text.isascii() and text.isprintable():  # nearly all; the search costs ten times as much
        return text
    return _UNSEEN.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text)


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to at most `limit` bytes of UTF-8 with the cut marked."""
    if len(text) * 4 <= limit:
        return text
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= limit:
        return text
    mark = f"…[cut: {len(encoded)} bytes]"
    return encoded[: max(0, limit - len(mark.encode()))].decode("utf-8", "ignore") + mark


def claimed_extension(name: str) -> str:
    """Return the extension a name claims, in lower case; empty if it claims none.

    The 40-hex names of iOS backups claim nothing, nor does a name without a dot, or one that
    ends in what cannot be an extension.
    """
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    found = re.fullmatch(r"[A-Za-z0-9_]{1,16}", extension)
    return extension.lower() if dot and stem and found else ""


@functools.cache
def _kinds(cls: type) -> dict[str, str]:
    """Return the fields that have a plain form, and their types: all but bytes."""
    return {each.name: str(each.type) for each in fields(cls) if each.type is not bytes}


def _typed(cls: type, name: str, kind: str, value: object) -> Any:
    if type(value) is str and kind in _TEXTS:
        return value
    if value is None and kind == _TEXTS[1]:
        return None
    if "tuple" in kind and isinstance(value, list) and all(isinstance(x, str) for x in value):
        return tuple(value)
    wanted = {"bool": bool, "int": int}.get(kind.removeprefix("<class '").removesuffix("'>"), str)
    if type(value) is not wanted or "tuple" in kind:
        raise NotARecord(f"{name} of a {cls.__name__} is no {wanted.__name__}")
    if type(value) is int and not 0 <= value <= _MAX_INTEGER:
        raise NotARecord(f"{name} of a {cls.__name__} is out of range")
    return value
