"""The list of files that a submission announces: read line by line, strictly, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

from custody.canonical import dumps, loads_any
from custody.errors import EvidenceError
from custody.file_list import ListDigest
from ingest.errors import BadDigest, BadList
from ingest.receive import declared_digests
from repository.naming import of_recorded, recorded_name
from repository.submissions import CLAIMS, Declaration

MAX_LIST = 256 << 20  # bytes of a whole list
MAX_LINE = 64 << 10  # bytes of a line
_KNOWN = frozenset({"n", "path", "size", "digests", "claims", "thing", "part"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One announced file."""

    n: int
    path: bytes
    size: int
    digests: dict[str, str]  # algorithm -> "algorithm:hex"
    claims: dict[str, str] | None  # what is declared of this file alone
    thing: int  # the n of the first part of what it belongs to
    part: int

    def line(self) -> dict[str, Any]:
        """Return the file as its receipt shows it (docs/format.md 6.1): claims stay outside."""
        found: dict[str, Any] = {
            "n": self.n,
            "path": recorded_name(self.path),
            "size": self.size,
            "digests": self.digests,
        }
        if self.part > 1:
            found |= {"thing": self.thing, "part": self.part}
        return found


class Digests:
    """What a list is known by: its digest, that of its claims, and both together."""

    def __init__(self, submission: str) -> None:
        self._files = ListDigest("announced", submission)
        self._claims = sha256(b"[")
        self._claimed = 0

    @property
    def count(self) -> int:
        """Return how many files were taken in."""
        return self._files.count

    @property
    def files(self) -> str:
        """Return the digest that the receipt carries."""
        return self._files.value()

    @property
    def claims(self) -> str | None:
        """Return the digest of the canonical list of [n, claims], if anything is claimed."""
        if not self._claimed:
            return None
        digest = self._claims.copy()
        digest.update(b"]")
        return f"sha256:{digest.hexdigest()}"

    @property
    def whole(self) -> str:
        """Return what tells this list from every other, claims included."""
        return f"sha256:{sha256(dumps([self.files, self.claims])).hexdigest()}"

    def add(self, one: Listed) -> None:
        """Take in the next file."""
        self._files.add(dumps(one.line()))
        if one.claims:
            self._claims.update(b"," * (self._claimed > 0) + dumps([one.n, one.claims]))
            self._claimed += 1


def read_list(
    blocks: Iterable[bytes], declared: Mapping[str, Any], *, sha256_of_all: str | None = None
) -> Iterator[Listed]:
    """Yield the files of a list, each line checked as it comes.

    Args:
        blocks: newline-delimited JSON, as it comes.
        declared: the submission's declaration, which the claims of a file are laid over.
        sha256_of_all: the digest that the sender declared of the list's bytes, if it did.

    Raises:
        BadList: a line is not as it must be, or the list is too long, empty, or not what was sent.
    """
    parts: dict[int, int] = {}  # of things of several parts: how many came so far
    follows = bytearray()  # by n: whether it is a later part of something
    count = 0
    for line in _lines(blocks, sha256_of_all):
        count += 1
        try:
            one = _listed(line, count, declared)
            _fit(one, parts, follows)
        except EvidenceError as error:
            raise BadList(f"line {count}: {error}", line=count) from error
        yield one
    if not count:
        raise BadList('the list names no file; one line for each: {"n":1,"path":…,"size":…}')


def _lines(blocks: Iterable[bytes], declared: str | None) -> Iterator[bytes]:
    digest, total, rest = sha256(), 0, b""
    for block in blocks:
        digest.update(block)
        total += len(block)
        if total > MAX_LIST:
            raise BadList(f"a list has at most {MAX_LIST} bytes; send it as several submissions")
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            break
    if (
        declared is not None
        and len(rest) <= MAX_LINE
        and declared != f"sha256:{digest.hexdigest()}"
    ):
        raise BadList(
            "the list did not arrive as it was sent: its digest is another; send it again"
        )
    if rest:
        yield rest


def _listed(line: bytes, n: int, declared: Mapping[str, Any]) -> Listed:
    if len(line) > MAX_LINE:
        raise BadList(f"a line has at most {MAX_LINE} bytes")
    found = loads_any(line)
    if not isinstance(found, dict) or set(found) - _KNOWN:
        raise BadList(f"a file is an object of {', '.join(sorted(_KNOWN))}")
    if _number(found, "n", least=1) != n:
        raise BadList(f"files are numbered 1, 2, 3 …: this one has n {found['n']}, not {n}")
    thing = _number(found, "thing", least=1, default=n)
    part = _number(found, "part", least=1, default=1 if thing == n else None)
    return Listed(
        n,
        _path(found.get("path")),
        _number(found, "size"),
        _digests(found.get("digests", {})),
        _claims(found.get("claims"), declared),
        thing,
        part,
    )


def _number(
    found: Mapping[str, Any], name: str, *, least: int = 0, default: int | None = None
) -> int:
    value = found.get(name, default)
    if type(value) is not int or value < least:
        raise BadList(f"{name} is a number from {least} on")
    return value


def _path(value: object) -> bytes:
    try:
        path = of_recorded(value)
    except ValueError as error:
        raise BadList('path is text, or {"base64":"…"} of names that are not UTF-8') from error
    if not path:
        raise BadList("path is empty")
    return path


def _digests(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise BadDigest('digests are written {"sha256":"<hex>"}')
    return declared_digests([f"{name}:{digits}" for name, digits in value.items()])


def _claims(value: object, declared: Mapping[str, Any]) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) - set(CLAIMS):
        raise BadList(f"claims are of {', '.join(CLAIMS)}")
    if not all(isinstance(one, str) for one in value.values()):
        raise BadList("claims are texts")
    dumps(value)  # refuses what cannot be recorded
    Declaration.from_json({**declared, **value})
    return value or None


def _fit(one: Listed, parts: dict[int, int], follows: bytearray) -> None:
    """Refuse a part that does not follow on the parts before it."""
    follows.append(one.part > 1)
    if one.thing == one.n:
        if one.part != 1:
            raise BadList("the first part of a thing has part 1")
        return
    if one.thing > one.n or follows[one.thing - 1]:
        raise BadList(f"file {one.thing} is not the first part of anything before this line")
    expected = parts.get(one.thing, 1) + 1
    if one.part != expected:
        raise BadList(f"the next part of thing {one.thing} is {expected}, not {one.part}")
    if one.claims:
        raise BadList(f"what is claimed of a thing stands at its first part, file {one.thing}")
    parts[one.thing] = one.part


def read_again(file: BinaryIO) -> Iterator[Listed]:
    """Yield the files that `kept` wrote."""
    for line in file:
        found = loads_any(line)
        path = of_recorded(found["path"])
        yield Listed(**{**found, "path": path})


def kept(one: Listed) -> bytes:
    """Return a file as one line for `read_again`."""
    found = {name: getattr(one, name) for name in Listed.__slots__}
    return dumps({**found, "path": recorded_name(one.path)}) + b"\n"
