"""A court bundle of many exhibits, beside bagit-python bagging the same files in the same run.

python -m tests.benchmarks.bench_bundle [--exhibits 10000] [--mib 1] [--place FOLDER]

Ours: every exhibit decrypted and compared with its registration, two manifests, custody report,
every entry with its proof, closed by the ledger, made durable. bagit-python: the same two
manifests; once of a copy that it is given (`cp` counted), once in place (`cp` not counted), which
reads the files and writes nothing of them. Then `verify.py` and bagit-python check our bundle.
Each in a process of its own, whose peak of memory is printed; a second export of ours tells payload
and the rest apart.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.house import own_house

_BAG = "import bagit, sys; bagit.make_bag(sys.argv[1], checksums=['sha256', 'sha512'])"
_CHECK = "import bagit, sys; bagit.Bag(sys.argv[1]).validate()"
_PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def timed(name: str, size: int, *command: object) -> float:
    """Run a command; print how long it took, how fast that was, and its peak of memory."""
    began = time.monotonic()
    words = [sys.executable, "-c", _PEAK, *map(str, command)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    seconds = time.monotonic() - began
    assert said[0] in ("0",), f"{name} ended with {said[0]}"
    rate, peak = size / seconds / 2**20, int(said[1]) / 1024
    print(f"{name:34} {seconds:8.1f} s {rate:8.1f} MiB/s  peak {peak:6.0f} MiB", flush=True)
    return seconds


def phases(*command: object) -> None:
    """Run an export; print the seconds and the processor time of its payload and of the rest.

    Told apart by what it says on its way: exhibits first, then entries, report and closing.
    """
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [str(word) for word in command]
    moments: dict[str, float] = {}
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as export:
        assert export.stderr is not None
        for line in export.stderr:
            step = line.removeprefix("packing ").strip()
            moments.setdefault("payload" if step.startswith("KRN-") else step, time.monotonic())
    assert export.returncode == 0, f"the export ended with {export.returncode}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The first exhibit is told when it is packed: the payload begins when the checkpoint was given.
    first = next(at for step, at in moments.items() if step.startswith("checkpoint"))
    print(
        f"  of it: payload alone {moments['entries'] - first:.1f} s, entries, report, proofs and "
        f"closing {time.monotonic() - moments['entries']:.1f} s; processor {used:.1f} s, "
        f"load {os.getloadavg()[0]:.0f}"
    )
    print(f"  whole {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    """Make the files, take them in, and measure."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.bench_bundle")
    parser.add_argument("--exhibits", type=int, default=10_000)
    parser.add_argument("--mib", type=float, default=1.0, help="of each")
    parser.add_argument("--place", type=Path, help="a folder with room for four times of it")
    said = parser.parse_args()
    each = int(said.mib * 2**20)
    size = said.exhibits * each
    with tempfile.TemporaryDirectory(dir=said.place) as name:
        place = Path(name)
        files, block, chance = place / "files", os.urandom(each), random.Random(1)
        files.mkdir()
        for number in range(said.exhibits):
            head = number.to_bytes(8, "big") + chance.randbytes(8)
            (files / f"{number:06d}.bin").write_bytes((head + block)[:each])
        print(f"{said.exhibits} exhibits, {size / 2**30:.2f} GiB", flush=True)
        with own_house(place / "house") as house:
            began = time.monotonic()
            house.ingest(files)
            print(f"taken in, for comparison {time.monotonic() - began:18.1f} s", flush=True)
            ours = timed(
                "ours, with report and proofs", size,
                sys.executable, "-m", "api.cli", "--data", house.data, "export", "--case", "KRN",
                "--purpose", "court", "--out", place / "bundle",
            )  # fmt: skip
            phases(
                sys.executable, "-m", "api.cli", "--data", house.data, "export", "--case", "KRN",
                "--purpose", "court", "--out", place / "again",
            )  # fmt: skip
            shutil.rmtree(place / "again")
        began = time.monotonic()
        shutil.copytree(files, place / "bag")
        copied = time.monotonic() - began
        theirs = timed("bagit-python, in place", size, sys.executable, "-c", _BAG, place / "bag")
        print(f"bagit-python with the copy {copied + theirs:16.1f} s")
        print(f"ours is {(copied + theirs) / ours:.2f} times as fast; in place {theirs / ours:.2f}")
        bundle = place / "bundle"
        timed("verify.py of ours", size, sys.executable, "-I", bundle / "verify.py", bundle)
        timed("bagit-python checks ours", size, sys.executable, "-c", _CHECK, bundle)


if __name__ == "__main__":
    main()
