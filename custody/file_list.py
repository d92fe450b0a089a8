"""The list in the receipt of a submission: its digest, and the form of each file (format 6.1)."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from custody.canonical import dumps
from custody.errors import MalformedEntry

_KINDS: Mapping[str, type] = {
    "n": int, "path": object, "size": int, "digests": dict, "thing": int, "part": int,
    "status": str, "sha256": str, "exhibit": str, "quarantine": str, "entry": int, "further": bool,
}  # fmt: skip
_NAMED = frozenset({"n", "path", "size"})
_FOUND = _NAMED | {"status", "sha256", "entry"}
# stage, or status of a completed file -> the members it needs, and those it may have
_FILE: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "announced": (_NAMED | {"digests"}, frozenset({"thing", "part"})),
    "registered": (_FOUND | {"exhibit"}, frozenset({"part", "further"})),
    "quarantined": (_FOUND | {"quarantine"}, frozenset({"part", "further"})),
    "incomplete": (_NAMED | {"status", "sha256"}, frozenset()),
    "not-arrived": (_NAMED | {"status"}, frozenset()),
}


class ListDigest:
    """The digest of a submission's list, a file at a time: SHA-256 of its canonical JSON.

    That is `{"files":[…],"stage":"…","submission":"…","v":1}`.
    """

    def __init__(self, stage: str, submission: str) -> None:
        self._end = end_of_list(stage, submission)
        self._digest = sha256(b'{"files":[')
        self.count = 0

    def add(self, file: bytes) -> None:
        """Take in the next file's canonical text."""
        self._digest.update(b"," + file if self.count else file)
        self.count += 1

    def value(self) -> str:
        """Return the digest of the list so far."""
        digest = self._digest.copy()
        digest.update(self._end)
        return f"sha256:{digest.hexdigest()}"


def end_of_list(stage: str, submission: str) -> bytes:
    """Return what follows on the last file in the list's canonical JSON."""
    return dumps({"stage": stage, "submission": submission, "v": 1}).replace(b"{", b"],", 1)


def checked_file(file: Any, n: int, stage: str) -> dict[str, Any]:
    """Return one file of a list, if it has the members that its stage and status ask for."""
    if not isinstance(file, dict):
        raise MalformedEntry(f"file {n} of the list is no object")
    kind = str(file.get("status")) if stage == "complete" else stage
    needed, allowed = _FILE.get(kind, (_NAMED, frozenset()))
    good = kind in _FILE and needed <= set(file) <= needed | allowed
    if not good or file["n"] != n or any(not _fits(file[name], _KINDS[name]) for name in file):
        raise MalformedEntry(f"file {n} of the list is not as it must be")
    return file


def _fits(value: object, kind: type) -> bool:
    if kind is object:  # a path: text, or base64 where it is not UTF-8
        return isinstance(value, str) or (
            isinstance(value, dict)
            and set(value) == {"base64"}
            and isinstance(value["base64"], str)
        )
    return type(value) is kind and (kind is not int or value >= 0)  # type: ignore[operator]
