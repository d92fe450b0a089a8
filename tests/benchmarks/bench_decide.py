"""Decisions per second with 10,000 cases and 1,000 people: `decide` alone, and with its facts read.

python -m tests.benchmarks.bench_decide [--cases 10000] [--people 1000] [--seconds 5] [--folder DIR]
"""

import argparse
import random
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from api.commands.context import login
from config.settings import load
from repository import Repository
from repository.access import ROLES, Held, Right, Thing, Who, decide
from repository.authorise import Caller, named_case
from repository.conditions import Marking
from repository.initialise import initialise
from repository.models import Case, Grant, Person
from repository.purpose import Purpose
from repository.rules import Marking as MarkingRow
from tests.benchmarks.house_of import say, workplace

NOW = datetime(2026, 11, 27, tzinfo=UTC)
STRICT = Marking("H1", tlp="AMBER", excluded_uses=("immigration",), sealed=True, named=("p1",))
RIGHTS = tuple(Right)
GRANTS = 8  # on each case


def uid(kind: int, n: int) -> str:
    """Return an id."""
    return f"01a1f000-0000-7000-{kind:04x}-{n:012x}"


def fill(repo: Repository, cases: int, people: int) -> None:
    """Write the rows; they are not what is measured."""
    draw = random.Random(1)  # no secret
    with repo.database.writing() as session:
        session.execute(
            insert(Person),
            [
                {"id": uid(1, n), "name": f"person {n}", "role": ROLES[n % len(ROLES)],
                 "created_at": NOW}
                for n in range(people)
            ],
        )  # fmt: skip
        session.execute(
            insert(Case),
            [
                {"id": uid(2, n), "code": f"C{n}", "title": "t", "exhibits": 0, "opened_at": NOW}
                for n in range(cases)
            ],
        )
        grants = {
            (uid(2, n), uid(1, one), ROLES[one % 4])
            for n in range(cases)
            for one in draw.sample(range(people), GRANTS)
        }
        names = ("case_id", "person_id", "role")
        session.execute(
            insert(Grant),
            [{**dict(zip(names, row, strict=True)), "granted_at": NOW} for row in grants],
        )
        session.execute(
            insert(MarkingRow),
            [
                {"subject": uid(2, n), "case_id": uid(2, n), "marking": STRICT.to_json(),
                 "index": 0}
                for n in range(0, cases, 2)
            ],
        )  # fmt: skip


def alone(seconds: float) -> float:
    """Return decisions a second of the pure function, over mixed people, things and rights."""
    draw = random.Random(2)
    asked = [
        (
            Who(f"p{n}", draw.choice(ROLES), held=(Held(draw.choice(ROLES)),)),
            draw.choice(RIGHTS),
            Thing("exhibit", submission="s", markings=(STRICT, Marking(), Marking(tlp="RED"))),
            Purpose("court", ""),
        )
        for n in range(1_000)
    ]
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for person, right, thing, purpose in asked:
            decide(person, right, thing, purpose, NOW)
        done += len(asked)
    return done / (time.perf_counter() - began)


def whole(repo: Repository, cases: int, people: int, seconds: float) -> tuple[float, float]:
    """Return decisions a second with the facts read from the database, and the 99th percentile."""
    draw = random.Random(3)
    with repo.database.reading() as session:
        callers = [
            Caller(session.get_one(Person, uid(1, n)), "named") for n in range(min(people, 200))
        ]
    took: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        caller, code = draw.choice(callers), f"C{draw.randrange(cases)}"
        start = time.perf_counter()
        with repo.database.reading() as session:
            found = named_case(session, caller, code)
        assert found is not None
        _, asking, thing = found
        decide(asking, Right.CONSULT, thing, None, NOW)
        took.append(time.perf_counter() - start)
    total = time.perf_counter() - began
    return len(took) / total, sorted(took)[int(len(took) * 0.99)] * 1_000


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--cases", type=int, default=10_000)
    words.add_argument("--people", type=int, default=1_000)
    words.add_argument("--seconds", type=float, default=5)
    words.add_argument("--folder")
    given = words.parse_args()
    say(f"decide alone, three markings: {alone(given.seconds):,.0f} a second")
    with workplace(given.folder) as folder:
        repo = initialise(load(Path(folder) / "data"), login=login())
        fill(repo, given.cases, given.people)
        rate, late = whole(repo, given.cases, given.people, given.seconds)
        say(
            f"with facts from {repo.database.engine.dialect.name}, {given.cases:,} cases and "
            f"{given.people:,} people: {rate:,.0f} a second, p99 {late:.2f} ms"
        )
        repo.close()


if __name__ == "__main__":
    main()
