"""How long it takes to find pictures alike among many: one exhibit, asked as its analyst would.

    python -m tests.benchmarks.bench_related [--pictures 10000 100000] [--database URL]

The exhibits are rows and hashes alone, without bytes; one in a hundred is like another.
"""

import argparse
import os
import random
import time
from pathlib import Path

from api.commands.context import login
from config.settings import load
from ingest import related as asking
from repository import Repository, open_repository
from repository.authorise import Caller
from repository.matching.values import Value
from repository.models import Exhibit
from repository.people import find_person
from repository.related import keep
from tests.benchmarks.bench_review import fill
from tests.benchmarks.house_of import new_house, say, spread, workplace

ASKED = 30


def hashes(count: int) -> list[int]:
    """Return hashes of pictures; one in a hundred differs from the one before in 20 bits."""
    drawn = random.Random(1)
    found: list[int] = []
    for n in range(count):
        one = drawn.getrandbits(256)
        if n % 100 == 99:
            one = found[-1]
            for bit in drawn.sample(range(256), 20):
                one ^= 1 << bit
        found.append(one)
    return found


def index(repo: Repository, pictures: list[int]) -> None:
    """Make what the exhibits are found by."""
    with repo.database.reading() as session:
        ids = [row.id for row in session.query(Exhibit).order_by(Exhibit.serial)]
    for start in range(0, len(ids), 1_000):
        with repo.database.writing() as session:
            for one, picture in zip(ids[start : start + 1_000], pictures[start:], strict=False):
                keep(repo, session, one, [Value("picture", f"{picture:064x}")])


def measure(folder: Path, count: int, database: str | None) -> None:
    """Ask for some of so many and print how long it took."""
    data = folder / f"data{count}"
    if database:
        os.environ["EVIDENCE_DATABASE_URL"] = database
    new_house(data)
    repo = open_repository(load(data))
    with repo.database.reading() as session:
        caller = Caller(find_person(session, login()), "named")
    fill(repo, caller, count)
    pictures = hashes(count)
    start = time.perf_counter()
    index(repo, pictures)
    rate = count / (time.perf_counter() - start)
    asking._values = lambda repo, session, one: [  # type: ignore[assignment]
        Value("picture", f"{pictures[one.serial - 1]:064x}")
    ]
    took, found = [], 0
    for n in range(ASKED):
        serial = 100 * (1 + n * (count // 100) // ASKED)
        start = time.perf_counter()
        found += len(asking.related(repo, caller, f"KRN-{serial:06d}").items)
        took.append(1000 * (time.perf_counter() - start))
    assert found >= ASKED
    say(f"{count:7} pictures  {spread(took)} ms a question  {rate:.0f} indexed a second")
    repo.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--database", help="URL of an empty PostgreSQL database; one size then.")
    asked = parser.parse_args()
    with workplace(None) as folder:
        for count in asked.pictures:
            measure(folder, count, asked.database)


if __name__ == "__main__":
    main()
