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
format); `refused` (not looked into: too large, or the process could not be locked).
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Self

from ingest.errors import LibmagicMissing, SandboxUnavailable
from ingest.extraction import (
    Derivative,
    Extraction,
    Fact,
    Format,
    Limits,
    Member,
    NotARecord,
    Raw,
    Seal,
    claimed_extension,
)
from ingest.findings import Findings, bounded

PYTHON = (sys.executable, "-P")  # -P: no module is taken from the working directory
NOT_WHOLE = "larger than the limit: identified from its beginning only, not read"

_OURS = str(Path(__file__).parents[1])  # the zygote runs the code that started it, and no other
_START_SECONDS = 20.0
_GRACE_SECONDS = 0.5  # what a zygote may take beyond the limit before it counts as hung
_MESSAGE = _BLOCK = 65_536


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote, if one runs."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def extract(
        self,
        file: BinaryIO,
        *,
        name_hint: str,
        identify_only: bool = False,
        further: Sequence[BinaryIO] = (),
    ) -> Extraction:
        """Return the record of one run over an open file (a real one: it needs a descriptor).

        Args:
            file: the evidence, or a private copy; the child gets it read-only.
            name_hint: its name, of which only the claimed extension is used.
            identify_only: the file is not whole, so it is named but not read (`refused`).
            further: the exhibit's further parts, in order.

        Raises:
            SandboxUnavailable, LibmagicMissing: no zygote can be started; nothing was looked at.
        """
        run = _Whole(self._limits, claimed_extension(name_hint), self._clock())
        evidence: list[int] = []
        try:
            for one in (file, *further):
                one.flush()
                # Opened again: the child can neither write through it nor move our position.
                place = f"/proc/self/fd/{one.fileno()}"
                evidence.append(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
            self._look(run, evidence, identify_only=identify_only)
        finally:
            for descriptor in evidence:
                os.close(descriptor)
        return run.record(self._clock(), identify_only=identify_only)

    def _look(self, run: "_Whole", evidence: Sequence[int], *, identify_only: bool) -> None:
        extension = run.extension
        job = {
            "name": f"evidence.{extension}" if extension else "evidence",
            "identify_only": identify_only,
            "format": None,
            "extractor": None,
        }
        self._job(run, job, evidence, self._limits)
        if identify_only or run.format is None or run.refused:
            return
        for name, known in run.extractors.items():
            if not known["formats"] or run.format.names.isdisjoint(known["formats"]):
                continue
            if known["missing"]:
                run.problems.append(f"{name}: not run: {known['program']} is not installed")
                continue
            job |= {"format": run.format.to_json(), "extractor": name}
            self._job(run, job, evidence, Limits.from_json(known["limits"]))

    def _job(
        self, run: "_Whole", job: dict[str, Any], evidence: Sequence[int], limits: Limits
    ) -> None:
        message = json.dumps(job | {"limits": limits.to_json()}).encode()
        derived = os.memfd_create("derived", os.MFD_CLOEXEC)
        try:
            ended = self._run(message, evidence, derived, limits)
            if ended.lost:  # the zygote itself went down or hung: once more with a new one
                os.ftruncate(derived, 0)
                ended = self._run(message, evidence, derived, limits)
            run.take(ended, derived, limits, job["extractor"])
        finally:
            os.close(derived)

    def _run(self, job: bytes, evidence: Sequence[int], derived: int, limits: Limits) -> "_Run":
        if self._zygote is None:
            self._zygote = _Zygote(self._python, self._extractors)
        run = self._zygote.run(job, evidence, derived, limits)
        run.tools, run.extractors = self._zygote.tools, self._zygote.extractors
        if run.lost:
            self.close()
        return run


def check_libmagic(python: Sequence[str] = PYTHON) -> None:
    """Start a zygote and end it again, so that a missing library is known before any work.

    Raises:
        LibmagicMissing: libmagic cannot be loaded; the message is one line.
        SandboxUnavailable: the process does not start for another reason.
    """
    _Zygote(python, ()).close()


@dataclass(slots=True)
class _Run:
    """How a job ended, as far as the zygote and the kernel can tell, and the bytes it wrote."""

    output: bytes = b""
    overflow: bool = False
    ended: str = ""  # exit, time or told, in the zygote's words
    status: int = 0  # exit code, or minus the signal
    lost: str = ""  # the zygote "died" or "hung"
    tools: tuple[str, ...] = ()
    extractors: dict[str, dict[str, Any]] = field(default_factory=dict)


class _Zygote:
    """The process of `ingest.zygote` and our end of the socket to it."""

    def __init__(self, python: Sequence[str], extractors: Sequence[Path]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*python, "-m", "ingest.zygote", str(theirs.fileno()), str(os.getpid())]
            try:
                self._process = subprocess.Popen(
                    [*command, *map(str, extractors)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # No variable of the service reaches it: no secret to find, nothing to steer.
                    env={"LANG": "C.UTF-8", "PATH": "/nonexistent", "PYTHONPATH": _OURS},
                    start_new_session=True,  # Ctrl-C is for the service, which then closes it
                )
            except OSError as error:
                self._channel.close()
                raise SandboxUnavailable(f"the sandbox cannot be started: {error}") from error
        try:
            hello = self._hear(_START_SECONDS)
            if hello is None or not hello.get("ready"):
                raise _not_ready(hello)
        except BaseException:
            self.close()
            raise
        self.tools: tuple[str, ...] = tuple(hello["tools"])
        self.extractors: dict[str, dict[str, Any]] = hello["extractors"]

    def close(self) -> None:
        self._channel.close()
        self._process.kill()  # its child goes with it (PR_SET_PDEATHSIG)
        self._process.wait()

    def run(self, job: bytes, evidence: Sequence[int], derived: int, limits: Limits) -> _Run:
        """Hand over one job and return how it ended, in bounded time and memory."""
        deadline = time.monotonic() + limits.wall_ms / 1000 + _GRACE_SECONDS
        ours, theirs = os.pipe()
        try:
            try:
                socket.send_fds(self._channel, [job], [theirs, derived, *evidence])
            except OSError:
                return _Run(lost="died")
            finally:
                os.close(theirs)
            output = _read(ours, limits.output_bytes + limits.member_bytes, deadline)
        finally:
            os.close(ours)
        overflow = len(output) > limits.output_bytes + limits.member_bytes
        if overflow:
            with contextlib.suppress(OSError):  # it died: that is seen below
                self._channel.send(b"kill")
        try:
            answer = self._hear(deadline - time.monotonic())
        except SandboxUnavailable:
            return _Run(lost="hung")
        if answer is None or not isinstance(answer.get("status"), int):
            return _Run(lost="died")
        return _Run(output, overflow, str(answer.get("ended")), answer["status"])

    def _hear(self, seconds: float) -> dict[str, Any] | None:
        """Return the zygote's next message; None: it died, or is no longer our code."""
        self._channel.settimeout(max(0.01, seconds))
        try:
            heard = json.loads(self._channel.recv(_MESSAGE))
        except TimeoutError as error:
            raise SandboxUnavailable("the sandbox does not answer") from error
        except (OSError, ValueError, RecursionError):
            return None
        return heard if isinstance(heard, dict) else None


@dataclass(slots=True)
class _Whole:
    """What all processes that looked at one file came to, put together as one record."""

    limits: Limits
    extension: str
    started: datetime
    format: Format | None = None
    refused: str = ""
    facts: list[Fact] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    inhibitors: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    derivatives: list[Derivative] = field(default_factory=list)
    raw: list[Raw] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    isolations: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # of the runs that did not end well
    incomplete: bool = False
    tools: tuple[str, ...] = ()
    extractors: dict[str, dict[str, Any]] = field(default_factory=dict)
    digest: Any = field(default_factory=sha256)

    def take(self, run: _Run, derived: int, limits: Limits, extractor: str | None) -> None:
        """Add what one process came to."""
        self.tools, self.extractors = run.tools, run.extractors
        self.digest.update(run.output)
        found = Findings()
        try:
            if not run.lost:
                found.read(run.output, derived, run.extractors, limits)
            word, why = _ended(run, found, limits)
        except NotARecord as error:
            # Who breaks the form is not our code any more: nothing it said counts.
            word, why, found = "crash", f"malformed output: {error}", Findings()
        if found.format is not None:
            self.format = replace(
                found.format,
                claimed_extension=self.extension,
                agreement="single",
                tools=run.tools,
                puid=None,
            )
        for name in (
            "facts", "seals", "members", "inhibitors", "problems", "derivatives", "raw", "ran",
        ):  # fmt: skip
            getattr(self, name).extend(getattr(found, name))
        self.isolations.append(found.isolation or "none")
        self.incomplete = self.incomplete or found.incomplete
        if word:
            self.words.append(word)
            self.problems.append(f"{extractor}: {why}" if extractor else why)
            self.refused = self.refused or (why if word == "refused" else "")

    def record(self, ended: datetime, *, identify_only: bool) -> Extraction:
        """Return the record."""
        if identify_only and not self.words:
            self.problems.append(NOT_WHOLE)
        ran = list(dict.fromkeys(self.ran))
        versions = [f"{self.extractors[name]['version']}" for name in ran]
        return Extraction(
            outcome=self._outcome(identify_only=identify_only),
            format=self.format,
            facts=tuple(self.facts),
            seals=tuple(self.seals),
            members=tuple(self.members),
            inhibitors=tuple(dict.fromkeys(self.inhibitors)),
            problems=tuple(self.problems),
            derivatives=tuple(self.derivatives),
            raw=tuple(self.raw),
            output_digest=f"sha256:{self.digest.hexdigest()}",
            extractors=tuple(f"{name}: {self.extractors[name]['version']}" for name in ran),
            tools=(
                *self.tools,
                *dict.fromkeys(versions),
                *dict.fromkeys(f"{one.tool} {one.version}" for one in self.raw),
            ),
            sandbox=", ".join(dict.fromkeys(self.isolations)) or "none",
            limits=self.limits,
            started=self.started.isoformat(),
            ended=ended.isoformat(),
        )

    def _outcome(self, *, identify_only: bool) -> str:
        something = self.facts or self.seals or self.members or self.inhibitors
        if self.words:
            word = self.words[0]
            kept = something or (self.ran and len(self.words) < len(self.isolations))
            return "partial" if word in {"timeout", "crash"} and kept else word
        if identify_only:
            return "refused"
        if self.incomplete:
            return "partial"
        return "ok" if self.ran else "unsupported"


def _ended(run: _Run, found: Findings, limits: Limits) -> tuple[str, str]:
    """Return the outcome word of a run that did not end well, and why; empty if it did."""
    if run.lost:
        why = f"the sandbox {run.lost} on this file, twice"
        return ("timeout" if run.lost == "hung" else "crash"), why
    if run.overflow or found.cut:
        return "partial", f"output limit: {found.cut or 'more bytes than all limits together'}"
    if run.ended == "time":
        return "timeout", f"time limit: {limits.wall_ms} ms"
    if run.status == -signal.SIGXCPU:
        return "timeout", f"processor limit: {limits.cpu_seconds} s"
    if found.refused:
        return "refused", found.refused
    if run.status < 0:
        return "crash", f"ended by signal {-run.status}"
    if run.status or not found.finished:
        return "crash", f"ended early with exit code {run.status}"
    return "", ""


def _read(pipe: int, most: int, deadline: float) -> bytes:
    """Return what is written until the writers are gone, it is too much or time is up."""
    output = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(output) <= most:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            break
        block = os.read(pipe, _BLOCK)
        if not block:
            break
        output += block
    return bytes(output)


def _not_ready(hello: dict[str, Any] | None) -> SandboxUnavailable | LibmagicMissing:
    said = hello or {"error": "it ended at once; is `ingest` installed?"}
    if "libmagic" in said:
        return LibmagicMissing(bounded(str(said["libmagic"])).replace("\n", " "))
    why = bounded(str(said.get("error"))).replace("\n", " ")
    return SandboxUnavailable(f"the sandbox cannot be started: {why}")
