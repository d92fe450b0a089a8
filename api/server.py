"""Run the application under gunicorn: two processes, many threads, bodies streamed."""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from api.errors import PortInUse

MakeApp = Callable[[], Flask]

WORKERS = 2
THREADS = 64
CONNECTIONS = 2000


def claim(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, before anything else is started.

    Raises:
        PortInUse: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
            "worker_class": "gthread",
            "threads": THREADS,
            "worker_connections": CONNECTIONS,
            "graceful_timeout": 30,
            "timeout": 120,
            "proc_name": "evidence",
            "loglevel": "warning",
            "limit_request_line": 8190,
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
