"""A program kept warm: loaded once, locked, and forked for each file by a script of its own.

    kept = Kept(wanted, limits, sample)
    printing = kept.begin(evidence)  # in the zygote; its locked child then reads what is printed
    kept.settle()                    # once that child has ended

It stands below the zygote, which ends it and all it left behind. Before it meets any evidence it is
locked like a program that is started for one file; its parent process never reads a file, and the
process that does is a new one each time. What is won is the loading: 70 ms of a core for ExifTool.
"""

import os
import re
import select
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ingest import lockdown, program, seccomp
from ingest.extraction import PATH, Limits, Program, Ran, Raw

FILES = 1000  # how many one sees before it is replaced: its own processor time is limited too
_READY_SECONDS = 10.0
_SETTLE_SECONDS = 0.2
_END = re.compile(rb"([0-9]{1,3})\n\{ready\}\n\Z")  # how ExifTool ends when it is not to end
_ENDS = ("-echo3", "${status}", PATH, "-execute")  # and what makes it say so


@dataclass(frozen=True, slots=True)
class Printing:
    """Where one run is read: what it prints, its complaints, and how its process ended."""

    out: int
    err: int
    end: int

    def close(self) -> None:
        """Close them."""
        for descriptor in (self.out, self.err, self.end):
            os.close(descriptor)


class Kept:
    """The warm process, as the zygote holds it.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be started, locked or warmed.
    """

    def __init__(
        self, wanted: Program, limits: Limits, sample: bytes, bound: Callable[[], None]
    ) -> None:
        """Start it, and wait until it has read the sample.

        Args:
            wanted: the program; its script is the file of its name beside this one.
            limits: of each of its processes.
            sample: a file of ours, so that whatever loads late is loaded.
            bound: called in the new process: it is to end with the zygote.
        """
        self._files = FILES
        self._busy = False
        place = program.find(wanted.name)
        script = Path(__file__).with_name(f"{wanted.name}.pl").read_text()
        if place is None:
            raise FileNotFoundError(f"{wanted.name} is not installed")
        interpreter = lockdown.executables(place)[1]
        numbers = [str(seccomp.number(name)) for name in ("prctl", "recvmsg")]
        self._job = "".join(f"{line}\n" for line in (*wanted.warm, *_ENDS)).encode()
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, os.fdopen(os.memfd_create("sample"), "w+b") as file:
            file.write(sample)
            file.seek(0)
            try:
                self.process = subprocess.Popen(
                    [str(interpreter), "-e", script, "--", str(theirs.fileno()), str(place),
                     *numbers, self._job.decode()],
                    stdin=file,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=program.ENVIRONMENT,
                    cwd="/",
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    preexec_fn=lambda: _lock(limits, place, bound),  # noqa: PLW1509  (one thread)
                )  # fmt: skip
            except (OSError, subprocess.SubprocessError):
                self.channel.close()
                raise
        if not self._heard(_READY_SECONDS):
            self.close()
            raise TimeoutError(f"{wanted.name} cannot be kept warm")

    def begin(self, evidence: int) -> Printing:
        """Let a new process of it read a file, which is one in memory.

        Raises:
            OSError: it is gone.
        """
        pipes = [os.pipe() for _ in range(3)]
        printing = Printing(*(ours for ours, _ in pipes))
        try:
            given = [evidence, *(theirs for _, theirs in pipes)]
            socket.send_fds(self.channel, [self._job], given)
        except OSError:
            printing.close()
            raise
        finally:
            for _, theirs in pipes:
                os.close(theirs)
        self._busy, self._files = True, self._files - 1
        return printing

    def settle(self) -> bool:
        """Return whether it is ready for the next file; it is ended where it is not."""
        if self._busy and (not self._heard(_SETTLE_SECONDS) or self._files <= 0):
            self.close()
            return False
        self._busy = False
        return True

    def close(self) -> None:
        """End it; what it forked is the zygote's then."""
        self.channel.close()
        self.process.kill()
        self.process.wait()

    def _heard(self, seconds: float) -> bool:
        if not select.select([self.channel], [], [], seconds)[0]:
            return False
        try:
            return bool(self.channel.recv(100))
        except OSError:
            return False


def _lock(limits: Limits, place: Path, bound: Callable[[], None]) -> None:
    bound()
    lockdown.lock(limits, (), (place,), calls=seccomp.WARM)


def collect(wanted: Program, version: str, printing: Printing) -> tuple[Ran, Raw]:
    """Return what a run came to, in the locked process.

    Raises:
        OSError: the warm process ended on this file.
        ValueError: it printed more than it may.
    """
    printed = program.read(printing.out, printing.err, wanted.stdout_bytes)
    ended = os.read(printing.end, 20)
    if not ended:
        raise ChildProcessError(f"{wanted.name} ended with all its processes")
    code = os.waitstatus_to_exitcode(int(ended))
    said = _END.search(printed.stdout[-20:])
    if said is not None:
        code = int(said[1])
        printed = replace(printed, stdout=printed.stdout[: -len(said[0])])
    return program.ran(
        wanted, version, arguments(wanted), 128 - code if code < 0 else code, printed
    )


def in_memory(descriptor: int) -> bool:
    """Return whether a file is one in memory: the only kind that a locked process can open again.

    Landlock lets a process open what it was told of when it was locked; this one was locked before.
    """
    return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("/memfd:")


def arguments(wanted: Program) -> tuple[str, ...]:
    """Return the arguments that such a run is recorded with."""
    return ("-config", "", *wanted.warm, PATH)
