"""The line to PostgreSQL is cut at COMMIT: who asked does not know whether it happened.

    python -m tests.faults.cut_commits [--cuts 100] [--seed 1]

A proxy of our own stands before a real server and knows COMMIT when it passes. In half of the cuts
the server has committed and its answer is thrown away, in the other half it never heard of it.
Service and worker go on by themselves; clients send again what was not answered.
"""

import argparse
import os
import random
import socket
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from tests.benchmarks.house_of import say
from tests.faults.checker import Judged
from tests.faults.load import DURING_WORK, Load
from tests.faults.scene import scene
from tests.postgres import Server, find_or_skip

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # a simple query of the protocol, version 3
KINDS = ("answer lost", "never arrived")
PATIENCE = 60.0


class CommitProxy:
    """Passes on what goes to a server and comes back, until `cut` is said."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._armed: str | None = None
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, kind: str) -> bool:
        """Cut the line of whoever commits next; say whether anybody did."""
        before = self.done.total()
        with self._lock:
            self._armed = kind
        end = time.monotonic() + PATIENCE
        while self.done.total() == before and time.monotonic() < end:
            time.sleep(0.002)
        return self.done.total() > before

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._line, args=(client, server), daemon=True).start()

    def _line(self, client: socket.socket, server: socket.socket) -> None:
        deaf = threading.Event()  # what the server still answers is thrown away
        back = threading.Thread(target=self._back, args=(client, server, deaf), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                kind = self._drawn() if data.endswith(COMMIT) else None
                if kind == "answer lost":
                    deaf.set()
                    server.sendall(data)
                    back.join(PATIENCE)  # it ends with the answer to it
                if kind is not None:
                    self.done[kind] += 1
                    break
                server.sendall(data)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _back(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if deaf.is_set():
                    return
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _drawn(self) -> str | None:
        with self._lock:
            kind, self._armed = self._armed, None
        return kind


def run(cuts: int, seed: int, *, threads: int = 4) -> tuple[Judged, Counter[str]]:
    """Return what so many cuts under load came to, and how many there were of each kind."""
    find_or_skip()
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        server = Server()
        server.make()
        server.start()
        proxy = CommitProxy(server.port)
        url = make_url(server.url).set(port=proxy.port).render_as_string()
        try:
            with scene(Path(name) / "house", database_url=url) as stage:
                stage.service.start()
                stage.worker.start()
                with Load([stage.service.place], stage.tokens, threads=threads, seed=seed) as told:
                    told.await_more()
                    for _ in range(cuts):
                        if draw.random() < DURING_WORK:
                            told.await_more()
                        time.sleep(draw.uniform(0.0, 0.3))
                        if not proxy.cut(draw.choice(KINDS)):
                            told.failed(f"nobody committed for {PATIENCE:g} s")
                    told.await_more()
                judged = stage.judged(told)
                return judged, proxy.done
        finally:
            proxy.close()
            server.stop()


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--cuts", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    began = time.monotonic()
    found, done = run(given.cuts, given.seed)
    told = ", ".join(f"{kind} {count}" for kind, count in sorted(done.items()))
    say(f"COMMIT cut {done.total()} times in {time.monotonic() - began:.0f} s ({told}): {found}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
