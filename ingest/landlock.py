"""Landlock: a process that may open no file but those it is told; by ctypes, Linux 5.13 and later.

Everything the kernel's version can deny is denied: files and folders, TCP, and from version 6 on
signals and abstract sockets beyond the process itself. What is open already stays open.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

READ_FILE, READ_DIR, EXECUTE, WRITE_FILE = 1 << 2, 1 << 3, 1 << 0, 1 << 1

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights each version of the interface knows
_NET_RIGHTS, _SCOPES = 0b11, 0b11  # bind and connect TCP; abstract sockets and signals


class NoLandlock(OSError):
    """The kernel has no Landlock, or does not let us use it."""


def version() -> int:
    """Return the version of the kernel's Landlock; 0 where there is none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))


def restrict(rules: Iterable[tuple[int, int]]) -> int:
    """Deny this process and its children everything, for good, but for some files.

    Args:
        rules: open descriptors of files and folders, and the rights below each.

    Returns:
        the kernel's version of the interface.

    Raises:
        NoLandlock: nothing is denied, or not all of it.
    """
    interface = version()
    if interface < 1:
        raise NoLandlock(errno.ENOSYS, "the kernel has no Landlock")
    files = (1 << max(n for known, n in _FILE_RIGHTS.items() if known <= interface)) - 1
    network = _NET_RIGHTS if interface >= 4 else 0
    scopes = _SCOPES if interface >= 6 else 0
    fields = struct.pack("QQQ", files, network, scopes)
    attributes = fields[: 8 if interface < 4 else 16 if interface < 6 else 24]
    ruleset = _checked(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for descriptor, rights in rules:
            rule = struct.pack("=Qi", rights & files, descriptor)
            if _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0):
                number = ctypes.get_errno()
                if number != errno.EBADFD:  # a file of no file system: never denied
                    raise NoLandlock(number, "Landlock refuses a rule")
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise NoLandlock(ctypes.get_errno(), "privileges cannot be given up")
        _checked(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return interface


def _checked(number: int, *arguments: object) -> int:
    found = _call(number, *arguments)
    if found < 0:
        raise NoLandlock(ctypes.get_errno(), "Landlock cannot be used")
    return found


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(library.syscall(ctypes.c_long(number), *wide))
