"""Files, folders and standard input as a stream of things to take in; nothing is followed."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from ingest.errors import SourceChanged, SourceUnreadable
from ingest.quoted import Quoted
from repository.naming import shown


@dataclass(frozen=True, slots=True)
class Source:
    """One file to take in: where it is, and the path that is recorded (raw bytes)."""

    file: bytes | None  # None: standard input
    path: bytes
    size: int | None
    problem: str | None = None  # why it cannot be taken in, found while looking
    inside: bytes | None = None  # the path inside the folder that was named
    declared: Mapping[str, str] = field(default_factory=dict)  # algorithm -> "algorithm:hex"


@dataclass(frozen=True, slots=True)
class Thing:
    """What becomes one exhibit: a file, or several in their order, and what is declared of it.

    `claims`, by the names of `Declaration`, are its own; the others hold as for the submission.
    """

    sources: tuple[Source, ...]
    claims: Mapping[str, str] = field(default_factory=dict)
    held: str | None = None  # why it is set apart whatever its digests are
    quoted: Quoted | None = None  # its custody before it came, as another repository recorded it

    @property
    def path(self) -> bytes:
        """Return the path it goes by: that of its first part."""
        return self.sources[0].path


def named(arguments: Sequence[str]) -> list[bytes]:
    """Return what the arguments name, as absolute raw paths; "-" stays."""
    return [
        b"-" if argument == "-" else os.path.abspath(os.fsencode(argument))
        for argument in arguments
    ]


def find(arguments: Sequence[str]) -> Iterator[Source]:
    """Yield every file that the arguments name, folders in the order of their names.

    A relative argument is recorded as given, an absolute one from its last part on. Symbolic
    links inside folders, devices and unreadable folders come out with a `problem`.
    """
    for argument in arguments:
        if argument == "-":
            yield Source(None, b"-", None)
            continue
        raw = os.fsencode(argument)
        base = os.path.normpath(raw)
        if base.startswith((b"/", b"..")):
            base = os.path.basename(os.path.abspath(raw)) or b"root"
        if os.path.isdir(raw):
            yield from _walk(raw, b"" if base == b"." else base, b"")
        else:
            yield _file(raw, base, follow=True)


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Yield the source open for reading.

    Raises:
        SourceUnreadable: it cannot be opened or is no regular file.
    """
    if source.file is None:
        yield sys.stdin.buffer
        return
    try:
        # O_NONBLOCK: opening a pipe that was put in the file's place must not hang.
        descriptor = os.open(source.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnreadable(f"{shown(source.path)}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceUnreadable(f"{shown(source.path)}: not a regular file")
        yield file


class Watch:
    """Notices when a file shrinks, grows or is written to while it is read."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        self._before = None if source.file is None else os.fstat(file.fileno())

    def __call__(self, read: int) -> None:
        """Compare with the moment of opening.

        Raises:
            SourceChanged: size or time of change differ, or other than `size` bytes were read.
        """
        if self._before is None:
            return
        after = os.fstat(self._file.fileno())
        before = (self._before.st_size, self._before.st_mtime_ns)
        if (after.st_size, after.st_mtime_ns) != before or read != after.st_size:
            raise SourceChanged(
                f"{shown(self._source.path)}: it changed while it was read "
                f"({self._before.st_size} bytes before, {after.st_size} after); "
                "nothing was registered; run again when nothing writes to it"
            )


def _walk(folder: bytes, base: bytes, inside: bytes) -> Iterator[Source]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Source(folder, base or b".", None, f"unreadable folder: {error.strerror}")
        return
    for entry in entries:
        path = os.path.join(base, entry.name)
        within = os.path.join(inside, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, path, within)
        else:
            yield replace(_file(entry.path, path, follow=False), inside=within)


def _file(file: bytes, path: bytes, *, follow: bool) -> Source:
    try:
        found = os.stat(file, follow_symlinks=follow)
    except OSError as error:
        return Source(file, path, None, error.strerror or "cannot be read")
    if stat.S_ISLNK(found.st_mode):
        target = shown(os.fsencode(Path(os.fsdecode(file)).readlink()))
        return Source(file, path, None, f"a symbolic link to {target}, not followed")
    if not stat.S_ISREG(found.st_mode):
        return Source(file, path, None, "not a regular file")
    return Source(file, path, found.st_size)
