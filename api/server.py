"""Run the application under gunicorn: two processes, many threads, bodies streamed.

A slow upload, and a client that never ends its request, hold a thread each; a thread costs little
(docs/decisions/0014). What holds one for nothing is bounded: the head of a request has
`HEAD_SECONDS`, a dead peer is found by TCP, and a closing connection lingers in its own thread, not
in the loop that accepts.
"""

import errno
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from api.body import stopping
from api.errors import PortInUse
from api.logs import JsonLines

MakeApp = Callable[[], Flask]

WORKERS = 2
THREADS = 512  # of one process; made as they are needed
CONNECTIONS = 2000  # of one process, those without a request at the moment included
HEAD_SECONDS = 20.0  # for TLS and the head of a request, however slowly it drips
LINGER_SECONDS = 2.0
KEEP_ALIVE = 20  # seconds between two requests on one connection
# A connection stays with the process that took it: who has more of them lets another be first.
YIELD_SECONDS = 0.0005  # for each that it has
MOST_YIELDED = 8
FILES = 512  # descriptors of one process beside its connections: database, store


def claim(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, before anything else is started.

    Raises:
        PortInUse: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit these: a peer that is gone is found within two minutes.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000)
    try:
        listener.bind((host, port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        why = (
            "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        )
        raise PortInUse(f"{host}:{port} {why}; choose another with --port") from error
    return listener


def run(make_app: MakeApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Serve until told to stop; each worker process makes its own application."""
    _Server(make_app, listener, tls).run()


def _connections() -> int:
    """Return how many connections a process may hold; each is a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        wanted = soft
    return max(wanted - FILES, THREADS + 1)


def _linger(line: socket.socket) -> None:
    """End a connection so that the client can read the answer: here, in its own thread.

    gunicorn would wait for the client in the loop that accepts; a shut socket it closes at once.
    """
    end, dropped = time.monotonic() + LINGER_SECONDS, 0
    with suppress(OSError):
        line.shutdown(socket.SHUT_WR)
        while dropped < 1 << 16 and (left := end - time.monotonic()) > 0:
            line.settimeout(left)
            if not (data := line.recv(4096)):
                break
            dropped += len(data)
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's threads, with an end to what would hold one for ever."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._heads: dict[Any, float] = {}  # connections whose request is not read yet -> until

    def accept(self, listener: Any) -> None:
        """Take a connection, unless a process with fewer took it meanwhile."""
        # gunicorn counts one down twice where closing it fails: it may come below nothing.
        time.sleep(YIELD_SECONDS * max(0, min(self.nr_conns, MOST_YIELDED)))
        super().accept(listener)

    def handle(self, conn: Any) -> Any:
        """Serve one request on a connection, in a thread."""
        self._heads[conn] = time.monotonic() + HEAD_SECONDS
        try:
            kept = super().handle(conn)
        finally:
            self._heads.pop(conn, None)
        if not kept:
            _linger(conn.sock)
        return kept

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head was read."""
        self._heads.pop(conn, None)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """End what is late; called by the loop once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, end in self._heads.copy().items():
            if end < now:
                with suppress(OSError):  # it may have ended by itself
                    # Not the method of a TLS socket, which would forget its state meanwhile.
                    socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop: uploads on their way end, with what arrived."""
        stopping.set()
        super().handle_exit(sig, frame)


class _Log(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own words as JSON lines: it would write addresses, which name evidence."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    def __init__(
        self, make_app: MakeApp, listener: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        self._make_app = make_app
        self._listener = listener
        self._tls = tls
        super().__init__()

    def load_config(self) -> None:
        os.set_inheritable(self._listener.fileno(), True)
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener.fileno()}",
            "workers": WORKERS,
            "worker_class": Worker,
            "threads": THREADS,
            "worker_connections": _connections(),
            "keepalive": KEEP_ALIVE,
            "graceful_timeout": 25,
            "timeout": 120,
            "proc_name": "evidence",
            "loglevel": "warning",
            "logger_class": _Log,
            "limit_request_line": 8190,
            # A name of evidence has up to 10 kB, and travels in a header in base64.
            "limit_request_field_size": 1 << 16,
            "limit_request_fields": 40,
            "control_socket_disable": True,
        }
        if self._tls is not None:
            # One context for all connections: gunicorn would open the key for each of them.
            options["certfile"] = options["keyfile"] = os.devnull  # only asked whether it exists
            options["ssl_context"] = lambda _conf, _default: self._tls
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        # In each worker process: connections do not survive a fork.
        return self._make_app()
