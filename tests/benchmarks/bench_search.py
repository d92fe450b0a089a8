"""Search over HTTP with many exhibits, on SQLite and PostgreSQL: p95, size of the index, its rate.

python -m tests.benchmarks.bench_search [--exhibits 1000000] [--seconds 20] [--clients 16]
    [--on sqlite] [--keep FOLDER [--fill]] [--sample 500] [--pause 2]

The exhibits are written straight into the tables (`search_filled`); with `--keep` the houses stay
in a folder and are used again, with `--fill` they are only made. What is asked goes through the
running service: every answer has its committed entry and its stored list. "mixed" draws one of the
kinds for each question. The analyst has a part in the case of nine of ten exhibits, the stranger in
that of every tenth. Askers ask again at once; with `--pause` each first reads for about so many
seconds, as people do.
"processor ms" is what the service used for one answer (on PostgreSQL without the server's own): on
a busy machine the only figure that says something. `--sample` says how fast the product's own
indexer is, on files that were taken in and looked at.
"""

import argparse
import json
import os
import random
import re
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from repository.cases import find_case
from repository.people import grant
from repository.search import index
from tests.benchmarks.bench_api_reads import house_of
from tests.benchmarks.house_of import say
from tests.benchmarks.search_filled import fill, size_of, word
from tests.faults.scene import token_of
from tests.house import CODE, House
from tests.service import serving

Question = Callable[[random.Random], dict[str, object]]


def _q(query: str, *, facets: bool = False) -> dict[str, object]:
    return {"query": query, "facets": facets}


ASKED: dict[str, Question] = {
    "a word in nearly all": lambda d: _q(word(1 + d.randrange(3))),
    "a word in some of 1,000": lambda d: _q(word(1_000 + d.randrange(1_000))),
    "a rare word": lambda d: _q(word(20_000 + d.randrange(100_000))),
    "a word that is nowhere": lambda d: _q(f"absent{d.randrange(10**6)}"),
    "a common and a rare word": lambda d: _q(f"{word(1)} {word(20_000 + d.randrange(20_000))}"),
    "two common words side by side": lambda d: _q(f'"{word(1 + d.randrange(3))} {word(2)}"'),
    "a name of a person": lambda d: _q(word(10 * (10 + d.randrange(1_000)))),
    "either, without a third": lambda d: _q(f"({word(300)} OR {word(9_000)}) NOT {word(1)}"),
    "a name by its number": lambda d: _q(f"name:{d.randrange(1, 100_000)}"),
    "a common word of one type": lambda d: _q(f"{word(1 + d.randrange(9))} type:pdf"),
    "a common word, with facets": lambda d: _q(word(1 + d.randrange(9)), facets=True),
    "all, with facets": lambda _: _q("jpg", facets=True),
}


def mixed(draw: random.Random) -> dict[str, object]:
    """Return a question of a drawn kind."""
    return ASKED[draw.choice(list(ASKED))](draw)


def drive(
    place: tuple[str, int],
    token: str,
    what: Question | str,
    *,
    clients: int,
    seconds: float,
    pause: float = 0,
) -> Iterator[float]:
    """Ask all the time, or with pauses of half to three halves of some seconds in between.

    Yields how long each answer took. Raises where one is not 200.
    """
    times: list[float] = []
    bad: list[int] = []
    end = time.monotonic() + seconds

    def ask(seed: int) -> None:
        draw = random.Random(seed)
        time.sleep(draw.uniform(0, pause))
        with socket.create_connection(place, timeout=120) as line:
            while time.monotonic() < end:
                if isinstance(what, str):
                    request = _request(token, f"GET {what}", "")
                else:
                    request = _request(
                        token, "POST /api/v1/search?limit=50", json.dumps(what(draw))
                    )
                began = time.perf_counter()
                status = _answered(line, request)
                times.append(time.perf_counter() - began)
                if status != 200:
                    bad.append(status)
                time.sleep(draw.uniform(0.5, 1.5) * pause)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if bad:
        raise SystemExit(f"{len(bad)} answers were not 200: {sorted(set(bad))}")
    yield from times


def _request(token: str, what: str, body: str) -> bytes:
    return (
        f"{what} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _answered(line: socket.socket, request: bytes) -> int:
    """Ask, read the answer to its end, and return its status.

    By hand: the askers have the same two cores, and `http.client` takes a tenth of them.
    """
    line.sendall(request)
    got = b""
    while (head := got.find(b"\r\n\r\n")) < 0:
        got += _some(line)
    said = re.match(rb"HTTP/1.1 (\d+)(?s:.*)\r\ncontent-length: (\d+)\r\n", got[: head + 2], re.I)
    if said is None:
        raise SystemExit(f"an answer without a length: {got[:head]!r}")
    rest = head + 4 + int(said[2]) - len(got)
    while rest > 0:
        rest -= len(_some(line))
    return int(said[1])


def _some(line: socket.socket) -> bytes:
    if not (some := line.recv(1 << 18)):
        raise SystemExit("the service ended a connection")
    return some


def measure(
    house: House, *, clients: int, seconds: float, pause: float, **environment: str
) -> None:
    """Ask each kind by one person at a time, then all kinds mixed by all, and lists."""
    kind = house.repo.database.dialect
    tokens = {name: token_of(house, name) for name in ("analyst", "stranger")}
    house.repo.close()
    free = {"EVIDENCE_RATE_PER_TOKEN": "0", "EVIDENCE_RATE_PER_ADDRESS": "0", **environment}
    first = f"/api/v1/exhibits?case={CODE}"
    rounds: list[tuple[str, Question | str, str, int]] = [
        *((what, asked, "analyst", 1) for what, asked in ASKED.items()),
        ("mixed", mixed, "analyst", clients),
        ("mixed", mixed, "stranger", clients),
        ("first page of a list", first, "analyst", 1),
        ("first page of a list", first, "analyst", clients),
    ]
    say("| database | asked | by | askers | answers/s | median ms | p95 ms | processor ms |")
    say("|---|---|---|---|---|---|---|---|")
    with serving(house.data, log=house.data.parent / "serve.log", **free) as service:
        for what, asked, name, many in rounds:
            list(drive(service.place, tokens[name], asked, clients=many, seconds=0.5))
            long = seconds if many > 1 else min(seconds, 2)
            before = used(service.pid)
            read = pause if many > 1 else 0
            times = list(
                drive(service.place, tokens[name], asked, clients=many, seconds=long, pause=read)
            )
            each = (used(service.pid) - before) / len(times)
            cuts = statistics.quantiles(times * 2, n=100)
            say(f"| {kind} | {what} | {name} | {many} | {len(times) / long:.0f} | "
                f"{cuts[49] * 1000:.0f} | {cuts[94] * 1000:.0f} | {each * 1000:.0f} |")  # fmt: skip


def used(session: int) -> float:
    """Return the seconds of a processor that the processes of a session have had so far."""
    found = 0
    for one in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            said = one.read_text().rpartition(")")[2].split()
            if int(said[3]) == session:
                found += int(said[11]) + int(said[12])
    return found / os.sysconf("SC_CLK_TCK")


def furnished(house: House, count: int) -> None:
    """Fill a house, and say how long it took and how large it is."""
    with house.repo.database.reading() as session:
        other = find_case(session, "OTHER")
    assert other is not None
    grant(house.repo, house.custodian, case=other, person=house.caller("stranger").person,
          role="analyst")  # fmt: skip
    took = fill(house, count)
    say(f"{house.repo.database.dialect}: {count} exhibits written in "
        f"{took:.0f} s; {size_of(house) / count:.0f} bytes an exhibit")  # fmt: skip


def sample(house: House, count: int) -> None:
    """Take files of 300 words in, look at them, and say how fast they are indexed."""
    draw = random.Random(5)
    folder = house.data.parent / "sample"
    folder.mkdir(exist_ok=True)
    for n in range(count):
        said = " ".join(word(1 + int(draw.paretovariate(0.4)) % 200_000) for _ in range(300))
        (folder / f"note {n}.txt").write_text(f"Note {n}. {said}.")
    taken = house.evidence("ingest", folder, "--case", CODE, person="investigator")
    assert taken.code == 0, taken.err
    index.rebuild(house.repo)  # the command has indexed them already
    began, before = time.monotonic(), time.process_time()
    done, failed = index.make_all(house.repo)
    took, busy = time.monotonic() - began, time.process_time() - before
    assert (done, failed) == (count, {})
    say(
        f"{house.repo.database.dialect}: the indexer made {done} texts of 300 words in {took:.1f} "
        f"s ({done / took:.0f} a second; {done / busy:.0f} a second of a processor)"
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--exhibits", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--clients", type=int, default=16)
    arguments.add_argument("--on", choices=["sqlite", "postgresql"], action="append")
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--fill", action="store_true")
    arguments.add_argument("--sample", type=int)
    arguments.add_argument("--pause", type=float, default=0)
    given = arguments.parse_args()
    for kind in given.on or ["sqlite", "postgresql"]:
        kept = given.keep / kind if given.keep else None
        there = kept is not None and (kept / "filled").exists()
        with house_of(kind, kept) as (house, environment):
            if given.sample:
                sample(house, given.sample)
                continue
            if not there:
                furnished(house, given.exhibits)
            if kept is not None:
                (kept / "filled").touch()
            if not given.fill:
                measure(
                    house, clients=given.clients, seconds=given.seconds, pause=given.pause,
                    **environment,
                )  # fmt: skip


if __name__ == "__main__":
    main()
