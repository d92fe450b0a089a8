"""Counts for Prometheus: requests, how long they took, refusals; served on a port of their own.

Labels are words of this program (methods, routes, statuses, types of problems): no person, case or
exhibit is in them. The processes of the service write into files of a folder, another process adds
them up when it is asked.
"""

import os
import shutil
import socket
import tempfile
from wsgiref.simple_server import WSGIRequestHandler, make_server

from api.told import Told

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable, read when it is imported
_STEPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()
        self._requests = Counter(
            "evidence_requests", "Requests answered.", ["method", "route", "status"], registry=own
        )
        self._seconds = Histogram(
            "evidence_request_seconds", "From the head of a request to the end of its answer.",
            ["route"], buckets=_STEPS, registry=own,
        )  # fmt: skip
        self._problems = Counter(
            "evidence_problems", "Requests refused or failed, by type of problem.", ["type"],
            registry=own,
        )  # fmt: skip

    def answered(
        self, method: str, route: str, status: int, seconds: float, problem: str | None
    ) -> None:
        """Count a request that has ended."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if problem:
            self._problems.labels(problem).inc()


class _Quiet(WSGIRequestHandler):
    timeout = 5  # for one that asks slowly: there is one at a time

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing of who asked."""


def start(listener: socket.socket) -> int:
    """Fork the process that serves the counts of all others; return its id.

    Called before anything imports prometheus_client: it decides then where counts are kept.
    """
    folder = tempfile.mkdtemp(prefix="evidence-metrics-")
    os.environ[FOLDER] = folder
    service = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        _serve(listener, service)
    finally:
        os._exit(0)


def _serve(listener: socket.socket, service: int) -> None:
    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.multiprocess import MultiProcessCollector

    stop = Told()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=_Quiet) as server:
        server.socket.close()
        server.socket = listener
        server.timeout = 0.5
        while os.getppid() == service and not stop:
            server.handle_request()
    shutil.rmtree(os.environ[FOLDER])
