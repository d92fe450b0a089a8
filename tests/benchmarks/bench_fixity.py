"""How fast stored objects are read again, by one worker and by several at once.

    python -m tests.benchmarks.bench_fixity [--count 64] [--mib 16] [--workers 1,4]

A house of exhibits, each read whole, decrypted, compared with what was recorded, and put on record,
as workers do (`fixity.check_exhibits`), each worker a process with its share. What 100 TB would
take at that rate is reckoned from it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

from sqlalchemy import select

from repository import fixity, open_repository
from repository.models import Exhibit
from tests.benchmarks.house_of import fill, say, workplace
from tests.house import House, load, make_house


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=64)
    words.add_argument("--mib", type=int, default=16)
    words.add_argument("--workers", default="1,4")
    words.add_argument("--on")
    words.add_argument("--share", nargs=3, metavar=("DATA", "N", "OF"), help="Be one worker.")
    given = words.parse_args()
    if given.share:
        one_worker(Path(given.share[0]), int(given.share[1]), int(given.share[2]))
        return
    with workplace(given.on) as place:
        (place / "in").mkdir()
        for n in range(given.count):
            fill(place / "in" / f"{n:04d}", given.mib << 20)
        house = make_house(place)
        house.ingest(place / "in")
        for several in map(int, given.workers.split(",")):
            rate(house, several, given.count * given.mib)


def rate(house: House, several: int, mib: int) -> None:
    """Read everything once with so many workers; say how fast that was."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_fixity", "--share", str(house.data)]
    workers = [
        subprocess.Popen([*command, str(n), str(several)], stdin=PIPE, stdout=PIPE)
        for n in range(several)
    ]
    for one in workers:  # starting is not measured
        assert one.stdout is not None
        one.stdout.readline()
    began = time.monotonic()
    for one in workers:
        assert one.stdin is not None
        one.stdin.close()
    assert [one.wait() for one in workers] == [0] * several
    took = time.monotonic() - began
    days = 100e12 / (mib * 2**20 / took) / 86_400
    say(f"{several} at work: {mib} MiB in {took:.1f} s, {mib / took:.0f} MiB/s; "
        f"100 TB in {days:.0f} days")  # fmt: skip


def one_worker(data: Path, n: int, of: int) -> None:
    """Read every `of`-th exhibit from the n-th on."""
    repo = open_repository(load(data))
    with repo.database.reading() as session:
        ids = list(session.scalars(select(Exhibit.id).order_by(Exhibit.id)))[n::of]
    say("ready")
    sys.stdin.read()
    found = list(fixity.check_exhibits(repo, ids))
    assert [one.outcome for one in found] == ["pass"] * len(ids)
    repo.close()


if __name__ == "__main__":
    main()
