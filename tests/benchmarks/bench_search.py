"""Search over HTTP with many exhibits, on SQLite and PostgreSQL: p95, size of the index, its rate.

python -m tests.benchmarks.bench_search [--exhibits 1000000] [--seconds 20] [--clients 16]

Exhibits have 30 words each, drawn after Zipf's law from 50,000 made ones, so that some words are in
nearly all of them and most in few. What is asked goes through the running service: every answer has
its committed entry and its stored list.
"""

import argparse
import json
import random
import statistics
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import accumulate, pairwise

from sqlalchemy import insert, text

from repository.search import index
from repository.search.index import as_text
from repository.search.tables import SearchExhibit
from repository.search.tokens import EVERY, FACTS, OPEN, Keyed
from repository.search.words import words
from tests.benchmarks.bench_api_reads import SUBMISSION, _house, furnish
from tests.benchmarks.house_of import say
from tests.faults.scene import token_of
from tests.house import House
from tests.service import serving

WORDS, OF_EACH, LOT = 50_000, 30, 1_000
_SYLLABLES = [
    "ka",
    "re",
    "to",
    "mi",
    "su",
    "va",
    "no",
    "li",
    "da",
    "pe",
    "zo",
    "ru",
    "ga",
    "ni",
    "be",
    "fo",
    "ta",
    "ju",
    "se",
    "wo",
]


def word(n: int) -> str:
    """Return the n-th made word: 1 is the commonest."""
    found = ""
    while n:
        n, rest = divmod(n, len(_SYLLABLES))
        found += _SYLLABLES[rest]
    return found


def fill(house: House, count: int) -> tuple[float, int]:
    """Write the tokens of all exhibits; return how long it took, and how many tokens one has."""
    keyed, draw = Keyed(house.repo), random.Random(11)
    weights = list(accumulate(1 / n for n in range(1, WORDS + 1)))
    numbers = range(1, WORDS + 1)
    made = {n: tuple(keyed.of_word(FACTS, next(words(word(n))))) for n in numbers}
    fixed = {keyed.token(level, EVERY, "") for level in (OPEN, FACTS)}
    sqlite = house.repo.database.dialect == "sqlite"
    identifier = "01a1f000-0000-7000-8000-"
    tokens, began = 0, time.monotonic()
    for start in range(1, count + 1, LOT):
        rows = []
        for n in range(start, min(start + LOT, count + 1)):
            drawn = draw.choices(numbers, cum_weights=weights, k=OF_EACH)
            found = fixed | {one for each in drawn for one in made[each]}
            found |= {
                keyed.token(FACTS, "pair", f"{word(a)} {word(b)}") for a, b in pairwise(drawn)
            }
            for level in (OPEN, FACTS):
                found |= {keyed.token(level, "word", one) for one in ("dcim", str(n), "jpg")}
            tokens += len(found)
            rows.append(
                {
                    "n": n, "exhibit_id": f"{identifier}{n:012x}", "case_id": house.case.id,
                    "submission_id": SUBMISSION, "asked": 1, "made": 1, "partial": False,
                    "tokens": tuple(sorted(found)),
                }
            )  # fmt: skip
        with house.repo.database.writing() as session:
            session.execute(insert(SearchExhibit), rows)
            if sqlite:
                lines = [{"n": row["n"], "t": as_text(row["tokens"])} for row in rows]
                session.execute(text(index._ADD), lines)
    with house.repo.database.writing() as session:
        session.execute(text("ANALYZE"))
    return time.monotonic() - began, tokens // count


def size_of(house: House) -> int:
    """Return how many bytes the index takes, its rows included."""
    if house.repo.database.dialect == "postgresql":
        asked = "SELECT pg_total_relation_size('search_exhibit')"
    else:
        asked = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%search_%'"
    with house.repo.database.reading() as session:
        return int(session.scalar(text(asked)) or 0)


ASKED = {
    "a word in nearly all": lambda d: word(1 + d.randrange(3)),
    "a word in some of 1,000": lambda d: word(200 + d.randrange(200)),
    "a rare word": lambda d: word(20_000 + d.randrange(20_000)),
    "a common and a rare word": lambda d: f"{word(1)} {word(20_000 + d.randrange(20_000))}",
    "two common words side by side": lambda d: f'"{word(1 + d.randrange(3))} {word(2)}"',
    "either, without a third": lambda d: f"({word(300)} OR {word(9_000)}) NOT {word(1)}",
    "a name by its number": lambda d: f"name:{d.randrange(1, 1_000)}",
    "all, with facets": lambda d: "jpg",
}


def drive(
    place: tuple[str, int], token: str, what: str, *, clients: int, seconds: float
) -> Iterator[float]:
    """Ask all the time; yield how long each answer took. Raises where one is not 200."""
    times: list[float] = []
    bad: list[int] = []
    end = time.monotonic() + seconds

    def ask(seed: int) -> None:
        draw, line = random.Random(seed), HTTPConnection(*place, timeout=120)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        while time.monotonic() < end:
            body = json.dumps({"query": ASKED[what](draw), "facets": "facets" in what})
            began = time.perf_counter()
            line.request("POST", "/api/v1/search?limit=50", body, headers)
            answer = line.getresponse()
            answer.read()
            times.append(time.perf_counter() - began)
            if answer.status != 200:
                bad.append(answer.status)
        line.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if bad:
        raise SystemExit(f"{what}: {len(bad)} answers were not 200: {sorted(set(bad))}")
    yield from times


def measure(house: House, count: int, *, clients: int, seconds: float, **environment: str) -> None:
    kind = house.repo.database.dialect
    furnish(house, count)
    took, tokens = fill(house, count)
    say(f"{kind}: {count} exhibits of {tokens} tokens written in {took:.0f} s, "
        f"{count / took:.0f} a second; {size_of(house) / count:.0f} bytes an exhibit")  # fmt: skip
    token = token_of(house, "analyst")
    house.repo.close()
    free = {"EVIDENCE_RATE_PER_TOKEN": "0", "EVIDENCE_RATE_PER_ADDRESS": "0", **environment}
    with serving(house.data, log=house.data.parent / "serve.log", **free) as service:
        for what in ASKED:
            list(drive(service.place, token, what, clients=clients, seconds=1))
            times = list(drive(service.place, token, what, clients=clients, seconds=seconds))
            cuts = statistics.quantiles(times, n=100)
            say(f"| {kind} | {count} | {what} | {clients} | {len(times) / seconds:.0f} | "
                f"{cuts[49] * 1000:.0f} | {cuts[94] * 1000:.0f} |")  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--exhibits", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--clients", type=int, default=16)
    arguments.add_argument("--on", choices=["sqlite", "postgresql"], action="append")
    given = arguments.parse_args()
    say("| database | exhibits | asked | askers | answers/s | median ms | p95 ms |")
    say("|---|---|---|---|---|---|---|")
    for kind in given.on or ["sqlite", "postgresql"]:
        with _house(kind) as (house, environment):
            measure(house, given.exhibits, clients=given.clients, seconds=given.seconds,
                    **environment)  # fmt: skip


if __name__ == "__main__":
    main()
