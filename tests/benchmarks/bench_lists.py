"""Lists of many files: announce, look, complete, check; time and memory against a short list.

    python -m tests.benchmarks.bench_lists [--files 40000 1000000] [--database URL]

Each step runs in a process of its own, so that its peak memory is its own. The files are announced
and a submission of them is completed without them: what arrives is measured by other benchmarks.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from api.commands.context import login
from config.settings import load
from custody import verify
from custody.receipt import SubmissionReceipt
from ingest.announce import announce, begin
from ingest.completion import complete, progress, receipt_of, spooled, write_receipt
from repository import Repository, open_repository
from repository.authorise import Caller
from repository.people import find_person
from repository.purpose import Purpose
from repository.submissions import Declaration
from tests.benchmarks.house_of import new_house, say, workplace

STEPS = ("announce", "announce again", "progress", "complete", "receipt", "check", "verify.py")


def listed(count: int) -> Iterator[bytes]:
    """Yield a list as a client writes it: photographs in folders, a digest each."""
    for n in range(1, count + 1):
        line = {
            "n": n, "path": f"DCIM/{n // 1000:04}/IMG_{n:07}.jpg", "size": 3_000_000 + n,
            "digests": {"sha256": sha256(b"%d" % n).hexdigest()},
        }  # fmt: skip
        yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def step(data: Path, which: str, count: int) -> None:
    """Do one step in this process and print its CPU seconds and its growth of memory (KiB)."""
    repo = open_repository(load(data))
    file = data / "receipts" / "announced.json"
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if which == "check":
        with file.open("rb") as source:
            found = SubmissionReceipt.parse(source.readline())
            repo.ledger.check_receipt(found)
            assert sum(1 for _ in found.check_list(source)) == count
    elif which == "verify.py":
        assert not [one for one in verify.verify_path(file, None) if one.outcome == "fail"]
    else:
        _with_ledger(repo, which, count, file)
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    say(json.dumps({"seconds": seconds, "grown": grown, "size": _size(file)}))
    repo.close()


def _with_ledger(repo: Repository, which: str, count: int, file: Path) -> None:
    name = f"SUB-01a1f000-0000-7000-8000-{count:012}"
    with repo.database.reading() as session:
        caller = Caller(find_person(session, login()), "os-login")
    if which == "announce":
        declared = Declaration(purpose=Purpose("investigation", None))
        begin(repo, caller, "KRN", declared, named=name)
    if which.startswith("announce"):
        again = announce(repo, caller, name, listed(count)).again
        assert again == (which != "announce")
    elif which == "progress":
        assert progress(repo, name).missing == count
    elif which == "complete":
        complete(repo, caller.actor(), name, without_missing=True, motive="a benchmark")
    else:
        receipt = receipt_of(repo, name, "announced")
        with spooled(repo, receipt) as source, file.open("wb") as target:
            for line in source:
                target.write(line)
        write_receipt(repo, receipt_of(repo, name, "complete"))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, nargs="+", default=[1_000, 40_000, 1_000_000])
    arguments.add_argument("--database")
    arguments.add_argument("--on")
    arguments.add_argument("--step", nargs=3)
    given = arguments.parse_args()
    if given.step:
        step(Path(given.step[0]), given.step[1], int(given.step[2]))
        return
    if given.database:
        os.environ["EVIDENCE_DATABASE_URL"] = given.database
    with workplace(given.on) as place:
        new_house(place / "data")
        for count in given.files:
            say(f"{count} files")
            for which in STEPS:
                words = [sys.executable, "-m", "tests.benchmarks.bench_lists", "--step"]
                done = subprocess.run(
                    [*words, str(place / "data"), which, str(count)],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                found = json.loads(done.stdout)
                say(
                    f"  {which:16}{found['seconds']:8.2f} s CPU   "
                    f"memory {found['grown'] / 1024:+7.1f} MiB"
                )
            say(f"  receipt {found['size'] / (1 << 20):.1f} MiB")


if __name__ == "__main__":
    main()
