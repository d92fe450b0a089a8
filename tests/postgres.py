"""A PostgreSQL server of its own for tests and benchmarks: Debian's binaries, a fresh folder.

Skips with a reason on a machine without the server; fails under CI=true, where it must be there.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))


def find_or_skip() -> Path:
    """Return the folder of the server's programs, or skip the test."""
    if BINARIES:
        return BINARIES[-1]
    if os.environ.get("CI") == "true":
        pytest.fail("CI needs PostgreSQL's server (Debian: postgresql)")
    pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")


def _as_postgres() -> dict[str, int]:
    # The server refuses to run as root; Debian's package made this account.
    if os.getuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid}


class Server:
    """One server: its URL; `kill` and `start` are for the fault tests."""

    def __init__(self, folder: Path | None = None) -> None:
        """Prepare; without a folder that is kept, in one that is removed at the end."""
        # Not in pytest's folder: each pytest that begins closes it to other accounts.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="evidence-pg-"))
        if folder is None:
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.programs = BINARIES[-1]
        self.port = _free_port()
        # A socket's path is at most 107 bytes long: TCP on loopback instead.
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        account = _as_postgres()
        if account:
            shutil.chown(self.folder, account["user"], account["group"])
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres", "-N")

    def start(self, **settings: str) -> None:
        """Start the server as a child of ours, and wait until it answers."""
        words = [f"-p{self.port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
        words += [
            "-cmax_connections=200",
            *(f"-c{name}={value}" for name, value in settings.items()),
        ]
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                # After a kill its children hold the shared memory for a moment: it ends at once.
                with (self.folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(
                        [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *words],
                        stdout=subprocess.DEVNULL, stderr=log, cwd="/",
                        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **_as_postgres(),
                    )  # fmt: skip
            try:
                with psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2):
                    return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-500:]}")

    def stop(self) -> None:
        """End the server at once, and its children with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """End the server as kill -9 does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *words], check=False, capture_output=True, text=True,
            cwd="/", timeout=120, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            **_as_postgres(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@contextmanager
def postgres_server(**settings: str) -> Iterator[str]:
    """Yield the URL of a fresh server; it is stopped at the end."""
    find_or_skip()
    server = Server()
    server.make()
    server.start(**settings)
    try:
        yield server.url
    finally:
        server.stop()


@cache
def shared_server() -> Server:
    """Return one server for the whole run; it ends with it."""
    find_or_skip()
    server = Server()
    server.make()
    server.start()
    atexit.register(server.stop)
    return server


@contextmanager
def fresh_database(server: Server, *, copy_of: str | None = None) -> Iterator[str]:
    """Yield the URL of an empty database, or of a copy of one; it is dropped at the end."""
    name = f"t{os.urandom(6).hex()}"
    url = make_database(server, name, copy_of=copy_of)
    try:
        yield url
    finally:
        with _admin(server) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def make_database(server: Server, name: str, *, copy_of: str | None = None) -> str:
    """Make a database, empty or a copy of one to which nobody is connected; return its URL."""
    with _admin(server) as admin:
        admin.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{copy_of}"' if copy_of else ""))
    return server.url.removesuffix("/postgres") + f"/{name}"


def _admin(server: Server) -> psycopg.Connection:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
