"""Exhibit list and detail over HTTP with many exhibits, on SQLite and PostgreSQL, with query plans.

python -m tests.benchmarks.bench_api_reads [--exhibits 1000000] [--seconds 20] [--clients 8]

The rows of exhibits, parts and runs are written by the database itself; what is asked goes through
the running service, so that every answer has its committed entry (and a list its stored list).
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite

from api import paging
from api.app import create_app
from config.settings import load
from custody.database import Database
from repository import database_url
from repository.migrations import upgrade
from repository.models import Exhibit, ExtractionRun, Part
from tests.benchmarks.house_of import say
from tests.faults.scene import token_of
from tests.house import CODE, House, make_house, open_house
from tests.postgres import Server, find_or_skip
from tests.service import serving

SUBMISSION = "SUB-01a1f000-0000-7000-8000-000000000001"
AT = "2026-11-27T00:00:00.000Z"
ID = {
    "sqlite": "printf('01a1f000-0000-7000-8000-%012x', n)",
    "postgresql": "'01a1f000-0000-7000-8000-' || lpad(to_hex(n), 12, '0')",
}
SHA = {
    "sqlite": "printf('sha256:%064x', n * 2654435761)",
    "postgresql": "'sha256:' || lpad(to_hex(n * 2654435761), 64, '0')",
}
NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count)",
    "postgresql": "WITH s AS (SELECT n::bigint FROM generate_series(1, :count) AS g(n))",
}
NUMBER = {
    "sqlite": "printf('KRN-%06d', n)",
    "postgresql": "'KRN-' || lpad(n::text, greatest(6, length(n::text)), '0')",
}
PATH = {
    "sqlite": "CAST('DCIM/' || n || '.jpg' AS BLOB)",
    "postgresql": "convert_to('DCIM/' || n || '.jpg', 'UTF8')",
}


def furnish(house: House, count: int) -> None:
    """Write the rows of `count` exhibits of one part and one run each."""
    kind, case = house.repo.database.dialect, house.case
    person = house.custodian.id
    numbers, own, digest = NUMBERS[kind], ID[kind], SHA[kind]
    no = "0" if kind == "sqlite" else "false"
    to_json = "({})" if kind == "sqlite" else "CAST(({}) AS json)"
    none = to_json.format("'{}'")
    digests = to_json.format(f"""'{{"sha256":"' || {digest} || '"}}'""")
    statements = (
        f"""INSERT INTO submission (id, case_id, person_id, declared, fingerprint, opened_at)
            VALUES ('{SUBMISSION}', '{case.id}', '{person}', '{{}}', 'f', '{AT}')""",
        f"""INSERT INTO exhibit (id, number, case_id, serial, submission_id, path, path_sha256,
            sha256, size, family, registered_at, registration, processed_at)
            {numbers} SELECT {own}, {NUMBER[kind]}, '{case.id}', n, '{SUBMISSION}', {PATH[kind]},
            substr({digest}, 8), {digest}, 1000000 + n, 'other', '{AT}', n, '{AT}' FROM s""",
        f"""INSERT INTO part (exhibit_id, part, size, digests, chunk_count, chunk_root, stored,
            manifest)
            {numbers} SELECT {own}, 1, 1000000 + n, {digests}, 1, {digest}, {none}, {none}
            FROM s""",
        f"""INSERT INTO extraction_run (exhibit_id, run, outcome, mime, mismatch, facts, record,
            record_sha256, "index", at)
            {numbers} SELECT {own}, 1, 'done', 'image/jpeg', {no}, 12, {none}, {digest}, n, '{AT}'
            FROM s""",
    )  # fmt: skip
    with house.repo.database.writing() as session:
        for statement in statements:
            words = text(statement.replace('"sha256":', '"sha256"\\:'))
            session.execute(words, {"count": count} if ":count" in statement else {})
        session.execute(text("UPDATE case_file SET exhibits = :n WHERE code = 'KRN'"), {"n": count})
    with house.repo.database.writing() as session:
        session.execute(text("ANALYZE"))


def plans(house: House, count: int) -> Iterator[str]:
    """Yield how the database answers what list and detail ask."""
    case, kind = house.case, house.repo.database.dialect
    one = select(Exhibit.id).where(Exhibit.number == f"KRN-{count // 2:06d}")
    page = (
        select(Exhibit)
        .where(Exhibit.case_id == case.id, Exhibit.serial > count // 2)
        .order_by(Exhibit.serial).limit(101)
    )  # fmt: skip
    with house.repo.database.reading() as session:
        ids = list(session.scalars(select(Exhibit.id).where(Exhibit.serial < 101)))
        asked = {
            "page of exhibits": page,
            "newest runs of a page": select(ExtractionRun)
            .where(ExtractionRun.exhibit_id.in_(ids))
            .order_by(ExtractionRun.exhibit_id, ExtractionRun.run),
            "exhibit by number": one,
            "its parts": select(Part).where(Part.exhibit_id.in_(ids[:1])),
        }
        dialect = sqlite.dialect() if kind == "sqlite" else postgresql.dialect()
        for what, query in asked.items():
            words = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN "
            rows = session.connection().exec_driver_sql(explain + str(words).replace("%", "%%"))
            used = [str(row[-1]) for row in rows]
            found = [line.strip() for line in used if "ndex" in line or "INDEX" in line]
            yield f"  {what}: " + ("; ".join(found)[:160] or f"NO INDEX: {str(used)[:160]}")


def drive(
    place: tuple[str, int], token: str, path: Callable[[random.Random], str], *,
    clients: int, seconds: float,
) -> tuple[float, float, float, int]:  # fmt: skip
    """Return requests a second, median and p99 in milliseconds, and answers that were not 200."""
    times: list[float] = []
    bad = 0
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def ask(seed: int) -> None:
        nonlocal bad
        draw, own, wrong = random.Random(seed), [], 0
        line = HTTPConnection(*place, timeout=60)
        while time.monotonic() < end:
            began = time.perf_counter()
            line.request("GET", path(draw), headers={"Authorization": f"Bearer {token}"})
            answer = line.getresponse()
            answer.read()
            own.append(time.perf_counter() - began)
            wrong += answer.status != 200
        line.close()
        with lock:
            times.extend(own)
            bad += wrong

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    began = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    took = time.monotonic() - began
    cuts = statistics.quantiles(times, n=100)
    return len(times) / took, cuts[49] * 1000, cuts[98] * 1000, bad


def measure(house: House, count: int, *, clients: int, seconds: float, **environment: str) -> None:
    began = time.monotonic()
    furnish(house, count)
    kind = house.repo.database.dialect
    say(f"{kind}: {count} exhibits written in {time.monotonic() - began:.0f} s")
    for line in plans(house, count):
        say(line)
    app = create_app(house.repo)
    with app.test_request_context(f"/api/v1/exhibits?case={CODE}"):
        places = random.Random(7).sample(range(count), min(count, 2_000))
        cursors = [paging.cursor(n) for n in places]
    token = token_of(house, "analyst")
    house.repo.close()
    asked: dict[str, Callable[[random.Random], str]] = {
        "list, 100 a page": lambda d: f"/api/v1/exhibits?case={CODE}&cursor={d.choice(cursors)}",
        "detail": lambda d: f"/api/v1/exhibits/KRN-{d.randrange(1, count + 1):06d}",
    }
    free = {"EVIDENCE_RATE_PER_TOKEN": "0", "EVIDENCE_RATE_PER_ADDRESS": "0", **environment}
    with serving(house.data, log=house.data.parent / "serve.log", **free) as service:
        for what, path in asked.items():
            drive(service.place, token, path, clients=clients, seconds=2)
            rate, half, most, bad = drive(
                service.place, token, path, clients=clients, seconds=seconds
            )
            say(f"| {kind} | {count} | {what} | {clients} | {rate:.0f} | {half:.1f} | {most:.1f} "
                f"| {bad} |")  # fmt: skip


@contextmanager
def house_of(kind: str, kept: Path | None = None) -> Iterator[tuple[House, dict[str, str]]]:
    """Yield a house on one kind of database, and what its service has to be told.

    Args:
        kind: sqlite or postgresql.
        kept: a folder in which it stays; what stands there already is opened.
    """
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        settings: dict[str, Any] = {"database_timeout": 60.0}
        environment = {}
        if kind == "postgresql":
            find_or_skip()
            server = Server(folder / "server")
            if not (server.folder / "data").exists():
                server.folder.mkdir()
                server.make()
            server.start(max_wal_size="8GB", shared_buffers="2GB")  # as docs/operate.md has it
            stack.callback(server.stop)
            settings["database_url"] = environment["EVIDENCE_DATABASE_URL"] = server.url
            settings["database_statement_seconds"] = 0  # a million rows are written at once
        data = folder / "house" / "data"
        made = data.exists()
        if made:  # by an older state of the program, perhaps
            database = Database(database_url(load(data).model_copy(update=settings)))
            upgrade(database)
            database.close()
        house = (open_house if made else make_house)(folder / "house", **settings)
        stack.callback(house.repo.close)
        yield house, environment


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--exhibits", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--on", choices=["sqlite", "postgresql"], action="append")
    given = arguments.parse_args()
    say("| database | exhibits | asked | clients | requests/s | median ms | p99 ms | not 200 |")
    say("|---|---|---|---|---|---|---|---|")
    for kind in given.on or ["sqlite", "postgresql"]:
        with house_of(kind) as (house, environment):
            measure(house, given.exhibits, clients=given.clients, seconds=given.seconds,
                    **environment)  # fmt: skip


if __name__ == "__main__":
    main()
