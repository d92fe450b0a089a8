"""A process of ours that is kept warm, without secrets, and our end of the socket to it."""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ingest.errors import SandboxUnavailable

MESSAGE = 65_536  # bytes of one message over the socket
_OURS = str(Path(__file__).parents[1])  # it runs the code that started it, and no other
_START_SECONDS = 20.0
_END_SECONDS = 1.0
_MOST_COMPLAINTS = 1 << 20
_ENVIRONMENT = {
    "LANG": "C.UTF-8", "PATH": "/nonexistent", "PYTHONPATH": _OURS,
    "OPENBLAS_NUM_THREADS": "1",  # a process that forks has one thread
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # pixels on large pages: a quarter of the faults
}  # fmt: skip


def unheard() -> None:
    """Close the way for complaints, in a warm process that is ready: evidence may cause them."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


class Warm:
    """A process that says when it is ready, and then answers messages.

    Raises:
        SandboxUnavailable: it cannot be started, or does not say that it is ready.
    """

    def __init__(
        self, python: Sequence[str], module: str, *arguments: str, **environment: str
    ) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # What it complains of until it is ready: after that it meets evidence, and is not heard.
        complaints = os.fdopen(os.memfd_create("complaints"), "r+b")
        with theirs, complaints:
            command = [*python, "-m", module, str(theirs.fileno()), str(os.getpid())]
            try:
                self.process = subprocess.Popen(
                    [*command, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                    pass_fds=[theirs.fileno()],
                    # No variable of the service reaches it: no secret to find, nothing to steer.
                    env=_ENVIRONMENT | environment,
                    start_new_session=True,  # Ctrl-C is for the service, which then closes it
                )
            except OSError as error:
                self.channel.close()
                raise SandboxUnavailable(f"the sandbox cannot be started: {error}") from error
            theirs.close()
            try:
                hello = self.hear(_START_SECONDS)
                if hello is None:
                    hello = {"error": f"it ended at once: {self._ended(complaints)}"}
                if not hello.get("ready"):
                    raise self.not_ready(hello)
            except BaseException:
                self.close()
                raise
        self.hello: dict[str, Any] = hello

    @staticmethod
    def not_ready(hello: dict[str, Any]) -> Exception:
        """Return the error that says why it did not get ready, of what it said."""
        return SandboxUnavailable(f"the sandbox cannot be started: {hello}")

    def _ended(self, complaints: BinaryIO) -> str:
        """Return how it ended before it was ready, and its last complaint."""
        try:
            code = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its socket"
        complaints.seek(0)
        lines = complaints.read(_MOST_COMPLAINTS).decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "nothing was said")
        return f"signal {-code}" if code < 0 else f"exit code {code}, {last[:300]}"

    def close(self) -> None:
        """End it, and what it forked (PR_SET_PDEATHSIG)."""
        self.channel.close()
        self.process.kill()
        self.process.wait()

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """Return its next message; None: it died, or is no longer our code.

        Raises:
            SandboxUnavailable: nothing came in time.
        """
        self.channel.settimeout(max(0.01, seconds))
        try:
            heard = json.loads(self.channel.recv(MESSAGE))
        except TimeoutError as error:
            raise SandboxUnavailable("the sandbox does not answer") from error
        except (OSError, ValueError, RecursionError):
            return None
        return heard if isinstance(heard, dict) else None
