"""What the journal costs a small upload: the same uploads with it and without, in turn, in one run.

    python -m tests.benchmarks.bench_journal [--count 150] [--rounds 4] [--kib 20]

Whole bodies over the API, in one process, each acknowledged once its journal stands in the store
(docs/decisions/0058). Without it, here alone, nothing is written before the receipt leaves.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import ingest.register
from api.app import create_app
from tests.benchmarks.house_of import say, workplace
from tests.house import CODE, make_house
from tests.one_house import signed_in


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=150)
    words.add_argument("--rounds", type=int, default=4)
    words.add_argument("--kib", type=int, default=20)
    words.add_argument("--on")
    given = words.parse_args()
    kept = ingest.register.cover
    found: dict[str, list[float]] = {"with": [], "without": []}
    with workplace(given.on) as place:
        house = make_house(place, rate_per_token=0, rate_per_address=0)
        client, headers = create_app(house.repo).test_client(), signed_in(house, "investigator")
        path = f"/api/v1/exhibits?case={CODE}&collected_by=A"

        def upload() -> None:
            answer = client.post(path, data=os.urandom(given.kib << 10), headers=headers)
            assert answer.status_code == 201, answer.text

        for name, cover in [("with", kept), ("without", _nothing)] * given.rounds:
            ingest.register.cover = cover
            found[name].append(given.count / timed(upload, given.count))
        house.repo.close()
    for name, rates in found.items():
        say(f"{name:8} the journal: {statistics.median(rates):6.1f} uploads/s "
            f"({min(rates):.1f} to {max(rates):.1f})")  # fmt: skip


def timed(act: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        act()
    return time.perf_counter() - began


def _nothing(*_: Any) -> None:
    """Write no journal."""


if __name__ == "__main__":
    main()
