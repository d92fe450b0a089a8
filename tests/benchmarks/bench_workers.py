"""Exhibits looked at per second by workers, beside the same work called directly, in one run.

    python -m tests.benchmarks.bench_workers [--exhibits 1000] [--rounds 3] [--databases sqlite]

Direct: `Processors` over all that waits, in one process. Workers: one, then two processes of
`evidence worker` that run already; counted from the moment at which the exhibits may be seen until
the last is done. Also: how soon an idle worker has looked at a single exhibit, and how long one
takes to start and to stop.
"""

import argparse
import os
import statistics
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path

from sqlalchemy import func, select, text, update

from config.settings import load
from ingest.workflows import Processors
from repository import Repository, open_repository
from repository.exhibits import unprocessed
from repository.models import Exhibit, Machine
from tests.benchmarks.house_of import new_house, say, spread, workplace
from tests.postgres import postgres_server
from tests.service import Running, evidence


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--exhibits", type=int, default=1000)
    arguments.add_argument("--size", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--databases", default="sqlite,postgresql")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    say("database    how          exhibits/s                 of direct")
    with workplace(given.on) as place:
        place.chmod(0o755)
        for name in given.databases.split(","):
            with postgres_server() if name != "sqlite" else nullcontext("") as url:
                os.environ["EVIDENCE_DATABASE_URL"] = url
                measure(name, place / name, given.exhibits, given.size, given.rounds)


def measure(name: str, data: Path, count: int, size: int, rounds: int) -> None:
    new_house(data)
    folder = data / "in"
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:05d}").write_bytes(os.urandom(size))
    words = evidence(data, "ingest", folder, "--case", "KRN", "--no-extract")
    subprocess.run(words, check=True, capture_output=True)
    repo = open_repository(load(data))
    rates: dict[str, list[float]] = {"direct": [], "one worker": [], "two workers": []}
    for _ in range(rounds):
        hide(repo, waiting=True)
        rates["direct"].append(count / direct(repo, count))
        for number, how in ((1, "one worker"), (2, "two workers")):
            hide(repo, waiting=False)
            rates[how].append(count / by_workers(repo, number, count))
    base = statistics.median(rates["direct"])
    for how, found in rates.items():
        share = statistics.median(found) / base
        say(f"{name:11} {how:12} {spread(found):26} {share:.2f}")
    single(name, repo)
    repo.close()


def hide(repo: Repository, *, waiting: bool) -> None:
    """Let every exhibit wait to be looked at again, or none."""
    with repo.database.writing() as session:
        at = None if waiting else repo.clock()
        session.execute(update(Exhibit).values(processed_at=at))


def forget(repo: Repository) -> None:
    """Forget the progress of work: the same exhibits wait again, which they never do in earnest."""
    if repo.database.dialect == "sqlite":
        for file in repo.settings.data.glob("work.db*"):
            file.unlink()
        return
    with repo.database.writing() as session:
        session.execute(text("DROP SCHEMA IF EXISTS dbos CASCADE"))


def left(repo: Repository) -> int:
    with repo.database.reading() as session:
        query = select(func.count()).select_from(Exhibit).where(Exhibit.processed_at.is_(None))
        return session.scalar(query) or 0


def direct(repo: Repository, count: int) -> float:
    with repo.database.reading() as session:
        ids = list(unprocessed(session, limit=count))
    began = time.perf_counter()
    with Processors(repo) as processors:
        for _ in processors.map(ids):
            continue
    return time.perf_counter() - began


def by_workers(repo: Repository, number: int, count: int) -> float:
    forget(repo)
    running = [Running(evidence(repo.settings.data, "worker")).start() for _ in range(number)]
    try:
        until(lambda: machines(repo) == number)
        time.sleep(3)  # their first chores are over
        hide(repo, waiting=True)
        began = time.perf_counter()
        until(lambda: left(repo) == 0)
        return time.perf_counter() - began
    finally:
        for one in running:
            one.stop()


def single(name: str, repo: Repository) -> None:
    """Say how soon one exhibit is looked at, and how long a worker takes to start and stop."""
    forget(repo)
    began = time.perf_counter()
    worker = Running(evidence(repo.settings.data, "worker")).start()
    until(lambda: machines(repo) == 1)
    started = time.perf_counter() - began
    time.sleep(3)
    with repo.database.reading() as session:
        ids = list(session.scalars(select(Exhibit.id).limit(20)))
    waits = []
    for one in ids:
        with repo.database.writing() as session:
            session.get_one(Exhibit, one).processed_at = None
        began = time.perf_counter()
        until(lambda: left(repo) == 0)
        waits.append(time.perf_counter() - began)
    spent = cpu(worker.pid)
    time.sleep(10)
    idle = (cpu(worker.pid) - spent) / 10
    began = time.perf_counter()
    worker.stop()
    stopped = time.perf_counter() - began
    waits.sort()
    say(
        f"{name:11} one exhibit, idle worker: median {waits[len(waits) // 2]:.2f} s, most "
        f"{waits[-1]:.2f} s; starts in {started:.1f} s, stops in {stopped:.1f} s; idle "
        f"{idle:.1%} of a core"
    )


def machines(repo: Repository) -> int:
    with repo.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Machine)) or 0


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(what: object) -> None:
    end = time.monotonic() + 600
    while not what():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("this takes longer than ten minutes")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
