"""Pages of a case with many exhibits: time at the server and bytes, each look with its entries.

    python -m tests.benchmarks.bench_pages [--exhibits 100000] [--times 100]

The rows are written by the database itself (`bench_api_reads.furnish`); each page is asked for as a
signed-in analyst. Wall time is what the machine gave, CPU what the page costs; the bytes are of the
HTML, and of it compressed as a proxy would. There are no pictures in this house.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from pathlib import Path

from api.app import create_app
from tests.benchmarks.bench_api_reads import furnish
from tests.benchmarks.house_of import say
from tests.house import make_house
from tests.web import sign_in

PAGES = (
    "/", "/cases/KRN", "/cases/KRN/gallery", "/cases/KRN/timeline", "/cases/KRN/map", "/search",
)  # fmt: skip


def main() -> None:
    """Fill a house and ask for each page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--exhibits", type=int, default=100_000)
    arguments.add_argument("--times", type=int, default=100)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(Path(folder))
        furnish(house, given.exhibits)
        client = create_app(house.repo).test_client()
        sign_in(client, house, "analyst")
        say(f"{given.exhibits} exhibits, {given.times} times each")
        for path in PAGES:
            walls, used = [], []
            for _ in range(given.times):
                wall, cpu = time.perf_counter(), time.process_time()
                answer = client.get(path)
                walls.append((time.perf_counter() - wall) * 1000)
                used.append((time.process_time() - cpu) * 1000)
                assert answer.status_code == 200, (path, answer.text)
            packed = len(gzip.compress(answer.data))
            say(
                f"{path:32} p50 {statistics.median(walls):6.1f}  p95 "
                f"{statistics.quantiles(walls, n=20)[-1]:6.1f} ms   CPU p50 "
                f"{statistics.median(used):5.1f} ms   {len(answer.data) / 1024:6.1f} KiB "
                f"({packed / 1024:.1f} packed)"
            )
        house.repo.close()


if __name__ == "__main__":
    main()
