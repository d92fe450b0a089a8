"""Many uploads at once: memory of the service per upload, fairness, total rate against one upload.

    python -m tests.benchmarks.bench_uploads [--uploads 32] [--mib 64] [--small]

Each upload is one PATCH from a file to the service, on this machine, staged encrypted and synced.
The clock stops at its answer; what the workers do afterwards is not in it. Memory is the service's
own (shared pages divided among those who share them), sampled every 50 ms: the most while the
uploads run, less what it has when all threads exist and nothing runs.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Self

from tests.benchmarks.bench_half_open import footprint
from tests.benchmarks.house_of import fill, new_house, new_token, say, spread, workplace
from tests.service import Service, serving
from tests.wire import Tus, read_answer


def upload(tus: Tus, file: Path, size: int) -> float:
    """Return the seconds of one upload in one request."""
    location = tus.create(size)
    start = time.perf_counter()
    with tus.begin_patch(location, 0, size) as line, file.open("rb") as source:
        line.settimeout(600)
        line.sendfile(source, count=size)
        answer = read_answer(line)
    assert (answer.status, answer.offset) == (204, size), answer
    return time.perf_counter() - start


def at_once(tus: Tus, file: Path, size: int, count: int) -> tuple[float, list[float]]:
    """Return the seconds until all are done, and those of each."""
    times: list[float] = []
    gate = threading.Barrier(count + 1)

    def one() -> None:
        gate.wait()
        times.append(upload(tus, file, size))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, times


class Watch:
    """Samples what the service takes until the end of the block."""

    def __init__(self, service: Service) -> None:
        self._pid = service.pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0.0

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.most = max(self.most, footprint(self._pid)[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--uploads", type=int, default=32)
    arguments.add_argument("--mib", type=int, default=64)
    arguments.add_argument("--small", action="store_true", help="a quick run")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    mib = 34 if given.small else given.mib
    size = mib << 20
    with workplace(given.on) as place:
        file, data = place / "evidence.bin", place / "data"
        fill(file, size)
        new_house(data)
        token = new_token(data)
        with serving(data) as service:
            tus = Tus(service.place, token)
            at_once(tus, file, 1000, given.uploads)  # makes the threads and what each process holds
            time.sleep(1)
            before = footprint(service.pid)[1]
            ones = [upload(tus, file, size) for _ in range(3)]
            settled(service)
            with Watch(service) as watch:
                seconds, times = at_once(tus, file, size, given.uploads)
            total = given.uploads * size
            say(f"one upload of {mib} MiB, MB/s: {spread([size / 1e6 / one for one in ones])}")
            say(f"{given.uploads} at once, MB/s together: {total / 1e6 / seconds:.0f}")
            one = size / (sum(ones) / len(ones))
            say(f"total rate against one upload: {total / seconds / one:.2f}")
            say(f"fairness, slowest time by fastest: {max(times) / min(times):.2f}")
            say(
                f"memory of the service: {before:.0f} MiB before, {watch.most:.0f} MiB at most: "
                f"{(watch.most - before) / given.uploads:.1f} MiB per upload"
            )


def settled(service: Service) -> None:
    """Wait until the workers have finished what came, so that they take no part."""
    quiet, last = 0, 0.0
    while quiet < 4:
        time.sleep(0.5)
        used = _cpu(service.pid)
        quiet = quiet + 1 if used - last < 0.05 else 0
        last = used


def _cpu(pid: int) -> float:
    from tests.benchmarks.bench_half_open import family

    ticks = 0
    for one in family(pid):
        words = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / 100


if __name__ == "__main__":
    main()
