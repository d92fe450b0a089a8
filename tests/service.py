"""The real service for tests and benchmarks: `evidence serve` and `evidence worker` as processes.

Each runs in a session of its own, so that `kill` ends all of it at once, as a power cut does.
"""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Self

from tests.shared import ROOT

PATIENCE = 120.0  # seconds to start, on a machine that may be busy
ENDS = 120.0  # to stop: requests have 25 s to end, the worker 10, on a machine that may be busy


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port


def evidence(data: Path, *words: object) -> list[str]:
    """Return the command line of `evidence` on a data folder."""
    return [sys.executable, "-m", "api.cli", "--data", str(data), "--json", *map(str, words)]


class Running:
    """A process in a session of its own; its words go to `log`, or nowhere."""

    def __init__(
        self, command: Sequence[str], *, log: Path | None = None, **environment: str
    ) -> None:
        self.command = list(command)
        self._log = log
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it; it may have run before."""
        assert not self.alive
        with (self._log or Path(os.devnull)).open("ab") as words:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, cwd="/",
                env=self._environment, start_new_session=True,
            )  # fmt: skip
        return self

    @contextmanager
    def until_answered(self, host: str, port: int) -> Iterator[Self]:
        """Run it until the end of the block, which begins once it listens."""
        self.start()
        try:
            for _ in range(400):
                with socket.socket() as probe:
                    if probe.connect_ex((host, port)) == 0:
                        break
                time.sleep(0.05)
            yield self
        finally:
            self.kill()

    def wait(self, seconds: float) -> int:
        """Wait until it has ended by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> int:
        """Ask it to end, as a service manager does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(ENDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {_described(self._process.pid)}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and all its children with kill -9."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # all of it may have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        _wait_for_group(self._process.pid)


class Service(Running):
    """`evidence serve` on a data folder."""

    def __init__(
        self, data: Path, *, host: str = "127.0.0.1", port: int | None = None,
        options: Sequence[str] = (), prefix: Sequence[str] = (), log: Path | None = None,
        **environment: str,
    ) -> None:  # fmt: skip
        """Prepare; nothing runs yet.

        Args:
            data: the data folder.
            host: where it listens.
            port: None: a free one.
            options: more words of `serve`.
            prefix: words before the command: `ip netns exec NAME`.
            log: a file for what it says.
            **environment: more variables.
        """
        self.host = host
        self.port = port or free_port("127.0.0.1" if prefix else host)
        self.tls = "--tls" in options
        words = evidence(data, "serve", "--host", host, "--port", self.port, *options)
        super().__init__([*prefix, *words], log=log, **environment)

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        super().start()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.alive:
            if answers(*self.place, tls=self.tls):
                return self
            time.sleep(0.05)
        self.kill()
        raise RuntimeError("the service did not start")


def answers(host: str, port: int, *, tls: bool = False) -> bool:
    """Return whether a service answers there."""
    try:
        with socket.create_connection((host, port), timeout=2) as line:
            with unverified().wrap_socket(line) if tls else nullcontext(line) as wrapped:
                wrapped.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return wrapped.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def serving(data: Path, **more: object) -> Iterator[Service]:
    """Run `evidence serve` until the end of the block; it must end cleanly."""
    service = Service(data, **more).start()  # type: ignore[arg-type]
    try:
        yield service
    except BaseException:
        service.kill()
        raise
    if service.alive:
        assert service.stop() == 0


def _wait_for_group(group: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and _members(group):
        time.sleep(0.01)


def _described(group: int) -> str:
    """Return what the processes of a group are and where each stands in the kernel."""
    found = []
    for pid in _members(group):
        with suppress(OSError):  # it may end meanwhile
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = re.findall(r"State:\t(.*)", Path(f"/proc/{pid}/status").read_text())
            found.append(f"{pid} {state} {Path(f'/proc/{pid}/wchan').read_text()} {words}")
    return "; ".join(found)


def _members(group: int) -> list[int]:
    """Return the processes of a group that still run; those that nobody has reaped do not."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if int(its_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found
