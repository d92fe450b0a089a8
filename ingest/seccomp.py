"""Seccomp: which system calls a locked process may make; a filter of our own, made once.

An allow-list for x86-64 and arm64. What is not on it fails with EPERM, so that a parser that asks
for it raises like any other failure; a call of another architecture ends the process. Five calls
are allowed for some arguments only.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

# Names and numbers: x86-64, arm64 (0: it has none).
_NUMBERS = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "pread64": (17, 67), "pwrite64": (18, 68), "lseek": (8, 62), "close": (3, 57),
    "fstat": (5, 80), "newfstatat": (262, 79), "stat": (4, 0), "lstat": (6, 0),
    "open": (2, 0), "openat": (257, 56), "dup": (32, 23), "dup2": (33, 0), "dup3": (292, 24),
    "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "mmap": (9, 222), "mprotect": (10, 226), "fcntl": (72, 25), "ioctl": (16, 29),
    "prlimit64": (302, 261), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "getpid": (39, 172),
    "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getrandom": (318, 278),
    "clock_gettime": (228, 113), "gettimeofday": (96, 169), "time": (201, 0),
    "clock_getres": (229, 114), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    "futex": (202, 98), "rseq": (334, 293), "set_robust_list": (273, 99), "exit": (60, 93),
    "exit_group": (231, 94), "getrusage": (98, 165), "times": (100, 153), "sysinfo": (99, 179),
    "uname": (63, 160), "getrlimit": (97, 163), "getdents64": (217, 61), "readlink": (89, 0),
    "readlinkat": (267, 78), "access": (21, 0), "faccessat": (269, 48), "getcwd": (79, 17),
    "poll": (7, 0), "ppoll": (271, 73), "restart_syscall": (219, 128),
    # of a process that runs a program
    "clone": (56, 220), "fork": (57, 0), "vfork": (58, 0), "execve": (59, 221),
    "wait4": (61, 260), "waitid": (247, 95), "pipe": (22, 0), "pipe2": (293, 59),
    "select": (23, 0), "pselect6": (270, 72), "arch_prctl": (158, 0), "prctl": (157, 167),
    "set_tid_address": (218, 96), "chdir": (80, 49), "statfs": (137, 43), "fstatfs": (138, 44),
    "fadvise64": (221, 223), "sched_setaffinity": (203, 122), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126), "get_mempolicy": (239, 236), "getpgrp": (111, 0),
    "getpgid": (121, 155), "umask": (95, 166), "eventfd2": (290, 19), "membarrier": (324, 283),
    "mincore": (27, 232), "getgroups": (115, 158), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_pwait": (281, 22), "epoll_wait": (232, 0),
    # of a process that serves more than one file: its messages
    "recvmsg": (47, 212), "sendto": (44, 206),
    # answered "no such call", so that the C library does with an older one
    "clone3": (435, 435), "statx": (332, 291), "faccessat2": (439, 439),
}  # fmt: skip
_FIRST_OF_A_PROGRAM = list(_NUMBERS).index("clone")
_MESSAGES = ("recvmsg", "sendto")
_UNKNOWN = ("clone3", "statx", "faccessat2")
_NAMES = [name for name in _NUMBERS if name not in _UNKNOWN]
PARSE = frozenset(_NAMES[:_FIRST_OF_A_PROGRAM])  # what reading a file with loaded code takes
RUN = frozenset(_NAMES) - {*_MESSAGES}  # and to run a program, which may have threads
WARM = RUN | {"recvmsg"}  # and to be handed one file after the other
THREADED = PARSE | {"clone", "set_tid_address", "membarrier"}  # and with threads of its own
# And to answer over a socket that is open already, with threads: no program, no other process.
SERVE = PARSE | {*_MESSAGES, "clone", "pipe2", "eventfd2", "epoll_create1", "epoll_ctl",
                 "epoll_pwait", "set_tid_address"}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_PROT_EXEC = 4
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000
_FCNTL = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: no F_SETOWN
_IOCTL = (0x5401, 0x5450, 0x5451)  # TCGETS, FIONCLEX, FIOCLEX: no FIOASYNC, no TIOCSTI
_PIPE_SIZE = (4, 1031, 1032)  # of a program: F_SETFL, F_SETPIPE_SZ, F_GETPIPE_SZ

# Classic BPF: operations on `struct seccomp_data { int nr; u32 arch; u64 ip; u64 args[6]; }`.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NR, _ARCH, _ARGS = 0, 4, 16
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22

_Instruction = tuple[int, int, int, int]  # operation, jump if so, jump if not, value


class NoSeccomp(OSError):
    """The kernel takes no filter, or we have none for this kind of machine."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter ready to be applied: a call of two instructions' cost."""

    code: bytes

    def apply(self) -> None:
        """Filter this process and its children, for good.

        Raises:
            NoSeccomp: the kernel refuses.
        """
        call = ctypes.CDLL(None, use_errno=True).prctl
        code = ctypes.create_string_buffer(self.code, len(self.code))
        program = struct.pack("HxxxxxxP", len(self.code) // 8, ctypes.addressof(code))
        if call(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or call(_PR_SET_SECCOMP, 2, program, 0, 0):
            raise NoSeccomp(ctypes.get_errno(), "the kernel takes no seccomp filter")


def make(allowed: Iterable[str], *, machine: str = "") -> Filter:
    """Return a filter that allows some calls of the tables above.

    Args:
        allowed: `PARSE`, `THREADED`, `RUN`, `WARM` or `SERVE`.
        machine: the kind of machine; empty: this one.

    Raises:
        NoSeccomp: a kind of machine we have no numbers for.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise NoSeccomp(errno.ENOSYS, f"no seccomp filter for {machine} machines")
    column, architecture = _ARCHITECTURES[machine]
    allowed = frozenset(allowed)
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
        (_AT_LEAST, 0, 1, 0x40000000),  # x32, a second numbering of the same calls
        (_RETURN, 0, 0, _KILL),
    ]
    for name in _NUMBERS:
        number = _NUMBERS[name][column]
        if name in _UNKNOWN:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
        elif name in allowed and (number or name == "read"):
            body = _body(name, runs="execve" in allowed)
            code += [(_EQUAL, 0, len(body), number), *body]
    code.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return Filter(b"".join(struct.pack("HBBI", *each) for each in code))


def _body(name: str, *, runs: bool) -> list[_Instruction]:
    """Return what follows when the call's number fits: allowed, or allowed for some arguments."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    if name in {"mmap", "mprotect"} and not runs:  # no code that was not loaded before
        return [(_LOAD, 0, 0, _argument(2)), (_ANY_BIT, 0, 1, _PROT_EXEC), refuse, allow]
    if name == "clone" and runs:  # any process, in no namespace of its own
        return [(_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 0, 1, _CLONE_NAMESPACES), refuse, allow]
    if name == "clone":  # a thread of this process
        return [(_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 1, 0, _CLONE_THREAD), refuse, allow]
    if name in {"fcntl", "ioctl"}:
        values = _IOCTL if name == "ioctl" else _FCNTL + (_PIPE_SIZE if runs else ())
        tests = [(_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)]
        return [(_LOAD, 0, 0, _argument(1)), *tests, refuse, allow]
    if name == "prlimit64":  # ask for one's own limits
        return [
            (_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, 4, 0),
            (_LOAD, 0, 0, _argument(2)), (_EQUAL, 0, 2, 0),
            (_LOAD, 0, 0, _argument(2) + 4), (_EQUAL, 1, 0, 0), refuse, allow,
        ]  # fmt: skip
    return [allow]


def number(name: str, *, machine: str = "") -> int:
    """Return the number of a system call on a machine we have numbers for."""
    return _NUMBERS[name][_ARCHITECTURES[machine or platform.machine()][0]]


def _argument(number: int) -> int:
    return _ARGS + 8 * number  # its lower half: both machines are little-endian
