"""An extractor that goes wrong in the way the file asks for: for the tests of the sandbox."""

import ctypes
import json
import os
import resource
import signal
import time

from ingest.extraction import Fact

NAME = "fault"
VERSION = "fault 1"
FORMATS = frozenset({"text/plain"})
SAMPLE = b""


def extract(file, found):
    words = file.read().decode().split()
    if words:
        yield from globals()[f"_{words[0]}"](file)


def _fact(value="value", name="IFD0:Make"):
    return Fact(name, value, value, "test")


def _fine(_):
    yield _fact()


def _spin(_):
    while True:
        pass
    yield


def _find_then_spin(file):
    yield _fact()
    yield from _spin(file)


def _burn(file):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    yield from _spin(file)


def _sleep(_):
    time.sleep(60)
    yield


def _allocate(_):
    yield _fact(str(len(bytearray(3 << 30))))


def _crash(_):
    ctypes.string_at(1)
    yield


def _find_then_crash(file):
    yield _fact()
    yield from _crash(file)


def _recurse(file):
    yield from _recurse(file)


def _recurse_in_c(_):
    deep = ()
    for _ in range(2_000_000):
        deep = (deep,)
    hash(deep)
    yield


def _leave(_):
    os._exit(0)
    yield


def _raise(_):
    yield _fact()
    raise RuntimeError("\u202egnp.exe\0")


def _flood(_):
    while True:
        yield _fact("x" * 3000)


def _many(_):
    for number in range(30_000):
        yield _fact(str(number))


def _long(_):
    yield _fact("é" * 100_000)


def _unseen(_):
    yield _fact("photo\u202egpj.exe\0\x1b[31m")


def _environment(_):
    yield _fact(repr(sorted(os.environ)))


def _limits(_):
    names = (
        "RLIMIT_AS",
        "RLIMIT_CPU",
        "RLIMIT_FSIZE",
        "RLIMIT_NOFILE",
        "RLIMIT_CORE",
        "RLIMIT_NPROC",
    )
    for name in names:
        soft, _hard = resource.getrlimit(getattr(resource, name))
        yield _fact(str(soft), f"Test:{name}")


def _descriptors(_):
    for number in range(3, 200):
        try:
            yield _fact(os.readlink(f"/proc/self/fd/{number}"), f"Test:{number}")
        except OSError:
            continue


def _write_evidence(file):
    os.write(file.fileno(), b"changed")
    yield


def _move_evidence(file):
    file.seek(0, 2)
    yield _fact()


def _write_too_much(_):
    handle = os.memfd_create("big")
    while True:
        os.write(handle, b"x" * (1 << 20))
    yield


def _kill_zygote(_):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    yield


def _stop_zygote(_):
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(60)
    yield


def _leave_a_daemon(_):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    yield _fact()


def _say(text):
    """Write a line of our own making to every descriptor there is, as a captured child would."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, text + b"\n")
        except OSError:
            continue


def _lie(file):
    yield _fact()
    file.seek(4)
    _say(file.read())


def _lie_much(_):
    yield _fact()
    line = json.dumps({"fact": _fact("x" * 3000).to_json()}).encode()
    for _ in range(1000):
        _say(line)


def _lie_without_end(_):
    yield _fact()
    while True:
        _say(b"x" * 1_000_000)
