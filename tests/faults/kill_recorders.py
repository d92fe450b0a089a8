"""Kill what records, or the database, at random moments; then nothing acknowledged may be missing.

    python -m tests.faults.kill_recorders [--kills 1000] [--database sqlite|postgresql]

SQLite: the recording process gets kill -9. PostgreSQL: its server does, while recorders go on.
After every kill the acknowledged entries are looked up, and the root is computed again from the
bodies; at the end the whole ledger is audited.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from custody import tables
from custody.audit import audit
from custody.errors import LedgerUnavailable
from custody.heads import last_head
from custody.merkle import Frontier, leaf_hash
from tests.benchmarks.house_of import say
from tests.custody.conftest import Kept, connect, make
from tests.postgres import Server, find_or_skip

THREADS = 8
_LINE = 8 + 32  # index and leaf of an acknowledged entry


@dataclass
class Counted:
    """What came of the kills."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    roots_that_differ: int = 0
    failed_audits: int = 0


def record_for_ever(kept: Kept, acknowledged: Path) -> None:
    """Record with many threads; write down each entry once it is acknowledged."""
    own = connect(kept)
    out = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def recorder(n: int) -> None:
        while True:
            n += 1
            try:
                [entry] = own.ledger.record(own.draft(n))
            except LedgerUnavailable:
                time.sleep(0.02)  # the database is away: not acknowledged, so nothing to keep
                continue
            os.write(out, entry.index.to_bytes(8, "big") + leaf_hash(entry.body))

    running = [threading.Thread(target=recorder, args=(n,), daemon=True) for n in range(THREADS)]
    for one in running:
        one.start()
    for one in running:
        one.join()


@contextlib.contextmanager
def recording(kept: Kept, acknowledged: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    kept.database.close()
    child = multiprocessing.get_context("fork").Process(
        target=record_for_ever, args=(kept, acknowledged)
    )
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


class Checker:
    """Looks the acknowledged entries up and computes the root on from the last check."""

    def __init__(self, kept: Kept, acknowledged: Path, counted: Counted) -> None:
        self._kept, self._file, self._counted = kept, acknowledged, counted
        self.read = 0
        self._frontier = Frontier()

    def check(self) -> None:
        data = self._file.read_bytes()[self.read :] if self._file.exists() else b""
        whole = len(data) - len(data) % _LINE
        self.read += whole
        with self._kept.database.reading() as session:
            head = last_head(session)
            rows = session.execute(
                select(tables.entry.c.idx, tables.entry.c.body)
                .where(tables.entry.c.idx >= self._frontier.size, tables.entry.c.idx < head.size)
                .order_by(tables.entry.c.idx)
            ).all()
        fresh = {row.idx: leaf_hash(bytes(row.body)) for row in rows}
        for leaf in fresh.values():
            self._frontier.append(leaf)
        if (self._frontier.size, self._frontier.root()) != (head.size, head.frontier.root()):
            self._counted.roots_that_differ += 1
        for start in range(0, whole, _LINE):
            index = int.from_bytes(data[start : start + 8], "big")
            self._counted.acknowledged += 1
            if fresh.get(index) != data[start + 8 : start + _LINE]:
                self._counted.lost += 1
        self._kept.database.close()


def run_sqlite(kills: int, seed: int) -> Counted:
    draw, counted = random.Random(seed), Counted()
    with tempfile.TemporaryDirectory() as name:
        kept = make(Path(name))
        acknowledged = Path(name, "acknowledged")
        checker = Checker(kept, acknowledged, counted)
        for _ in range(kills):
            with recording(kept, acknowledged) as child:
                if draw.random() < 0.8:  # at work; else it may be killed before
                    _more(acknowledged, than=checker.read)
                time.sleep(draw.uniform(0.02, 0.12))
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                counted.kills += 1
            checker.check()
        _audit(kept, counted)
    return counted


def run_postgres(kills: int, seed: int) -> Counted:
    find_or_skip()
    draw, counted = random.Random(seed), Counted()
    with tempfile.TemporaryDirectory() as name:
        server = Server()
        server.make()
        server.start()
        try:
            kept = make(Path(name), url=server.url)
            acknowledged = Path(name, "acknowledged")
            checker = Checker(kept, acknowledged, counted)
            with recording(kept, acknowledged):
                for _ in range(kills):
                    _more(acknowledged, than=_size(acknowledged))
                    time.sleep(draw.uniform(0.1, 0.5))
                    server.kill()
                    counted.kills += 1
                    server.start()
            checker.check()  # no recorder any more: every line is whole
            _audit(kept, counted)
        finally:
            server.stop()
    return counted


def _more(acknowledged: Path, than: int) -> None:
    """Wait until something was acknowledged since a size of the file."""
    until = time.monotonic() + 60
    while _size(acknowledged) <= than:
        assert time.monotonic() < until, "nothing is acknowledged any more"
        time.sleep(0.005)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _audit(kept: Kept, counted: Counted) -> None:
    found = audit(kept.database, keys=kept.ledger.key_history(), wrapping_key=kept.wrapping_key)
    counted.failed_audits += sum(one.outcome == "fail" for one in found)
    kept.database.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=1000)
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    arguments.add_argument("--seed", type=int, default=20261121)
    given = arguments.parse_args()
    run = run_sqlite if given.database == "sqlite" else run_postgres
    say(str(run(given.kills, given.seed)))


if __name__ == "__main__":
    main()
