"""A register as CSV out and in again: rows a second and peak memory, one process for each step.

    python -m tests.benchmarks.bench_review [--rows 2000 40000] [--database URL]

The exhibits are rows alone, without bytes: what is measured is the register. Every row is changed,
which is the most that one list can ask for. Beside "in" another process appends an entry every
twentieth of a second: its longest wait is how long the list kept others from the ledger.
"""

import argparse
import csv
import io
import os
import resource
import select
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import insert

from api.commands.context import login
from config.settings import load
from custody.entry import Act, Draft, uuid7
from repository import Repository, open_repository
from repository.authorise import Caller
from repository.batches import make_batch
from repository.cases import find_case
from repository.models import Exhibit, Submission
from repository.people import SYSTEM, find_person
from repository.purpose import Purpose
from repository.review_list import read_list, write_list
from repository.submissions import Declaration, open_submission
from tests.benchmarks.house_of import new_house, say, workplace

STEPS = ("out", "in", "in again", "batch")


def fill(repo: Repository, caller: Caller, count: int) -> None:
    """Write the rows of so many exhibits into the case KRN."""
    with repo.database.reading() as session:
        case = find_case(session, "KRN")
    assert case is not None
    declared = Declaration(Purpose("analysis", ""))
    row, _ = open_submission(repo, caller.actor(), case, declared, sources=[b"bench"])
    at = repo.clock()
    values = [
        {
            "id": uuid7(at, repo.random), "number": f"KRN-{n:06d}", "case_id": case.id, "serial": n,
            "submission_id": row.id, "path": b"%d.jpg" % n, "path_sha256": f"{n:064x}",
            "sha256": f"sha256:{n:064x}", "size": 1, "family": "file", "registered_at": at,
            "registration": n, "processed_at": at,
        }
        for n in range(1, count + 1)
    ]  # fmt: skip
    with repo.database.writing() as session:
        assert session.get(Submission, row.id) is not None
        session.execute(insert(Exhibit), values)
        session.merge(case).exhibits = count


def worked_on(data: bytes) -> bytes:
    """Return the list as a reviewer sends it back: every row is classified."""
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "classification": "rule-77", "rule": "Rule 77"})
    return out.getvalue().encode()


def append_beside(data: Path) -> None:
    """Append an entry again and again until the standard input ends; print the longest wait."""
    settings = load(data).model_copy(update={"database_timeout": 600.0})
    repo, longest, count = open_repository(settings), 0.0, 0
    say("ready")
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        start = time.monotonic()
        repo.ledger.record(Draft(Act.STORE_CHECK, SYSTEM, "pass"))
        longest, count = max(longest, time.monotonic() - start), count + 1
    say(f"{longest:.2f} {count}")
    repo.close()


def step(data: Path, which: str) -> None:
    """Do one step in this process; print its seconds and its growth of memory in MiB."""
    repo = open_repository(load(data))
    with repo.database.reading() as session:
        caller = Caller(find_person(session, login()), "named")
    list_file = data / "receipts" / "list.csv"
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    core = time.process_time()
    if which == "out":
        list_file.write_bytes(write_list(repo, caller, "KRN"))
    elif which == "batch":
        make_batch(repo, caller, "KRN", party="defence")
    else:
        with list_file.open("rb") as file:
            found = read_list(repo, caller, "KRN", file, motive="benchmark")
        assert found.changed == (found.rows if which == "in" else 0)
    seconds, core = time.monotonic() - start, time.process_time() - core
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if which == "out":
        list_file.write_bytes(worked_on(list_file.read_bytes()))
    say(f"{which} {seconds:.2f} {core:.2f} {grown:.0f}")
    repo.close()


def measure(folder: Path, count: int, database: str | None) -> None:
    """Do all steps with so many rows and print what they took."""
    data = folder / f"data{count}"
    if database:
        os.environ["EVIDENCE_DATABASE_URL"] = database
    new_house(data)
    repo = open_repository(load(data))
    with repo.database.reading() as session:
        caller = Caller(find_person(session, login()), "named")
    fill(repo, caller, count)
    repo.close()
    for which in STEPS:
        words = [sys.executable, "-m", "tests.benchmarks.bench_review", "--step"]
        waited = ""
        with subprocess.Popen(
            [*words, "beside", str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as beside:
            assert beside.stdout is not None
            beside.stdout.readline()
            ran = subprocess.run(
                [*words, which, str(data)], check=True, capture_output=True, text=True
            )
            longest, appended = beside.communicate("end")[0].split()
            waited = f"  others waited {longest} s at most ({appended} entries)"
        seconds, spent, grown = ran.stdout.split()[-3:]
        rate = count / float(seconds)
        say(f"{count:7} rows  {which:9} {seconds:>7} s  {spent:>7} s of a core  {rate:8.0f}/s  "
            f"+{grown} MiB{waited}")  # fmt: skip


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[2_000, 40_000])
    parser.add_argument("--database", help="URL of an empty PostgreSQL database; one size then.")
    parser.add_argument("--step", nargs=2)
    asked = parser.parse_args()
    if asked.step and asked.step[0] == "beside":
        append_beside(Path(asked.step[1]))
        return
    if asked.step:
        step(Path(asked.step[1]), asked.step[0])
        return
    with workplace(None) as folder:
        for count in asked.rows:
            measure(folder, count, asked.database)


if __name__ == "__main__":
    main()
