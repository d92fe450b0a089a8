"""What is packed in 7z and RAR, by libarchive where it is installed: in order, once, compared.

Our own readers list these archives; libarchive only unpacks, member by member, and checks the CRC
that stands in the archive. What it gives has to have the size that the listing says.
"""

import contextlib
import ctypes
import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

from ingest.readers.members import (
    BLOCK,
    FILE,
    MOST_RATIO,
    RATIO_FROM,
    Entry,
    Exhausted,
    Unreadable,
    size_of,
)

_MOST_FAILURES = 16  # of one archive: each costs a beginning anew
_END, _WARNING = 1, -20  # of libarchive's answers; 0 is good, the others are failures
_READ = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
)
_SEEK = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
)
_SKIP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_numbers = itertools.count(1)
_open: dict[int, "_Source"] = {}  # what libarchive reads from, by the number that it is told


class _Source:
    """A seekable file as libarchive asks for it, by calls from C."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._end = size_of(file)
        self._block = ctypes.create_string_buffer(BLOCK)  # stands still until the next is asked for
        self.failed: Exception | None = None

    def read(self, into: Any) -> int:
        """Read the next block and say where it lies."""
        self._file.seek(self._at)
        data = self._file.read(BLOCK)
        ctypes.memmove(self._block, data, len(data))
        self._at += len(data)
        into[0] = ctypes.addressof(self._block)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """Go to a place within the file."""
        self._at = max(0, min(self._end, (0, self._at, self._end)[whence] + offset))
        return self._at

    def skip(self, count: int) -> int:
        """Pass over bytes, and say over how many."""
        before = self._at
        return self.seek(max(0, count), 1) - before


def _read(_: int, number: int, into: Any) -> int:
    source = _open[number]
    try:
        return source.read(into)
    except Exception as error:  # noqa: BLE001  (nothing may be raised into C: raised behind it)
        source.failed = error
        return -1


def _seek(_: int, number: int, offset: int, whence: int) -> int:
    return _open[number].seek(offset, whence)


def _skip(_: int, number: int, count: int) -> int:
    return _open[number].skip(count)


# Made once, before the process is locked: a call from C needs memory that may be run.
_calls = (_READ(_read), _SEEK(_seek), _SKIP(_skip))


def _load() -> ctypes.CDLL | None:
    """Return libarchive with the types of what is called; None: it is not installed."""
    try:
        found = ctypes.CDLL("libarchive.so.13")
    except OSError:
        return None
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, given, answer in (
        ("read_new", (), pointer),
        ("read_free", (pointer,), ctypes.c_int),
        ("read_support_format_7zip", (pointer,), ctypes.c_int),
        ("read_support_format_rar", (pointer,), ctypes.c_int),
        ("read_support_format_rar5", (pointer,), ctypes.c_int),
        ("read_set_callback_data", (pointer, pointer), ctypes.c_int),
        ("read_set_read_callback", (pointer, _READ), ctypes.c_int),
        ("read_set_seek_callback", (pointer, _SEEK), ctypes.c_int),
        ("read_set_skip_callback", (pointer, _SKIP), ctypes.c_int),
        ("read_open1", (pointer,), ctypes.c_int),
        ("read_next_header", (pointer, ctypes.POINTER(pointer)), ctypes.c_int),
        ("read_data", (pointer, pointer, ctypes.c_size_t), ctypes.c_ssize_t),
        ("error_string", (pointer,), text),
        ("version_string", (), text),
    ):
        function = getattr(found, f"archive_{name}")
        function.argtypes, function.restype = given, answer
    return found


_library = _load()
VERSION: str | None = _library.archive_version_string().decode() if _library else None


def readable(entries: Sequence[Entry], file: BinaryIO) -> None:
    """Let those members of a 7z or RAR be read that can only be read by libarchive.

    Args:
        entries: all that the archive lists, in its order.
        file: the archive.
    """
    if _library is None:
        return
    unpacking = _Unpacking(_library, file)
    for number, entry in enumerate(entries):
        if entry.read is None and entry.kind == FILE and not entry.encrypted:
            entry.read = partial(unpacking.member, number, entry.size)


class _Unpacking:
    """One archive, gone through in order; from the beginning again where it has to be."""

    def __init__(self, library: ctypes.CDLL, file: BinaryIO) -> None:
        self._library = library
        self._file = file
        self._packed = size_of(file)
        self._given = 0
        self._next = 0  # the member whose header comes next
        self._failures = 0
        self._archive: int | None = None
        self._number = 0
        self._buffer = ctypes.create_string_buffer(BLOCK)

    def member(self, number: int, size: int) -> Iterator[bytes]:
        """Yield the bytes of one member.

        Raises:
            Exhausted: it grows more than `MOST_RATIO` times, or too many before it failed.
            Unreadable: it is damaged, packed in a way not read here, or not as the listing says.
        """
        if self._failures > _MOST_FAILURES:
            raise Exhausted(f"libarchive failed on {self._failures} members before it")
        if self._archive is None or number < self._next:
            self._begin()
        while self._next <= number:
            entry = ctypes.c_void_p()
            answer = self._library.archive_read_next_header(self._archive, ctypes.byref(entry))
            if answer == _END:
                raise Unreadable("libarchive finds no such member")
            self._good(answer, _WARNING)  # a warning is about a name, which is not asked for
            self._next += 1
        had = 0
        while count := self._good(
            self._library.archive_read_data(self._archive, self._buffer, BLOCK)
        ):
            had, self._given = had + count, self._given + count
            if self._given > RATIO_FROM and self._given > MOST_RATIO * self._packed:
                raise Exhausted(f"one byte becomes more than {MOST_RATIO}")
            if had > size:
                break
            yield self._buffer.raw[:count]
        if had != size:
            raise Unreadable("it has another size than the archive lists")

    def _begin(self) -> None:
        self._close()
        library = self._library
        self._number, self._next = next(_numbers), 0
        _open[self._number] = _Source(self._file)
        self._archive = archive = library.archive_read_new()
        if archive is None:
            raise Unreadable("libarchive has no memory")
        for form in ("7zip", "rar", "rar5"):
            getattr(library, f"archive_read_support_format_{form}")(archive)
        library.archive_read_set_callback_data(archive, self._number)
        for name, call in zip(("read", "seek", "skip"), _calls, strict=True):
            getattr(library, f"archive_read_set_{name}_callback")(archive, call)
        self._good(library.archive_read_open1(archive))

    def _good(self, answer: int, least: int = 0) -> int:
        """Return an answer of libarchive's that is none of a failure."""
        failed = _open[self._number].failed
        if failed is not None:
            raise failed
        if answer >= least:
            return answer
        said = self._library.archive_error_string(self._archive) or b"no reason given"
        self._failures += 1
        self._next = 1 << 62  # what follows a failure is read from the beginning again
        raise Unreadable(f"libarchive: {said.decode('utf-8', 'backslashreplace')[:200]}")

    def _close(self) -> None:
        if self._archive is not None:
            self._library.archive_read_free(self._archive)
        self._archive = None
        _open.pop(self._number, None)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process modules may be gone
            self._close()
