"""How fast a store moves: `python -m tests.benchmarks.bench_move [--count N] [--mib M]`.

N exhibits of 64 KiB and one of M MiB, from folder to folder: objects a second and MiB a second,
beside `cp -r` with `sync` of the same folder; and how fast a run is that finds all moved.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from repository import move
from tests.house import House, make_house


def moved(house: House, url: str) -> tuple[float, move.Progress]:
    began = time.monotonic()
    row = move.begin(house.repo, house.custodian, move.Target(url))
    outcome = move.run(house.repo, house.custodian, row, lambda _: None)
    assert not outcome.problems
    return time.monotonic() - began, move.progress(house.repo, row)


def rate(name: str, house: House, folder: Path) -> None:
    took, found = moved(house, (folder / "new").as_uri())
    mib = found.size / (1 << 20)
    print(f"{name}: {found.objects} objects, {mib:.0f} MiB in {took:.1f} s: "
          f"{found.objects / took:.0f} objects/s, {mib / took:.0f} MiB/s")  # fmt: skip
    again, _ = moved(house, (folder / "new").as_uri())
    print(f"  once more, all of it there: {again:.1f} s")
    began = time.monotonic()
    subprocess.run(["cp", "-r", house.data / "store", folder / "copied"], check=True)
    subprocess.run(["sync", "-f", folder / "copied"], check=True)
    print(f"  cp -r and sync: {time.monotonic() - began:.1f} s")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=1000)
    words.add_argument("--mib", type=int, default=1024)
    chosen = words.parse_args()
    for name, files, size in (("small", chosen.count, 64 << 10), ("large", 1, chosen.mib << 20)):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            (folder / "in").mkdir()
            for n in range(files):
                with (folder / "in" / f"{n}.bin").open("wb") as file:
                    for _ in range(max(1, size >> 20)):
                        file.write(os.urandom(min(size, 1 << 20)))
            house = make_house(folder)
            house.ingest(folder / "in")
            rate(name, house, folder)
            house.repo.close()


if __name__ == "__main__":
    main()
