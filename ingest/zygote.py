"""The warm process that forks one locked child per evidence file; holds no evidence, no secrets.

Run by `ingest.sandbox` as a program of its own. It loads libmagic and every extractor once, says
so, and then takes one job at a time over the socket it was started with: a JSON message with
descriptors: a pipe (write), a file for what is derived (write), a socket to ask for pieces of what
is too large to copy, and the evidence (read). Per job it

1. forks; the child (a) leaves the session, (b) locks itself, (c) looks (`ingest.child`), writing
   one JSON line per finding to the pipe;
2. waits for the child, the time limit or the word to kill;
3. kills whatever the child left behind, and says how it ended.

It ends when the service's end of the socket closes, or with the thread that started it. A job may
therefore never outlive its service, and a dead zygote takes its child along.
"""

import ctypes
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ingest import extractors, lockdown, program, seccomp
from ingest.child import Child, hello, warm
from ingest.extraction import Limits
from ingest.extractors import Extractor
from ingest.identify import LibmagicUnloadable, version
from ingest.kept import Kept, Printing, in_memory
from ingest.warm import unheard

MESSAGE = 65_536  # bytes of one message over the socket
_DESCRIPTORS = 200  # of one message: the evidence's parts, the pipe, the derivatives
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl

_kept: dict[str, Kept] = {}  # programs that are warm, by name
_cold: set[str] = set()  # and those that cannot be kept so


def main(arguments: list[str]) -> int:
    """Serve jobs until the service is gone. Arguments: socket, service's pid, more folders."""
    channel = socket.socket(fileno=int(arguments[0]))
    die_with_parent(int(arguments[1]))
    folders = [extractors.HERE, *map(Path, arguments[2:])]
    try:
        ready = _warm(folders)
    except LibmagicUnloadable as error:
        channel.send(json.dumps({"libmagic": str(error)}).encode()[:MESSAGE])
        return 1
    except Exception as error:  # noqa: BLE001  (an extractor that cannot be imported)
        channel.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()[:MESSAGE])
        return 1
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a child leaves behind comes to us
    lockdown.prepare()
    unheard()
    gc.collect()
    gc.freeze()  # no collection touches these pages again, so the children share them
    channel.send(json.dumps(ready).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE, _DESCRIPTORS)
        if not message:
            return 0
        if len(descriptors) > 2:  # else it is a late word to kill
            answer = _serve(channel, json.loads(message), descriptors, folders)
            channel.send(json.dumps(answer).encode())


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent's thread ends."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(0)


def _warm(folders: list[Path]) -> dict[str, Any]:
    found = warm(folders)
    return {
        "ready": True,
        "tools": [version()],
        "extractors": {each.NAME: hello(each) for each in found},
    }


def _serve(
    channel: socket.socket, job: dict[str, Any], descriptors: list[int], folders: list[Path]
) -> dict[str, Any]:
    limits = Limits.from_json(job["limits"])
    one = _named(job, folders)
    known = extractors.programs(one) if one is not None else ()
    versions = {each.name: program.version(each) for each in known}  # before any evidence
    pipe, derived, *evidence = descriptors
    asking = evidence.pop(0) if job["served"] else -1
    printing = _printing(one, limits, evidence[0]) if one is not None else None
    me = os.getpid()
    forked = os.fork()  # (1)
    if forked == 0:
        channel.close()
        for kept in _kept.values():
            kept.channel.close()
        child = Child(job, limits, evidence, pipe, derived, asking, versions, printing)
        # One that a warm process prints for runs no program of its own.
        runs = versions if printing is None else {}
        places = [place for place in map(program.find, runs) if place is not None]
        calls = seccomp.THREADED if one is not None and extractors.threaded(one) else None
        only = "" if printing is None else f" for {', '.join(versions)}"
        _child(
            me, child, lambda: lockdown.lock(limits, evidence, places, calls=calls) + only, folders
        )
    for descriptor in descriptors:
        os.close(descriptor)
    if printing is not None:
        printing.close()
    try:
        why = _wait(channel, forked, limits.wall_ms / 1000)  # (2)
    finally:
        status = _end(forked)  # (3)
    return {"ended": why, "status": os.waitstatus_to_exitcode(status)}


def _named(job: dict[str, Any], folders: list[Path]) -> Extractor | None:
    """Return the extractor that a job is for; None: the usual ones."""
    return next((e for e in extractors.everything(folders) if job["extractor"] == e.NAME), None)


def _printing(one: Extractor, limits: Limits, evidence: int) -> Printing | None:
    """Let the extractor's warm program read the file; None: it is started for this file."""
    wanted = extractors.program(one)
    if wanted is None or not wanted.warm or wanted.name in _cold or not in_memory(evidence):
        return None
    for _ in range(2):
        try:
            if wanted.name not in _kept:
                _kept[wanted.name] = Kept(
                    wanted, limits, one.SAMPLE, functools.partial(die_with_parent, os.getpid())
                )
            return _kept[wanted.name].begin(evidence)
        except OSError:
            if wanted.name not in _kept:  # it does not start: it is run once a file instead
                break
            _kept.pop(wanted.name).close()
        except subprocess.SubprocessError:
            break
    _cold.add(wanted.name)
    return None


def _wait(channel: socket.socket, child: int, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(channel, select.POLLIN)
    try:
        left = max(0.0, deadline - time.monotonic())
        ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
    finally:
        os.close(handle)
    if handle in ready:
        return "exit"
    if not ready:
        return "time"
    if not channel.recv(MESSAGE):  # the service is gone: nobody wants the answer
        _end(child)
        os._exit(0)
    return "told"


def _end(child: int) -> int:
    """Kill the child's group and everything else below us; return the child's status.

    What is kept warm stays, unless it is still at work on the file.
    """
    for whole in (os.killpg, os.kill):  # the group, and the child had it not made one yet
        _try_kill(whole, child)
    status = os.waitpid(child, 0)[1]
    for name in [name for name, kept in _kept.items() if not kept.settle()]:
        del _kept[name]
    warm_ones = {kept.process.pid for kept in _kept.values()}
    # A child that left its group is ours now; when it ends, its own children follow.
    while below := _below() - warm_ones:
        for other in below:
            _try_kill(os.kill, other)
            os.waitpid(other, 0)
    return status


def _below() -> set[int]:
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def _try_kill(whole: Callable[[int, int], None], process: int) -> None:
    try:
        whole(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _child(  # (1)
    parent: int, child: Child, lock: Callable[[], str], folders: Sequence[Path]
) -> None:
    code = 1
    try:
        gc.disable()
        os.setsid()  # (a)
        die_with_parent(parent)
        try:
            held = lock()  # (b)
        except lockdown.Unlockable as error:
            child.say(refused=f"the process could not be locked: {error}"[:200])
            return
        child.say(isolation=held)
        child.look(folders)  # (c)
        child.say(end=True)
        code = 0
    finally:
        os._exit(code)  # no clean-up of the zygote's things, no traceback


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
