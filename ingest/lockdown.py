"""Lock a process for good before it meets evidence: limits, privileges, Landlock, seccomp.

All layers or none: where one is missing nothing is looked at (`Unlockable`), and intake goes on.
"""

import contextlib
import ctypes
import errno
import functools
import os
import resource
import struct
from collections.abc import Sequence
from pathlib import Path

from ingest import landlock, seccomp
from ingest.extraction import Limits

# What a program reads beside itself: its libraries and data. Nothing of the service's is there.
PROGRAM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/perl",
                   "/etc/localtime", "/dev/urandom")  # fmt: skip
_PATH_ONLY = os.O_PATH | os.O_CLOEXEC
_READ_BELOW = landlock.READ_FILE | landlock.READ_DIR
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = struct.pack("=Ii", 0x20080522, 0)  # version 3, this process


@functools.cache
def _filter(allowed: frozenset[str]) -> seccomp.Filter:
    return seccomp.make(allowed)


class Unlockable(OSError):
    """This process cannot be locked as it must be; nothing may be looked at in it."""


def prepare() -> None:
    """Make the filters once, before the first fork; where that fails `lock` will say so."""
    with contextlib.suppress(seccomp.NoSeccomp):
        for allowed in (seccomp.PARSE, seccomp.THREADED, seccomp.RUN, seccomp.WARM):
            _filter(allowed)


def lock(
    limits: Limits,
    evidence: Sequence[int],
    programs: Sequence[Path] = (),
    *,
    calls: frozenset[str] | None = None,
    data_bytes: int | None = None,
) -> str:
    """Lock this process and return which layers hold.

    Args:
        limits: the process's own.
        evidence: descriptors that may be opened again by their path in /proc.
        programs: those that it may run, and no other.
        calls: the system calls it may make; None: what reading, or running the program, takes.
        data_bytes: what it may use of its address space; None: all of it.

    Raises:
        Unlockable: a layer is missing.
    """
    try:
        calls = calls or (seccomp.RUN if programs else seccomp.PARSE)
        _limit(limits, alone=calls == seccomp.PARSE)
        if data_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
        _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges cannot be given up")
        _give_up_capabilities()
        rules = [(descriptor, landlock.READ_FILE) for descriptor in evidence]
        if programs:
            rules += _rules(programs)
        version = landlock.restrict(rules)
        _filter(calls).apply()
    except (OSError, ValueError) as error:
        raise Unlockable(getattr(error, "errno", None) or 0, str(error)) from error
    only = f" for {', '.join(place.name for place in programs)}" if programs else ""
    return f"landlock{version}+seccomp+rlimit{only}"


def _limit(limits: Limits, *, alone: bool) -> None:
    for which, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))
    if alone:  # it counts all processes of the user: no measure where there may be several
        resource.setrlimit(resource.RLIMIT_NPROC, (limits.processes, limits.processes))
    # At the soft limit SIGXCPU ends the process; who catches it is killed a second later.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))


def _give_up_capabilities() -> None:
    """Leave root without a right that an ordinary user does not have."""
    capset = ctypes.CDLL(None, use_errno=True).capset
    _check(capset(_CAPABILITIES, bytes(24)), "capabilities cannot be given up")


def _rules(programs: Sequence[Path]) -> list[tuple[int, int]]:
    found = []
    for folder in PROGRAM_FOLDERS:
        try:
            descriptor = os.open(folder, _PATH_ONLY)
        except FileNotFoundError:
            continue
        folder_rights = _READ_BELOW if Path(folder).is_dir() else landlock.READ_FILE
        found.append((descriptor, folder_rights))
    null = os.open("/dev/null", _PATH_ONLY)
    found.append((null, landlock.READ_FILE | landlock.WRITE_FILE))
    runs = landlock.READ_FILE | landlock.EXECUTE
    places = dict.fromkeys(place for one in programs for place in executables(one))
    return found + [(os.open(place, _PATH_ONLY), runs) for place in places]


def executables(program: Path) -> list[Path]:
    """Return what the kernel executes to start a program: it, its interpreter, their loader.

    >>> executables(Path("/bin/sh"))[0].name in {"dash", "bash"}
    True
    """
    found: list[Path] = []
    waiting = [program]
    while waiting and len(found) < 8:
        place = waiting.pop().resolve()
        if place in found:
            continue
        found.append(place)
        with place.open("rb") as file:
            head = file.read(4096)
        if head.startswith(b"#!"):
            words = head[2:].split(b"\n")[0].decode("utf-8", "replace").split()
            waiting += map(Path, words[:1])
        elif head.startswith(b"\x7fELF\x02"):
            waiting += _loader(head)
    return found


def _loader(head: bytes) -> list[Path]:
    """Return the loader that a 64-bit ELF file asks for (PT_INTERP)."""
    offset = struct.unpack_from("<Q", head, 32)[0]
    size, count = struct.unpack_from("<HH", head, 54)
    for number in range(count):
        at = offset + number * size
        if at + 56 > len(head):
            break
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", head, at)
        if kind == 3 and start + length <= len(head):
            return [Path(head[start : start + length].rstrip(b"\0").decode())]
    return []


def _check(answer: int, what: str) -> None:
    if answer:
        raise OSError(ctypes.get_errno() or errno.EPERM, what)


_prctl = ctypes.CDLL(None, use_errno=True).prctl
