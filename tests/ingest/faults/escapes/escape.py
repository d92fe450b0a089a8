"""An extractor that tries to get out, in the way the file asks for; says whether it did."""

import ctypes
import fcntl
import io
import mmap
import os
import resource
import signal
import socket
import struct
import threading
from hashlib import sha256

from ingest.extraction import Fact
from ingest.readers import packed
from ingest.readers.members import Entry
from tests import make_archives

NAME = "escape"
VERSION = "escape 1"
FORMATS = frozenset({"text/plain"})
SAMPLE = b""
INSIDE = b"evidence" * 100
PACKED = make_archives.sevenz([("a.txt", INSIDE)])

_call = ctypes.CDLL(None, use_errno=True).syscall


def extract(file, found):
    text = file.read().decode()
    if not text:
        return
    way, _, target = text.partition(" ")
    before = _unpacked()  # a library in C has run, and its calls back into this process stand open
    try:
        result = f"escaped: {globals()[f'_{way}'](target)}"
    except (OSError, MemoryError, RuntimeError, ValueError) as error:
        result = f"stopped: {type(error).__name__} {error}"
    yield Fact("Escape:Result", result[:500], "", "test")
    file.seek(0)
    yield Fact("Escape:Evidence", sha256(file.read()).hexdigest(), "", "test")
    # None of the ways has broken it either.
    yield Fact("Escape:Unpacked", str(before == _unpacked() == INSIDE), "", "test")


def _unpacked():
    """Return the member of a 7z, by libarchive where it is installed."""
    entry = Entry("a.txt", len(INSIDE))
    packed.readable([entry], io.BytesIO(PACKED))
    return b"".join(entry.read()) if entry.read else None


def _read(place):
    return open(place, "rb").read(10)


def _write(place):
    return open(place, "wb").write(b"here")


def _make_folder(place):
    return os.mkdir(place)


def _link(place):
    return os.symlink("/etc/passwd", place)


def _remove(place):
    return os.unlink(place)


def _tcp(port):
    return socket.create_connection(("127.0.0.1", int(port)), timeout=2)


def _udp(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"here", ("127.0.0.1", int(port)))


def _unix(place):
    with socket.socket(socket.AF_UNIX) as sender:
        return sender.connect(place)


def _abstract(name):
    with socket.socket(socket.AF_UNIX) as sender:
        return sender.connect(f"\0{name}")


def _fork(_):
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


def _thread(_):
    threading.Thread(target=int).start()


def _exec(_):
    os.execv("/bin/true", ["true"])


def _signal(_):
    os.kill(os.getppid(), signal.SIGUSR1)


def _signal_by_descriptor(_):
    """The kernel's own signals of a descriptor, with an owner of our choice."""
    descriptor = next(n for n in range(3, 64) if _is_pipe(n))
    fcntl.fcntl(descriptor, 8, os.getppid())  # F_SETOWN
    fcntl.fcntl(descriptor, 10, signal.SIGKILL)  # F_SETSIG


def _is_pipe(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}").startswith("pipe:")
    except OSError:
        return False


def _memory(_):
    return len(bytearray(2 << 30))


def _cpu(_):
    while True:
        pass


def _large(_):
    descriptor = next(n for n in range(3, 64) if _is_named(n, "derived"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for offset in range(64):
        os.pwrite(descriptor, b"x" * (1 << 20), offset << 20)


def _is_named(number, name):
    try:
        return f"memfd:{name}" in os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return False


def _recursion(target):
    return _recursion(target)


def _evidence(_):
    """Open the evidence again, for writing."""
    opened = []
    for number in range(3, 64):
        try:
            if "(deleted)" in os.readlink(f"/proc/self/fd/{number}") and not _is_named(
                number, "derived"
            ):
                opened.append(os.open(f"/proc/self/fd/{number}", os.O_RDWR))
        except OSError as error:
            last = error
    if not opened:
        raise last
    return [os.pwrite(descriptor, b"changed", 0) for descriptor in opened]


def _parents_memory(_):
    return open(f"/proc/{os.getppid()}/mem", "rb").fileno()


def _parents_environment(_):
    return open(f"/proc/{os.getppid()}/environ", "rb").read(10)


def _parents_root(_):
    return open(f"/proc/{os.getppid()}/root/etc/passwd", "rb").read(10)


def _raise_limits(_):
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _new_code(_):
    """Memory that is written and then run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _call_of(number, *arguments):
    answer = _call(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def _ptrace(_):
    return _call_of(101, 16, os.getppid(), 0, 0)  # PTRACE_ATTACH


def _io_uring(_):
    return _call_of(425, 1, ctypes.create_string_buffer(120))


def _unshare(_):
    return _call_of(272, 0x10000000)  # CLONE_NEWUSER


def _mount(_):
    return _call_of(165, b"none", b"/tmp", b"tmpfs", 0, 0)


def _bpf(_):
    return _call_of(321, 0, ctypes.create_string_buffer(struct.pack("IIII", 1, 4, 4, 1), 64), 64)


def _kernel_keys(_):
    return _call_of(250, 0, -3 & 0xFFFFFFFF, 0)  # keyctl


def _x32(_):
    return _call_of(0x40000000 + 39)
