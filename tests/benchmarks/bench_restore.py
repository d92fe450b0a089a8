"""The drill of a restore: how long a lost house takes to come back, and what is missing then.

    python -m tests.benchmarks.bench_restore [--exhibits 100000] [--since 1000] [--read 1000]

A house of small exhibits is backed up; more come in, and are acknowledged; database and host are
lost; it is restored into an empty folder by a process of its own, from the backup, two shares and
the store that is left. Every acknowledged number is then looked for. Exhibits are taken in by
several commands at once, a folder each: one alone mostly waits for the disk.
"""

import argparse
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, select

from api.commands.context import login
from config.settings import load
from repository import open_repository
from repository.models import Exhibit
from tests.benchmarks.house_of import new_house, say, workplace
from tests.service import evidence


def main() -> None:
    """Make, lose, restore, count."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--exhibits", type=int, default=100_000)
    arguments.add_argument("--since", type=int, default=1_000)
    arguments.add_argument("--read", type=int, default=1_000)
    arguments.add_argument("--at-once", type=int, default=4)
    arguments.add_argument("--folder")
    given = arguments.parse_args()
    with workplace(given.folder) as place:
        data = place / "data"
        new_house(data)
        seconds = taken(data, place / "before", given.exhibits, given.at_once)
        say(f"taken in      {given.exhibits} exhibits, {given.exhibits / seconds:.0f} a second")
        run(data, "recovery", "new", "--shares", 3, "--threshold", 2, "--out", place / "shares")
        seconds, made = timed(data, "backup", "--out", place / "b.backup")
        mebibytes = int(str(made["bytes"])) / 2**20
        say(f"backup        {seconds:.1f} s, {mebibytes:.0f} MiB, {made['size']} entries")
        taken(data, place / "since", given.since, given.at_once)
        acknowledged = {file.stem for file in (data / "receipts").glob("KRN-*.json")}
        (data / "store").rename(place / "store")
        shutil.rmtree(data)
        words = [w for n in (1, 3) for w in ("--shares", place / "shares" / f"share-{n}-of-3.txt")]
        seconds, done = timed(
            place / "new", "restore", place / "b.backup", *words,
            "--store", (place / "store").as_uri(), "--read", given.read,
        )  # fmt: skip
        say(
            f"restore       {seconds / 60:.2f} minutes ({seconds:.1f} s), of them "
            f"{done['read_back']} exhibits read back, {done['passed']} without fault"
        )
        say(f"since backup  {len(done['exhibits'])} exhibits came back from the store")
        lost = acknowledged - numbers(place / "new", place / "store")
        say(f"lost          {len(lost)} of {len(acknowledged)} acknowledged")
        seconds, _ = timed(place / "new", "verify", "--ledger")
        say(f"audit after   {seconds:.1f} s, without fault")


def filled(folder: Path, count: int) -> None:
    """Make so many files of a kibibyte, all different."""
    folder.mkdir(parents=True)
    for n in range(count):
        (folder / f"{n:06d}").write_bytes(os.urandom(1_024))


def taken(data: Path, folder: Path, count: int, at_once: int) -> float:
    """Make so many files and take them in; return the seconds that taking in took."""
    parts = [folder / str(n) for n in range(at_once)]
    for n, part in enumerate(parts):
        filled(part, len(range(n, count, at_once)))
    words = ("--case", "KRN", "--purpose", "investigation", "--no-extract")
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda part: run(data, "ingest", part, *words), parts))
    return time.perf_counter() - start


def timed(data: Path, *words: object) -> tuple[float, dict[str, object]]:
    """Run a command; return how long it took, and its last line."""
    start = time.perf_counter()
    said = run(data, *words)
    return time.perf_counter() - start, json.loads(said.splitlines()[-1])


def run(data: Path, *words: object) -> str:
    """Run a command to its end; one that fails ends the benchmark."""
    made = subprocess.run(evidence(data, *words), check=False, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"{login()}: {words[0]} ended with {made.returncode}: {made.stderr}")
    return made.stdout


def numbers(data: Path, store: Path) -> set[str]:
    """Return the exhibits that a house has, counted also by the database itself."""
    repo = open_repository(load(data).model_copy(update={"store_url": store.as_uri()}))
    try:
        with repo.database.reading() as session:
            found = set(session.scalars(select(Exhibit.number)))
            assert session.scalar(select(func.count()).select_from(Exhibit)) == len(found)
        return found
    finally:
        repo.close()


if __name__ == "__main__":
    main()
