"""The ledger's database is gone for a while, under readers: no byte of evidence is served.

python -m tests.faults.database_off [--seconds 60] [--clients 8]

Three ways to be gone: PostgreSQL stopped, PostgreSQL paused (it holds every connection and says
nothing), SQLite locked by another process. Counted are bytes of answers to requests that began
while it was gone, when it was back the time to the first byte, and to a byte for every client.
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.benchmarks.house_of import say
from tests.faults.scene import token_of
from tests.house import CODE, House, make_house
from tests.postgres import Server, find_or_skip
from tests.service import Service, serving

SIZE = 3 << 20
AHEAD = {"EVIDENCE_RATE_PER_TOKEN": "0", "EVIDENCE_RATE_PER_ADDRESS": "0"}


@dataclass
class Asked:
    """One request for content: when it began, what came, and when its first byte did."""

    began: float
    status: int | None  # None: no answer
    received: int
    first: float | None
    ended: float = 0.0


@dataclass
class Counted:
    """What came while the database was gone, and how soon it was right again."""

    asked: int = 0  # requests that began while it was gone
    served: int = 0  # bytes of evidence in their answers, before it was back
    healthy: int = 0  # answers of /healthz meanwhile
    sick: int = 0  # and those that it owed
    before: int = 0  # bytes served before
    back: float = 0.0  # seconds from its return to the first byte of evidence
    all_back: float = 0.0  # until every client had one
    longest: float = 0.0  # seconds that a request waited for its refusal
    statuses: dict[str, int] = field(default_factory=dict)


class Reader(threading.Thread):
    """A client that reads one exhibit again and again, whole."""

    def __init__(self, service: Service, number: str, token: str, stop: threading.Event) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self._service, self._number, self._stop_it = service, number, stop
        self._headers = {"Authorization": f"Bearer {token}", "Evidence-Purpose": "analysis"}

    def run(self) -> None:
        while not self._stop_it.is_set():
            one = Asked(time.monotonic(), None, 0, None)
            self.asked.append(one)
            line = HTTPConnection(*self._service.place, timeout=120)
            try:
                line.request("GET", f"/api/v1/exhibits/{self._number}/content", None, self._headers)
                answer = line.getresponse()
                one.status = answer.status
                while block := answer.read(1 << 16):
                    if answer.status == 200:
                        one.first = one.first or time.monotonic()
                        one.received += len(block)
            except (OSError, HTTPException):
                one.status = one.status or 0
            finally:
                line.close()
                one.ended = time.monotonic()
            time.sleep(0.02)


def run(
    house: House, off: Callable[[], None], on: Callable[[], None], *, seconds: float, clients: int,
    **environment: str,
) -> Counted:  # fmt: skip
    """Serve a house, take its database away and give it back; return what clients saw."""
    token, handed_in = token_of(house, "analyst"), token_of(house, "investigator")
    house.repo.close()
    stop, found = threading.Event(), Counted()
    with serving(
        house.data, log=house.data.parent / "serve.log", **environment, **AHEAD
    ) as service:
        number = _hand_in(service, handed_in)
        readers = [Reader(service, number, token, stop) for _ in range(clients)]
        for one in readers:
            one.start()
        try:
            _until_served(readers)
            off()
            gone = time.monotonic()
            # The others may all hang in what they had asked before: one more comes now.
            readers.append(Reader(service, number, token, stop))
            readers[-1].start()
            while time.monotonic() < gone + seconds:
                healthy = _healthy(service)
                found.healthy += healthy
                found.sick += not healthy
                time.sleep(0.25)
            returning = time.monotonic()  # it may answer before `on` has seen that it does
            on()
            back = time.monotonic()
            while time.monotonic() < back + 20 and not all(_since(one, back) for one in readers):
                time.sleep(0.02)
            time.sleep(0.5)
        finally:
            stop.set()
            for one in readers:
                one.join()
    _count(found, readers, gone, returning, back)
    return found


def _until_served(readers: list[Reader]) -> None:
    """Wait until every client was given something."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not all(_since(one, 0.0) for one in readers):
        time.sleep(0.02)


def _since(reader: Reader, moment: float) -> float | None:
    """Return when a client was first given a byte after a moment."""
    firsts = [one.first for one in reader.asked.copy() if one.first and one.first >= moment]
    return min(firsts, default=None)


def _count(
    found: Counted, readers: list[Reader], gone: float, returning: float, back: float
) -> None:  # fmt: skip
    for one in (asked for reader in readers for asked in reader.asked):
        if one.began < gone:
            found.before += one.received
        elif one.began < returning:
            found.asked += 1
            if one.status == 503:
                found.longest = max(found.longest, one.ended - one.began)
            found.served += one.received if one.first and one.first < returning else 0
            kind = "no answer" if not one.status else str(one.status)
            found.statuses[kind] = found.statuses.get(kind, 0) + 1
    times = [_since(reader, back) for reader in readers]
    found.back = min((at for at in times if at), default=float("inf")) - back
    found.all_back = max(at or float("inf") for at in times) - back


def _hand_in(service: Service, token: str) -> str:
    line = HTTPConnection(*service.place, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    line.request("POST", f"/api/v1/exhibits?case={CODE}", os.urandom(SIZE), headers)
    made = json.loads(line.getresponse().read())
    line.close()
    number: str = made["exhibit"]
    return number


def _healthy(service: Service) -> bool:
    line = HTTPConnection(*service.place, timeout=5)
    try:
        line.request("GET", "/healthz")
        return line.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        line.close()


@contextmanager
def _postgres(folder: Path) -> Iterator[tuple[Server, House]]:
    find_or_skip()
    server = Server()
    server.make()
    server.start()
    try:
        yield server, make_house(folder / "house", database_url=server.url)
    finally:
        server.stop()


def stopped(folder: Path, *, seconds: float, clients: int) -> Counted:
    """PostgreSQL is stopped at once, and started again."""
    with _postgres(folder) as (server, house):
        return run(house, server.stop, server.start, seconds=seconds, clients=clients,
                   EVIDENCE_DATABASE_URL=server.url)  # fmt: skip


def paused(folder: Path, *, seconds: float, clients: int, **environment: str) -> Counted:
    """PostgreSQL and all its children stand still: connections are open and nobody answers."""
    with _postgres(folder) as (server, house):
        still: list[int] = []

        def off() -> None:
            assert server._process is not None
            parent = server._process.pid
            os.kill(parent, signal.SIGSTOP)
            listed = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(parent)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            still.extend([parent, *map(int, listed.stdout.split())])
            for pid in still[1:]:
                os.kill(pid, signal.SIGSTOP)

        def on() -> None:
            for pid in reversed(still):
                os.kill(pid, signal.SIGCONT)

        return run(house, off, on, seconds=seconds, clients=clients,
                   EVIDENCE_DATABASE_URL=server.url, **environment)  # fmt: skip


def locked(folder: Path, *, seconds: float, clients: int) -> Counted:
    """SQLite is locked for writing by another process: nothing can be recorded."""
    house = make_house(folder / "house")
    with closing(
        sqlite3.connect(
            house.data / "evidence.db", isolation_level=None, timeout=30, check_same_thread=False
        )
    ) as other:
        return run(
            house, lambda: _execute(other, "BEGIN IMMEDIATE"), lambda: _execute(other, "ROLLBACK"),
            seconds=seconds, clients=clients, EVIDENCE_DATABASE_TIMEOUT="1",
        )  # fmt: skip


def _execute(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute(statement)


WAYS = {"PostgreSQL stopped": stopped, "PostgreSQL paused": paused, "SQLite locked": locked}


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--clients", type=int, default=8)
    given = arguments.parse_args()
    bad = 0
    say(f"| {given.seconds:g} s, {given.clients} clients | requests meanwhile | answers | "
        "bytes served | longest until 503 | /healthz | first byte after | every client after |"
    )  # fmt: skip
    say("|---|---|---|---|---|---|---|---|")
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o755)
            found = way(Path(place), seconds=given.seconds, clients=given.clients)
        answers = ", ".join(f"{kind}: {n}" for kind, n in sorted(found.statuses.items()))
        say(f"| {name} | {found.asked} | {answers} | {found.served} | {found.longest:.1f} s | "
            f"{found.healthy}/{found.healthy + found.sick} | {found.back:.2f} s | "
            f"{found.all_back:.2f} s |")  # fmt: skip
        bad += found.served > 0 or found.sick > 0 or found.back > 2
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
