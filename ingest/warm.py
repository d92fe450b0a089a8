"""A process of ours that is kept warm, without secrets, and our end of the socket to it."""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.errors import SandboxUnavailable

MESSAGE = 65_536  # bytes of one message over the socket
_OURS = str(Path(__file__).parents[1])  # it runs the code that started it, and no other
_START_SECONDS = 20.0
_ENVIRONMENT = {
    "LANG": "C.UTF-8", "PATH": "/nonexistent", "PYTHONPATH": _OURS,
    "OPENBLAS_NUM_THREADS": "1",  # a process that forks has one thread
}  # fmt: skip


class Warm:
    """A process that says when it is ready, and then answers messages.

    Raises:
        SandboxUnavailable: it cannot be started, or does not say that it is ready.
    """

    def __init__(
        self, python: Sequence[str], module: str, *arguments: str, **environment: str
    ) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*python, "-m", module, str(theirs.fileno()), str(os.getpid())]
            try:
                self.process = subprocess.Popen(
                    [*command, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    # No variable of the service reaches it: no secret to find, nothing to steer.
                    env=_ENVIRONMENT | environment,
                    start_new_session=True,  # Ctrl-C is for the service, which then closes it
                )
            except OSError as error:
                self.channel.close()
                raise SandboxUnavailable(f"the sandbox cannot be started: {error}") from error
        try:
            hello = self.hear(_START_SECONDS)
            if hello is None or not hello.get("ready"):
                raise self.not_ready(hello)
        except BaseException:
            self.close()
            raise
        self.hello: dict[str, Any] = hello

    @staticmethod
    def not_ready(hello: dict[str, Any] | None) -> Exception:
        """Return the error that says why it did not get ready, of what it said."""
        return SandboxUnavailable(f"the sandbox cannot be started: {hello}")

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
