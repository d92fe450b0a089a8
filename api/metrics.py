"""Counts for Prometheus: requests, how long they took, refusals; served on a port of their own.

Labels are words of this program (methods, routes, statuses, types of problems): no person, case or
exhibit is in them. The processes of the service write into files of a folder, another process adds
them up when it is asked, and takes the measures of the house (`ingest.wellbeing`) beside them.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Sequence
from wsgiref.simple_server import WSGIRequestHandler, make_server

from api.told import Told
from config.settings import Settings
from custody.errors import EvidenceError
from ingest.wellbeing import Measure, measures
from repository import Repository, open_repository

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable, read when it is imported
MEASURED = 30.0  # seconds for which measures of the house are good
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


class HouseMeasures:
    """The measures of the house, as gauges.

    `evidence_person_needed{measure}`: 1 where a person is needed, and where it could not be looked
    at; `evidence_measure{measure,unit}`: its number; `evidence_house_readable`: 0 where the house
    cannot be opened, and nothing is known of it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._repo: Repository | None = None
        self._found: Sequence[Measure] = ()
        self._at: float | None = None

    def collect(self) -> Iterable[object]:
        """Yield the gauges; called for each question that Prometheus asks."""
        from prometheus_client.core import GaugeMetricFamily

        readable = self._look()
        yield GaugeMetricFamily(
            "evidence_house_readable", "Whether the house could be opened.", value=readable
        )
        needed = GaugeMetricFamily(
            "evidence_person_needed", "Whether a person is needed.", labels=["measure"]
        )
        values = GaugeMetricFamily(
            "evidence_measure", "What was measured, in its unit.", labels=["measure", "unit"]
        )
        for one in self._found if readable else ():
            needed.add_metric([one.name], one.needs_person)
            if one.value is not None:
                values.add_metric([one.name, one.unit.replace(" ", "_")], one.value)
        yield from (needed, values)

    def close(self) -> None:
        """Close the house, if it was opened."""
        if self._repo is not None:
            self._repo.close()

    def _look(self) -> bool:
        if self._at is not None and time.monotonic() - self._at < MEASURED:
            return True
        self._at = None
        try:
            if self._repo is None:
                self._repo = open_repository(self._settings)
            self._found = measures(self._repo)
        except (EvidenceError, OSError):
            return False
        self._at = time.monotonic()
        return True


def start(listener: socket.socket, settings: Settings) -> int:
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
        _serve(listener, service, settings)
    finally:
        os._exit(0)


def _serve(listener: socket.socket, service: int, settings: Settings) -> None:
    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.multiprocess import MultiProcessCollector

    stop = Told()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    house = HouseMeasures(settings)
    registry.register(house)  # type: ignore[arg-type]
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=_Quiet) as server:
        server.socket.close()
        server.socket = listener
        server.timeout = 0.5
        while os.getppid() == service and not stop:
            server.handle_request()
    house.close()
    shutil.rmtree(os.environ[FOLDER])
