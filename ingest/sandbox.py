"""Run extractors on one file in forked, locked processes, and believe nothing they say.

    with Sandbox(clock=clock) as sandbox:
        record = sandbox.extract(file, name_hint="IMG_0001.jpg")

The service never parses evidence: it hands read-only descriptors to the zygote (`ingest.zygote`)
and reads JSON lines back (`ingest.findings`). One process identifies the file and runs the usual
extractors; one with limits of its own, or with an outside program, runs in a further process.
Every way a run can end is an outcome of the record; only a sandbox that cannot be started at all
is an error.

Outcomes: `ok`; `partial` (something was found, and something failed or was cut off); `timeout`
and `crash` (nothing was found before it); `unsupported` (identified, but no extractor reads the
format); `refused` (not looked into: the process could not be locked).
"""

import contextlib
import fcntl
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from ingest.errors import LibmagicMissing, SandboxUnavailable
from ingest.extraction import LONG, Extraction, Limits, claimed_extension
from ingest.findings import bounded
from ingest.outcome import Run, Whole
from ingest.pronom import Witness
from ingest.served import Part, answer
from ingest.stampings import Stamped, read_stamped
from ingest.takings import Takings, read_takings
from ingest.warm import Warm

PYTHON = (sys.executable, "-P")  # -P: no module is taken from the working directory

# What a zygote may take beyond the limit before it counts as hung. On a machine with much to do it
# needs a while to be given a processor, to kill and to answer: at load 14 half a second was not
# enough, and a file that had reached its limit was looked at twice.
_GRACE_SECONDS = 5.0
_BLOCK = 65_536
_LINES_SECONDS = 0.01  # how often the lines of a process at work are looked for
_PIPE_BYTES = 1 << 20  # so that it need not wait for us meanwhile
_SERVED_A_SECOND = 30 << 20  # bytes that reading, checking and parsing get a second for
_MOST_SECONDS = 7200


class Sandbox:
    """A zygote and its jobs. For one thread at a time: let each thread have its own.

    The zygote starts with the first job and is started again when it died or hangs. Linux ends it
    with the thread that started it, so a thread that hands a sandbox on costs it one restart.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        limits: Limits | None = None,
        extractors: Sequence[Path] = (),
        python: Sequence[str] = PYTHON,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            clock: the time of start and end in the record.
            limits: what one run may use; None: the limits of production.
            extractors: further folders of extractors.
            python: the interpreter, and its options.
        """
        self._clock = clock
        self._limits = limits or Limits()
        self._extractors = tuple(extractors)
        self._python = tuple(python)
        self._zygote: _Zygote | None = None
        self._pronom = Witness(python)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that run."""
        self._pronom.close()
        self._restart()

    def _restart(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def extract(
        self,
        file: BinaryIO,
        *,
        name_hint: str,
        further: Sequence[BinaryIO] = (),
        served: Sequence[Part] = (),
        asked: Collection[str] = (),
    ) -> Extraction:
        """Return the record of one run over an open file (a real one: it needs a descriptor).

        Args:
            file: the evidence, or a private copy; the child gets it read-only.
            name_hint: its name, of which only the claimed extension is used.
            further: the exhibit's further parts, in order.
            served: all parts of an exhibit too large to copy: `file` then holds the beginning and
                the end of the first, to identify it by, and extractors read these.
            asked: extractors that run only when they are asked for, and are.

        Raises:
            SandboxUnavailable, LibmagicMissing: no zygote can be started; nothing was looked at.
            IntegrityError, StoreUnavailable: as what is served raises.
        """
        run = Whole(self._limits, claimed_extension(name_hint), self._clock())
        evidence: list[int] = []
        try:
            for one in (file, *further):
                one.flush()
                # Opened again: the child can neither write through it nor move our position.
                place = f"/proc/self/fd/{one.fileno()}"
                evidence.append(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
            self._look(run, evidence, served, asked)
        finally:
            for descriptor in evidence:
                os.close(descriptor)
        return run.record(self._clock())

    def _look(
        self,
        run: Whole,
        evidence: Sequence[int],
        served: Sequence[Part],
        asked: Collection[str],
    ) -> None:
        run.pronom = self._pronom.ask(evidence[0], ends_only=bool(served))
        job: dict[str, Any] = {
            "extension": run.extension,
            "pronom": run.pronom.to_json(),
            "served": [part.size for part in served],
            "format": None,
            "extractor": None,
        }
        self._job(run, job, evidence, served, self._limits)
        if run.format is None or run.refused:
            return
        for name, known in run.extractors.items():
            if not known["formats"] or run.format.names.isdisjoint(known["formats"]):
                continue
            if known["missing"]:
                run.problems.append(f"{name}: not done: {known['program']} is not installed")
                continue
            if known["asked"] and name not in asked:
                run.problems.append(f"{name}: not done: it was not asked for")
                continue
            if known["program"] and served:
                run.problems.append(f"{name}: not done: the file is too large for a program")
                continue
            job |= {"format": run.format.to_json(), "extractor": name}
            limits = grown(Limits.from_json(known["limits"]), sum(part.size for part in served))
            self._job(run, job, evidence, served, limits)

    def take_out(
        self,
        file: BinaryIO,
        wanted: Sequence[str],
        into: int,
        *,
        served: Sequence[Part] = (),
        most: int,
        odd_names: bool,
    ) -> Takings:
        """Have chosen members of a container written to a descriptor, one after the other.

        Args:
            file, served: the container, as `extract`.
            wanted: paths as the listing shows them.
            into: an empty file of ours that the child writes to.
            most: bytes that all of them together may have.
            odd_names: take members with odd names too.

        Raises:
            SandboxUnavailable, LibmagicMissing, IntegrityError, StoreUnavailable: as `extract`.
        """
        file.flush()
        size = sum(part.size for part in served) or os.fstat(file.fileno()).st_size
        limits = replace(grown(LONG, size), file_bytes=most)
        take = {"wanted": list(wanted), "most": most, "odd_names": odd_names}
        sizes = [part.size for part in served]
        job = {"served": sizes, "format": None, "extractor": None, "take": take}
        message = json.dumps(job | {"limits": limits.to_json()}).encode()
        evidence = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            ended = self._run(message, [evidence], served, into, limits)
            if ended.lost:  # as in `_job`
                os.ftruncate(into, 0)
                ended = self._run(message, [evidence], served, into, limits)
        finally:
            os.close(evidence)
        return read_takings(ended, into, len(wanted), limits)

    def stamp(self, file: BinaryIO, numbers: dict[str, Any], into: int, *, most: int) -> Stamped:
        """Have a copy of a document with a number on each page written to a descriptor.

        Args:
            file: the document or picture.
            numbers: what stands on the pages, as `ingest.child` takes it.
            into: an empty file of ours that the child writes to.
            most: bytes that the copy may have.

        Raises:
            SandboxUnavailable, LibmagicMissing: as `extract`.
        """
        file.flush()
        size = os.fstat(file.fileno()).st_size
        limits = replace(grown(LONG, 4 * size), file_bytes=most)
        job: dict[str, Any] = {"served": [], "format": None, "extractor": None}
        message = json.dumps(job | {"stamp": numbers, "limits": limits.to_json()}).encode()
        evidence = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            ended = self._run(message, [evidence], (), into, limits)
            if ended.lost:  # as in `_job`
                os.ftruncate(into, 0)
                ended = self._run(message, [evidence], (), into, limits)
        finally:
            os.close(evidence)
        return read_stamped(ended, into, limits)

    def _job(
        self,
        run: Whole,
        job: dict[str, Any],
        evidence: Sequence[int],
        served: Sequence[Part],
        limits: Limits,
    ) -> None:
        message = json.dumps(job | {"limits": limits.to_json()}).encode()
        derived = os.memfd_create("derived", os.MFD_CLOEXEC)
        try:
            ended = self._run(message, evidence, served, derived, limits)
            if ended.lost:  # the zygote itself went down or hung: once more with a new one
                os.ftruncate(derived, 0)
                ended = self._run(message, evidence, served, derived, limits)
            run.take(ended, derived, limits, job["extractor"])
        finally:
            os.close(derived)

    def _run(
        self,
        job: bytes,
        evidence: Sequence[int],
        served: Sequence[Part],
        derived: int,
        limits: Limits,
    ) -> Run:
        if self._zygote is None:
            self._zygote = _Zygote(self._python, self._extractors)
        try:
            run = self._zygote.run(job, evidence, served, derived, limits)
        except BaseException:
            self._restart()  # it may be at work on what cannot be served
            raise
        run.tools, run.extractors = self._zygote.tools, self._zygote.extractors
        if run.lost:
            self._restart()
        return run


def grown(limits: Limits, size: int) -> Limits:
    """Return limits for evidence that is served: reading so much takes time, two hours at most."""
    more = min(size // _SERVED_A_SECOND, _MOST_SECONDS)
    return replace(
        limits, cpu_seconds=limits.cpu_seconds + more, wall_ms=limits.wall_ms + 1000 * more
    )


def check_libmagic(python: Sequence[str] = PYTHON) -> None:
    """Start a zygote and end it again, so that a missing library is known before any work.

    Raises:
        LibmagicMissing: libmagic cannot be loaded; the message is one line.
        SandboxUnavailable: the process does not start for another reason.
    """
    _Zygote(python, ()).close()


class _Zygote(Warm):
    """The process of `ingest.zygote`."""

    def __init__(self, python: Sequence[str], extractors: Sequence[Path]) -> None:
        super().__init__(python, "ingest.zygote", *map(str, extractors))
        self.tools: tuple[str, ...] = tuple(self.hello["tools"])
        self.extractors: dict[str, dict[str, Any]] = self.hello["extractors"]

    @staticmethod
    def not_ready(hello: dict[str, Any]) -> Exception:
        """Return the error that says why it did not get ready, of what it said."""
        if "libmagic" in hello:
            return LibmagicMissing(bounded(str(hello["libmagic"])).replace("\n", " "))
        why = bounded(str(hello.get("error"))).replace("\n", " ")
        return SandboxUnavailable(f"the sandbox cannot be started: {why}")

    def run(
        self,
        job: bytes,
        evidence: Sequence[int],
        served: Sequence[Part],
        derived: int,
        limits: Limits,
    ) -> Run:
        """Hand over one job and return how it ended, in bounded time and memory."""
        deadline = time.monotonic() + limits.wall_ms / 1000 + _GRACE_SECONDS
        ours, theirs = os.pipe()
        with contextlib.suppress(OSError):  # a user may have so many large pipes, and no more
            fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        asking, asked = socket.socketpair()
        try:
            given = [theirs, derived, *([asked.fileno()] if served else []), *evidence]
            try:
                socket.send_fds(self.channel, [job], given)
            except OSError:
                return Run(lost="died")
            finally:
                os.close(theirs)
                asked.close()
            most = limits.output_bytes + limits.member_bytes
            output = _read(ours, most, deadline, asking, served)
        finally:
            os.close(ours)
            asking.close()
        overflow = len(output) > limits.output_bytes + limits.member_bytes
        if overflow:
            with contextlib.suppress(OSError):  # it died: that is seen below
                self.channel.send(b"kill")
        try:
            answer = self.hear(deadline - time.monotonic())
        except SandboxUnavailable:
            return Run(lost="hung")
        if answer is None or not isinstance(answer.get("status"), int):
            return Run(lost="died")
        return Run(output, overflow, str(answer.get("ended")), answer["status"])


def _read(
    pipe: int, most: int, deadline: float, asking: socket.socket, served: Sequence[Part]
) -> bytes:
    """Return what is written until the writers are gone, it is too much or time is up.

    Meanwhile the child's requests for pieces are answered.
    """
    output = bytearray()
    os.set_blocking(pipe, False)
    poll = select.poll()
    # Not woken for every line, a hundred times a file: at the end, or now and then (below).
    poll.register(pipe, 0)
    if served:
        poll.register(asking, select.POLLIN)
    while len(output) <= most:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        ready = {descriptor for descriptor, _ in poll.poll(min(left, _LINES_SECONDS) * 1000)}
        if asking.fileno() in ready and not answer(asking, served):
            poll.unregister(asking)
        if (pipe in ready or not ready) and _drain(pipe, output, most):
            break
    return bytes(output)


def _drain(pipe: int, output: bytearray, most: int) -> bool:
    """Take what is in the pipe, as far as it may be; return whether all writers are gone."""
    while len(output) <= most:
        try:
            block = os.read(pipe, _BLOCK)
        except BlockingIOError:
            return False
        if not block:
            return True
        output += block
    return False
