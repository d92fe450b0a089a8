"""Run an extractor on one file in a forked, locked process, and believe nothing it says.

    with Sandbox(clock=clock) as sandbox:
        record = sandbox.extract(file, name_hint="IMG_0001.jpg")

The service never parses evidence: it hands a read-only descriptor to the zygote (`ingest.zygote`)
and reads JSON lines back. What comes back was written by a process that a hostile file may have
taken over, so it is bounded, checked line by line and made visible before it is kept. Every way a
run can end is an outcome of the record; only a sandbox that cannot be started at all is an error.

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
from pathlib import Path
from typing import Any, BinaryIO, Self

from ingest.errors import LibmagicMissing, SandboxUnavailable
from ingest.extraction import (
    Extraction,
    Fact,
    Format,
    Inhibitor,
    Limits,
    Member,
    NotARecord,
    Seal,
    claimed_extension,
    visible,
)

PYTHON = (sys.executable, "-P")  # -P: no module is taken from the working directory
NOT_WHOLE = "larger than the limit: identified from its beginning only, not read"

_START_SECONDS = 20.0
_GRACE_SECONDS = 0.5  # what a zygote may take beyond the limit before it counts as hung
_MESSAGE = _BLOCK = 65_536
_KINDS: dict[str, type[Fact | Seal | Member | Inhibitor]] = {
    "fact": Fact, "seal": Seal, "member": Member, "inhibitor": Inhibitor,
}  # fmt: skip


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

    def extract(self, file: BinaryIO, *, name_hint: str, identify_only: bool = False) -> Extraction:
        """Return the record of one run over an open file (a real one: it needs a descriptor).

        Args:
            file: the evidence, or a private copy; the child gets it read-only.
            name_hint: its name, of which only the claimed extension is used.
            identify_only: the file is not whole, so it is named but not read (`refused`).

        Raises:
            SandboxUnavailable, LibmagicMissing: no zygote can be started; nothing was looked at.
        """
        started = self._clock()
        extension = claimed_extension(name_hint)
        job = {
            "name": f"evidence.{extension}" if extension else "evidence",
            "identify_only": identify_only,
            "limits": self._limits.to_json(),
        }
        file.flush()
        # Opened again: the child can neither write through it nor move the caller's position.
        evidence = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            run = self._run(json.dumps(job).encode(), evidence)
            if run.lost:  # the zygote itself went down or hung: once more with a new one
                run = self._run(json.dumps(job).encode(), evidence)
        finally:
            os.close(evidence)
        return self._record(run, extension, identify_only, started)

    def _run(self, job: bytes, evidence: int) -> "_Run":
        if self._zygote is None:
            self._zygote = _Zygote(self._python, self._extractors)
        run = self._zygote.run(job, evidence, self._limits)
        run.tools, run.extractors = self._zygote.tools, self._zygote.extractors
        if run.lost:
            self.close()
        return run

    def _record(
        self, run: "_Run", extension: str, identify_only: bool, started: datetime
    ) -> Extraction:
        found = _Findings()
        try:
            if not run.lost:
                found.read(run, self._limits)
            outcome = _outcome(run, found, identify_only, self._limits)
        except NotARecord as error:
            # Who breaks the form is not our code any more: nothing it said counts.
            outcome, found = "crash", _Findings(remarks=[f"malformed output: {error}"])
        what = found.format and replace(
            found.format,
            claimed_extension=extension,
            agreement="single",
            tools=run.tools,
            puid=None,
        )
        return Extraction(
            outcome=outcome,
            format=what,
            facts=tuple(found.facts),
            seals=tuple(found.seals),
            members=tuple(found.members),
            inhibitors=tuple(found.remarks),
            extractors=tuple(f"{name}: {run.extractors[name]}" for name in found.ran),
            tools=(*run.tools, *dict.fromkeys(run.extractors[name] for name in found.ran)),
            sandbox=found.isolation or "none",
            limits=self._limits,
            started=started.isoformat(),
            ended=self._clock().isoformat(),
        )


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
    extractors: dict[str, str] = field(default_factory=dict)


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
                    env={"LANG": "C.UTF-8", "PATH": "/nonexistent"},
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
        self.extractors: dict[str, str] = hello["extractors"]

    def close(self) -> None:
        self._channel.close()
        self._process.kill()  # its child goes with it (PR_SET_PDEATHSIG)
        self._process.wait()

    def run(self, job: bytes, evidence: int, limits: Limits) -> _Run:
        """Hand over one job and return how it ended, in bounded time and memory."""
        deadline = time.monotonic() + limits.wall_ms / 1000 + _GRACE_SECONDS
        ours, theirs = os.pipe()
        try:
            try:
                socket.send_fds(self._channel, [job], [evidence, theirs])
            except OSError:
                return _Run(lost="died")
            finally:
                os.close(theirs)
            output = _read(ours, limits.output_bytes, deadline)
        finally:
            os.close(ours)
        overflow = len(output) > limits.output_bytes
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
class _Findings:
    """What the child said, line by line, as far as it is well formed and within the limits."""

    isolation: str = ""
    refused: str = ""
    format: Format | None = None
    facts: list[Fact] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    incomplete: bool = False
    cut: str = ""  # the limit that ended the reading
    finished: bool = False

    def read(self, run: _Run, limits: Limits) -> None:
        """Take the lines in; a last line without its end was cut off by the killing.

        Raises:
            NotARecord: a line that our own code cannot have written.
        """
        for number, line in enumerate(run.output[: limits.output_bytes].split(b"\n")[:-1]):
            if number >= limits.items:
                self.cut = f"more than {limits.items} lines"
            if self.cut:
                return
            key, value = _line(line)
            if self.finished or (number == 0) != (key in {"isolation", "refused"}):
                raise NotARecord(f"{key} out of order")
            if key in _KINDS:
                self._item(_KINDS[key].from_json(value), limits)
            elif key == "format" and self.format is None:
                self.format = Format.from_json(value)
                self.format = replace(self.format, description=_bounded(self.format.description))
            elif key == "extractor" and isinstance(value, str) and value in run.extractors:
                self.ran.append(value)
            elif key in {"isolation", "refused"} and isinstance(value, str):
                setattr(self, key, _bounded(value))
            elif key == "end" and value is True:
                self.finished = True
            else:
                raise NotARecord("an unknown line")

    def _item(self, item: Fact | Seal | Member | Inhibitor, limits: Limits) -> None:
        texts = {k: v for k, v in item.to_json().items() if isinstance(v, str)}
        if any(len(text.encode("utf-8", "replace")) > limits.text_bytes for text in texts.values()):
            self.cut = f"a text of more than {limits.text_bytes} bytes"
            return
        shown: dict[str, Any] = {name: visible(text) for name, text in texts.items()}
        if shown != texts:
            item = replace(item, **shown)
        match item:
            case Fact():
                self.facts.append(item)
            case Seal():
                self.seals.append(item)
            case Member():
                self.members.append(item)
            case Inhibitor():
                self.remarks.append(item.reason)
                self.incomplete = self.incomplete or item.incomplete


def _outcome(run: _Run, found: _Findings, identify_only: bool, limits: Limits) -> str:
    """Return the outcome word, adding to the remarks what the word does not say."""
    why, word = "", ""
    if run.lost:
        why = f"the sandbox {run.lost} on this file, twice"
        word = "timeout" if run.lost == "hung" else "crash"
    elif run.overflow or found.cut:
        why = f"output limit: {found.cut or f'more than {limits.output_bytes} bytes'}"
        word = "partial"
    elif run.ended == "time":
        why, word = f"time limit: {limits.wall_ms} ms", "timeout"
    elif run.status == -signal.SIGXCPU:
        why, word = f"processor limit: {limits.cpu_seconds} s", "timeout"
    elif found.refused:
        why, word = found.refused, "refused"
    elif run.status < 0:
        why, word = f"ended by signal {-run.status}", "crash"
    elif run.status or not found.finished:
        why, word = f"ended early with exit code {run.status}", "crash"
    if word:
        found.remarks.append(why)
        something = found.facts or found.seals or found.members
        return "partial" if word in {"timeout", "crash"} and something else word
    if identify_only:
        found.remarks.append(NOT_WHOLE)
        return "refused"
    if found.incomplete:
        return "partial"
    return "ok" if found.ran else "unsupported"


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


def _line(line: bytes) -> tuple[str, object]:
    try:
        found = json.loads(line, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise NotARecord("a line is no JSON of ours") from error
    if not isinstance(found, dict) or len(found) != 1:
        raise NotARecord("a line is an object with one key")
    return next(iter(found.items()))


def _no_float(text: str) -> float:
    raise ValueError(text)


def _bounded(text: str) -> str:
    return visible(text[:1000])


def _not_ready(hello: dict[str, Any] | None) -> SandboxUnavailable | LibmagicMissing:
    said = hello or {"error": "it ended at once; is `ingest` installed?"}
    if "libmagic" in said:
        return LibmagicMissing(_bounded(str(said["libmagic"])).replace("\n", " "))
    why = _bounded(str(said.get("error"))).replace("\n", " ")
    return SandboxUnavailable(f"the sandbox cannot be started: {why}")
