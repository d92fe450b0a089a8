"""A court bundle of many exhibits, beside bagit-python bagging the same files in the same run.

python -m tests.benchmarks.bench_bundle [--exhibits 10000] [--mib 1] [--place FOLDER]

Ours: every exhibit decrypted and compared with its registration, two manifests, custody report,
every entry with its proof, closed by the ledger, made durable. bagit-python: the same two
manifests; once of a copy that it is given (`cp` counted), once in place (`cp` not counted), which
reads the files and writes nothing of them. Then `verify.py` and bagit-python check our bundle.
Each in a process of its own, whose peak of memory is printed. How many times as fast ours is as
bagit-python is said of all of it, of all but typesetting the report, and of payload alone.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of an export: all of it, its payload alone, and typesetting of its report."""

    whole: float
    payload: float
    typesetting: float

    def ratios(self, theirs: float) -> str:
        """Return how many times as fast as something it is, told apart."""
        rest = self.whole - self.typesetting
        return (
            f"whole {theirs / self.whole:.2f}, all but typesetting {theirs / rest:.2f}, "
            f"payload alone {theirs / self.payload:.2f}"
        )


def phases(size: int, *command: object) -> Phases:
    """Run an export; print the seconds of its parts, its peak and the processor's time.

    Told apart by what it says on its way: exhibits first, then entries and the report's files.
    """
    began = time.monotonic()
    moments: dict[str, float] = {}
    with subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as export:  # fmt: skip
        assert export.stderr is not None
        for line in export.stderr:
            step, now = line.removeprefix("packing ").strip(), time.monotonic()
            if step.startswith("custody-report"):
                moments["printed"] = now  # the last one's time stays
            moments.setdefault(step.split(":")[0], now)
        _, code, used = os.wait4(export.pid, 0)
        export.returncode = os.waitstatus_to_exitcode(code)
    assert export.returncode == 0, f"the export ended with {export.returncode}"
    # The first exhibit is told when it is packed: the payload begins when the checkpoint was given.
    found = Phases(
        time.monotonic() - began,
        moments["entries"] - moments["checkpoint"],
        moments["printed"] - moments["report"],
    )
    rate = size / found.whole / 2**20
    print(
        f"{'ours, with report and proofs':34} {found.whole:8.1f} s {rate:8.1f} MiB/s  "
        f"peak {used.ru_maxrss / 1024:6.0f} MiB\n"
        f"  of it: payload alone {found.payload:.1f} s, typesetting {found.typesetting:.1f} s; "
        f"processor {used.ru_utime + used.ru_stime:.1f} s, load {os.getloadavg()[0]:.0f}",
        flush=True,
    )
    return found


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
            ours = phases(
                size, sys.executable, "-m", "api.cli", "--data", house.data, "export",
                "--case", "KRN", "--purpose", "court", "--out", place / "bundle",
            )  # fmt: skip
        began = time.monotonic()
        shutil.copytree(files, place / "bag")
        copied = time.monotonic() - began
        theirs = timed("bagit-python, in place", size, sys.executable, "-c", _BAG, place / "bag")
        print(f"bagit-python with the copy {copied + theirs:16.1f} s")
        print(f"times as fast as bagit-python with the copy: {ours.ratios(copied + theirs)}")
        print(f"in place: {ours.ratios(theirs)}")
        bundle = place / "bundle"
        timed("verify.py of ours", size, sys.executable, "-I", bundle / "verify.py", bundle)
        timed("bagit-python checks ours", size, sys.executable, "-c", _CHECK, bundle)


if __name__ == "__main__":
    main()
