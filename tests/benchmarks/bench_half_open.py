"""An honest request while 300 connections are half open and 40 uploads are slow.

    python -m tests.benchmarks.bench_half_open [--seconds 20] [--tls] [--database postgresql]

A third of the half-open connections says nothing (with TLS not even its greeting), a third stops in
the middle of its head, a third drips a header line a second; what the service ends is opened again
at once. Half of the slow uploads are plain, half resumable. The limit: p95 of the honest requests
≤ 1 s.
"""

import argparse
import http.client
import os
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.benchmarks.house_of import new_house, new_token, say, workplace
from tests.postgres import fresh_database, shared_server
from tests.service import Service, serving, unverified
from tests.wire import UPLOADS, metadata

HALF_OPEN = 300
SLOW = 40
HEADS = (b"", b"GET /api/v1/cases HTTP/1.1\r\nHost: x\r\n", b"GET /api/v1/cases HTTP/1.1\r\n")


class Held:
    """Connections that are kept open until the end; `ended` counts those the service ended."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ended = 0
        self._lines: list[tuple[socket.socket, bytes, bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)

    def open(self, first: bytes, each_second: bytes) -> None:
        line = socket.create_connection(self.service.place, timeout=10)
        if self.service.tls and first:
            line = unverified().wrap_socket(line)
        line.sendall(first)
        line.setblocking(False)
        self._lines.append((line, first, each_second))

    def _drip(self) -> None:
        while not self._stop.wait(1.0):
            for one in self._lines.copy():
                line, first, more = one
                try:
                    if more:
                        line.send(more)
                    if line.recv(1) == b"":
                        raise ConnectionResetError
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                except OSError:
                    self.ended += 1
                    self._lines.remove(one)
                    line.close()
                    with suppress(OSError):
                        self.open(first, more)

    @contextmanager
    def kept(self) -> Iterator["Held"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()
            for line, _, _ in self._lines:
                line.close()


def slow_upload(token: str, *, resumable: bool) -> bytes:
    """Return the beginning of an upload of 1 GiB."""
    size = 1 << 30
    head = f"POST /api/v1/exhibits?case=KRN HTTP/1.1\r\nContent-Length: {size}\r\n"
    if resumable:
        head = (
            f"POST {UPLOADS} HTTP/1.1\r\nContent-Length: {size}\r\nUpload-Length: {size}\r\n"
            f"Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Upload-Metadata: {metadata(case=b'KRN', filename=b'slow')}\r\n"
        )
    head += f"Host: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    return head.encode() + os.urandom(65536)


def honest(service: Service, token: str, seconds: float) -> list[float]:
    """Ask for the list of cases on fresh connections, one after the other; return the times."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        line: http.client.HTTPConnection
        if service.tls:
            line = http.client.HTTPSConnection(*service.place, timeout=60, context=unverified())
        else:
            line = http.client.HTTPConnection(*service.place, timeout=60)
        line.request("GET", "/api/v1/cases", headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        answer.read()
        assert answer.status == 200
        line.close()
        times.append(time.perf_counter() - start)
        time.sleep(0.02)
    return times


def tell(what: str, times: list[float], service: Service) -> None:
    cuts = statistics.quantiles(times, n=100)
    threads, memory = footprint(service.pid)
    say(
        f"{what:45} {len(times):5} requests: p50 {cuts[49] * 1e3:6.1f}  p95 {cuts[94] * 1e3:6.1f}  "
        f"worst {max(times) * 1e3:7.1f} ms; the service: {threads} threads, {memory:.0f} MiB"
    )


def footprint(pid: int) -> tuple[int, float]:
    """Return threads and resident memory of a process and its children, without shared pages."""
    threads, kib = 0, 0
    for folder in (Path("/proc", str(one)) for one in family(pid)):
        status = (folder / "status").read_text()
        threads += int(status.split("Threads:")[1].split()[0])
        smaps = (folder / "smaps_rollup").read_text()
        kib += int(smaps.split("Pss:")[1].split()[0])
    return threads, kib / 1024


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *(one for child in text.split() for one in family(int(child)))]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--small", action="store_true", help="a quick run")
    arguments.add_argument("--tls", action="store_true")
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    seconds = 3 if given.small else given.seconds
    with workplace(given.on) as place, ExitStack() as stack:
        if given.database == "postgresql":
            url = stack.enter_context(fresh_database(shared_server()))
            os.environ["EVIDENCE_DATABASE_URL"] = url
        data = place / "data"
        new_house(data)
        token = new_token(data)
        with serving(data, options=["--tls"] if given.tls else []) as service:
            measure(service, token, seconds)


def measure(service: Service, token: str, seconds: float) -> None:
    """Measure and print, step by step."""
    honest(service, token, 1)
    tell("alone", honest(service, token, seconds), service)
    held = Held(service)
    with held.kept():
        for n in range(HALF_OPEN):
            held.open(HEADS[n % 3], b"X-Slow: 1\r\n" if n % 3 == 2 else b"")
        time.sleep(1)
        tell(f"{HALF_OPEN} half open", honest(service, token, seconds), service)
        for n in range(SLOW):
            held.open(slow_upload(token, resumable=n % 2 == 1), os.urandom(10_000))
        time.sleep(1)
        times = honest(service, token, seconds)
        tell(f"{HALF_OPEN} half open, {SLOW} slow uploads", times, service)
    say(f"half-open connections that the service ended: {held.ended}")
    time.sleep(3)
    tell("alone again", honest(service, token, seconds), service)


if __name__ == "__main__":
    main()
