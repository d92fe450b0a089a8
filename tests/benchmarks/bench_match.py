"""Questions a second at 10^7 tokens, and how many tokens one core makes.

    python -m tests.benchmarks.bench_match [--rows 10000000] [--database URL] [--seconds 10]
    python -m tests.benchmarks.bench_match --tokens

Most rows are random tokens, written by the database itself: nobody asks for them, and they are what
an index has to be found in. Beside them 100,000 pictures and 1,000 telephone numbers are kept as
the program keeps them, and asked for. Answers are not held back; every one has its entries.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import insert, select, text

from config.settings import load
from custody.entry import Actor
from ingest import matchable
from ingest.matchable import asked_for
from repository import Repository, open_repository
from repository.authorise import Caller
from repository.matching import index, parties
from repository.matching.ask import ask
from repository.matching.key import keys
from repository.matching.tables import MatchItem, MatchToken
from repository.matching.values import Value, asked, kept, token
from repository.models import Exhibit, Person
from repository.people import actor_of, find_person, new_person
from tests.benchmarks.house_of import new_house, say, workplace
from tests.house import run

PICTURES, NUMBERS = 100_000, 1_000
FREE = {
    "match_answer_seconds": 0.0, "match_person_hour": 10**9, "match_organisation_day": 10**9,
}  # fmt: skip
SQLITE = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
INSERT INTO match_token SELECT randomblob(16) AS t, :item FROM n ORDER BY t
"""
POSTGRESQL = """
INSERT INTO match_token
SELECT decode(md5(random()::text || i), 'hex') AS t, :item
FROM generate_series(1, :rows) i ORDER BY t
"""


def number(n: int) -> str:
    return f"+1555{n:07}"


def picture(n: int) -> str:
    return random.Random(n).randbytes(32).hex()


def make(place: Path, rows: int) -> tuple[Repository, dict[str, Caller]]:
    """Return a repository with two institutions and so many tokens."""
    data = place / "data"
    new_house(data)
    (place / "one").write_bytes(b"an exhibit that all tokens here are of")
    found = load(data).model_copy(update=FREE)
    repo = open_repository(found.model_copy(update={"database_statement_seconds": 0}))
    with repo.database.reading() as session:
        [first] = session.scalars(select(Person))
    house = actor_of(first, role="custodian", assurance="os-login")
    callers = {name: _joined(repo, house, name) for name in ("Alfa", "Bravo")}
    words = ["case", "new", "BR", "--title", "T", "--organisation", "Bravo"]
    for command in (words, ["ingest", place / "one", "--case", "BR"]):
        said = run("--data", data, *command)
        assert said.code == 0, said.err
    _fill(repo, rows)
    return repo, callers


def _joined(repo: Repository, house: Actor, name: str) -> Caller:
    new_person(repo, house, name=name, role="custodian", organisation=name)
    with repo.database.reading() as session:
        caller = Caller(find_person(session, name), "named")
    parties.join(repo, caller, name, contact="desk", mode="both", motive="a benchmark")
    return caller


def _fill(repo: Repository, rows: int) -> None:
    matchable.make_all(repo)
    with repo.database.writing() as session:
        exhibit = session.scalars(select(Exhibit.id)).one()
        key = keys(repo, session)[0]
        common = {"exhibit_id": exhibit, "key_id": key.id}
        session.execute(insert(MatchItem), [{"id": 1, **common, "sealed": None}])
        numbers = [kept(key.tokens, asked_for("telephone", number(n)))[0] for n in range(NUMBERS)]
        session.execute(insert(MatchToken), [{"token": t, "item": 1} for t in numbers])
        for start in range(0, PICTURES, 5_000):
            items, tokens = [], []
            for n in range(start, start + 5_000):
                value = Value("picture", picture(n))
                sealed = key.seal(n + 2, value, os.urandom(12))
                items.append({"id": n + 2, **common, "sealed": sealed})
                tokens += [{"token": t, "item": n + 2} for t in kept(key.tokens, value)]
            session.execute(insert(MatchItem), items)
            session.execute(insert(MatchToken), tokens)
    left = rows - 16 * PICTURES - NUMBERS
    with repo.database.writing() as session:
        sqlite = repo.database.dialect == "sqlite"
        session.execute(text("DROP INDEX match_token_item"))
        session.execute(text(SQLITE if sqlite else POSTGRESQL), {"rows": left, "item": 1})
        session.execute(text("CREATE INDEX match_token_item ON match_token (item)"))
    with repo.database.writing() as session:
        session.execute(text("ANALYZE"))


def kinds() -> dict[str, Callable[[int], Value]]:
    """Return what is asked, by its name."""
    at = "2024-05-01T12:00Z"
    return {
        "telephone, no hit": lambda n: asked_for("telephone", f"+49170{n:07}"),
        "telephone, hit": lambda n: asked_for("telephone", number(n % NUMBERS)),
        "picture, no hit": lambda n: asked_for("picture", picture(n + PICTURES)),
        "picture, hit": lambda n: asked_for("picture", picture(n % PICTURES)),
        "place, no hit": lambda n: asked_for("place", f"{n % 80 + 1} {n % 170}", at=at),
    }


def timed(act: Callable[[int], object], seconds: float, threads: int = 1) -> list[float]:
    """Act again and again for so many seconds; return how long each took."""
    end = time.monotonic() + seconds

    def loop(start: int) -> Iterator[float]:
        n = start
        while time.monotonic() < end:
            began = time.monotonic()
            act(n)
            yield time.monotonic() - began
            n += threads

    with ThreadPoolExecutor(threads) as pool:
        return sorted(x for took in pool.map(lambda s: list(loop(s)), range(threads)) for x in took)


def measure(repo: Repository, caller: Caller, seconds: float) -> None:
    with repo.database.reading() as session:
        opened = keys(repo, session)
    for name, value in kinds().items():

        def look(n: int, value: Callable[[int], Value] = value) -> None:
            with repo.database.reading() as session:
                index.find(session, opened, value(n))

        def question(n: int, value: Callable[[int], Value] = value, name: str = name) -> None:
            told = ask(repo, caller, value(n), purpose="investigation")
            assert told.hit == name.endswith(", hit")

        for what, act, threads in (
            ("found alone", look, 1), ("asked", question, 1), ("asked, 8 at once", question, 8),
        ):  # fmt: skip
            took = timed(act, seconds, threads)
            each, half = len(took) / seconds, took[len(took) // 2] * 1e3
            say(
                f"  {name:20}{what:18}{each:9.0f} a second   median {half:7.2f}"
                f" ms   p99 {took[int(len(took) * 0.99)] * 1e3:7.2f} ms"
            )


def rates() -> None:
    """Print how many tokens one core makes."""
    key, value = os.urandom(32), Value("picture", "0f" * 32)
    acts: dict[str, Callable[[int], object]] = {
        "tokens of telephone numbers": lambda n: token(key, "telephone", f"tel:+1555{n:07}"),
        "questions about a picture": lambda _: asked(key, value),
    }
    for name, act in acts.items():
        count, began = 0, time.process_time()
        while time.process_time() - began < 3:
            for n in range(1_000):
                act(n)
            count += 1_000
        say(f"{name}: {count / (time.process_time() - began):,.0f} a second of one core")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--database")
    arguments.add_argument("--on")
    arguments.add_argument("--tokens", action="store_true")
    given = arguments.parse_args()
    if given.tokens:
        rates()
        return
    if given.database:
        os.environ["EVIDENCE_DATABASE_URL"] = given.database
    with workplace(given.on) as place:
        began = time.monotonic()
        repo, callers = make(place, given.rows)
        took = time.monotonic() - began
        say(f"{given.rows} tokens on {repo.database.dialect}, made in {took:.0f} s")
        measure(repo, callers["Alfa"], given.seconds)
        repo.close()


if __name__ == "__main__":
    main()
