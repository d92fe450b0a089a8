"""Ask PRONOM what a file is, in bounded time: our end of `ingest.siegfried`."""

import importlib.util
import os
import socket
from collections.abc import Sequence

from ingest.errors import SandboxUnavailable
from ingest.extraction import NotARecord
from ingest.formats import Pronom, pronom_from
from ingest.kept import in_memory
from ingest.warm import Warm

FILES = 64  # how many one process sees before it is replaced
SECONDS = 10.0
MOST = 64 << 20  # of a longer file it sees the beginning and the end, put together
TAIL = 16 << 20
ENDS = f"; of its first {(MOST - TAIL) >> 20} and last {TAIL >> 20} MiB"
_BLOCK = 1 << 20


class Witness:
    """The process and its replacements. For one thread at a time."""

    def __init__(self, python: Sequence[str]) -> None:
        self._python = tuple(python)
        self._warm: Warm | None = None
        self._seen = 0

    def close(self) -> None:
        """End the process, if one runs."""
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def ask(self, descriptor: int, *, ends_only: bool = False) -> Pronom:
        """Return what PRONOM says of an open file; that it says nothing is an answer too.

        Args:
            descriptor: the file.
            ends_only: it holds the beginning and the end of a longer one already.
        """
        if importlib.util.find_spec("pygfried") is None:
            return Pronom("", words="pygfried is not installed")
        copy, note = _in_memory(descriptor)
        note = ENDS if ends_only else note
        try:
            return self._ask(copy, note)
        finally:
            os.close(copy)

    def _ask(self, descriptor: int, note: str) -> Pronom:
        if self._seen >= FILES:
            self.close()
        try:
            if self._warm is None:
                self._warm, self._seen = _Siegfried(self._python), 0
            warm = self._warm
            self._seen += 1
            socket.send_fds(warm.channel, [b"{}"], [descriptor])
            heard = warm.hear(SECONDS)
        except SandboxUnavailable as error:
            self.close()
            return Pronom("", words=f"timeout: {error}"[:300])
        except OSError:
            heard = None
        try:
            found = pronom_from(heard or {})
        except NotARecord:
            self.close()
            return Pronom("", words="the process that asks PRONOM ended on this file")
        words = f"{found.words}{note}"
        return Pronom(str(warm.hello["tool"]), found.puid, found.mimes, words)


class _Siegfried(Warm):
    """The process of `ingest.siegfried`."""

    def __init__(self, python: Sequence[str]) -> None:
        super().__init__(python, "ingest.siegfried", GOMAXPROCS="1", GODEBUG="asyncpreemptoff=1")


def _in_memory(descriptor: int) -> tuple[int, str]:
    """Return a descriptor of the file in memory, and a note if it is not the whole of it.

    The locked process can open nothing on disk, by whatever name.
    """
    size = os.fstat(descriptor).st_size
    if size <= MOST and in_memory(descriptor):
        return os.dup(descriptor), ""
    copy = os.memfd_create("pronom", os.MFD_CLOEXEC)
    if size <= MOST:
        _copy(descriptor, copy, 0, size)
        return copy, ""
    _copy(descriptor, copy, 0, MOST - TAIL)
    _copy(descriptor, copy, size - TAIL, TAIL)
    return copy, ENDS


def _copy(source: int, target: int, offset: int, count: int) -> None:
    while count > 0:
        block = os.pread(source, min(count, _BLOCK), offset)
        if not block:
            return
        os.write(target, block)
        offset, count = offset + len(block), count - len(block)
