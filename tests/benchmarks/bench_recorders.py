"""Acknowledged entries per second with 64 recorders on SQLite and PostgreSQL.

python -m tests.benchmarks.bench_recorders [--seconds 5] [--recorders 64] [--processes 1,4,16]

Every `record` returns after COMMIT; each transaction holds a signed checkpoint. Entries are
openings of reads as analysts make them: an exhibit, five withheld fields. The recorders are spread
over the processes. Before it is measured each database is warmed up: a fresh PostgreSQL fills new
WAL files with zeros, which one that has run for an hour does not.
"""

import argparse
import multiprocessing
import threading
import time

from tests.benchmarks.house_of import say, workplace
from tests.custody.conftest import Kept, connect, make
from tests.postgres import postgres_server


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--warm", type=float, default=8)
    arguments.add_argument("--recorders", type=int, default=64)
    arguments.add_argument("--processes", default="1,4,16")
    arguments.add_argument("--databases", default="sqlite,postgresql")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    numbers = [int(word) for word in given.processes.split(",")]
    say("database     processes  recorders  acknowledged/s   p50 ms   p99 ms  most ms")
    with workplace(given.on) as place:
        if "sqlite" in given.databases:
            kept = make(place)
            run(kept, 1, given.recorders, given.warm / 4)
            measure("sqlite", kept, numbers, given.recorders, given.seconds)
        if "postgresql" in given.databases:
            settings = {"min_wal_size": "2GB", "max_wal_size": "4GB"}
            with postgres_server(**settings) as url:
                kept = make(place, "pg", url=url)
                run(kept, 1, given.recorders, given.warm)
                with kept.database.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                    connection.exec_driver_sql("CHECKPOINT")
                measure("postgresql", kept, numbers, given.recorders, given.seconds)


def measure(name: str, kept: Kept, processes: list[int], recorders: int, seconds: float) -> None:
    for number in processes:
        times = sorted(run(kept, number, max(1, recorders // number), seconds))
        rate = len(times) / seconds
        p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
        most = times[-1] * 1000
        say(f"{name:12} {number:9} {recorders:10} {rate:15.0f} {p50:8.1f} {p99:8.1f} {most:8.1f}")


def run(kept: Kept, processes: int, threads: int, seconds: float) -> list[float]:
    """Return the time of every acknowledged record of a run, in seconds."""
    kept.database.close()
    if processes == 1:
        return record_for(connect(kept), threads, seconds)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    go = context.Barrier(processes)
    children = [
        context.Process(target=child, args=(kept, threads, seconds, go, queue))
        for _ in range(processes)
    ]
    for one in children:
        one.start()
    found = [queue.get() for _ in children]
    for one in children:
        one.join()
    return [each for times in found for each in times]


def child(kept: Kept, threads: int, seconds: float, go: object, queue: object) -> None:
    own = connect(kept)
    own.ledger.size()
    go.wait()  # type: ignore[attr-defined]
    queue.put(record_for(own, threads, seconds))  # type: ignore[attr-defined]


def record_for(kept: Kept, threads: int, seconds: float) -> list[float]:
    found: list[list[float]] = [[] for _ in range(threads)]
    end = time.perf_counter() + seconds

    def recorder(number: int) -> None:
        times = found[number]
        n = 0
        while (began := time.perf_counter()) < end:
            kept.ledger.record(kept.draft(n))
            times.append(time.perf_counter() - began)
            n += 1

    running = [threading.Thread(target=recorder, args=(number,)) for number in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    kept.database.close()
    return [each for times in found for each in times]


if __name__ == "__main__":
    main()
