"""Whether an answer or its time tells of an exhibit that whoever asks may not know.

    python -m tests.benchmarks.match_silence [--pairs 1000] [--held 300] [--database URL]

Asked over HTTP, by turns in random order: for files that nobody has, and for files of exhibits that
are sealed or lead-only. Told: how often anything in the answers or in the length of the public
ledger differed; and of the times Mann-Whitney's U, Kolmogorov-Smirnov's D and their p, and how
often the best single threshold guesses right on the second half of the times, learned on the first
(0.5 is guessing). First with answers given at once, then held back as the program does.
"""

import argparse
import bisect
import math
import os
import random
import statistics
import time
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select

from api.app import create_app
from config.settings import load
from ingest import matchable
from repository import Repository, open_repository
from repository.approvals import mark
from repository.authorise import Caller
from repository.conditions import Marking
from repository.matching import parties
from repository.models import Person
from repository.people import actor_of, find_person, new_person, new_token
from tests.benchmarks.house_of import new_house, say, workplace
from tests.house import run

FREE = {"match_person_hour": 10**9, "match_organisation_day": 10**9, "rate_per_token": 0.0}
FILES = 20


def make(place: Path) -> tuple[Repository, str]:
    """Return a repository with hidden exhibits of one institution, and a token of another."""
    data = place / "data"
    new_house(data)
    repo = open_repository(load(data).model_copy(update=FREE))
    with repo.database.reading() as session:
        first = session.scalars(select(Person)).one()
    house = actor_of(first, role="custodian", assurance="os-login")
    callers = {}
    for name in ("Alfa", "Bravo"):
        new_person(repo, house, name=name, role="custodian", organisation=name)
        with repo.database.reading() as session:
            callers[name] = Caller(find_person(session, name), "named")
        parties.join(repo, callers[name], name, contact="desk", mode="both", motive="m")
    (place / "in").mkdir()
    for n in range(FILES):
        (place / "in" / f"{n:03}").write_bytes(b"hidden %d" % n)
    words = ["case", "new", "BR", "--title", "T", "--organisation", "Bravo"]
    for command in (words, ["ingest", place / "in", "--case", "BR"]):
        said = run("--data", data, "--json", *command)
        assert said.code == 0, said.err
    for n, line in enumerate(one for one in said.lines if one.get("exhibit")):
        marking = Marking(sealed=True) if n % 2 else Marking(lead_only=True)
        mark(repo, callers["Bravo"], line["exhibit"], marking, motive="m")
    matchable.make_all(repo)
    token = new_token(repo, house, person=callers["Alfa"].person, expires_at=None)[1]
    return repo, token


def times(repo: Repository, token: str, pairs: int) -> tuple[list[float], list[float], int]:
    """Return the seconds of absent and of hidden, and how many answers differed otherwise."""
    client = create_app(repo).test_client()
    headers = {"Authorization": f"Bearer {token}", "Evidence-Purpose": "investigation"}
    took: dict[bool, list[float]] = {False: [], True: []}
    seen = set()
    draw = random.Random(20261127)
    order = [hidden for _ in range(pairs) for hidden in draw.sample((False, True), 2)]
    for n, hidden in enumerate(order):
        content = b"hidden %d" % (n % FILES) if hidden else b"absent %d" % n
        body = {"kind": "file", "value": sha256(content).hexdigest()}
        size = repo.ledger.size()
        began = time.perf_counter()
        answer = client.post("/api/v1/matches", json=body, headers=headers)
        took[hidden].append(time.perf_counter() - began)
        said = answer.get_json()
        names = tuple(sorted(set(answer.headers.keys())))
        length = len(answer.data) - len(str(said.pop("entry"))) - len(said.pop("query"))
        seen.add((answer.status_code, str(said), names, length, repo.ledger.size() - size))
    return took[False], took[True], len(seen) - 1


def mann_whitney(one: list[float], other: list[float]) -> float:
    """Return the two-sided p that both are of one distribution, by the normal approximation."""
    ranked = sorted((value, side) for side, some in enumerate((one, other)) for value in some)
    rank = sum(n for n, (_, side) in enumerate(ranked, 1) if side == 0)
    a, b = len(one), len(other)
    u = rank - a * (a + 1) / 2
    z = (u - a * b / 2) / math.sqrt(a * b * (a + b + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def kolmogorov_smirnov(one: list[float], other: list[float]) -> tuple[float, float]:
    """Return the greatest distance of both distributions, and its p."""
    first, second = sorted(one), sorted(other)
    most = max(
        abs(
            bisect.bisect_right(first, x) / len(first)
            - bisect.bisect_right(second, x) / len(second)
        )
        for x in first + second
    )
    scale = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    at = (scale + 0.12 + 0.11 / scale) * most
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * at * at) for k in range(1, 101))
    return most, min(1.0, max(0.0, p))


def guessed(absent: list[float], hidden: list[float]) -> float:
    """Return how often the best threshold of the first halves is right on the second halves."""
    half = len(absent) // 2
    learned = [(t, False) for t in absent[:half]] + [(t, True) for t in hidden[:half]]
    best, score = (0.0, True), -1
    for limit in sorted(t for t, _ in learned):
        for above in (True, False):
            right = sum(((t > limit) == above) == side for t, side in learned)
            if right > score:
                best, score = (limit, above), right
    limit, above = best
    tried = [(t, False) for t in absent[half:]] + [(t, True) for t in hidden[half:]]
    return sum(((t > limit) == above) == side for t, side in tried) / len(tried)


def report(name: str, absent: list[float], hidden: list[float], differing: int) -> None:
    d, p = kolmogorov_smirnov(absent, hidden)
    say(f"{name}: {len(absent)} pairs; answers that differed otherwise: {differing}")
    for what, some in (("absent", absent), ("hidden", hidden)):
        ordered = sorted(some)
        say(
            f"  {what:8} median {statistics.median(some) * 1e3:9.3f} ms   mean "
            f"{statistics.mean(some) * 1e3:9.3f}   p99 {ordered[int(len(some) * 0.99)] * 1e3:9.3f}"
        )
    say(
        f"  Mann-Whitney p {mann_whitney(absent, hidden):.3g}   Kolmogorov-Smirnov D {d:.3f}, "
        f"p {p:.3g}   the best threshold guesses {guessed(absent, hidden):.3f} right"
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pairs", type=int, default=1000)
    arguments.add_argument("--held", type=int, default=300)
    arguments.add_argument("--database")
    arguments.add_argument("--on")
    given = arguments.parse_args()
    if given.database:
        os.environ["EVIDENCE_DATABASE_URL"] = given.database
    with workplace(given.on) as place:
        repo, token = make(place)
        usual = repo.settings
        at_once = usual.model_copy(update={"match_answer_seconds": 0.0})
        object.__setattr__(repo, "settings", at_once)
        times(repo, token, 20)  # warm
        report("given at once", *times(repo, token, given.pairs))
        object.__setattr__(repo, "settings", usual)
        report(f"held back ({usual.match_answer_seconds} s)", *times(repo, token, given.held))
        repo.close()


if __name__ == "__main__":
    main()
